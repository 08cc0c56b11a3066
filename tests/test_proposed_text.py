"""A proposed policy.yaml changes the lines that it must, and no other, however people wrote the file."""

from __future__ import annotations

import difflib
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierwise.config import Policy, parse_policy
from tierwise.config.policy import TierRow
from tierwise.config.proposal import policy_diff, proposed_text
from tierwise.config.yaml_splice import append, compose, drop_items, flow, set_keys, spliced
from tierwise.errors import ConfigError

FLOW = """\
# Ours.

policy:   v7   # aligned by hand
bands:
  fit: {moderate: 35, high: 60}   # who they are
  signal: { early: 40, moderate: 60.0, high: 80 }
minimum_fit: 'moderate'
rows:
  # those to work first
  - {row: focus, tier: tier_1, fit: high, signal: high, coverage: reached}
  - {row: growth_signal, tier: tier_2, fit: high, signal: moderate}  # the many
  - {row: growth_coverage, tier: tier_2, fit: high, coverage: partial}

  # the rest
  - {row: scaled, tier: tier_3, fit: moderate, signal: early}
negative_triggers: []
time_in_tier: {stay_margin: 5, minimum_stay_days: 28}
# the end
"""
BLOCK = """\
---
policy: "v7"
bands:
    fit:
        moderate: 35
        high: 60        # who they are

    signal:
        early:    40
        moderate: 60
        high:     80
rows:
-   row: focus
    tier: tier_1
    fit: high
    signal: high
    coverage: reached   # both roles
-   row: growth_signal
    tier: tier_2
    fit: high
    signal: moderate
# by coverage alone
-   row: growth_coverage
    tier: tier_2
    fit: high
    coverage: partial

-
    row: scaled
    tier: tier_3
    fit: moderate
    signal: early
time_in_tier:
    # weeks
    stay_margin: 5
    minimum_stay_days: 28


stale:
    after_days: 120
    within_days: 365
...
"""
LISTED = """\
bands: {
  fit: {moderate: 35, high: 60},  # who they are
  signal: {early: 40, moderate: 60, high: 80},
}
rows: [
  {row: focus, tier: tier_1, fit: high, signal: high, coverage: reached},  # first
  {row: growth_signal, tier: tier_2, fit: high, signal: moderate},
  {row: growth_coverage, tier: tier_2, fit: high, coverage: partial},  # second
  {row: scaled, tier: tier_3, fit: moderate, signal: early}  # last
]
time_in_tier: {stay_margin: 5, minimum_stay_days: 28}"""
CLOSED = LISTED.replace("early}  # last\n]", "early} ]  # last")
JSON = (
    '{"policy": "v7", "bands": {"fit": {"moderate": 35, "high": 60}, "signal": {"early": 40, "moderate": 60, "high": '
    '80}}, "rows": [{"row": "focus", "tier": "tier_1", "fit": "high", "signal": "high", "coverage": "reached"}, {"row":'
    ' "growth_signal", "tier": "tier_2", "fit": "high", "signal": "moderate"}, {"row": "growth_coverage", "tier": '
    '"tier_2", "fit": "high", "coverage": "partial"}, {"row": "scaled", "tier": "tier_3", "fit": "moderate", "signal": '
    '"early"}], "time_in_tier": {"stay_margin": 5, "minimum_stay_days": 28}}'
)
SPARSE = "# nothing but a name\npolicy: v7  # ours\n"
COMMENTS = "# what the team said\n#   of tiers"
WRITTEN = {
    "flow": FLOW,
    "block": BLOCK,
    "block of windows": BLOCK.replace("\n", "\r\n"),
    "listed": LISTED,
    "listed and closed on the last line": CLOSED,
    "json": JSON,
    "sparse": SPARSE,
    "comments alone": COMMENTS,
    "nothing": "",
    "the mark of a beginning alone": "# ours\n---\n",
    "no newline at the end": FLOW.rstrip("\n").removesuffix("\n# the end"),
}
SILENT = TierRow(row="wide", tier="tier_2", fit="moderate", signal="high")
BY_CUT = {"row": "early_birds", "tier": "tier_3", "fit": "moderate", "coverage": "unknown"}


