"""Small random exports in which who is who is in doubt: shared domains, leads, contacts without an account."""

from __future__ import annotations

import copy
from datetime import datetime, timedelta

import numpy as np

from exports import AS_OF, Rows

DOMAINS = ("one.example", "two.example", "gmail.com", "three.example")


def random_people(seed: int) -> Rows:
    """An export around one as_of: accounts that share domains, come, go and come again; leads that become accounts."""
    rng = np.random.default_rng(seed)

    def near() -> datetime:
        if rng.random() < 0.2:
            return AS_OF + timedelta(microseconds=int(rng.integers(-1, 2)))
        return AS_OF + timedelta(seconds=int(rng.integers(-120 * 86400, 60 * 86400)))

    def maybe(value: object, p: float) -> object:
        return value if rng.random() < p else None

    def one(values: tuple[str, ...]) -> str:
        return str(rng.choice(values))

    ids = tuple(f"a{n}" for n in range(5))
    accounts = []
    for n, name in enumerate(ids):
        created = near()
        parent = maybe(ids[0], 0.3) if n else None
        gone = maybe(created + timedelta(days=int(rng.integers(1, 90))), 0.3)
        accounts.append(
            {
                "account_id": name,
                "domain": maybe(one(DOMAINS), 0.9),
                "parent_account_id": parent,
                "created_at": maybe(created, 0.95),
                "deleted_at": gone,
                "name": name,
            }
        )
    contacts = [
        {
            "contact_id": f"c{n}",
            "account_id": maybe(one(ids), 0.3),
            "email_domain": one(DOMAINS),
            "role": "champion",
            "created_at": maybe(near(), 0.9),
            "deleted_at": maybe(near(), 0.2),
        }
        for n in range(6)
    ]
    leads = []
    for n in range(6):
        created = near()
        converted = maybe(created + timedelta(seconds=int(rng.integers(0, 60 * 86400))), 0.5)
        leads.append(
            {
                "lead_id": f"l{n}",
                "domain": maybe(one(DOMAINS), 0.9),
                "created_at": maybe(created, 0.95),
                "converted_at": converted,
                "converted_account_id": converted and maybe(one(ids), 0.9),
                "deleted_at": maybe(near(), 0.1),
            }
        )
    activities = []
    for n in range(60):
        occurred = near()
        link = {"contact_id": f"c{rng.integers(0, 6)}", "lead_id": f"l{rng.integers(0, 6)}", "domain": one(DOMAINS)}
        key = one(tuple(link))
        late = occurred + timedelta(seconds=int(rng.integers(0, 20 * 86400)))
        activities.append(
            {
                "activity_id": f"v{n}",
                key: link[key],
                "occurred_at": occurred,
                "recorded_at": maybe(late, 0.5),
                "channel": "web",
                "kind": "page_view",
                "initiator": "buyer",
            }
        )
    deals = [
        {"opportunity_id": f"o{n}", "account_id": one(ids), "created_at": near(), "is_closed": False, "is_won": False}
        for n in range(2)
    ]
    return {
        "accounts": accounts,
        "contacts": contacts,
        "leads": leads,
        "activities": activities,
        "opportunities": deals,
    }


def rewound_people(rows: Rows, as_of: datetime) -> Rows:
    """The export as it would have been read just before as_of."""
    rows = copy.deepcopy(rows)
    for found in rows.values():
        for row in found:
            for clock, more in (("deleted_at", ()), ("converted_at", ("converted_account_id",))):
                if row.get(clock) is not None and row[clock] >= as_of:
                    row.update(dict.fromkeys((clock, *more)))
    known = {
        "accounts": lambda r: r["created_at"],
        "contacts": lambda r: r["created_at"],
        "leads": lambda r: r["created_at"],
        "activities": lambda r: max(r["occurred_at"], r["recorded_at"] or r["occurred_at"]),
        "opportunities": lambda r: r["created_at"],
    }
    return {t: [r for r in found if known[t](r) is None or known[t](r) < as_of] for t, found in rows.items()}
