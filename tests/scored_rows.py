"""Scored rows whose truth is known: calibrated or off by a known slope, each account with one row or several."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from scipy.special import expit
from scipy.stats import norm

from tierwise.governance.gate import miscalibrated
from tierwise.learning.calibration import calibration_test
from tierwise.learning.metrics import deciles
from tierwise.learning.reliability import ece


@dataclass(frozen=True)
class Rows:
    """n rows, `each` an account; log-odds are normal, and seven tenths of their variance is the account's own.

    shared: the correlation, within an account, of what decides an outcome once its probability is given (a Gaussian
    copula): 0.9 is what monthly rows with a horizon of three months come to.
    """

    n: int
    each: int
    centre: float
    spread: float
    shared: float

    def draw(self, rng: np.random.Generator, slope: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Log-odds, outcomes and accounts; the outcomes' own log-odds are centre + slope x (log-odds - centre)."""
        accounts = np.repeat(np.arange(self.n // self.each), self.each)
        own, common = rng.normal(size=len(accounts)), rng.normal(size=self.n // self.each)[accounts]
        z = self.centre + self.spread * (np.sqrt(0.7) * common + np.sqrt(0.3) * own)
        latent = np.sqrt(self.shared) * rng.normal(size=self.n // self.each)[accounts]
        latent = latent + np.sqrt(1 - self.shared) * rng.normal(size=len(accounts))
        truth = expit(self.centre + slope * (z - self.centre))
        return z, (norm.cdf(latent) < truth) * 1.0, accounts


SETTINGS = {
    "1,000 accounts, 22 % have it": Rows(1000, 1, -1.5, 1.0, 0.0),
    "1,000 accounts, 7 % have it": Rows(1000, 1, -3.0, 1.0, 0.0),
    "250 accounts x 4 rows, 22 %": Rows(1000, 4, -1.5, 1.0, 0.5),
    "250 accounts x 4 rows, 7 %": Rows(1000, 4, -3.0, 1.0, 0.5),
    "100 accounts x 10 rows, 22 %": Rows(1000, 10, -1.5, 1.0, 0.9),
    "1,000 accounts x 4 rows, 7 %": Rows(4000, 4, -3.0, 1.0, 0.9),
}


@dataclass(frozen=True)
class Rejections:
    """Shares of samples: rejected by the test that ignores accounts, by the test, by the gate; ECE above its null."""

    by_rows: float
    test: float
    gate: float
    ece: float


def rejections(rows: Rows, runs: int, seed: int, slope: float = 1.0) -> Rejections:
    """How often each says that scores are off, at 5 %."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(runs):
        z, y, accounts = rows.draw(rng, slope)
        figures = asdict(calibration_test(z, y, accounts)) | {"deciles": deciles(y, expit(z))}
        alone, error = calibration_test(z, y).p_value, ece(expit(z), y, accounts, draws=100)
        found.append((alone < 0.05, figures["p_value"] < 0.05, bool(miscalibrated(figures)), error.more_than_noise))
    return Rejections(*np.mean(found, axis=0).tolist())
