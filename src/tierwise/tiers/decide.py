"""The tiers of one as_of, decided in the order of the design, each step named in the result."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd

from tierwise.clock import instant, naive
from tierwise.config.policy import Policy
from tierwise.tiers.inputs import STATE_COLUMNS, read_accounts, read_state
from tierwise.tiers.result import Run, result
from tierwise.tiers.steps import pass_gates, stand


def decide(
    accounts: pd.DataFrame,
    state: pd.DataFrame,
    policy: Policy,
    as_of: datetime,
    *,
    model_version: str = "",
    hold_demotions: str = "",
    fit_unknown: bool = False,
) -> pd.DataFrame:
    """The tier of every account, with the step that decided, the guardrails, the movement and its cause.

    Decided in this order; `decided_by` names the last step that made the tier what it is:

    1. suppression (`excluded`, `negative_trigger`), out-of-cohort accounts included: a suppression is never hidden by a
       status;
    2. cohort status (`status`): the tier is the status;
    3. minimum fit (`low_fit`): recycle, whatever the signals; guardrail `minimum_fit` where, with fit considered high,
       a row that asks for a signal or for a role reached, or a surge, would have named a tier;
    4. staleness (`stale`): `after_days < days_since_signal <= within_days`;
    5. the first tier row whose bands are all reached, or `no_match`: recycle;
    6. `surge`: one tier up while it is in force;
    7. time-in-tier (`stay_margin`, `minimum_stay`): a floor under the tier held without a surge, so a lift goes on top
       of what is kept, and its end acts at once;
    8. `capacity`.

    Where demotions are held, because inputs are late or short and quiet data must not look like quiet buyers, only
    suppression and cohort status lower an account; whatever else would have is named by `inputs_late`, and the account
    keeps its tier, the tier held and since when, so that the next run with whole inputs demotes by the rules above.

    Where fit is not known (tiers by rules without a rubric), nothing is guessed upward: an account without a fit_score
    stands as one of moderate fit (of low fit, where the policy asks for no more) and below tier_1; where a high fit
    would have named a higher tier, the guardrail `fit_unknown` says so, and decides where it lowered a tier_1.

    Law 6 holds for fit_score, signal_score and coverage, each raised alone, the policy facts (and propensity) equal, or
    propensity raised with them. Fewer `days_since_signal` never lower a tier, but for the step into staleness.

    Parameters
    ----------
    accounts : a row an account: ACCOUNT_COLUMNS, and owner_id where known. Scores may be missing for suppressed and
        out-of-cohort accounts only, and fit_score also where not known.
    state : the newest state of each account before as_of (STATE_COLUMNS); empty where there is none.
    model_version : what scored the accounts; a change since the state is a cause of movements.
    hold_demotions : why demotions are held ("crm is late"), in the words of `why`; empty: they are not. fit_unknown :
        whether eligible accounts may lack a fit_score.

    Returns
    -------
    A row an account, in account_id order: account_id, as_of, tier, previous_tier (`""` without state), tier_since,
    fit_band, signal_band, coverage (`""` where missing), decided_by, guardrails (`;`-joined), movement, cause,
    surge_until, surge_ended, row, why, owner_id, surge_began, held, held_since, standing, model_version,
    policy_version, decided_fit and decided_signal (the scores decided on).
    """
    now = np.datetime64(naive(instant(as_of)), "us")
    moderate = 0.0 if policy.minimum_fit == "low" else policy.bands.fit.moderate
    facts = read_accounts(accounts, moderate if fit_unknown else None)
    prior = read_state(state, facts.account_id, now)
    gates = pass_gates(facts, policy)
    standing = stand(facts, prior, gates, policy, now, bool(hold_demotions))
    return result(Run(facts, prior, gates, standing, policy, now, model_version, hold_demotions))


def next_state(decisions: pd.DataFrame) -> pd.DataFrame:
    """What the store keeps of a run's decisions, and `decide` reads the next time: STATE_COLUMNS."""
    scores = {"decided_fit": "fit_score", "decided_signal": "signal_score"}
    return decisions.rename(columns=scores)[list(STATE_COLUMNS)].reset_index(drop=True)


def movements(decisions: pd.DataFrame) -> pd.DataFrame:
    """The rows of a run's decisions with a movement: its cause, its step, its guardrails and its sentence."""
    wanted = ["account_id", "as_of", "previous_tier", "tier", "movement", "cause", "decided_by", "guardrails", "why"]
    return decisions.loc[decisions["movement"] != "", wanted].reset_index(drop=True)
