"""One account's steps from the base to its total, in log-odds."""

from __future__ import annotations

import pandas as pd

from tierwise.errors import UsageError

OTHER = "other"


def waterfall(said: pd.DataFrame, scores: pd.DataFrame, account_id: str, n: int = 10) -> pd.DataFrame:
    """Ordered steps of one account's newest score: base, the n largest reasons, the others in one, total.

    said: what `reasons` gives. scores: what the model's `score` gives.
    Columns: step (`base`, a feature's name, `other`, `total`), side (empty for base, other and total), words,
    log_odds, starts, ends; each step starts where the last one ended, and total runs from 0 to the log-odds.

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
    own = said[(said["account_id"] == account_id) & (said["as_of"] == score["as_of"])]
    parts = ("base", "fit_log_odds", "signal_log_odds", "calibration_log_odds")
    total = float(sum(score.get(name, 0.0) for name in parts))
    lines: list[tuple[str, str, str, float]] = [("base", "", "an average account", float(score["base"]))]
    biggest = own.head(n)[["feature", "side", "words", "log_odds"]]
    lines += [(str(f), str(s), str(w), float(v)) for f, s, w, v in biggest.itertuples(index=False)]
    rest = own.iloc[n:]
    if len(rest):
        lines.append((OTHER, "", f"{len(rest)} smaller reasons", float(rest["log_odds"].sum())))
    steps = pd.DataFrame(lines, columns=["step", "side", "words", "log_odds"])
    steps["ends"] = steps["log_odds"].cumsum()
    steps["starts"] = steps["ends"].shift(fill_value=0.0)
    end = pd.DataFrame([("total", "", "log-odds", total, total, 0.0)], columns=[*steps.columns])
    return pd.concat([steps, end], ignore_index=True)[["step", "side", "words", "log_odds", "starts", "ends"]]
