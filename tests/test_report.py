from __future__ import annotations

import dataclasses
import importlib.util
import math
import re
import sys
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierwise.audit import Finding
from tierwise.cli import tables
from tierwise.cli.explained import explained
from tierwise.governance import Figure
from tierwise.jobs.changed import Changed
from tierwise.jobs.explain import Explained
from tierwise.learning.metrics import wilson
from tierwise.report import AccountPage, AccountsPage, account_page, accounts_page, message_page, review_page, run_page
from tierwise.report.accounts import direction, steps_of
from tierwise.report.charts import (
    Point,
    Step,
    calibration,
    capture_curve,
    ceiling,
    chance,
    interval_dots,
    stacked_months,
    trend,
    waterfall,
)
from tierwise.report.quality import quality_part
from tierwise.report.review import drift_words, review_dict
from tierwise.report.run import expected, run_dict
from tierwise.report.words import Words, clean


def _sample() -> ModuleType:
    name = "report_sample"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("report_sample.py"))
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


sample = _sample()
HOSTILE = """<script>alert(1)</script>"><img src=x onerror=alert(2)> {{ 7*7 }} </svg></style>"""


@pytest.fixture(scope="module")
def run() -> Any:
    return sample.run_values(1200)


@pytest.fixture(scope="module")
def page(run: Any) -> str:
    return run_page(run)


@pytest.fixture(scope="module")
def review() -> str:
    return review_page(sample.review_values())


