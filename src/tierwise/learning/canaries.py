"""Honesty canaries: what must come to nothing in every training, and whether it did.

Outcomes that are dealt out to other accounts must not be learned, a feature drawn at random must not weigh, and the
date alone must not help. Of large tables a fixed sample of account families is taken, so that they cost little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import logit
from scipy.stats import norm, rankdata

import tierwise.learning.unseen as unseen
from tierwise.errors import NoUsableModel
from tierwise.features.feature import Feature
from tierwise.learning.calibration import IDENTITY, fit_affine, row_log_loss
from tierwise.learning.encoding import Floats
from tierwise.learning.metrics import paired_difference
from tierwise.learning.rows import Rows
from tierwise.learning.search import Tried, follow
from tierwise.learning.season_choice import SeasonTrial
from tierwise.learning.splits import Division, Instants, Mask

MOST_ROWS = 8_000
"""Rows that the canaries read; of more, those of a fixed sample of account families."""
DRAWS, EACH_END = 199, 5
"""Dealings that make a null band, and how many of them lie at or beyond each of its ends: 5 in 200 is 2.5 %."""
NOISE = tuple(
    Feature(f"tierwise_noise_{side}_{by}", side, "number", "", f"noise by {by}: {{value}}")
    for side in ("fit", "signal")
    for by in ("account", "row")
)
"""Features that tell nothing; no column of a plan can have their names, as tierwise refuses what it wrote itself."""


def canaries(rows: Rows, division: Division, trial: SeasonTrial, *, threads: int, seed: int) -> dict[str, Any]:
    """What dealt-out outcomes, noise and the date alone came to, as JSON values, each with its n.

    trial: the chosen candidate, and whether it has a season.
    """
    few, parts = sampled(rows, division, MOST_ROWS, seed)
    return {
        "permuted_labels": permuted_labels(few, parts, trial, threads=threads, seed=seed),
        "noise": noise(few, parts, trial.tried, threads=threads, seed=seed),
        "time_index": time_index(rows, division),
    }


def sampled(rows: Rows, division: Division, most: int, seed: int) -> tuple[Rows, Division]:
    """At most about so many rows, whole account families of them, divided as they were.

    Folds and parts of the test of which no row is held out any more are gone; how many rows families kept apart left
    out, and folds dropped, is said as of all rows.
    """
    if len(rows.frame) <= most:
        return rows, division
    kept = family_sample(rows.families, most, seed)
    earlier, test = kept[division.earlier], kept[division.test]
    places = [at for at, (_, held) in enumerate(division.folds) if held[earlier].any()]
    folds = [(division.folds[at][0][earlier], division.folds[at][1][earlier]) for at in places]
    apart = division.apart
    if apart is not None:
        apart = replace(
            apart,
            families=len(np.unique(rows.families[kept])),
            reports=tuple((old[earlier], held[test]) for old, held in apart.reports if held[test].any()),
            left_out=[apart.left_out[at] for at in places],
        )
    return rows.where(kept), Division(division.earlier[kept], division.test[kept], folds, apart)


def family_sample(families: npt.NDArray[Any], most: int, seed: int) -> Mask:
    """Which rows to keep: about `most` of them, in whole families."""
    names = pd.unique(pd.Series(families))
    share = min(1.0, most / max(len(families), 1))
    kept = np.random.default_rng(seed).permutation(len(names))[: max(1, int(len(names) * share))]
    return np.asarray(pd.Series(families).isin(set(names[kept])), dtype=bool)


def dealt(y: Floats, accounts: npt.NDArray[Any], as_of: Instants, rng: np.random.Generator) -> Floats:
    """The outcomes, each account's dealt to another one on the same dates.

    Accounts are laid in a circle in random order; on each date an account gets the outcome of the next one that stands
    on that date. So each date keeps its outcomes, and what hangs together within an account mostly goes on doing so.
    Where accounts stand on days of their own, a date is a month, and a row the account's first, second, ... in it.
    """
    if not len(y):
        return y
    names, code = np.unique(accounts, return_inverse=True)
    place, date = rng.permutation(len(names))[code], _dates(accounts, as_of)
    order = np.lexsort((place, date))
    starts = np.flatnonzero(np.r_[True, date[order][1:] != date[order][:-1]])
    giver = np.roll(order, -1)
    giver[np.r_[starts[1:], len(order)] - 1] = order[starts]
    out = np.empty_like(y)
    out[order] = y[giver]
    return out


def _dates(accounts: npt.NDArray[Any], as_of: Instants) -> npt.NDArray[np.int64]:
    if 2 * len(np.unique(as_of)) <= len(as_of):
        return np.unique(as_of, return_inverse=True)[1]
    frame = pd.DataFrame({"account": accounts, "month": as_of.astype("datetime64[M]").astype(np.int64)})
    number = frame.groupby(["account", "month"]).cumcount()
    return np.asarray(frame["month"].to_numpy() * 1000 + number.to_numpy(), dtype=np.int64)


def permuted_labels(rows: Rows, division: Division, trial: SeasonTrial, *, threads: int, seed: int) -> dict[str, Any]:
    """The test AUC of the chosen candidate, searched, calibrated and judged anew on outcomes dealt to other accounts.

    What they go through is what the plan's own outcomes went through: the candidate's path over the folds, at its
    chosen settings, and the function that makes the reported figures (`unseen.on_test`), with a season if it has one.

    The rows before the test and those of the test are dealt apart: else an account's lasting tendency, which is no
    leak, would be learned from the one and found in the other. The null band is that of a permutation test (Fisher
    1935; Good 2005, section 3): the scores stand, the test's outcomes are dealt 199 times over by whole accounts, and
    between the 5th lowest and the 5th highest AUC lies that of an honest training in 95 %, whatever hangs together
    within an account.
    """
    rng = np.random.default_rng([seed, 1])
    accounts, as_of, y = rows.frame["account_id"].to_numpy(), rows.as_of, rows.y.copy()
    for part in (division.earlier, division.test):
        y[part] = dealt(y[part], accounts[part], as_of[part], rng)
    said: dict[str, Any] = {"rows": len(y), "test_rows": int(division.test.sum()), "draws": DRAWS}
    known = replace(rows, frame=rows.frame.assign(outcome=y))
    try:
        score, learned = _scored(known, division, trial, threads, seed)
    except NoUsableModel as no:
        return said | {"measured": False, "why": no.found or no.asked}
    test, ranks = known.where(division.test), rankdata(score)
    if not 0 < test.y.sum() < len(test.y):
        return said | {"measured": False, "why": "the test slice has outcomes of one kind only"}
    own = test.frame["account_id"].to_numpy()
    null = np.sort([_auc(ranks, dealt(test.y, own, test.as_of, rng)) for _ in range(DRAWS)])
    found, low, high = _auc(ranks, test.y), float(null[EACH_END - 1]), float(null[-EACH_END])
    figures = {"test_outcomes": int(test.y.sum()), "auc": found, "low": low, "high": high}
    return (
        said
        | figures
        | {"measured": True, "kind": trial.tried.candidate.kind, "learned": learned, "inside": low <= found <= high}
    )


def _scored(rows: Rows, division: Division, trial: SeasonTrial, threads: int, seed: int) -> tuple[Floats, bool]:
    """The test rows' log-odds, and whether the folds found anything to learn: if not, raw ones are taken."""
    chosen = trial.tried
    folds = unseen.prepared(rows.where(division.earlier), division, chosen.prior)
    candidate, settings = chosen.candidate, chosen.settings
    found = follow(candidate, settings, folds, rows.features, threads=threads, seed=seed, prior=chosen.prior)
    tried = found if found.affine.usable else replace(found, affine=IDENTITY)
    again = replace(trial, tried=tried)
    return unseen.on_test(rows, division, tried, again, threads=threads, seed=seed), found.affine.usable


