"""models/<plan>/policy.yaml: bands, tiers, guardrails, surge, time-in-tier, capacity and the calendar."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, FiniteFloat, ValidationInfo, field_validator, model_validator

from tierwise.config.plan import ColumnName, Days, Frozen, Name
from tierwise.config.policy_check import GATES, JUDGED, Found, falling, policy_faults
from tierwise.config.where import Where
from tierwise.config.where import Within as Within
from tierwise.config.yaml_lines import Faults

Score = Annotated[FiniteFloat, Field(ge=0, le=100)]
TIERS = ("tier_1", "tier_2", "tier_3", "recycle", "suppress")
STATUSES = ("in_pipeline", "customer", "not_eligible")
Tier = Literal["tier_1", "tier_2", "tier_3", "recycle", "suppress"]
FitBand = Literal["low", "moderate", "high"]
SignalBand = Literal["none", "early", "moderate", "high"]
CoverageBand = Literal["none", "unknown", "partial", "reached"]
FIT_BANDS: tuple[FitBand, ...] = ("low", "moderate", "high")
SIGNAL_BANDS: tuple[SignalBand, ...] = ("none", "early", "moderate", "high")
COVERAGE_BANDS: tuple[CoverageBand, ...] = ("none", "unknown", "partial", "reached")
"""Lowest first; `unknown` (no contact has a role) stands above `none` (roles are known, and nobody acted)."""

RESERVED_ROWS = (
    *GATES,
    "fit_unknown",
    "surge",
    "stay_margin",
    "minimum_stay",
    "calendar",
    "promotion_window",
    "override",
    "capacity",
    "owner_full",
    "inputs_late",
)
"""What `decided_by` says where no tier row of the policy decides; no row may take one of these names."""


S = TypeVar("S")


def _sound(value: S, found: Sequence[Found]) -> S:
    """The value, where nothing is found against it."""
    if found:
        raise Faults(found)
    return value


class FitCuts(Frozen):
    """The least fit_score of each band; below `moderate` is low."""

    moderate: Score = 40
    """The least score of a moderate fit."""
    high: Score = 70
    """The least score of a high fit."""

    @model_validator(mode="after")
    def _ordered(self) -> FitCuts:
        return _sound(self, falling(dict(self), self.model_fields_set))


class SignalCuts(Frozen):
    """The least signal_score of each band; below `early` is none."""

    early: Score = 50
    """The least score of an early signal."""
    moderate: Score = 75
    """The least score of a moderate signal."""
    high: Score = 90
    """The least score of a high signal."""

    @model_validator(mode="after")
    def _ordered(self) -> SignalCuts:
        return _sound(self, falling(dict(self), self.model_fields_set))


class Bands(Frozen):
    """Cuts of the scores (0 to 100, percentiles of the training cohort) into bands."""

    fit: FitCuts = FitCuts()
    signal: SignalCuts = SignalCuts()


class SegmentFitCuts(Frozen):
    """A segment's own fit cuts; one that is not said is the policy's."""

    moderate: Score | None = None
    """The least score of a moderate fit in it."""
    high: Score | None = None
    """The least score of a high fit in it."""


class SegmentSignalCuts(Frozen):
    """A segment's own signal cuts; one that is not said is the policy's."""

    early: Score | None = None
    """The least score of an early signal in it."""
    moderate: Score | None = None
    """The least score of a moderate signal in it."""
    high: Score | None = None
    """The least score of a high signal in it."""


class SegmentBands(Frozen):
    """A segment's own cuts."""

    fit: SegmentFitCuts = SegmentFitCuts()
    signal: SegmentSignalCuts = SegmentSignalCuts()


class Segment(Frozen):
    """Accounts with thresholds of their own; an account belongs to the first segment it lies in."""

    segment: Name
    """What it is called."""
    where: Where
    bands: SegmentBands


class Lower(Frozen):
    """By how many points every cut is lowered."""

    fit: Annotated[FiniteFloat, Field(ge=0, le=100)] = 0.0
    """By so many points of fit_score."""
    signal: Annotated[FiniteFloat, Field(ge=0, le=100)] = 0.0
    """By so many points of signal_score."""

    @model_validator(mode="after")
    def _something(self) -> Lower:
        if not self.fit and not self.signal:
            raise ValueError("lower fit, signal, or both by some points")
        return self


class Vertical(Frozen):
    """A strategic vertical: its accounts need fewer points, the minimum fit included; the first that holds counts."""

    vertical: Name
    """What it is called, and rows name it."""
    where: Where
    lower: Lower


