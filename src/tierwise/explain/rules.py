"""Reasons where tiers go by rules: the rubric's points and the newest activity, in words; there are no log-odds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tierwise.explain.reasons import COLUMNS
from tierwise.features.matrix import VALUE_AS_OF
from tierwise.learning.rubric import ReadLine, Rubric, line_points

SUM = "rubric"
ACTIVITY = "days_since_signal"
FAMILIES = {"fit": "rubric", "signal": "newest activity"}


def rule_reasons(frame: pd.DataFrame, rubric: Rubric) -> pd.DataFrame:
    """What speaks for or against each row, in the columns of `tell`: log_odds null, by account and as_of.

    First the sum of the rubric's points (feature `rubric`), then the newest activity (`days_since_signal`), then each
    line that gives points, the most telling first (`rubric_01` is the first line of icp.yaml); without a line that can
    be read, the activity alone.
    """
    given = line_points(rubric, frame)
    parts = [_activity(frame)]
    if rubric.lines:
        parts.append(_sum(frame, given.sum(axis=1), rubric.most))
    parts += [_line(frame, read, given[:, n]) for n, read in enumerate(rubric.lines)]
    said = pd.concat(parts, ignore_index=True)
    said["value_as_of"] = said["value_as_of"].astype("datetime64[us]")
    by = ["account_id", "as_of", "_rank", "feature"]
    said = said.sort_values(by, kind="stable", ignore_index=True)[list(COLUMNS)]
    return said.assign(told=said["words"])


def top_rules(said: pd.DataFrame, n: int = 5) -> pd.DataFrame:
    """The words of each row's n first lines: account_id, as_of, reason_1 .. reason_n (empty where there are fewer).

    said: what `rule_reasons` gives, in its order.
    """
    keys = ["account_id", "as_of"]
    rank = said.groupby(keys, sort=False).cumcount()
    wide = said[keys].drop_duplicates().reset_index(drop=True)
    for k in range(n):
        name = f"reason_{k + 1}"
        best = said.loc[rank == k, [*keys, "words"]].rename(columns={"words": name})
        wide = wide.merge(best, on=keys, how="left")
        wide[name] = wide[name].astype(object).where(wide[name].notna(), "")
    return wide


def _reasons(
    rows: pd.DataFrame,
    side: str,
    feature: str,
    values: Sequence[str | None],
    words: Sequence[str],
    rank: float,
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "account_id": rows["account_id"].to_numpy(),
            "as_of": rows["as_of"].to_numpy(),
            "side": side,
            "family": FAMILIES[side],
            "feature": feature,
            "value": pd.Series(values, dtype=object),
            "value_as_of": rows["as_of"].to_numpy() if side == "signal" else np.datetime64("NaT", "us"),
            "log_odds": np.nan,
            "words": pd.Series(words, dtype=object),
            "proven": "part",
            "_rank": rank,
        }
    )


def _sum(frame: pd.DataFrame, given: np.ndarray, most: int) -> pd.DataFrame:
    words = [f"{value:.0f} of at most {most} points by the rubric" for value in given]
    return _reasons(frame, "fit", SUM, [f"{value:.0f}" for value in given], words, -np.inf)


def _activity(frame: pd.DataFrame) -> pd.DataFrame:
    days = frame[ACTIVITY].to_numpy(dtype=np.float64, na_value=np.nan)
    words = ["no buyer activity so far" if d != d else f"newest buyer activity {_ago(d)}" for d in days]
    values = [None if d != d else repr(float(d)) for d in days]
    return _reasons(frame, "signal", ACTIVITY, values, words, -1e9)


def _ago(days: float) -> str:
    whole = int(days)
    return "less than a day before" if whole < 1 else "1 day before" if whole == 1 else f"{whole:,} days before"


def _line(frame: pd.DataFrame, read: ReadLine, given: np.ndarray) -> pd.DataFrame:
    here = np.flatnonzero(given)
    rows = frame.iloc[here]
    values = [_value(read, row) for row in rows[list(read.columns)].itertuples(index=False)]
    words = [f"{_points(read.line.points)}: {read.line.words}"] * len(here)
    said = _reasons(rows, "fit", f"rubric_{read.place:02d}", values, words, -abs(float(read.line.points)))
    since = f"{VALUE_AS_OF}{read.columns[0]}"
    return said.assign(value_as_of=rows[since].to_numpy()) if since in rows.columns else said


def _points(points: int) -> str:
    return f"{points:+d} point" + ("" if abs(points) == 1 else "s")


def _value(read: ReadLine, cells: tuple[object, ...]) -> str:
    """What the row holds of what the line asks for."""
    if read.held == "flags":
        return "; ".join(v for v, cell in zip(read.line.equals, cells, strict=True) if cell == 1)
    (cell,) = cells
    if read.held == "set":
        return "; ".join(v for v in read.line.equals if v in cell)  # type: ignore[operator]
    if read.held == "number":
        return f"{float(cell):g}" if abs(float(cell)) < 1e5 else f"{float(cell):.0f}"  # type: ignore[arg-type]
    return str(cell)
