"""A first plan, drafted from what the tables hold; every choice stands in the file, with its reason beside it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pandas as pd

from tierwise.audit.attributes import is_own, personal
from tierwise.audit.finding import refused
from tierwise.audit.roles import role_clock
from tierwise.audit.sweep import audit
from tierwise.clock import instant
from tierwise.config import parse_plan
from tierwise.data import Query
from tierwise.errors import UsageError

if TYPE_CHECKING:
    from tierwise.data import Warehouse

IDENTITY = ("account_id", "name", "domain", "parent_account_id", "created_at", "owner_id", "deleted_at")
KINDS = {"employee_count": "number", "annual_revenue": "number", "technologies": "set"}
CLOCKS = {
    "industry": "fixed",
    "country": "fixed",
    "region": "fixed",
    "employee_count": "slow",
    "annual_revenue": "slow",
    "technologies": "slow",
}
TRIGGERS = ("leadership_change", "funding", "product_launch", "strategy_shift")
OBJECTIONS = ("unsubscribe", "objection", "do_not_contact")
LEAST_SHARE = 0.02
"""A technology held by fewer accounts, or a kind with less of its channel's activities, gets no feature of its own."""


@dataclass(frozen=True)
class Draft:
    """A drafted model.yaml and policy.yaml, and what was left out of them, each with why."""

    model: str
    policy: str
    left_out: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Line:
    """One attribute in the draft."""

    name: str
    text: str
    comment: str


def draft_plan(warehouse: Warehouse, plan: str) -> Draft:
    """Draft a plan for opening an opportunity; attributes that the audit refuses are left out by name.

    Raises
    ------
    UsageError : the tables hold no opportunities, or none of the activities are a buyer's.
    """
    first, last = _reach(warehouse)
    horizon = 90 if last - first > timedelta(days=450) else 30
    lines, left_out = _attributes(warehouse, first)
    text = _model(warehouse, plan, lines, left_out, horizon, first, last)
    blocked = dict(refused(f for f in audit(warehouse, parse_plan(text), last) if f.severity == "blocks"))
    if blocked:
        left_out += [(name, why) for name, why in blocked.items() if name in {line.name for line in lines}]
        lines = [line for line in lines if line.name not in blocked]
        text = _model(warehouse, plan, lines, left_out, horizon, first, last)
    return Draft(text, _policy(warehouse), tuple(left_out))


def _reach(warehouse: Warehouse) -> tuple[datetime, datetime]:
    found = warehouse.frame(
        Query("""
        SELECT (SELECT min(occurred_at) FROM activities WHERE initiator = 'buyer') AS first,
               (SELECT max(created_at) FROM opportunities) AS last
        """)
    ).iloc[0]
    for name, table in (("last", "opportunities"), ("first", "activities with initiator buyer")):
        if pd.isna(found[name]):
            raise UsageError(
                "a plan was to be drafted from the tables",
                found=f"there are no {table}",
                do="Add that table, or write models/<plan>/model.yaml by hand (see `tierwise schema plan`)",
            )
    return instant(found["first"].to_pydatetime()), instant(found["last"].to_pydatetime())


def _attributes(warehouse: Warehouse, first: datetime) -> tuple[list[Line], list[tuple[str, str]]]:
    history = warehouse.frame(
        Query("SELECT field, min(changed_at) AS since FROM account_history GROUP BY field ORDER BY field")
    )
    since = dict(zip(history["field"], history["since"], strict=True))
    lines, left_out = [], []
    further = sorted(warehouse.attributes("accounts"))
    of_people = personal(warehouse, further)
    for name in (*CLOCKS, *further):
        n = warehouse.frame(Query(f'SELECT count("{name}") AS n FROM accounts'))["n"][0]
        if not n or is_own(name):
            continue
        if name in of_people:
            left_out.append((name, "named like a person's data, or holding e-mail addresses"))
            continue
        kind = KINDS.get(name) or ("number" if warehouse.attributes("accounts").get(name) == "number" else "category")
        if name in since and kind != "set":
            start = max(since[name].to_pydatetime().date(), first.date())
            text = f"{{attribute: {name}, kind: {kind}, clock: tracked, tracked_since: {start}}}"
            lines.append(Line(name, text, "account_history covers it: rebuilt as of each date"))
        elif name in CLOCKS:
            values = f", values: {_list(_members(warehouse, name))}" if kind == "set" else ""
            text = f"{{attribute: {name}, kind: {kind}, clock: {CLOCKS[name]}{values}}}"
            lines.append(Line(name, text, "today's value; its being missing is never used"))
        else:
            left_out.append((name, "today's value without history: it may have been filled after the outcome"))
    return lines, left_out


def _members(warehouse: Warehouse, name: str) -> list[str]:
    found = warehouse.frame(
        Query(
            f"""
            SELECT member, count(*) AS n FROM (SELECT unnest("{name}") AS member FROM accounts)
            GROUP BY member HAVING count(*) >= $least * (SELECT count(*) FROM accounts) ORDER BY n DESC, member LIMIT 25
            """,
            {"least": LEAST_SHARE},
        )
    )
    return sorted(found["member"])


