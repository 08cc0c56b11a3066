"""The tiers of one as_of, decided in the order of the design, each step named in the result.

Decided in this order; the last step that made the tier what it is is `decided_by`:

1. suppression (`excluded`, `negative_trigger`), out-of-cohort accounts included: a suppression is never hidden by a
   status;
2. cohort status (`status`): the tier is the status;
3. minimum fit (`low_fit`): recycle, whatever the signals; guardrail `minimum_fit` where signals, a surge or a person
   would have named a tier;
4. staleness (`stale`): `after_days < days_since_signal <= within_days`;
5. the first tier row whose bands are all reached, or `no_match`: recycle;
6. `surge`: one tier up while it is in force;
7. time-in-tier (`stay_margin`, `minimum_stay`, and `calendar`, on days when demotions wait): a floor under the tier
   held without a surge, so a lift goes on top of what is kept, and its end acts at once; and a ceiling over it,
   where it was promoted or demoted too lately (`promotion_window`);
8. a person's `override`, which takes the place of 4 to 7 while it is in force, and lifts no misfit, no
   suppression, and none of unknown fit into tier_1;
9. capacity: the owner's (`owner_full`), then the tier's (`capacity`).

The cuts are those of an account's segment, lowered by what its strategic vertical says.

Where demotions are held, as inputs are late or short, only suppression and cohort status lower an account (and a
person's override); what else would have is named by `inputs_late`. Where fit is not known (tiers by rules without a
rubric), an account stands as one of moderate fit, or low where the policy asks for no more, and below tier_1.

Law 6 holds for fit_score, signal_score and coverage, each raised alone, the policy facts (and propensity) equal, or
propensity raised with them. Fewer `days_since_signal` never lower a tier, but for the step into staleness.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType

import numpy as np
import pandas as pd

from tierwise.clock import instant, naive
from tierwise.config.policy import Policy
from tierwise.tiers.acts import read_overrides, read_owners
from tierwise.tiers.bands import Flags, Ints
from tierwise.tiers.inputs import STATE_COLUMNS, Facts, Prior, read_accounts, read_state
from tierwise.tiers.result import Decided, result
from tierwise.tiers.steps import Gates, Run, Standing, pass_gates, stand

NO_POLICIES: Mapping[str, Policy] = MappingProxyType({})


def decide(
    accounts: pd.DataFrame,
    state: pd.DataFrame,
    policy: Policy,
    as_of: datetime,
    *,
    model_version: str = "",
    hold_demotions: str = "",
    fit_unknown: bool = False,
    overrides: pd.DataFrame | None = None,
    owners: pd.DataFrame | None = None,
    earlier: Mapping[str, Policy] = NO_POLICIES,
    words: bool = True,
) -> pd.DataFrame:
    """The tier of every account, with the step that decided, the guardrails, the movement and its cause.

    The steps and their order are told at the top of this module; `decided_by` names the last that made the tier.

    Parameters
    ----------
    accounts : a row an account: ACCOUNT_COLUMNS, and owner_id where known. Scores may be missing for suppressed and
        out-of-cohort accounts only, and fit_score also where not known.
    state : the newest state of each account before as_of (STATE_COLUMNS); empty where there is none.
    model_version : what scored the accounts; a change since the state is a cause of movements.
    hold_demotions : why demotions are held ("crm is late"), in the words of `why`; empty: they are not. fit_unknown :
        whether eligible accounts may lack a fit_score.
    overrides : OVERRIDE_COLUMNS of `tiers.acts`; those made before as_of that have not expired by it are in force.
    owners : OWNER_COLUMNS of `tiers.acts` (and active_from, active_to), where the policy reads owners' capacity.
    earlier : policies by which the states were decided, by version, as far as they are known. A changed policy is the
        cause of a movement only where the one before names another tier; of one that is not known it is taken to.
    words : whether `why` is said; without it a run is several times faster.

    Returns
    -------
    A row an account, in account_id order: account_id, as_of, tier, previous_tier (`""` without state), tier_since,
    fit_band, signal_band, coverage (`""` where missing), decided_by, guardrails (`;`-joined), movement, cause,
    surge_until, surge_ended, row, why, owner_id, surge_began, held, held_since, standing, model_version,
    policy_version, decided_fit and decided_signal (the scores decided on), moved_at, override_until, segment,
    vertical, next_tier, and what its nearest row asks for more: lacks_fit, lacks_signal and lacks_score
    (points), lacks_coverage.
    """
    now = np.datetime64(naive(instant(as_of)), "us")
    facts = _facts(accounts, policy, fit_unknown)
    prior = read_state(state, facts.account_id, now)
    acts = read_overrides(overrides, facts.account_id, now)

    def standing(rules: Policy, seen: Facts) -> tuple[Gates, Standing, Run]:
        run = Run(rules, now, acts, read_owners(owners, facts.owner_id, now, rules), hold_demotions)
        gates = pass_gates(seen, rules)
        return gates, stand(seen, prior, gates, run), run

    gates, found, run = standing(policy, facts)

    def then(before: Policy) -> Ints:
        return standing(before, _facts(accounts, before, fit_unknown))[1].final

    by_policy = _by_policy(facts, prior, found.final, policy, earlier, then)
    return result(Decided(facts, prior, gates, found, run, model_version, by_policy), words)


def _by_policy(
    facts: Facts,
    prior: Prior,
    final: Ints,
    policy: Policy,
    earlier: Mapping[str, Policy],
    then: Callable[[Policy], Ints],
) -> Flags:
    """Whether the policy changed since the state, and is not known to leave the level as it is. then: the levels by
    another policy."""
    changed: Flags = np.asarray((prior.policy_version != "") & (prior.policy_version != policy.version()), dtype=bool)
    # accounts are read with the triggers in force: of whom those free, the policy before cannot be asked
    freed = (prior.row == "negative_trigger") & ~facts.suppressed
    for version, before in earlier.items():
        mine = changed & (prior.policy_version == version)
        if mine.any():
            fewer = not set(before.negative_triggers) <= set(policy.negative_triggers)
            changed &= ~mine | np.where(freed, fewer, then(before) != final)
    return changed


def _facts(accounts: pd.DataFrame, policy: Policy, fit_unknown: bool) -> Facts:
    moderate = 0.0 if policy.minimum_fit == "low" else policy.bands.fit.moderate
    return read_accounts(accounts, policy, moderate if fit_unknown else None)


def next_state(decisions: pd.DataFrame) -> pd.DataFrame:
    """What the store keeps of a run's decisions, and `decide` reads the next time: STATE_COLUMNS."""
    scores = {"decided_fit": "fit_score", "decided_signal": "signal_score"}
    return decisions.rename(columns=scores)[list(STATE_COLUMNS)].reset_index(drop=True)


def movements(decisions: pd.DataFrame) -> pd.DataFrame:
    """The rows of a run's decisions with a movement: its cause, its step, its guardrails and its sentence."""
    wanted = ["account_id", "as_of", "previous_tier", "tier", "movement", "cause", "decided_by", "guardrails", "why"]
    return decisions.loc[decisions["movement"] != "", wanted].reset_index(drop=True)
