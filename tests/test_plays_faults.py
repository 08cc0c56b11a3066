"""Broken plays: each fault with its line and its mend; what is complete, and what no movement brings about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierwise.audit.plays import of_plays
from tierwise.clock import instant
from tierwise.config import Icp, PlanFiles, Play, Plays, Policy, json_schema, load_workspace, parse_plan, plays_text
from tierwise.config.load import parse_file, parse_policy
from tierwise.config.plays import NoPlay
from tierwise.config.plays_check import dead, gaps, happenings, idle, reading_of
from tierwise.config.yaml_lines import Document
from tierwise.errors import ConfigError
from tierwise.routing import Before, default_plays, owed
from tierwise.tiers import decide, next_state

MODEL = "plan: main\nfeatures: {signal: {channels: {web: {kinds: [visit]}}, objections: [unsubscribe]}}\n"
PLAN = parse_plan(MODEL)
POLICY = """\
rows:
  - {row: focus, tier: tier_1, fit: high, signal: high, coverage: reached}
  - {row: growth, tier: tier_2, fit: high, signal: moderate}
  - {row: scaled, tier: tier_3, fit: moderate, signal: early}
  - {row: target, tier: tier_3, fit: high}
negative_triggers:
  - {kind: unsubscribe}
"""
ICP = "roles: {champion: [head], exec_buyer: [chief]}\n"
SOUND = """\
complete: true
plays:
  - {play: focus, tiers: [tier_1], motion: m, owner: revops, message: "", kpi: ""}
  - {play: growth, tiers: [tier_2], motion: m, owner: revops, message: "", kpi: ""}
  - {play: scaled, tiers: [tier_3], except_rows: [target], motion: m, owner: revops, message: "", kpi: ""}
  - {play: target, tiers: [tier_3], rows: [target], motion: m, owner: revops, message: "", kpi: ""}
  - {play: recycle, tiers: [recycle], motion: m, owner: revops, message: "", kpi: ""}
  - {play: stop, tiers: [suppress], motion: none, owner: revops, message: "", kpi: ""}
  - {play: surge, tiers: [tier_1, tier_2, tier_3], movements: [surge], motion: m, owner: revops, message: "", kpi: ""}
  - {play: stay, tiers: [tier_1], movements: [stayed], every_days: 9, motion: m, owner: revops, message: "", kpi: ""}
  - {play: deal, statuses: [in_pipeline, customer], motion: m, owner: revops, message: "", kpi: ""}
  - {play: bye, tiers: [tier_1, tier_2], movements: [left], motion: m, owner: revops, message: "", kpi: ""}
  - {play: due, tiers: [tier_2], movements: ["stayed"], every_days: 5, sla_hours: 8, motion: m, owner: revops,
     message: "", kpi: ""}
  - {play: late, movements: [overdue], of: [due], after_hours: 4, motion: m, owner: revops, message: "{overdue}",
     kpi: ""}
none:
  - {movements: [left], tiers: [tier_3, recycle, suppress]}
  - {statuses: [not_eligible]}
