"""The published tables of a run, put together from what the rooms before gave."""

from __future__ import annotations

import pandas as pd

KEY = ["account_id"]


def scores_table(scored: pd.DataFrame, status: pd.Series) -> pd.DataFrame:
    """What the model says of each account; its propensity and scores are null for an account out of the cohort."""
    said = [c for c in scored.columns if c not in ("account_id", "as_of")]
    return scored.assign(**{name: scored[name].where(status.to_numpy() == "eligible") for name in said})


def reasons_table(said: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """The reasons of the accounts that have scores."""
    cohort = scores.loc[scores["account_score"].notna(), "account_id"]
    return said[said["account_id"].isin(set(cohort))].reset_index(drop=True)


def tiers_table(
    decisions: pd.DataFrame,
    scores: pd.DataFrame,
    values: pd.DataFrame,
    roles: pd.DataFrame,
    top: pd.DataFrame,
    run_id: str,
) -> pd.DataFrame:
    """A row an account: its decision, scores and expected value, the roles reached, its first five reasons, and what
    made them.

    values: account_id and the expected value with its interval. roles: account_id, roles_reached. top: what
    `explain.top_reasons` gives. `as_of` is the scores': an account's own instant, where the plan asks for those.
    """
    table = decisions.drop(columns="as_of").merge(scores, on=KEY, validate="1:1")
    table = table.merge(values, on=KEY, validate="1:1").merge(roles, on=KEY, validate="1:1")
    table = table.merge(top.drop(columns="as_of"), on=KEY, how="left", validate="1:1")
    for k in range(1, 6):
        table[f"reason_{k}"] = table[f"reason_{k}"].fillna("")
    return table.assign(run_id=run_id)


def sheet_table(tiers: pd.DataFrame, names: pd.DataFrame) -> pd.DataFrame:
    """What a person opens in a spreadsheet: the name first, then tier, why and reasons; names: account_id, name."""
    table = names.merge(tiers, on=KEY, how="right", validate="1:1")
    first = [
        "account_id",
        "name",
        "owner_id",
        "tier",
        "previous_tier",
        "movement",
        "why",
        "propensity",
        "expected_value",
    ]
    scores = ["account_score", "fit_score", "signal_score"]
    last = ["guardrails", *(f"reason_{k}" for k in range(1, 6)), "as_of", "model_version", "policy_version", "run_id"]
    return table[first + scores + last]
