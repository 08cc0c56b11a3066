"""Broken policies: each fault with its line and its mend, all of a file at once; and what a sound one decides."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tierwise.audit.policy import of_policy
from tierwise.clock import instant
from tierwise.config import COVERAGE_BANDS, FIT_BANDS, SIGNAL_BANDS, Policy, json_schema, load_workspace, parse_plan
from tierwise.config.load import parse_policy
from tierwise.config.policy import RESERVED_ROWS, TIERS, FitCuts, TierRow, Vertical
from tierwise.config.policy_calendar import quarter
from tierwise.config.policy_table import combinations
from tierwise.errors import ConfigError
from tierwise.tiers import decide

GOLDEN = Path(__file__).parent / "golden" / "policy_faults.txt"
MODEL = """\
plan: main
features:
  fit:
    - {attribute: industry, kind: category, clock: fixed}
    - {attribute: country, kind: category, clock: fixed}
    - {attribute: employee_count, kind: number, clock: slow}
    - {attribute: technologies, kind: set, values: [erp], clock: fixed}
  signal:
    channels: {web: {kinds: [pricing_view]}}
    objections: [unsubscribe, legal_objection]
"""
PLAN = parse_plan(MODEL)
ROWS = """\
rows:
  - {row: focus, tier: tier_1, fit: high, signal: high, coverage: reached}
  - {row: growth, tier: tier_2, fit: high, signal: moderate}
  - {row: scaled, tier: tier_3, fit: moderate, signal: early}
"""
SEGMENTS = """\
segments:
  - segment: large
    where: {employee_count: {at_least: 1000}}
    bands: {fit: {high: 80}}
  - segment: french
    where: {country: [FR]}
    bands:
      signal:
        early: 60
"""
VERTICALS = """\
verticals:
  - vertical: public
    where: {industry: [government, education]}
    lower: {fit: 10, signal: 5}
  - vertical: health
    where: {industry: [hospitals]}
    lower: {fit: 5}
"""


@dataclass(frozen=True)
class Broken:
    """A sound text and one change that breaks it; undoing the change is its mend."""

    sound: str
    old: str
    new: str
    line: int
    words: str

    @property
    def text(self) -> str:
        assert self.sound.count(self.old) == 1, self.old
        return self.sound.replace(self.old, self.new)


SURGE = "surge:\n  days: 21\n  cool_down_days: 60\n"
CALENDAR = (
    "calendar:\n  freeze_days: 30\n  demotions_on:\n    - monday\n  holidays:\n    - 2026-12-25\n    - 2027-01-01\n"
)
TRIGGERS = "negative_triggers:\n  - {kind: unsubscribe, days: 365}\n  - {kind: legal_objection}\n"
CUTS = "bands:\n  fit:\n    moderate: 40\n    high: 70\n  signal:\n    early: 50\n    moderate: 75\n    high: 90\n"
TIME = "time_in_tier:\n  stay_margin: 5\n  minimum_stay_days: 28\n  promotion_window_days: 30\n"
STALE = "stale:\n  after_days: 120\n  within_days: 365\n"
ROOM = "capacity:\n  tier_1: 50\nowner_capacity:\n  by: owner\n  tier_1: 5\n"
MINIMUM = """\
minimum_fit: moderate
rows:
  - {row: growth, tier: tier_2, fit: high, signal: moderate}
  - {row: wide, tier: tier_3, signal: high}
"""
WORTH = """\
rows:
  - {row: many, tier: tier_1, fit: high, least: {employee_count: 1000}}
  - {row: few, tier: tier_2, fit: high, least: {employee_count: 500}}
"""
BY_VERTICAL = (
    """\
rows:
  - {row: one, tier: tier_1, fit: high, signal: moderate, verticals: [public]}
  - {row: two, tier: tier_1, fit: high, signal: moderate, verticals: [health]}
  - {row: both, tier: tier_2, fit: high, signal: early, verticals: [public, health]}
"""
    + VERTICALS
)
FROZEN = """\
calendar:
  freeze_days: 60
  demotions_on:
    - monday
  holidays:
    - 2026-10-05
    - 2026-10-12
    - 2026-10-19
    - 2026-10-27
"""
SIX = """\
bands:
  fit: {moderate: 40, high: 70}
  signal: {early: 80}
rows:
  - {row: focus, tier: tier_1, fit: high, signal: high, coverage: reached}
  - {row: growth, tier: tier_2, fit: high, signal: moderate}
  - {row: louder, tier: tier_2, fit: high, signal: high}
  - {row: scaled, teir: tier_3, tier: tier_3, fit: moderate}