class Tags(HTMLParser):
    """What a browser would see: tags, whether they close, attributes that fetch, and the text."""

    VOID = frozenset({"meta", "input", "br", "img", "link"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.fetched: list[str] = []
        self.handlers: list[str] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "action", "data", "xlink:href", "srcset", "poster"):
                self.fetched.append(value or "")
            if name.startswith("on"):
                self.handlers.append(name)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def words_of(html: str) -> str:
    return " ".join(" ".join(Tags(re.sub(r"<style>.*?</style>", "", html, flags=re.S)).words).split())


def assert_self_contained(html: str) -> None:
    seen = Tags(html)
    assert seen.open == []
    assert not {"script", "link", "img", "iframe", "object", "embed", "base"} & set(seen.tags)
    assert seen.handlers == []
    assert all(url.startswith(("#", "/")) and not url.startswith("//") for url in seen.fetched)
    assert "url(" not in html
    assert "@import" not in html
    assert "javascript:" not in html
    assert "https://" not in html
    assert set(re.findall(r'http://[^"\s<]+', html)) <= {"http://www.w3.org/2000/svg"}


def test_pages_are_whole_and_fetch_nothing(page: str, review: str) -> None:
    for html in (page, review):
        assert_self_contained(html)
        assert html.startswith("<!doctype html>")
        assert 'name="viewport"' in html


def test_same_values_same_bytes_and_order_of_rows_does_not_matter(run: Any, page: str, review: str) -> None:
    assert run_page(run) == page
    assert review_page(sample.review_values()) == review
    shuffled = dataclasses.replace(
        run,
        tiers=run.tiers.sample(frac=1, random_state=3).reset_index(drop=True),
        reasons=run.reasons.sample(frac=1, random_state=4).reset_index(drop=True),
    )
    assert run_page(shuffled) == page


def test_pictures_are_well_formed_and_say_what_they_show(page: str, review: str) -> None:
    for html, least in ((page, 14), (review, 5)):
        pictures = re.findall(r"<svg.*?</svg>", html, flags=re.S)
        assert len(pictures) >= least
        for svg in pictures:
            root = ElementTree.fromstring(svg)
            children = [child.tag.split("}")[1] for child in root]
            assert children[:2] == ["title", "desc"]
            assert len(root[1].text or "") > 20
            assert root.get("role") == "img"
            assert "nan" not in svg.replace("Finance", "")
    assert not re.search(
        r"\bid=\"(?!tiers|accounts|kpis|movement|quality|policy|data|words|verdict|precision|calibration|drift|misses)",
        page + review,
    )


@pytest.mark.parametrize("hostile", [HOSTILE, '=HYPERLINK("http://evil.example","x")', "\u202egnp.exe", "a" * 5000])
def test_hostile_names_and_words_stay_text(run: Any, hostile: str) -> None:
    ids = run.tiers["account_id"]
    tiers = run.tiers.assign(why=hostile, guardrails=hostile, decided_by=hostile, cause=hostile)
    reasons = run.reasons.assign(words=hostile, feature=hostile)
    quarantine = run.quarantine.assign(table=hostile, column=hostile, code=hostile)
    values = dataclasses.replace(
        run,
        tiers=tiers,
        reasons=reasons,
        quarantine=quarantine,
        names=dict.fromkeys(ids, hostile),
        title=hostile,
        plan=hostile,
        model_version=hostile,
        run_id=hostile,
        outcome=hostile,
        notes=[hostile],
        refused=[(hostile, hostile)],
        labels={"signal": hostile, "tier_1": hostile, "propensity": hostile},
        evaluation=run.evaluation | {"why": hostile, "chosen": hostile, "chosen_because": hostile},
    )
    row = tiers[tiers["tier"] == "tier_1"].iloc[0].to_dict() | {"account_id": hostile}
    one = AccountPage("p", run.as_of, hostile, hostile, row, reasons, values.labels, {hostile: hostile})
    listed = AccountsPage(
        "p", run.as_of, "r", "m", tiers.head(3), 3, {"tier_1": 3, hostile: 2}, hostile, hostile, 2, 3, {}, values.names
    )
    for html in (run_page(values), account_page(one), accounts_page(listed), message_page("x", hostile, hostile)):
        seen = Tags(html)
        assert not {"script", "img"} & set(seen.tags)
        assert seen.handlers == []
        assert "\u202e" not in words_of(html)
        assert "49" not in seen.words
        assert "a" * 700 not in words_of(html)
        for svg in re.findall(r"<svg.*?</svg>", html, flags=re.S):
            ElementTree.fromstring(svg)


def test_a_name_a_spreadsheet_would_run_is_quoted(run: Any) -> None:
    first = run_dict(run)["top"]["cards"][0]["id"]  # type: ignore[index]
    html = run_page(dataclasses.replace(run, names={first: "=HYPERLINK(1)"}))
    assert "&#39;=HYPERLINK(1)" in html
    assert ">=HYPERLINK" not in html


def test_no_personal_data_of_contacts_reaches_a_page(run: Any, page: str) -> None:
    assert run.quarantine["reason"].str.contains("@").all()
    assert "@" not in words_of(page)
    noted = run_page(dataclasses.replace(run, notes=["row 3: 'jo.doe@example.com' is unknown"]))
    assert "jo.doe" not in noted
    assert "[e-mail removed]" in noted


def test_figures_carry_their_n_and_interval(run: Any, page: str) -> None:
    said = words_of(page)
    shown: Any = run_dict(run)
    assert "14,205 rows of 4,870 accounts, 1,208 outcomes: a base rate of 8.5%" in said
    assert "0.737 0.723 to 0.751" in said
    assert "n = 14,205 for every figure" in said
    assert f"n = {shown['head']['expected']['n']:,} accounts" in said
    assert "The best 20% of accounts held 44% of the outcomes. n = 14,205 rows" in said
    assert f"12 of {shown['top']['of']} in Tier 1 · Focus and Tier 2 · Growth" in said
    assert "335 rows for 4 reasons" in said
    assert "412,339 412,021 318 0" in said


def test_review_figures_carry_their_n_and_interval(review: str) -> None:
    said = words_of(review)
    low, high = wilson(51, 190)
    assert f"51 of 190 190 25.1% 26.8% {100 * low:.1f}% to {100 * high:.1f}% 3.2×" in said
    assert "Base rate 8.3%" in said
    assert "too few cases (n 0)" in said
    assert "n = 4,260" in said
    assert "Verdict Watch" in said
    assert "0.270 &lt; 0.001" not in said
    assert "0.270 < 0.001 4,318 has shifted, beyond chance" in said


def test_each_missed_account_stands_once_with_its_newest_row_and_the_counts_are_of_all() -> None:
    values = sample.review_values()
    part: Any = review_dict(values)
    assert (part["false_positives"]["accounts"], part["false_positives"]["n"]) == (20, 40)
    assert len(part["false_positives"]["rows"]) == 12
    assert {str(r["as_of"])[:10] for r in part["false_positives"]["rows"]} == {"2026-07-01"}
    said = words_of(review_page(values))
    assert "In Tier 1, and did not open a new-business opportunity within 90 days" in said
    assert "In Tier 3 or Recycle, and did open a new-business opportunity within 90 days" in said
    assert "12 of 20 accounts shown, each in its newest row; 40 published rows in all." in said
    assert "As of" in said.split("Misses")[-1]
    assert "1 July 2026" in said.split("Misses")[-1]
    assert "worked" not in said.lower()


def test_a_look_back_says_so_and_claims_no_unseen_months(run: Any) -> None:
    plain, later = (
        words_of(run_page(dataclasses.replace(run, trained_as_of=at))) for at in ("2026-11-01", "2026-12-31")
    )
    banner = "The model was trained as of 31 December 2026, after this date: it has seen what happened since."
    assert banner in later
    assert later.index(banner) < later.index("accounts in the run")
    assert "after this date" not in plain
    assert "Features: known before 1 November 2026. Model: trained as of 31 December 2026." in later
    assert "Features: known before 1 November 2026. Model: trained as of 1 November 2026." in plain
    assert "on months it had not seen" in plain
    assert "had not seen" not in later
    assert "unseen" not in later


def test_quality_is_told_in_plain_words(run: Any, page: str) -> None:
    said = words_of(page)
    assert "Calibration holds on the unseen months: predicted 8.5%, observed 8.6% (n = 14,205, p = 0.41)." in said
    assert "its out-of-time log-loss is 0.2490 against the scorecard's 0.2540." in said
    assert (
        "It ranks better than the ICP rubric and than the newest activity first, by average precision and by AUC."
        in said
    )
    evaluation = run.evaluation | {"calibration": run.evaluation["calibration"] | {"p_value": 0.0}}
    evaluation["metrics"] = evaluation["metrics"] | {
        "scorecard": {"log_loss": {"value": 0.2, "low": 0.19, "high": 0.21}}
    }
    bad = words_of(run_page(dataclasses.replace(run, evaluation=evaluation)))
    assert "p < 0.001" in bad
    assert "0.000" not in bad
    assert "On the unseen months the scorecard did better by log-loss (0.2000 against 0.2490)" in bad


def test_the_headline_counts_outcomes_and_the_reach_is_of_the_tables_that_matter(run: Any, page: str) -> None:
    said = words_of(page)
    head: Any = run_dict(run)["head"]
    first, every = head["first"]["expected"]["sum"], head["expected"]["sum"]
    assert (
        f"({head['first']['share']:.1%}) stand in Tier 1 · Focus. By the model they account for {first:.0f} of the "
        f"{every:.0f} outcomes expected within 90 days ({first / every:.0%})." in said
    )
    reach = dict(run.data_through) | {"account_merges": datetime(2025, 1, 1, tzinfo=UTC)}
    shown: Any = run_dict(dataclasses.replace(run, data_through=reach))["data"]
    assert shown["shown"] == [("activities", "2026-10-30"), ("opportunities", "2026-10-31")]
    assert shown["by_table"]["account_merges"] == "2025-01-01"


def test_scores_are_rounded_down_as_in_every_why(run: Any) -> None:
    row = run.tiers[run.tiers["tier"] == "tier_1"].iloc[0].to_dict()
    row |= {"fit_score": 89.6, "signal_score": 64.99, "account_score": 99.97}
    said = words_of(account_page(AccountPage("p", run.as_of, "r", "m", row, run.reasons, {}, {})))
    assert "99 account score" in said
    assert "89 fit score 64 signal score" in said
    rows = pd.DataFrame([row])
    listed = words_of(accounts_page(AccountsPage("p", run.as_of, "r", "m", rows, 1, {"tier_1": 1})))
    assert " 89 64 " in listed


def test_the_footnote_of_drift_states_the_rule_that_raised_the_alarms() -> None:
    values = dataclasses.replace(sample.review_values(), drift_alpha=0.05, drift_least_psi=0.2)
    said = words_of(review_page(values))
    assert "PSI of at least 0.2 and a p that Holm's correction over all 4 lines still rejects at the 5% level" in said
    assert "1 of 3 features and 1 score has drifted" in said


def test_counts_are_those_of_the_tiers(run: Any) -> None:
    shown: Any = run_dict(run)
    for row in shown["tiers"]:
        here = run.tiers[run.tiers["tier"] == row["tier"]]
        assert row["n"] == len(here)
        assert row["expected"]["sum"] == pytest.approx(here["propensity"].sum())
        before = run.tiers["previous_tier"]
        assert row["came"] == int(((run.tiers["tier"] == row["tier"]) & (before != row["tier"])).sum())
        assert row["went"] == int(((before == row["tier"]) & (run.tiers["tier"] != row["tier"])).sum())
    moved = int((run.tiers["tier"] != run.tiers["previous_tier"]).sum())
    assert shown["movement"]["n"] == moved == sum(c["n"] for c in shown["movement"]["causes"])
    cells = sum(c["n"] for r in shown["movement"]["matrix"] for c in r["cells"] if c["kind"] != "same")
    assert cells == moved


def test_top_accounts_are_tier_1_by_propensity_then_tier_2(run: Any) -> None:
    shown: Any = run_dict(dataclasses.replace(run, top=40))
    cards = shown["top"]["cards"]
    assert [c["tier"] for c in cards] == sorted(c["tier"] for c in cards)
    for tier in ("tier_1", "tier_2"):
        values = [c["propensity"] for c in cards if c["tier"] == tier]
        assert values == sorted(values, reverse=True)
    assert cards[0]["propensity"] == run.tiers.loc[run.tiers["tier"] == "tier_1", "propensity"].max()


def test_labels_replace_the_words_of_the_house(page: str, run: Any) -> None:
    said = words_of(page)
    assert "Tier change since the run before" in said
    assert "Engagement score" in said
    assert not re.search(r"\bsignal\b", said, flags=re.IGNORECASE)
    plain = words_of(run_page(dataclasses.replace(run, labels={})))
    assert "Movement since the run before" in plain
    assert "Signal score" in plain
    custom = words_of(run_page(dataclasses.replace(run, labels={"tier_1": "Now", "account": "customer group"})))
    assert "Tier 1 · Now" in custom
    assert "customer groups" in custom


def test_what_is_absent_is_said_with_its_reason(run: Any) -> None:
    values = dataclasses.replace(
        run,
        reasons=None,
        evaluation=None,
        intake=None,
        quarantine=None,
        refused=None,
        data_through={},
        tiers=run.tiers.assign(previous_tier=None),
        unavailable={"evaluation": "the model is of another registry"},
    )
    said = words_of(run_page(values))
    assert "Not available: the model is of another registry." in said
    assert said.count("Not available: the run did not provide it.") == 3
    assert "Not available: there is no earlier run to compare with." in said
    assert "Reasons not available: the run did not provide it." in said
    partial = words_of(run_page(dataclasses.replace(run, evaluation={"chosen": "scorecard"})))
    assert "Not available: the evaluation holds no calibration table." in partial
    assert "Not available: the evaluation holds no lift table." in partial
    empty = dataclasses.replace(sample.review_values(), precision=None, trend=None, movement=None, drift=None,
                                tiers_by_month=None, calibration=None, false_positives=None, false_negatives=None,
                                unavailable={"precision": "no cohort has matured"})  # fmt: skip
    said = words_of(review_page(empty))
    assert "Not available: no cohort has matured." in said
    assert said.count("Not available:") == 8


def test_no_usable_model_is_said_first_and_no_probability_is_shown(run: Any) -> None:
    evaluation = run.evaluation | {"verdict": "no usable model", "why": "two_sided does not beat icp_rubric"}
    tiers = run.tiers.assign(propensity=np.nan, base=np.nan, fit_log_odds=np.nan, signal_log_odds=np.nan)
    said = words_of(run_page(dataclasses.replace(run, tiers=tiers, evaluation=evaluation)))
    assert "There is no usable model for this run: tiers are by rules" in said
    assert "No usable model. Tiers are by rules. Two-sided boosting does not beat the ICP rubric." in said
    assert "No waterfall: this account has no probability" in said
    assert "nan" not in said


def test_an_empty_run_is_a_page(run: Any) -> None:
    html = run_page(dataclasses.replace(run, tiers=run.tiers.head(0), reasons=run.reasons.head(0)))
    assert_self_contained(html)
    assert "No account stands in Tier 1 · Focus or Tier 2 · Growth." in words_of(html)


def test_account_pages_show_guardrails_reasons_and_sums(run: Any) -> None:
    row = run.tiers[run.tiers["tier"] == "tier_1"].iloc[0].to_dict()
    row |= {"guardrails": "minimum_stay;surge", "roles_reached": "champion;exec_buyer", "expected_value": 12_345.6}
    values = AccountPage("new_business", run.as_of, "r", "m", row, run.reasons, run.labels, run.names)
    html = account_page(values)
    assert_self_contained(html)
    said = words_of(html)
    assert "Guardrail minimum stay Guardrail surge" in said
    assert "Buying group reached: champion, exec buyer." in said
    assert "12,346 expected value" in said
    assert "All reasons" in said
    assert re.search(r"Engagement: [+−]\d\.\d\d log-odds from 7 reasons", said)
    assert "the reasons were not published" in words_of(account_page(dataclasses.replace(values, reasons=None)))


def test_a_waterfall_adds_up_to_the_log_odds(run: Any) -> None:
    for row in run.tiers.head(40).to_dict("records"):
        mine = run.reasons[run.reasons["account_id"] == row["account_id"]]
        total = row["base"] + sum(s.log_odds for s in steps_of(row, mine, Words({})))
        assert total == pytest.approx(row["base"] + row["fit_log_odds"] + row["signal_log_odds"], abs=1e-9)


def test_a_residue_of_the_sides_is_a_bar_of_its_own() -> None:
    row = {"fit_log_odds": 1.0, "signal_log_odds": 0.5}
    reasons = pd.DataFrame({"side": ["fit"], "feature": ["x"], "words": ["X"], "log_odds": [0.4]})
    reasons = reasons.assign(account_id="a1", as_of=pd.Timestamp("2026-11-01"), family="x", proven="part", told="")
    reasons = reasons.assign(value="1", value_as_of=pd.NaT)
    steps = steps_of(row, reasons, Words({}))
    assert [(s.side, round(s.log_odds, 9)) for s in steps] == [("fit", 0.4), ("fit", 0.6), ("signal", 0.5)]
    assert [s.words for s in steps[1:]] == ["Fit: what no reason names, raises", "Signal: what no reason names, raises"]


GOLDEN = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 90" role="img" aria-label="Worth" '
    'font-family="system-ui,-apple-system,&#x27;Segoe UI&#x27;,Roboto,&#x27;Helvetica Neue&#x27;,Arial,sans-serif" '
    'class="chart"><title>Worth</title><desc>A &amp; B: 25.0% (15.0%–40.0%, n 40); Base 10.0%.</desc>'
    '<line x1="8" y1="26" x2="8" y2="68" stroke="#d5dbe1" stroke-width="1"/>'
    '<text x="8" y="83" font-size="11" fill="#55616e">0%</text>'
    '<line x1="104" y1="26" x2="104" y2="68" stroke="#d5dbe1" stroke-width="1"/>'
    '<text x="104" y="83" font-size="11" fill="#55616e" text-anchor="middle">10%</text>'
    '<line x1="200" y1="26" x2="200" y2="68" stroke="#d5dbe1" stroke-width="1"/>'
    '<text x="200" y="83" font-size="11" fill="#55616e" text-anchor="middle">20%</text>'
    '<line x1="296" y1="26" x2="296" y2="68" stroke="#d5dbe1" stroke-width="1"/>'
    '<text x="296" y="83" font-size="11" fill="#55616e" text-anchor="middle">30%</text>'
    '<line x1="392" y1="26" x2="392" y2="68" stroke="#d5dbe1" stroke-width="1"/>'
    '<text x="392" y="83" font-size="11" fill="#55616e" text-anchor="end">40%</text>'
    '<line x1="104" y1="20" x2="104" y2="68" stroke="#b8561b" stroke-width="1.5" stroke-dasharray="4 3"/>'
    '<text x="104" y="15" font-size="12" fill="#b8561b">Base 10.0%</text>'
    '<text x="8" y="41" font-size="12.5" fill="#1b2733" font-weight="600" paint-order="stroke" stroke="#ffffff" '
    'stroke-width="4" stroke-linejoin="round">A &amp; B</text>'
    '<text x="392" y="41" font-size="12.5" fill="#1b2733" text-anchor="end" paint-order="stroke" stroke="#ffffff" '
    'stroke-width="4" stroke-linejoin="round">25.0% (15.0%–40.0%, n 40)</text>'
    '<line x1="152" y1="54" x2="392" y2="54" stroke="#2c5f8a" stroke-width="3"/>'
    '<circle cx="248" cy="54" r="5.5" fill="#2c5f8a" stroke="#ffffff" stroke-width="1">'
    "<title>A &amp; B: 25.0% (15.0%–40.0%, n 40)</title></circle></svg>"
)


