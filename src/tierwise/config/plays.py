"""models/<plan>/plays.yaml: what entering, staying in and leaving a tier or status, or a surge, calls for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, FiniteFloat, ValidationInfo, field_validator, model_validator

from tierwise.config.control import Control
from tierwise.config.hours import Hours
from tierwise.config.messages import MESSAGE_FIELDS, OVERDUE_FIELD, PERSONA_FIELDS, fields_of, message_fault
from tierwise.config.overdue import misplaced, watched_faults
from tierwise.config.plan import Days, Frozen, Name
from tierwise.config.plays_check import plays_faults
from tierwise.config.policy import Tier
from tierwise.config.policy_check import Found, Reading, strange, twice
from tierwise.config.yaml_lines import Faults

Status = Literal["in_pipeline", "customer", "not_eligible"]
Movement = Literal["entered", "stayed", "left", "surge", "overdue"]


class Play(Frozen):
    """What a movement calls for: one action, owed once, by a due time."""

    play: Name
    """What it is called; a part of its actions' ids."""
    tiers: tuple[Tier, ...] = ()
    """Of accounts in these tiers,"""
    statuses: tuple[Status, ...] = ()
    """or in these statuses, which accounts have that are out of the cohort. An account's first scoring owes none of
    their plays."""
    stages: tuple[str, ...] = ()
    """Only for statuses, and where an open opportunity stands in one of these stages by `opportunity_stages`; owed when
    the account comes into the status or the opportunity into one of the stages. What each run saw is kept, so that a
    stage that is exported only after a later run is owed by the next one."""
    movements: Annotated[tuple[Movement, ...], Field(min_length=1)] = ("entered",)
    """entered: moved into one of `tiers` or `statuses`; stayed: has been there for a further `every_days`; left: moved
    out of them; surge: a surge began and stands in one of `tiers`; overdue: an action of a
    play of `of` was due, and no seller was at the account since it was owed. It names no place of its own."""
    of: tuple[Name, ...] = ()
    """Only for overdue: the plays that it watches; each approaches somebody, and has a time until when. Where an
    account is owed several of them at once, the first named here is watched."""
    after_hours: Annotated[int, Field(ge=0, le=2000)] | None = None
    """Only for overdue: so many business hours past that time, by the clock by which it was due; by default 0."""
    every_days: Days | None = None
    """For stayed: owed each time so many further days are over since the account came into its tier or status (or its
    opportunity into its stage), once however many runs there were."""
    rows: tuple[Name, ...] = ()
    """Only where one of these rows of the policy matched; empty means any."""
    except_rows: tuple[Name, ...] = ()
    """Not where one of these rows of the policy matched."""
    motion: str
    """`none` where nobody is to be approached; the only motion that suppressed accounts may have."""
    owner: Literal["account_owner", "territory", "capacity", "marketing_operations", "sales_development", "revops"]
    """Who acts. account_owner: the account's, or revops where none is active. territory: where none is, the active
    owner of its territory and team with fewest accounts in the tier. capacity: the same also where the owner has more
    accounts in the tier than its capacity, and only who has room. Any other is a function."""
    sla_days: Annotated[int, Field(ge=1, le=3650)] | None = None
    """Whole business days (days of `hours:`, Monday to Friday by default, UTC) from as_of until it is due; on an
    account's first scoring only plays for tier_1 and suppress are due by a date."""
    sla_hours: Annotated[int, Field(ge=1, le=2000)] | None = None
    """In place of days: business hours of `hours:`, by the owner's clock where the account's owner is to act."""
    channel: Name | None = None
    """By what way it is done (email, phone, ads, event)."""
    message: str
    """A template that may say {account_id}, {name} (the account's own), {tier}, {tier_words}, {why}, {signal} (the
    dynamic signal that moved it) and {job} (icp.yaml's job_to_be_done) only, and for overdue {overdue} (the motion of
    what was not done); a sentence whose {signal} or {job} is empty is left out."""
    personas: dict[Name, str] = Field(default_factory=dict)
    """Role -> a message of its own, which may also say {pain}; {pain} and {job} are that persona's in icp.yaml."""
    budget_share: Annotated[FiniteFloat, Field(ge=0, le=1)] | None = None
    """Its share of the plan's budget; those that are stated add up to 1 at most."""
    kpi: str
    """What it is judged by."""

    @field_validator("message")
    @classmethod
    def _said_safely(cls, value: str, info: ValidationInfo) -> str:
        if fault := message_fault(value, _fields(MESSAGE_FIELDS, info.data)):
            raise ValueError(fault)
        return value

    @field_validator("personas")
    @classmethod
    def _each_said_safely(cls, value: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        fields = _fields(PERSONA_FIELDS, info.data)
        found: list[Found] = [((role,), message_fault(text, fields)) for role, text in value.items()]
        if found := [one for one in found if one[1]]:
            raise Faults(found)
        return value

    @model_validator(mode="after")
    def _makes_sense(self) -> Play:
        if self.of or self.after_hours is not None or self.is_overdue:
            if found := misplaced(self):
                raise Faults(found)
            return self
        if "suppress" in self.tiers and (self.tiers != ("suppress",) or self.statuses or self.motion != "none"):
            raise ValueError(
                "a play for suppress stands alone and its motion is none: suppressed accounts get no outreach"
            )
        if not self.tiers and not self.statuses:
            raise ValueError("it is for no account: name tiers, statuses or both")
        if self.sla_days is not None and self.sla_hours is not None:
            raise ValueError("sla_days and sla_hours are both said: say one of them")
        if found := _senseless(self):
            raise Faults(found)
        return self

    @property
    def is_overdue(self) -> bool:
        """Whether it is owed where actions of other plays are not done in time."""
        return "overdue" in self.movements

    @property
    def places(self) -> tuple[str, ...]:
        """Its tiers and statuses."""
        return (*self.tiers, *self.statuses)

    @property
    def by_seller(self) -> bool:
        """Whether a seller is to approach somebody: what a control group does without."""
        return self.owner not in _NO_SELLERS and self.motion != "none"

    @property
    def speaks(self) -> bool:
        """Whether its messages say what icp.yaml says."""
        return self.says("pain") or self.says("job")

    def says(self, field: str) -> bool:
        """Whether one of its messages says a field."""
        return any(field in fields_of(text) for text in (self.message, *self.personas.values()))


def _fields(known: Sequence[str], said: dict[str, Any]) -> tuple[str, ...]:
    """What the messages of a play may say, by its movements."""
    return (*known, OVERDUE_FIELD) if "overdue" in said.get("movements", ()) else tuple(known)


def _senseless(play: Play) -> list[Found]:
    """What does not go together in one play, each at the key to mend."""
    found: list[Found] = []
    if "stayed" in play.movements and play.every_days is None:
        found.append((("movements",), "stayed comes round after some days: say every_days"))
    if play.every_days is not None and "stayed" not in play.movements:
        found.append((("every_days",), "is for stayed only: add it to movements, or take every_days out"))
    if "surge" in play.movements and not play.tiers:
        found.append(
            (("movements",), "a surge stands in a tier, and never in a status: name tiers, or leave surge out")
        )
    if play.stages and play.tiers:
        found.append((("stages",), "are of statuses only: give tiers a play of their own"))
    if play.stages and "left" in play.movements:
        found.append((("stages",), "say where an opportunity stands, not what it left: take left or stages out"))
    return found


class Budget(Frozen):
    """What the plan's plays may spend in all; no action depends on it."""

    amount: Annotated[FiniteFloat, Field(gt=0)]
    """In the workspace's currency."""
    months: Annotated[int, Field(ge=1, le=120)] = 12
    """The months that it is for."""


class NoPlay(Frozen):
    """Movements that are known to call for nothing."""

    movements: Annotated[tuple[Literal["entered", "left", "surge"], ...], Field(min_length=1)] = ("entered",)
    """As plays say them."""
    tiers: tuple[Tier, ...] = ()
    """Of these tiers,"""
    statuses: tuple[Status, ...] = ()
    """or these statuses."""

    @model_validator(mode="after")
    def _says_where(self) -> NoPlay:
        if not self.tiers and not self.statuses:
            raise ValueError("it says of no account that nothing is owed: name tiers, statuses or both")
        return self


class Plays(Frozen):
    """models/<plan>/plays.yaml: the operating matrix."""

    complete: bool = False
    """Whether every movement that can happen must name its play or stand under `none`, or the file is refused;
    otherwise `tierwise check` notes what does not."""
    hours: Hours = Hours()
    budget: Budget | None = None
    """What `budget_share` is a share of; with it, the review tells what each tier's pipeline cost."""
    plays: tuple[Play, ...] = ()
    none: tuple[NoPlay, ...] = ()
    """What calls for nothing, said so that nothing is forgotten."""
    control: Control = Control()
    """The accounts that get no seller action, so that it is seen what seller action is worth; none by default."""

    @model_validator(mode="after")
    def _sound(self, info: ValidationInfo) -> Plays:
        reading = info.context if isinstance(info.context, Reading) else Reading()
        found = twice("plays", "play", [p.play for p in self.plays])
        for i, play in enumerate(self.plays):
            for key in ("rows", "except_rows"):
                found += strange(("plays", i, key), getattr(play, key), reading.rows, "the policy's rows are")
            for role in play.personas:
                odd = strange((), [role], reading.personas, "the roles of icp.yaml and the buying group are")
                found += [(("plays", i, "personas", role), says) for _, says in odd]
        found += [*_spent(self), *plays_faults(self, reading), *watched_faults(self, reading)]
        if found:
            raise Faults(found)
        return self

    @property
    def motions(self) -> dict[str, str]:
        """By tier and status, the motion of the first play for entering it, else of its first play."""
        ordered = sorted(self.plays, key=lambda play: "entered" not in play.movements)
        return {place: play.motion for play in reversed(ordered) for place in play.places}

    @property
    def shares(self) -> dict[str, float]:
        """By tier and status, the share of the budget that its plays have; a play of several, in equal parts."""
        found: dict[str, float] = {}
        for play in self.plays:
            for place in play.places if play.budget_share else ():
                found[place] = found.get(place, 0.0) + (play.budget_share or 0.0) / len(play.places)
        return found

    @property
    def idle_control(self) -> tuple[str, ...]:
        """The tiers of the control group of which no seller's play is owed on entering: it shows nothing there."""
        begins = [play for play in self.plays if play.by_seller and "entered" in play.movements]
        return tuple(tier for tier in self.control.tiers if not any(tier in play.tiers for play in begins))

    def said(self) -> str:
        """All that they say as text, without the settings that came later and are not set: older files say the same.

        The budget is not said: what it is changes no action.
        """
        plays = [{k: v for k, v in p.model_dump(mode="json").items() if v or k not in _LATER} for p in self.plays]
        told: dict[str, object] = {"plays": plays}
        further = self.model_dump(
            mode="json",
            include={"hours", "control"},
            exclude={"control": {"detect"}},
            exclude_defaults=True,
            by_alias=True,
        )
        further = further if self.control.on else {k: v for k, v in further.items() if k != "control"}
        return json.dumps(told | further, separators=(",", ":"), ensure_ascii=False)


_LATER = ("statuses", "stages", "every_days", "sla_hours", "channel", "personas", "budget_share", "of", "after_hours")


_NO_SELLERS = ("marketing_operations", "revops")


def _spent(plays: Plays) -> list[Found]:
    """The share of the budget with which more than all of it is given out."""
    total = 0.0
    for i, play in enumerate(plays.plays):
        total += play.budget_share or 0.0
        if play.budget_share and total > 1 + 1e-9:
            says = f"the shares up to this one add up to {total:g}: lower them to 1 in all"
            return [(("plays", i, "budget_share"), says)]
    return []