def proposals(present: Policy) -> list[Policy]:
    """Other numbers, rows that go, rows that ask for more, and rows that come, first, between and last."""
    signal = present.bands.signal.model_copy(update={"high": 91.5, "early": 33.0})
    fit = present.bands.fit.model_copy(update={"moderate": 22.0})
    numbers = {
        "bands": present.bands.model_copy(update={"signal": signal, "fit": fit}),
        "time_in_tier": present.time_in_tier.model_copy(update={"stay_margin": 12.5, "minimum_stay_days": 35}),
    }
    rows, first = present.rows, TierRow(row="top", tier="tier_1", fit="high", signal="high", coverage="partial")
    louder = tuple(r.model_copy(update={"signal": "high"}) if r.tier == "tier_2" else r for r in rows)
    shapes = [
        rows,
        tuple(r for r in rows if r.row != "growth_coverage"),
        rows[1:],
        rows[2:],
        rows[:-1],
        rows[:-2],
        louder,
        (first, *rows),
        (*rows[:2], SILENT, first.model_copy(update={"row": "second", "tier": "tier_2"}), *rows[2:]),
        (*rows, TierRow(**BY_CUT)),
        (first, *rows[1:2], SILENT, *louder[2:3]),
    ]
    made = [present.model_copy(update={"rows": shape}) for shape in shapes]
    return [*made, *(p.model_copy(update=numbers) for p in made)]


def read(text: str) -> Policy:
    """As a text is read, but for what a policy may not say: this is about texts alone."""
    return Policy.model_validate(parse_policy_values(text))


def parse_policy_values(text: str) -> object:
    from tierwise.config.yaml_lines import read_yaml

    document = read_yaml(text)
    assert not document.faults, (document.faults, text)
    return document.value or {}


@pytest.mark.parametrize("name", WRITTEN)
def test_it_reads_as_the_proposed_policy_and_changes_only_lines_that_say_it(name: str) -> None:
    text = WRITTEN[name]
    present = parse_policy(text)
    for proposed in proposals(present):
        changed = proposed_text(text, present, proposed)
        assert read(changed) == proposed
        assert ("\r\n" in changed) == ("\r\n" in text)
        assert changed.count("\r\n") in (0, changed.count("\n"))
        comments = [c.strip() for c in comments_of(text)]
        lost = set(comments) - {c.strip() for c in comments_of(changed)}
        gone = len(present.rows) - sum(r.row in {p.row for p in proposed.rows} for r in present.rows)
        assert len(lost) <= gone, "a comment goes only with the line of a row that goes"
        kept = kept_lines(text, changed)
        for line in text.splitlines():
            if not line.strip() or line.lstrip().startswith("#"):
                assert line in kept, (line, changed)


def comments_of(text: str) -> list[str]:
    return [line.split("#", 1)[1] for line in text.splitlines() if "#" in line]


def kept_lines(text: str, changed: str) -> set[str]:
    matcher = difflib.SequenceMatcher(None, text.splitlines(), changed.splitlines(), autojunk=False)
    return {line for op, a, b, _, _ in matcher.get_opcodes() if op == "equal" for line in text.splitlines()[a:b]}


@pytest.mark.parametrize("name", WRITTEN)
def test_without_a_change_not_a_character_changes(name: str) -> None:
    present = parse_policy(WRITTEN[name])
    assert proposed_text(WRITTEN[name], present, present) == WRITTEN[name]


@pytest.mark.parametrize("text", ["null\n", "~", "---\n...\n"])
def test_a_file_that_is_read_as_nothing_but_holds_something_is_refused_before_anything_is_searched(text: str) -> None:
    present = parse_policy(text)
    with pytest.raises(ConfigError, match=r"it holds no keys, but something that is read as nothing\. Empty the file"):
        proposed_text(text, present, present)


def changes(text: str, **update: object) -> list[str]:
    """The lines that a diff marks, for numbers of the signal side and of time in tier."""
    present = parse_policy(text)
    signal = present.bands.signal.model_copy(update={"high": 91.5})
    time = present.time_in_tier.model_copy(update={"minimum_stay_days": 35})
    bands = present.bands.model_copy(update={"signal": signal})
    proposed = present.model_copy(update={"bands": bands, "time_in_tier": time, **update})
    diff = policy_diff(text, proposed_text(text, present, proposed), "policy.yaml")
    return [line.rstrip("\r\n") for line in diff.splitlines()[2:] if line[0] in "+-"]


