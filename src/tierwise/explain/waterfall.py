"""One account's steps from the base to its total, in log-odds."""

from __future__ import annotations

import pandas as pd

from tierwise.errors import UsageError
from tierwise.explain.reasons import CALIBRATION

OTHER = "other"
MOST_BARS = 10
"""Families, or features, that have a bar of their own."""


def waterfall(
    said: pd.DataFrame, scores: pd.DataFrame, account_id: str, n: int = MOST_BARS, *, folded: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Ordered steps of one account's newest score: base, the n largest reasons, the others in one, calibration, total.

    said: what `reasons` gives. scores: what the model's `score` gives. folded: the families to show instead of single
    features (account_id, as_of, family, side, words, log_odds, parts); all that they do not hold is in `other`.
    Columns: step (`base`, a feature's or family's name, `other`, `calibration` where a curve adds to the sum, `total`),
    side (empty for base, other and total), words, log_odds, starts, ends; each step starts where the last one ended,
    and total runs from 0 to the log-odds.

    Raises
    ------
    UsageError : the account has no score.
    """
    mine = scores[scores["account_id"] == account_id]
    if not len(mine):
        raise UsageError(
            f"The reasons of account '{account_id}' were asked for",
            found=f"it is not among the {scores['account_id'].nunique()} accounts scored",
            do="Look the id up in accounts.csv; ids are compared letter by letter",
        )
    score = mine.sort_values("as_of").iloc[-1]
    every = _of(said, score)
    curved = every["side"] == CALIBRATION
    own = every[~curved]
    parts = ("base", "fit_log_odds", "signal_log_odds", "calibration_log_odds")
    total = float(sum(score.get(name, 0.0) for name in parts))
    lines: list[tuple[str, str, str, float]] = [("base", "", "an average account", float(score["base"]))]
    name = "feature" if folded is None else "family"
    biggest = (own.assign(parts=1) if folded is None else _of(folded, score)).head(n)
    lines += _bars(biggest, name)
    left = len(own) - int(biggest["parts"].sum())
    if left:
        rest = float(own["log_odds"].sum() - biggest["log_odds"].sum())
        lines.append((OTHER, "", further(left, rest), rest))
    lines += _bars(every[curved], "feature")
    steps = pd.DataFrame(lines, columns=["step", "side", "words", "log_odds"])
    steps["ends"] = steps["log_odds"].cumsum()
    steps["starts"] = steps["ends"].shift(fill_value=0.0)
    end = pd.DataFrame([("total", "", "log-odds", total, total, 0.0)], columns=[*steps.columns])
    return pd.concat([steps, end], ignore_index=True)[["step", "side", "words", "log_odds", "starts", "ends"]]


def further(n: int, log_odds: float) -> str:
    """What remains once the reasons that are told are taken away: how many there are, and which way they go together.

    >>> further(1, 0.02)
    '1 small or unsure sign, raises'
    >>> further(1200, -0.4)
    '1,200 small or unsure signs, lowers'
    """
    many = "what no reason names" if n == 0 else "1 small or unsure sign" if n == 1 else f"{n:,} small or unsure signs"
    return f"{many}, {'raises' if log_odds > 0 else 'lowers' if log_odds < 0 else 'which cancel out'}"


def _bars(lines: pd.DataFrame, name: str) -> list[tuple[str, str, str, float]]:
    bars = lines[[name, "side", "words", "log_odds"]]
    return [(str(f), str(s), str(w), float(v)) for f, s, w, v in bars.itertuples(index=False)]


def _of(lines: pd.DataFrame, score: pd.Series) -> pd.DataFrame:
    return lines[(lines["account_id"] == score["account_id"]) & (lines["as_of"] == score["as_of"])]
