"""Worlds with known leaks, and with honest columns that must not be taken for leaks: what the audit makes of them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from sklearn.metrics import roc_auc_score

from tierwise.audit import Finding, audit, audit_matrix, draft_plan
from tierwise.clock import instant
from tierwise.config import Attribute, Plan, Settings, parse_plan
from tierwise.data import Warehouse, read_tables
from tierwise.features import build_matrix, history_start, training_grid
from tierwise.learning import train_model
from tierwise.synthetic import TRAPS, World, WorldSpec, simulate, write_world
from worlds import _outcomes

Tables = dict[str, pa.Table]
END = instant("2026-01-01")
MONTHS = 24

CAUGHT: dict[str, tuple[tuple[str, ...], str]] = {
    "late_filled_attribute": (("missing_tells_outcome",), "budget_range"),
    "todays_lifecycle_stage": (("copies_outcome", "values_say_outcome"), "lifecycle_stage"),
    "contacts_linked_at_conversion": (("linked_at_outcome",), "contacts"),
    "late_logged_meetings": (("logged_after_outcome",), "meeting"),
    "seller_effort_by_old_rubric": (("effort_follows_rubric",), "sales"),
    "tracking_change": (("tracking_change",), "intent"),
}
"""Trap -> the codes that name its mechanism, and the subject that names where it sits."""


def export(seed: int, accounts: int, traps: Iterable[str] = ()) -> Tables:
    """The tables of a world as exported at its 24th month."""
    spec = WorldSpec(seed=seed, accounts=accounts, months=MONTHS, traps=frozenset(traps))
    return simulate(spec).tables(END)


def drafted(warehouse: Warehouse) -> Plan:
    """The plan that `init` would draft."""
    return parse_plan(draft_plan(warehouse, "new_business").model)


def audited(tables: Tables) -> tuple[Finding, ...]:
    """The findings of the audit on a drafted plan."""
    with Warehouse.open(tables, threads=1) as warehouse:
        return audit(warehouse, drafted(warehouse), END)


def caught(trap: str, findings: Iterable[Finding]) -> bool:
    """Whether a finding names the trap's mechanism and its place."""
    codes, subject = CAUGHT[trap]
    return any(f.code in codes and f.subject == subject for f in findings)


def alarms(findings: Iterable[Finding]) -> list[tuple[str, str]]:
    """Every finding of a trap's mechanism, wherever it is said to sit."""
    codes = {code for codes, _ in CAUGHT.values() for code in codes}
    return [(f.code, f.subject) for f in findings if f.code in codes]


def with_leads(tables: Tables, seed: int, n: int) -> Tables:
    """The tables with so many more leads, unconverted, each of a company that has no account."""
    rng = np.random.default_rng([seed, 12])
    came = pd.Timestamp(END).tz_localize(None) - pd.to_timedelta(rng.integers(1, MONTHS * 30, n), unit="D")
    leads = tables["leads"]
    more = pd.DataFrame(
        {
            "lead_id": [f"new-{i}" for i in range(n)],
            "domain": [f"new-{i}.example" for i in range(n)],
            "created_at": came,
        }
    )
    table = pa.Table.from_pandas(more, preserve_index=False)
    table = table.cast(pa.schema([leads.schema.field(name) for name in table.column_names]))
    return {**tables, "leads": pa.concat_tables([leads, table], promote_options="default")}


# --- honest columns


def with_honest(tables: Tables, seed: int) -> tuple[Tables, list[Attribute]]:
    """The tables with honest columns added to accounts: noise, attributes known from the beginning, with holes, and one
    that was introduced midway: every account created since holds it, none created before."""
    rng = np.random.default_rng([seed, 11])
    accounts = tables["accounts"]
    n = accounts.num_rows
    size = np.log1p(np.nan_to_num(accounts["employee_count"].to_numpy(zero_copy_only=False).astype(float), nan=100.0))
    industry = pd.Series(accounts["industry"].to_pylist()).fillna("none")
    keen = industry.isin(["Software", "Manufacturing", "Financial Services"]).to_numpy() * 0.8 + 0.2 * size
    columns: dict[str, np.ndarray] = {f"noise_{k}": rng.integers(0, k, n).astype(str) for k in (2, 5, 12, 40, 150)}
    columns |= {
        "noise_normal": rng.normal(size=n),
        "noise_skewed": np.round(np.exp(rng.normal(11, 2, n)), -2),
        "noise_whole": rng.integers(0, 10_000, n).astype(float),
        "noise_share": np.round(rng.random(n), 2),
        "rating": np.round(keen + rng.normal(0, 0.7, n), 1),
        "segment": np.array(["small", "middle", "large"])[np.digitize(size + rng.normal(0, 0.5, n), [4, 6])],
        "model_fit": np.array(["low", "middling", "good"])[np.digitize(keen + rng.normal(0, 0.4, n), [1.0, 1.8])],
        "founded": np.round(2020 - np.exp(rng.normal(2.5, 0.9, n))),
    }
    born = pd.Series(accounts["created_at"].to_pandas())
    columns["since_midway"] = rng.integers(0, 6, n).astype(str)
    attributes = []
    for name, values in columns.items():
        hole = rng.random(n) < rng.choice([0.0, 0.1, 0.4])
        if name == "since_midway":
            hole = (born < born.median()).to_numpy()
        kept = pd.Series(values).where(~hole, None)
        number = np.issubdtype(values.dtype, np.floating)
        array = pa.array(kept.astype(float) if number else kept.astype(object), from_pandas=True)
        accounts = accounts.append_column(name, array)
        kind = "number" if number else "category"
        attributes.append(Attribute(attribute=name, kind=kind, clock="slow"))  # type: ignore[arg-type]
    return {**tables, "accounts": accounts}, attributes