stale: {after_days: 400}
segments:
  - {segment: large, where: {employees: {at_least: 1000}}, bands: {fit: {high: 80}}}
surge: {days: 90}
"""
SAID = [
    "policy.yaml:3: bands.signal.early: early (80) must lie below moderate (75): lower early, or raise moderate",
    "policy.yaml:7: rows[2].row: row louder is never reached: row growth above it asks for no more; raise what stands"
    " above, or take this row out",
    "policy.yaml:8: rows[3].teir: unknown key; did you mean 'tier'?",
    "policy.yaml:9: stale.after_days: after_days (400) must lie below within_days (365): lower after_days, or raise"
    " within_days",
    "policy.yaml:11: segments[0].where.employees: features.fit of model.yaml has no such attribute; did you mean"
    " 'employee_count'?",
    "policy.yaml:12: surge.cool_down_days: is shorter than the surge itself (days: 90), so that an account is lifted"
    " most of the time; say at least 90",
]
NEVER = "is never reached: row growth above it asks for no more; raise what stands above, or take this row out"
BROKEN = {
    # thresholds
    "fit cuts": Broken(
        CUTS,
        "high: 70",
        "high: 40",
        4,
        "bands.fit.high: moderate (40) must lie below high (40): lower moderate, or raise",
    ),
    "one cut against the usual": Broken(
        "bands:\n  fit:\n    moderate: 40\n",
        "40",
        "75",
        3,
        "bands.fit.moderate: moderate (75) must lie below high (70)",
    ),
    "signal cuts": Broken(
        CUTS, "moderate: 75", "moderate: 45", 7, "bands.signal.moderate: early (50) must lie below moderate (45): lower"
    ),
    "cut out of range": Broken(CUTS, "high: 90", "high: 190", 8, "bands.signal.high: at most 100 is wanted"),
    "cut that is none": Broken(CUTS, "high: 90", "high: .nan", 8, "bands.signal.high: a finite number is wanted"),
    "segment's cuts": Broken(
        SEGMENTS,
        "{high: 80}",
        "{moderate: 70}",
        4,
        "segments[0].bands.fit.moderate: moderate (70) must lie below high (70), the policy's cut where a",
    ),
    "segment's cuts, in a block": Broken(
        SEGMENTS,
        "early: 60",
        "early: 80",
        9,
        "segments[1].bands.signal.early: early (80) must lie below moderate (75), the",
    ),
    "lowered to 0": Broken(
        VERTICALS,
        "{fit: 10, signal: 5}",
        "{fit: 40, signal: 5}",
        4,
        "verticals[0].lower.fit: lowers fit moderate (40) to 0, so that every account of it reaches the",
    ),
    "lowered below 0 in a segment": Broken(
        SEGMENTS.replace("early: 60", "early: 10") + VERTICALS,
        "signal: 5",
        "signal: 11",
        13,
        "verticals[0].lower.signal: lowers signal early of segment french (10) to 0",
    ),
    "nothing lowered": Broken(VERTICALS, "{fit: 5}", "{}", 7, "verticals[1].lower: lower fit, signal, or both"),
    # rows
    "no rows": Broken(
        "rows: [{row: x, tier: tier_1, fit: high}]\n", "[{row: x, tier: tier_1, fit: high}]", "[]", 1, "rows: "
    ),
    "row never reached": Broken(
        ROWS, "fit: moderate, signal: early", "fit: high, signal: high", 4, f"rows[2].row: row scaled {NEVER}"
    ),
    "row never reached under the minimum fit": Broken(
        MINIMUM, "minimum_fit: moderate", "minimum_fit: high", 4, f"rows[1].row: row wide {NEVER}"
    ),
    "row never reached by value": Broken(
        WORTH,
        "employee_count: 500",
        "employee_count: 2000",
        3,
        "rows[1].row: row few is never reached: row many above it",
    ),
    "row never reached in its verticals": Broken(
        BY_VERTICAL,
        "signal: early",
        "signal: high",
        4,
        "rows[2].row: row both is never reached: row one and row two above it ask for no more; raise what stands above",
    ),
    "two rows of one name": Broken(
        ROWS, "row: scaled", "row: growth", 4, "rows[2].row: rows[1] has this row too: each needs a name of its own"
    ),
    "a reserved name": Broken(
        ROWS,
        "row: growth",
        "row: stale",
        3,
        "rows[1].row: a row may not be named stale: decisions use the name for something",
    ),
    "a name with a capital": Broken(
        ROWS,
        "row: growth",
        "row: Growth",
        3,
        "rows[1].row: a name of small letters, digits and _ is wanted, with a letter",
    ),
    "tiers out of order": Broken(
        ROWS,
        "tier: tier_3",
        "tier: tier_1",
        4,
        "rows[2].tier: rows stand from tier_1 down to tier_3: move row scaled above row",
    ),
    "tier_1 below the minimum fit": Broken(
        ROWS.replace("signal: high, coverage", "signal: moderate, coverage"),
        "focus, tier: tier_1, fit: high",
        "focus, tier: tier_1, fit: low",
        2,
        "rows[0].fit: a row of tier_1 asks for less fit (low) than minimum_fit: say fit: moderate or more",
    ),
    "a misspelt band": Broken(
        ROWS,
        "signal: early",
        "signal: erly",
        4,
        "rows[2].signal: one of none, early, moderate, high is wanted; did you mean 'ea",
    ),
    "a tier that rows may not name": Broken(
        ROWS, "tier: tier_3", "tier: recycle", 4, "rows[2].tier: one of tier_1, tier_2, tier_3 is wanted"
    ),
    "a row without its tier": Broken(ROWS, "tier: tier_3, ", "", 4, "rows[2].tier: this key is missing"),
    "an unknown key of a row": Broken(
        ROWS, "coverage: reached", "coverge: reached", 2, "rows[0].coverge: unknown key; did you mean 'coverage'?"
    ),
    "an endless ratio": Broken(
        SURGE + "  ratio: 3\n", "ratio: 3", "ratio: .inf", 4, "surge.ratio: a finite number is wanted"
    ),
    "least of no number": Broken(
        WORTH,
        "employee_count: 500",
        "employee_count: .nan",
        3,
        "rows[1].least.employee_count: a finite number is wanted",
    ),
    # names
    "an unknown key": Broken(
        TIME, "time_in_tier:", "time_in_teir:", 1, "time_in_teir: unknown key; did you mean 'time_in_ti"
    ),
    "a row of no vertical": Broken(
        BY_VERTICAL,
        "verticals: [health]",
        "verticals: [helth]",
        3,
        "rows[1].verticals[0]: there is no 'helth'; did you mean 'hea",
    ),
    "an attribute that the plan has not": Broken(
        SEGMENTS,
        "{employee_count:",
        "{employee_cuont:",
        3,
        "segments[0].where.employee_cuont: features.fit of model.yaml has no such attribute; did you mean",
    ),
    "values of a number": Broken(
        SEGMENTS,
        "{at_least: 1000}",
        "['1000']",
        3,
        "segments[0].where.employee_count: a number in model.yaml: say at_least, below, or both",
    ),
    "a stretch of a category": Broken(
        SEGMENTS,
        "[FR]",
        "{below: 3}",
        6,
        "segments[1].where.country: a category in model.yaml, which has no least value: name values in a list,",
    ),
    "neither values nor a stretch": Broken(
        SEGMENTS,
        "[FR]",
        "FR",
        6,
        "segments[1].where.country: a list of values, or at_least and below, is wanted: [public] or {at_least: 200}",
    ),
    "a number among values": Broken(
        SEGMENTS, "[FR]", "[FR, 33]", 6, "segments[1].where.country[1]: text is wanted; here stands a number"
    ),
    "a misspelt stretch": Broken(
        SEGMENTS,
        "at_least: 1000",
        "atleast: 1000",
        3,
        "segments[0].where.employee_count.atleast: unknown key; did you mean 'at_l",
    ),
    "an empty stretch": Broken(
        SEGMENTS, "{at_least: 1000}", "{}", 3, "segments[0].where.employee_count: say at_least, below, or both"
    ),
    "a stretch upside down": Broken(
        SEGMENTS,
        "{at_least: 1000}",
        "{at_least: 1000, below: 10}",
        3,
        "segments[0].where.employee_count.below: must lie above at_least (1000)",
    ),
    "an endless stretch": Broken(
        SEGMENTS,
        "at_least: 1000",
        "at_least: .inf",
        3,
        "segments[0].where.employee_count.at_least: a finite number is wanted",
    ),
    "no values": Broken(
        SEGMENTS, "[FR]", "[]", 6, "segments[1].where.country: at least 1 entry is wanted; here stand 0"
    ),
    "a value twice": Broken(
        SEGMENTS, "[FR]", "[FR, DE, FR]", 6, "segments[1].where.country[2]: stands twice in this list: leave one out"
    ),
    "no where": Broken(SEGMENTS, "{country: [FR]}", "{}", 6, "segments[1].where: at least 1 entry is wanted"),
    "least of a category": Broken(
        WORTH,
        "employee_count: 500",
        "industry: 500",
        3,
        "rows[1].least.industry: a category in model.yaml, which has no least",
    ),
    "least of nothing": Broken(
        WORTH,
        "employee_count: 500",
        "expected_valeu: 500",
        3,
        "rows[1].least.expected_valeu: features.fit of model.yaml has no such attribute; did you mean",
    ),
    # segments and verticals
    "two segments of one name": Broken(
        SEGMENTS, "segment: french", "segment: large", 5, "segments[1].segment: segments[0] has this segment too"
    ),
    "a segment that is never": Broken(
        SEGMENTS,
        "{country: [FR]}",
        "{country: [FR], employee_count: {at_least: 1000, below: 5000}}",
        6,
        "segments[1].where: no account is left for it: large above holds whenever this does; move it above",
    ),
    "a vertical that is never": Broken(
        VERTICALS, "[hospitals]", "[education]", 6, "verticals[1].where: no account is left for it: public above holds"
    ),
    # triggers and capacity
    "a trigger twice": Broken(
        TRIGGERS,
        "legal_objection",
        "unsubscribe",
        3,
        "negative_triggers[1].kind: negative_triggers[0] has this kind too: each needs a kind of its own",
    ),
    "a misspelt trigger": Broken(
        TRIGGERS,
        "unsubscribe",
        "unsubscribed",
        2,
        "negative_triggers[0].kind: model.yaml names no such kind; did you mean 'unsubscribe'? If not, name it among",
    ),
    "a capacity of no tier": Broken(
        ROOM,
        "capacity:\n  tier_1: 50",
        "capacity:\n  tier_3: 50",
        2,
        "capacity.tier_3: one of tier_1, tier_2 is wanted",
    ),
    "a capacity below nothing": Broken(ROOM, "tier_1: 50", "tier_1: -50", 2, "capacity.tier_1: at least 0 is wanted"),
    "a capacity that no row fills": Broken(
        ROOM.split("owner")[0] + "rows:\n  - {row: focus, tier: tier_1, fit: high}\n",
        "  - {row: focus, tier: tier_1,",
        "  - {row: focus, tier: tier_3,",
        2,
        "capacity.tier_1: no row leads into tier_1: write a row of tier_1, or take its capacity out",
    ),
    "an owner's capacity by what is not": Broken(
        ROOM,
        "by: owner",
        "by: owners",
        4,
        "owner_capacity.by: one of owner, territory, team is wanted; did you mean 'owner'?",
    ),
    # time
    "stale before it is": Broken(
        STALE,
        "after_days: 120",
        "after_days: 400",
        3,
        "stale.within_days: after_days (400) must lie below within_days (365)",
    ),
    "a surge without rest": Broken(
        SURGE,
        "cool_down_days: 60",
        "cool_down_days: 6",
        3,
        "surge.cool_down_days: is shorter than the surge itself (days: 21), so that an account is lifted most",
    ),
    "a flag for days": Broken(
        TIME, "minimum_stay_days: 28", "minimum_stay_days: true", 3, "time_in_tier.minimum_stay_days: "
    ),
    "half a day": Broken(
        TIME, "window_days: 30", "window_days: 30.5", 4, "time_in_tier.promotion_window_days: a whole number is wanted"
    ),
    "a freeze without end": Broken(
        CALENDAR, "freeze_days: 30", "freeze_days: 80", 2, "calendar.freeze_days: at most 60 is wanted"
    ),
    "a weekday that is none": Broken(
        CALENDAR,
        "- monday",
        "- munday",
        4,
        "calendar.demotions_on[0]: one of monday, tuesday, wednesday, thursday, friday,",
    ),
    "a holiday twice": Broken(
        CALENDAR, "2027-01-01", "2026-12-25", 7, "calendar.holidays[1]: stands twice in this list: leave one out"
    ),
    "a quarter without a day": Broken(
        FROZEN,
        "- 2026-10-27",
        "- 2026-10-26",
        6,
        "calendar.holidays[0]: with the holidays no day is left for a demotion in the quarter from 2026-10-01",
    ),
}


def faults(text: str, **more: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_policy(text, **{"plan": PLAN, **more})
    assert caught.value.exit_code == 2
    return [line.strip() for line in str(caught.value).splitlines()[1:-1]]


def workspace(folder: Path, policy: str, plays: str = "", model: str = MODEL) -> Path:
    (folder / "models" / "main").mkdir(parents=True, exist_ok=True)
    (folder / "tierwise.yaml").write_text("", encoding="utf-8")
    for stem, text in (("model", model), ("policy", policy), ("plays", plays)):
        (folder / "models" / "main" / f"{stem}.yaml").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_policy_is_refused_with_its_line_and_loads_once_mended(case: str) -> None:
    broken = BROKEN[case]
    found = faults(broken.text)
    assert len(found) == 1, found
    assert found[0].startswith(f"policy.yaml:{broken.line}: {broken.words}"), found[0]
    parse_policy(broken.sound, plan=PLAN)


def test_the_table_holds_more_than_thirty_faults_each_in_words_of_its_own() -> None:
    assert len({b.words for b in BROKEN.values()}) >= 30


def test_the_faults_of_a_file_come_at_once_in_line_order_whatever_finds_them() -> None:
    assert faults(SIX) == SAID


def test_the_command_line_says_all_six(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tierwise.cli", "-C", str(workspace(tmp_path, SIX)), "check"]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"COLUMNS": "80"}, check=False)
    assert done.returncode == 2
    assert done.stderr == GOLDEN.read_text(encoding="utf-8")


def test_a_fault_elsewhere_calls_nothing_unknown_that_may_be_there() -> None:
    """A vertical that cannot be read has a name all the same, and a minimum fit that cannot be read is no guess."""
    assert faults(BY_VERTICAL.replace("fit: 10", "fit: -1")) == [
        "policy.yaml:8: verticals[0].lower.fit: at least 0 is wanted"
    ]
    assert faults(BY_VERTICAL.replace("verticals:\n", "vertical:\n")) == [
        "policy.yaml:5: vertical: unknown key; did you mean 'verticals'?"
    ]
    assert faults(MINIMUM.replace("fit: moderate\n", "fit: hihg\n")) == [
        "policy.yaml:1: minimum_fit: one of low, moderate, high is wanted; did you mean 'high'?"
    ]
    twice = ROWS + "rows: []\n"
    assert faults(twice) == ["policy.yaml:5: rows: this key stands twice; the first is on line 1"]


def test_the_row_after_one_at_fault_keeps_its_own_place() -> None:
    text = ROWS.replace("fit: high, signal: moderate", "fit: hihg, signal: moderate").replace("scaled", "focus")
    assert [f.split(": ")[:2] for f in faults(text)] == [
        ["policy.yaml:3", "rows[1].fit"],
        ["policy.yaml:4", "rows[2].row"],
    ]


PLAYS = """\
plays:
  - play: focus
    tiers: [tier_1]
    rows: [focus, low_fit]
    motion: "1:1"
    owner: account_owner
    message: "{name}: {why}"
    kpi: win rate
  - play: rest
    tiers: [tier_3]
    except_rows:
      - scaled
    motion: nurture
    owner: revops
    message: "{name}: {why}"
    kpi: engagement
