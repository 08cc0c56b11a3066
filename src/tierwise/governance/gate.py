"""The gate: whether a challenger may become the live model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import special, stats

from tierwise.errors import UsageError
from tierwise.governance.matured import require
from tierwise.governance.plain import plain
from tierwise.governance.rules import DEFAULT_RULES, ReviewRules
from tierwise.governance.words import p_words
from tierwise.learning.calibration import row_log_loss
from tierwise.learning.metrics import paired_difference

SAME_ROWS = ("rows", "accounts", "outcomes", "first_as_of", "last_as_of")
"""What two evaluations' `test` must agree on for their log-losses to be comparable."""

SAME_RANKS = "ranks are the live model's, so what log-loss gains is calibration: beside it, the challenger is"


@dataclass(frozen=True)
class PairedLoss:
    """Log-loss of two models on the same rows: the challenger's minus the live model's, and its standard error."""

    champion: float
    challenger: float
    difference: float
    standard_error: float
    n: int
    accounts: int


@dataclass(frozen=True)
class Gate:
    """Whether the challenger passed, every reason in words, and the paired comparison if there was one."""

    passed: bool
    reasons: tuple[str, ...]
    paired: PairedLoss | None = None

    def to_dict(self) -> dict[str, Any]:
        """The gate as plain JSON values."""
        return dict(plain(self))


def paired_loss(rows: pd.DataFrame) -> PairedLoss:
    """Both models on the same mature rows: account_id, outcome (1 or 0), champion and challenger (propensities).

    The standard error is of the mean difference by row, clustered by account family (`family_id`) where the rows have
    it, else by account: rows of one account share its outcomes, and accounts of one family are not independent.

    Raises
    ------
    UsageError : a row has no outcome or lacks a propensity, or there are fewer than two accounts or families.
    """
    require(rows, ("account_id", "outcome", "champion", "challenger"), "a paired comparison")
    by, called = ("family_id", "account families") if "family_id" in rows else ("account_id", "accounts")
    accounts, groups = rows["account_id"].nunique(), rows[by].nunique()
    holes = int(rows[["outcome", "champion", "challenger"]].isna().any(axis=1).sum())
    if holes or groups < 2:
        raise UsageError(
            "a paired comparison of two models",
            found=f"{holes} of {len(rows)} rows lack an outcome or a propensity; {groups} {called}",
            do=f"Score the same mature rows of two {called} or more with both models",
        )
    y = rows["outcome"].to_numpy(dtype=np.float64)
    champion, challenger = (
        row_log_loss(special.logit(np.clip(rows[name].to_numpy(dtype=np.float64), 1e-12, 1 - 1e-12)), y)
        for name in ("champion", "challenger")
    )
    found = paired_difference(challenger, champion, rows[by].to_numpy(dtype=object))
    means = float(champion.mean()), float(challenger.mean())
    return PairedLoss(*means, found.mean, found.standard_error, len(y), accounts)


def gate(
    champion: Mapping[str, Any] | None,
    challenger: Mapping[str, Any],
    rules: ReviewRules = DEFAULT_RULES,
    paired: PairedLoss | None = None,
    *,
    same_ranks: bool = False,
) -> Gate:
    """Whether a challenger may be promoted, from the two evaluations (`Evaluation.to_dict()`).

    It must be usable, and its log-loss on the same test rows must not be worse than the live model's by more than
    `rules.gate_standard_errors` standard errors. With `paired` (see `paired_loss`) the standard error is the paired
    one, and this is what a job should pass. Without it, only evaluations of the same test rows (rows, outcomes and
    test dates equal) can be compared, and the standard error is the challenger's own, read off its interval: wider
    than the paired one, so it lets more pass, and the reasons say so. With no live model, usable is enough.

    A challenger that `miscalibrated` names is refused all the same, unless the paired comparison says that it is better
    than the live model by more than those standard errors; a first model is let pass with that said.

    same_ranks: the challenger is the live model recalibrated. What its log-loss gains is then calibration alone, and
    one that `miscalibrated` names is refused only where its paired log-loss is not below the live model's.
    """
    verdict = challenger.get("verdict")
    if verdict != "usable":
        return Gate(False, (f"the challenger's evaluation says: {verdict or 'nothing'}",), paired)
    off = miscalibrated(challenger.get("calibration"), rules)
    if champion is None:
        return Gate(True, ("there is no live model, and the challenger is usable", *off), paired)
    if paired is not None:
        limit = rules.gate_standard_errors * paired.standard_error
        words = (
            f"log-loss {paired.challenger:.4f} against the live model's {paired.champion:.4f} on the same "
            f"{paired.n} rows of {paired.accounts} accounts: a difference of {paired.difference:+.4f}, "
            f"of which {limit:.4f} (paired standard error) is allowed"
        )
        if off and same_ranks:
            nearer = paired.difference < 0
            return Gate(nearer, (words, *off, f"{SAME_RANKS} {'' if nearer else 'not '}nearer to calibrated"), paired)
        passed = paired.difference < -limit if off else paired.difference <= limit
        return Gate(passed, (words, *off), paired)
    compared = _by_intervals(champion, challenger, rules)
    return Gate(compared.passed and not off, (*compared.reasons, *off))


