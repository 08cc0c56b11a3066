"""Expected value: propensity times the amount of a won deal, times the win rate where the outcome is an opening."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import CensoredData, ecdf

from tierwise.config.plan import Outcome
from tierwise.errors import BundleError
from tierwise.features.feature import Feature
from tierwise.features.matrix import Matrix
from tierwise.learning.deal_choice import DRAWS, LEAST, LEAST_FAMILIES, Sample, choose, learner, unseen
from tierwise.learning.encoding import Floats
from tierwise.learning.evaluation import DIGITS
from tierwise.learning.expectation import LEVEL, Expectation, chunks, resampling
from tierwise.learning.splits import Instants, days, instants, stamp
from tierwise.plain import plain

VALUE_FILE = "value.json"
FORMAT = "tierwise-value/1"
CLOSED_SHARE = 0.95
"""A deal is old enough to judge at the age by which this share has closed of those that ever close."""
VALUES = ("expected_value", "expected_value_low", "expected_value_high")
BEFORE_AMOUNTS = "the live model was trained before amounts were learned; the next training learns them"


@dataclass(frozen=True)
class ValueModel:
    """What a won deal brings, in one currency (empty: the tables name none), and how many of the opened are won.

    win_rate : None where the outcome is a win.
    """

    amount: Expectation
    win_rate: Expectation | None
    currency: str

    def score(self, frame: pd.DataFrame, propensity: Floats) -> pd.DataFrame:
        """Expected value of each row and its 95 % interval, in the currency; null where propensity is.

        Columns: expected_value, expected_value_low, expected_value_high. The interval is of the mean, by resampled
        accounts, at the propensity as it is: one deal brings more or less.

        Raises
        ------
        ContractError : a fit-side feature is missing, renamed or retyped.
        """
        parts = (self.amount,) if self.win_rate is None else (self.amount, self.win_rate)
        cells = [part.design.cells(frame) for part in parts]
        first = np.zeros((len(frame), 1), dtype=np.int64)
        alike, place = np.unique(np.hstack([first, *cells]), axis=0, return_inverse=True)
        where = np.split(alike[:, 1:], [cells[0].shape[1]], axis=1)[: len(parts)]
        out = np.empty((len(alike), 3))
        for rows in chunks(len(alike)):
            pairs = [part.draws_of(at[rows]) for part, at in zip(parts, where, strict=True)]
            means = [part.mean_of(at[rows]) for part, at in zip(parts, where, strict=True)]
            low, high = np.quantile(np.prod(pairs, axis=0), LEVEL, axis=0)
            out[rows] = np.column_stack([np.prod(means, axis=0), low, high])
        per_outcome = out[place.reshape(-1)]
        return pd.DataFrame(per_outcome * np.asarray(propensity, dtype=np.float64)[:, None], columns=list(VALUES))

    def to_bytes(self) -> bytes:
        """The model as JSON; the same model, the same bytes."""
        said = {
            "format": FORMAT,
            "currency": self.currency,
            "amount": self.amount.to_dict(),
            "win_rate": None if self.win_rate is None else self.win_rate.to_dict(),
        }
        return (json.dumps(said, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> ValueModel:
        """The model that `to_bytes` wrote.

        Raises
        ------
        BundleError : it is not what `to_bytes` writes.
        """
        try:
            said = json.loads(content)
            if said["format"] != FORMAT:
                raise ValueError(f"its format is {said['format']!r}, not {FORMAT!r}")
            win = None if said["win_rate"] is None else Expectation.from_dict(said["win_rate"])
            return cls(Expectation.from_dict(said["amount"]), win, str(said["currency"]))
        except (KeyError, ValueError, TypeError) as error:
            raise BundleError(
                "A model's expected values were to be read", found=f"{VALUE_FILE} does not hold them ({error})"
            ) from error


@dataclass(frozen=True)
class Valued:
    """The model of values, or None; and what is said of it, as JSON values (`why`: why there is none)."""

    model: ValueModel | None
    report: Mapping[str, Any]


def learn_value(matrix: Matrix, deals: pd.DataFrame, outcome: Outcome, through: datetime, seed: int) -> Valued:
    """Learn amounts and win rates of the deals that accounts of the cohort opened.

    Parameters
    ----------
    matrix : with the rows that deals were opened from: a deal has the features of its account's newest row not after
        its opening, and counts only if that row is eligible.
    deals : what `features.deals` gives, as known at `through`.
    through : how far opportunities are known.

    Amounts are those of won deals, above zero. The win rate is of deals old enough to judge (CLOSED_SHARE); an open one
    among them has not been won, and younger ones, closed or open, do not count (law 2).
    """
    if outcome.event == "activity":
        return Valued(None, {"why": "the outcome is an activity, which has no amount"})
    features = tuple(f for f in matrix.features if f.side == "fit")
    opened = _opened(matrix, deals)
    won = opened[opened["won"].astype(bool)]
    priced = won[won["amount"] > 0]
    amounts = _sample(priced, features, priced["amount"].to_numpy(np.float64), None)
    currency = _currency(priced)
    report: dict[str, Any] = {"why": "", "currency": currency, "opened": len(opened), "won": len(won)}
    if not amounts.enough:
        return Valued(None, report | {"why": _too_few(amounts, "won deals with an amount")})
    amount, said = _learned(amounts, features, seed)
    report |= {"amount": said}
    if outcome.event == "opportunity_won":
        return Valued(ValueModel(amount, None, currency), plain(report, digits=DIGITS))
    age = closing_days(opened, through)
    ripe = opened[instants(opened["opened_at"].to_numpy()) + days(age) <= stamp(through)]
    wins = _sample(ripe, features, ripe["won"].to_numpy(np.float64), age)
    if not wins.enough:
        lack = _too_few(wins, f"deals opened {age} days ago or longer, by when most have closed")
        return Valued(None, report | {"why": lack})
    win_rate, said = _learned(wins, features, seed)
    still = int(ripe["closed_at"].isna().sum())
    report |= {"win_rate": said | {"old_enough_days": age, "still_open": still, "too_young": len(opened) - len(ripe)}}
    return Valued(ValueModel(amount, win_rate, currency), plain(report, digits=DIGITS))


def _opened(matrix: Matrix, deals: pd.DataFrame) -> pd.DataFrame:
    """Each deal beside its account's newest row not after its opening, where that is eligible, by opening."""
    fit = [f.name for f in matrix.features if f.side == "fit"]
    rows = matrix.frame[["account_id", "as_of", "family_id", "status", *fit]].sort_values("as_of", kind="stable")
    rows = rows.assign(account_id=rows["account_id"].astype(object))
    mine = deals.assign(account_id=deals["account_id"].astype(object), opened_at=instants(deals["opened_at"]))
    mine = mine.sort_values(["opened_at", "opportunity_id"], kind="stable")
    found = pd.merge_asof(mine, rows, left_on="opened_at", right_on="as_of", by="account_id")
    return found[found["status"] == "eligible"].reset_index(drop=True)


