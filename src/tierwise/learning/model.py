"""The propensity model: two sides, calibrated, with frozen percentiles; as files without pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit
from scipy.stats import rankdata

from tierwise.clock import instant
from tierwise.errors import BundleError, UsageError
from tierwise.features.feature import Feature
from tierwise.learning.calibration import IDENTITY, Affine, Curve, from_dict, to_dict
from tierwise.learning.candidates import KINDS
from tierwise.learning.encoding import Encoder, Floats
from tierwise.learning.season import NO_SEASON, Season
from tierwise.learning.sides import SidesClassifier
from tierwise.learning.splits import instants
from tierwise.plain import json_file

FORMAT = "tierwise-model/2"
KNOTS = 1001
PERCENTILES = ("account", "fit", "signal")


@dataclass(frozen=True)
class PercentileMap:
    """A frozen, monotone map from log-odds to 0..100: the mean rank in the training cohort, linear between knots."""

    at: tuple[float, ...]
    percent: tuple[float, ...]

    @classmethod
    def learn(cls, log_odds: Floats) -> PercentileMap:
        """Learn from the cohort's log-odds; ties share their mean rank, so a constant side maps to 50."""
        values = np.round(np.asarray(log_odds, dtype=np.float64), 9)
        percent = 100 * (rankdata(values) - 0.5) / max(len(values), 1)
        at, first = np.unique(values, return_index=True)
        ranks = percent[first]
        if len(at) > KNOTS:
            wanted = np.linspace(ranks[0], ranks[-1], KNOTS)
            keep = np.unique(np.searchsorted(ranks, wanted).clip(0, len(at) - 1))
            at, ranks = at[keep], ranks[keep]
        return cls(tuple(at.tolist()), tuple(ranks.tolist()))

    def __call__(self, log_odds: Floats) -> Floats:
        """Percentiles, 0 to 100."""
        if not self.at:
            return np.full(len(log_odds), 50.0)
        return np.interp(np.round(log_odds, 9), self.at, self.percent)


@dataclass(frozen=True)
class KeptFit:
    """Where a fit side comes from that was not learned in this training: the training and the model it was learned in.

    trained_as_of: that training's date. slope: what turned the fit side's contributions into the log-odds that its
    percentiles are of. recalibrated_as_of: the date of the newest recalibration that gave it its slope now; "" where
    none did.
    """

    model_version: str
    trained_as_of: str
    slope: float
    recalibrated_as_of: str = ""


