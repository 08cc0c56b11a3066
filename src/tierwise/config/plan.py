"""models/<plan>/model.yaml: one question asked of the data (outcome, cohort, features, model)."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

Days = Annotated[int, Field(ge=1, le=3650)]
NAME_PATTERN = r"^[a-z][a-z0-9_]*$"
Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=60)]
ColumnName = Annotated[str, Field(pattern=r"\S", max_length=200)]
"""A column of the user's own tables, as it is called there."""


CandidateKind = Literal["scorecard", "additive", "two_sided", "staged"]


class Frozen(BaseModel):
    """What every part of a YAML file shares: it is frozen, and an unknown key is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, use_attribute_docstrings=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_flag_for_a_number(cls, value: object, info: ValidationInfo) -> object:
        wanted = cls.model_fields[info.field_name].annotation if info.field_name else None
        if isinstance(value, bool) and wanted is not bool:
            raise ValueError(f"another kind of value is wanted; here stands a flag ({str(value).lower()})")
        return value


class Outcome(Frozen):
    """What is predicted, within `[as_of, as_of + horizon_days)`. An empty list means any."""

    event: Literal["opportunity_created", "opportunity_won", "stage_reached", "activity"] = "opportunity_created"
    horizon_days: Days = 90
    types: tuple[str, ...] = ()
    pipelines: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    min_amount: Annotated[float, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _says_enough(self) -> Outcome:
        if self.event == "stage_reached" and not self.stages:
            raise ValueError("event stage_reached needs stages: the stages that count as reached")
        if self.event == "activity" and not (self.kinds or self.channels):
            raise ValueError("event activity needs kinds or channels: the activities that count")
        return self


class Grid(Frozen):
    """Where we stand: on a calendar (`every`), or on days of each account's own age (`account_age_days`)."""

    every: Literal["month", "week", "day"] | None = None
    account_age_days: tuple[Days, ...] = ()

    @model_validator(mode="after")
    def _one_of(self) -> Grid:
        if (self.every is None) == (not self.account_age_days):
            raise ValueError("a grid says either every: month, week or day, or account_age_days: [7]")
        return self


class Cohort(Frozen):
    """Which accounts are eligible on an as_of."""

    grid: Grid = Grid(every="month")
    customers: Literal["exclude", "keep", "only"] = "exclude"
    open_opportunity: Literal["exclude", "keep"] = "exclude"
    countries: tuple[str, ...] = ()
    industries: tuple[str, ...] = ()
    min_age_days: Annotated[int, Field(ge=0)] = 0
    active_within_days: Days | None = None
    exclusion_reasons: tuple[Name, ...] = (
        "bankrupt",
        "competitor",
        "compliance",
        "do_not_contact",
        "duplicate",
        "gdpr_request",
        "internal",
        "legal_hold",
        "opt_out",
        "partner",
        "partner_conflict",
        "sanctions",
        "trade_restriction",
    )
    """The reasons of exclusions that are published, as lower-case words; any other may name a person: `other`."""
    ended_by: tuple[str, ...] = ()
    """Activity kinds after which an account is out for good (an application decided, a contract ended)."""


SCORED = frozenset({"account_score", "fit_score", "signal_score", "propensity", "expected_value"})
"""What a scoring run makes of an account, and no attribute may be called."""


class Attribute(Frozen):
    """One attribute of accounts as a fit-side feature.

    clock: `tracked` (its value on as_of is rebuilt from account_history), `fixed` or `slow` (today's value is admitted,
    its being missing never is), `accepted` (neither, and every report says so).
    """

    attribute: ColumnName
    kind: Literal["category", "number", "set"]
    clock: Literal["tracked", "fixed", "slow", "accepted"]
    tracked_since: date | None = None
    values: tuple[str, ...] = ()
    """For a set: the members that become features of their own."""
    words: str | None = None

    @model_validator(mode="after")
    def _complete(self) -> Attribute:
        if self.kind == "set" and not self.values:
            raise ValueError("kind: set needs values: the members that become features")
        if self.attribute in SCORED:
            raise ValueError("what a run makes of an account is called so: give the column another name in the tables")
        if self.clock == "tracked" and self.kind == "set":
            raise ValueError("a set cannot be tracked; say fixed, slow or accepted")
        return self


class Channel(Frozen):
    """A channel of activities, and its tracking date: windows that reach before it are missing, not zero."""

    tracked_from: date | None = None
    kinds: tuple[str, ...] = ()
    """The kinds of activity in this channel that are counted on their own, besides the channel's total."""


class BuyingGroup(Frozen):
    """The roles that make a buying group, and the window in which a contact in each must have acted.

    clock: `tracked` (contact_history holds the changes of role), `accepted` (today's roles on all dates, and every
    report says so) or `untracked` (today's roles serve the policy's coverage, but no feature: they may be filled after
    the outcome).
    """

    roles: tuple[str, ...] = ("champion", "exec_buyer")
    window_days: Days = 90
    clock: Literal["tracked", "accepted", "untracked"] = "untracked"

    @property
    def known(self) -> bool:
        """Whether roles may be features."""
        return self.clock != "untracked"


