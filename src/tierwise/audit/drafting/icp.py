"""A first icp.yaml: what the accounts won have in common, against the rest, and the titles that name a role."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import pandas as pd

from tierwise.audit.drafting.text import comments, listed, scalar
from tierwise.audit.drafting.titles import EXCEPT, TITLES
from tierwise.config import Icp
from tierwise.data import Query

if TYPE_CHECKING:
    from tierwise.data import Warehouse

EXAMPLES, LISTED, LEAST_WON = 5, 6, 3
"""So many example companies; so many industries and countries, each with so many accounts won at least."""
WON = "(SELECT DISTINCT account_id FROM opportunities WHERE is_closed AND is_won)"


def drafted_roles() -> Icp:
    """The rules from title to role that a draft begins with."""
    return Icp.model_validate({"roles": TITLES, "except": EXCEPT})


def icp_text(warehouse: Warehouse) -> str:
    """icp.yaml: headcount, industries and countries of the accounts won, companies, and the roles by title."""
    counts = warehouse.frame(
        Query(f"SELECT count(*) AS n, count(w.account_id) AS won FROM accounts a LEFT JOIN {WON} w USING (account_id)")
    ).iloc[0]
    won, n = int(counts["won"]), int(counts["n"])
    head = (
        f"drafted from {won:,} accounts won, against the other {n - won:,}" if won else "no account is won in the data"
    )
    said = [
        f"# The ideal customer profile: {head}.",
        "# A workbook to be corrected by people; of all this the roles change what is computed,",
        "# and the job to be done and the personas what messages say.",
        *_headcount(warehouse),
        *_most(warehouse, "industry", "industries"),
        *_most(warehouse, "country", "countries"),
        f"example_companies: {listed(_examples(warehouse))}  # won last; names of companies only",
        "job_to_be_done:  # what they buy you for, as: decide on numbers that everyone trusts",
        "# personas:  # what messages of plays say of a role's pain and its job to be done",
        "#   champion: {pain: reports that disagree, job: publish one number for each question}",
        *_roles(),
        "rubric: []  # points by hand, as {attribute: industry, equals: [Software], points: 20}",
    ]
    return "\n".join(said) + "\n"


def _headcount(warehouse: Warehouse) -> list[str]:
    found = warehouse.frame(
        Query(f"""
        SELECT w.account_id IS NOT NULL AS won, count(a.employee_count) AS n,
               quantile_cont(a.employee_count, [0.1, 0.5, 0.9]) AS q
        FROM accounts a LEFT JOIN {WON} w ON w.account_id = a.account_id
        WHERE a.employee_count IS NOT NULL GROUP BY 1
        """)
    ).set_index("won")
    if True not in found.index or found.loc[True, "n"] < LEAST_WON:
        return ["headcount: []  # as {at_least: 200, below: 5000}; too few accounts won have an employee_count"]

    def spread(won: bool) -> str:
        low, middle, high = found.loc[won, "q"]
        return f"{low:,.0f} to {high:,.0f}, half below {middle:,.0f} ({int(found.loc[won, 'n']):,} accounts)"

    low, _, high = found.loc[True, "q"]
    others = f"; of the rest: {spread(False)}" if False in found.index else ""
    band = f"headcount: [{{at_least: {max(int(low), 0)}, below: {int(high) + 1}}}]"
    return [*comments([f"eight in ten accounts won have employees from {spread(True)}{others}"]), band]


def _most(warehouse: Warehouse, column: str, key: str) -> list[str]:
    found = warehouse.frame(
        Query(
            f"""
            SELECT a.{column} AS value, count(w.account_id) AS won, count(*) AS n
            FROM accounts a LEFT JOIN {WON} w ON w.account_id = a.account_id
            WHERE a.{column} IS NOT NULL GROUP BY 1 HAVING count(w.account_id) >= $least
            ORDER BY won DESC, n, value LIMIT {LISTED}
            """,
            {"least": LEAST_WON},
        )
    )
    if found.empty:
        return [f"{key}: []  # too few accounts won have one"]
    shares = ", ".join(f"{r.value}: {int(r.won):,} of {int(r.n):,} won" for r in found.itertuples())
    return [*comments([shares]), f"{key}: {listed(found['value'])}"]


def _examples(warehouse: Warehouse) -> list[str]:
    found: pd.DataFrame = warehouse.frame(
        Query(f"""
        SELECT a.name, max(o.closed_at) AS won_at FROM opportunities o JOIN accounts a ON a.account_id = o.account_id
        WHERE o.is_closed AND o.is_won AND a.name IS NOT NULL AND NOT contains(a.name, '@')
        GROUP BY a.account_id, a.name ORDER BY won_at DESC NULLS LAST, a.name LIMIT {EXAMPLES}
        """)
    )
    return [str(name) for name in found["name"]]


def _roles() -> list[str]:
    said = [
        *comments(
            [
                "From a contact's title to its role, where the export has no role. The first role with a pattern that "
                "the title holds is taken: whole words, whatever their case and accents; * stands for letters inside a "
                "word, a + b for both in that order. The pattern `any` under except names no role at all.",
            ]
        ),
        "roles:",
        *_lists(TITLES),
        "except:",
        *_lists(EXCEPT),
    ]
    return said


def _lists(patterns: dict[str, Any]) -> list[str]:
    lines = []
    for name, words in patterns.items():
        text = ", ".join(scalar(w) if "*" in w or w in ("no", "yes") else w for w in words)
        lines += [f"  {name}: [", *textwrap.wrap(text, 104, initial_indent="    ", subsequent_indent="    "), "  ]"]
    return lines
