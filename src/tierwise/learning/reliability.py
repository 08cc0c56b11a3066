"""Whether a probability means what it says: its calibration error beside chance, and whether a constant does better."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from tierwise.learning.calibration import calibration_test, row_log_loss
from tierwise.learning.metrics import Interval, deciles, interval, resamples

Floats = npt.NDArray[np.float64]

SEED = 7
ADVICE = "Where only the base rate moved, `tierwise train --recalibrate` mends it"


@dataclass(frozen=True)
class CalibrationError:
    """Expected calibration error, and the most of it that chance makes.

    value: the mean over rows of |mean predicted - observed| of the row's bin (0 to 1). null_high: what a perfectly
    calibrated model of these probabilities stays below in 95 % of samples; null_mean: what it shows in the mean.
    by: what was drawn, `account` or `row`.
    """

    value: float
    null_mean: float
    null_high: float
    bins: int
    n: int
    by: str

    @property
    def more_than_noise(self) -> bool:
        """Whether the error is more than chance explains in 95 % of samples."""
        return self.value > self.null_high

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain values."""
        return asdict(self) | {"more_than_noise": self.more_than_noise}


def ece(
    probability: Floats,
    y: Floats,
    families: npt.NDArray[Any] | None = None,
    *,
    bins: int = 10,
    draws: int = 400,
    seed: int = SEED,
) -> CalibrationError:
    """Expected calibration error over bins of equal count, beside its null 95 %.

    Equal probabilities stay in one bin. Without `families` the null is simulated by rows: each outcome drawn from its
    own probability. With them it is drawn by family (a wild cluster bootstrap: C. F. J. Wu, 1986): each family's
    misses, outcome less probability, keep or change their sign together, so that rows that share an outcome do so in
    the null as well; and it is never less than that by rows. Where families are few the share of calibrated samples
    above it is nearer 8 % than 5 % (benchmarks/calibration.py). The same seed, the same figures.
    """
    p, y = np.asarray(probability, dtype=np.float64), np.asarray(y, dtype=np.float64)
    n = len(p)
    by = "row" if families is None else "account"
    if not n:
        return CalibrationError(float("nan"), float("nan"), float("nan"), 0, 0, by)
    bin_of = equal_count(p, bins)
    size = int(bin_of.max()) + 1
    value = _error(np.asarray(np.bincount(bin_of, y - p, size), dtype=np.float64)[None, :], n)[0]
    rng = np.random.default_rng(seed)
    null = _null_by_row(rng, p, bin_of, size, draws)
    if families is not None:
        clustered = _null_by_family(rng, y - p, bin_of, size, draws, families)
        null = clustered if np.quantile(clustered, 0.95) > np.quantile(null, 0.95) else null
    return CalibrationError(float(value), float(null.mean()), float(np.quantile(null, 0.95)), size, n, by)


def equal_count(values: Floats, bins: int) -> npt.NDArray[np.int64]:
    """The bin of each value, 0 and up in rising order: parts of equal count, in which equal values stay together."""
    edges = np.unique(np.quantile(values, np.arange(1, bins) / bins, method="lower"))
    return np.unique(np.searchsorted(edges, values, side="left"), return_inverse=True)[1]


def _error(misses: Floats, n: int) -> Floats:
    """The error of each draw, from the misses summed by bin: draws x bins."""
    return np.asarray(np.abs(misses).sum(axis=1) / n)


def _null_by_row(rng: np.random.Generator, p: Floats, bin_of: npt.NDArray[np.int64], size: int, draws: int) -> Floats:
    misses = np.array([np.bincount(bin_of, (rng.random(len(p)) < p) - p, size) for _ in range(draws)])
    return _error(misses, len(p))


def _null_by_family(
    rng: np.random.Generator,
    miss: Floats,
    bin_of: npt.NDArray[np.int64],
    size: int,
    draws: int,
    families: npt.NDArray[Any],
) -> Floats:
    _, codes = np.unique(np.asarray(families).astype(str), return_inverse=True)
    groups = int(codes.max()) + 1
    misses = np.array([np.bincount(bin_of, rng.choice([-1.0, 1.0], groups)[codes] * miss, size) for _ in range(draws)])
    return _error(misses, len(miss))


