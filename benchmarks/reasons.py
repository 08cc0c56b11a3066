"""What exact reasons cost: 100,000 accounts x 80 features, beside LightGBM's `pred_contrib` and shap on the same model.

    python benchmarks/reasons.py [ROWS] [FEATURES] [TREES] [LEAVES]

Each model is answered on 1 thread and on 2: ours on all rows, of which there must be 20,000; the peers, where they
would take too long, on the first rows of the same (the lines say how many). Seconds are wall-clock, the least of 2 to
15 runs (as many as start within 5 s); a ratio is the peer's time a row to ours on as many threads. Seeds are fixed.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import shap

from tierwise.features import Feature
from tierwise.learning import Scorecard
from tierwise.learning.tree_tables import TreeTables

THREADS = (1, 2)
MOST_RUNS, SECONDS = 15, 5.0
PEER_ROWS, SHAP_ROWS = 5_000, 500
COMMON = {"objective": "binary", "max_bin": 127, "lambda_l2": 10.0, "feature_fraction": 0.7, "min_data_in_leaf": 300}
FIXED = {"deterministic": True, "force_row_wise": True, "num_threads": 2, "seed": 7, "verbosity": -1}


def world(rows: int, features: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers, half of them skewed, one in twenty missing, and an outcome of lines, curves and some products."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, features))
    x[:, features // 2 :] = np.exp(x[:, features // 2 :]).round(1)
    x[rng.random(x.shape) < 0.05] = np.nan
    known = np.tanh(np.nan_to_num(x))
    log_odds = known @ rng.normal(0, 0.3, features) + 0.5 * known[:, 0] * known[:, 1] - 1.5
    return x, (rng.random(rows) < 1 / (1 + np.exp(-log_odds))).astype(float)


def timed(what: Callable[[], Any], rows: int) -> tuple[float, Any]:
    """Milliseconds a row, the least of the runs, and what was found."""
    spent: list[float] = []
    while len(spent) < 2 or (len(spent) < MOST_RUNS and sum(spent) < SECONDS):
        start = time.perf_counter()
        found = what()
        spent.append(time.perf_counter() - start)
    return 1000 * min(spent) / rows, found


def line(what: str, threads: int, cost: float, ours: float, far: float, rows: int) -> None:
    """One line of the table."""
    ratio, apart = f"{cost / ours:8.1f}", "        " if np.isnan(far) else f"{far:8.0e}"
    print(f"  {what:<34} {threads:>7} {1000 * cost:>12.2f} {ratio} {apart}   {rows:>9,}")


def compare(title: str, booster: lightgbm.Booster, x: np.ndarray, peers: int) -> dict[int, float]:
    """Print our tables beside `pred_contrib`, on the first rows; milliseconds a row of the latter, by threads."""
    start = time.perf_counter()
    tables = TreeTables.from_booster(booster)
    built = time.perf_counter() - start
    print(f"{title}\n  tables: built in {built:.2f} s, {tables.nbytes / 1e6:.1f} MB")
    costs = {}
    for threads in THREADS:
        ours, found = timed(partial(tables.contributions, x, threads), len(x))
        asked = partial(booster.predict, x[:peers], pred_contrib=True, num_threads=threads)
        cost, told = timed(asked, peers)
        line("tierwise", threads, ours, ours, np.nan, len(x))
        line("LightGBM pred_contrib", threads, cost, ours, np.abs(told[:, :-1] - found[:peers]).max(), peers)
        costs[threads] = cost
    return costs


def compare_shap(booster: lightgbm.Booster, x: np.ndarray) -> None:
    """Print our tables beside shap's own TreeSHAP, which it uses where it is not told that this is LightGBM."""
    explainer = shap.TreeExplainer(booster, feature_perturbation="tree_path_dependent")
    explainer.model.model_type = "internal"
    ours, found = timed(partial(TreeTables.from_booster(booster).contributions, x), len(x))
    cost, told = timed(partial(explainer.shap_values, x[:SHAP_ROWS], check_additivity=False), SHAP_ROWS)
    line("shap TreeExplainer", 1, cost, ours, np.abs(told - found[:SHAP_ROWS]).max(), SHAP_ROWS)


def train(
    x: np.ndarray, y: np.ndarray, groups: Sequence[Sequence[int]], rounds: int, **params: Any
) -> lightgbm.Booster:
    """A booster whose trees read one group of features each."""
    asked = {**COMMON, **FIXED, **params, "interaction_constraints": [list(group) for group in groups]}
    return lightgbm.train(asked, lightgbm.Dataset(x, y), rounds)


def linear(x: np.ndarray, y: np.ndarray, peer: dict[int, float]) -> None:
    """Print what the linear model's reasons cost beside `pred_contrib` of the large booster, on the same rows."""
    width = x.shape[1]
    features = tuple(
        Feature(f"f{j}", "fit" if j < width // 2 else "signal", "number", "", f"f{j}: {{value}}") for j in range(width)
    )
    frame = pd.DataFrame(x, columns=[feature.name for feature in features])
    model = Scorecard(features).fit(frame.head(20_000), y[:20_000])
    ours, _ = timed(lambda: model.contributions(frame), len(x))
    print("(c) linear, beside pred_contrib of (a)")
    line("tierwise", 1, ours, ours, np.nan, len(x))
    line("LightGBM pred_contrib of (a)", 1, peer[1], ours, np.nan, PEER_ROWS)


def main(rows: int = 100_000, features: int = 80, trees: int = 300, leaves: int = 31) -> None:
    """Run and print."""
    x, y = world(rows, features)
    sides = [range(features // 2), range(features // 2, features)]
    singles = [[j] for j in range(features)]
    print(f"{rows:,} rows x {features} features")
    print(f"  {'':<34} {'threads':>7} {'us a row':>12} {'ratio':>8} {'apart':>8}   {'timed rows':>9}")
    large = train(x, y, sides, trees, num_leaves=leaves, learning_rate=0.05)
    peer = compare(f"(a) two sides, {trees} trees x {leaves} leaves", large, x, PEER_ROWS)
    compare_shap(large, x)
    usual = train(x, y, sides, 100, num_leaves=15, learning_rate=0.05)
    compare("(a) two sides, 100 trees x 15 leaves", usual, x, 4 * PEER_ROWS)
    additive = train(x, y, singles, 200, num_leaves=4, learning_rate=0.1)
    compare("(b) one feature a tree, 200 trees x 4 leaves", additive, x, rows)
    linear(x, y, peer)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