class TierRow(Frozen):
    """A row of the tier table: the first row whose bands are all reached (a band means "at least") names the tier."""

    row: Name
    """What it is called, in decided_by and in the plays."""
    tier: Literal["tier_1", "tier_2", "tier_3"]
    """The tier it names; rows stand from tier_1 down to tier_3."""
    fit: FitBand = "low"
    """The least fit; the minimum fit holds besides."""
    signal: SignalBand = "none"
    """The least signal."""
    coverage: CoverageBand = "none"
    """How far the buying group is reached, at least."""
    least: dict[ColumnName, FiniteFloat] = Field(default_factory=dict)
    """Least values of `account_score` (fit and signal together, 0 to 100), of `expected_value`, or of numeric
    attributes of the plan's fit side (revenue potential); an account of which one is not known does not reach the row.
    The margin to stay counts for the score, and a strategic vertical lowers none of them."""
    verticals: tuple[Name, ...] = ()
    """Only for accounts of these strategic verticals; empty means all."""

    @field_validator("row")
    @classmethod
    def _free(cls, value: str) -> str:
        if value in RESERVED_ROWS:
            raise ValueError(
                f"a row may not be named {value}: decisions use the name for something else; give it another"
            )
        return value

    def asks(self, minimum: FitBand = "low") -> tuple[int, int, int]:
        """The least fit, signal and coverage as places in their bands, where the policy asks for a minimum fit."""
        fit = max(FIT_BANDS.index(self.fit), FIT_BANDS.index(minimum))
        return fit, SIGNAL_BANDS.index(self.signal), COVERAGE_BANDS.index(self.coverage)


class Surge(Frozen):
    """One short lift of one tier for an account whose own activity jumped, validated by breadth, and expiring."""

    ratio: Annotated[FiniteFloat, Field(gt=1)] = 3.0
    """Activities of the last 7 days against the account's weekly mean of the 83 days before."""
    least_activities: Annotated[int, Field(ge=1)] = 5
    """And at least so many activities in those 7 days."""
    least_contacts: Annotated[int, Field(ge=1)] = 2
    """Breadth: so many distinct contacts,"""
    least_channels: Annotated[int, Field(ge=1)] = 2
    """or so many channels, in those 7 days."""
    days: Days = 21
    """The lift ends after so many days."""
    cool_down_days: Days = 60
    """No other begins within so many days of its end; at least as long as the lift itself."""


class TimeInTier(Frozen):
    """Hysteresis: how far below an entry threshold an account may fall and stay, and the least stay."""

    stay_margin: Annotated[FiniteFloat, Field(ge=0, le=50)] = 5.0
    """An account leaves a tier once it is more than so many points below what entering takes,"""
    minimum_stay_days: Annotated[int, Field(ge=0, le=3650)] = 28
    """and, by thresholds or capacity, no sooner than so many days after it entered."""
    promotion_window_days: Annotated[int, Field(ge=0, le=3650)] = 0
    """No promotion within so many days of the last promotion or demotion by rows, so at most one in as many; surges and
    overrides apart. 0: as many as are earned."""


class OwnerCapacity(Frozen):
    """Accounts that one owner, territory or team can work in a tier at one as_of."""

    by: Literal["owner", "territory", "team"] = "owner"
    """Of a territory or team, the capacities of its active owners are added up."""
    tier_1: Annotated[int, Field(ge=0)] | None = None
    """What an owner without a number of its own in the table `owners` can work; none: room for all."""
    tier_2: Annotated[int, Field(ge=0)] | None = None
    """What an owner without a number of its own in the table `owners` can work; none: room for all."""

    def of(self, tier: str) -> int | None:
        """An owner's capacity of a tier, where owners says none."""
        return {"tier_1": self.tier_1, "tier_2": self.tier_2}.get(tier)


Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
WEEKDAYS: tuple[Weekday, ...] = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class Calendar(Frozen):
    """When demotions by thresholds or capacity wait.

    Suppression, status, minimum fit, staleness, and the end of a surge or of an override wait for none of it.
    """

    fiscal_year_starts: Annotated[int, Field(ge=1, le=12)] = 1
    """The month; quarters are counted from it."""
    freeze_days: Annotated[int, Field(ge=0, le=60)] = 0
    """So many days before the end of a fiscal quarter no account is demoted."""
    demotions_on: tuple[Weekday, ...] = ()
    """Days of the week on which demotions are allowed; empty: all. A run demotes where such a day has come since the
    account's last run, so that a weekly run on another day is not barred for ever."""
    holidays: tuple[date, ...] = ()
    """Days that do not count as such."""

    @property
    def weekdays(self) -> frozenset[int]:
        """The days of the week on which demotions are allowed; Monday is 0."""
        return frozenset(i for i, day in enumerate(WEEKDAYS) if not self.demotions_on or day in self.demotions_on)


class Stale(Frozen):
    """Recycles signals that were (newest within `within_days`) and have gone (none within `after_days`)."""

    after_days: Days = 120
    """An account is stale if its newest signal is more than so many days old,"""
    within_days: Days = 365
    """and no more than so many: an older one is as if it had never been."""

    @model_validator(mode="after")
    def _ordered(self) -> Stale:
        return _sound(self, falling(dict(self), self.model_fields_set))


class NegativeTrigger(Frozen):
    """An activity kind that suppresses an account for so many days (an unsubscribe, a legal objection)."""

    kind: Annotated[str, Field(min_length=1)]
    """As activities call it."""
    days: Days = 365
    """For so many days after the activity the account is suppressed."""