@dataclass(frozen=True)
class AgainstConstants:
    """Log-loss less that of two constants, on the same rows; below 0 is better than the constant.

    to_training: the base rate known at training (None where it is not known). to_own: the rate of these very rows,
    which nobody knew before; each account's is taken from the others, so that the constant does not see what it
    predicts. Each with its 95 % interval by resampling accounts.
    """

    n: int
    accounts: int
    outcomes: int
    log_loss: float
    to_training: Interval | None
    to_own: Interval

    @property
    def worse(self) -> bool:
        """Whether either constant had the lower log-loss."""
        return any(figure.value > 0 for _, figure in self._known())

    @property
    def surely(self) -> bool:
        """Whether it did so by more than chance: the whole interval is above 0."""
        return any(figure.low > 0 for _, figure in self._known())

    def _known(self) -> list[tuple[str, Interval]]:
        own = ("these rows' own rate", self.to_own)
        return [own] if self.to_training is None else [("the training base rate", self.to_training), own]

    @property
    def words(self) -> str:
        """What this says, as a sentence without its stop."""
        parts = [f"{_less(figure)} {name} ({figure.low:+.4f} to {figure.high:+.4f})" for name, figure in self._known()]
        told = f"log-loss {self.log_loss:.4f}: {' and '.join(parts)}; n = {self.n:,}, {self.accounts:,} families"
        if not self.worse:
            return f"the probability is better than a constant: {told}"
        sure = "" if self.surely else ", though chance may explain it"
        return f"the probability is worse than a constant{sure}: {told}"

    def to_dict(self) -> dict[str, Any]:
        """The figures and their words as plain values."""
        return asdict(self) | {"worse": self.worse, "surely": self.surely, "words": self.words}


def _less(figure: Interval) -> str:
    return f"{abs(figure.value):.4f} {'above' if figure.value > 0 else 'below'} that of"


def worse_than_constant(
    log_odds: Floats,
    y: Floats,
    families: npt.NDArray[Any],
    base_log_odds: float | None,
    *,
    n: int = 400,
    seed: int = SEED,
) -> AgainstConstants:
    """A probability beside two constants: the training base rate (its log-odds), and the rate of these rows.

    Differences are paired by row; intervals resample families.
    """
    z, y = np.asarray(log_odds, dtype=np.float64), np.asarray(y, dtype=np.float64)
    codes, counts = resamples(families, n, seed)
    size, loss = np.bincount(codes, minlength=counts.shape[1]), row_log_loss(z, y)
    rows = np.maximum(counts @ size, 1.0)

    def less(constant: Floats) -> Interval:
        paired = loss - row_log_loss(constant, y)
        if not len(paired):
            return Interval(float("nan"), float("nan"), float("nan"))
        drawn = counts @ np.bincount(codes, paired, counts.shape[1]) / rows
        return interval(float(paired.mean()), drawn)

    having = np.bincount(codes, y, counts.shape[1])
    others = (y.sum() - having + 0.5) / (len(y) - size + 1.0)
    return AgainstConstants(
        len(y),
        counts.shape[1],
        int(y.sum()),
        float(loss.mean()) if len(loss) else float("nan"),
        None if base_log_odds is None else less(np.full(len(y), base_log_odds)),
        less(logit(others)[codes]),
    )


def base_log_odds(rate: float) -> float:
    """The log-odds of a base rate, kept from infinity."""
    p = float(np.clip(rate, 1e-9, 1 - 1e-9))
    return float(np.log(p / (1 - p)))


def calibration_figures(
    log_odds: Floats, y: Floats, families: npt.NDArray[Any], base_log_odds: float | None
) -> dict[str, Any]:
    """All that rows say of a probability: Cox's test by account, deciles, ECE beside its null, and the constants."""
    test, p = calibration_test(log_odds, y, families), np.asarray(expit(log_odds))
    return asdict(test) | {
        "deciles": deciles(y, p),
        "ece": ece(p, y, families).to_dict(),
        "constant": worse_than_constant(log_odds, y, families, base_log_odds).to_dict(),
    }