def test_the_diff_holds_nothing_but_what_changes() -> None:
    assert changes(FLOW) == [
        "-  signal: { early: 40, moderate: 60.0, high: 80 }",
        "+  signal: { early: 40, moderate: 60.0, high: 91.5 }",
        "-time_in_tier: {stay_margin: 5, minimum_stay_days: 28}",
        "+time_in_tier: {stay_margin: 5, minimum_stay_days: 35}",
    ]
    assert changes(BLOCK) == [
        "-        high:     80",
        "+        high:     91.5",
        "-    minimum_stay_days: 28",
        "+    minimum_stay_days: 35",
    ]
    assert changes(SPARSE) == [
        "+bands: {signal: {high: 91.5}}",
        "+time_in_tier: {minimum_stay_days: 35}",
    ]
    assert changes(BLOCK.replace("        high:     80\n", "").replace("    minimum_stay_days: 28\n", "")) == [
        "+        high: 91.5",
        "+    minimum_stay_days: 35",
    ]
    assert changes(LISTED.replace(", high: 80}", "}"))[:2] == [
        "-  signal: {early: 40, moderate: 60},",
        "+  signal: {early: 40, moderate: 60, high: 91.5},",
    ]


def test_rows_come_and_go_by_lines_of_their_own() -> None:
    present = parse_policy(FLOW)
    rows = (*present.rows[:2], SILENT, present.rows[3])
    wide = "{row: wide, tier: tier_2, fit: moderate, signal: high}"
    assert changes(FLOW, rows=rows, bands=present.bands, time_in_tier=present.time_in_tier) == [
        "-  - {row: growth_coverage, tier: tier_2, fit: high, coverage: partial}",
        f"+  - {wide}",
    ]
    assert changes(BLOCK, rows=rows, bands=present.bands, time_in_tier=present.time_in_tier) == [
        f"+- {wide}",
        "--   row: growth_coverage",
        "-    tier: tier_2",
        "-    fit: high",
        "-    coverage: partial",
    ]
    assert changes(LISTED, rows=rows, bands=present.bands, time_in_tier=present.time_in_tier) == [
        "-  {row: growth_coverage, tier: tier_2, fit: high, coverage: partial},  # second",
        f"+  {wide},",
    ]


CUTS = st.lists(st.integers(1, 99), min_size=3, max_size=3, unique=True).map(sorted)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(WRITTEN)), CUTS, st.integers(0, 30), st.sets(st.integers(0, 3), max_size=3))
def test_any_numbers_and_any_rows_that_go(name: str, cuts: list[int], margin: int, gone: set[int]) -> None:
    present = parse_policy(WRITTEN[name])
    signal = present.bands.signal.model_copy(
        update=dict(zip(("early", "moderate", "high"), map(float, cuts), strict=True))
    )
    proposed = present.model_copy(
        update={
            "bands": present.bands.model_copy(update={"signal": signal}),
            "time_in_tier": present.time_in_tier.model_copy(update={"stay_margin": float(margin)}),
            "rows": tuple(row for place, row in enumerate(present.rows) if place not in gone),
        }
    )
    assert read(proposed_text(WRITTEN[name], present, proposed)) == proposed


def test_edits_are_made_in_order_and_a_value_may_stand_on_lines_of_its_own() -> None:
    assert spliced("abc", [(2, 2, "y"), (0, 1, ""), (2, 2, "z")]) == "byzc"
    text = "a: |\n  one\n  two\n\nb: 1\n"
    root = compose(text)
    assert spliced(text, set_keys(text, root, {"a": "x", "c": 2})) == "a: x\n\nb: 1\nc: 2\n"
    assert (
        spliced("a: |\n  one\n", set_keys("a: |\n  one\n", compose("a: |\n  one\n"), {"c": 2})) == "a: |\n  one\nc: 2\n"
    )
    assert append("# one", ["a: 1"]) == "# one\na: 1"
    assert append("", ["a: 1"]) == "a: 1\n"
    one = "rows: [{a: 1}, {b: 2}, {c: 3}]\n"
    rows = compose(one).value[0][1]
    for places, left in (
        ({0}, "[{b: 2}, {c: 3}]"),
        ({1}, "[{a: 1}, {c: 3}]"),
        ({1, 2}, "[{a: 1}]"),
        ({0, 1}, "[{c: 3}]"),
    ):
        assert spliced(one, drop_items(one, rows, places)) == f"rows: {left}\n"


@pytest.mark.parametrize(
    "value", [1, 2.5, "x", "true", "1", "", "a: b", "- a", ["x", "y"], {"a": {"b": 1}}, {"a": 1}, None]
)
def test_what_is_written_reads_as_what_it_was(value: object) -> None:
    assert parse_policy_values(f"k: {flow(value)}") == {"k": value}
    assert "\n" not in flow(value)


def test_the_texts_of_this_module_say_what_they_are_taken_for() -> None:
    for one, other in pairwise((FLOW, BLOCK.replace("stale:\n    after_days: 120\n    within_days: 365\n", ""), JSON)):
        assert parse_policy(one).rows == parse_policy(other).rows
