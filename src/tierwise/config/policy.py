"""models/<plan>/policy.yaml and plays.yaml: bands, tiers, guardrails, time-in-tier, and plays."""

from __future__ import annotations

import hashlib
import json
from string import Formatter
from typing import Annotated, Literal

from pydantic import Field, model_validator

from tierwise.config.plan import Days, Frozen, Name

Score = Annotated[float, Field(ge=0, le=100)]
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
    "excluded",
    "negative_trigger",
    "status",
    "low_fit",
    "stale",
    "no_match",
    "fit_unknown",
    "surge",
    "stay_margin",
    "minimum_stay",
    "capacity",
    "inputs_late",
)
"""What `decided_by` says where no tier row of the policy decides; no row may take one of these names."""
MESSAGE_FIELDS = ("account_id", "name", "tier", "tier_words", "why")


class FitCuts(Frozen):
    """The least fit_score of each band; below `moderate` is low."""

    moderate: Score = 40
    high: Score = 70

    @model_validator(mode="after")
    def _ordered(self) -> FitCuts:
        if not self.moderate < self.high:
            raise ValueError("moderate must lie below high")
        return self


class SignalCuts(Frozen):
    """The least signal_score of each band; below `early` is none."""

    early: Score = 50
    moderate: Score = 75
    high: Score = 90

    @model_validator(mode="after")
    def _ordered(self) -> SignalCuts:
        if not self.early < self.moderate < self.high:
            raise ValueError("early, moderate and high must rise")
        return self


class Bands(Frozen):
    """Cuts of the scores (0 to 100, percentiles of the training cohort) into bands."""

    fit: FitCuts = FitCuts()
    signal: SignalCuts = SignalCuts()


class TierRow(Frozen):
    """A row of the tier table: the first row whose bands are all reached (a band means "at least") names the tier."""

    row: Name
    tier: Literal["tier_1", "tier_2", "tier_3"]
    fit: FitBand = "low"
    signal: SignalBand = "none"
    coverage: CoverageBand = "none"


class Surge(Frozen):
    """One short lift of one tier for an account whose own activity jumped, validated by breadth, and expiring."""

    ratio: Annotated[float, Field(gt=1)] = 3.0
    """Activities of the last 7 days against the account's weekly mean of the 83 days before."""
    least_activities: Annotated[int, Field(ge=1)] = 5
    least_contacts: Annotated[int, Field(ge=1)] = 2
    least_channels: Annotated[int, Field(ge=1)] = 2
    """Breadth: so many distinct contacts, or so many channels, in those 7 days."""
    days: Days = 21
    cool_down_days: Days = 60


class TimeInTier(Frozen):
    """Hysteresis: how far below an entry threshold an account may fall and stay, and the least stay."""

    stay_margin: Annotated[float, Field(ge=0, le=50)] = 5.0
    minimum_stay_days: Annotated[int, Field(ge=0)] = 28


class Stale(Frozen):
    """Recycles signals that were (newest within `within_days`) and have gone (none within `after_days`)."""

    after_days: Days = 120
    within_days: Days = 365

    @model_validator(mode="after")
    def _ordered(self) -> Stale:
        if not self.after_days < self.within_days:
            raise ValueError("after_days must lie below within_days")
        return self


class NegativeTrigger(Frozen):
    """An activity kind that suppresses an account for so many days (an unsubscribe, a legal objection)."""

    kind: str
    days: Days = 365


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

    policy: str = "v1"
    bands: Bands = Bands()
    minimum_fit: FitBand = "moderate"
    """The guardrail: below this fit band an account recycles, whatever its signals."""
    rows: tuple[TierRow, ...] = DEFAULT_ROWS
    stale: Stale | None = Stale()
    surge: Surge | None = Surge()
    time_in_tier: TimeInTier = TimeInTier()
    negative_triggers: tuple[NegativeTrigger, ...] = ()
    capacity: dict[Literal["tier_1", "tier_2"], Annotated[int, Field(ge=0)]] = Field(default_factory=dict)
    """How many accounts the team can work in a tier at one as_of; a tier without a number has room for all."""

    @model_validator(mode="after")
    def _rows_make_sense(self) -> Policy:
        names = [r.row for r in self.rows]
        if len(names) != len(set(names)):
            raise ValueError("each row needs a name of its own")
        taken = sorted(set(names) & set(RESERVED_ROWS))
        if taken:
            raise ValueError(f"a row may not be named {', '.join(taken)}: decisions use the name for something else")
        tiers = [r.tier for r in self.rows]
        if tiers != sorted(tiers):
            raise ValueError("rows must stand from tier_1 down to tier_3: the first match names the tier")
        for r in self.rows:
            if r.tier == "tier_1" and FIT_BANDS.index(r.fit) < FIT_BANDS.index(self.minimum_fit):
                raise ValueError(f"row {r.row} asks for less fit than minimum_fit")
        return self

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
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return f"{self.policy}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


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
    """Whole business days (Monday to Friday) from as_of until it is due; on an account's first scoring only plays for
    tier_1 and suppress are due by a date."""
    message: str
    """A template that may say {account_id}, {name} (the account's own), {tier}, {tier_words} and {why} only."""
    kpi: str

    @model_validator(mode="after")
    def _safe(self) -> Play:
        for _, field, spec, conversion in Formatter().parse(self.message):
            if field is not None and (field not in MESSAGE_FIELDS or spec or conversion):
                known = ", ".join(f"{{{name}}}" for name in MESSAGE_FIELDS)
                raise ValueError(f"a message may say {known} only, not {{{field}}}")
        if "suppress" in self.tiers and (self.tiers != ("suppress",) or self.motion != "none"):
            raise ValueError(
                "a play for suppress stands alone and its motion is none: suppressed accounts get no outreach"
            )
        return self


class Plays(Frozen):
    """models/<plan>/plays.yaml: the operating matrix."""

    plays: tuple[Play, ...] = ()

    @model_validator(mode="after")
    def _names(self) -> Plays:
        names = [p.play for p in self.plays]
        if len(names) != len(set(names)):
            raise ValueError("each play needs a name of its own")
        return self
