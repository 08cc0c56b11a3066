"""Small random exports for the laws: facts crowd around one as_of; with rewinding and scrambling."""

from __future__ import annotations

import copy
from datetime import UTC, date, datetime, timedelta

import numpy as np

from tierwise.config import Plan

Rows = dict[str, list[dict]]
AS_OF = datetime(2025, 6, 1, tzinfo=UTC)
CHANNELS = ("web", "email", "meeting", "news")
KINDS = ("pricing_visit", "page_view", "held", "funding")
PLAN = Plan.model_validate(
    {
        "plan": "law",
        "outcome": {"event": "opportunity_created", "horizon_days": 90},
        "cohort": {"grid": {"every": "month"}, "ended_by": ["held"], "active_within_days": 400},
        "features": {
            "fit": [
                {"attribute": "industry", "kind": "category", "clock": "fixed"},
                {"attribute": "employee_count", "kind": "number", "clock": "tracked"},
                {"attribute": "segment", "kind": "category", "clock": "tracked", "tracked_since": "2025-05-20"},
                {"attribute": "technologies", "kind": "set", "clock": "slow", "values": ["snowflake", "sap"]},
            ],
            "signal": {
                "channels": {
                    "web": {"tracked_from": "2024-01-01", "kinds": ["pricing_visit", "page_view"]},
                    "email": {"tracked_from": "2024-09-01"},
                    "meeting": {"kinds": ["held"]},
                },
                "triggers": ["funding"],
                "value_of": ["pricing_visit"],
                "buying_group": {"roles": ["champion", "exec_buyer"], "window_days": 60, "clock": "tracked"},
            },
        },
    }
)
"""A plan that asks for every feature family."""
AGE_PLAN = PLAN.model_copy(
    update={"cohort": PLAN.cohort.model_copy(update={"grid": PLAN.cohort.grid.__class__(account_age_days=(7, 40))})}
)
NEGATIVE = {"page_view": 3}


def _near(rng: np.random.Generator, as_of: datetime) -> datetime:
    """An instant around as_of: on it, a microsecond beside it, on a day's edge, or anywhere within two years."""
    kind = rng.integers(0, 10)
    if kind == 0:
        return as_of
    if kind == 1:
        return as_of + timedelta(microseconds=int(rng.choice([-1, 1])))
    days = int(rng.choice([-400, -365, -180, -90, -60, -30, -14, -7, -1, 1, 7, 30, 89, 90]))
    if kind in (2, 3):
        return as_of + timedelta(days=days, microseconds=int(rng.choice([-1, 0, 1])))
    return as_of + timedelta(seconds=int(rng.integers(-500 * 86400, 120 * 86400)))


