"""Law 1: features read known_at < as_of, and outcomes lie in [as_of, as_of + horizon)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from functools import cache

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exports import AGE_PLAN, AS_OF, NEGATIVE, PLAN, Rows, handed_over, random_export, rewound, scrambled
from tables import as_tables
from tierwise.config import Plan
from tierwise.data import Query, Warehouse, join_disputes
from tierwise.features import Matrix, build_matrix
from tierwise.features.build import final_select, matrix_steps

SEEDS = st.integers(0, 2**32 - 1)


@dataclass(frozen=True)
class Mutant:
    """One place in one step's SQL, and what would stand there if the law were broken."""

    kind: str
    table: str
    at: int
    old: str
    new: str

    def applied(self, sql: str) -> str:
        assert sql[self.at : self.at + len(self.old)] == self.old
        return sql[: self.at] + self.new + sql[self.at + len(self.old) :]


class MutableWarehouse(Warehouse):
    """A warehouse in which one place of one step's SQL can be changed."""

    mutant: Mutant | None = None

    def run(self, query: Query) -> None:
        super().run(self._mutated(query, f"CREATE OR REPLACE TEMP TABLE {self.mutant and self.mutant.table} AS "))

    def frame(self, query: Query) -> pd.DataFrame:
        return super().frame(self._mutated(query, "" if self.mutant and self.mutant.table == FINAL else "never"))

    def _mutated(self, query: Query, head: str) -> Query:
        if self.mutant is None or not query.sql.startswith(head):
            return query
        return Query(head + self.mutant.applied(query.sql[len(head) :]), query.params)


FINAL = "final select"
PATTERNS = (
    ("< to <=", r" < (?:s|st)\.as_of\b", lambda old: old.replace("<", "<=")),
    ("< to <=", r"(?<=known_at\) - p\.phase)\) // ", lambda _: " - 1) // "),
    ("known_at to occurred_at", r"\b(?:a|t)\.known_at\b", lambda old: old.replace("known", "occurred")),
    ("known_at to occurred_at", r"\bg\.(?:contact_)?known_day\b", lambda _: "g.occurred_day"),
    ("left to inner join", r"LEFT JOIN", lambda _: "JOIN"),
)


def mutants(plan: Plan) -> list[Mutant]:
    """Every place of the matrix's SQL in which the law could be broken by one edit."""
    disputed = [a.attribute for a in plan.features.fit]
    steps = [(table, q.sql) for table, q in matrix_steps(plan, (AS_OF,), None, NEGATIVE, disputed=disputed)]
    steps.append((FINAL, final_select(plan, outcomes=False, disputed=disputed).sql))
    return [
        Mutant(kind, table, found.start(), found.group(), change(found.group()))
        for table, sql in steps
        for kind, pattern, change in PATTERNS
        for found in re.finditer(pattern, sql)
    ]


def all_disputed(rows: Rows) -> pd.DataFrame:
    """Every value of an attribute, and two activities of three, disputed on the law's as_of, which must not know it
    yet; but of accounts of odd ids the headcount was disputed before, and counts again only if it has changed since."""
    then, before = AS_OF.replace(tzinfo=None), (AS_OF - timedelta(days=30)).replace(tzinfo=None)
    facts = [
        ("activities", a["activity_id"], "", then) for a in rows["activities"] if a["activity_id"][-1] not in "0369"
    ]
    for account in (a["account_id"] for a in rows["accounts"]):
        early = {"employee_count": before} if account[-1] in "13579" else {}
        facts += [("accounts", account, f.attribute, early.get(f.attribute, then)) for f in PLAN.features.fit]
    return pd.DataFrame(facts, columns=["table", "fact_id", "field", "made_at"])


def matrix_of(rows: Rows, plan: Plan, mutant: Mutant | None = None) -> Matrix:
    """The matrix on the law's as_of; with a mutant, one place of one step's SQL is changed first."""
    as_ofs = (AS_OF,) if plan.cohort.grid.every else (AS_OF - timedelta(days=1000), AS_OF)
    with MutableWarehouse.open(as_tables(rows), threads=1) as warehouse:
        join_disputes(warehouse, all_disputed(rows))
        warehouse.mutant = mutant
        return build_matrix(warehouse, plan, as_ofs, negative_triggers=NEGATIVE)


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, noise=SEEDS, own_ages=st.booleans())
def test_the_whole_export_the_rewound_one_and_a_later_scrambled_one_give_the_same_bytes(
    seed: int, noise: int, own_ages: bool
) -> None:
    rows, plan = random_export(seed), AGE_PLAN if own_ages else PLAN
    whole = matrix_of(rows, plan).digest()
    assert whole == matrix_of(rewound(rows, AS_OF), plan).digest()
    assert whole == matrix_of(scrambled(rows, AS_OF, noise), plan).digest()


@settings(max_examples=8, deadline=None)
@given(seed=SEEDS)
def test_row_order_and_threads_change_no_byte(seed: int) -> None:
    rows = random_export(seed)
    turned = {table: found[::-1] for table, found in rows.items()}
    assert matrix_of(rows, PLAN).digest() == matrix_of(turned, PLAN).digest()


@cache
def sized_export(seed: int) -> Rows:
    """The random export of a seed: few activities in one of three, many in the others."""
    return random_export(seed, size=(4, 120)[seed % 3 > 0])


@cache
def true_digest(seed: int) -> str:
    return matrix_of(sized_export(seed), PLAN).digest()


def killer(mutant: Mutant, seeds: range) -> str | None:
    """What kills a mutant: the law itself (rewinding, scrambling), or a row or value that it has otherwise.

    The first export that it reads otherwise is rewound and scrambled; all are, only where it reads none otherwise.
    """
    for seed in seeds:
        try:
            if matrix_of(sized_export(seed), PLAN, mutant).digest() != true_digest(seed):
                return breaks(mutant, seed) or f"another matrix, export {seed}"
        except (AssertionError, ValueError) as error:
            return f"{type(error).__name__}, export {seed}"
    rows = handed_over(random_export(seeds[0]))
    if matrix_of(rows, PLAN, mutant).digest() != matrix_of(rows, PLAN).digest():
        return "another matrix, handed over"
    return next((found for seed in seeds if (found := breaks(mutant, seed))), None)


def breaks(mutant: Mutant, seed: int) -> str | None:
    """How a mutant breaks the law on the export of a seed."""
    rows = sized_export(seed)
    found = matrix_of(rows, PLAN, mutant).digest()
    if found != matrix_of(rewound(rows, AS_OF), PLAN, mutant).digest():
        return f"rewinding, export {seed}"
    if found != matrix_of(scrambled(rows, AS_OF, seed), PLAN, mutant).digest():
        return f"scrambling, export {seed}"
    return None


@pytest.mark.long
def test_every_mutant_of_the_law_is_killed(capsys: pytest.CaptureFixture[str]) -> None:
    table = []
    for mutant in mutants(PLAN):
        place = f"{mutant.table}: {' '.join(mutant.old.split())}"
        table.append((mutant.kind, place, killer(mutant, range(40)) or "SURVIVED"))
    with capsys.disabled():
        print("\n| mutation | where | killed by |\n|---|---|---|")
        print("\n".join(f"| {kind} | {place} | {end} |" for kind, place, end in table))
    assert not [row for row in table if row[2] == "SURVIVED"]