def test_golden_of_a_small_chart() -> None:
    drawn = interval_dots([Point("A & B", 0.25, 0.15, 0.4, 40)], 0.1, title="Worth", base_words="Base")
    assert drawn == GOLDEN


FINITE = st.floats(-4, 4, allow_nan=False)
NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=60)


@settings(deadline=None, max_examples=40)
@given(FINITE, st.lists(st.builds(Step, NAMES, st.sampled_from(["fit", "signal", "rest"]), FINITE), max_size=9), NAMES)
def test_any_waterfall_is_well_formed_within_its_frame_and_names_its_total(
    base: float, steps: list[Step], name: str
) -> None:
    svg = waterfall(base, steps, title=name, base_words="Base", total_words="Total", sides={"fit": "F", "signal": "S"})
    root = ElementTree.fromstring(svg)
    width, height = (float(v) for v in root.get("viewBox", "").split()[2:])
    for bar in root.iter("{http://www.w3.org/2000/svg}rect"):
        assert 0 <= float(bar.get("x", "nan")) <= float(bar.get("x", "nan")) + float(bar.get("width", "nan")) <= width
        assert 0 <= float(bar.get("y", "nan")) <= height
    total = base + sum(s.log_odds for s in steps)
    assert f"a probability of {100 * chance(total):.1f}%" in (root[1].text or "")


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 500), st.integers(0, 500)), max_size=10))
def test_any_shares_make_well_formed_charts(rows: list[tuple[float, int, int]]) -> None:
    points = []
    for predicted, a, b in rows:
        n, outcomes = max(a, b), min(a, b)
        low, high = wilson(outcomes, n)
        assert 0 <= low <= (outcomes / n if n else 0.5) <= high <= 1
        points.append((predicted, Point("p", outcomes / n if n else None, low, high, n)))
    months = [f"m{i}" for i in range(len(points))]
    only = [p for _, p in points]
    for svg in (
        calibration(points, title="t", x_words="x", y_words="y"),
        interval_dots(only, 0.2, title="t", base_words="b"),
        capture_curve({"m": [(p, p) for p, _ in points]}, title="t", x_words="x", y_words="y", random_words="r"),
        trend(months, {"tier_1": ("T", only)}, None, title="t", base_words="b"),
        stacked_months(months, {"tier_1": ("T", [float(p.n) for p in only])}, title="t"),
        stacked_months(months, {"tier_1": ("T", [float(p.n) for p in only])}, title="t", share=False),
    ):
        assert "nan" not in svg
        assert "inf" not in svg
        ElementTree.fromstring(svg)


