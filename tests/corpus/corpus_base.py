"""A small export in which nothing is wrong, as CSV text by table: what every case of the corpus spoils in one place."""

from __future__ import annotations

from datetime import datetime, timedelta

N = 150
START = datetime(2025, 1, 1, 9)


def at(days: int, minutes: int = 0) -> str:
    """An instant so many days after the start."""
    return (START + timedelta(days=days, minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")


def text(header: str, rows: list[tuple[object, ...]]) -> str:
    """A header and rows as CSV text."""
    return "\n".join([header, *(",".join("" if v is None else str(v) for v in row) for row in rows)]) + "\n"


def base() -> dict[str, str]:
    """Every file, by name."""
    accounts = [
        (
            f"a{i:03}",
            f"Firm {i}",
            f"firm{i}.com",
            "Software" if i % 2 else "Retail",
            10 + i,
            "DE" if i % 3 else "NA",
            at(0),
        )
        for i in range(N)
    ]
    contacts = [(f"c{i:03}", f"a{i:03}", "CEO" if i % 2 else "Head of IT", at(1), at(1)) for i in range(N)]
    activities = [
        (
            f"e{i:03}",
            f"a{i % N:03}",
            f"c{i % N:03}" if i % 2 else None,
            at(2 + i % 60, i),
            at(2 + i % 60, i + 5),
            "web",
            "visit",
            "buyer",
            1,
        )
        for i in range(2 * N)
    ]
    opportunities = [
        (f"o{i:03}", f"a{i:03}", at(30 + i % 90), at(100 + i) if i % 3 else None, "Closed" if i % 3 else "Demo",
         "true" if i % 3 else "false", "true" if i % 3 == 1 else "false", 1000 + i, "EUR", "New Business")
        for i in range(N)
    ]  # fmt: skip
    stages = [(f"o{i:03}", "Demo", at(31 + i % 90)) for i in range(N)]
    leads = [(f"l{i:03}", f"lead{i}.com", at(3), None, None, "CTO") for i in range(N)]
    identities = [(f"i{i:03}", f"a{i:03}", "cookie", 0.9, at(4)) for i in range(N)]
    history = [(f"a{i:03}", "industry", "Retail", "Software", at(20)) for i in range(N) if i % 2]
    owners = [(f"u{i:03}", "East", "DACH") for i in range(N)]
    exclusions = [(f"a{i:03}", "competitor", at(5)) for i in range(5)]
    rates = [("USD", at(0)[:10], 0.92)]
    return {
        "accounts.csv": text("account_id,name,domain,industry,employee_count,country,created_at", accounts),
        "contacts.csv": text("contact_id,account_id,title,created_at,linked_at", contacts),
        "activities.csv": text(
            "activity_id,account_id,contact_id,occurred_at,recorded_at,channel,kind,initiator,value", activities
        ),
        "opportunities.csv": text(
            "opportunity_id,account_id,created_at,closed_at,stage,is_closed,is_won,amount,currency,type", opportunities
        ),
        "opportunity_stages.csv": text("opportunity_id,stage,entered_at", stages),
        "leads.csv": text("lead_id,domain,created_at,converted_at,converted_account_id,title", leads),
        "identities.csv": text("identity_id,account_id,method,confidence,linked_at", identities),
        "account_history.csv": text("account_id,field,old_value,new_value,changed_at", history),
        "owners.csv": text("owner_id,team,territory", owners),
        "exclusions.csv": text("account_id,reason,recorded_at", exclusions),
        "fx_rates.csv": text("currency,date,rate", rates),
    }
