"""One account as `tierwise explain` prints it: where it stands, why, what changed, and what would move it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierwise.cli.show import line, percent, table
from tierwise.config import STATUSES
from tierwise.explain import further
from tierwise.explain.waterfall import OTHER

if TYPE_CHECKING:
    import pandas as pd

    from tierwise.explain import WhatIf
    from tierwise.jobs import Explained
    from tierwise.jobs.changed import Changed

CAUSES = {
    "revised": "facts mended since they were scored",
    "model": "another model, on the same facts",
    "ageing": "time alone: had nothing happened since",
    "moves": "what happened since",
}
SUPPRESSED = {"excluded": "an exclusion", "negative_trigger": "a negative trigger"}
SHOWN = 5
"""So many families of a cause are shown."""
SLIGHT = 0.005
"""Log-odds that are not worth a line."""


def explained(result: Explained) -> None:
    """An account's tier and why, its steps from base to total, what changed, and what would move it."""
    row = result.row
    stands = f"has the status {_words(row['tier'])}" if row["tier"] in STATUSES else f"is in {row['tier']}"
    stands = "is suppressed" if row["tier"] == "suppress" else stands
    line(f"{row['account_id']} {stands} since {row['tier_since']:%Y-%m-%d}. {row['why']}")
    if row["guardrails"]:
        print(f"Guardrails: {row['guardrails'].replace(';', ', ')}")
    for said in (*result.disputed, *filter(None, [result.control])):
        line(said)
    if result.steps.empty:
        print(f"It is {_outside(row)}, and has no propensity.")
    elif "log_odds" not in result.steps:
        _by_rules(row, result.steps)
    else:
        _steps(result)
    if result.before_as_of is not None:
        _since(result)
    if result.moves is not None:
        _moves(result.moves)


def _outside(row: dict[str, Any]) -> str:
    """Why an account is not scored: what suppresses it, else that it is out of the cohort."""
    if row["tier"] != "suppress":
        return "out of the cohort"
    by = " and ".join(f"by {SUPPRESSED[g]}" for g in row["guardrails"].split(";") if g in SUPPRESSED)
    return f"suppressed {by}".strip()


def _by_rules(row: dict[str, Any], steps: pd.DataFrame) -> None:
    """The points of the rubric and the newest activity, where tiers go by rules."""
    title = "By rules: no model is usable, so there is no propensity"
    table(title, ("side", "what counts"), [(s["side"], s["words"]) for s in steps.to_dict("records")])
    fit = "not known" if row["fit_score"] != row["fit_score"] else f"{int(row['fit_score'])}"
    print(f"Fit {fit}, signal {int(row['signal_score'])}: percentiles among the accounts of this run.")


def _steps(result: Explained) -> None:
    """From an average account to this one, in families."""
    records = result.steps.to_dict("records")
    rows = [(s["words"], s["side"], f"{s['log_odds']:+.3f}", f"{s['ends']:+.3f}") for s in records]
    total = f"this account: a propensity of {percent(result.row['propensity'])}"
    rows[-1] = (total, "", f"{result.steps['log_odds'].iloc[-1]:+.3f}", "")
    title = f"Will it {result.predicts}?" if result.predicts else "From an average account to this one"
    table(title, ("reason", "side", "log-odds", "sum"), rows, right=(2, 3))
    print("Log-odds: +0.69 doubles the odds.")
    if OTHER in set(result.steps["step"]):
        line("Small or unsure signs: reasons that are each small, or not told apart from chance.")


def _since(result: Explained) -> None:
    """What changed since the run asked for: where the account stood, how its tier moved, and why its score did."""
    row, before = result.row, result.before
    since = f"Since the run of {result.before_as_of:%Y-%m-%d}"
    if row["tier"] in STATUSES:
        then = "it was not in that run" if before is None else f"it stood in {_stood(before)}"
        line(f"{since}: {then}, and has the status {_words(row['tier'])} now.")
        return
    if before is None or result.change is None:
        then = "not in that run" if before is None else _words(before["tier"])
        line(f"{since}: {then} to {_stood(row)}. {_lacks(before, row)}, so there are no log-odds to compare.")
        return
    _changed(result.change, f"{since}: {_stood(before)} to {_stood(row)}")


