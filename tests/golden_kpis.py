"""The SQL of the KPI table's facts as one text; `python tests/golden_kpis.py` renews tests/golden/kpis.sql."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import sqlglot

from exports import AS_OF, PLAN
from tierwise.features.kpi_facts import spans_of
from tierwise.features.sql import kpis

GOLDEN = Path(__file__).with_name("golden") / "kpis.sql"
SINCE = AS_OF - timedelta(days=365)
OUTCOME = PLAN.outcome.model_copy(update={"types": ("new",), "pipelines": ("main",)})


def steps() -> list[tuple[str, str]]:
    """(what it reads, SQL) of each query."""
    runs = [AS_OF - timedelta(days=d) for d in (90, 60)]
    queries = {
        "created": kpis.created(OUTCOME, SINCE, AS_OF),
        "done": kpis.done(spans_of(runs, SINCE, AS_OF), AS_OF, [("meeting", "held")]),
        "leads": kpis.leads(SINCE, AS_OF),
        "filled": kpis.filled(),
    }
    return [(name, query.sql) for name, query in queries.items()]


def text() -> str:
    """Every query, set by sqlglot."""
    return "\n\n".join(
        f"-- {name}\n{sqlglot.transpile(sql, read='duckdb', write='duckdb', pretty=True)[0]};" for name, sql in steps()
    )


if __name__ == "__main__":
    GOLDEN.write_text(text() + "\n")