@dataclass(frozen=True)
class PropensityModel:
    """What training leaves behind.

    kind: of KINDS. trained_as_of: the newest as_of that anything was fitted on. percentiles: of
    `account`, `fit` and `signal` log-odds, as they were at training. threads: used in scoring only; no part of the
    model. curve: the calibrator that the plan asks for beyond the affine one; on each row, what it adds to the sum of
    base and sides is the residue. recalibration: the affine map of calibrated log-odds that was fitted since training;
    percentiles, and so ranks and tiers, are of the log-odds before it. season: what the month of as_of adds to the
    base; percentiles leave it out too, as it moves all accounts of a date alike. kept_fit: where the fit side comes
    from, if it is another model's.
    """

    kind: str
    estimator: SidesClassifier
    calibrator: Affine
    percentiles: Mapping[str, PercentileMap]
    horizon_days: int
    trained_as_of: datetime
    threads: int = 1
    curve: Curve | None = None
    recalibration: Affine = IDENTITY
    season: Season = NO_SEASON
    kept_fit: KeptFit | None = None

    @property
    def features(self) -> tuple[Feature, ...]:
        """What the model reads, in its own order."""
        return self.estimator.encoder_.features

    @property
    def base(self) -> float:
        """The calibrated log-odds before any reason, in a mean month of the year."""
        return float(self._line.intercept + self._line.slope * self.estimator.base_)

    @property
    def slope(self) -> float:
        """What turns the estimator's contributions into calibrated log-odds."""
        return self._line.slope

    @property
    def _line(self) -> Affine:
        """The affine map from raw to calibrated log-odds."""
        return self.recalibration.after(self.calibrator)

    def season_log_odds(self, frame: pd.DataFrame) -> Floats:
        """What the month of each row's as_of adds to the base, in calibrated log-odds; 0 where there is no season."""
        return self.recalibration.slope * self._season(frame)

    def _season(self, frame: pd.DataFrame) -> Floats:
        return np.zeros(len(frame)) if self.season == NO_SEASON else self.season(instants(frame["as_of"].to_numpy()))

    def with_threads(self, threads: int) -> PropensityModel:
        """The same model, scoring on so many threads."""
        other = self.estimator.__class__.__new__(self.estimator.__class__)
        other.__dict__.update(self.estimator.__dict__, threads=threads)
        return replace(self, estimator=other, threads=threads)

    def sides(self, frame: pd.DataFrame) -> tuple[Floats, Floats]:
        """The calibrated log-odds of the fit side and of the signal side, row by row."""
        fit, signal = self.estimator.sides(frame)
        return self._line.slope * fit, self._line.slope * signal

    def residue(self, frame: pd.DataFrame) -> Floats:
        """The calibrated log-odds less base, fit and signal, row by row: 0 where the calibrator is affine."""
        if self.curve is None:
            return np.zeros(len(frame))
        return self._of(frame)["residue"]

    def log_odds(self, frame: pd.DataFrame) -> Floats:
        """The calibrated log-odds: base + season + fit + signal + residue."""
        return self._of(frame)["total"]

    def beyond(self, frame: pd.DataFrame) -> npt.NDArray[np.bool_]:
        """Whether each row's log-odds lie above the highest of the training cohort, as calibrated then and without the
        season: the model has given nothing as high."""
        highest = self.percentiles["account"].at[-1:] or (np.inf,)
        return np.asarray(np.round(self._of(frame)["account_then"], 9) > highest[0], dtype=bool)

    def _of(self, frame: pd.DataFrame) -> dict[str, Floats]:
        """All that rows give: `base` (with the season), `fit`, `signal`, `residue` and `total` as calibrated now, and
        `account_then`, `fit_then`, `signal_then` before any recalibration and without the season (of a fit side that is
        kept, before any of the model's that it is kept from)."""
        (fit, signal), season, then = self.estimator.sides(frame), self._season(frame), self.calibrator
        fit_then, signal_then = then.slope * fit, then.slope * signal
        summed = (then.intercept + then.slope * self.estimator.base_) + fit_then + signal_then
        ranked = fit_then if self.kept_fit is None else self.kept_fit.slope * fit
        sides = {"fit_then": ranked, "signal_then": signal_then, "account_then": self._curved(summed)}
        sides |= {"fit": self._line.slope * fit, "signal": self._line.slope * signal}
        sides |= {"base": self.base + self.recalibration.slope * season}
        curved = self._curved(summed + season)
        residue = self.recalibration.slope * (curved - (summed + season))
        return sides | {"residue": residue, "total": self.recalibration(curved)}

    def _curved(self, summed: Floats) -> Floats:
        return summed if self.curve is None else self.curve(summed)

    def score(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Score rows that hold account_id, as_of and every feature by name.

        Columns: account_id, as_of, base (with the season of as_of), fit_log_odds, signal_log_odds,
        calibration_log_odds (0 where the calibrator is affine; the four sum to the calibrated log-odds), propensity (0
        to 1), account_score, fit_score, signal_score (0 to 100; of log-odds without the season).

        Raises
        ------
        ContractError : a feature is missing, renamed, doubled or retyped.
        """
        found = self._of(frame)
        return pd.DataFrame(
            {
                "account_id": frame["account_id"].to_numpy(),
                "as_of": frame["as_of"].to_numpy(),
                "base": found["base"],
                "fit_log_odds": found["fit"],
                "signal_log_odds": found["signal"],
                "calibration_log_odds": found["residue"],
                "propensity": expit(found["total"]),
                **{f"{name}_score": self.percentiles[name](found[f"{name}_then"]) for name in PERCENTILES},
            }
        )

    def contributions(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Each feature's share of the calibrated log-odds; with `base`, `season_log_odds` and `residue` they sum to it
        (law 4)."""
        parts = self._line.slope * self.estimator.contributions(frame)
        return pd.DataFrame(parts, columns=[f.name for f in self.features])

    def to_files(self) -> dict[str, bytes]:
        """The model as spec.json, calibrator.json and the estimator's own files; the same model, the same bytes."""
        spec = {
            "format": FORMAT,
            "kind": self.kind,
            "horizon_days": self.horizon_days,
            "trained_as_of": self.trained_as_of.isoformat(),
            "features": [asdict(f) for f in self.features],
            "encoder": self.estimator.encoder_.to_dict(),
            "percentiles": {name: asdict(self.percentiles[name]) for name in PERCENTILES},
        }
        if self.season != NO_SEASON:
            spec["season"] = list(self.season.offsets)
        if self.estimator.outcome_weight != 1:
            spec["outcome_weight"] = float(self.estimator.outcome_weight)
        if self.kept_fit is not None:
            spec["kept_fit"] = {name: value for name, value in asdict(self.kept_fit).items() if value != ""}
        files = {"spec.json": json_file(spec), "calibrator.json": json_file(self._calibration())}
        return files | self.estimator.to_files()

    def _calibration(self) -> dict[str, Any]:
        """The affine map of training; with `curve` and `recalibration` where there are any."""
        said: dict[str, Any] = asdict(self.calibrator)
        if self.curve is not None:
            said["curve"] = to_dict(self.curve)
        return said if self.recalibration == IDENTITY else said | {"recalibration": asdict(self.recalibration)}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes], threads: int = 1) -> PropensityModel:
        """The model that `to_files` wrote.

        Raises
        ------
        BundleError : a file is absent, or is not what `to_files` writes.
        """
        try:
            return cls._read(files, threads)
        except BundleError:
            raise
        except (KeyError, ValueError, TypeError, AttributeError, RuntimeError, UsageError) as error:
            raise BundleError("A model was to be read", found=f"its files do not hold one ({error})") from error

    @classmethod
    def _read(cls, files: Mapping[str, bytes], threads: int) -> PropensityModel:
        spec = json.loads(files["spec.json"])
        if spec["format"] != FORMAT:
            raise BundleError("A model was to be read", found=f"its format is {spec['format']!r}, not {FORMAT!r}")
        features = tuple(Feature(**line) for line in spec["features"])
        encoder = Encoder.from_dict(features, spec["encoder"])
        estimator = KINDS[spec["kind"]].estimator.from_files(files, encoder, threads, _weight(spec))
        maps = {
            str(name): PercentileMap(tuple(line["at"]), tuple(line["percent"]))
            for name, line in spec["percentiles"].items()
        }
        calibrator, curve, recalibration = _calibrators(json.loads(files["calibrator.json"]))
        return cls(
            str(spec["kind"]),
            estimator,
            calibrator,
            maps,
            int(spec["horizon_days"]),
            instant(spec["trained_as_of"]),
            threads,
            curve,
            recalibration,
            Season(tuple(float(value) for value in spec["season"])) if "season" in spec else NO_SEASON,
            KeptFit(**spec["kept_fit"]) if "kept_fit" in spec else None,
        )