"""
UNDER_NONE = "write one, or under none: {movements: "

BROKEN: dict[str, tuple[str, str, list[str]]] = {
    "no_place": (
        "tiers: [recycle], motion",
        "motion",
        ["7: plays[4]: it is for no account: name tiers, statuses or both"],
    ),
    "unknown_tier": (
        "tiers: [recycle]",
        "tiers: [recicle]",
        ["7: plays[4].tiers[0]: one of tier_1, tier_2, tier_3, recycle, suppress is wanted; did you mean 'recycle'?"],
    ),
    "unknown_status": (
        "statuses: [in_pipeline, customer]",
        "statuses: [in_pipline, customer]",
        ["11: plays[8].statuses[0]: one of in_pipeline, customer, not_eligible is wanted; did you mean 'in_pipeline'?"],
    ),
    "unknown_movement": (
        "movements: [stayed]",
        "movements: [stays]",
        ["10: plays[7].movements[0]: one of entered, stayed, left, surge, overdue is wanted; did you mean 'stayed'?"],
    ),
    "no_movement": (
        "movements: [stayed]",
        "movements: []",
        ["10: plays[7].movements: at least 1 entry is wanted; here stand 0"],
    ),
    "stayed_how_long": (
        "every_days: 9, ",
        "",
        ["10: plays[7].movements: stayed comes round after some days: say every_days"],
    ),
    "days_without_staying": (
        "tiers: [recycle]",
        "tiers: [recycle], every_days: 9",
        ["7: plays[4].every_days: is for stayed only: add it to movements, or take every_days out"],
    ),
    "surge_of_a_status": (
        "statuses: [in_pipeline, customer]",
        "statuses: [in_pipeline, customer], movements: [entered, surge]",
        ["11: plays[8].movements: a surge stands in a tier, and never in a status: name tiers, or leave surge out"],
    ),
    "stages_of_a_tier": (
        "tiers: [recycle]",
        "tiers: [recycle], stages: [Won]",
        ["7: plays[4].stages: are of statuses only: give tiers a play of their own"],
    ),
    "stages_left": (
        "statuses: [in_pipeline, customer]",
        "statuses: [in_pipeline, customer], stages: [Won], movements: [left]",
        ["11: plays[8].stages: say where an opportunity stands, not what it left: take left or stages out"],
    ),
    "suppressed_outreach": (
        "tiers: [suppress], motion: none",
        "tiers: [suppress], motion: call",
        ["8: plays[5]: a play for suppress stands alone and its motion is none"],
    ),
    "unknown_key": ("play: deal", "chanel: email, play: deal", ["11: plays[8].chanel: unknown key; did you mean"]),
    "unknown_persona": (
        "play: deal",
        'personas: {champoin: ""}, play: deal',
        ["11: plays[8].personas.champoin: there is no 'champoin'; did you mean 'champion'?"],
    ),
    "entering_open": (
        "  - {play: growth, tiers: [tier_2],",
        "  - {play: growth, tiers: [tier_1],",
        [f"1: complete: entering tier_2 names no play: {UNDER_NONE}[entered], tiers: [tier_2]}}"],
    ),
    "entering_open_by_one_row": (
        "tiers: [tier_3], rows: [target]",
        "tiers: [tier_3], rows: [scaled]",
        [f"1: complete: entering tier_3 by row target names no play: {UNDER_NONE}[entered], tiers: [tier_3]}}"],
    ),
    "leaving_open": (
        "tiers: [tier_1, tier_2], movements: [left]",
        "tiers: [tier_1], movements: [left]",
        [f"1: complete: leaving tier_2 names no play: {UNDER_NONE}[left], tiers: [tier_2]}}"],
    ),
    "leaving_open_by_some_rows": (
        "tiers: [tier_1, tier_2], movements: [left]",
        "tiers: [tier_1, tier_2], except_rows: [status], movements: [left]",
        [
            f"1: complete: leaving tier_1 by row status names no play: {UNDER_NONE}[left], tiers: [tier_1]}}",
            f"1: complete: leaving tier_2 by row status names no play: {UNDER_NONE}[left], tiers: [tier_2]}}",
        ],
    ),
    "surge_open": (
        "tiers: [tier_1, tier_2, tier_3], movements: [surge]",
        "tiers: [tier_1, tier_2], movements: [surge]",
        [f"1: complete: a surge in tier_3 names no play: {UNDER_NONE}[surge], tiers: [tier_3]}}"],
    ),
    "status_open": (
        "statuses: [in_pipeline, customer]",
        "statuses: [customer]",
        [f"1: complete: entering in_pipeline names no play: {UNDER_NONE}[entered], statuses: [in_pipeline]}}"],
    ),
    "status_open_but_for_a_stage": (
        "statuses: [in_pipeline, customer]",
        "stages: [Proposal], statuses: [in_pipeline, customer]",
        [
            f"1: complete: entering in_pipeline names no play: {UNDER_NONE}[entered], statuses: [in_pipeline]}}",
            f"1: complete: entering customer names no play: {UNDER_NONE}[entered], statuses: [customer]}}",
        ],
    ),
    "staying_is_not_entering": (
        "play: recycle, tiers: [recycle]",
        "play: recycle, movements: [stayed], every_days: 5, tiers: [recycle]",
        [f"1: complete: entering recycle names no play: {UNDER_NONE}[entered], tiers: [recycle]}}"],
    ),
    "none_and_a_play": (
        "tiers: [tier_3, recycle, suppress]",
        "tiers: [tier_2, tier_3, recycle, suppress]",
        ["18: none[0]: leaving tier_2 calls for nothing by this line, and for play bye: take one of them out"],
    ),
    "none_of_nobody": (
        "statuses: [not_eligible]",
        "movements: [entered]",
        ["19: none[1]: it says of no account that nothing is owed: name tiers, statuses or both"],
    ),
    "none_of_staying": (
        "movements: [left], tiers: [tier_3, recycle, suppress]",
        "movements: [stayed], tiers: [tier_3, recycle, suppress]",
        ["18: none[0].movements[0]: one of entered, left, surge is wanted"],
    ),
    "rows_of_another_tier": (
        "tiers: [recycle], motion",
        "tiers: [recycle], rows: [excluded], motion",
        [
            f"1: complete: entering recycle names no play: {UNDER_NONE}[entered], tiers: [recycle]}}",
            "7: plays[4].rows: play recycle is never owed: entering recycle comes by focus, growth, low_fit,",
        ],
    ),
    "rows_of_a_lower_tier": (
        "play: stay, tiers: [tier_1], movements: [stayed], every_days: 9",
        "play: stay, tiers: [tier_1], rows: [scaled]",
        [
            "10: plays[7].rows: play stay is never owed: entering tier_1 comes by focus, growth, no_match; "
            "name one of these rows"
        ],
    ),
    "rows_of_no_status": (
        "statuses: [in_pipeline, customer]",
        "statuses: [in_pipeline, customer], rows: [target]",
        [
            f"1: complete: entering in_pipeline names no play: {UNDER_NONE}[entered], statuses: [in_pipeline]}}",
            f"1: complete: entering customer names no play: {UNDER_NONE}[entered], statuses: [customer]}}",
            "11: plays[8].rows: play deal is never owed: entering in_pipeline comes by status; name one of these rows",
        ],
    ),
    "all_rows_excepted": (
        "play: stop, tiers: [suppress]",
        "play: stop, except_rows: [excluded, negative_trigger], tiers: [suppress]",
        [
            f"1: complete: entering suppress names no play: {UNDER_NONE}[entered], tiers: [suppress]}}",
            "8: plays[5].except_rows: play stop is never owed: entering suppress comes by none that is left",
        ],
    ),
    "overdue_of_nothing": (
        "of: [due], after_hours: 4, ",
        "",
        ["15: plays[11].movements: overdue watches other plays: name them, as of: [focus]"],
    ),
    "overdue_and_more": (
        "movements: [overdue]",
        "movements: [overdue, left]",
        ["15: plays[11].movements: overdue stands alone: give the other movements a play of their own"],
    ),
    "overdue_in_a_place": (
        "play: late,",
        "play: late, tiers: [tier_1], rows: [focus],",
        [
            "15: plays[11].rows: an overdue play goes wherever the plays go that it watches: take rows out",
            "15: plays[11].tiers: an overdue play goes wherever the plays go that it watches: take tiers out",
        ],
    ),
    "overdue_by_a_time": (
        "after_hours: 4",
        "after_hours: 4, sla_hours: 8",
        ["15: plays[11].sla_hours: an overdue play begins where a time is over, and has none of its own: take"],
    ),
    "overdue_for_nobody": (
        "after_hours: 4, motion: m",
        "after_hours: 4, motion: none",
        ["15: plays[11].motion: somebody is to act on what is overdue: say what, and not none"],
    ),
    "overdue_before_it_is": (
        "after_hours: 4",
        "after_hours: -1",
        ["15: plays[11].after_hours: at least 0 is wanted"],
    ),
    "overdue_of_a_stranger": (
        "of: [due]",
        "of: [deu]",
        ["15: plays[11].of[0]: there is no 'deu'; did you mean 'due'?"],
    ),
    "overdue_twice_of_one": (
        "of: [due]",
        "of: [due, due]",
        ["15: plays[11].of[1]: stands twice in this list: leave one out"],
    ),
    "overdue_of_what_has_no_time": (
        "of: [due]",
        "of: [due, surge]",
        ["15: plays[11].of[1]: play surge has no time until when: say its sla_hours or sla_days, or leave it out here"],
    ),
    "overdue_of_what_approaches_nobody": (
        "of: [due]",
        "of: [stop, due]",
        ["15: plays[11].of[0]: play stop approaches nobody, and no activity of a seller says that it is done"],
    ),
    "overdue_of_itself": (
        "of: [due]",
        "of: [late]",
        ["15: plays[11].of[0]: play late is overdue itself: name the plays that it watches, with after_hours of your"],
    ),
    "watching_without_overdue": (
        "play: due, tiers: [tier_2]",
        "play: due, of: [deal], after_hours: 0, tiers: [tier_2]",
        [
            "13: plays[10].after_hours: is for overdue only: say movements: [overdue], or take after_hours out",
            "13: plays[10].of: is for overdue only: say movements: [overdue], or take of out",
        ],
    ),
    "overdue_said_of_others": (
        'message: "", kpi: ""}\n  - {play: late',
        'message: "{overdue}", kpi: ""}\n  - {play: late',
        ["14: plays[10].message: a message may say {account_id}, {name}, {tier}, {tier_words}, {why}, {signal}, {job}"],
    ),
    "a_flag": ("complete: true", "complete: yes please", ["1: complete: true or false is wanted; here stands text"]),
}  # fmt: skip


def faults(text: str, policy: str = POLICY, model: str = MODEL, icp: str = ICP) -> list[str]:
    reading = reading_of(parse_plan(model), parse_policy(policy, plan=parse_plan(model)), parse_file(Icp, icp, "icp"))
    try:
        parse_file(Plays, text, "plays.yaml", reading=reading)
    except ConfigError as error:
        return [line.strip() for line in str(error).splitlines()[1:-1]]
    return []


@pytest.mark.parametrize("case", BROKEN)
def test_broken_plays_are_refused_with_their_line_and_load_once_mended(case: str) -> None:
    old, new, said = BROKEN[case]
    assert SOUND.count(old) == 1, old
    found = faults(SOUND.replace(old, new))
    assert len(found) == len(said), found
    for line, words in zip(found, said, strict=True):
        assert line.startswith(f"plays.yaml:{words}"), line
    assert faults(SOUND) == []


def test_the_mend_that_a_gap_names_mends_it() -> None:
    """Each gap of an empty matrix, put under none as it says, is no gap any more."""
    said = faults("complete: true\nplays: []\n")
    lines = [line.split(UNDER_NONE)[1] for line in said]
    assert len(said) == len(lines) == len(happenings(parse_policy(POLICY), PLAN))
    mended = "complete: true\nplays: []\nnone:\n" + "".join(f"  - {{movements: {line}\n" for line in lines)
    assert faults(mended) == []


def test_a_file_that_does_not_say_complete_loads_as_ever() -> None:
    for case in ("entering_open", "leaving_open", "status_open", "rows_of_a_lower_tier", "surge_open"):
        old, new, _ = BROKEN[case]
        assert faults(SOUND.replace(old, new).replace("complete: true\n", "")) == []
    assert faults("plays: []\n") == []
    assert faults("") == []


def test_a_fault_elsewhere_calls_no_movement_open_that_may_name_its_play() -> None:
    assert faults(SOUND.replace("play: growth", "play: Growth")) == [
        "plays.yaml:4: plays[1].play: a name of small letters, digits and _ is wanted, with a letter first"
    ]


def test_what_can_happen_follows_the_policy_and_the_cohort() -> None:
    def words(policy: str = POLICY, model: str = MODEL) -> set[str]:
        plan = parse_plan(model)
        return {one.words for one in happenings(parse_policy(policy, plan=plan), plan)}

    every = words()
    assert len(every) == 16
    assert every - words(POLICY + "surge: null\n") == {"a surge in tier_1", "a surge in tier_2", "a surge in tier_3"}
    no_tier_2 = POLICY.replace("  - {row: growth, tier: tier_2, fit: high, signal: moderate}\n", "")
    assert every - words(no_tier_2) == {"entering tier_2", "leaving tier_2", "a surge in tier_2"}
    assert words(no_tier_2 + "capacity: {tier_1: 5}\n") == every, "what tier_1 has no room for stands in tier_2"
    kept = MODEL + "cohort: {customers: keep, open_opportunity: keep}\n"
    assert every - words(model=kept) == {"entering in_pipeline", "entering customer"}


def rows_by(policy: str, words: str) -> set[str]:
    return next(set(one.rows) for one in happenings(parse_policy(policy, plan=PLAN), PLAN) if one.words == words)


def test_the_rows_by_which_a_movement_comes() -> None:
    lifted = {"growth", "scaled", "target", "no_match"}
    assert rows_by(POLICY, "entering tier_2") == lifted, "a surge lifts those of tier_3, also those kept there"
    assert "no_match" in rows_by(POLICY, "a surge in tier_2")
    assert rows_by(POLICY + "surge: null\n", "entering tier_2") == {"growth"}
    assert rows_by(POLICY + "capacity: {tier_1: 5}\nsurge: null\n", "entering tier_2") == {"focus", "growth"}
    assert rows_by(POLICY, "entering tier_3") == {"scaled", "target", "no_match"}
    assert rows_by(POLICY + "stale: null\n", "entering recycle") == {"low_fit", "no_match"}
    assert rows_by(POLICY, "entering suppress") == {"excluded", "negative_trigger"}


WORLD = st.fixed_dictionaries(
    {
        "status": st.sampled_from(["eligible", "eligible", "eligible", "in_pipeline", "customer", "not_eligible"]),
        "fit_score": st.sampled_from([10.0, 50.0, 90.0]),
        "signal_score": st.sampled_from([0.0, 60.0, 80.0, 95.0]),
        "coverage": st.sampled_from(["none", "unknown", "partial", "reached"]),
        "days_since_signal": st.sampled_from([1.0, 200.0, 500.0]),
        "signals_7d": st.sampled_from([0.0, 9.0]),
        "contacts_7d": st.sampled_from([0.0, 4.0]),
        "excluded_by": st.sampled_from([None, None, None, "legal_hold"]),
        "negative_trigger": st.sampled_from([None, None, None, "unsubscribe"]),
    }
)


@settings(max_examples=60, deadline=None)
@given(
    runs=st.lists(st.lists(WORLD, min_size=6, max_size=6), min_size=2, max_size=5),
    capacity=st.sampled_from([{}, {"tier_1": 0}, {"tier_1": 1, "tier_2": 1}]),
)
def test_every_movement_that_decisions_make_is_one_that_can_happen_and_names_its_play(
    runs: list[list[dict[str, Any]]], capacity: dict[str, int]
) -> None:
    policy = Policy.model_validate({"negative_triggers": [{"kind": "unsubscribe"}], "capacity": capacity})
    known = {(one.movement, one.place): one.rows for one in happenings(policy, PLAN)}
    plays, state = default_plays(), pd.DataFrame()
    assert gaps(plays, policy, PLAN) == []
    none = {(m, place) for n in plays.none for m in n.movements for place in (*n.tiers, *n.statuses)}
    blank = {"owner_id": None, "propensity": 0.2, "roles_reached": "", "signals_prior_weekly": 1.0, "channels_7d": 3.0}
    for n, worlds in enumerate(runs):
        as_of = instant("2026-03-02") + pd.Timedelta(days=40 * n)
        frame = pd.DataFrame([{"account_id": str(i), **blank, **facts} for i, facts in enumerate(worlds)])
        decided = decide(frame, state, policy, as_of)
        got = owed(decided, plays, pd.DataFrame(), "p", as_of, "r", before=Before())
        acting = set(got["account_id"])
        for row in decided.to_dict("records"):
            moved, out = row["movement"], row["tier"] in ("in_pipeline", "customer", "not_eligible")
            if moved or (out and row["previous_tier"] not in ("", row["tier"])):
                assert ("entered", row["tier"]) in known
                assert row["account_id"] in acting or ("entered", row["tier"]) in none, row
                if not out and row["decided_by"] not in ("stay_margin", "minimum_stay", "promotion_window"):
                    assert row["row"] in known["entered", row["tier"]], row
            if moved and row["previous_tier"] not in ("", "in_pipeline", "customer", "not_eligible"):
                assert ("left", row["previous_tier"]) in known
        state = next_state(decided)


@given(
    tiers=st.lists(st.sampled_from(["tier_1", "tier_2", "tier_3", "recycle"]), min_size=1, unique=True),
    rows=st.lists(
        st.sampled_from(["focus", "growth", "scaled", "target", "low_fit", "excluded", "status"]), unique=True
    ),
    movements=st.lists(st.sampled_from(["entered", "left", "surge"]), min_size=1, unique=True),
)
def test_a_play_that_fills_a_gap_is_not_dead(tiers: list[Any], rows: list[str], movements: list[Any]) -> None:
    policy = parse_policy(POLICY, plan=PLAN)
    play = Play(play="p", tiers=tuple(tiers), rows=tuple(rows), movements=tuple(movements), motion="m", owner="revops",
                message="", kpi="")  # fmt: skip
    before, after = (len(gaps(Plays(plays=p), policy, PLAN)) for p in ((), (play,)))
    if after < before:
        assert dead(Plays(plays=(play,)), policy) == []


def files(plays: Plays, policy: str = POLICY, model: str = MODEL, icp: str = ICP) -> PlanFiles:
    plan = parse_plan(model)
    return PlanFiles(
        plan, parse_policy(policy, plan=plan), plays, parse_file(Icp, icp, "icp"), Path("main"), Document()
    )


OWNERS = pd.DataFrame({"owner_id": ["a", "b"], "time_zone": ["Central European", "Asia/Tokyo"]})


def test_check_tells_what_is_open_idle_or_unsaid() -> None:
    def found(plays: Plays, **more: Any) -> dict[str, str]:
        return {f.code: f.words for f in of_plays(files(plays, **more), OWNERS, {"Proposal", "Won"})}

    said: dict[str, Any] = {"motion": "m", "owner": "account_owner", "message": "", "kpi": ""}
    few = found(Plays(plays=(Play(play="p", tiers=("tier_1",), **said),)))
    assert few == {
        "no_play": "movements that can happen. entering tier_2 names no play; entering tier_3 names no play; entering"
        " recycle names no play; entering suppress names no play; and 11 more. Write plays for them, or name them under"
        " none; with complete: true in plays.yaml a gap is refused."
    }
    full = default_plays()
    assert set(found(full)) == {"unknown_zone", "unsaid_persona"}
    assert "1 owner has a time zone that is none of IANA's (Central European)" in found(full)["unknown_zone"]
    spoken = "personas: {champion: {pain: p, job: j}, exec_buyer: {pain: p, job: j}}\n"
    assert set(found(full, icp=spoken)) == {"unknown_zone"}
    assert (
        "play surge is never owed: policy.yaml has no surge"
        in found(full, policy=POLICY + "surge: null\n")["idle_play"]
    )
    kept = found(full, model=MODEL + "cohort: {customers: only}\n")
    assert (
        "play new_customer is never owed: the cohort of model.yaml leaves nobody out as customer" in kept["idle_play"]
    )
    staged = Plays(plays=(Play(play="p", statuses=("in_pipeline",), stages=("Propsal", "Won"), **said),))
    assert "no opportunity ever had Propsal; the tables have: Proposal, Won" in found(staged)["unknown_stage"]
    wrong = Plays(plays=(Play(play="p", tiers=("tier_1",), rows=("scaled",), **said),))
    assert "play p is never owed: entering tier_1 comes by focus, growth" in found(wrong)["idle_play"]


def test_a_workspace_says_the_faults_of_its_plays_with_those_of_its_other_files(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "main"
    folder.mkdir(parents=True)
    (tmp_path / "tierwise.yaml").write_text("")
    texts = {"model": MODEL, "policy": POLICY, "icp": ICP, "plays": SOUND}
    for stem, text in texts.items():
        (folder / f"{stem}.yaml").write_text(text)
    assert load_workspace(tmp_path).plan().plays.complete
    (folder / "plays.yaml").write_text(SOUND.replace("  - {statuses: [not_eligible]}\n", ""))
    with pytest.raises(ConfigError, match=r"models/main/plays.yaml:1: complete: entering not_eligible names no play"):
        load_workspace(tmp_path)
    (folder / "policy.yaml").write_text(POLICY.replace("fit: high", "fit: hihg", 1))
    with pytest.raises(ConfigError) as caught:
        load_workspace(tmp_path)
    assert "plays.yaml" not in str(caught.value), "a policy that cannot be read leaves no movement open"


def test_the_default_plays_name_everything_for_the_policies_that_come_along() -> None:
    for surge in ("", "surge: null\n"):
        for room in ("", "capacity: {tier_1: 5, tier_2: 9}\n"):
            policy = parse_policy(POLICY + surge + room, plan=PLAN)
            assert gaps(default_plays(), policy, PLAN) == []
            assert dead(default_plays(), policy) == []
    assert idle(default_plays(), Policy(), PLAN) == []
    text = plays_text(default_plays())
    assert parse_file(Plays, text, "plays.yaml", reading=reading_of(PLAN, Policy(), Icp())) == default_plays()
    assert sum(p.budget_share or 0 for p in default_plays().plays) == pytest.approx(1)


def test_the_plays_that_the_readme_shows_load() -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    part = readme.split("## What follows from a tier")[1].split("\n## ")[0]
    shown = parse_file(Plays, "\n".join(line[4:] for line in part.splitlines() if line.startswith("    ")), "README.md")
    assert (shown.plays[0].sla_hours, shown.hours.holidays[0].year, shown.none[0].movements) == (8, 2026, ("left",))


def test_the_schema_knows_what_plays_may_say() -> None:
    said = json_schema("plays")
    assert {"complete", "hours", "none", "plays"} <= set(said["properties"])
    assert {"from", "to", "calendars"} <= set(said["$defs"]["Hours"]["properties"])
    assert {"every_days", "stages", "personas", "sla_hours"} <= set(said["$defs"]["Play"]["properties"])
    assert NoPlay.model_fields.keys() == {"movements", "tiers", "statuses"}
