"""models/<plan>/plays.yaml: what entering or leaving a tier, or a surge, calls for."""

from __future__ import annotations

import json
from string import Formatter
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, model_validator

from tierwise.config.hours import Hours
from tierwise.config.plan import Frozen, Name
from tierwise.config.policy import Tier
from tierwise.config.policy_check import Reading, strange, twice
from tierwise.config.yaml_lines import Faults

MESSAGE_FIELDS = ("account_id", "name", "tier", "tier_words", "why")


class Play(Frozen):
    """What entering or leaving a tier, or a surge, calls for: one action, owed once, by a due time."""

    play: Name
    tiers: tuple[Tier, ...]
    movements: tuple[Literal["entered", "left", "surge"], ...] = ("entered",)
    """entered: moved into one of `tiers`; left: moved out of them; surge: a surge began and stands in one of them."""
    rows: tuple[Name, ...] = ()
    """Only where one of these rows of the policy matched; empty means any."""
    except_rows: tuple[Name, ...] = ()
    motion: str
    """`none` where nobody is to be approached; the only motion that suppressed accounts may have."""
    owner: Literal["account_owner", "marketing_operations", "sales_development", "revops"]
    sla_days: Annotated[int, Field(ge=1)] | None = None
    """Whole business days (days of `hours:`, Monday to Friday by default, UTC) from as_of until it is due; on an
    account's first scoring only plays for tier_1 and suppress are due by a date."""
    sla_hours: Annotated[int, Field(ge=1, le=2000)] | None = None
    """In place of days: business hours of `hours:`, by the owner's clock where the account's owner is to act."""
    message: str
    """A template that may say {account_id}, {name} (the account's own), {tier}, {tier_words} and {why} only."""
    kpi: str

    @model_validator(mode="after")
    def _safe(self) -> Play:
        for _, field, spec, conversion in Formatter().parse(self.message):
            if field is not None and (field not in MESSAGE_FIELDS or spec or conversion):
                known = ", ".join(f"{{{name}}}" for name in MESSAGE_FIELDS)
                raise ValueError(f"a message may say {known} only, not {{{field}}}")
        if self.sla_days is not None and self.sla_hours is not None:
            raise ValueError("sla_days and sla_hours are both said: say one of them")
        if "suppress" in self.tiers and (self.tiers != ("suppress",) or self.motion != "none"):
            raise ValueError(
                "a play for suppress stands alone and its motion is none: suppressed accounts get no outreach"
            )
        return self


class Plays(Frozen):
    """models/<plan>/plays.yaml: the operating matrix."""

    hours: Hours = Hours()
    plays: tuple[Play, ...] = ()

    @model_validator(mode="after")
    def _names(self, info: ValidationInfo) -> Plays:
        reading = info.context if isinstance(info.context, Reading) else Reading()
        found = twice("plays", "play", [p.play for p in self.plays])
        for i, play in enumerate(self.plays):
            for key in ("rows", "except_rows"):
                found += strange(("plays", i, key), getattr(play, key), reading.rows, "the policy's rows are")
        if found:
            raise Faults(found)
        return self

    def said(self) -> str:
        """All that they say as text, without the settings that came later and are not set: older files say the same."""
        plays = [{k: v for k, v in p.model_dump(mode="json").items() if v or k not in _LATER} for p in self.plays]
        told: dict[str, object] = {"plays": plays}
        further = self.model_dump(mode="json", exclude={"plays"}, exclude_defaults=True, by_alias=True)
        return json.dumps(told | further, separators=(",", ":"), ensure_ascii=False)


_LATER = ("sla_hours",)