def random_export(seed: int, as_of: datetime = AS_OF, size: int = 60) -> Rows:
    """A random export of few accounts and `size` activities, every table of the contract in it."""
    rng = np.random.default_rng(seed)

    def near() -> datetime:
        return _near(rng, as_of)

    def maybe(value: object, p: float = 0.8) -> object:
        return value if rng.random() < p else None

    ids = [f"00{n}" for n in range(int(rng.integers(2, 6)))]
    early = as_of - timedelta(days=int(rng.integers(30, 600)))
    accounts = [
        {
            "account_id": i,
            "name": f"Account {i}",
            "domain": maybe(f"d{n}.example"),
            "parent_account_id": maybe(ids[0], 0.3) if n else None,
            "industry": maybe(str(rng.choice(["software", "retail"]))),
            "employee_count": maybe(float(rng.integers(1, 9)) * 10),
            "country": str(rng.choice(["NL", "DE"])),
            "technologies": maybe([str(t) for t in rng.choice(["snowflake", "sap", "x"], 2, replace=False)]),
            "created_at": maybe(near() if rng.random() < 0.4 else early, 0.9),
            "owner_id": "o1",
            "deleted_at": maybe(near(), 0.1),
            "segment": maybe(str(rng.choice(["a", "b"]))),
        }
        for n, i in enumerate(ids)
    ]
    contacts = [
        {
            "contact_id": f"c{n}",
            "account_id": str(rng.choice(ids)),
            "role": maybe(str(rng.choice(["champion", "exec_buyer", "user"]))),
            "created_at": maybe(near(), 0.85),
            "linked_at": maybe(near(), 0.5),
            "unlinked_at": maybe(near(), 0.3),
        }
        for n in range(6)
    ]
    history = []
    for field, values in (("employee_count", ["10", "20", "30"]), ("segment", ["a", "b"]), ("owner_id", ["o1", "o2"])):
        for a in accounts:
            value = a[field]
            for at in sorted({near() for _ in range(int(rng.integers(0, 4)))}, reverse=True):
                new, value = value, maybe(str(rng.choice(values)))
                history.append({"account_id": a["account_id"], "field": field, "changed_at": at,
                                "old_value": value, "new_value": None if new is None else _text(new)})  # fmt: skip
    roles = []
    for c in contacts:
        value = c["role"]
        for at in sorted({near() for _ in range(int(rng.integers(0, 4)))}, reverse=True):
            new, value = value, maybe(str(rng.choice(["champion", "user"])))
            roles.append({"contact_id": c["contact_id"], "field": "role", "changed_at": at,
                          "old_value": value, "new_value": new})  # fmt: skip
    return {
        "accounts": accounts,
        "contacts": contacts,
        "account_history": history,
        "contact_history": roles,
        "leads": [{"lead_id": "l1", "created_at": near(), "converted_at": near(), "converted_account_id": ids[0]}],
        "identities": [{"identity_id": f"i{n}", "account_id": str(rng.choice(ids)), "linked_at": near()} for n in (1, 2)],
        "activities": [_activity(rng, n, ids, as_of) for n in range(size)],
        "opportunities": [_opportunity(rng, n, ids, as_of) for n in range(4)],
        "exclusions": [
            {"account_id": maybe(ids[0], 0.5), "domain": None, "country": maybe("DE", 0.2), "reason": f"r{n}",
             "starts_on": maybe(near(), 0.5), "ends_on": maybe(near(), 0.5), "recorded_at": maybe(near(), 0.7)}
            for n in range(2)
        ],
    }  # fmt: skip


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _activity(rng: np.random.Generator, n: int, ids: list[str], as_of: datetime) -> dict:
    row = dict.fromkeys(("account_id", "contact_id", "lead_id", "identity_id", "domain"))
    link = rng.choice(list(row), p=[0.45, 0.3, 0.1, 0.1, 0.05])
    row[str(link)] = {"account_id": str(rng.choice(ids)), "contact_id": f"c{rng.integers(0, 7)}", "lead_id": "l1",
                      "identity_id": f"i{rng.integers(1, 4)}", "domain": f"D{rng.integers(0, 3)}.example"}[str(link)]  # fmt: skip
    if link == "account_id" and rng.random() < 0.5:
        row["contact_id"] = f"c{rng.integers(0, 7)}"
    occurred = _near(rng, as_of)
    late = rng.random()
    recorded = None if late < 0.4 else occurred if late < 0.6 else _near(rng, as_of)
    channel = str(rng.choice(CHANNELS))
    kind = "funding" if channel == "news" else str(rng.choice(KINDS[:3], p=[0.48, 0.48, 0.04]))
    return row | {"activity_id": f"a{n}", "occurred_at": occurred, "recorded_at": recorded, "channel": channel, "kind": kind,
                  "initiator": str(rng.choice(["buyer", "seller"], p=[0.85, 0.15])), "value": float(rng.integers(0, 100)) / 4}  # fmt: skip


def _opportunity(rng: np.random.Generator, n: int, ids: list[str], as_of: datetime) -> dict:
    created = _near(rng, as_of)
    closed = bool(rng.random() < 0.6)
    won = closed and bool(rng.random() < 0.3)
    closed_at = created + timedelta(days=int(rng.choice([0, 5, 30, 90]))) if rng.random() < 0.5 else _near(rng, as_of)
    return {"opportunity_id": f"p{n}", "account_id": str(rng.choice(ids)), "created_at": created,
            "closed_at": max(closed_at, created), "stage": "won" if won else "lost" if closed else "open",
            "is_closed": closed, "is_won": won, "amount": 100.0, "type": "New Business",
            "deleted_at": _near(rng, as_of) if rng.random() < 0.2 else None}  # fmt: skip