DEFAULT_ROWS = (
    TierRow(row="focus", tier="tier_1", fit="high", signal="high", coverage="reached"),
    TierRow(row="growth_signal", tier="tier_2", fit="high", signal="moderate"),
    TierRow(row="growth_coverage", tier="tier_2", fit="high", coverage="partial"),
    TierRow(row="scaled", tier="tier_3", fit="moderate", signal="early"),
    TierRow(row="scaled_unknown", tier="tier_3", fit="moderate", coverage="unknown"),
    TierRow(row="target", tier="tier_3", fit="high"),
)


class Policy(Frozen):
    """Bands, tier rows, guardrails, surge and time-in-tier, decided in the order of DESIGN section 8."""

    policy: Annotated[str, Field(min_length=1)] = "v1"
    """What this version is called; a hash of its content is added."""
    bands: Bands = Bands()
    minimum_fit: FitBand = "moderate"
    """The guardrail: below this fit band an account recycles, whatever its signals."""
    rows: tuple[TierRow, ...] = DEFAULT_ROWS
    """The tier table, from tier_1 down; an account that reaches no row recycles."""
    stale: Stale | None = Stale()
    surge: Surge | None = Surge()
    time_in_tier: TimeInTier = TimeInTier()
    negative_triggers: tuple[NegativeTrigger, ...] = ()
    """Activities that suppress an account for a time, at once."""
    capacity: dict[Literal["tier_1", "tier_2"], Annotated[int, Field(ge=0)]] = Field(default_factory=dict)
    """How many accounts the team can work in a tier at one as_of; a tier without a number has room for all."""
    owner_capacity: OwnerCapacity | None = None
    segments: tuple[Segment, ...] = ()
    """Groups of accounts with thresholds of their own; the first that an account lies in counts."""
    verticals: tuple[Vertical, ...] = ()
    """Strategic verticals, by name: their accounts need fewer points; the first that holds counts."""
    calendar: Calendar | None = None

    @model_validator(mode="after")
    def _makes_sense(self, info: ValidationInfo) -> Policy:
        return _sound(self, policy_faults(self, info.context))

    @property
    def vertical_names(self) -> list[str]:
        """The strategic verticals, in the file's order."""
        return [v.vertical for v in self.verticals]

    @property
    def attributes(self) -> list[str]:
        """The attributes of accounts that the policy reads, each once."""
        wheres = [*(g.where for g in self.segments), *(v.where for v in self.verticals)]
        named = [name for where in wheres for name in where]
        named += [name for row in self.rows for name in row.least if name not in JUDGED]
        return list(dict.fromkeys(named))

    def cuts_of(self, segment: Segment) -> dict[str, dict[str, float]]:
        """The cuts of a segment by side and band: its own, and where it says none, the policy's."""
        return {
            side: dict(getattr(self.bands, side)) | part.model_dump(exclude_none=True) for side, part in segment.bands
        }

    def bands_of(self, segment: Segment) -> Bands:
        """The cuts of a segment as bands."""
        return Bands.model_validate(self.cuts_of(segment))

    def bands_for(self, segment: str, vertical: str) -> Bands:
        """The cuts of accounts of a segment and a strategic vertical, by their names; `""` where they have none."""
        mine = next((self.bands_of(g) for g in self.segments if g.segment == segment), self.bands)
        lower = next((v.lower for v in self.verticals if v.vertical == vertical), None)
        if lower is None:
            return mine
        fit = {name: cut - lower.fit for name, cut in mine.fit}
        signal = {name: cut - lower.signal for name, cut in mine.signal}
        return Bands.model_construct(fit=FitCuts.model_construct(**fit), signal=SignalCuts.model_construct(**signal))

    @property
    def workable(self) -> dict[str, int]:
        """How many accounts the team can work at one as_of, down to each tier; up to the first that states no capacity.

        >>> Policy(capacity={"tier_1": 50, "tier_2": 200}).workable, Policy(capacity={"tier_2": 200}).workable
        ({'tier_1': 50, 'tier_2': 250}, {})
        """
        first, second = self.capacity.get("tier_1"), self.capacity.get("tier_2")
        if first is None:
            return {}
        return {"tier_1": first} if second is None else {"tier_1": first, "tier_2": first + second}

    def version(self) -> str:
        """The policy's name and 8 hex digits of its content's SHA-256: another one when any rule changes."""
        return f"{self.policy}-{hashlib.sha256(self.rules().encode()).hexdigest()[:8]}"

    def rules(self) -> str:
        """Its content as JSON, which `Policy.model_validate_json` reads back."""
        return json.dumps(_without_unset(self.model_dump(mode="json")), sort_keys=True)


_LATER = ("segments", "verticals", "owner_capacity", "calendar", "least", "promotion_window_days")


def _without_unset(value: Any) -> Any:
    """The rules without those settings that came later and are not set, so that an older policy keeps its version."""
    if isinstance(value, Mapping):
        return {k: _without_unset(v) for k, v in value.items() if v or k not in _LATER}
    return [_without_unset(v) for v in value] if isinstance(value, list) else value
