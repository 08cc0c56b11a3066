"""What a tuning is asked for, as people say it; what makes no sense is refused before anything is scored."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tierwise.errors import UsageError
from tierwise.tiers.aims import Aims


@dataclass(frozen=True)
class Amount:
    """A share as an option said it: `20%`, or, where that is allowed, a number of accounts.

    value: the share, in (0, 1], or the number. counted: it is a number.
    """

    option: str
    said: str
    value: float
    counted: bool

    def of(self, accounts: int) -> float:
        """The share that it is of so many accounts.

        Raises
        ------
        UsageError : it is a number above that of the accounts.
        """
        if not self.counted:
            return self.value
        if self.value <= accounts:
            return self.value / accounts
        raise UsageError(
            f"{self.option} {self.said} was asked for",
            found=f"{accounts:,} accounts can stand in these tiers on the newest date",
            do=f"Give a number of accounts up to {accounts:,}, or a share, as 20%",
        )


@dataclass(frozen=True)
class Asked:
    """What a tuning is asked for."""

    top: Amount
    tier_1: Amount | None
    precision: Amount | None
    ping_pong: Amount

    def of(self, accounts: int) -> Aims:
        """The same as shares of so many accounts."""
        return Aims(
            top_share=self.top.of(accounts),
            tier_1_share=None if self.tier_1 is None else self.tier_1.of(accounts),
            precision=None if self.precision is None else self.precision.value,
            ping_pong=self.ping_pong.value,
        )


def read_aims(top: str, tier_1: str | None, precision: str | None, ping_pong: str) -> Asked:
    """The aims as options say them.

    Raises
    ------
    UsageError : one is no share or number, or tier_1 is to hold more than tier_1 and tier_2 together.
    """
    both, first = _amount("--top", top), None if tier_1 is None else _amount("--tier-1", tier_1)
    if first is not None and first.counted == both.counted and first.value > both.value:
        raise UsageError(
            f"--tier-1 {tier_1} was asked for",
            found=f"tier_1 and tier_2 together are to hold {top} at most",
            do=f"Give a --tier-1 up to {top}, or a larger --top",
        )
    least = None if precision is None else _amount("--precision", precision, numbers=False)
    return Asked(both, first, least, _amount("--ping-pong", ping_pong, numbers=False))


def _amount(option: str, said: str, *, numbers: bool = True) -> Amount:
    told = said.strip()
    percent = told.endswith("%")
    try:
        value = float(told.removesuffix("%"))
    except ValueError:
        value = math.nan
    if percent and 0 < value <= 100:
        return Amount(option, said, value / 100, counted=False)
    if numbers and not percent and value >= 1 and value.is_integer():
        return Amount(option, said, value, counted=True)
    example = f"{100 * value:g}%" if not percent and 0 < value < 1 else "2%" if option == "--ping-pong" else "20%"
    do = f"Give a share above 0% and up to 100%, as {example}" + (", or a number of accounts" if numbers else "")
    raise UsageError(f"{option} {said} was asked for", do=do)