def known_at(activity: dict, rows: Rows) -> datetime:
    """When an activity could be read as an account's: the later of its own clock and its link's."""
    own = max(activity["occurred_at"], activity["recorded_at"] or activity["occurred_at"])
    if activity["account_id"] is not None:
        return own
    if activity["contact_id"] is not None:
        contact = next((c for c in rows["contacts"] if c["contact_id"] == activity["contact_id"]), None)
        link = contact and (contact["linked_at"] or contact["created_at"])
        gone = contact and contact["unlinked_at"] and contact["unlinked_at"] <= activity["occurred_at"]
        return max(own, link) if link and not gone else datetime.max.replace(tzinfo=UTC)
    links = {
        "lead_id": {r["lead_id"]: max(r["created_at"], r["converted_at"]) for r in rows["leads"]},
        "identity_id": {r["identity_id"]: r["linked_at"] for r in rows["identities"]},
        "domain": {(a["domain"] or "").lower(): a["created_at"] for a in rows["accounts"]},
    }
    held = {(a["domain"] or "").lower(): a["deleted_at"] for a in rows["accounts"]}
    for key, at in links.items():
        if activity[key] is not None:
            value = activity[key].lower() if key == "domain" else activity[key]
            known = max(own, at.get(value) or own)
            over = held.get(value) if key == "domain" else None
            return datetime.max.replace(tzinfo=UTC) if over and over <= known else known
    return own


def value_as_of(rows: Rows, table: str, key: str, field: str, today: dict, as_of: datetime) -> object:
    """A field's value as of a date, the slow and obvious way: undo each change, newest first."""
    value = today[field]
    changes = [h for h in rows[table] if h[key] == today[key] and h["field"] == field]
    for change in sorted(changes, key=lambda h: h["changed_at"], reverse=True):
        if change["changed_at"] >= as_of:
            value = change["old_value"]
    return value


def rewound(rows: Rows, as_of: datetime) -> Rows:
    """The export as it would have been read just before as_of."""
    rows = copy.deepcopy(rows)
    for a in rows["accounts"]:
        for field in ("employee_count", "segment", "owner_id"):
            value = value_as_of(rows, "account_history", "account_id", field, a, as_of)
            a[field] = float(value) if field == "employee_count" and value is not None else value
        if a["deleted_at"] is not None and a["deleted_at"] >= as_of:
            a["deleted_at"] = None
    for c in rows["contacts"]:
        c["role"] = value_as_of(rows, "contact_history", "contact_id", "role", c, as_of)
        if c["unlinked_at"] is not None and c["unlinked_at"] >= as_of:
            c["unlinked_at"] = None
    for o in rows["opportunities"]:
        if o["is_closed"] and o["closed_at"] >= as_of:
            o.update(is_closed=False, is_won=False, stage="open")
        if o["deleted_at"] is not None and o["deleted_at"] >= as_of:
            o["deleted_at"] = None
    keep = {
        "accounts": lambda r: r["created_at"] is None or r["created_at"] < as_of,
        "contacts": lambda r: (r["linked_at"] or r["created_at"] or as_of) < as_of,
        "account_history": lambda r: r["changed_at"] < as_of,
        "contact_history": lambda r: r["changed_at"] < as_of,
        "leads": lambda r: max(r["created_at"], r["converted_at"]) < as_of,
        "identities": lambda r: r["linked_at"] < as_of,
        "activities": lambda r: max(r["occurred_at"], r["recorded_at"] or r["occurred_at"]) < as_of,
        "opportunities": lambda r: r["created_at"] < as_of,
        "exclusions": lambda r: r["recorded_at"] is None or r["recorded_at"] < as_of,
    }
    return {table: [r for r in found if keep[table](r)] for table, found in rows.items()}