def miscalibrated(calibration: Mapping[str, Any] | None, rules: ReviewRules = DEFAULT_RULES) -> tuple[str, ...]:
    """Why probabilities are refused as not calibrated, in one sentence; nothing where they pass.

    calibration: an evaluation's (`slope`, `p_value` of the test by account, `deciles`). They are refused if the test
    rejects them at `rules.gate_calibration_alpha`, and their slope or their mean is further off than the rules allow:
    on many rows a test alone rejects what nobody would mind.
    """
    found = calibration or {}
    p_value, slope, lines = found.get("p_value"), found.get("slope"), found.get("deciles") or ()
    if p_value is None or slope is None or not p_value < rules.gate_calibration_alpha:
        return ()
    predicted, observed = (sum(d[key] * d["n"] for d in lines) for key in ("predicted", "observed"))
    ratio = observed / predicted if predicted > 0 else 1.0
    if abs(slope - 1) <= rules.gate_slope_off and abs(ratio - 1) <= rules.calibration_ratio_off:
        return ()
    return (
        f"the challenger's calibration is rejected on rows it had not seen ({p_words(p_value)}) and is far off: slope "
        f"{slope:.2f}, observed {ratio:.2f} times predicted",
    )


def _by_intervals(champion: Mapping[str, Any], challenger: Mapping[str, Any], rules: ReviewRules) -> Gate:
    unlike = [k for k in SAME_ROWS if _differs(champion, challenger, k)]
    if unlike:
        words = (
            f"the two evaluations are not of the same test rows ({', '.join(unlike)} differ), and log-losses of "
            "different rows cannot be compared: score the challenger's test rows with the live model too"
        )
        return Gate(False, (words,))
    live, new = _log_loss(champion), _log_loss(challenger)
    if live is None or new is None:
        return Gate(False, ("an evaluation has no log-loss of its chosen model, so there is nothing to compare",))
    limit = rules.gate_standard_errors * (new[2] - new[1]) / (2 * float(stats.norm.ppf(0.975)))
    words = (
        f"log-loss {new[0]:.4f} ({new[1]:.4f} to {new[2]:.4f}) against the live model's {live[0]:.4f}: a difference of "
        f"{new[0] - live[0]:+.4f}, of which {limit:.4f} is allowed (the challenger's own standard error, not "
        "a paired one)"
    )
    return Gate(new[0] - live[0] <= limit, (words,))


def _differs(first: Mapping[str, Any], second: Mapping[str, Any], key: str) -> bool:
    values = [evaluation.get("test", {}).get(key) for evaluation in (first, second)]
    return values[0] is None or values[0] != values[1]


def _log_loss(evaluation: Mapping[str, Any]) -> tuple[float, float, float] | None:
    """The test log-loss of the chosen candidate with its 95 % interval."""
    found = evaluation.get("metrics", {}).get(evaluation.get("chosen"), {}).get("log_loss", {})
    figures = [found.get(k) for k in ("value", "low", "high")]
    return None if any(f is None for f in figures) else (float(figures[0]), float(figures[1]), float(figures[2]))
