"""A fixed sample of accounts with all that belongs to them, so that a look at the features costs the same whatever the
size."""

from __future__ import annotations

from tierwise.data import TABLES, Query, Warehouse, quoted

_OF_ACCOUNT = "t.account_id IN (SELECT account_id FROM __sample)"
_CONTACT = "t.contact_id IN (SELECT contact_id FROM contacts c JOIN __sample s ON s.account_id = c.account_id)"
_KEPT = {
    "contact_history": _CONTACT,
    "activities": f"""t.noise IS NULL AND ({_OF_ACCOUNT} OR {_CONTACT}
        OR t.lead_id IN (SELECT lead_id FROM leads l JOIN __sample s ON s.account_id = l.converted_account_id)
        OR t.identity_id IN (SELECT identity_id FROM identities i JOIN __sample s ON s.account_id = i.account_id)
        OR lower(t.domain) IN (SELECT lower(domain) FROM accounts a JOIN __sample s ON s.account_id = a.account_id))""",
    "leads": "t.converted_account_id IN (SELECT account_id FROM __sample)",
    "opportunity_stages": """t.opportunity_id IN (
        SELECT opportunity_id FROM opportunities o JOIN __sample s ON s.account_id = o.account_id)""",
}
"""Which rows of a table belong to the sample; tables with an account_id keep those of its accounts."""


def sampled(warehouse: Warehouse, accounts: int, threads: int) -> Warehouse | None:
    """A warehouse of at most so many accounts, a fixed sample, to be closed by the caller; None if there are no more.

    Families may be cut: a sample serves for looking at features, never for training.
    """
    n = int(warehouse.frame(Query("SELECT count(*) AS n FROM accounts"))["n"][0])
    if n <= accounts:
        return None
    warehouse.run(
        Query(
            "CREATE OR REPLACE TEMP TABLE __sample AS SELECT account_id FROM accounts "
            "ORDER BY hash(account_id), account_id LIMIT $n",
            {"n": accounts},
        )
    )
    tables = {}
    for name, table in TABLES.items():
        test = _KEPT.get(name) or (_OF_ACCOUNT if table.column("account_id") else "TRUE")
        if name == "exclusions":
            test = f"t.account_id IS NULL OR {_OF_ACCOUNT}"
        columns = ", ".join(quoted(c) for c in (*table.names, *warehouse.attributes(name)))
        found = warehouse.arrow(Query(f"SELECT {columns} FROM {quoted(name)} t WHERE {test}"))
        if found.num_rows:
            tables[name] = found
    warehouse.run(Query("DROP TABLE __sample"))
    return Warehouse.open(tables, threads)
