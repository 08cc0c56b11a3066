"""Accounts as pages show them: one card an account, its waterfall, its movement, and the console's two pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from tierwise.explain import MOST_BARS, families, further, shown
from tierwise.explain.reasons import CALIBRATION, CALIBRATION_WORDS
from tierwise.report.charts import Step, waterfall
from tierwise.report.page import drawn, render
from tierwise.report.reading import real
from tierwise.report.values import AccountPage, AccountsPage
from tierwise.report.words import STATUSES, TIERS, Words, absent, clean


def direction(previous: object, tier: object) -> str:
    """How a tier stands to the one before: "up", "down", "entered" (the tiers), "left" (them), or "" (as it was).

    >>> direction("tier_3", "tier_1"), direction(None, "tier_2"), direction("tier_2", "customer"), direction("x", "x")
    ('up', 'entered', 'left', '')
    """
    before, now = (None if absent(t) else str(t) for t in (previous, tier))
    if before == now or (before not in TIERS and now not in TIERS):
        return ""
    if before not in TIERS:
        return "entered"
    if now not in TIERS:
        return "left"
    return "up" if TIERS.index(now) < TIERS.index(before) else "down"


def cause(row: Mapping[str, object]) -> str:
    """The one cause of a movement, from `cause` or else from a `movement` that names it; "" where nothing does."""
    found = row.get("cause") if "cause" in row else row.get("movement")
    return "" if absent(found) else str(found)


def named(row: Mapping[str, object], names: Mapping[str, str]) -> dict[str, str]:
    """The account's id and its name (the id where it has none), both cleaned."""
    account_id = str(row["account_id"])
    return {"id": account_id, "shown_id": clean(account_id, 60), "name": clean(names.get(account_id) or account_id, 80)}


def folded(reasons: pd.DataFrame, w: Words) -> list[dict[str, Any]]:
    """One account's published reasons in families, largest first: side, family, words, log_odds, proven, parts.

    A family is told as it is published; its parts, largest first, are as `reasons` has them.
    """
    return _told(families(reasons, ()), reasons, w)


def _told(lines: pd.DataFrame, reasons: pd.DataFrame, w: Words) -> list[dict[str, Any]]:
    """These families of one account, each with its parts."""
    parts: dict[tuple[str, str], list[dict[Any, Any]]] = {}
    for reason in reasons.to_dict("records"):
        parts.setdefault((reason["side"], reason["family"]), []).append(reason)
    return [_family(line, parts[line["side"], line["family"]], w) for line in lines.to_dict("records")]


def _family(line: Mapping[Any, Any], parts: Sequence[Mapping[Any, Any]], w: Words) -> dict[str, Any]:
    words = w.sentence(next((str(r["told"]) for r in parts if r.get("told")), _untold(line, parts)), 200)
    ranked = sorted(parts, key=lambda r: (-abs(r["log_odds"]), r["feature"]))
    told = {name: line[name] for name in ("side", "family", "log_odds", "proven")}
    return told | {"words": words, "parts": [_reason(r, w) for r in ranked]}


def _untold(line: Mapping[Any, Any], parts: Sequence[Mapping[Any, Any]]) -> str:
    """The words of a family in a run of before families were told: its first part that points as it does."""
    agreeing = (str(r["words"]) for r in parts if r["proven"] == "part" and r["log_odds"] * line["log_odds"] > 0)
    words = next(agreeing, "")
    family = str(line["family"])
    return words if words.startswith(family) else f"{family}: {words}".removesuffix(": ")


def steps_of(row: Mapping[str, object], reasons: pd.DataFrame, w: Words) -> list[Step]:
    """The families that `explain` shows too, then what remains of each side: base + steps is the total exactly."""
    told = _told(shown(families(reasons, ())).head(MOST_BARS), reasons, w)
    steps = [Step(w.sentence(line["words"], 160), line["side"], line["log_odds"]) for line in told]
    rest: list[Step] = []
    for side in dict.fromkeys(["fit", "signal", *reasons["side"]]):
        total = real(row.get(f"{side}_log_odds"))
        of_side = reasons[reasons["side"] == side]
        whole = float(of_side["log_odds"].sum()) if total is None else total
        left = whole - sum(step.log_odds for step in steps if step.side == side)
        count = len(of_side) - sum(len(line["parts"]) for line in told if line["side"] == side)
        if count or abs(left) > 5e-7:
            unnamed = f"{w.title(side)}: {further(count, left)}"
            rest.append(Step(w.sentence(CALIBRATION_WORDS) if side == CALIBRATION else unnamed, side, left))
    return steps + rest


