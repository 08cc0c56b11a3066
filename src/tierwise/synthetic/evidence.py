"""What one activity is worth: the planted effects of the signal side, which follow from rates and hidden states."""

from __future__ import annotations

import numpy as np
from scipy.special import logit

from tierwise.synthetic.activity import KINDS, burst_rate, rates
from tierwise.synthetic.cycles import COOLDOWN, EVALUATION, OUT, RESEARCH
from tierwise.synthetic.effects import NEWS
from tierwise.synthetic.spec import Codes, Floats

WAITING = (OUT, RESEARCH, EVALUATION, COOLDOWN)
"""The states of accounts that may open an opportunity and have none open."""


def activity_worth(states: Codes, chances: Floats, levels: Floats) -> dict[str, float]:
    """Kind of buyer activity -> the log-odds that one of it, just seen, adds to those of opening an opportunity.

    Bayes' rule at the typical account: P(state | activity) is proportional to P(state) x the kind's rate in the state,
    and P(open) = the sum over states of P(state) x P(open | state). A trigger says which news state there is. What an
    account is, and all else that it did, stand at the mean.

    states: of each account, on the day. chances: accounts x news states x states (`cycles.open_probability`). levels:
    how loud each account is.
    """
    waiting = np.isin(states, WAITING)
    shares = np.array([(states[waiting] == state).mean() for state in WAITING])
    opens = chances[waiting].mean(axis=0)[:, list(WAITING)]
    before = float(shares @ opens[0])
    worth = {}
    for kind in KINDS:
        if kind.initiator != "buyer" or kind.channel == "news":
            continue
        background, extra = rates(kind)
        level, damped = levels[waiting].mean(), (levels[waiting] ** 0.3).mean()
        rate = (background * level + extra * damped)[list(WAITING)]
        rate[[WAITING.index(OUT), WAITING.index(COOLDOWN)]] += burst_rate(kind, levels[waiting])
        seen = shares * rate / (shares @ rate)
        worth[kind.name] = float(logit(seen @ opens[0]) - logit(before))
    return worth | {
        name: float(logit(shares @ opens[place]) - logit(before)) for place, name in enumerate(NEWS, start=1)
    }