def _list(values: list[str]) -> str:
    return "[" + ", ".join(_scalar(v) for v in values) + "]"


def _scalar(text: str) -> str:
    """A text as a YAML scalar; quoted, so that `NO` and `1.0` stay text."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _channels(warehouse: Warehouse) -> tuple[list[str], list[str]]:
    """The YAML lines of the buyers' channels, and the trigger kinds found."""
    found = warehouse.frame(
        Query("""
        SELECT channel, kind, count(*) AS n, min(occurred_at) AS since FROM activities
        WHERE initiator = 'buyer' GROUP BY channel, kind ORDER BY channel, kind
        """)
    )
    triggers = [k for k in TRIGGERS if k in set(found["kind"])]
    lines = []
    for channel, rows in found.groupby("channel"):
        own = rows[~rows["kind"].isin([*TRIGGERS, *OBJECTIONS])]
        if own.empty:
            continue
        kinds = own.loc[own["n"] >= LEAST_SHARE * own["n"].sum(), "kind"].tolist()
        listed = f", kinds: {_list(kinds)}" if len(kinds) > 1 else ""
        lines.append(f"      {_scalar(str(channel))}: {{tracked_from: {own['since'].min().date()}{listed}}}")
    return lines, triggers


def _model(
    warehouse: Warehouse,
    plan: str,
    lines: list[Line],
    left_out: list[tuple[str, str]],
    horizon: int,
    first: datetime,
    last: datetime,
) -> str:
    types = warehouse.frame(Query("SELECT type, count(*) AS n FROM opportunities GROUP BY type ORDER BY n DESC, type"))
    new = [t for t in types["type"].dropna() if "new" in t.lower()]
    roles = set(warehouse.frame(Query("SELECT DISTINCT role FROM contacts WHERE role IS NOT NULL"))["role"])
    group = [r for r in ("champion", "exec_buyer") if r in roles] or sorted(roles)[:2] or ["champion", "exec_buyer"]
    clock, because = role_clock(warehouse)
    channels, triggers = _channels(warehouse)
    start = (first + min(timedelta(days=180), (last - first) / 4)).date()
    fit = [f"    - {line.text}  # {line.comment}" for line in lines]
    fit += [f"    # left out: {name}: {why}" for name, why in left_out]
    said = [
        f"# The question '{plan}', drafted from tables that reach from {first.date()} to {last.date()}.",
        "# Read it, change it, and run `tierwise check`.",
        f"plan: {plan}",
        "outcome:",
        "  event: opportunity_created",
        f"  types: {_list(new)}" + ("" if new else "  # every type counts"),
        f"  horizon_days: {horizon}  # the outcome lies within so many days after as_of",
        "cohort:",
        "  grid: {every: month}",
        "  customers: exclude  # an account that has won before is a customer: another plan",
        "  open_opportunity: exclude  # an account with an open opportunity is in_pipeline",
        "features:",
        "  fit:  # who they are" + ("" if lines else " (the tables hold no attribute that can be used)"),
        *fit,
        *(["    []"] if not lines else []),
        "  signal:  # what they do; seller activity is effort, never signal",
        "    channels:  # windows that reach before tracked_from are missing, not zero",
        *channels,
        f"    triggers: {_list(triggers)}",
        f"    buying_group: {{roles: {_list(group)}, window_days: 90, clock: {clock}}}  # {because}",
        "model:",
        f"  train_from: {start}  # before it, windows reach past the beginning of the data",
        "",
    ]
    return "\n".join(said)


def _policy(warehouse: Warehouse) -> str:
    found = warehouse.frame(Query("SELECT DISTINCT kind FROM activities WHERE kind IS NOT NULL"))["kind"]
    objections = [k for k in OBJECTIONS if k in set(found)]
    triggers = "\n".join(f"  - {{kind: {k}, days: 365}}" for k in objections)
    return f"""\
# Tiers: scores are percentiles of the training cohort, 0 to 100. A band means "at least".
policy: v1
bands:
  fit: {{moderate: 35, high: 60}}
  signal: {{early: 40, moderate: 60, high: 80}}
minimum_fit: moderate  # below it an account recycles, whatever its signals
rows:  # the first row whose bands are all reached names the tier
  - {{row: focus, tier: tier_1, fit: high, signal: high, coverage: reached}}
  - {{row: growth_signal, tier: tier_2, fit: high, signal: moderate}}
  - {{row: growth_coverage, tier: tier_2, fit: high, coverage: partial}}
  - {{row: scaled, tier: tier_3, fit: moderate, signal: early}}
  - {{row: scaled_unknown, tier: tier_3, fit: moderate, coverage: unknown}}
  - {{row: target, tier: tier_3, fit: high}}
stale: {{after_days: 120, within_days: 365}}
surge: {{ratio: 3, least_activities: 5, least_contacts: 2, least_channels: 2, days: 21, cool_down_days: 60}}
time_in_tier: {{stay_margin: 10, minimum_stay_days: 28}}
negative_triggers:{" []" if not objections else chr(10) + triggers}
"""
