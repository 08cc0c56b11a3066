"""Leakage and readiness findings on small worlds whose truth is known."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierwise.audit import AuditRules, Finding, audit, is_own, missingness, refused
from tierwise.audit.own import is_like_own
from tierwise.audit.people import is_personal
from tierwise.config.plan import Attribute, Channel, Features, Learning, Outcome, Plan, Signals
from tierwise.data import Warehouse

START = datetime(2024, 1, 1)
THROUGH = datetime(2026, 1, 1, tzinfo=UTC)
N, WON = 400, 100


def fit(name: str, clock: str = "slow", **more: object) -> Attribute:
    return Attribute(attribute=name, kind="category", clock=clock, **more)  # type: ignore[arg-type]


def plan(*attributes: Attribute, outcome: Outcome | None = None, min_outcomes: int = 50, **signal: object) -> Plan:
    return Plan(
        plan="new_business",
        outcome=outcome or Outcome(),
        features=Features(fit=attributes, signal=Signals(**signal)),  # type: ignore[arg-type]
        model=Learning(min_outcomes=min_outcomes),
    )


def world(accounts: dict[str, object] | None = None, **tables: pd.DataFrame) -> Warehouse:
    """400 accounts, of which the first 100 opened an opportunity; further columns and tables as given."""
    ids = [f"a{i:03d}" for i in range(N)]
    base = {
        "accounts": pd.DataFrame(
            {
                "account_id": ids,
                "created_at": [START - timedelta(minutes=i) for i in range(N)],
                "owner_id": [f"o{i % 7}" for i in range(N)],
                **(accounts or {}),
            }
        ),
        "opportunities": pd.DataFrame(
            {
                "opportunity_id": [f"o{i}" for i in range(WON)],
                "account_id": ids[:WON],
                "created_at": [START + timedelta(days=100 + i) for i in range(WON)],
                "type": ["new"] * 60 + ["renewal"] * 40,
            }
        ),
    }
    arrow = {k: pa.Table.from_pandas(f, preserve_index=False) for k, f in {**base, **tables}.items()}
    return Warehouse.open(arrow, threads=1)


def holes(with_outcome: int, without: int) -> list[str | None]:
    """A column that is missing for so many accounts with an outcome, and so many without."""
    return [None] * with_outcome + ["x"] * (WON - with_outcome) + [None] * without + ["x"] * (N - WON - without)


def found(warehouse: Warehouse, asked: Plan, through: datetime = THROUGH) -> dict[tuple[str, str], Finding]:
    findings = audit(warehouse, asked, through)
    warehouse.close()
    json.dumps([f.to_dict() for f in findings], allow_nan=False)
    return {(f.code, f.subject): f for f in findings}


# --- refused attributes


def test_what_the_plan_does_not_declare_is_refused_with_why() -> None:
    columns = {"industry": "steel", "region": "north", "health_code": "b", "name": "A", "tierwise_propensity": 0.4}
    warehouse = world(columns)
    findings = audit(warehouse, plan(fit("industry")), THROUGH)
    why = dict(refused(findings))
    assert sorted(why) == ["health_code", "region", "tierwise_propensity"]
    assert why["health_code"].endswith("today's value, no history: may have been filled after the outcome")
    assert why["tierwise_propensity"] == "a field that tierwise writes: its own answer come back"
    assert {f.severity for f in findings if f.refuses} == {"notes"}
    assert audit(warehouse, plan(fit("industry")), THROUGH) == findings
    assert [f.severity for f in findings] == sorted(
        (f.severity for f in findings), key=["blocks", "warns", "notes"].index
    )
    warehouse.close()


def test_a_declared_attribute_that_is_not_there_or_is_our_own_blocks() -> None:
    columns = {"tierwise_fit": 3.0, "tier": ["tier_1", "recycle", None, "customer"] * 100}
    got = found(world({**columns, "empty": pd.Series([None] * N, dtype="str")}),
                plan(*map(fit, ("industry", "empty", "tierwise_fit", "tier", "no_such"))))  # fmt: skip
    blocked = {key for key, f in got.items() if f.severity == "blocks"}
    assert blocked == {
        ("absent_attribute", "empty"), ("absent_attribute", "industry"), ("absent_attribute", "no_such"),
        ("own_field", "tierwise_fit"), ("own_field", "tier"),
    }  # fmt: skip


def test_a_field_of_the_user_s_own_that_is_named_like_ours_is_judged_like_any_other() -> None:
    columns = {
        "tier": ["gold", "silver", "tier_1", None] * 100,
        "movement": ["up", "down"] * 200,
        "previous_tier": ["customer", "in_pipeline"] * 200,
    }
    got = found(world(columns), plan(*map(fit, columns)))
    for name in columns:
        assert {code: f.severity for (code, subject), f in got.items() if subject == name} == {
            "named_like_our_own": "warns", "timing_unknown": "warns",
        }  # fmt: skip
    undeclared = found(world(columns), plan())
    assert {s for c, s in undeclared if c == "refused_attribute"} == set(columns)
    assert undeclared["refused_attribute", "tier"].found.startswith("not declared tracked, fixed, slow or accepted")


@pytest.mark.parametrize("name", ["tierwise_tier", "Tierwise_Score__c", "TIERWISE"])
def test_our_own_fields_are_known_by_their_prefix(name: str) -> None:
    assert is_own(name)
    assert not is_own("tier")


@pytest.mark.parametrize("name", ["propensity", "account_score__c", "reason_3", "tier", "Expected_Value__c"])
def test_fields_are_like_our_own_by_name(name: str) -> None:
    assert is_like_own(name)
    assert not is_like_own("reason_code")


# --- tracked


def history(rows: list[tuple[str, str | None, str, int]], field: str = "stage") -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["account_id", "old_value", "new_value", "day"])
    frame["changed_at"] = [START + timedelta(days=d, seconds=n) for n, d in enumerate(frame.pop("day"))]
    frame["old_value"] = frame["old_value"].astype("str")
    return frame.assign(field=field)


def tracked(rows: list[tuple[str, str | None, str, int]], values: object = "x", field: str = "stage", **more: object):
    warehouse = world({"stage": values}, account_history=history(rows, field))
    return found(warehouse, plan(fit("stage", "tracked", **more)))


def test_tracked_without_history_of_that_field_blocks() -> None:
    got = tracked([("a001", "x", "y", 50)], field="other")
    assert got["tracked_without_history", "stage"].severity == "blocks"
    assert "account_history has no row for the field stage" in got["tracked_without_history", "stage"].words


def test_blank_old_values_beside_untouched_accounts_with_a_value_block() -> None:
    got = tracked([(f"a{i:03d}", None, "y", 50) for i in range(200)])["blank_old_values", "stage"]
    assert got.severity == "blocks"
    assert got.figures == {"changed": 200, "counted": 200, "blank": 200, "untouched": 200, "held": 200}
    assert got.words.startswith(
        "the plan declares stage as tracked. 200 of 200 first changes carry no old value, while 200 of 200 accounts "
        "without a change hold one"
    )


@pytest.mark.parametrize(
    ("why", "rows", "values", "more"),
    [
        ("old values are there", [(f"a{i:03d}", "w", "y", 50) for i in range(200)], "x", {}),
        ("who was never changed holds none", [(f"a{i:03d}", None, "y", 50) for i in range(200)],
         ["y"] * 200 + [None] * 200, {}),
        ("it is the value given at creation", [(f"a{i:03d}", None, "y", 0) for i in range(200)], "x", {}),
        ("it lies before tracked_since", [(f"a{i:03d}", None, "y", 50) for i in range(200)], "x",
         {"tracked_since": date(2024, 6, 1)}),
        ("only later changes carry none",
         [(f"a{i:03d}", o, "y", d) for i in range(200) for o, d in (("w", 50), (None, 60))], "x", {}),
    ],
)  # fmt: skip
def test_a_history_is_safe_where(why: str, rows: list, values: object, more: dict) -> None:
    assert {key[0] for key in tracked(rows, values, **more) if key[1] == "stage"} == {"known_as_of"}, why


# --- being missing


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 300), st.integers(1, 300), st.data())
def test_missingness_is_the_two_proportion_test_and_the_auc_of_the_indicator(
    n: int, m: int, data: st.DataObject
) -> None:
    a, b = data.draw(st.integers(0, n)), data.draw(st.integers(0, m))
    got = missingness(n, a, m, b)
    from scipy import stats

    missing, outcome = np.r_[np.arange(n) < a, np.arange(m) < b], np.r_[np.ones(n), np.zeros(m)]
    auc = stats.mannwhitneyu(missing[outcome == 1], missing[outcome == 0]).statistic / (n * m)
    assert got["auc"] == pytest.approx(max(auc, 1 - auc))
    if 0 < a + b < n + m:
        chi2 = stats.chi2_contingency([[a, n - a], [b, m - b]], correction=False)
        assert (got["z"] ** 2, got["p_value"]) == pytest.approx((chi2.statistic, chi2.pvalue))
    else:
        assert got["p_value"] == 1
    assert got["low"] <= got["difference"] <= got["high"]


@pytest.mark.parametrize(
    ("with_outcome", "without", "code"),
    [
        (0, 240, "missing_tells_outcome"),  # filled because of the outcome: AUC 0.9
        (80, 30, "missing_tells_outcome"),  # the other direction: AUC 0.85
        (5, 75, "missing_differs"),  # 20 points: AUC 0.6
        (10, 54, None),  # 8 points
        (25, 75, None),
    ],
)
@pytest.mark.parametrize("clock", ["fixed", "slow", "accepted"])
def test_being_missing_that_tells_the_outcome(with_outcome: int, without: int, code: str | None, clock: str) -> None:
    got = found(world({"industry": holes(with_outcome, without)}), plan(fit("industry", clock)))
    codes = {key[0] for key in got if key[1] == "industry"} - {"accepted_attribute", "timing_unknown"}
    assert codes == ({code} if code else set())
    assert (("accepted_attribute", "industry") in got) == (clock == "accepted")
    assert (("timing_unknown", "industry") in got) == (clock != "accepted")
    if code:
        finding = got[code, "industry"]
        assert finding.severity == ("blocks" if code == "missing_tells_outcome" else "warns")
        assert finding.refuses == (code == "missing_tells_outcome")
        assert (
            f"for {with_outcome} of 100 with the outcome ({with_outcome}%) and {without} of 300 without"
            in finding.words
        )
    if code == "missing_differs":
        assert "imputed" in got[code, "industry"].do


def test_few_accounts_with_an_outcome_are_no_evidence() -> None:
    early = THROUGH.replace(year=2024, month=4, day=13)  # 4 outcomes by then
    got = found(world({"industry": [None, None, None, *["x"] * (N - 3)]}), plan(fit("industry")), early)
    assert got["few_outcomes", "outcome"].figures["accounts"] == 4
    assert ("missing_tells_outcome", "industry") in got  # 3 of 4 against 0 of 396 is beyond chance
    quiet = found(
        world({"industry": [None, *["x"] * 200, *[None] * 20, *["x"] * (N - 221)]}), plan(fit("industry")), early
    )
    assert not [key for key in quiet if key[0].startswith("missing")]


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_missing_at_random_is_hardly_ever_found(share: float) -> None:
    rng, rules, runs = np.random.default_rng(3), AuditRules(), 2000
    hits = 0
    for _ in range(runs):
        got = missingness(WON, rng.binomial(WON, share), N - WON, rng.binomial(N - WON, share))
        hits += got["p_value"] < rules.missing_p and abs(got["difference"]) > rules.missing_difference
    assert hits / runs <= rules.missing_p + 2.5 * np.sqrt(0.01 * 0.99 / runs)


# --- readiness


@pytest.mark.parametrize(
    ("outcome", "accounts"),
    [
        (Outcome(), 100),
        (Outcome(types=("renewal",)), 40),
        (Outcome(event="opportunity_won"), 30),
        (Outcome(event="opportunity_won", min_amount=100), 10),
        (Outcome(event="stage_reached", stages=("demo",)), 20),
        (Outcome(event="activity", kinds=("order",)), 15),
        (Outcome(event="activity", kinds=("order",), channels=("web",)), 5),
        (Outcome(types=("none",)), 0),
    ],
)
def test_outcomes_are_counted_by_account(outcome: Outcome, accounts: int) -> None:
    ids = [f"a{i:03d}" for i in range(N)]
    deals = pd.DataFrame(
        {
            "opportunity_id": [f"o{i}" for i in range(WON)],
            "account_id": ids[:WON],
            "created_at": START,
            "closed_at": START + timedelta(days=30),
            "is_closed": [i < 50 for i in range(WON)],
            "is_won": [i < 30 for i in range(WON)],
            "amount": [100.0 if i < 10 else 5.0 for i in range(WON)],
            "type": ["new"] * 60 + ["renewal"] * 40,
        }
    )
    stages = pd.DataFrame({"opportunity_id": [f"o{i}" for i in range(20)] * 2, "stage": "demo", "entered_at": START})
    contacts = pd.DataFrame({"contact_id": ["c1"], "account_id": ["a300"], "linked_at": [START]})
    acts = pd.DataFrame(
        {
            "activity_id": [f"e{i}" for i in range(15)],
            "account_id": [*ids[:14], None],
            "contact_id": [None] * 14 + ["c1"],
            "occurred_at": START,
            "channel": ["web"] * 5 + ["shop"] * 10,
            "kind": "order",
        }
    )
    warehouse = world(opportunities=deals, opportunity_stages=stages, contacts=contacts, activities=acts)
    got = found(warehouse, plan(outcome=outcome, min_outcomes=20))
    code, severity = ("outcomes", "notes") if accounts >= 20 else ("few_outcomes", "warns")
    if accounts == 0:
        code, severity = "no_outcomes", "blocks"
    finding = got[code, "outcome"]
    assert finding.severity == severity
    assert finding.figures["accounts"] == accounts


def test_outcomes_say_their_first_and_newest_and_none_lies_after_data_through() -> None:
    finding = found(world(), plan())["outcomes", "outcome"]
    assert finding.figures == {"accounts": 100, "outcomes": 100, "first": "2024-04-10", "newest": "2024-07-18"}
    assert finding.words == (
        "outcomes (opportunity_created) to learn from. 100 accounts have one, the first on 2024-04-10, the newest on "
        "2024-07-18."
    )
    early = found(world(), plan(), datetime(2024, 4, 10, tzinfo=UTC))
    assert early["few_outcomes", "outcome"].figures["accounts"] == 1


def activities(n: int = 100, **columns: object) -> pd.DataFrame:
    base = {
        "activity_id": [f"e{i}" for i in range(n)],
        "account_id": [f"a{i:03d}" for i in range(n)],
        "occurred_at": [START + timedelta(days=i) for i in range(n)],
        "recorded_at": [START + timedelta(days=i) for i in range(n)],
        "channel": "web",
        "kind": "visit",
        "initiator": "buyer",
    }
    return pd.DataFrame({**base, **columns})


def test_dates_and_initiators_that_are_missing_are_counted() -> None:
    acts = activities()
    acts.loc[:29, "recorded_at"] = pd.NaT
    acts.loc[:9, "initiator"] = None
    got = found(world(activities=acts), plan(channels={"web": Channel()}))
    assert got["no_recorded_at", "activities"].found.startswith("known_at is occurred_at for 30 of 100 rows")
    assert got["no_recorded_at", "activities"].figures == {"rows": 30, "n": 100, "share": 0.3}
    assert got["no_initiator", "activities"].figures["rows"] == 10
    assert got["no_initiator", "activities"].severity == "notes"
    nobody = found(world(activities=activities(initiator=pd.Series([None] * 100, dtype="str"))), plan())
    assert nobody["no_initiator", "activities"].severity == "warns"


@pytest.mark.parametrize(("days", "channel", "warned"), [
    (61, Channel(), True), (60, Channel(), False), (99, Channel(tracked_from=date(2024, 3, 1)), False),
])  # fmt: skip
def test_a_channel_that_begins_late_looks_like_a_change_of_tracking(days: int, channel: Channel, warned: bool) -> None:
    acts = activities(channel=["chat" if i >= days else "web" for i in range(100)])
    got = found(world(activities=acts), plan(channels={"web": Channel(), "chat": channel}))
    assert (("tracking_change", "chat") in got and got["tracking_change", "chat"].severity == "warns") == warned
    assert ("tracking_change", "web") not in got
    if warned:
        assert "Set tracked_from: 2024-03-02" in got["tracking_change", "chat"].do


def test_channels_that_only_the_plan_or_only_the_data_have_are_named() -> None:
    acts = activities(channel=["chat" if i < 40 else "web" for i in range(100)])
    got = found(world(activities=acts), plan(channels={"web": Channel(), "webb": Channel()}))
    assert got["empty_channel", "webb"].severity == "warns"
    assert got["uncounted_channel", "chat"].figures == {"n": 40, "first": "2024-01-01", "days_after_first": 0}
    assert got["uncounted_channel", "chat"].do.startswith("Add it to features.signal.channels")
    acts.loc[:39, "initiator"] = "seller"
    of_sellers = found(world(activities=acts), plan(channels={"web": Channel()}))["uncounted_channel", "chat"]
    assert of_sellers.found == "sellers begin its activities: 40 are effort, and no signal"
    assert of_sellers.do == ""


def test_contacts_accounts_and_currencies() -> None:
    contacts = pd.DataFrame(
        {
            "contact_id": ["c1", "c2", "c3"],
            "account_id": "a001",
            "created_at": [START, START, pd.NaT],
            "linked_at": [START, pd.NaT, pd.NaT],
        }
    )
    deals = pd.DataFrame(
        {
            "opportunity_id": ["o1", "o2", "o3"],
            "account_id": "a001",
            "created_at": START,
            "amount": 5.0,
            "currency": "USD",
        }
    )
    born = [None if i < 7 else START for i in range(N)]
    mixed = found(world({"created_at": born}, contacts=contacts, opportunities=deals), plan())
    assert mixed["no_linked_at", "contacts"].figures == {"rows": 2, "n": 3, "share": 2 / 3, "no_date": 1}
    assert mixed["no_created_at", "accounts"].figures["rows"] == 7
    told = mixed["currencies", "opportunities"]
    assert (told.severity, told.figures) == ("notes", {"USD": 3})
    assert ("currencies", "opportunities") not in found(world(), plan())


def test_a_bare_minimum_of_tables_gives_no_finding_but_outcomes() -> None:
    assert set(found(world(), plan())) == {("outcomes", "outcome")}


@pytest.mark.parametrize(
    "name",
    [
        "first_name",
        "FullName",
        "BillingEmail",
        "contactEmail",
        "PhoneNumber",
        "emails",
        "phones",
        "fax",
        "primary_contact__c",
    ],
)
def test_columns_named_like_a_person_s_data_are_known(name: str) -> None:
    assert is_personal(name)


@pytest.mark.parametrize("name", ["industry", "name_of_plan", "employee_count", "last_stage", "template", "segment"])
def test_other_columns_are_not(name: str) -> None:
    assert not is_personal(name)
