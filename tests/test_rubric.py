"""The rubric as a function of rows, the scores it makes, and tiers where fit is not known."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exports import AS_OF as LAW_AS_OF
from exports import PLAN, random_export, rewound, scrambled
from tables import as_tables
from tierwise.config import Plan, Policy, parse_icp
from tierwise.config.icp import IcpPoints
from tierwise.config.policy import TIERS
from tierwise.data import Warehouse
from tierwise.errors import ConfigError, UsageError
from tierwise.explain import rule_reasons, top_rules
from tierwise.features import Matrix, build_matrix
from tierwise.features.feature import Feature
from tierwise.jobs.rules import readable
from tierwise.learning import TODAY, line_points, points, rankings, read_rubric, rule_scores
from tierwise.learning.rules import fit_gap
from tierwise.tiers import decide

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)


def feature(name: str, kind: str = "category", side: str = "fit") -> Feature:
    return Feature(name, side, kind, "", f"{name}: {{value}}")  # type: ignore[arg-type]


INDUSTRY, SIZE = feature("industry"), feature("employee_count", "number")
CLOUD, CRM = feature("technologies_cloud", "flag"), feature("technologies_crm", "flag")
FEATURES = (INDUSTRY, SIZE, CLOUD, CRM)


def line(attribute: str, points: int = 10, **condition: object) -> IcpPoints:
    return IcpPoints(attribute=attribute, points=points, **condition)  # type: ignore[arg-type]


# --- points, against a slow and obvious computation


VALUES = {
    "industry": st.sampled_from(["Software", "Retail", "Banking", None]),
    "employee_count": st.sampled_from([None, 0.0, 1.0, 49.0, 50.0, 199.5, 200.0, 5000.0]),
    "technologies_cloud": st.sampled_from([0.0, 1.0, None]),
    "technologies_crm": st.sampled_from([0.0, 1.0, None]),
}
LINES = st.one_of(
    st.builds(
        lambda v, p: line("industry", p, equals=tuple(v)),
        st.lists(st.sampled_from(["Software", "Retail"]), min_size=1, max_size=2),
        st.integers(-50, 50),
    ),
    st.builds(
        lambda low, span, p: line("employee_count", p, at_least=low, below=low + span),
        st.sampled_from([0, 1, 50, 200]), st.sampled_from([1, 150, 5000]), st.integers(-50, 50),
    ),
    st.builds(lambda low, p: line("employee_count", p, at_least=low), st.sampled_from([50, 200]), st.integers(-5, 50)),
    st.builds(lambda high, p: line("employee_count", p, below=high), st.sampled_from([50, 200]), st.integers(-5, 50)),
    st.builds(lambda v, p: line("employee_count", p, equals=(v,)), st.sampled_from(["50", "1.0"]), st.integers(1, 9)),
    st.builds(
        lambda v, p: line("technologies", p, equals=tuple(v)),
        st.lists(st.sampled_from(["cloud", "crm"]), min_size=1, max_size=2, unique=True), st.integers(1, 50),
    ),
)  # fmt: skip


def slow_points(rule: IcpPoints, row: dict[str, object]) -> int:
    """The points of one line for one account, as a person would read icp.yaml."""
    if rule.attribute == "technologies":
        owned = {name for name in ("cloud", "crm") if row[f"technologies_{name}"] == 1.0}
        return rule.points if owned & set(rule.equals) else 0
    value = row[rule.attribute]
    if value is None:
        return 0
    if rule.attribute == "industry":
        return rule.points if value in rule.equals else 0
    number = float(str(value))
    if rule.equals:
        return rule.points if any(number == float(v) for v in rule.equals) else 0
    if rule.at_least is not None and number < rule.at_least:
        return 0
    if rule.below is not None and number >= rule.below:
        return 0
    return rule.points


def framed(rows: list[dict[str, object]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(VALUES))
    frame["industry"] = frame["industry"].astype(object).where(frame["industry"].notna(), None)
    return frame.astype({name: "float64" for name in VALUES if name != "industry"})


@settings(max_examples=150, deadline=None)
@given(st.lists(LINES, max_size=5), st.lists(st.fixed_dictionaries(VALUES), min_size=1, max_size=8))
def test_points_are_those_of_a_slow_and_obvious_reading(rules: list[IcpPoints], rows: list[dict[str, object]]) -> None:
    read = read_rubric(rules, FEATURES)
    assert not read.unread
    expected = np.array([[slow_points(rule, row) for rule in rules] for row in rows], dtype=float)
    np.testing.assert_array_equal(line_points(read, framed(rows)), expected.reshape(len(rows), len(rules)))
    np.testing.assert_array_equal(points(read, framed(rows)), expected.reshape(len(rows), len(rules)).sum(axis=1))
    assert read.most == sum(max(rule.points, 0) for rule in rules)


def test_todays_values_are_read_where_there_is_no_feature_and_lists_too() -> None:
    rules = [line("stage", equals=("live",)), line("tools", equals=("x", "y")), line("seats", at_least=5)]
    held = {"stage": "category", "tools": "set", "seats": "number"}
    read = read_rubric(rules, FEATURES, held)  # type: ignore[arg-type]
    frame = pd.DataFrame(
        {
            f"{TODAY}stage": pd.Series(["live", None, "dead"], dtype=object),
            f"{TODAY}tools": pd.Series([np.array(["y", "z"]), np.array(["z"]), None], dtype=object),
            f"{TODAY}seats": [5.0, np.nan, 4.0],
        }
    )
    assert line_points(read, frame).tolist() == [[10, 10, 10], [0, 0, 0], [0, 0, 0]]


# --- what cannot be read is named


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        (line("nowhere", equals=("x",)), "it is no feature of the plan, so that its value on past dates is not known"),
        (line("industry", at_least=3), "it is no number, and the line asks for a range"),
        (line("employee_count", equals=("many",)), "it is a number, and the line names a value that is none"),
        (
            line("technologies", equals=("cloud", "abacus")),
            "the plan reads no feature of abacus in the set technologies",
        ),
        (line("signals_7d", at_least=3), "it is no feature of the plan"),
    ],
)
def test_a_line_that_cannot_be_read_is_named_with_its_reason(rule: IcpPoints, why: str) -> None:
    read = read_rubric(
        [line("industry", equals=("Software",)), rule], (*FEATURES, feature("signals_7d", "number", "signal"))
    )
    assert [r.place for r in read.lines] == [1]
    ((place, words, said),) = read.unread
    assert (place, words) == (2, rule.words)
    assert why in said


def test_a_reason_why_a_value_is_not_known_is_passed_on() -> None:
    read = read_rubric([line("stage", equals=("live",))], (), {}, {"stage": "no history tells it"})
    assert read.unread == ((1, "stage is live", "no history tells it"),)


def test_an_attribute_named_like_a_column_of_the_matrix_is_found_under_its_feature() -> None:
    read = read_rubric([line("status", equals=("live",))], (feature("account_status"),))
    assert read.lines[0].columns == ("account_status",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{attribute: a, points: 1}", r"says either equals: \[values\], or at_least and below"),
        ("{attribute: a, equals: [x], below: 3, points: 1}", "says either equals"),
        ("{attribute: a, at_least: 3, below: 3, points: 1}", "at_least must lie below below"),
        ("{attribute: a, equals: [jo@example.com], points: 1}", "here stands an e-mail address"),
    ],
)
def test_faults_of_a_line_are_said(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as said:
        parse_icp(f"rubric: [{text}]\n")
    assert "jo@example.com" not in str(said.value)


# --- the baseline


def test_the_rubric_is_a_baseline_where_a_line_can_be_read_and_none_otherwise() -> None:
    frame = framed([{"industry": "Software", "employee_count": 10.0}, {"industry": None, "employee_count": 10.0}])
    rules = [line("industry", equals=("Software",)), line("nowhere", equals=("x",))]
    assert rankings(frame, FEATURES, rules)["rubric"].tolist() == [10.0, 0.0]
    assert "rubric" not in rankings(frame, FEATURES, rules[1:])
    assert "rubric" not in rankings(frame, FEATURES)


# --- scores by rules


def rows(days: list[float | None], industries: list[str | None], status: str = "eligible") -> pd.DataFrame:
    n = len(days)
    return pd.DataFrame(
        {
            "account_id": [f"a{i:03d}" for i in range(n)],
            "as_of": np.full(n, np.datetime64("2026-01-01", "us")),
            "status": status,
            "industry": pd.Series(industries, dtype=object),
            "days_since_signal": np.array([np.nan if d is None else d for d in days]),
        }
    )


SOFTWARE = read_rubric(
    [line("industry", 20, equals=("Software",)), line("industry", -5, equals=("Retail",))], (INDUSTRY,)
)


def test_scores_are_percentiles_of_points_and_recency_and_nothing_scores_zero() -> None:
    frame = rows([1.0, None, 40.0, 400.0], ["Software", "Software", "Banking", "Retail"])
    found = rule_scores(frame, SOFTWARE)
    assert found["fit_score"].tolist() == [75.0, 75.0, 0.0, 0.0], "no points: nothing speaks for it"
    assert found["signal_score"].tolist() == [87.5, 0.0, 62.5, 37.5], "never active: 0"
    assert found["account_score"].tolist() == [87.5, 62.5, 37.5, 12.5], "of (75 + 87.5) / 2, 37.5, 31.25 and 18.75"
    assert found[["base", "fit_log_odds", "signal_log_odds", "propensity"]].isna().all(axis=None)


def test_rows_out_of_the_cohort_are_no_part_of_the_percentiles() -> None:
    inside = rows([1.0, 40.0], ["Software", "Banking"])
    outside = rows([0.0, 0.0], ["Software", "Software"], "customer").assign(account_id=["x1", "x2"])
    both = rule_scores(pd.concat([inside, outside], ignore_index=True), SOFTWARE)
    alone = rule_scores(inside, SOFTWARE)
    pd.testing.assert_frame_equal(both.head(2), alone)
    assert both[["account_score", "fit_score", "signal_score"]].tail(2).isna().all(axis=None)


@pytest.mark.parametrize(
    ("rubric", "why"),
    [
        (read_rubric([], (INDUSTRY,)), "icp.yaml holds no rubric"),
        (read_rubric([line("nowhere", equals=("x",))], (INDUSTRY,)), "no line of the rubric in icp.yaml can be read"),
        (read_rubric([line("industry", equals=("software",))], (INDUSTRY,)), "gives all accounts the same points"),
    ],
)
def test_where_the_rubric_tells_nobody_apart_fit_is_not_known_and_recency_ranks(rubric, why: str) -> None:
    found = rule_scores(rows([9.0, 1.0, None], ["Software"] * 3), rubric)
    assert found["fit_score"].isna().all()
    assert found["account_score"].rank().tolist() == [2.0, 3.0, 1.0]
    assert why in fit_gap(rubric, found)


def test_a_rubric_of_what_speaks_against_alone_ranks_by_points() -> None:
    against = read_rubric([line("industry", -5, equals=("Retail",))], (INDUSTRY,))
    assert rule_scores(rows([1.0, 1.0], ["Retail", "Banking"]), against)["fit_score"].tolist() == [25.0, 75.0]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([None, 0.0, 3.0, 50.0, 400.0]), st.sampled_from(["Software", "Retail", None])),
        min_size=2, max_size=12,
    ),
    st.data(),
)  # fmt: skip
def test_more_points_or_newer_activity_never_lower_a_score(cells: list, data: st.DataObject) -> None:
    days, industries = [c[0] for c in cells], [c[1] for c in cells]
    who = data.draw(st.integers(0, len(cells) - 1))
    before = rule_scores(rows(days, industries), SOFTWARE)
    newer = rule_scores(rows([0.0 if i == who else d for i, d in enumerate(days)], industries), SOFTWARE)
    assert newer["signal_score"][who] >= before["signal_score"][who]
    better = rule_scores(rows(days, ["Software" if i == who else v for i, v in enumerate(industries)]), SOFTWARE)
    known = before["fit_score"].notna().all() and better["fit_score"].notna().all()
    assert not known or better["fit_score"][who] >= before["fit_score"][who]


# --- reasons


def test_reasons_name_the_lines_with_their_points_and_the_newest_activity_and_hold_no_log_odds() -> None:
    frame = rows([12.4, None], ["Software", "Banking"])
    said = rule_reasons(frame, SOFTWARE)
    assert said["log_odds"].isna().all()
    assert said.loc[said["account_id"] == "a000", ["feature", "value", "words"]].values.tolist() == [
        ["rubric", "20", "20 of at most 20 points by the rubric"],
        ["days_since_signal", "12.4", "newest buyer activity 12 days before"],
        ["rubric_01", "Software", "+20 points: industry is Software"],
    ]
    top = top_rules(said)
    assert top.loc[1, ["reason_1", "reason_2", "reason_3"]].tolist() == [
        "0 of at most 20 points by the rubric", "no buyer activity so far", "",
    ]  # fmt: skip


# --- tiers where fit is not known


def accounts(**changed: object) -> pd.DataFrame:
    """Every combination of signal and coverage, without fit."""
    cells = list(itertools.product([0.0, 40.0, 60.0, 80.0, 99.0], ["none", "unknown", "partial", "reached"]))
    frame = pd.DataFrame(cells, columns=["signal_score", "coverage"])
    frame["account_id"] = [f"a{i:03d}" for i in range(len(frame))]
    same = {
        "status": "eligible", "fit_score": np.nan, "propensity": np.nan, "days_since_signal": 3.0, "signals_7d": 0.0,
        "signals_prior_weekly": 0.0, "contacts_7d": 0.0, "channels_7d": 0.0, "roles_reached": "", "excluded_by": "",
        "negative_trigger": "",
    }  # fmt: skip
    return frame.assign(**(same | changed))


def none_before() -> pd.DataFrame:
    return pd.DataFrame()


EASY = Policy.model_validate(
    {
        "rows": [
            {"row": "first", "tier": "tier_1", "fit": "moderate", "signal": "high"},
            {"row": "rest", "tier": "tier_3"},
        ]
    }
)


def test_without_fit_nobody_stands_in_tier_1_and_the_guardrail_is_named() -> None:
    decided = decide(accounts(), none_before(), EASY, AS_OF, model_version="rubric", fit_unknown=True)
    high = decided["signal_band"] == "high"
    assert set(decided.loc[high, "tier"]) == {"tier_2"}
    assert set(decided.loc[high, "decided_by"]) == {"fit_unknown"}
    assert decided.loc[high, "guardrails"].str.contains("fit_unknown").all()
    assert decided.loc[high, "why"].str.contains("Held below tier 1, as its fit is not known", case=False).all()
    assert set(decided["fit_band"]) == {""}
    assert decided["decided_fit"].isna().all()
    assert not decided["why"].str.contains("fit 40").any()


@pytest.mark.parametrize("policy", [Policy(), EASY, Policy(minimum_fit="low"), Policy(minimum_fit="high")])
def test_unknown_fit_never_stands_above_what_a_high_fit_would(policy: Policy) -> None:
    """Never guess upward: no tier_1, and no tier that the same account with a high fit would not reach."""
    level = {tier: -i for i, tier in enumerate(TIERS)}
    surging = {"signals_7d": 20.0, "contacts_7d": 5.0, "channels_7d": 3.0}
    for facts in ({}, surging):
        unknown = decide(accounts(**facts), none_before(), policy, AS_OF, fit_unknown=True).set_index("account_id")
        known = decide(accounts(fit_score=100.0, **facts), none_before(), policy, AS_OF).set_index("account_id")
        assert "tier_1" not in set(unknown["tier"])
        lower = unknown["tier"].map(level) < known["tier"].map(level)
        assert (unknown["tier"].map(level) <= known["tier"].map(level)).all()
        assert unknown.loc[lower, "guardrails"].str.contains("fit_unknown").all()


def test_a_tier_1_of_before_is_lowered_at_once_but_not_while_demotions_are_held() -> None:
    state = pd.DataFrame(
        {
            "account_id": accounts()["account_id"], "as_of": pd.Timestamp("2025-12-15"), "tier": "tier_1",
            "tier_since": pd.Timestamp("2025-12-15"), "row": "focus", "surge_until": pd.NaT, "surge_ended": pd.NaT,
            "fit_score": 90.0, "signal_score": 95.0,
        }
    )  # fmt: skip
    decided = decide(accounts(), state, Policy(), AS_OF, model_version="rubric", fit_unknown=True)
    assert "tier_1" not in set(decided["tier"])
    assert not decided["why"].str.contains("fit fell").any()
    held = decide(accounts(), state, Policy(), AS_OF, fit_unknown=True, hold_demotions="crm is late")
    assert set(held["tier"]) == {"tier_1"}


def test_a_fit_must_be_there_where_it_is_not_said_to_be_unknown() -> None:
    with pytest.raises(UsageError, match="without fit_score"):
        decide(accounts(), none_before(), Policy(), AS_OF)


# --- law 1


LAW = [
    line("industry", equals=("Software", "software", "Retail")),
    line("employee_count", at_least=20),
    line("employee_count", 3, below=20),
    line("segment", equals=("smb", "enterprise", "a", "b", "c")),
    line("technologies", equals=("snowflake",)),
]


def law_matrix(warehouse: Warehouse) -> Matrix:
    return build_matrix(warehouse, PLAN, (LAW_AS_OF,))


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_the_baseline_reads_nothing_that_became_known_at_or_after_as_of(seed: int, noise: int) -> None:
    whole = random_export(seed)
    found = []
    for rows_ in (whole, rewound(whole, LAW_AS_OF), scrambled(whole, LAW_AS_OF, noise)):
        with Warehouse.open(as_tables(rows_), threads=1) as warehouse:
            matrix = law_matrix(warehouse)
            assert len(read_rubric(LAW, matrix.features).lines) == len(LAW)
            found.append(rankings(matrix.frame, matrix.features, LAW)["rubric"])
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


BARE = Plan.model_validate(PLAN.model_dump() | {"features": PLAN.features.model_dump() | {"fit": []}})


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_where_tables_reach_beyond_the_date_only_what_history_tells_is_read(seed: int) -> None:
    """No attribute is a feature: what was tracked has its value of then; what was not is named, never today's."""
    whole = random_export(seed)
    found = []
    for rows_, newest in ((whole, LAW_AS_OF + timedelta(days=90)), (rewound(whole, LAW_AS_OF), LAW_AS_OF)):
        with Warehouse.open(as_tables(rows_), threads=1) as warehouse:
            matrix = build_matrix(warehouse, BARE, (LAW_AS_OF,))
            frame, read = readable(warehouse, BARE, LAW, matrix, LAW_AS_OF, newest)
            given_ = dict(zip((r.place for r in read.lines), line_points(read, frame).T, strict=True))
            found.append((given_, read))
    (later, read), (then, _) = found
    history = {row["field"] for row in whole["account_history"]}
    for place, rule in enumerate(LAW, start=1):
        if rule.attribute in history:
            np.testing.assert_array_equal(later[place], then[place])
        else:
            assert place not in later
            assert any(p == place and "no history tells its value of 2025-06-01" in why for p, _, why in read.unread)