def _lacks(before: dict[str, Any] | None, row: dict[str, Any]) -> str:
    """Which of two rows has no propensity."""
    then, now = (_propensity(r) is not None for r in (before or {}, row))
    if not then and not now:
        return "Neither has a propensity"
    return "Now it has no propensity" if then else "Then it had no propensity"


def _changed(change: Changed, title: str) -> None:
    rows: list[tuple[str, str]] = [("then", f"{change.before:+.3f}")]
    for cause, words in CAUSES.items():
        mine = change.families[change.families["cause"] == cause]
        if mine["log_odds"].abs().sum() < SLIGHT:
            continue
        rows.append((words, f"{mine['log_odds'].sum():+.3f}"))
        proven = mine["proven"].astype(bool) & (mine["log_odds"].abs() >= SLIGHT)
        told = mine[proven].head(SHOWN)
        rows += [(f"  {w}", f"{v:+.3f}") for w, v in told[["words", "log_odds"]].itertuples(index=False)]
        left = mine.drop(told.index)
        if len(left):
            keys = ["cause", "side", "family"]
            rest = float(left["log_odds"].sum())
            rows.append((f"  {further(len(change.parts.merge(left[keys], on=keys)), rest)}", f"{rest:+.3f}"))
    rows.append(("now", f"{change.after:+.3f}"))
    table(title, ("what changed", "log-odds"), rows, right=(1,))
    for m in change.tiers.to_dict("records"):
        was = _words(m["previous_tier"]) or "not scored"
        print(f"{m['as_of']:%Y-%m-%d}: {was} to {_words(m['tier'])}, by {m['cause']}.")


def _moves(moves: WhatIf) -> None:
    """What holds it whatever people do, else what would reach the next tier, or why nothing would."""
    print("\nWhat would move it")
    if moves.held or not moves.wanted:
        line(f"{_opened(moves.held)}." if moves.held else "It stands in the highest tier.")
        return
    if moves.ways:
        line(
            f"The model would have scored it {moves.wanted}, had these been seen; it is what accounts like that did, "
            "not what an act would cause:"
        )
        for way in moves.ways:
            line(f"  - {way.words}: {way.tier}, scored {percent(way.propensity)}", indent="    ")
    else:
        tried = f"None of {moves.tried:,} ways tried (up to three events that people can bring about)"
        line(f"{tried if moves.tried else 'Nothing that people can bring about'} reaches {moves.wanted}.")
    for words in moves.between:
        line(f"  In between: {words}.", indent="    ")
    if moves.nearest is not None:
        line(f"  Nearest: {moves.nearest.words}, scored {percent(moves.nearest.propensity)}.", indent="    ")
    told = (*moves.ways, *([moves.nearest] if moves.nearest else []))
    for need in dict.fromkeys(need for way in told for need in way.needs):
        line(f"  Where asked for, {need}.", indent="    ")


def _opened(words: str) -> str:
    """Words as a sentence opens: the first letter is raised, and names stay as they are."""
    return words[:1].upper() + words[1:]


def _stood(row: dict[str, Any]) -> str:
    """A tier and its propensity, where there is one."""
    propensity = _propensity(row)
    return _words(row["tier"]) if propensity is None else f"{_words(row['tier'])} at {percent(propensity)}"


def _propensity(row: dict[str, Any]) -> float | None:
    propensity = row.get("propensity")
    return None if propensity is None or propensity != propensity else float(propensity)


def _words(tier: str) -> str:
    """A tier by its name, a status as words."""
    return tier.replace("_", " ") if tier in STATUSES else tier