def _auc(ranks: Floats, y: Floats) -> float:
    """The AUC from the ranks of the scores (Mann and Whitney 1947)."""
    n = float(y.sum())
    return float((ranks @ y - n * (n + 1) / 2) / (n * (len(y) - n)))


def with_noise(frame: pd.DataFrame, features: Sequence[Feature], seed: int) -> tuple[pd.DataFrame, tuple[Feature, ...]]:
    """The rows with columns that tell nothing: for each side one drawn by account, one by row; standard normal."""
    rng = np.random.default_rng([seed, 2])
    _, code = np.unique(frame["account_id"].to_numpy().astype(str), return_inverse=True)
    drawn = {
        feature.name: rng.normal(size=int(code.max()) + 1)[code]
        if feature.name.endswith("account")
        else rng.normal(size=len(frame))
        for feature in NOISE
    }
    return frame.assign(**drawn), (*features, *NOISE)


def noise(rows: Rows, division: Division, chosen: Tried, *, threads: int, seed: int) -> dict[str, Any]:
    """How much noise weighs in the chosen candidate: share of all mean absolute contributions in the test, and rank."""
    frame, features = with_noise(rows.frame, rows.features, seed)
    known = Rows(frame, features, rows.horizon_days)
    earlier, test = known.where(division.earlier), known.where(division.test)
    said = {"trained_rows": len(earlier.frame), "rows": len(test.frame), "features": len(features)}
    try:
        fitted = chosen.estimator(features, threads, seed).fit(earlier.frame, earlier.y)
    except NoUsableModel as no:
        return said | {"measured": False, "why": no.found or no.asked}
    size = np.abs(fitted.contributions(test.frame)).mean(axis=0)
    total = float(size.sum())
    lines = [
        {
            "feature": feature.name,
            "side": feature.side,
            "by": feature.name.rsplit("_", 1)[1],
            "share": float(own / total) if total > 0 else 0.0,
            "rank": int((size > own).sum()) + 1,
        }
        for feature, own in zip(features, size, strict=True)
        if feature in NOISE
    ]
    return said | {"measured": True, "lines": lines}


def time_index(rows: Rows, division: Division) -> dict[str, Any]:
    """Whether the date alone helps forward in time: log-loss of a constant less that of a line in the date.

    Both are learned on what each fold, and the test, was trained on; the interval is by account families. Above zero
    beyond it, the base drifts.
    """
    y, when = rows.y, rows.as_of.astype("datetime64[D]").astype(np.float64) / 365.25
    earlier = np.flatnonzero(division.earlier)
    parts = [(earlier[old], earlier[held]) for old, held in division.folds]
    parts.append((earlier, np.flatnonzero(division.test)))
    constant, dated = [], []
    for old, held in parts:
        rate = float(np.clip(y[old].mean(), 1e-9, 1 - 1e-9))
        constant.append(row_log_loss(np.full(len(held), logit(rate)), y[held]))
        dated.append(row_log_loss(fit_affine(when[old], y[old])(when[held]), y[held]))
    at = np.concatenate([held for _, held in parts])
    gap = paired_difference(np.concatenate(constant), np.concatenate(dated), rows.families[at])
    half = float(norm.ppf(0.975)) * gap.standard_error
    newest = division.test
    return {
        "rows": len(at),
        "accounts": gap.accounts,
        "log_loss": float(np.concatenate(constant).mean()),
        "gain": gap.mean,
        "low": gap.mean - half,
        "high": gap.mean + half,
        "base_rate_before": float(y[division.earlier].mean()),
        "base_rate_newest": float(y[newest].mean()),
        "drifts": bool(gap.mean - half > 0),
    }