class Signals(Frozen):
    """The signal side: what accounts do, and what happens to them."""

    initiators: tuple[Literal["buyer", "seller"], ...] = ("buyer",)
    channels: dict[str, Channel] = {}
    """The channels that count as signal; activities of any other channel do not."""
    objections: tuple[str, ...] = ()
    """Activity kinds that say no, or nothing (an unsubscribe, a bounce): of whatever channel, they count as no signal.
    """
    triggers: tuple[str, ...] = ()
    """Activity kinds that are dynamic signals: leadership_change, funding, product_launch, strategy_shift."""
    value_of: tuple[str, ...] = ()
    """Activity kinds whose `value` is summed over the windows (an order's amount)."""
    windows_days: tuple[Days, ...] = (7, 30, 90, 365)
    half_lives_days: tuple[Days, ...] = (7, 30, 90)
    buying_group: BuyingGroup = BuyingGroup()
    opportunity_history: bool = True

    @model_validator(mode="after")
    def _ordered(self) -> Signals:
        if list(self.windows_days) != sorted(set(self.windows_days)):
            raise ValueError("windows_days must rise and not repeat")
        counted = {*self.triggers, *self.value_of, *(k for c in self.channels.values() for k in c.kinds)}
        if both := sorted(counted & set(self.objections)):
            raise ValueError(f"{', '.join(both)}: named among objections, which count as no signal, and counted too")
        return self


class Features(Frozen):
    """Features by side: fit (who they are) and signal (what they do)."""

    fit: tuple[Attribute, ...] = ()
    signal: Signals = Signals()
    monotone: dict[str, Literal["rising", "falling"]] = {}
    """Features along which the log-odds may only rise, or only fall, with the number; never categories."""


Setting = int | float


class Candidate(Frozen):
    """One model that is tried: a kind, under a name of its own where a kind is tried twice, with its settings."""

    kind: CandidateKind
    name: Name | None = None
    settings: dict[str, Setting] = {}
    """Of the estimator (learning_rate: 0.03); what is set here is not tuned."""

    @model_validator(mode="before")
    @classmethod
    def _by_name_alone(cls, value: object) -> object:
        return {"kind": value} if isinstance(value, str) else value

    @property
    def called(self) -> str:
        """Its name: its kind's, unless it has one of its own."""
        return self.name or self.kind


class Tuning(Frozen):
    """How much is tried to find better settings, by whichever bound comes first; neither: the settings as they stand.

    The same seed and number of trials give the same model, byte by byte; a bound in minutes does not.
    """

    trials: Annotated[int, Field(ge=0, le=10_000)] = 0
    minutes: Annotated[float, Field(gt=0)] | None = None

    @property
    def most(self) -> int:
        """The most trials: those stated, or with minutes alone as many as fit."""
        return self.trials or (10_000 if self.minutes else 0)


class Learning(Frozen):
    """How the model is learned."""

    candidates: tuple[Candidate, ...] = (
        Candidate(kind="scorecard"),
        Candidate(kind="additive"),
        Candidate(kind="two_sided"),
    )
    tuning: Tuning = Tuning()
    folds: Annotated[int, Field(ge=1, le=24)] = 4
    train_from: date | None = None
    test_from: date | None = None
    """The newest mature slice, kept for the final report, never for choosing; by default the last horizon."""
    min_outcomes: Annotated[int, Field(ge=2)] = 50
    """The least distinct accounts with the outcome; below it tiers go by rules."""
    scorecard_below: Annotated[int, Field(ge=2)] = 120
    """With fewer accounts with the outcome than this, the scorecard alone is tried, and the model is provisional."""
    family_parts: Annotated[int, Field(ge=2, le=10)] | None = None
    """Into so many parts account families (ultimate parents) are dealt, and in folds and test each part is judged by
    models that were trained without its families, at so many times the cost; by default a family stands on both sides,
    at different times."""
    calibration: Literal["affine", "beta", "isotonic", "venn_abers"] = "affine"
    """What makes log-odds mean what they say. The affine map keeps sums; what another adds is a bar of its own."""
    seed: int = 7
    fit_frozen_until: date | None = None
    """In trainings as of a date before this one the live model's fit side is kept: an account whose facts stay keeps
    its fit score and fit log-odds exactly; signal side and base are learned anew. From this date on, and where no model
    is live, the fit side is learned. With it, staged is the one kind of candidate. A training is judged on the unseen
    months that the kept fit side has not learned from; where these are too few, the gate refuses it, and says so."""

    @model_validator(mode="before")
    @classmethod
    def _staged_where_frozen(cls, value: object) -> object:
        frozen = isinstance(value, dict) and value.get("fit_frozen_until") is not None
        return {"candidates": ("staged",), **value} if frozen and isinstance(value, dict) else value

    @field_validator("fit_frozen_until")
    @classmethod
    def _by_staged_alone(cls, value: date | None, info: ValidationInfo) -> date | None:
        others = [c.called for c in info.data.get("candidates", ()) if c.kind != "staged"]
        if value is not None and others:
            raise ValueError(
                f"only a staged model can keep its fit side, and candidates names {', '.join(others)} too; "
                "leave candidates out, name kinds of staged alone, or remove fit_frozen_until"
            )
        return value

    @field_validator("candidates")
    @classmethod
    def _told_apart(cls, value: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
        names = [candidate.called for candidate in value]
        if not names:
            raise ValueError("candidates is empty; name at least one, as scorecard")
        if len(set(names)) < len(names):
            raise ValueError(f"two candidates have one name: {', '.join(names)}; give each a name")
        return value


class Acceptance(Frozen):
    """One finding of the audit that the plan accepts by name; every report says so."""

    finding: Name
    """The finding's code, as `tierwise check --json` names it."""
    subject: Annotated[str, Field(min_length=1, max_length=200)]
    """The attribute, feature, channel or table it is about."""
    because: Annotated[str, Field(min_length=3, max_length=300)]


class Audit(Frozen):
    """What the plan says to the audit."""

    accept: tuple[Acceptance, ...] = ()


class Plan(Frozen):
    """One question asked of the data."""

    plan: Name
    labels: dict[str, str] = {}
    outcome: Outcome = Outcome()
    cohort: Cohort = Cohort()
    features: Features = Features()
    model: Learning = Learning()
    audit: Audit = Audit()
