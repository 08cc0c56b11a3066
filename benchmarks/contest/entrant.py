"""One entrant in a process of its own: `python entrant.py NAME FOLDER MINUTES THREADS`."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from measured import Watch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from contest.case import Given

Answer = tuple[np.ndarray, dict[str, Any]]
"""The unseen rows' probabilities, and what is said of them."""


def logistic(given: Given, minutes: float, threads: int) -> Answer:
    """Logistic regression, C = 1: numbers at their median where missing and standardised, categories one-hot."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    texts = [f.name for f in given.features if f.kind == "category"]
    numbers = [f.name for f in given.features if f.kind != "category"]

    def plain(frame: pd.DataFrame) -> pd.DataFrame:
        return frame[numbers].astype(float).join(frame[texts].astype(object).fillna("not known"))

    scaled = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
    model = make_pipeline(
        make_column_transformer((scaled, numbers), (OneHotEncoder(handle_unknown="ignore"), texts)),
        LogisticRegression(C=1.0, max_iter=5000),
    ).fit(plain(given.train), given.train["outcome"])
    return model.predict_proba(plain(given.unseen))[:, 1], {"said": ""}


def lightgbm(given: Given, minutes: float, threads: int) -> Answer:
    """LightGBM as it comes, categories as its own categories."""
    from lightgbm import LGBMClassifier

    names = [f.name for f in given.features]
    levels = {f.name: sorted(given.train[f.name].dropna().unique()) for f in given.features if f.kind == "category"}

    def coded(frame: pd.DataFrame) -> pd.DataFrame:
        known = {n: pd.Categorical(frame[n].where(frame[n].isin(have)), have) for n, have in levels.items()}
        made = frame[names].assign(**known)
        return made.set_axis([f"f{number}" for number in range(len(names))], axis=1)

    model = LGBMClassifier(n_jobs=threads, verbosity=-1).fit(coded(given.train), given.train["outcome"])
    return model.predict_proba(coded(given.unseen))[:, 1], {"said": ""}


def tierwise(given: Given, minutes: float, threads: int) -> Answer:
    """tierwise with its default model section, tuned for so many minutes; the base rate where no model is usable."""
    from tierwise.config.plan import Learning, Plan, Tuning
    from tierwise.errors import NoUsableModel
    from tierwise.learning import NOT_USABLE
    from tierwise.learning.plain import grouped
    from tierwise.learning.rows import least_behind
    from tierwise.learning.splits import Division, forward_folds, held_out, trained_on
    from tierwise.learning.training import divide, train_rows

    learning = Learning(tuning=Tuning(trials=10_000, minutes=minutes), seed=given.seed)
    plan = Plan(plan="contest", model=learning)
    rows = given.rows(given.train)
    constant = np.full(len(given.unseen), rows.y.mean())
    try:
        if given.report == "unseen":
            both = given.rows(pd.concat([given.train, given.unseen], ignore_index=True))
            test = np.arange(len(both.y)) >= len(rows.y)
            splits = forward_folds(rows.as_of, rows.y, rows.horizon_days, learning.folds, least_behind(plan))
            masks = [(trained_on(s, rows.as_of, rows.horizon_days), held_out(s, rows.as_of)) for s in splits]
            division, learned = Division(~test, test, masks), both
        else:
            division, learned = (grouped(rows) if given.report == "grouped" else divide(rows, plan)), rows
        trained = train_rows(learned, division, learning, threads=threads)
    except NoUsableModel as error:
        return constant, {"said": f"no usable model: {error.found or error.asked}", "usable": False}
    found = trained.evaluation
    said = {"said": f"chose {found.chosen} of {len(found.trials)} trials", "usable": found.verdict != NOT_USABLE}
    said["evidence"] = {
        "verdict": found.verdict, "why": found.why, "chosen_because": found.chosen_because,
        "candidates": found.to_dict()["candidates"], "yardstick": found.to_dict()["yardstick"],
        "folds": found.to_dict()["folds"],
    }  # fmt: skip
    if given.report == "unseen":
        return trained.unseen["propensity"].to_numpy(), said
    if not said["usable"]:
        return constant, said | {"said": f"no usable model: {found.why}"}
    return trained.model.score(given.unseen)["propensity"].to_numpy(), said


ENTRANTS = {"logistic": logistic, "lightgbm": lightgbm, "tierwise": tierwise}


def main(name: str, folder: Path, minutes: float, threads: int) -> None:
    """Fit, predict, and write NAME.json beside the rows."""
    given = Given.read(folder)
    warnings.simplefilter("ignore")
    watch = Watch()
    probabilities, said = ENTRANTS[name](given, minutes, threads)
    watch.write(folder / f"{name}.json", probabilities.tolist(), said)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))
