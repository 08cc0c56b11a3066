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

import exports
from exports import AS_OF, NEGATIVE, Rows, handed_over, random_export, rewound, scrambled
from tables import as_tables
from tierwise.config import Plan
from tierwise.data import Query, Warehouse, join_disputes
from tierwise.features import Matrix, build_matrix, ruled_by
from tierwise.features.build import final_select, matrix_steps

SEEDS = st.integers(0, 2**32 - 1)
PLAN, AGE_PLAN = (
    plan.model_copy(update={"cohort": plan.cohort.model_copy(update={"countries": ("DE", "NL")})})
    for plan in (exports.PLAN, exports.AGE_PLAN)
)
"""Plans whose cohort has a rule by country, which all accounts pass whose country nobody disputed."""


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
    ("restored from the start", r"greatest\(known_at, restored_at\)", lambda _: "known_at"),
    ("restored for good", r"restored_at, next_at FROM", lambda _: "restored_at, NULL FROM"),
    ("never restored", r"d\.restored_at IS NULL OR NOT", lambda _: "TRUE OR NOT"),
)


def mutants(plan: Plan) -> list[Mutant]:
    """Every place of the matrix's SQL in which the law could be broken by one edit."""
    disputed = [*(a.attribute for a in plan.features.fit), *ruled_by(plan.cohort)]
    steps = [(table, q.sql) for table, q in matrix_steps(plan, (AS_OF,), None, NEGATIVE, disputed=disputed)]
    steps.append((FINAL, final_select(plan, outcomes=False, disputed=disputed).sql))
    return [
        Mutant(kind, table, found.start(), found.group(), change(found.group()))
        for table, sql in steps
        for kind, pattern, change in PATTERNS
        for found in re.finditer(pattern, sql)
    ]


def all_disputed(rows: Rows) -> pd.DataFrame:
    """Disputes and their ends that the law's as_of knows, and others made on it, which it must not know yet.

    On it: two activities of three and most values are disputed, and disputes of before are withdrawn. Before it: some
    facts were disputed, some of those restored, and of them some disputed anew.
    """
    long, ago, lately, now = (AS_OF.replace(tzinfo=None) - timedelta(days=days) for days in (30, 20, 10, 0))
    spells = {"0": [], "3": [(long, now)], "6": [(long, ago)], "9": [(long, ago), (lately, now)]}
    facts = [
        ("activities", a["activity_id"], "", *spell)
        for a in rows["activities"]
        for spell in spells.get(a["activity_id"][-1], [(now, None)])
    ]
    fields = {
        "employee_count": {"1": [(long, None)], "3": [(long, now)], "5": [(long, None)]},
        "industry": {"1": [(long, ago)], "2": [(long, ago), (lately, now)]},
        "country": {"1": [(long, None)], "2": [(long, now)], "3": [(long, ago)], "0": []},
        "segment": {},
        "technologies": {"0": []},
    }
    for account in (a["account_id"] for a in rows["accounts"]):
        for field, early in fields.items():
            facts += [("accounts", account, field, *spell) for spell in early.get(account[-1], [(now, None)])]
    found = pd.DataFrame(facts, columns=["table", "fact_id", "field", "made_at", "ended_at"]).assign(value_digest=None)
    return found.astype({"made_at": "datetime64[us]", "ended_at": "datetime64[us]"})


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