def scrambled(rows: Rows, as_of: datetime, seed: int) -> Rows:
    """The export with everything known at or after as_of replaced by noise, and more of it added."""
    rng = np.random.default_rng(seed)
    past = rewound(rows, as_of)
    noise = random_export(seed + 1, as_of)
    ids = [a["account_id"] for a in past["accounts"]]

    def later() -> datetime:
        return as_of + timedelta(microseconds=int(rng.choice([0, 1, 10**9, 10**12])))

    for a in past["accounts"]:
        for field, new in (("employee_count", "77"), ("segment", "z"), ("owner_id", "o9")):
            if rng.random() < 0.5:
                old = a[field]
                past["account_history"].append(
                    {"account_id": a["account_id"], "field": field, "changed_at": later(),
                     "old_value": None if old is None else _text(old), "new_value": new})  # fmt: skip
                a[field] = float(new) if field == "employee_count" else new
        if a["deleted_at"] is None and rng.random() < 0.3:
            a["deleted_at"] = later()
    for c in past["contacts"]:
        if rng.random() < 0.5:
            past["contact_history"].append({"contact_id": c["contact_id"], "field": "role", "changed_at": later(),
                                            "old_value": c["role"], "new_value": "champion"})  # fmt: skip
            c["role"] = "champion"
        if c["unlinked_at"] is None and rng.random() < 0.3:
            c["unlinked_at"] = later()
    known = {c["contact_id"] for c in past["contacts"]}
    past["contacts"] += [c | {"account_id": str(rng.choice(ids)), "linked_at": later()} for c in noise["contacts"]
                         if c["contact_id"] not in known and ids]  # fmt: skip
    for o in past["opportunities"]:
        if not o["is_closed"] and rng.random() < 0.5:
            o.update(is_closed=True, is_won=bool(rng.random() < 0.5), closed_at=later(), stage="won")
        if o["deleted_at"] is None and rng.random() < 0.3:
            o["deleted_at"] = later()
    if ids:
        past["activities"] += [r | {"activity_id": f"z{n}", "account_id": str(rng.choice(ids)), "recorded_at": later()}
                               for n, r in enumerate(noise["activities"])]  # fmt: skip
        past["opportunities"] += [o | {"opportunity_id": f"z{n}", "account_id": str(rng.choice(ids)), "created_at": later()}
                                  for n, o in enumerate(noise["opportunities"])]  # fmt: skip
        past["exclusions"] += [
            x | {"account_id": str(rng.choice(ids)), "recorded_at": later()} for x in noise["exclusions"]
        ]
        past["identities"] += [{"identity_id": "i3", "account_id": ids[0], "linked_at": later()}]
    past["accounts"] += [a | {"account_id": f"z{n}", "domain": None, "parent_account_id": None, "created_at": later()}
                         for n, a in enumerate(noise["accounts"])]  # fmt: skip
    return past


def handed_over(rows: Rows) -> Rows:
    """The export with facts that happened while a domain named one account, and were written down when it no longer did.

    A lead of the second account's domain is converted to the first; the first is deleted, and its domain names nobody.
    """
    rows = copy.deepcopy(rows)

    def at(days: int) -> datetime:
        return AS_OF - timedelta(days=days)

    first, second = rows["accounts"][:2]
    first.update(domain="d0.example", created_at=at(300), deleted_at=at(20))
    second.update(domain="d1.example", created_at=at(300), deleted_at=None)
    lead = {"lead_id": "l2", "domain": "d1.example", "created_at": at(100), "converted_at": at(30)}
    rows["leads"] = [lead | {"converted_account_id": first["account_id"]}]
    none = dict.fromkeys(("account_id", "contact_id", "lead_id", "identity_id", "domain"))
    seen = none | {"recorded_at": at(10), "channel": "web", "kind": "page_view", "initiator": "buyer", "value": 1.0}
    rows["activities"] += [
        seen | {"activity_id": "h1", "lead_id": "l2", "occurred_at": at(40)},
        seen | {"activity_id": "h2", "domain": "d0.example", "occurred_at": at(25)},
    ]
    return rows


def day(text: str) -> date:
    """An ISO date."""
    return date.fromisoformat(text)
