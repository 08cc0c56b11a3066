"""One synthetic world judged on 90 days that the system never saw: tierwise beside one free LightGBM."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import spearmanr
from sklearn.base import clone
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score

from planted import fit_effects, signal_effects
from tierwise.audit import draft_plan
from tierwise.clock import instant
from tierwise.config import Settings, parse_plan
from tierwise.data import Query, Warehouse, read_tables
from tierwise.features import Matrix, build_matrix, history_start, training_grid
from tierwise.learning import FreeBooster, PropensityModel, train_model
from tierwise.learning.calibration import row_log_loss
from tierwise.learning.sides import prepare
from tierwise.synthetic import TRAPS, WorldSpec, simulate, write_world

MONTHS = 24


@dataclass(frozen=True)
class Judged:
    """The figures of one world on its unseen 90 days, and what the audit left out of the plan.

    auc_reported: what training said of itself, on its test slice. effects: side, effect, planted, learned
    (`planted.fit_effects`, `planted.signal_effects`). fit_accounts: rank correlation of the fit side's log-odds with
    the planted utility, account by account. auc_cycle: of the signal side's, in telling who is in a buying cycle.
    """

    seed: int
    rows: int
    outcomes: int
    auc: float
    auc_free: float
    average_precision: float
    average_precision_free: float
    log_loss: float
    log_loss_free: float
    auc_latent: float
    auc_reported: float
    fit_accounts: float
    auc_cycle: float
    effects: pd.DataFrame
    chosen: str
    left_out: tuple[str, ...]


def judge(seed: int, *, traps: bool, accounts: int = 3000, threads: int = 1) -> Judged:
    """Draft, audit and train on the export as of month 24; score then; judge on what the world did next.

    The free booster is LightGBM without the two sides: the same admissible features, settings, rows and early stopping,
    but any tree may mix any features.
    """
    spec = WorldSpec(seed=seed, accounts=accounts, months=MONTHS, traps=frozenset(TRAPS if traps else ()))
    world = simulate(spec)
    end = instant(pd.Timestamp(spec.start) + pd.DateOffset(months=MONTHS))
    with tempfile.TemporaryDirectory() as folder:
        write_world(world, Path(folder), end)
        intake = read_tables(Path(folder) / "tables", Settings(threads=threads))
    with intake.warehouse as warehouse:
        draft = draft_plan(warehouse, "new_business")
        plan = parse_plan(draft.model)
        grid = training_grid(plan, history_start(warehouse), end)
        past = build_matrix(warehouse, plan, grid, outcomes_through=end)
        now = build_matrix(warehouse, plan, (end,)).eligible()
    trained = train_model(past, plan, threads=threads)
    y = _outcomes(world.tables(), now, end, plan.outcome.horizon_days)
    ours = trained.model.score(now.frame)["propensity"].to_numpy()
    theirs = _free(past.eligible().mature(), now, plan.model.seed, threads)
    truth = world.truth([end]).set_index("account_id")
    latent = truth["latent_probability"].reindex(now.frame["account_id"])
    effects = {
        "fit": fit_effects(world, trained.model, now),
        "signal": signal_effects(world, trained.model, plan, now, end),
    }
    return Judged(
        seed, len(y), int(y.sum()),
        roc_auc_score(y, ours), roc_auc_score(y, theirs),
        average_precision_score(y, ours), average_precision_score(y, theirs),
        log_loss(y, ours), log_loss(y, theirs),
        roc_auc_score(y, latent.fillna(0.0)),
        trained.evaluation.metrics[trained.evaluation.chosen]["auc"]["value"],
        *_hidden(trained.model, now, truth, world.utility),
        pd.concat(effects, names=["side"]).reset_index("side").reset_index(drop=True),
        trained.evaluation.chosen, tuple(name for name, _ in draft.left_out),
    )  # fmt: skip


def _hidden(model: PropensityModel, now: Matrix, truth: pd.DataFrame, utility: pd.Series) -> tuple[float, float]:
    """`Judged.fit_accounts` and `auc_cycle`, over the accounts that the truth holds."""
    held = now.frame["account_id"].isin(truth.index).to_numpy()
    ids = now.frame.loc[held, "account_id"]
    fit, signal = (side[held] for side in model.sides(now.frame))
    return spearmanr(fit, utility.loc[ids]).statistic, roc_auc_score(truth.loc[ids, "in_cycle"], signal)


def _outcomes(tables: dict, now: Matrix, end: datetime, horizon_days: int) -> np.ndarray:
    """What the whole world did in the 90 days after the export."""
    with Warehouse.open({"opportunities": tables["opportunities"]}, threads=1) as warehouse:
        opened = warehouse.frame(
            Query(
                "SELECT DISTINCT account_id FROM opportunities WHERE type = 'New Business' "
                "AND created_at >= $end AND created_at < $until",
                {"end": end, "until": end + timedelta(days=horizon_days)},
            )
        )
    return now.frame["account_id"].isin(set(opened["account_id"])).to_numpy().astype(float)


def _free(past: Matrix, now: Matrix, seed: int, threads: int) -> np.ndarray:
    """One booster in which any tree may mix any features, stopped early on the newest quarter a horizon later."""
    frame, y = past.frame, past.frame["outcome"].to_numpy()
    as_of = frame["as_of"].sort_values(ignore_index=True)
    cut = as_of[int(0.75 * len(as_of))]
    older = (frame["as_of"] + pd.Timedelta(days=past.horizon_days) <= cut).to_numpy()
    newer = (frame["as_of"] >= cut).to_numpy()
    booster = FreeBooster(past.features, seed=seed, threads=threads)
    path = booster.path(prepare(past.features, frame[older], y[older], frame[newer], y[newer]))
    losses = [row_log_loss(path.at(place), y[newer]).mean() for place in range(len(path.values))]
    best = clone(booster).set_params(rounds=int(path.values[int(np.argmin(losses))]))
    return best.fit(frame, y).predict_proba(now.frame)[:, 1]