def freeze(
    kind: str,
    estimator: SidesClassifier,
    calibrator: Affine,
    cohort: pd.DataFrame,
    horizon_days: int,
    trained_as_of: datetime,
    threads: int,
    curve: Curve | None = None,
    season: Season = NO_SEASON,
) -> PropensityModel:
    """Bind a fitted estimator to its calibrators and season, and freeze the percentiles of the training cohort."""
    model = PropensityModel(
        kind, estimator, calibrator, {}, horizon_days, trained_as_of, threads, curve, IDENTITY, season
    )
    found = model._of(cohort)
    return replace(model, percentiles={name: PercentileMap.learn(found[f"{name}_then"]) for name in PERCENTILES})


def _weight(spec: Mapping[str, Any]) -> float:
    """What a row with the outcome counted for in training; 1 where spec.json says nothing of it."""
    weight = float(spec.get("outcome_weight", 1.0))
    if not 0 < weight < np.inf:
        raise ValueError(f"its outcome_weight is {weight}")
    return weight


def _calibrators(said: Mapping[str, Any]) -> tuple[Affine, Curve | None, Affine]:
    """The affine map, the curve and the recalibration that calibrator.json holds."""
    line, since = ({"kind": "affine", **part} for part in (_only(said), said.get("recalibration", asdict(IDENTITY))))
    calibrator, recalibration = from_dict(line), from_dict(since)
    curve = None if "curve" not in said else from_dict(said["curve"])
    if not (isinstance(calibrator, Affine) and isinstance(recalibration, Affine)) or isinstance(curve, Affine):
        raise ValueError("its curve is an affine map, or its maps are none")
    return calibrator, curve, recalibration


def _only(said: Mapping[str, Any]) -> dict[str, Any]:
    unknown = sorted(set(said) - {"intercept", "slope", "curve", "recalibration"})
    if unknown:
        raise ValueError(f"calibrator.json says {', '.join(unknown)}")
    return {"intercept": said["intercept"], "slope": said["slope"]}
