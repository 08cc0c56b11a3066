"""Plays by stage under late exports: owed from what earlier runs saw, each once, and never lost."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tierwise.clock import instant, naive
from tierwise.config import Play, Plays
from tierwise.errors import UsageError
from tierwise.routing import Before, owed, seen_now
from tierwise.routing.standing import SEEN_COLUMNS, STAGE_COLUMNS
from tierwise.store import Kind, RunRecord, Store, stages_seen, stages_seen_by

START = instant("2026-03-02")
SAID: dict[str, Any] = {"motion": "call", "owner": "revops", "message": "", "kpi": ""}
IN_STAGE: dict[str, Any] = {"statuses": ("in_pipeline",), "stages": ("Proposal", "Negotiation"), **SAID}
CAME = Plays(plays=(Play(play="came", **IN_STAGE),))
STUCK = Plays(plays=(Play(play="stuck", movements=("stayed",), every_days=7, **IN_STAGE),))
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
"""No shrinking: an example is a real database on a real disk, and short as it is."""

Entry = tuple[str, str, float]
"""Of an export: opportunity_id, stage, and the day on which it entered it."""


def at(day: float) -> datetime:
    return START + timedelta(days=day)


def stages_of(export: tuple[Entry, ...], of: Mapping[str, str], day: int) -> pd.DataFrame:
    """What an export shows as of a day, as `stages_on` reads it. of: opportunity_id -> account_id, "a" by default."""
    rows = [
        (of.get(o, "a"), o, stage, pd.Timestamp(naive(at(entered)))) for o, stage, entered in export if entered < day
    ]
    frame = pd.DataFrame(sorted(rows, key=lambda r: (r[1], r[3])), columns=list(STAGE_COLUMNS[:4]))
    frame = frame.assign(left_at=frame.groupby("opportunity_id")["entered_at"].shift(-1))
    return frame.astype({name: "datetime64[us]" if name.endswith("_at") else "str" for name in STAGE_COLUMNS})


class Line:
    """Runs on one real store: each reads what the ones before its date saw, and keeps what it sees."""

    def __init__(self, store: Store, plays: Plays = CAME) -> None:
        self.store, self.plays, self.made = store, plays, 0

    def run(
        self, day: int, *export: Entry, tiers: Mapping[str, str] | None = None, of: Mapping[str, str] | None = None,
        plays: Plays | None = None, keeps: bool = True, kind: Kind = "scheduled",
    ) -> list[str]:  # fmt: skip
        """The accounts that are owed an action. keeps: whether it keeps what it saw, as those of before did not."""
        which, tiers = plays or self.plays, tiers or {"a": "in_pipeline"}
        prior = self.store.prior_state("p", at(day))
        before = dict(zip(prior["account_id"], prior["tier"], strict=True))
        rows = [
            {"account_id": a, "tier": t, "previous_tier": before.get(a, ""), "cause": "", "why": "", "row": "status"}
            | {"movement": "up" if a in before and before[a] != t and before[a].startswith("tier_") else ""}
            | {"owner_id": None, "surge_began": False, "tier_since": pd.Timestamp(naive(at(-60)))}
            for a, t in tiers.items()
        ]
        decisions, known = pd.DataFrame(rows), stages_of(export, of or {}, day)
        stood = Before(prior[["account_id", "as_of"]], known, stages_seen(self.store, "p", at(day)))
        actions = owed(decisions, which, pd.DataFrame(), "p", at(day), "r", before=stood)
        self.made += 1
        record = RunRecord(f"r{self.made}", "p", at(day), kind, "m", "v", "i", "s")
        moves = pd.DataFrame(columns=["account_id", "previous_tier", "tier", "movement", "cause"])
        kept = seen_now(decisions, which, known) if keeps and any(play.stages for play in which.plays) else None
        due = actions.head(0) if kind == "backfill" else actions
        assert self.store.commit_run(record, decisions[["account_id", "tier"]], moves, due, seen=kept)
        return list(actions["account_id"])


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path}/a.db") as opened:
        yield opened


@pytest.fixture
def line(store: Store) -> Line:
    return Line(store)


DISCOVERY, PROPOSAL = ("o1", "Discovery", 1.0), ("o1", "Proposal", 5.0)


def test_a_stage_that_is_exported_after_the_run_that_followed_it_is_owed_once(line: Line) -> None:
    assert line.run(7, DISCOVERY) == []
    assert line.run(14, DISCOVERY, PROPOSAL) == ["a"]
    assert line.run(21, DISCOVERY, PROPOSAL) == []


def test_so_is_an_opportunity_of_which_the_run_before_saw_nothing(line: Line) -> None:
    assert line.run(7) == []
    assert line.run(14, PROPOSAL) == ["a"]
    assert line.run(21, PROPOSAL, ("o2", "Negotiation", 6)) == ["a"], "another one of the account"
    assert line.run(28, PROPOSAL, ("o2", "Negotiation", 6)) == []


def test_what_a_run_saw_is_not_owed_again_whatever_is_said_later_of_when_it_came(line: Line) -> None:
    assert line.run(4, DISCOVERY) == []
    assert line.run(7, DISCOVERY, PROPOSAL) == ["a"]
    assert line.run(14, DISCOVERY, ("o1", "Proposal", 8)) == [], "as if it had come after the run that owed it"
    assert line.run(21, DISCOVERY, ("o1", "Proposal", 2)) == []
    assert line.run(28, DISCOVERY, PROPOSAL, ("o1", "Negotiation", 22)) == [], "within the stages of the play"
    assert line.run(35, DISCOVERY, PROPOSAL, ("o1", "Discovery", 30)) == []
    back = (DISCOVERY, PROPOSAL, ("o1", "Discovery", 30), ("o1", "Proposal", 34))
    assert line.run(42, *back) == ["a"], "it was seen elsewhere, and came again"


def test_an_account_that_a_run_saw_before_runs_kept_that_falls_back_to_the_dates(line: Line) -> None:
    assert line.run(7, DISCOVERY, keeps=False) == []
    assert line.run(14, DISCOVERY, PROPOSAL) == [], "as before: nothing says that the run of day 7 did not see it"
    assert line.run(15, DISCOVERY, PROPOSAL, ("o2", "Proposal", 14.5)) == ["a"]


def test_a_play_by_stage_that_is_added_owes_nothing_of_what_has_long_stood_there(line: Line) -> None:
    without = Plays(plays=(Play(play="left", tiers=("tier_1",), movements=("left",), **SAID),))
    assert line.run(7, DISCOVERY, PROPOSAL, plays=without) == []
    assert line.run(14, DISCOVERY, PROPOSAL) == []
    wider = Plays(plays=(*CAME.plays, Play(play="early", statuses=("in_pipeline",), stages=("Discovery",), **SAID)))
    assert line.run(21, DISCOVERY, PROPOSAL, ("o2", "Discovery", 20)) == []
    assert line.run(28, DISCOVERY, PROPOSAL, ("o2", "Discovery", 20), plays=wider) == [], "seen, in whatever stage"
    assert line.run(35, DISCOVERY, PROPOSAL, ("o2", "Discovery", 20), plays=without) == []
    late = (DISCOVERY, PROPOSAL, ("o2", "Discovery", 20), ("o2", "Proposal", 36))
    assert line.run(42, *late) == ["a"], "by the dates, since the last run kept nothing"


def test_a_stage_that_is_renamed_in_all_history_comes_to_nobody_anew(line: Line) -> None:
    assert line.run(7, ("o1", "Offer", 1), ("o2", "Discovery", 1)) == []
    assert line.run(14, ("o1", "Proposal", 1), ("o2", "Discovery", 1)) == []


def test_an_export_without_a_deal_is_no_reason_to_owe_it_again(line: Line) -> None:
    assert line.run(4) == []
    assert line.run(7, PROPOSAL) == ["a"]
    assert line.run(14) == []
    assert line.run(21, PROPOSAL) == []
    assert line.run(28, PROPOSAL, ("o1", "Closed Lost", 22), ("o1", "Proposal", 24)) == []
    closed = (PROPOSAL, ("o1", "Closed Lost", 30))
    assert line.run(35) == [], "closed, and so not among the open ones"
    assert line.run(42, *closed, ("o1", "Proposal", 36)) == ["a"], "opened again since"


def test_nor_is_one_in_which_it_stands_where_it_stood_before(line: Line, tmp_path: Path) -> None:
    """A run reads the stages of the day before, and the next one those of the day."""
    assert line.run(4, DISCOVERY) == []
    assert line.run(7, DISCOVERY, PROPOSAL) == ["a"]
    assert line.run(14, DISCOVERY) == []
    assert line.run(21, DISCOVERY, PROPOSAL) == []
    with Store.open(f"sqlite:///{tmp_path}/stayed.db") as store:
        stayed = Line(store, STUCK)
        assert [stayed.run(day, DISCOVERY, PROPOSAL) for day in (6, 13)] == [[], ["a"]]
        assert stayed.run(14, DISCOVERY) == []
        assert [stayed.run(day, DISCOVERY, PROPOSAL) for day in (15, 18, 19)] == [[], [], ["a"]]


def test_a_stage_that_is_renamed_in_one_pipeline_comes_to_nobody_anew(line: Line) -> None:
    assert line.run(7, ("o1", "Offer", 1), ("o2", "Offer", 1)) == []
    assert line.run(14, ("o1", "Proposal", 1), ("o2", "Offer", 1)) == []


def test_stages_of_one_day_are_no_stage_by_two_names(line: Line) -> None:
    assert line.run(7, ("o1", "Discovery", 5)) == []
    assert line.run(14, ("o1", "Discovery", 5), ("o1", "Proposal", 5)) == ["a"]


@pytest.mark.parametrize(("entered", "owes"), [(-22, []), (-21, ["a"])])
def test_history_that_is_loaded_later_is_owed_to_nobody(line: Line, entered: int, owes: list[str]) -> None:
    """What was entered four weeks and more before the run that did not see it is no stage that came late."""
    assert line.run(7, ("o2", "Discovery", 1)) == []
    assert line.run(14, ("o2", "Discovery", 1), ("o1", "Proposal", entered)) == owes


def test_what_came_late_and_has_gone_on_within_the_stages_is_owed(line: Line) -> None:
    assert line.run(7, DISCOVERY) == []
    assert line.run(14, DISCOVERY, PROPOSAL, ("o1", "Negotiation", 9)) == ["a"]
    assert line.run(
        21, DISCOVERY, PROPOSAL, ("o1", "Negotiation", 9), ("o2", "Proposal", 5), ("o2", "Negotiation", 16)
    ) == ["a"]
    assert (
        line.run(28, DISCOVERY, PROPOSAL, ("o1", "Negotiation", 9), ("o2", "Proposal", 5), ("o2", "Negotiation", 16))
        == []
    )


def test_what_goes_on_within_the_stages_is_one_stay_whatever_lacks_for_a_day_or_is_renamed(line: Line) -> None:
    on = (DISCOVERY, PROPOSAL, ("o1", "Negotiation", 7.5))
    assert line.run(4, DISCOVERY) == []
    assert line.run(7, DISCOVERY, PROPOSAL) == ["a"]
    assert line.run(8) == []
    assert line.run(9, *on) == []
    old = Plays(plays=(Play(play="came", **IN_STAGE | {"stages": ("Offer", "Negotiation")}),))
    assert line.run(14, *on, ("o2", "Offer", 13), plays=old) == ["a"]
    assert line.run(21, *on, ("o2", "Proposal", 13), ("o2", "Negotiation", 20)) == []


def test_a_deal_that_is_put_right_to_another_account_is_owed_there(line: Line) -> None:
    both, theirs = {"a": "tier_1", "b": "in_pipeline"}, {"o2": "b"}
    assert line.run(4, tiers=both) == []
    assert line.run(7, ("o2", "Proposal", 5), tiers=both, of=theirs) == ["b"]
    now = {"a": "in_pipeline", "b": "tier_1"}
    assert line.run(14, ("o2", "Proposal", 5), tiers=now) == ["a"]


def test_a_merge_owes_nothing_of_what_was_seen_under_the_account_that_is_gone(line: Line) -> None:
    both = {"a": "in_pipeline", "b": "in_pipeline"}
    theirs = {"o2": "b"}
    assert line.run(7, DISCOVERY, ("o2", "Discovery", 1), tiers=both, of=theirs) == []
    assert line.run(14, DISCOVERY, ("o2", "Discovery", 1), ("o2", "Proposal", 8), tiers=both, of=theirs) == ["b"]
    assert line.run(21, DISCOVERY, ("o2", "Discovery", 1), ("o2", "Proposal", 16)) == [], "b was merged into a"
    assert line.run(28, DISCOVERY, ("o2", "Discovery", 1), ("o2", "Proposal", 8), PROPOSAL) == ["a"]


def test_nor_where_the_account_comes_into_the_status_by_the_merge_alone(line: Line) -> None:
    both, theirs = {"a": "tier_1", "b": "in_pipeline"}, {"o2": "b"}
    assert line.run(7, tiers=both, of=theirs) == []
    assert line.run(14, ("o2", "Proposal", 5), tiers=both, of=theirs) == ["b"]
    assert line.run(21, ("o2", "Proposal", 5)) == []
    assert line.store.outbox("p")["account_id"].tolist() == ["b"], "what b was owed stands, and follows the merge"
    assert line.run(28, ("o2", "Proposal", 5), ("o3", "Proposal", 20)) == ["a"]


def test_a_merge_with_an_own_deal_owes_the_own_one(line: Line) -> None:
    both, theirs = {"a": "tier_1", "b": "in_pipeline"}, {"o2": "b"}
    assert line.run(7, ("o2", "Proposal", 5), tiers=both, of=theirs) == []
    assert line.run(14, ("o2", "Proposal", 5), ("o1", "Proposal", 8)) == ["a"]


def test_a_backfill_is_read_by_no_later_run_and_what_a_revision_sees_stands_beside_the_first(line: Line) -> None:
    store = line.store
    assert line.run(7, DISCOVERY) == []
    line.run(5, ("o1", "Discovery", 1), ("o1", "Proposal", 2), kind="backfill")
    line.run(7, ("o1", "Discovery", 1), ("o2", "Discovery", 3), kind="revision")
    assert stages_seen_by(store, "p", at(5)).empty
    assert stages_seen_by(store, "p", at(7))["opportunity_id"].tolist() == ["o1", "o2"]
    assert stages_seen(store, "p", at(7)).empty
    assert line.run(14, DISCOVERY, PROPOSAL) == ["a"]
    line.run(14, kind="revision")
    seen = stages_seen_by(store, "p", at(14))
    assert tuple(seen.columns) == SEEN_COLUMNS
    rows = [["a", "", ""], ["a", "o1", "Proposal"]]
    assert sorted(seen[["account_id", "opportunity_id", "stage"]].to_numpy().tolist()) == rows
    assert line.run(21, DISCOVERY, PROPOSAL) == [], "the first of day 14 owed it, and what it owed stands"
    newest = stages_seen(store, "p", at(15))
    days = [(o, (t - naive(START)).days) for o, t in zip(newest["opportunity_id"], newest["as_of"], strict=True)]
    assert days == [("o1", 7), ("o2", 7), ("", 14), ("o1", 14)], "of each deal in a stage, and of each account"


def test_staying_in_a_stage_that_was_exported_late_loses_no_multiple(store: Store) -> None:
    stuck = Line(store, STUCK)
    assert stuck.run(13, DISCOVERY) == []
    assert stuck.run(14, DISCOVERY, PROPOSAL) == ["a"], "day 12 was over before, and no run knew of it"
    assert stuck.run(15, DISCOVERY, PROPOSAL) == []
    assert stuck.run(20, DISCOVERY, PROPOSAL) == ["a"], "day 19"
    assert stuck.run(21, DISCOVERY, ("o1", "Proposal", 6)) == [], "the second multiple has been owed"
    assert stuck.run(25, DISCOVERY, ("o1", "Proposal", 1.5)) == ["a"], "day 22.5 is the third"
    assert stuck.run(27, DISCOVERY, ("o1", "Proposal", 1.5), ("o1", "Negotiation", 17)) == ["a"], "its clock is its own"
    assert stuck.run(28, DISCOVERY, ("o1", "Proposal", 1.5), ("o1", "Negotiation", 17)) == []


def test_staying_counts_as_the_run_before_saw_it_where_its_date_is_corrected_and_anew_where_it_came_back(
    store: Store,
) -> None:
    stuck = Line(store, STUCK)
    assert stuck.run(9, DISCOVERY) == []
    assert stuck.run(16, DISCOVERY, ("o1", "Proposal", 10)) == []
    assert stuck.run(18, DISCOVERY, ("o1", "Proposal", 8)) == ["a"], "day 15, which the run of day 16 did not know of"
    assert stuck.run(21, DISCOVERY, ("o1", "Proposal", 8)) == []
    back = (DISCOVERY, ("o1", "Proposal", 8), ("o1", "Discovery", 22), ("o1", "Proposal", 23))
    assert stuck.run(30, *back) == ["a"], "seven days since it came back"
    assert stuck.run(31, *back) == []


@settings(max_examples=25, deadline=None, phases=PHASES)
@given(
    days=st.lists(st.integers(1, 60), min_size=1, max_size=8, unique=True).map(sorted),
    entered=st.floats(0, 60, allow_nan=False).map(lambda day: round(day, 1)),
    late=st.integers(0, 30),
    drift=st.sampled_from([0.0, -0.7, 0.9]),
)
def test_whenever_it_is_exported_a_stage_is_owed_by_the_first_run_that_can_see_it(
    days: list[int], entered: float, late: int, drift: float
) -> None:
    """drift: by how much its date is corrected in every other export."""
    with tempfile.TemporaryDirectory() as folder, Store.open(f"sqlite:///{folder}/a.db") as store:
        line = Line(store)
        assert line.run(0) == []
        came = []
        for n, day in enumerate(days):
            when = max(0.0, entered + drift * (n % 2))
            seen = when < day and day > entered + late
            owes = line.run(day, ("o1", "Discovery", -9.0), *([("o1", "Proposal", when)] if seen else []))
            assert owes == (["a"] if seen and not any(came) else [])
            came.append(seen)
            if any(came) and not seen:
                return


def test_the_record_is_of_accounts_in_the_statuses_of_plays_by_stage_alone(line: Line) -> None:
    tiers = {"a": "in_pipeline", "b": "tier_1", "c": "customer", "d": "in_pipeline"}
    line.run(7, DISCOVERY, ("o2", "Proposal", 2), ("o3", "Proposal", 2), tiers=tiers, of={"o2": "b", "o3": "c"})
    seen = stages_seen_by(line.store, "p", at(7))
    assert seen[["account_id", "opportunity_id", "stage"]].to_numpy().tolist() == [
        ["a", "o1", "Discovery"],
        ["d", "", ""],
    ]


def test_a_record_that_names_an_opportunity_twice_is_refused_and_nothing_is_written(store: Store) -> None:
    one = pd.DataFrame([("a", "o1", "Proposal", pd.NaT)], columns=[c for c in SEEN_COLUMNS if c != "as_of"])
    record = RunRecord("r", "p", at(7), "scheduled", "m", "v", "i", "s")
    state = pd.DataFrame({"account_id": ["a"], "tier": ["in_pipeline"]})
    moves = pd.DataFrame(columns=["account_id", "previous_tier", "tier", "movement", "cause"])
    actions = pd.DataFrame(columns=["action_id", "account_id"])
    with pytest.raises(UsageError, match="opportunity_id 'o1' has more than one row"):
        store.commit_run(record, state, moves, actions, seen=pd.concat([one, one]))
    assert store.find_run("r") is None
    assert store.state_at("p", at(7)).empty


def test_a_store_of_before_gets_the_table(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    with Store.open(url) as store:
        Line(store).run(7, DISCOVERY, keeps=False)
    with sqlite3.connect(tmp_path / "a.db") as connection:
        connection.execute("DROP TABLE stages_seen")
    connection.close()
    with Store.open(url) as store:
        line = Line(store)
        line.made = 1
        assert line.run(14, DISCOVERY) == []
        assert line.run(21, DISCOVERY, PROPOSAL) == ["a"]