@settings(deadline=None, max_examples=60)
@given(st.floats(1e-4, 1e7))
def test_a_ceiling_is_at_or_above_and_near(value: float) -> None:
    assert value * 0.998 <= ceiling(value) <= value * 1.68


def test_expected_outcomes_have_the_range_of_their_variance() -> None:
    found = expected(pd.Series([0.5] * 100 + [np.nan]))
    assert (found["n"], found["sum"]) == (100, 50.0)
    assert found["low"] == pytest.approx(50 - 1.96 * math.sqrt(25))
    assert expected(pd.Series([np.nan]))["sum"] is None


@pytest.mark.parametrize(
    ("before", "now", "way"),
    [
        ("tier_2", "tier_1", "up"),
        ("tier_1", "suppress", "down"),
        (np.nan, "tier_3", "entered"),
        (None, "customer", ""),
        ("tier_1", "in_pipeline", "left"),
        ("customer", "recycle", "entered"),
        ("in_pipeline", "customer", ""),
        ("recycle", "recycle", ""),
    ],
)
def test_direction(before: object, now: str, way: str) -> None:
    assert direction(before, now) == way


def test_baselines_say_whether_they_were_beaten_and_intervals_come_in_three_forms() -> None:
    evaluation = sample.evaluation()
    evaluation["metrics"]["icp_rubric"]["auc"] = [0.6, 0.55, 0.65]
    evaluation["metrics"]["newest_activity"]["auc"] = 0.64
    evaluation["comparisons"]["icp_rubric"] = {"beaten": False}
    part: Any = quality_part(evaluation, {}, Words({}))
    by_name = {row["words"]: row for row in part["table"]}
    assert part["table"][0]["words"] == "Two-sided boosting"
    assert by_name["ICP rubric"]["said"] == "baseline, not beaten"
    assert by_name["Newest activity first"]["said"] == "baseline, beaten"
    assert by_name["ICP rubric"]["cells"][0].low == 0.55
    assert by_name["Newest activity first"]["cells"][0].low is None
    del evaluation["metrics"]["base_rate"]
    part = quality_part(evaluation, {}, Words({}))
    constant = {row["words"]: row for row in part["table"]}["Base rate"]["cells"]
    assert constant[2].value == pytest.approx(-0.085 * math.log(0.085) - 0.915 * math.log(0.915))