def card(
    row: Mapping[str, object], reasons: pd.DataFrame | None, names: Mapping[str, str], w: Words, currency: str = ""
) -> dict[str, object]:
    """One account: who, where it stands, why, its scores, and its waterfall (or why there is none).

    currency : of its expected value.
    """
    propensity, base = real(row.get("propensity")), real(row.get("base"))
    who = named(row, names)
    before, tier = row.get("previous_tier"), row.get("tier")
    svg, missing, rules = "", "", list[str]()
    mine = None if reasons is None else reasons[reasons["account_id"] == row["account_id"]]
    if mine is None:
        missing = "the reasons were not published with this run"
    elif by_rules(mine):
        rules = [w.sentence(said, 160) for said in mine["words"]]
    elif propensity is None or base is None:
        missing = "this account has no probability (out of the cohort, or tiers by rules)"
    else:
        svg = waterfall(
            base,
            steps_of(row, mine, w),
            title=f"How the chance of {who['name']} comes about",
            base_words="Where every account starts",
            total_words="This account",
            sides={"fit": w.title("fit"), "signal": w.title("signal")},
        )
    return who | {
        "tier": str(tier),
        "tier_words": w.tier(tier),
        "why": w.sentence(row.get("why")),
        "propensity": propensity,
        "account_score": real(row.get("account_score")),
        "fit_score": real(row.get("fit_score")),
        "signal_score": real(row.get("signal_score")),
        "value": [real(row.get(f"expected_value{end}")) for end in ("", "_low", "_high")],
        "currency": clean(currency, 10),
        "direction": direction(before, tier),
        "before": w.tier(before),
        "cause": w(cause(row)),
        "guardrails": [w.sentence(g, 60).replace("_", " ") for g in str(row.get("guardrails") or "").split(";") if g],
        "decided_by": clean(row.get("decided_by"), 60).replace("_", " "),
        "since": row.get("tier_since"),
        "waterfall": drawn(svg),
        "missing": missing,
        "rules": rules,
    }


def by_rules(reasons: pd.DataFrame) -> bool:
    """Whether reasons are of rules: there are some, and none has log-odds."""
    return bool(len(reasons) and reasons["log_odds"].isna().all())


def account_page(values: AccountPage) -> str:
    """One account for the console, as a whole HTML page: tier, why, guardrails, waterfall, reasons by side."""
    w = Words(values.labels)
    row = {str(k): (None if absent(v) else v) for k, v in values.row.items()}
    sides: list[dict[str, object]] = []
    rules = False
    if values.reasons is not None:
        mine = values.reasons[values.reasons["account_id"] == row["account_id"]]
        rules = by_rules(mine)
        for side in dict.fromkeys(["fit", "signal", *mine["side"]]):
            of_side = mine[mine["side"] == side]
            rows = [_reason(r, w) for r in of_side.to_dict("records")] if rules else folded(of_side, w)
            sides.append({"side": side, "rows": rows, "sum": float(of_side["log_odds"].sum()), "n": len(of_side)})
    return render(
        "account.html.j2",
        {
            "console": True,
            "page_title": f"{named(row, values.names)['name']} · {clean(values.plan)}",
            "v": values,
            "a": card(row, values.reasons, values.names, w, values.currency),
            "sides": sides,
            "by_rules": rules,
            "disputed": [w.sentence(said, 300) for said in values.disputed],
            "roles": [w.sentence(r, 40).replace("_", " ") for r in str(row.get("roles_reached") or "").split(";") if r],
        },
        values.labels,
    )


def _reason(record: Mapping[object, object], w: Words) -> dict[str, object]:
    said = record["words"] if not absent(record.get("words")) else record["feature"]
    return {
        "words": w.sentence(said, 200),
        "feature": clean(record["feature"], 60),
        "log_odds": float(str(record["log_odds"])),
        "value_as_of": record.get("value_as_of"),
    }


def accounts_page(values: AccountsPage) -> str:
    """The console's list of accounts, as a whole HTML page: a tier filter, a search, one page of rows."""
    w = Words(values.labels)
    rows = [card(r, None, values.names, w) for r in _records(values.rows)]
    order = [t for t in (*TIERS, *STATUSES) if values.counts.get(t)]
    order += sorted(set(values.counts) - set(order) - {t for t, n in values.counts.items() if not n})
    return render(
        "accounts.html.j2",
        {
            "console": True,
            "page_title": f"{w.title('accounts')} · {clean(values.plan)}",
            "v": values,
            "rows": rows,
            "tiers": [(t, w.tier(t), values.counts[t]) for t in order],
            "all": sum(values.counts.values()),
        },
        values.labels,
    )


def _records(frame: pd.DataFrame) -> list[dict[str, object]]:
    return [{str(k): (None if absent(v) else v) for k, v in r.items()} for r in frame.to_dict("records")]


def message_page(title: str, message: str, plan: str) -> str:
    """A page that says one thing (nothing published yet, no such account), in the same dress."""
    values = {"console": True, "page_title": title, "title": title, "message": clean(message, 600), "plan": plan}
    return render("message.html.j2", values, {})
