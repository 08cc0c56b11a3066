"""The control group: the draw, merges, what is withheld, the log, and what is read of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, settings
from hypothesis import given as given_of
from hypothesis import strategies as st

from servers import psql
from tierwise.audit import of_control
from tierwise.clock import instant, naive
from tierwise.config import Control, Play, Plays, Policy, json_schema, plays_text
from tierwise.config.load import parse_file
from tierwise.errors import ConfigError, UsageError
from tierwise.governance import control_review, matured, review
from tierwise.governance.control import compared, control_cases, when
from tierwise.jobs.control import near_a_cut
from tierwise.learning.metrics import wilson
from tierwise.routing import default_plays, draw, in_arms, no_draws, owed, taken_over, without
from tierwise.routing.control import (
    CONTROL,
    DRAWN,
    TREATED,
    entering,
    freed,
    held_back,
    owed_after_all,
    unbegun,
)
from tierwise.store import ControlLog, RunRecord, Store, draws, given, withheld
from tierwise.tiers import decide, next_state

D1, D2, D3 = (instant(f"2026-0{month}-01") for month in (3, 4, 5))
TIERS = ("tier_1", "tier_2", "tier_3", "recycle", "suppress", "in_pipeline")


# -- plays.yaml


BROKEN = {
    "{share: 0.6}": "1: control.share: at most 0.5 is wanted",
    "{share: true}": "1: control.share: another kind of value is wanted; here stands a flag (true)",
    "{share: 0.1, tiers: [recycle]}": "1: control.tiers[0]: one of tier_1, tier_2, tier_3 is wanted",
    "{share: 0.1, tiers: [tier_1, tier_1]}": "1: control.tiers[1]: stands twice in this list: leave one out",
    "{share: 0.1, never: [A1, A2, A1]}": "1: control.never[2]: stands twice in this list: leave one out",
    "{share: 0.1, never: [4711]}": "1: control.never[0]: text is wanted",
    "{near: 5, share: 0}": "1: control.share: 0 holds nobody back near a cut: leave it out (0.5), or take near out",
    "{near: 0}": "1: control.near: a number above 0 is wanted",
    "{shares: 0.1}": "1: control.shares: unknown key; did you mean 'share'?",
    "{share: 0.1, salt: ''}": "1: control.salt: ",
}


@pytest.mark.parametrize("text", BROKEN)
def test_a_broken_control_group_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_file(Plays, f"control: {text}\n", "plays.yaml")
    said = [line for line in str(caught.value).splitlines() if "plays.yaml:" in line]
    assert len(said) == 1
    assert f"plays.yaml:{BROKEN[text]}" in said[0]


def test_files_without_a_group_say_what_they_said_and_a_group_comes_back_as_it_was_written() -> None:
    bare = default_plays()
    assert "control" not in bare.said()
    assert bare.model_copy(update={"control": Control(salt="x", never=("A1",))}).said() == bare.said()
    assert "control" not in plays_text(bare).split("\ncomplete:")[1]
    coin = Plays(control=Control.model_validate({"near": 5}))
    assert coin.control.share == 0.5
    assert parse_file(Plays, plays_text(coin), "plays.yaml") == coin
    assert Control.model_validate({"near": 5, "share": 0.2}).share == 0.2
    tenth = Plays(control=Control(share=0.1))
    assert tenth.said() != Plays(control=Control(share=0.2)).said() != bare.said()
    assert tenth.said() == Plays(control=Control(share=0.1, detect=0.2)).said(), "what the review reads moves no run"
    assert {"share", "salt", "near", "never"} <= set(json_schema("plays")["$defs"]["Control"]["properties"])


def test_check_says_who_is_named_in_vain_and_where_nothing_would_be_withheld() -> None:
    plays = default_plays().model_copy(update={"control": Control(share=0.1, never=("A1", "a2", "A3"))})
    found = of_control(plays, {"A1", "A2"})
    assert [(f.code, f.severity) for f in found] == [("unknown_named", "warns")]
    assert "no account is called a2, A3: whoever is meant may be drawn" in found[0].found
    every = Control(share=0.1, tiers=("tier_1", "tier_2", "tier_3"))
    found = of_control(plays.model_copy(update={"control": every}), set())
    assert [(f.code, f.found) for f in found] == [
        ("idle_control", "no seller's play is owed on entering tier_3: nothing begins there, and no lift is shown")
    ], "a surge that a seller answers begins nothing"
    assert of_control(default_plays(), set()) == []


# -- the draw


def known(frame: pd.DataFrame, as_of: Any = D1) -> pd.DataFrame:
    """Draws as the log keeps them."""
    return frame.assign(via="", drawn_as_of=pd.Timestamp(naive(as_of)), row_as_of=pd.Timestamp(naive(as_of)))[
        list(DRAWN)
    ]


def drawn_over(waves: list[dict[str, str]], control: Control) -> pd.DataFrame:
    """The log after some runs, each with the tiers of its accounts."""
    log = no_draws()
    for n, tiers in enumerate(waves):
        rows = pd.DataFrame({"account_id": list(tiers), "tier": list(tiers.values())})
        made = known(draw(rows, log, control, "p"), D1 + timedelta(days=n))
        log = pd.concat([log, made], ignore_index=True) if len(log) else made
    return log


WAVES = st.lists(
    st.dictionaries(st.integers(0, 300).map(lambda n: f"a{n}"), st.sampled_from(TIERS), max_size=40), max_size=8
)


@settings(max_examples=40, deadline=None)
@given_of(waves=WAVES, share=st.sampled_from([0.05, 0.1, 0.25, 0.5]), salt=st.sampled_from(["1", "2", "3"]))
def test_shares_are_exact_in_each_tier_and_a_draw_stands_for_good(
    waves: list[dict[str, str]], share: float, salt: str
) -> None:
    control = Control(share=share, salt=salt)
    log, before = no_draws(), {}
    for n in range(len(waves)):
        log = drawn_over(waves[: n + 1], control)
        arms = dict(zip(log["account_id"], log["arm"], strict=True))
        assert arms.items() >= before.items(), "what came later changed an arm"
        before = arms
    assert log["account_id"].is_unique
    first = {}
    for tiers in waves:
        first |= {a: t for a, t in tiers.items() if a not in first and t in control.tiers}
    assert dict(zip(log["account_id"], log["tier"], strict=True)) == first, "each once, in its first tier"
    for _, rows in log.groupby("tier"):
        assert abs((rows["arm"] == CONTROL).sum() - share * len(rows)) < 1 + 1e-9


@settings(max_examples=25, deadline=None)
@given_of(
    tiers=st.dictionaries(st.integers(0, 999).map(str), st.sampled_from(TIERS), max_size=80), seed=st.integers(0, 9)
)
def test_the_draw_does_not_depend_on_the_order_of_rows_and_a_repeated_run_draws_the_same(
    tiers: dict[str, str], seed: int
) -> None:
    control = Control(share=0.25)
    rows = pd.DataFrame({"account_id": list(tiers), "tier": list(tiers.values())}).astype(str)
    made = draw(rows, no_draws(), control, "p")
    again = draw(rows.sample(frac=1, random_state=seed), no_draws(), control, "p")
    pd.testing.assert_frame_equal(made, again)
    assert draw(rows, known(made), control, "p").empty


def test_every_account_has_the_same_chance_and_salts_plans_and_terms_draw_apart() -> None:
    """Over many salts each of five accounts, come one by one or at once, is drawn in a fifth of them."""
    ids = [f"a{n}" for n in range(5)]
    at_once, singly = np.zeros(5), np.zeros(5)
    salts = 200
    for salt in range(salts):
        control = Control(share=0.2, salt=str(salt))
        waves: list[list[dict[str, str]]] = [[dict.fromkeys(ids, "tier_1")], [{a: "tier_1"} for a in ids]]
        for counts, some in zip((at_once, singly), waves, strict=True):
            arms = drawn_over(some, control).set_index("account_id")["arm"]
            assert (arms == CONTROL).sum() == 1
            counts += (arms.reindex(ids) == CONTROL).to_numpy()
    for counts in (at_once, singly):
        chi = float((((counts - salts / 5) ** 2) / (salts / 5)).sum())
        assert chi < 18.5, f"{counts}: chi-square {chi:.1f} on 4 degrees of freedom, p < 0.001"
    many = pd.DataFrame({"account_id": [f"a{n}" for n in range(400)], "tier": "tier_1"})
    half = Control(share=0.5)
    first = draw(many, no_draws(), half, "p")["arm"]
    for other in (draw(many, no_draws(), Control(share=0.5, salt="2"), "p"), draw(many, no_draws(), half, "q")):
        assert 0.4 < (other["arm"] == first).mean() < 0.6


def test_another_share_begins_to_count_anew_and_draws_by_its_own_chance() -> None:
    log = drawn_over([{f"a{n}": "tier_1" for n in range(1000)}], Control(share=0.1))
    half = draw(pd.DataFrame({"account_id": [f"b{n}" for n in range(20)], "tier": "tier_1"}), log,
                Control(share=0.5), "p")  # fmt: skip
    assert (half["arm"] == CONTROL).sum() == 10, "not all of them, to make up for those of before"


# -- merges


def logged(*rows: tuple[str, str, Any]) -> pd.DataFrame:
    made = pd.DataFrame([(a, arm, pd.Timestamp(naive(at))) for a, arm, at in rows], columns=["account_id", "arm", "at"])
    made = made.assign(via="", tier="tier_1", share=0.1, near=math.nan, drawn_as_of=made["at"], row_as_of=made["at"])
    return made[list(DRAWN)]


def test_a_merged_account_takes_the_earliest_draw_and_the_log_says_so_once() -> None:
    log = logged(("a", CONTROL, D1), ("b", TREATED, D2), ("c", TREATED, D2), ("d", TREATED, D1))
    become = {"a": "b", "x": "c"}
    arms = in_arms(log, become).set_index("account_id")
    assert arms["arm"].to_dict() == {"b": CONTROL, "c": TREATED, "d": TREATED}
    assert arms.loc["b", "via"] == "a"
    assert arms["mixed"].to_dict() == {"b": True, "c": False, "d": False}
    over = taken_over(log, become)
    assert over[["account_id", "via", "arm"]].values.tolist() == [["b", "a", CONTROL]]
    full = pd.concat([log, over[list(DRAWN)]], ignore_index=True)
    assert taken_over(full, become).empty
    pd.testing.assert_frame_equal(in_arms(full, become), in_arms(log, become))
    same_day = logged(("a", CONTROL, D1), ("b", TREATED, D1), ("e", CONTROL, D1))
    assert in_arms(same_day, {"a": "b"}).set_index("account_id").loc["b", "arm"] == TREATED, "its own goes first"
    assert in_arms(same_day, {"a": "z", "b": "z"}).set_index("account_id").loc["z", "via"] == "a"


@settings(max_examples=40, deadline=None)
@given_of(
    rows=st.dictionaries(st.sampled_from("abcdefgh"), st.tuples(st.booleans(), st.integers(0, 3)), min_size=1),
    become=st.dictionaries(st.sampled_from("abcd"), st.sampled_from("efgh")),
)
def test_after_any_merges_each_account_has_one_arm_which_is_the_earliest_of_its_own(
    rows: dict[str, tuple[bool, int]], become: dict[str, str]
) -> None:
    log = logged(*((a, CONTROL if held else TREATED, D1 + timedelta(days=day)) for a, (held, day) in rows.items()))
    arms = in_arms(log, become)
    assert arms["account_id"].is_unique
    for row in arms.to_dict("records"):
        mine = {a: rows[a] for a in rows if become.get(a, a) == row["account_id"]}
        earliest = min(day for _, day in mine.values())
        assert row["arm"] in {CONTROL if held else TREATED for held, day in mine.values() if day == earliest}
        assert row["mixed"] == (len({held for held, _ in mine.values()}) > 1)


# -- what is withheld


def account(name: str, **facts: Any) -> dict[str, Any]:
    blank = {"excluded_by": None, "negative_trigger": None, "owner_id": None, "propensity": 0.2, "roles_reached": ""}
    signals = {"signals_7d": 0.0, "signals_prior_weekly": 1.0, "contacts_7d": 0.0, "channels_7d": 1.0}
    scores = {"fit_score": 80.0, "signal_score": 80.0, "days_since_signal": 9.0, "coverage": "none"}
    return {"account_id": name, "status": "eligible", **blank, **signals, **scores, **facts}


MOVING = st.fixed_dictionaries(
    {
        "status": st.sampled_from(["eligible", "eligible", "eligible", "in_pipeline", "customer"]),
        "fit_score": st.sampled_from([10.0, 50.0, 90.0]),
        "signal_score": st.sampled_from([0.0, 60.0, 80.0, 95.0]),
        "coverage": st.sampled_from(["none", "reached"]),
        "signals_7d": st.sampled_from([0.0, 9.0]),
        "excluded_by": st.sampled_from([None, None, "legal_hold"]),
    }
)


@settings(max_examples=15, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given_of(runs=st.lists(st.lists(MOVING, min_size=6, max_size=6), min_size=1, max_size=5))
def test_over_any_runs_the_control_group_gets_no_sellers_action_and_all_else_is_as_without_it(
    runs: list[list[dict[str, Any]]],
) -> None:
    plays, control = default_plays(), Control(share=0.5)
    sellers = {play.play for play in plays.plays if play.by_seller}
    assert sellers >= {"focus", "growth", "surge", "focus_ended"}
    assert not sellers & {"scaled", "target", "recycle", "stop", "escalation"}
    state, log = pd.DataFrame(), no_draws()
    for n, facts in enumerate(runs):
        as_of = D1 + timedelta(days=30 * n)
        rows = pd.DataFrame([account(f"a{i}", **fact) for i, fact in enumerate(facts)])
        decided = decide(rows, state, Policy(), as_of)
        made = known(draw(decided, log, control, "p"), as_of)
        log = pd.concat([log, made], ignore_index=True) if len(log) else made
        actions = owed(decided, plays, pd.DataFrame(), "p", as_of, f"r{n}")
        arms = in_arms(log, {})
        held = set(arms.loc[arms["arm"] == CONTROL, "account_id"])
        off = without(actions, plays, held)
        play_of = dict(zip(actions["action_id"], actions["play"], strict=True))
        for action, gone in zip(actions.to_dict("records"), off, strict=True):
            play = play_of.get(action["overdue_of"]) or action["play"]
            assert gone == (
                action["account_id"] in held and play in sellers - {"open_deal", "slow_deal", "new_customer"}
            )
        assert not without(actions, plays, []).any()
        state = next_state(decided)


def test_owners_by_rule_and_sales_development_are_sellers_and_what_approaches_nobody_goes_on() -> None:
    said: dict[str, Any] = {"tiers": ("tier_1",), "message": "", "kpi": ""}
    owners = ("account_owner", "territory", "capacity", "sales_development", "marketing_operations", "revops")
    by = {owner: Play(play="p", motion="call", owner=owner, **said).by_seller for owner in owners}  # type: ignore[arg-type]
    assert [owner for owner, seller in by.items() if not seller] == ["marketing_operations", "revops"]
    assert not Play(play="p", motion="none", owner="account_owner", **said).by_seller


def test_near_is_within_so_many_points_of_the_cut_below_the_tier() -> None:
    fits = [99.0, 80.0, 74.9, 70.1, 60.0]
    rows = pd.DataFrame([account(f"a{n}", fit_score=fit, signal_score=85.0) for n, fit in enumerate(fits)])
    policy = Policy()
    assert (policy.bands.fit.high, policy.bands.signal.moderate) == (70, 75)
    decided = decide(rows, pd.DataFrame(), policy, D1)
    assert decided["tier"].tolist() == ["tier_2"] * 4 + ["tier_3"]
    near = near_a_cut(decided, rows, policy, Control(share=0.5, near=5), D1)
    assert near["account_id"].tolist() == ["a2", "a3"], "fit of 70 to 75; its signal lies 10 points above"
    assert near_a_cut(decided, rows, policy, Control(share=0.5), D1)["account_id"].tolist() == ["a0", "a1", "a2", "a3"]
    kept = decide(rows.assign(fit_score=66.0), next_state(decided), policy, D2)
    assert kept["tier"].iloc[0] == "tier_2", "it stays by its margin,"
    assert set(near_a_cut(kept, rows.assign(fit_score=66.0), policy, Control(near=5, share=0.5), D2)["account_id"]) == {
        "a0", "a1", "a2", "a3",
    }, "and lies within 5 points of the cut"  # fmt: skip


# -- the log


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/tierwise.db"
    return str(request.getfixturevalue("postgresql_url"))


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store.open(url) as opened:
        yield opened


STATE = pd.DataFrame({"account_id": ["a"], "tier": ["tier_1"]})
MOVES = pd.DataFrame(columns=["account_id", "previous_tier", "tier", "movement", "cause"])
ACTIONS = pd.DataFrame(columns=["action_id", "account_id"])


def record(run_id: str, as_of: Any, kind: Any = "scheduled") -> RunRecord:
    return RunRecord(run_id, "p", as_of, kind, "m", "v", "i", "s")


def of_run(*rows: tuple[str, str, str], off: tuple[str, ...] = (), salt: str = "1") -> ControlLog:
    made = pd.DataFrame(rows, columns=["account_id", "via", "arm"]).assign(
        tier="tier_1", share=0.1, near=math.nan, row_as_of=pd.Timestamp("2026-03-01")
    )
    return ControlLog(salt, made, pd.DataFrame({"action_id": list(off), "account_id": "a", "play": "focus"}))


def test_draws_and_withheld_actions_are_written_with_the_run_or_not_at_all(store: Store) -> None:
    assert store.commit_run(record("r1", D1), STATE, MOVES, ACTIONS, of_run(("a", "", CONTROL), off=("x1",)))
    assert not store.commit_run(record("r1", D1), STATE, MOVES, ACTIONS, of_run(("b", "", CONTROL))), "a no-op"
    assert store.commit_run(
        record("r2", D2), STATE, MOVES, ACTIONS, of_run(("b", "", TREATED), ("a", "z", CONTROL), off=("x2",))
    )
    log = draws(store, "p")
    assert log[["account_id", "via", "arm", "run_id"]].values.tolist() == [
        ["a", "", CONTROL, "r1"], ["a", "z", CONTROL, "r2"], ["b", "", TREATED, "r2"],
    ]  # fmt: skip
    assert log["near"].isna().all()
    assert log["drawn_as_of"].tolist()[:2] == [pd.Timestamp("2026-03-01"), pd.Timestamp("2026-04-01")]
    assert len(draws(store, "p", D1)) == 1
    assert draws(store, "p", salt="2").empty
    assert draws(store, "q").empty
    assert withheld(store, "p", "a")["action_id"].tolist() == ["x1", "x2"]
    with pytest.raises(Exception, match=r"(?i)unique"):
        store.commit_run(record("r3", D3), STATE, MOVES, ACTIONS, of_run(("a", "", TREATED)))
    assert store.newest_run("p").run_id == "r2", "nothing of a run whose draw is there already"  # type: ignore[union-attr]
    bad = of_run(("c", "", CONTROL))
    log_of = ControlLog("1", bad.draws.drop(columns="arm"), bad.withheld)
    with pytest.raises(UsageError, match="without the column arm"):
        store.commit_run(record("r3", D3), STATE, MOVES, ACTIONS, log_of)
    assert store.find_run("r3") is None
    assert store.commit_run(record("r0", instant("2026-02-01"), "backfill"), STATE, MOVES, ACTIONS, of_run())
    assert len(draws(store, "p")) == 3


def test_who_was_ever_owed_one_of_some_plays_is_one_answer_whatever_became_of_it(store: Store) -> None:
    def owed_to(*rows: tuple[str, str, str]) -> pd.DataFrame:
        made = pd.DataFrame(rows, columns=["action_id", "account_id", "play"])
        return made.assign(messages=[{"play": "other"}] * len(rows), message='"play":"surge"', motion="call", tier="x")

    assert given(store, "p", ["focus"], D3).empty
    first = owed_to(("x1", "a", "focus"), ("x2", "b", "recycle"), ("x3", "c", "growth"))
    store.commit_run(record("r1", D1), STATE, MOVES, first)
    gone = MOVES.assign(account_id=["c"], previous_tier="x", tier="y", movement="up", cause="data")
    store.commit_run(record("r1b", D1, "revision"), STATE, gone, first.head(2))
    assert store.outbox("p", "withdrawn")["action_id"].tolist() == ["x3"]
    store.commit_run(record("r2", D2), STATE, MOVES, owed_to(("x4", "a", "focus"), ("x5", "d", "focus")))
    found = given(store, "p", ["focus", "growth", "surge"], D2)
    assert found[["account_id", "play"]].values.tolist() == [
        ["a", "focus"], ["c", "growth"], ["a", "focus"], ["d", "focus"],
    ]  # fmt: skip
    assert set(given(store, "p", ["focus", "growth"], D1)["account_id"]) == {"a", "c"}
    assert given(store, "q", ["focus"], D3).empty
    assert given(store, "p", [], D3).empty


# -- who enters, who is held back, and what is owed after all


def stands(account_id: str, tier: str, since: Any, before: str = "") -> dict[str, Any]:
    return {"account_id": account_id, "tier": tier, "previous_tier": before or tier, "tier_since": naive(since)}


def done(*rows: tuple[str, str, Any]) -> pd.DataFrame:
    made = [(account, play, pd.Timestamp(naive(at))) for account, play, at in rows]
    frame = pd.DataFrame(made, columns=["account_id", "play", "as_of"])
    return frame.astype({"account_id": "str", "play": "str", "as_of": "datetime64[us]"})


def test_who_stands_in_a_tier_already_does_not_enter_it() -> None:
    rows = pd.DataFrame(
        [stands("stays", "tier_1", D1), stands("up", "tier_1", D2, "tier_2"), stands("out", "tier_3", D2, "tier_1")]
    )
    first = pd.DataFrame([stands("new", "tier_2", D2)]).assign(previous_tier="")
    assert entering(pd.concat([rows, first]), Control(share=0.1))["account_id"].tolist() == ["up", "new"]


def test_what_was_withheld_on_entering_is_owed_once_to_whom_is_held_back_no_more() -> None:
    plays = default_plays()
    off = done(("a", "focus", D1), ("a", "surge", D2), ("b", "growth", D1), ("b", "focus", D2), ("c", "focus", D1))
    now = pd.DataFrame([stands("a", "tier_1", D1), stands("b", "tier_1", D2), stands("c", "tier_2", D2)])

    def pairs(held: set[str], got: pd.DataFrame, at: Any = D3) -> list[list[str]]:
        return owed_after_all(now, off, got, plays, held, at).values.tolist()

    assert pairs(set(), done()) == [["a", "focus"], ["b", "focus"]], "c has left its tier, and a surge is over"
    assert pairs({"a"}, done()) == [["b", "focus"]]
    assert pairs(set(), done(("a", "focus", D2), ("b", "growth", D2))) == [["b", "focus"]], "no second time"
    assert pairs(set(), done(("a", "focus", D3))) == [["a", "focus"], ["b", "focus"]], "the run's own date: the same"
    left = pd.DataFrame([stands("a", "tier_2", D3, "tier_1"), stands("c", "recycle", D3, "tier_2")])
    assert unbegun(left, off, done(), plays) == {"a"}
    assert unbegun(left, off, done(("a", "focus", D2)), plays) == set(), "its programme has begun"


def test_near_a_cut_holds_back_only_in_the_tier_of_the_draw_and_whom_sellers_begun_with_is_held_back_no_more() -> None:
    arms = in_arms(logged(("a", CONTROL, D1), ("b", CONTROL, D1), ("c", TREATED, D1)), {})
    here = pd.DataFrame([stands("a", "tier_1", D1), stands("b", "tier_3", D2, "tier_1"), stands("c", "tier_1", D1)])
    back = here.assign(tier="tier_1", tier_since=naive(D2))
    assert held_back(arms, here, [], []) == {"a", "b"}
    assert held_back(arms, here, ["a"], ["b"]) == set()
    near = arms.assign(near=5.0)
    assert held_back(near, here, [], []) == {"a"}
    assert held_back(near, back, [], []) == set(), "it left, and came back"
    assert freed(["x", "c"], ["y"], {"x": "a"}) == {"a", "c", "y"}


def test_what_ends_a_programme_that_never_began_is_withheld_also_into_a_status_and_after_release() -> None:
    plays = default_plays()
    state = next_state(decide(pd.DataFrame([account("a", fit_score=95.0, signal_score=95.0, coverage="reached")]),
                              pd.DataFrame(), Policy(), D1))  # fmt: skip
    assert state["tier"].tolist() == ["tier_1"]
    gone = decide(pd.DataFrame([account("a", status="in_pipeline")]), state, Policy(), D2)
    actions = owed(gone, plays, pd.DataFrame(), "p", D2, "r2")
    assert actions["play"].tolist() == ["focus_ended", "open_deal"]
    assert without(actions, plays, {"a"}).tolist() == [True, False], "the deal is helped"
    assert without(actions, plays, set(), {"a"}).tolist() == [True, False], "held back no more, and never begun"
    assert not without(actions, plays, set()).any()


def test_a_store_of_before_gets_the_new_tables(url: str, request: pytest.FixtureRequest) -> None:
    with Store.open(url) as store:
        store.commit_run(record("r1", D1), STATE, MOVES, ACTIONS)
    if url.startswith("sqlite"):
        import sqlite3

        with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
            for table in ("withheld", "control_draws"):
                connection.execute(f"DROP TABLE {table}")
        connection.close()
    else:
        name = url.split("@/")[1].split("?")[0]
        psql(request.getfixturevalue("postgresql"), "DROP TABLE withheld, control_draws", database=name)
    with Store.open(url) as store:
        assert draws(store, "p").empty
        assert store.commit_run(record("r2", D2), STATE, MOVES, ACTIONS, of_run(("a", "", CONTROL)))


# -- what is read of it


def rows_of(arms: dict[str, tuple[str, float]], tier: str = "tier_1") -> pd.DataFrame:
    """Matured rows of the date of the draws: account -> arm, outcome."""
    made = pd.DataFrame({"account_id": list(arms), "outcome": [y for _, y in arms.values()]})
    return made.assign(as_of=pd.Timestamp("2026-03-01"), tier=tier)


def group(treated: tuple[int, int], control: tuple[int, int]) -> dict[str, tuple[str, float]]:
    """Accounts of each arm: how many, and how many with the outcome."""
    made = {}
    for arm, (n, had) in ((TREATED, treated), (CONTROL, control)):
        made |= {f"{arm}{i}": (arm, float(i < had)) for i in range(n)}
    return made


def read(arms: dict[str, tuple[str, float]], through: Any = None, **more: Any) -> Any:
    log = logged(*((a, arm, D1) for a, (arm, _) in arms.items())).assign(salt="1")
    through = through or instant("2026-06-01")
    return control_review(
        more.pop("log", log), more.pop("become", {}), more.pop("rows", rows_of(arms)),
        more.pop("control", Control(share=0.1)),
        horizon_days=90, data_through=through, as_of=more.pop("as_of", through), **more,
    )  # fmt: skip


def test_one_row_an_account_is_newcombes_interval_and_the_rates_stand_side_by_side() -> None:
    """Newcombe 1998, table II, contrast (a): 56/70 against 48/80, method 10 is 0.0524 to 0.3339."""
    found = read(group((70, 56), (80, 48)))
    line = found.line("tier_1")
    assert (line["lift"], line["lift_low"], line["lift_high"]) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)
    assert (line["treated_low"], line["treated_high"]) == pytest.approx(wilson(56, 70))
    assert (line["control_n"], line["control_outcomes"]) == (80, 48)
    assert line["reading"] == "more"
    assert found.words == (
        "control group of 80 accounts: 60.0% (49.0% to 70.0%, n = 80) had the outcome without seller action, "
        "80.0% (69.2% to 87.7%, n = 70) of those that could get it, a difference of +20.0 points (+5.2 to +33.4): "
        "seller action adds outcomes"
    )
    less = read(group((80, 48), (70, 56)))
    assert less.line()["reading"] == "less"
    assert (less.line()["lift_low"], less.line()["lift_high"]) == pytest.approx((-0.3339, -0.0524), abs=5e-5)


def test_only_the_row_of_its_draw_counts_and_accounts_of_mixed_or_lost_draws_are_counted_as_left_out() -> None:
    arms = group((70, 56), (80, 48))
    rows = rows_of(arms)
    more = [rows.assign(as_of=pd.Timestamp(at), outcome=0.0) for at in ("2026-02-01", "2026-03-02", "2026-04-01")]
    read_more = read(arms, rows=pd.concat([rows, *more, rows.assign(account_id="stranger").head(1)]))
    pd.testing.assert_frame_equal(read_more.lines, read(arms).lines)
    demoted = read(arms, rows=rows.assign(tier="recycle"))
    pd.testing.assert_frame_equal(demoted.lines, read(arms).lines), "it counts in the tier in which it was drawn"
    merged = read(arms, rows=rows[rows["account_id"] != "treated0"], become={"treated0": "control79"})
    assert (merged.mixed, merged.lost) == (1, 0)
    assert (merged.line()["control_n"], merged.line()["treated_n"]) == (79, 69)
    alike = read(arms, rows=rows[rows["account_id"] != "control0"], become={"control0": "control79"})
    assert (alike.mixed, alike.lost) == (0, 1), "the row of the account that was merged away"
    assert alike.line()["control_n"] == 79
    over = logged(("control79", CONTROL, D2)).assign(salt="1", via="control0")
    log = logged(*((a, arm, D1) for a, (arm, _) in arms.items())).assign(salt="1")
    again = read(arms, rows=rows[rows["account_id"] != "control0"], become={"control0": "control79"},
                 log=pd.concat([log, over]))  # fmt: skip
    pd.testing.assert_frame_equal(again.lines, alike.lines)


def strata(*parts: tuple[str, int, int, int, int], share: float = 0.1) -> pd.DataFrame:
    """Rows of strata: tier, treated n and outcomes, control n and outcomes."""
    made = []
    for tier, n, had, m, had_m in parts:
        for arm, size, outcomes in ((TREATED, n, had), (CONTROL, m, had_m)):
            y = [float(i < outcomes) for i in range(size)]
            made.append(pd.DataFrame({"outcome": y, "arm": arm, "tier": tier, "share": share, "near": math.nan}))
    return pd.concat(made, ignore_index=True)


def test_over_strata_shares_and_difference_go_by_the_same_weights_and_agree() -> None:
    """Few control accounts at a time of high rates and many at one of low: the raw difference would mislead."""
    frame = pd.concat([strata(("tier_1", 90, 45, 10, 5)), strata(("tier_1", 50, 5, 50, 5), share=0.5)])
    assert frame[frame["arm"] == TREATED]["outcome"].mean() - frame[frame["arm"] == CONTROL]["outcome"].mean() > 0.15
    found = compared(frame)
    assert found.lift.value == pytest.approx(0.0)
    assert found.treated.value == pytest.approx((0.5 * 9 + 0.1 * 25) / 34)
    two = compared(strata(("tier_1", 90, 45, 10, 2), ("tier_2", 60, 6, 20, 1), ("tier_3", 5, 1, 0, 0)))
    assert two.alone == 5, "a stratum with one arm only is left out and counted"
    assert (two.treated.n, two.control.n, two.lift.n) == (150, 30, 30)
    assert two.lift.value == pytest.approx(two.treated.value - two.control.value)
    gap = math.hypot(two.treated.value - two.treated.low, two.control.high - two.control.value)
    assert two.lift.low == pytest.approx(two.lift.value - gap)
    assert math.isnan(compared(strata(("tier_1", 5, 1, 0, 0))).lift.value)
    one = compared(strata(("tier_1", 70, 56, 80, 48)))
    assert (one.control.low, one.control.high) == pytest.approx(wilson(48, 80))


def test_weighed_shares_and_their_difference_hold_the_truth_as_often_as_they_say() -> None:
    """Two strata of other rates and few control accounts, 2,000 times."""
    rng = np.random.default_rng(11)
    sizes, rates, lift = ((90, 10), (150, 25)), (0.30, 0.08), 0.05
    weights = np.array([n * m / (n + m) for n, m in sizes])
    weights = weights / weights.sum()
    truth, holds, times = float(weights @ np.array(rates)), np.zeros(2), 2000
    for _ in range(times):
        parts = [
            (f"tier_{i + 1}", n, int(rng.binomial(n, p + lift)), m, int(rng.binomial(m, p)))
            for i, ((n, m), p) in enumerate(zip(sizes, rates, strict=True))
        ]
        figures = [counted_of(part) for part in parts]
        control, difference = compared_of(figures, weights)
        holds += [control[0] <= truth <= control[1], difference[0] <= lift <= difference[1]]
    print(f"\nof {times}: control share held in {holds[0] / times:.1%}, difference in {holds[1] / times:.1%}")
    assert (holds / times >= 0.94).all()
    check = compared(strata(*parts))
    assert (check.control.low, check.control.high) == pytest.approx(control)
    assert (check.lift.low, check.lift.high) == pytest.approx(difference)


def counted_of(part: tuple[str, int, int, int, int]) -> list[tuple[float, float, float]]:
    _, n, had, m, had_m = part
    return [(had / n, *wilson(had, n)), (had_m / m, *wilson(had_m, m))]


def compared_of(figures: list[Any], weights: Any) -> tuple[tuple[float, float], tuple[float, float]]:
    """MOVER, written out anew: the ends of the control share and of the difference."""
    p, low, high = np.array(figures).transpose(2, 1, 0)
    v = p @ weights
    below, above = (np.sqrt(((weights * gap) ** 2).sum(axis=1)) for gap in (p - low, high - p))
    d = v[0] - v[1]
    return (
        (v[1] - below[1], v[1] + above[1]),
        (d - math.hypot(below[0], above[1]), d + math.hypot(above[0], below[1])),
    )


def test_the_months_follow_from_what_matured_what_matures_and_the_pace_after_the_first_run() -> None:
    found = read(group((200, 20), (22, 2)))
    line = found.line()
    assert line["needed"] == pytest.approx(control_cases(2 / 22, 0.5, 22 / 222))
    assert (line["reading"], line["outlook"]) == ("not_yet", "no_pace")
    assert found.words.endswith("cannot be foreseen, as nobody was drawn since the first run")
    log = logged(*((a, arm, D1) for a, (arm, _) in group((200, 20), (22, 2)).items()))
    later = logged(*((f"new{n}", CONTROL, D2) for n in range(10))).assign(salt="1")
    more = read(group((200, 20), (22, 2)), log=pd.concat([log.assign(salt="1"), later])).line()
    assert more["maturing"] == 10
    share = 32 / 232
    missing = math.ceil(control_cases(2 / 22, 0.5, share)) - 22 - 10
    assert more["months"] == math.ceil((missing / (10 / 92) + 90) / 30.44)
    near = read(group((200, 20), (22, 2)), log=pd.concat([log.assign(salt="1"), later]),
                control=Control(share=0.1, detect=3.0)).line()  # fmt: skip
    assert 22 < near["needed"] <= 32
    assert near["months"] == 1, "by those that mature on 2026-06-30"
    none = read(group((900, 300), (900, 300)))
    assert (none.line()["reading"], none.line()["months"]) == ("none", 0)
    assert none.words.endswith("not told apart from 0, where a lift of 50% would be seen by now in 80% of cases")
    young = read(group((90, 0), (10, 0)), rows=rows_of({}).head(0), through=D2, base_rate=0.1)
    assert "none of it can be compared yet; when a lift of 50% can be read cannot be foreseen" in young.words
    unknown = read(group((90, 0), (10, 0)), rows=rows_of({}).head(0), through=D2)
    assert unknown.words.endswith("cannot be foreseen, as no rate is known")


def test_a_lift_beyond_all_is_called_impossible_and_too_few_has_words_of_its_own() -> None:
    beyond = read(group((200, 130), (40, 26)), control=Control(share=0.1, detect=2.0))
    assert math.isnan(control_cases(0.65, 2.0, 0.1))
    assert not math.isnan(control_cases(0.5, 1.0, 0.1))
    assert beyond.line()["outlook"] == "impossible"
    assert "a lift of 200% is impossible, as more than all would have the outcome" in beyond.words
    tiny = read(group((200, 100), (9, 0)))
    assert tiny.line()["lift_low"] > 0
    assert tiny.line()["reading"] == "too_few", "nine accounts are too few, whatever they show"
    assert "too few to be read (10 accounts on each side and " in tiny.words
    for treated, control in (((9, 4), (60, 20)), ((300, 4), (60, 1)), ((40, 20), (9, 4)), ((60, 30), (60, 29))):
        for detect in (0.05, 0.5, 10.0):
            words = read(group(treated, control), control=Control(share=0.1, detect=detect)).words
            assert not ("would be seen by now" in words and ("not to be read yet" in words or "too few" in words)), (
                words
            )
            assert "by now" not in words or "impossible" not in words
    assert when({"outlook": "later", "months": 500}, 0.5).endswith(
        "more than 10 years: a larger share would show it sooner"
    )


def test_tiers_without_a_sellers_play_on_entering_are_in_no_figure() -> None:
    arms = group((70, 56), (80, 48))
    log = logged(*((a, arm, D1) for a, (arm, _) in arms.items())).assign(salt="1")
    idle = log.assign(account_id="i" + log["account_id"], tier="tier_3")
    rows = pd.concat([rows_of(arms), rows_of(arms).assign(account_id=lambda f: "i" + f["account_id"], outcome=0.0)])
    found = read(arms, rows=rows, log=pd.concat([log, idle]), idle=("tier_3",),
                 control=Control(share=0.1, tiers=("tier_1", "tier_3")))  # fmt: skip
    assert found.lines["tier"].tolist() == ["tier_1", "all"]
    assert found.line()["control_n"] == 80
    nothing = read(arms, idle=("tier_1",))
    assert (nothing.line()["control_n"], nothing.line()["reading"]) == (0, "too_few")
    every = dict.fromkeys(arms, "one")
    mixed = read(arms, become=every)
    assert (mixed.mixed, mixed.line()["control_n"]) == (1, 0), "one account, of which nothing can be told"


def test_the_number_of_cases_gives_the_power_that_it_says() -> None:
    """At the number of cases of the formula, in simulated groups, the lift is told apart in about 80 of 100."""
    rng = np.random.default_rng(5)
    rate, lift, share = 0.2, 0.5, 0.2
    m = round(control_cases(rate, lift, share))
    n = round(m * (1 - share) / share)
    seen = {0.0: 0, lift: 0}
    for true in seen:
        for _ in range(300):
            y = np.concatenate([rng.random(n) < rate * (1 + true), rng.random(m) < rate]).astype(float)
            frame = pd.DataFrame({"outcome": y, "tier": "tier_1", "share": share, "near": math.nan})
            found = compared(frame.assign(arm=[TREATED] * n + [CONTROL] * m)).lift
            seen[true] += found.low > 0 or found.high < 0
    print(
        f"\n{m} control cases of {n + m}: told apart in {seen[lift] / 3:.0f} of 100; without effect {seen[0.0] / 3:.1f}"
    )
    assert 0.74 <= seen[lift] / 300 <= 0.88
    assert seen[0.0] / 300 <= 0.075


def test_the_review_holds_it_as_a_reason_and_says_nothing_without_draws() -> None:
    arms = group((70, 56), (80, 48))
    log = logged(*((a, arm, D1) for a, (arm, _) in arms.items())).assign(salt="1")
    rows = rows_of(arms)
    published = rows[["account_id", "as_of", "tier"]].assign(
        run_id="r", propensity=0.5, model_trained_as_of=pd.Timestamp("2026-01-01"), backfill=False, revision=1, why=""
    )
    outcomes = rows[["account_id", "as_of", "outcome"]].assign(outcome_at=pd.NaT)
    said: dict[str, Any] = {
        "plan": "p", "as_of": instant("2026-06-01"), "horizon_days": 90, "data_through": instant("2026-06-01"),
        "published": published, "outcomes": outcomes,
        "movements": pd.DataFrame(columns=["account_id", "as_of", "previous_tier", "tier", "cause"]).astype(
            {"as_of": "datetime64[us]"}),
    }  # fmt: skip
    assert len(matured(published, outcomes, 90, instant("2026-06-01")).rows) == 150
    found = review(**said, draws=log, terms=Control(share=0.1))
    reason = next(r for r in found.reasons if r.code == "control_group")
    assert reason.verdict == "steady"
    assert reason.figure is not None
    assert (reason.figure.n, reason.figure.value) == (80, pytest.approx(0.2))
    assert found.to_dict()["control"]["lines"][-1]["tier"] == "all"
    for silent in (
        review(**said),
        review(**said, draws=log.head(0)),
        review(**{**said, "as_of": instant("2026-02-01")}, draws=log),
    ):
        assert silent.control is None
        assert "control" not in silent.to_dict()
        assert all(r.code != "control_group" for r in silent.reasons)
