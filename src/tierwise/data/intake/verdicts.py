"""What becomes of staged rows: the quarantine listed, the limits kept, the tables left with the rows that stand."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tierwise.data.contract import Table
from tierwise.data.intake.overlaps import DIFFERS, EXACT, SUPERSEDED, create_losers, find_losers
from tierwise.data.intake.staging import Staged
from tierwise.data.quarantine import none_quarantined, quarantined_rows, reason
from tierwise.data.warehouse import Query, Warehouse, quoted

MOST_LISTED = 10_000
"""Of a file that is refused so many bad rows are listed; all are counted."""
MOST_ORDERED = 2_000_000
"""Tables of at most so many rows are put in the order of their keys; larger ones stay as they were read."""
_LEAST_TAIL = 20
"""So many rows at fault at a file's end, and no good one after the first of them, are a file shifted or cut."""


def judge(warehouse: Warehouse, table: Table, parts: list[Staged], max_share: float) -> pd.DataFrame:
    """Decide over every staged row of a table; returns the quarantine, and leaves the rows that stand.

    A part with too many bad rows gets a finding.
    """
    find_losers(warehouse, table)
    bad = _quarantined(warehouse, table, parts, max_share)
    _leave_good(warehouse, table)
    return bad


def judge_looked_up(warehouse: Warehouse, table: Table, parts: list[Staged], max_share: float) -> pd.DataFrame:
    """Decide over the rows of a table that only lookups read, and forget them; equal rows are no fault in it."""
    create_losers(warehouse)
    bad = _quarantined(warehouse, table, parts, max_share)
    for name in (table.name, "__losers"):
        warehouse.run(Query(f"DROP TABLE {quoted(name)}"))
    return bad


def _quarantined(warehouse: Warehouse, table: Table, parts: list[Staged], max_share: float) -> pd.DataFrame:
    """Count and list the rows at fault; a part with too many of them gets a finding."""
    _count(warehouse, table, parts)
    frames = [none_quarantined()]
    for staged in parts:
        if staged.bad:
            refused = _too_many(staged, max_share) or _broken_off(warehouse, table, staged, max_share)
            bad = _listed(warehouse, table, staged, MOST_LISTED if refused else None)
            if refused and not staged.findings:
                staged.findings.append(f"{staged.part.file}: {_words(staged, bad, max_share, refused)}")
            frames.append(bad)
    return pd.concat(frames, ignore_index=True)


def _count(warehouse: Warehouse, table: Table, parts: list[Staged]) -> None:
    faults = f"SELECT __part, 'fault' AS verdict, count(*) AS n FROM {quoted(table.name)} WHERE __fault IS NOT NULL"
    losers = "SELECT __part, verdict, count(*) AS n FROM __losers GROUP BY ALL"
    found = warehouse.arrow(Query(f"{faults} GROUP BY ALL UNION ALL {losers}")).to_pylist()
    for staged in parts:
        mine = {row["verdict"]: row["n"] for row in found if row["__part"] == staged.place}
        staged.superseded = mine.pop(SUPERSEDED, 0)
        staged.bad = staged.ragged + sum(mine.values())


def _too_many(staged: Staged, max_share: float) -> str:
    if staged.bad <= max_share * staged.read or (staged.bad == 1 and max_share > 0):
        return ""
    return (
        f"{staged.bad} of {staged.read} rows would be quarantined, over the {max_share:.2%} that "
        "quarantine.max_share allows"
    )


def _broken_off(warehouse: Warehouse, table: Table, staged: Staged, max_share: float) -> str:
    """What to say of a part whose last rows are all at fault, from some line on."""
    if max_share == 1 or staged.bad < _LEAST_TAIL:
        return ""
    good = f"SELECT max(__row) FROM {quoted(table.name)} WHERE __part = $part AND __fault IS NULL"
    last = warehouse.number(Query(good, {"part": staged.place}))
    tail = f"SELECT __row FROM {quoted(table.name)} WHERE __part = $part AND __row > $last"
    tail += " UNION ALL SELECT __row FROM __ragged WHERE __part = $part AND __row > $last"
    row = warehouse.arrow(
        Query(f"SELECT min(__row) AS line, count(*) AS n FROM ({tail})", {"part": staged.place, "last": last})
    ).to_pylist()[0]
    if row["n"] < _LEAST_TAIL:
        return ""
    where = f"from line {row['line']} to its end all {row['n']} rows are at fault"
    return f"{where}; it is shifted or cut there: export it anew"


def _words(staged: Staged, bad: pd.DataFrame, max_share: float, refused: str) -> str:
    first = bad.iloc[0]
    return f"{refused}; the first, line {first['line']}: {first['reason']}"


def _listed(warehouse: Warehouse, table: Table, staged: Staged, most: int | None) -> pd.DataFrame:
    """The quarantined rows of one part, in the order of their lines."""
    sql = f"""
        SELECT __row, __fault, __cell, NULL AS verdict, NULL AS fields
        FROM {quoted(table.name)} WHERE __part = $part AND __fault IS NOT NULL
        UNION ALL SELECT __row, NULL, NULL, verdict, NULL
        FROM __losers WHERE __part = $part AND verdict <> '{SUPERSEDED}'
        UNION ALL SELECT __row, NULL, NULL, NULL, fields FROM __ragged WHERE __part = $part
        ORDER BY __row {"" if most is None else f"LIMIT {most}"}"""
    found = warehouse.arrow(Query(sql, {"part": staged.place}))
    said = [
        _said(table, staged, *row) for row in zip(*(found[n].to_pylist() for n in found.column_names[1:]), strict=True)
    ]
    columns, codes, reasons = (list(values) for values in zip(*said, strict=True))
    lines = np.asarray(found["__row"].to_numpy(), dtype=np.int64)
    return quarantined_rows(table.name, staged.part.file, lines, columns, codes, reasons)


def _said(
    table: Table, staged: Staged, fault: int | None, cell: str | None, verdict: str | None, fields: int | None
) -> tuple[str, str, str]:
    """The column, code and reason of one quarantined row."""
    if fault is not None:
        check = staged.checks[fault]
        return check.column, check.code, reason(check, cell, table.name)
    if verdict is None:
        return "", "ragged", f"the record has {fields} fields and the header {staged.width}"
    name, key = (table.key[0], ", ".join(table.key)) if table.key else ("", "")
    if verdict == EXACT:
        return name, verdict, "an earlier row is the same"
    if verdict == DIFFERS:
        return name, DIFFERS, f"an earlier row has the same {key}, and differs"
    unsaid = "modified_at does not say which is newer"
    return name, DIFFERS, f"another part of the table has the same {key}, and differs; {unsaid}"


def _leave_good(warehouse: Warehouse, table: Table) -> None:
    """Delete what does not stand; put what is left in the order of its keys, unless it is large."""
    name = quoted(table.name)
    warehouse.run(Query(f"DELETE FROM {name} WHERE rowid IN (SELECT place FROM __losers)"))
    warehouse.run(Query(f"DELETE FROM {name} WHERE __fault IS NOT NULL"))
    warehouse.run(Query("DROP TABLE __losers"))
    rows = warehouse.number(Query(f"SELECT count(*) FROM {name}"))
    further = sorted(warehouse.attributes(table.name))
    if 0 < rows <= MOST_ORDERED:
        there = [n for n in warehouse.columns(table.name) if n not in further]
        order = ", ".join(quoted(n) for n in (*(table.key or table.names), "__part", "__row"))
        columns = ", ".join(quoted(n) for n in (*there, *further))
        warehouse.rewrite(table.name, Query(f"SELECT {columns} FROM {name} ORDER BY {order}"))