def test_drift_words_leave_the_alarm_to_governance() -> None:
    assert drift_words(0.02, 0.4, False) == "stable"
    assert drift_words(0.3, 0.2, False).startswith("far from the reference")
    assert "beyond chance" in drift_words(0.12, 0.0001, True)
    assert drift_words(None, None, False) == "too few accounts to say"


def test_text_fit_to_show() -> None:
    assert clean("a\x00b\u202ec") == "a b c"
    assert clean("+49 30 123") == "+49 30 123"
    assert clean("+Plus GmbH") == "'+Plus GmbH"
    assert clean(None) == clean(float("nan")) == ""


def test_text_colours_have_the_contrast_that_aa_asks_for() -> None:
    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    pairs = [
        ("#1b2733", "#ffffff"), ("#55616e", "#ffffff"), ("#55616e", "#f4f6f8"), ("#1d5c88", "#ffffff"),
        ("#1d5c88", "#f4f6f8"), ("#c9dbe6", "#123f5c"), ("#ffffff", "#256a7d"), ("#1b2733", "#cfe5e8"),
        ("#1b2733", "#efe6d2"), ("#1b2733", "#dfe3e7"), ("#1e6b45", "#ffffff"), ("#9c2f2f", "#ffffff"),
        ("#855700", "#fdf7ea"), ("#b8561b", "#ffffff"), ("#6c7783", "#ffffff"), ("#1e6b45", "#f0f7f3"),
    ]  # fmt: skip
    for ink, ground in pairs:
        light, dark = sorted((luminance(ink), luminance(ground)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, ground)


def test_a_review_in_which_nothing_has_matured_says_so() -> None:
    values = sample.review_values()
    empty = dataclasses.replace(
        values,
        base_rate=float("nan"),
        precision=values.precision.assign(n=0, outcomes=0, precision=float("nan"), low=0.0, high=1.0),
        trend=values.trend.head(0),
        calibration=None,
        unavailable={"calibration": "no horizon has closed"},
    )
    page = review_page(empty)
    assert "nan" not in page.lower().replace("finance", "")
    assert "no horizon has closed" in page


# --- what the command line prints of the same values


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.usefixtures("narrow")
def test_a_training_is_printed_whole_at_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    evaluation = sample.evaluation()
    evaluation["calibration"]["p_value"] = 0.0
    result = SimpleNamespace(evaluation=evaluation, number=1, model_version="abc", card=Path("card.md"))
    tables.trained(result)  # type: ignore[arg-type]
    out = capsys.readouterr().out
    said = " ".join(out.split())
    assert max(map(len, out.splitlines())) <= 80
    assert " Newest activity " in said
    assert "Two-sided " in said
    assert "boosting * " in said
    assert "* chosen: on the folds older than these months its out-of-time log-loss is 0.2490" in said
    assert "Calibration is rejected on the unseen months: predicted 8.5%, observed 8.6% (n = 14,205, p < 0.001)" in said


@pytest.mark.usefixtures("narrow")
def test_a_review_is_printed_with_a_last_row_of_all(capsys: pytest.CaptureFixture[str]) -> None:
    by_tier = sample.review_values().precision.assign(precision=0.1, low=0.05, high=0.2)
    found = SimpleNamespace(
        precision=SimpleNamespace(by_tier=by_tier, base=Figure(0.085, 0.08, 0.09, 4260)),
        calibration=SimpleNamespace(predicted=0.083), as_of=sample.AS_OF, verdict="watch", reasons=(),
        kpis=None,
    )  # fmt: skip
    tables.review(SimpleNamespace(review=found, folder=None))  # type: ignore[arg-type]
    rows = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "tier n outcomes predicted precision 95% interval" in rows
    assert "tier_1 190 51 25.1% 10.0% 5.0% to 20.0%" in rows
    assert "all 4,260 321 8.3% 8.5% 8.0% to 9.0%" in rows


@pytest.mark.usefixtures("narrow")
def test_an_account_is_compared_with_the_run_it_names(capsys: pytest.CaptureFixture[str]) -> None:
    row = {
        "account_id": "A1", "tier": "tier_1", "tier_since": sample.AS_OF, "why": "Fit 89.", "guardrails": "",
        "propensity": 0.677,
    }  # fmt: skip
    steps = pd.DataFrame({"words": ["5 visits", "total"], "side": ["signal", ""], "log_odds": [1.0, 0.7], "ends": 0.7})
    steps["step"] = ["visits", "total"]
    line = {"cause": "moves", "side": "signal", "family": "web", "log_odds": 0.9, "proven": True, "words": "5 visits"}
    moved = {"as_of": datetime(2025, 11, 1), "previous_tier": "tier_2", "tier": "tier_1", "cause": "data"}
    nothing = pd.DataFrame()
    change = Changed(-0.2, 0.7, nothing, pd.DataFrame([line]), pd.DataFrame([moved]))
    then = datetime(2025, 10, 1, tzinfo=UTC)
    found = Explained(row, steps, nothing, "r", "open", {"tier": "tier_2", "propensity": 0.123}, then, change)
    explained(found)
    said = " ".join(capsys.readouterr().out.split())
    assert "Since the run of 2025-10-01: tier_2 at 12.3% to tier_1 at 67.7%" in said
    assert "then -0.200 what happened since +0.900 5 visits +0.900 now +0.700" in said
    assert "2025-11-01: tier_2 to tier_1, by data." in said
    assert said.count("Log-odds: +0.69 doubles the odds.") == 1
    explained(dataclasses.replace(found, row=row | {"tier": "in_pipeline", "propensity": None}, steps=nothing))
    said = " ".join(capsys.readouterr().out.split())
    assert "Since the run of 2025-10-01: it stood in tier_2 at 12.3%, and has the status in pipeline now." in said
    assert "5 visits" not in said


@pytest.mark.usefixtures("narrow")
def test_findings_are_printed_with_their_severity_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    findings = [
        Finding("late_news", s, "x", "the channel news", "it is late", "known_at is absent. export it")
        for s in ("blocks", "warns", "notes")
    ]
    tables.findings(findings)
    rows = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert rows[rows.index("Findings: 1 block, 1 warn, 1 note") + 1 :] == [
        row for severity in ("BLOCKS", "warning", "note")
        for row in ("", f"{severity}: late news", "x: it is late.", "-> known_at is absent. Export it.")
    ] + [""]  # fmt: skip


def test_held_demotions_stand_in_a_banner_with_their_sources_and_how_many_were_spared(run: Any) -> None:
    tiers = run.tiers.assign(guardrails=["inputs_late", "stale;inputs_late", *[""] * (len(run.tiers) - 2)])
    page = run_page(dataclasses.replace(run, tiers=tiers, late=("crm: late: <b>", "web: short: few")))
    assert "demotions are held" in page
    assert "2 accounts would stand lower by what is known" in page
    assert "crm: late: &lt;b&gt;." in page
    assert "when the sources are complete" in page
    nobody = run_page(dataclasses.replace(run, tiers=run.tiers.assign(guardrails=""), late=("crm: late: x",)))
    assert "no account would have stood lower" in nobody
    assert "when the source is complete" in nobody
    assert "demotions are held" not in run_page(run)
