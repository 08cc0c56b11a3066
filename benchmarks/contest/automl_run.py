"""FLAML on one contest's rows, run in an environment of its own: `python automl_run.py FOLDER MINUTES THREADS`."""

from __future__ import annotations

import json
import logging
import sys
import warnings
from pathlib import Path

import pandas as pd
from flaml import AutoML
from measured import Watch


def main(folder: Path, minutes: float, threads: int) -> None:
    """Search for so many minutes on the training rows by log-loss, and write the unseen rows' probabilities.

    Validation is on the newest rows where rows have an order, and by family where they have none.
    """
    said = json.loads((folder / "case.json").read_text())
    train, unseen = (pd.read_parquet(folder / f"{name}.parquet") for name in ("train", "unseen"))
    columns = {f["name"]: f["kind"] for f in said["features"]}
    for frame in (train, unseen):
        for name in (n for n, kind in columns.items() if kind == "category"):
            levels = sorted(train[name].dropna().unique())
            frame[name] = pd.Categorical(frame[name].where(frame[name].isin(levels)), levels)
    how = {"split_type": "time"}
    if said["report"] == "grouped":
        how = {"split_type": "group", "groups": train["family_id"].to_numpy()}
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    watch, automl = Watch(), AutoML()
    automl.fit(
        train[list(columns)], train["outcome"].astype(int).to_numpy(), task="classification", metric="log_loss",
        time_budget=60 * minutes, n_jobs=threads, seed=said["seed"], verbose=0, **how,
    )  # fmt: skip
    probabilities = automl.predict_proba(unseen[list(columns)])[:, 1]
    watch.write(folder / "automl.json", probabilities.tolist(), {"said": f"chose {automl.best_estimator}"})


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
