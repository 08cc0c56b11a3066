"""The control group of plays.yaml: which accounts get no seller action, so that the worth of seller action is seen."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, FiniteFloat, model_validator

from tierwise.config.plan import Frozen
from tierwise.config.policy_check import strange
from tierwise.config.yaml_lines import Faults

COIN_FLIP = 0.5
"""The share of accounts near a cut, where none is said."""

ControlTier = Literal["tier_1", "tier_2", "tier_3"]


class Control(Frozen):
    """A stable share of each tier that gets no seller action; an account is drawn once, when it enters one of the tiers
    and sellers have begun nothing with it yet."""

    share: Annotated[FiniteFloat, Field(ge=0, le=0.5)] = 0.0
    """Of the accounts of each tier; 0: there is no control group. With `near`, 0.5 unless it is said."""
    salt: Annotated[str, Field(min_length=1, max_length=60)] = "1"
    """What the draw is made with: a draw stands for good, and another salt begins another group."""
    tiers: Annotated[tuple[ControlTier, ...], Field(min_length=1)] = ("tier_1", "tier_2")
    """The tiers in which accounts are drawn; whoever is drawn gets no seller action in any other tier either."""
    near: Annotated[FiniteFloat, Field(gt=0, le=50)] | None = None
    """Only accounts that would stand lower were their scores so many points lower, and only as long as they
    stand in the tier in which they were drawn: moved, they get what their new tier calls for. Unset: all of the tier,
    held back wherever they go among the tiers."""
    never: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """Ids of named accounts: they are never drawn, and one that was drawn before it was named gets its actions
    again, first of all the one that was withheld when it entered the tier in which it still stands."""
    detect: Annotated[FiniteFloat, Field(ge=0.05, le=10)] = 0.5
    """The relative lift that the group is to show: 0.5 is half as many outcomes again. How many months it takes
    to read it is said of this lift."""

    @model_validator(mode="before")
    @classmethod
    def _coin_flip(cls, said: Any) -> Any:
        if isinstance(said, dict) and said.get("near") is not None and "share" not in said:
            return {**said, "share": COIN_FLIP}
        return said

    @model_validator(mode="after")
    def _each_once(self) -> Control:
        if found := [*strange(("tiers",), self.tiers, None, ""), *strange(("never",), self.never, None, "")]:
            raise Faults(found)
        if self.near is not None and self.share == 0:
            raise Faults([(("share",), "0 holds nobody back near a cut: leave it out (0.5), or take near out")])
        return self

    @property
    def on(self) -> bool:
        """Whether there is a control group."""
        return self.share > 0
