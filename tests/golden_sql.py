"""The SQL of a small plan's matrix as one text; `python tests/golden_sql.py` renews tests/golden/matrix.sql."""

from __future__ import annotations

from pathlib import Path

import sqlglot

from exports import AS_OF, NEGATIVE, PLAN
from tierwise.features.build import final_select, matrix_steps

GOLDEN = Path(__file__).with_name("golden") / "matrix.sql"
SMALL = PLAN.model_copy(
    update={
        "features": PLAN.features.model_copy(
            update={
                "signal": PLAN.features.signal.model_copy(
                    update={
                        "channels": {"web": PLAN.features.signal.channels["web"]},
                        "windows_days": (7, 30),
                        "half_lives_days": (30,),
                    }
                )
            }
        )
    }
)


def steps() -> list[tuple[str, str]]:
    """(table, SQL) of each step, the final select last."""
    found = [(table, query.sql) for table, query in matrix_steps(SMALL, (AS_OF,), AS_OF, NEGATIVE)]
    return [*found, ("final select", final_select(SMALL, outcomes=True).sql)]


def text() -> str:
    """Every step, set by sqlglot."""
    return "\n\n".join(
        f"-- {table}\n{sqlglot.transpile(sql, read='duckdb', write='duckdb', pretty=True)[0]};"
        for table, sql in steps()
    )


if __name__ == "__main__":
    GOLDEN.write_text(text() + "\n")