def _sample(rows: pd.DataFrame, features: tuple[Feature, ...], y: Floats, age: int | None) -> Sample:
    """What deals teach: from their close on, or from an age on."""
    rows = rows.reset_index(drop=True)
    opened, closed = instants(rows["opened_at"].to_numpy()), instants(rows["closed_at"].to_numpy())
    known: Instants = closed if age is None else opened + days(age)
    return Sample(rows[[f.name for f in features]], y, opened, known, closed, rows["family_id"].to_numpy(), age is None)


def _currency(priced: pd.DataFrame) -> str:
    named = priced["currency"].dropna()
    return "" if named.empty else str(named.iloc[0])


def _too_few(sample: Sample, what: str) -> str:
    families = len(np.unique(sample.families.astype(str)))
    return f"{len(sample)} {what}, of {families} companies; it takes {LEAST}, of {LEAST_FAMILIES}"


def _learned(sample: Sample, features: tuple[Feature, ...], seed: int) -> tuple[Expectation, dict[str, Any]]:
    """The chosen expectation, learned of all deals that count, and what is said of it."""
    choice = choose(sample, features)
    learned = learner(choice, features)
    made = learned(sample, resampling(sample.families, DRAWS, seed))
    return made, {
        "kind": choice.kind,
        "because": choice.because,
        "features": [f.name for f in made.design.encoder.features],
        "n": len(sample),
        "companies": len(np.unique(sample.families.astype(str))),
        "mean": float(sample.y.mean()),
        "losses": choice.losses,
        "compared_on": choice.n,
        "unseen": unseen(sample, learned, seed),
    }


def closing_days(opened: pd.DataFrame, through: datetime) -> int:
    """The age in days by which CLOSED_SHARE has closed of those deals that ever close; open ones are censored.

    Source: E. L. Kaplan and P. Meier (1958), "Nonparametric estimation from incomplete observations", JASA 53.
    """
    begun, closed = instants(opened["opened_at"].to_numpy()), instants(opened["closed_at"].to_numpy())
    still = np.isnat(closed)
    if still.all():
        return 0
    age = np.maximum((np.where(still, stamp(through), closed) - begun) / np.timedelta64(1, "D"), 0.0)
    share = ecdf(CensoredData(uncensored=age[~still], right=age[still])).cdf
    reached = share.probabilities >= CLOSED_SHARE * share.probabilities.max()
    return int(np.ceil(share.quantiles[reached][0]))
