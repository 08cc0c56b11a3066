"""Which accounts a part of a policy is for, by their attributes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Discriminator, Field, FiniteFloat, Tag, model_validator

from tierwise.config.plan import ColumnName, Frozen
from tierwise.config.yaml_lines import Faults


class Within(Frozen):
    """A stretch of a numeric attribute: from `at_least` on, and below `below`."""

    at_least: FiniteFloat | None = None
    """The least value that is in it."""
    below: FiniteFloat | None = None
    """The least value that is no longer in it."""

    @model_validator(mode="after")
    def _ordered(self) -> Within:
        if self.at_least is None and self.below is None:
            raise ValueError("say at_least, below, or both")
        if self.at_least is not None and self.below is not None and not self.at_least < self.below:
            raise Faults([(("below",), f"must lie above at_least ({self.at_least:g})")])
        return self


def _wanted(value: object) -> str | None:
    """Which of the two a condition is written as; None: neither."""
    if isinstance(value, (Within, Mapping)):
        return "[stretch]"
    return "[values]" if isinstance(value, (list, tuple)) else None


Condition = Annotated[
    Annotated[Within, Tag("[stretch]")]
    | Annotated[
        tuple[str, ...], Field(min_length=1, description="The values, one of which it must have."), Tag("[values]")
    ],
    Discriminator(
        _wanted,
        custom_error_type="condition",
        custom_error_message="a list of values, or at_least and below, is wanted: [public] or {at_least: 200}",
    ),
]
Where = Annotated[
    dict[ColumnName, Condition],
    Field(
        min_length=1,
        description="Which accounts, by attributes of the plan's fit side: one of the values listed, or within a"
        " stretch; all must hold. An account of which the attribute is not known is none of them.",
    ),
]