@dataclass(frozen=True)
class Honest:
    """How many attributes and features of honest worlds were judged, and which were blocked."""

    seed: int
    attributes: int
    features: int
    blocked: tuple[tuple[str, str], ...]


def honest(seed: int, accounts: int = 500) -> Honest:
    """Judge a world without traps, with honest columns added and declared: attributes, and every feature."""
    tables, added = with_honest(export(seed, accounts), seed)
    with Warehouse.open(tables, threads=1) as warehouse:
        plan = drafted(warehouse)
        fit = (*plan.features.fit, *added)
        plan = plan.model_copy(update={"features": plan.features.model_copy(update={"fit": fit})})
        found = audit(warehouse, plan, END)
        grid = training_grid(plan, history_start(warehouse), END)[::3]
        matrix = build_matrix(warehouse, plan, grid, outcomes_through=END)
    seen = audit_matrix(matrix, plan)
    blocked = {(f.subject, f.code) for f in (*found, *seen) if f.severity == "blocks"}
    return Honest(seed, len(fit), len(matrix.features), tuple(sorted(blocked)))


# --- what the audit is worth


@dataclass(frozen=True)
class Worth:
    """AUC on the unseen 90 days of one world, by what was trained on; and what two models said of themselves.

    cleaned: the same export without what lies in it. untouched: the world without any trap, whose intent is tracked
    from the beginning: more than that export ever held.
    """

    seed: int
    outcomes: int
    audited: float
    audited_said: float
    cleaned: float
    untouched: float
    fooled: float
    fooled_said: float


def worth(seed: int, accounts: int = 1500) -> Worth:
    """Train through the audit, on the export cleaned by the truth, and without the audit; judge on what came next.

    Cleaned by the truth: no trap but that intent was not tracked before, which nobody can mend. Without the audit: the
    columns that it leaves out are taken as accepted.
    """

    def world(traps: Iterable[str]) -> World:
        return simulate(WorldSpec(seed=seed, accounts=accounts, months=MONTHS, traps=frozenset(traps)))

    trapped = world(TRAPS)
    audited_, said, outcomes = _judged(trapped)
    fooled, fooled_said, _ = _judged(trapped, ("budget_range", "lifecycle_stage"))
    cleaned, _, _ = _judged(world(["tracking_change"]))
    untouched, _, _ = _judged(world([]))
    return Worth(seed, outcomes, audited_, said, cleaned, untouched, fooled, fooled_said)


def _judged(world: World, taken: tuple[str, ...] = ()) -> tuple[float, float, int]:
    """The AUC on the unseen days, the AUC that the training reported, and the number of outcomes."""
    with tempfile.TemporaryDirectory() as folder:
        write_world(world, Path(folder), END)
        intake = read_tables(Path(folder) / "tables", Settings(threads=1))
    with intake.warehouse as warehouse:
        plan = drafted(warehouse)
        more = [Attribute(attribute=name, kind="category", clock="accepted") for name in taken]
        fit = (*plan.features.fit, *more)
        plan = plan.model_copy(update={"features": plan.features.model_copy(update={"fit": fit})})
        past = build_matrix(warehouse, plan, training_grid(plan, history_start(warehouse), END), outcomes_through=END)
        now = build_matrix(warehouse, plan, (END,)).eligible()
    trained = train_model(past, plan, threads=1)
    y = _outcomes(world.tables(), now, END, plan.outcome.horizon_days)
    scores = trained.model.score(now.frame)["propensity"].to_numpy()
    chosen = trained.evaluation.metrics[trained.evaluation.chosen]
    return float(roc_auc_score(y, scores)), float(chosen["auc"]["value"]), int(y.sum())
