"""Realistic values for the pages: a made-up run over thousands of accounts, and a made-up review (seeded)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from tierwise.config.policy import Policy
from tierwise.report import ReviewPage, RunPage
from tierwise.tiers.spoken import spoken

AS_OF = datetime(2026, 11, 1, tzinfo=UTC)
LATE = (
    "crm: late: its newest activity is of 2026-10-22, 10 days before 2026-11-01; at most 3 are expected",
    "web_events: short: the newest 7 days that should be in hold 1,204 activities; 4,310 are usual",
)
LABELS = {"signal": "engagement", "movement": "tier change"}
FEATURES = (
    ("industry", "fit", "Industry: {v}", ("software", "logistics", "banking", "retail")),
    ("employee_band", "fit", "{v} employees", ("50 to 199", "200 to 999", "1,000 to 4,999", "5,000 or more")),
    ("country", "fit", "Based in {v}", ("Germany", "France", "United Kingdom", "United States")),
    ("uses_cloud_warehouse", "fit", "Uses a cloud data warehouse: {v}", ("yes", "no", "yes", "yes")),
    ("subsidiaries", "fit", "{v} subsidiaries in the family", ("0", "2", "5", "11")),
    ("web_30d", "signal", "{v} web activities in the last 30 days", ("0", "4", "19", "61")),
    ("contacts_30d", "signal", "{v} contacts active in the last 30 days", ("0", "1", "3", "7")),
    ("days_since_signal", "signal", "Last activity {v} days ago", ("94", "31", "6", "2")),
    ("demo_requests_90d", "signal", "{v} demo requests in the last 90 days", ("0", "0", "1", "2")),
    ("pricing_views_7d", "signal", "Pricing page viewed {v} times in the last 7 days", ("0", "0", "2", "5")),
    ("exec_reached_90d", "signal", "An executive buyer acted in the last 90 days: {v}", ("no", "no", "no", "yes")),
    ("web_trend", "signal", "Web activity at {v} of its own yearly mean", ("0.1", "0.9", "1.6", "4.2")),
)
WEIGHTS = np.array([0.35, 0.55, 0.15, 0.4, 0.12, 0.5, 0.45, 0.5, 0.35, 0.3, 0.45, 0.15])
FIRST = [
    "Northwind",
    "Lakehead",
    "Abrasus",
    "Tellura",
    "Ostrava",
    "Kestrel",
    "Halden",
    "Meridian",
    "Corvane",
    "Bluefin",
    "Orchard",
    "Juniper",
    "Veritas",
    "Solent",
]
SECOND = [
    "Systems",
    "Logistics",
    "Bank",
    "Retail",
    "Robotics",
    "Foods",
    "Health",
    "Energy",
    "Analytics",
    "Freight",
    "Media",
    "Labs",
]
THIRD = ("GmbH", "Ltd", "Inc", "AG", "SAS", "Group")


def run_values(n: int = 5000, seed: int = 11) -> RunPage:
    rng = np.random.default_rng(seed)
    ids = [f"A{100000 + i}" for i in range(n)]
    level = np.clip(np.floor(rng.beta(1.3, 1.9, (n, len(FEATURES))) * 4), 0, 3).astype(int)
    parts = (level - 1.2) * WEIGHTS + rng.normal(0, 0.02, (n, len(FEATURES)))
    fit, signal, base = parts[:, :5].sum(1), parts[:, 5:].sum(1), -3.1
    fit_score, signal_score = (pd.Series(x).rank(pct=True).to_numpy() * 100 for x in (fit, signal))
    tier = _tiers(fit_score, signal_score)
    reached = rng.random(n)
    tier = np.where((tier == "tier_1") & (reached < 0.35), "tier_2", tier)
    moved = rng.random(n)
    previous = np.where(moved < 0.06, _tiers(fit_score, np.clip(signal_score + rng.normal(0, 30, n), 0, 100)), tier)
    status = rng.random(n)
    for low, name in ((0.0, "in_pipeline"), (0.04, "customer"), (0.09, "not_eligible")):
        tier = np.where((status >= low) & (status < low + 0.045), name, tier)
    tier = np.where((status > 0.975), "suppress", tier)
    previous = np.where((status < 0.13) | ((status > 0.975) & (status < 0.997)), tier, previous)
    previous = np.where((status > 0.03) & (status < 0.034), "tier_2", previous)
    out = np.isin(tier, ["in_pipeline", "customer", "not_eligible"])
    log_odds = base + fit + signal
    causes = rng.choice(["data", "data", "data", "ageing", "ageing", "capacity"], n)
    frame = pd.DataFrame(
        {
            "account_id": ids,
            "as_of": pd.Timestamp("2026-11-01"),
            "tier": tier,
            "previous_tier": previous,
            "tier_since": pd.Timestamp("2026-07-01") + pd.to_timedelta(rng.integers(0, 120, n), unit="D"),
            "cause": np.where(tier == previous, "", causes),
            "decided_by": np.where(tier == "tier_1", "focus", "growth_signal"),
            "guardrails": np.where(rng.random(n) < 0.1, "minimum_stay", ""),
            "base": base,
            "fit_log_odds": fit,
            "signal_log_odds": signal,
            "propensity": np.where(out, np.nan, 1 / (1 + np.exp(-log_odds))),
            "account_score": pd.Series(log_odds).rank(pct=True) * 100,
            "fit_score": fit_score,
            "signal_score": signal_score,
            "why": [
                f"Fit {_band(f)}, signal {_band(s)}; {FEATURES[j][2].format(v=FEATURES[j][3][level[i, j]])}."
                for i, (f, s, j) in enumerate(zip(fit_score, signal_score, parts.argmax(1), strict=True))
            ],
        }
    )
    names = {i: " ".join((rng.choice(FIRST), rng.choice(SECOND), rng.choice(THIRD))) for i in ids}
    return RunPage(
        plan="new_business",
        as_of=AS_OF,
        run_id="20261101-3f9ac1e77b204d51",
        model_version="b71f0c2de934",
        policy_version="v3",
        horizon_days=90,
        outcome="open a new-business opportunity",
        title="New business",
        tiers=frame,
        labels=LABELS,
        names=names,
        data_through={
            t: datetime(2026, 10, d, tzinfo=UTC)
            for t, d in (("accounts", 31), ("activities", 30), ("opportunities", 31))
        },
        reasons=_reasons(frame, level, parts),
        policy=spoken(Policy()),
        evaluation=evaluation(),
        intake=pd.DataFrame(
            [
                ("accounts", "accounts.csv", 5000, 5000, 0, 0),
                ("activities", "activities.parquet", 412_339, 412_021, 318, 0),
                ("contacts", "contacts.csv", 31_204, 31_190, 14, 0),
                ("opportunities", "opportunities.csv", 2_911, 2_908, 3, 0),
            ],
            columns=["table", "file", "read", "accepted", "quarantined", "refused"],
        ),
        quarantine=pd.DataFrame(
            [("activities", "occurred_at", "not_an_instant")] * 221
            + [("activities", "account_id", "unknown_account")] * 97
            + [("contacts", "contact_id", "duplicate_key")] * 14
            + [("opportunities", "closed_at", "closed_before_created")] * 3,
            columns=["table", "column", "code"],
        ).assign(file="x.csv", line=1, reason="'jo.doe@example.com' is not an instant"),
        refused=[
            ("health_status", "its history starts after the accounts: being missing tells the future (AUC 0.81)"),
            ("tierwise_tier__c", "written by tierwise itself"),
            ("last_stage", "today's value, not tracked; accept it by name to use it"),
        ],
        notes=[
            "96,212 of 412,021 activities have no recorded_at; for them known_at is occurred_at.",
            "industry and country are fixed attributes: without them log-loss is 0.253 against 0.249.",
        ],
    )


def _band(score: float) -> str:
    return "high" if score >= 70 else "moderate" if score >= 40 else "low"


def _tiers(fit: Any, signal: Any) -> Any:
    return np.select(
        [(fit >= 70) & (signal >= 90), (fit >= 70) & (signal >= 65), (fit >= 40) & (signal >= 45), fit >= 70],
        ["tier_1", "tier_2", "tier_3", "tier_3"],
        "recycle",
    ).astype(object)


def _reasons(frame: pd.DataFrame, level: Any, parts: Any) -> pd.DataFrame:
    rows = []
    ids = frame["account_id"].tolist()
    for j, (name, side, words, values) in enumerate(FEATURES):
        for i, account_id in enumerate(ids):
            value = values[level[i, j]]
            rows.append(
                (
                    account_id,
                    frame["as_of"].iloc[0],
                    side,
                    name,
                    value,
                    pd.Timestamp("2026-10-30"),
                    parts[i, j],
                    words.format(v=value),
                )
            )
    columns = ["account_id", "as_of", "side", "feature", "value", "value_as_of", "log_odds", "words"]
    made = pd.DataFrame(rows, columns=columns)
    return made.assign(family=made["feature"], proven="part", told=made["words"])


def evaluation() -> dict[str, Any]:
    def metrics(auc: float, ap: float, ll: float, brier: float) -> dict[str, Any]:
        wide = {"auc": (auc, 0.014), "average_precision": (ap, 0.021), "log_loss": (ll, 0.009), "brier": (brier, 0.003)}
        return {k: {"value": v, "low": v - w, "high": v + w} for k, (v, w) in wide.items()}

    shares = [0.01, 0.05, 0.1, 0.2, 0.3, 0.5]
    predicted = [0.008, 0.015, 0.022, 0.031, 0.043, 0.058, 0.078, 0.108, 0.162, 0.327]
    observed = [0.006, 0.017, 0.019, 0.034, 0.041, 0.061, 0.071, 0.115, 0.158, 0.336]

    def ranking(auc: float, ap: float, power: float) -> dict[str, Any]:
        kept = {k: v for k, v in metrics(auc, ap, 0, 0).items() if k in ("auc", "average_precision")}
        captures = {f"capture_{s:g}": 1 - (1 - s) ** power for s in shares}
        return kept | {k: {"value": v, "low": v - 0.02, "high": v + 0.02} for k, v in captures.items()}

    baselines = {"newest_activity": ranking(0.648, 0.142, 1.7), "icp_rubric": ranking(0.612, 0.121, 1.4)}
    return {
        "verdict": "usable",
        "why": "two_sided beats newest_activity, icp_rubric on average precision and capture",
        "chosen": "two_sided",
        "chosen_because": "its log-loss is lower than scorecard's by more than one standard error",
        "horizon_days": 90,
        "test": {
            "rows": 14_205,
            "accounts": 4_870,
            "outcomes": 1_208,
            "base_rate": 0.085,
            "first_as_of": "2026-05-01T00:00:00",
            "last_as_of": "2026-08-01T00:00:00",
        },
        "candidates": {"scorecard": {"log_loss": 0.254}, "two_sided": {"log_loss": 0.249}},
        "metrics": {
            "two_sided": metrics(0.737, 0.237, 0.249, 0.071),
            "scorecard": metrics(0.729, 0.229, 0.254, 0.072),
            "base_rate": metrics(0.5, 0.085, 0.291, 0.078),
            **baselines,
        },
        "comparisons": {"newest_activity": {"beaten": True}, "icp_rubric": {"beaten": True}},
        "calibration": {
            "slope": 1.03,
            "intercept": 0.04,
            "p_value": 0.41,
            "n": 14_205,
            "deciles": [{"predicted": p, "observed": o, "n": 1420} for p, o in zip(predicted, observed, strict=True)],
        },
        "lift": [{"share": s, "capture": round(1 - (1 - s) ** 2.6, 3)} for s in shares],
    }


def review_values() -> ReviewPage:
    rng = np.random.default_rng(5)
    months = [f"2026-{m:02d}" for m in range(2, 11)]
    rates = {
        "tier_1": (190, 0.27),
        "tier_2": (520, 0.16),
        "tier_3": (1650, 0.081),
        "recycle": (1900, 0.028),
        "suppress": (0, 0.0),
    }
    precision = pd.DataFrame(
        [(t, n, n, round(n * p), 0.93 * p if n else np.nan) for t, (n, p) in rates.items()],
        columns=["tier", "n", "accounts", "outcomes", "predicted"],
    )
    trend = [
        (pd.Timestamp(f"{m}-01"), t, n // 6, int(rng.binomial(n // 6, p)))
        for m in months[:6]
        for t, (n, p) in rates.items()
        if n
    ]
    move = pd.DataFrame(
        {"month": months, "accounts": 4300, "moved": rng.integers(180, 290, 9), "ping_pong": rng.integers(3, 12, 9)}
    )
    move = move.assign(share=move["moved"] / move["accounts"], ping_pong_share=move["ping_pong"] / move["accounts"])
    causes = [
        (m, c, int(k * v))
        for m, v in zip(months, move["moved"], strict=True)
        for c, k in (("data", 0.6), ("ageing", 0.3), ("capacity", 0.1))
    ]
    by_month = [(m, t, n * 2 + int(rng.integers(-30, 30) if n else 60)) for m in months for t, (n, _) in rates.items()]
    wrong = run_values(400).tiers.sort_values("propensity", ascending=False)
    high = wrong[wrong["tier"].isin(["tier_1", "tier_2"])].head(20)
    twice = pd.concat([high.assign(as_of=pd.Timestamp(at)) for at in ("2026-07-01", "2026-06-01")])
    return ReviewPage(
        plan="new_business",
        as_of=AS_OF,
        verdict="watch",
        reasons=[
            "Feature web_30d has shifted beyond chance (PSI 0.27, n 4,318).",
            "Tier precision, calibration and movement are within their bounds.",
        ],
        horizon_days=90,
        model_version="b71f0c2de934",
        policy_version="v3",
        outcome="open a new-business opportunity",
        title="New business",
        labels=LABELS,
        names={"A100003": "Kestrel Robotics AG"},
        data_through={"opportunities": datetime(2026, 10, 31, tzinfo=UTC)},
        base_rate=0.083,
        precision=precision,
        trend=pd.DataFrame(trend, columns=["as_of", "tier", "n", "outcomes"]),
        movement=move,
        movement_causes=pd.DataFrame(causes, columns=["month", "cause", "n"]),
        tiers_by_month=pd.DataFrame(by_month, columns=["month", "tier", "n"]),
        calibration=evaluation()["calibration"],
        drift=pd.DataFrame(
            [
                ("web_30d", 0.27, 0.0002, True, 4318, 4870),
                ("industry", 0.04, 0.31, False, 4318, 4870),
                ("contacts_30d", 0.12, 0.08, False, 4318, 4870),
                ("fit_score", 0.03, 0.6, False, 4318, 4870),
            ],
            columns=["feature", "psi", "p_value", "alarm", "n", "reference_n"],
        ),
        false_positives=twice,
        false_negatives=wrong[wrong["tier"] == "recycle"].head(4),
    )


def training_answer(evaluation: dict[str, object]) -> dict[str, object]:
    """A training that found no usable model, with every part that its page has."""
    lead = {"value": 0.018, "low": -0.017, "high": 0.084}
    long = "a_column_with_a_name_that_is_longer_than_any_telephone_is_wide_and_has_no_space_in_it"
    return {
        "plan": "new_business", "predicts": "open an opportunity", "horizon_days": 90, "data_through": "2026-11-01",
        "verdict": "no usable model", "why": "two_sided does not beat newest_activity", "do": "Load older history",
        "published": {"words": "No model is live: scoring publishes tiers by rules"},
        "evaluation": evaluation | {"verdict": "no usable model", "why": "two_sided does not beat newest_activity"},
        "needs": {"accounts": 34, "needed": 50, "lacking": 16, "pace": 2.25, "possible": False, "words": "No model"},
        "unbeaten": [
            {"baseline": "newest_activity", "average_precision": lead, "capture_0.2": lead, "n": 49, "needed": 257,
             "from": "2027-10-29"},
            {"baseline": "rubric", "average_precision": lead | {"value": -0.02}, "capture_0.2": lead, "n": 49,
             "needed": None, "from": None},
        ],
        "helps": [{"subjects": [long, "industry"], "found": "no history", "do": "Export its history to track it"}],
        "rubric": {"lines": [{"words": f"{long} is x", "points": 5, "unread": "it is no feature"}],
                   "cannot_be_formed": "no line of it reads a feature of the plan"},
        "refused": [[long, "it is filled after the outcome"]], "accepted": ["region"],
        "accepted_findings": ["region is accepted"], "notes": ["Amounts are in USD"],
    }  # fmt: skip
