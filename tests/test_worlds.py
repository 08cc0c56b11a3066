"""Known truth, traps off and traps on, on 90 days that the system never saw.

It keeps up with one free LightGBM, is as good as training reported, and has learned the effects that were planted.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from worlds import Judged, judge

SEEDS = range(20)


def mean_interval(values: list[float]) -> tuple[float, float, float]:
    """The mean with its 95 % interval (Student's t)."""
    x = np.asarray(values)
    half = stats.t.ppf(0.975, len(x) - 1) * x.std(ddof=1) / np.sqrt(len(x))
    return float(x.mean()), float(x.mean() - half), float(x.mean() + half)


def summary(found: list[Judged]) -> dict[str, tuple[float, float, float]]:
    """Each figure's mean over the worlds, with its interval."""
    return {
        "AUC": mean_interval([j.auc for j in found]),
        "AUC of one free LightGBM": mean_interval([j.auc_free for j in found]),
        "AUC, difference": mean_interval([j.auc - j.auc_free for j in found]),
        "average precision": mean_interval([j.average_precision for j in found]),
        "average precision of one free LightGBM": mean_interval([j.average_precision_free for j in found]),
        "average precision, ratio": mean_interval([j.average_precision / j.average_precision_free for j in found]),
        "log-loss": mean_interval([j.log_loss for j in found]),
        "log-loss of one free LightGBM": mean_interval([j.log_loss_free for j in found]),
        "AUC of the latent probability": mean_interval([j.auc_latent for j in found]),
        "AUC that training reported": mean_interval([j.auc_reported for j in found]),
        "AUC reported, less that on the future": mean_interval([j.auc_reported - j.auc for j in found]),
        "fit side and planted utility, rank corr.": mean_interval([j.fit_accounts for j in found]),
        "AUC of the signal side, who is in a cycle": mean_interval([j.auc_cycle for j in found]),
    } | {
        f"{side} effects, rank corr.": mean_interval([rank_correlation(j.effects, side) for j in found])
        for side in ("fit", "signal")
    }  # fmt: skip


def rank_correlation(effects: pd.DataFrame, side: str) -> float:
    """Of the learned with the planted effects of a side (C. Spearman, 1904)."""
    own = effects[effects["side"] == side]
    return float(stats.spearmanr(own["planted"], own["learned"]).statistic)


def mean_effects(found: list[Judged]) -> pd.DataFrame:
    """Planted and learned effects, on average over the worlds."""
    every = pd.concat([j.effects for j in found])
    return every.groupby(["side", "effect"], sort=False)[["planted", "learned"]].mean().reset_index()


@pytest.mark.long
@pytest.mark.parametrize("traps", [False, True], ids=["traps off", "traps on"])
def test_the_system_keeps_up_with_one_free_booster_and_finds_what_was_planted(
    traps: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        found = list(pool.map(partial(judge, traps=traps), SEEDS))
    figures = summary(found)
    with capsys.disabled():
        chosen = [j.chosen for j in found]
        print(
            f"\n{len(found)} worlds, traps {'on' if traps else 'off'}, {sum(j.rows for j in found):,} unseen rows;",
            end=" ",
        )
        print(", ".join(f"{name} chosen {chosen.count(name)} times" for name in sorted(set(chosen))))
        for name, (mean, low, high) in figures.items():
            print(f"  {name:41} {mean:7.4f} [{low:.4f}, {high:.4f}]")
        means = mean_effects(found)
        for side in ("fit", "signal"):
            print(f"  {side} effects, rank correlation of their means {rank_correlation(means, side):.4f}")
        print(means.to_string(index=False, float_format="%.2f"))
    assert figures["AUC, difference"][0] >= -0.01
    assert figures["average precision, ratio"][0] >= 0.98
    assert abs(figures["AUC reported, less that on the future"][0]) <= 0.02
    assert figures["fit effects, rank corr."][0] >= 0.8
    assert figures["signal effects, rank corr."][0] >= 0.8
    if traps:
        assert all({"budget_range", "lifecycle_stage"} <= set(j.left_out) for j in found)
    else:
        assert not any(j.left_out for j in found)
