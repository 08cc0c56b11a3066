"""The features of one account on one as_of, computed the slow and obvious way: the oracle of the SQL."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from exports import Rows, known_at, value_as_of
from tierwise.config import Plan

DAY = timedelta(days=1)


def _account_of(activity: dict, rows: Rows) -> str | None:
    if activity["account_id"] is not None:
        return activity["account_id"]
    for key, table, to in (
        ("contact_id", "contacts", "account_id"),
        ("lead_id", "leads", "converted_account_id"),
        ("identity_id", "identities", "account_id"),
    ):
        if activity[key] is not None:
            return next((r[to] for r in rows[table] if r[key] == activity[key]), None)
    domain = (activity["domain"] or "").lower()
    return next((a["account_id"] for a in rows["accounts"] if a["created_at"] and a["domain"] == domain), None)


def first_known(account: dict, rows: Rows) -> datetime | None:
    """When the account was first known."""
    if account["created_at"] is not None:
        return account["created_at"]
    i = account["account_id"]
    facts = [known_at(a, rows) for a in rows["activities"] if _account_of(a, rows) == i]
    facts += [o["created_at"] for o in rows["opportunities"] if o["account_id"] == i]
    facts += [c["linked_at"] or c["created_at"] for c in rows["contacts"] if c["account_id"] == i]
    return min((f for f in facts if f is not None and f.year < 9999), default=None)


def slow_row(rows: Rows, plan: Plan, account: dict, as_of: datetime) -> dict:
    """Every feature that the law's plan asks for."""
    signal = plan.features.signal
    known = [a | {"at": known_at(a, rows)} for a in rows["activities"] if _account_of(a, rows) == account["account_id"]]
    known = [a for a in known if a["at"] < as_of and a["initiator"] == "buyer"]
    starts = {
        c: s.tracked_from and datetime(*s.tracked_from.timetuple()[:3], tzinfo=UTC) for c, s in signal.channels.items()
    }
    acts = [
        a
        for a in known
        if a["kind"] not in signal.objections
        and a["channel"] in starts
        and not (starts[a["channel"]] and a["occurred_at"] < starts[a["channel"]])
    ]
    newest = max(s for s in starts.values() if s)

    def within(events: list[dict], days: int) -> list[dict]:
        return [a for a in events if a["occurred_at"] >= as_of - days * DAY]

    def tracked(value: float, days: int, start: datetime | None) -> float:
        floor_day = as_of - days * DAY
        return math.nan if start and (floor_day - start) // DAY < 0 else value

    row: dict = {}
    measures = {"signals": (acts, newest, True)}
    for channel, spec in signal.channels.items():
        mine = [a for a in acts if a["channel"] == channel]
        measures[channel] = (mine, starts[channel], True)
        for kind in spec.kinds:
            measures[f"{channel}_{kind}"] = ([a for a in mine if a["kind"] == kind], starts[channel], False)
    for name, (events, start, total) in measures.items():
        for w in signal.windows_days:
            row[f"{name}_{w}d"] = tracked(len(within(events, w)), w, start)
        if total:
            for h in signal.half_lives_days:
                fade = sum(0.5 ** (-((a["occurred_at"] - as_of) // DAY) / h) for a in events)
                row[f"{name}_decayed_{h}d"] = tracked(fade, 4 * h, start)
            last = max((a["occurred_at"] for a in events), default=None)
            never = tracked(365.0, 365, start)
            row[f"{name}_days_since"] = never if last is None else min((as_of - last) / DAY, 365.0)
    for w in (30, 90):
        now, both = len(within(acts, w)), len(within(acts, 2 * w))
        row[f"signals_trend_{w}d"] = tracked(math.log((now + 1) / (both - now + 1)), 2 * w, newest)
    for w in signal.windows_days:
        paid = sum(a["value"] for a in within(acts, w) if a["kind"] == "pricing_visit")
        row[f"pricing_visit_value_{w}d"] = tracked(paid, w, newest)
    for w in (30, 90):
        row[f"trigger_funding_{w}d"] = float(len(within([a for a in known if a["kind"] == "funding"], w)))
    row |= _people(rows, plan, account, acts, as_of, tracked, within, newest)
    row |= _deals(rows, account, as_of)
    fields = {"employee_count": "employee_count", "segment": "segment"}
    for name in fields:
        value = value_as_of(rows, "account_history", "account_id", name, account, as_of)
        row[name] = float(value) if name == "employee_count" and value is not None else value
    if as_of < datetime(2025, 5, 20, tzinfo=UTC):
        row["segment"] = None
    row["industry"] = account["industry"]
    for tech in ("snowflake", "sap"):
        owned = account["technologies"]
        row[f"technologies_{tech}"] = math.nan if owned is None else float(tech in owned)
    return row


def _people(rows, plan, account, acts, as_of, tracked, within, newest) -> dict:
    group = plan.features.signal.buying_group
    contacts = {c["contact_id"]: c for c in rows["contacts"]}

    def person(a: dict) -> str | None:
        c = contacts.get(a["contact_id"])
        link = c and (c["linked_at"] or c["created_at"])
        if link is None or max(a["at"], link) >= as_of:
            return None
        return None if c["unlinked_at"] and c["unlinked_at"] <= a["occurred_at"] else c["contact_id"]

    row = {
        f"contacts_{w}d": tracked(len({person(a) for a in within(acts, w)} - {None}), w, newest) for w in (7, 30, 90)
    }
    active = {person(a) for a in within(acts, group.window_days)} - {None}
    roles = {}
    for c in rows["contacts"]:
        gone = c["unlinked_at"] and c["unlinked_at"] < as_of
        linked = (c["linked_at"] or c["created_at"] or as_of) < as_of and not gone
        if c["account_id"] == account["account_id"] and linked:
            role = value_as_of(rows, "contact_history", "contact_id", "role", c, as_of)
            if role is not None:
                roles[c["contact_id"]] = role
    reached = {r for c, r in roles.items() if c in active and r in group.roles}
    for role in group.roles:
        row[f"reached_{role}"] = tracked(float(role in reached), group.window_days, newest)
    row["buying_group_share"] = tracked(len(reached) / len(group.roles), group.window_days, newest)
    band = "unknown" if not roles else "none" if not reached else "partial" if len(reached) < 2 else "reached"
    return row | {"coverage": band, "roles_reached": ";".join(sorted(reached))}


def _deals(rows: Rows, account: dict, as_of: datetime) -> dict:
    mine = [o for o in rows["opportunities"] if o["account_id"] == account["account_id"] and o["created_at"] < as_of]
    mine = [o for o in mine if o["deleted_at"] is None or o["deleted_at"] >= as_of]
    closed = [o for o in mine if o["is_closed"] and o["closed_at"] < as_of]

    def since(instants: list[datetime]) -> float:
        return min((as_of - max(instants)) / DAY, 365.0) if instants else math.nan

    return {
        "opportunities_before": float(len(mine)),
        "opportunities_won_before": float(sum(o["is_won"] for o in closed)),
        "opportunities_lost_before": float(sum(not o["is_won"] for o in closed)),
        "days_since_opportunity_opened": since([o["created_at"] for o in mine]),
        "days_since_opportunity_closed": since([o["closed_at"] for o in closed]),
        "n_open": len(mine) - len(closed),
    }