"""


def test_plays_name_rows_that_the_policy_has(tmp_path: Path) -> None:
    def found(plays: str, policy: str = ROWS) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load_workspace(workspace(tmp_path, policy, plays))
        return [line.strip() for line in str(caught.value).splitlines()[1:-1]]

    assert load_workspace(workspace(tmp_path, ROWS, PLAYS)).plan().plays.plays[0].rows == ("focus", "low_fit")
    assert found(PLAYS.replace("- scaled", "- scalde")) == [
        "models/main/plays.yaml:12: plays[1].except_rows[0]: there is no 'scalde'; did you mean 'scaled'?"
    ]
    assert found(PLAYS.replace("play: rest", "play: focus").replace("low_fit]", "vip]")) == [
        "models/main/plays.yaml:4: plays[0].rows[1]: there is no 'vip'; the policy's rows are: focus, growth, scaled,"
        " excluded, negative_trigger, status, low_fit, stale, no_match",
        "models/main/plays.yaml:9: plays[1].play: plays[0] has this play too: each needs a name of its own",
    ]
    assert found(PLAYS.replace("low_fit", "vip"), ROWS.replace("early", "erly")) == [
        "models/main/policy.yaml:4: rows[2].signal: one of none, early, moderate, high is wanted; did you mean 'early'?"
    ], "rows that cannot be read are not said to be missing"


def test_faults_of_the_plan_and_the_policy_come_together(tmp_path: Path) -> None:
    model = MODEL.replace("kind: number", "kind: numbr")
    with pytest.raises(ConfigError) as caught:
        load_workspace(workspace(tmp_path, SEGMENTS.replace("early: 60", "early: 80"), model=model))
    lines = [line.strip().split(": ")[0] for line in str(caught.value).splitlines()[1:-1]]
    assert lines == ["models/main/model.yaml:6", "models/main/policy.yaml:9"]


def test_without_a_plan_names_are_not_held_against_one() -> None:
    assert parse_policy(SEGMENTS.replace("employee_count", "anything")).segments[0].segment == "large"


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (
            lambda: Policy(rows=(TierRow(row="a", tier="tier_2", fit="high"),) * 2),
            r"rows\[1\].row: rows\[0\] has this row too",
        ),
        (
            lambda: Policy(rows=(TierRow(row="a", tier="tier_3"), TierRow(row="b", tier="tier_2", fit="high"))),
            "move row b above row a, of tier_3",
        ),
        (lambda: Policy(rows=(TierRow(row="a", tier="tier_1"),)), r"less fit \(low\) than minimum_fit"),
        (
            lambda: Policy(rows=(TierRow(row="a", tier="tier_2", verticals=("x",)),)),
            "there is no 'x'; the verticals are: none",
        ),
        (lambda: FitCuts(moderate=float("nan")), "finite number"),
        (
            lambda: Policy.model_validate(
                {"segments": [{"segment": "a", "where": {"b": ["c"]}, "bands": {"fit": {"high": 30}}}]}
            ),
            r"segments\[0\].bands.fit.high: moderate \(40\) must lie below high \(30\)",
        ),
        (
            lambda: Vertical.model_validate({"vertical": "a", "where": {"b": ["c"]}, "lower": {"fit": 101}}),
            "less than or equal to 100",
        ),
    ],
)
def test_a_policy_made_in_python_is_refused_where_it_is_senseless(made: Any, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        made()


def test_a_policy_made_in_python_may_hold_what_is_only_dead() -> None:
    dead = TierRow(row="b", tier="tier_3", fit="high", signal="high")
    assert len(Policy(rows=(TierRow(row="a", tier="tier_2", fit="high"), dead)).rows) == 2


# What a sound policy decides.

names = st.sampled_from(["public", "health"])
rows = st.builds(
    TierRow,
    row=st.just("x"),
    tier=st.sampled_from(TIERS[:3]),
    fit=st.sampled_from(FIT_BANDS),
    signal=st.sampled_from(SIGNAL_BANDS),
    coverage=st.sampled_from(COVERAGE_BANDS),
    least=st.dictionaries(
        st.sampled_from(["expected_value", "employee_count"]), st.sampled_from([1.0, 2.0]), max_size=2
    ),
    verticals=st.lists(names, unique=True, max_size=2).map(tuple),
)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    minimum = draw(st.sampled_from(FIT_BANDS))
    found = sorted(draw(st.lists(rows, min_size=1, max_size=6)), key=lambda r: r.tier)
    found = [
        r.model_copy(update={"row": f"r{i}", "fit": "high" if r.tier == "tier_1" else r.fit})
        for i, r in enumerate(found)
    ]
    verticals = [
        {"vertical": name, "where": {"industry": [name]}, "lower": {"fit": draw(st.integers(1, 39))}}
        for name in ("public", "health")
    ]
    return Policy(minimum_fit=minimum, rows=tuple(found), verticals=verticals)  # type: ignore[arg-type]


def first_met(policy: Policy, vertical: str, bands: tuple[str, str, str], has: dict[str, float]) -> str:
    """In the words of the design: the first row whose bands are all reached, each "at least"."""
    if FIT_BANDS.index(bands[0]) < FIT_BANDS.index(policy.minimum_fit):  # type: ignore[arg-type]
        return "low_fit"
    for row in policy.rows:
        if (
            FIT_BANDS.index(bands[0]) >= FIT_BANDS.index(row.fit)  # type: ignore[arg-type]
            and SIGNAL_BANDS.index(bands[1]) >= SIGNAL_BANDS.index(row.signal)  # type: ignore[arg-type]
            and COVERAGE_BANDS.index(bands[2]) >= COVERAGE_BANDS.index(row.coverage)  # type: ignore[arg-type]
            and all(has[name] >= value for name, value in row.least.items())
            and (not row.verticals or vertical in row.verticals)
        ):
            return row.row
    return "no_match"


VALUES = [{"expected_value": a, "employee_count": b} for a, b in product([0.0, 1.0, 2.0], repeat=2)]


@settings(deadline=None, max_examples=100)
@given(policy=policies())
def test_the_rows_that_are_refused_are_those_that_no_account_ever_meets_first(policy: Policy) -> None:
    bands = list(product(FIT_BANDS, SIGNAL_BANDS, COVERAGE_BANDS))
    met = {first_met(policy, v, b, has) for v in ("", "public", "health") for b in bands for has in VALUES}
    dead = [i for i, row in enumerate(policy.rows) if row.row not in met]
    text = json.dumps(policy.model_dump(mode="json"))
    if not dead:
        assert parse_policy(text, plan=PLAN) == policy
        return
    assert [f.split(": ")[1] for f in faults(text)] == [f"rows[{i}].row" for i in dead]


@settings(deadline=None, max_examples=60)
@given(policy=policies())
def test_every_combination_names_its_row_or_the_step_that_decides(policy: Policy) -> None:
    told = list(combinations(policy))
    assert len({(c.vertical, c.fit, c.signal, c.coverage) for c in told}) == len(told) == 3 * 3 * 4 * 4
    known = {row.row for row in policy.rows}
    for c in told:
        assert set(c.decided_by[:-1]) <= known
        assert c.decided_by[-1] in known | {"low_fit", "no_match"}
        for has in VALUES:
            first = first_met(policy, c.vertical, (c.fit, c.signal, c.coverage), has)
            assert first in c.decided_by
            least = {row.row: row.least for row in policy.rows}
            enough = [r for r in c.decided_by if all(has[n] >= v for n, v in least.get(r, {}).items())]
            assert first == enough[0]


@settings(deadline=None, max_examples=25)
@given(policy=policies())
def test_the_engine_decides_as_the_table_says(policy: Policy) -> None:
    plain = [r.model_copy(update={"least": {}, "verticals": ()}) for r in policy.rows]
    policy = Policy(minimum_fit=policy.minimum_fit, rows=tuple(plain), surge=None, stale=None)
    told = list(combinations(policy))
    fit = {"low": 10.0, "moderate": 50.0, "high": 90.0}
    signal = {"none": 10.0, "early": 60.0, "moderate": 80.0, "high": 95.0}
    facts = dict.fromkeys(("signals_7d", "signals_prior_weekly", "contacts_7d", "channels_7d", "propensity"), 0.0)
    accounts = pd.DataFrame(
        {
            **facts,
            "account_id": f"{i:03d}",
            "status": "eligible",
            "fit_score": fit[c.fit],
            "signal_score": signal[c.signal],
            "days_since_signal": 1.0,
            "coverage": c.coverage,
            "roles_reached": "",
            "excluded_by": None,
            "negative_trigger": None,
        }
        for i, c in enumerate(told)
    )
    decided = decide(accounts, pd.DataFrame(), policy, instant("2026-03-01"))
    assert decided["row"].tolist() == [c.decided_by[-1] for c in told]


def test_rows_that_ask_for_roles_where_the_plan_names_none_are_a_note_of_check() -> None:
    (found,) = of_policy(Policy(), [])
    assert (found.code, found.severity, found.figures) == ("no_role", "notes", {"rows": ["focus", "growth_coverage"]})
    assert found.found == "no account ever meets focus, growth_coverage: the plan names no roles"


def test_accounts_of_high_fit_that_no_row_names_are_a_note_of_check() -> None:
    assert of_policy(Policy(), ["champion"]) == []
    found = of_policy(parse_policy(ROWS), ["champion"])
    assert [(f.code, f.severity, f.figures) for f in found] == [("no_row", "notes", {"combinations": 4})]
    assert found[0].words == (
        "accounts of high fit that no row of policy.yaml names. they are recycled: signal none, coverage none; signal"
        " none, coverage unknown; signal none, coverage partial; and 1 more. Add a row of tier_3 with fit: high alone,"
        " as the last, if they are to be an outbound list."
    )
    one = parse_policy(ROWS + "  - {row: rest, tier: tier_3, fit: high, least: {expected_value: 9}}\n" + VERTICALS)
    assert of_policy(one, ["champion"])[0].figures == {"combinations": 12}
    assert "signal none, coverage none, without the least values of rest" in of_policy(one, ["champion"])[0].found


# The calendar.


@settings(deadline=None, max_examples=100)
@given(day=st.dates(date(1990, 1, 1), date(2100, 1, 1)), starts=st.integers(1, 12))
def test_a_fiscal_quarter_is_three_months_of_the_fiscal_year_and_holds_its_day(day: date, starts: int) -> None:
    start, end = quarter(day, starts)
    assert start <= day < end
    assert start.day == end.day == 1
    assert (end.year * 12 + end.month) - (start.year * 12 + start.month) == 3
    assert (start.month - starts) % 3 == 0
    assert quarter(end - timedelta(days=1), starts) == (start, end)
    assert quarter(end, starts)[0] == end


# What editors are told.


def properties(schema: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    parts = [schema, *schema.get("$defs", {}).values()]
    return [
        (f"{part.get('title')}.{name}", said) for part in parts for name, said in part.get("properties", {}).items()
    ]


def test_the_schema_describes_every_setting() -> None:
    schema = json_schema("policy")
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    described = {f"#/$defs/{name}" for name, part in schema["$defs"].items() if len(part.get("description", "")) > 10}
    told = dict(properties(schema))
    assert {"Segment.where", "Vertical.lower", "OwnerCapacity.by", "Calendar.holidays", "TierRow.least"} <= told.keys()
    for name, said in told.items():
        parts = [said, *said.get("anyOf", [])]
        assert len(said.get("description", "")) > 10 or any(p.get("$ref") in described for p in parts), name


def test_a_condition_of_the_schema_is_a_stretch_or_a_list_of_at_least_one_text() -> None:
    where = json_schema("policy")["$defs"]["Segment"]["properties"]["where"]
    assert where["minProperties"] == 1
    stretch, values = next(iter(where["patternProperties"].values()))["oneOf"]
    assert stretch == {"$ref": "#/$defs/Within"}
    assert (values["type"], values["items"], values["minItems"]) == ("array", {"type": "string"}, 1)


def test_every_reference_of_the_schema_leads_to_a_part_of_it() -> None:
    schema = json_schema("policy")
    text = json.dumps(schema)
    named = {part.split('"')[0] for part in text.split('"#/$defs/')[1:]}
    assert named == set(schema["$defs"])


SHIPPED = Path(__file__).parent.parent / "models" / "new_business"


def test_the_shipped_policy_loads_and_so_do_its_examples_once_they_are_no_comments() -> None:
    text = (SHIPPED / "policy.yaml").read_text(encoding="utf-8")
    plan = parse_plan((SHIPPED / "model.yaml").read_text(encoding="utf-8"))
    assert parse_policy(text, plan=plan).rows == Policy().rows
    lines = text.splitlines()
    begins = ("# capacity:", "# owner_capacity:", "# segments:", "#   -", "# verticals:", "# calendar:")
    assert sum(line.startswith(begins) for line in lines) == 8
    loose = "\n".join(line.removeprefix("# ") if line.startswith(begins) else line for line in lines)
    examples = parse_policy(loose)
    assert (examples.vertical_names, examples.calendar is None, examples.capacity) == (
        ["public"],
        False,
        {"tier_1": 50, "tier_2": 200},
    )
    assert [r.row for r in examples.rows if r.least] == ["both"]


def test_no_step_is_a_row_and_every_step_is_reserved() -> None:
    assert len(RESERVED_ROWS) == len(set(RESERVED_ROWS))
    for name in RESERVED_ROWS:
        with pytest.raises(ValidationError, match=f"may not be named {name}"):
            TierRow(row=name, tier="tier_3")


# Whatever stands there.

WHOLE = json.loads(
    json.dumps(parse_policy(SEGMENTS + VERTICALS + CALENDAR + TRIGGERS + ROOM + ROWS).model_dump(mode="json"))
)
junk = st.sampled_from([None, True, -1, 1e9, "", "x", [], {}, [[]], ["x", "x"], {"x": 1}, [None], [{"row": "a"}]])


def places(value: Any, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, part in inside for place in places(part, (*at, key)))]


def changed(value: Any, at: tuple[str | int, ...], new: Any) -> Any:
    if not at:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[at[0]] = changed(value[at[0]], at[1:], new)
    return copy


@settings(deadline=None, max_examples=150)
@given(
    changes=st.lists(
        st.tuples(st.sampled_from(places(WHOLE)[1:]), junk), min_size=1, max_size=4, unique_by=lambda c: c[0]
    )
)
def test_nonsense_anywhere_is_refused_in_words_or_is_sound(changes: list[tuple[tuple[str | int, ...], Any]]) -> None:
    value = WHOLE
    for at, new in sorted(changes, key=lambda c: -len(c[0])):
        value = changed(value, at, new)
    try:
        policy = parse_policy(json.dumps(value, indent=1), plan=PLAN)
    except ConfigError as error:
        told = str(error).splitlines()[1:-1]
        lines = [int(line.split(":")[1]) for line in told]
        assert lines == sorted(lines)
        assert len(set(told)) == len(told)
        assert not any(word in line for line in told for word in ("Error", "[stretch]", "function-", "tuple"))
        return
    assert all(c.decided_by for c in combinations(policy))


def test_the_usual_rows_are_sound_under_every_minimum_fit() -> None:
    for fit in FIT_BANDS:
        assert parse_policy(f"minimum_fit: {fit}\n").minimum_fit == fit
