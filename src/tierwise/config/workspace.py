"""tierwise.yaml: where a workspace keeps its tables, state, registry and published runs."""

from __future__ import annotations

import json
import re
from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from tierwise.config.noise import NoiseRules
from tierwise.config.plan import Frozen, Name
from tierwise.config.sinks import AnySink
from tierwise.config.zones import is_zone


def _three_letters(value: str) -> str:
    if not re.fullmatch("[A-Z]{3}", value):
        raise ValueError("the three letters of a currency are wanted, as EUR")
    return value


Currency = Annotated[str, AfterValidator(_three_letters)]
"""The three letters of a currency, as ISO 4217 has them."""
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class Quarantine(Frozen):
    """How many rows of a table may be quarantined before the file is refused."""

    max_share: Annotated[float, Field(ge=0, le=1)] = 0.01


class Brake(Frozen):
    """How much a run may move before a person must release it; a first run, and a backfill, are never held.

    What a new model lowers in its first run waits however little it is, unless the model's promotion stated limits for
    that run, which then stand in place of these.
    """

    share: Annotated[float, Field(ge=0, le=1)] = 0.15
    """More than this share of a tier, in or out, of its size in the run before;"""
    least: Annotated[int, Field(ge=1)] = 20
    """and at least so many accounts of it. Accounts that enter the cohort do not count."""
    actions: Annotated[int, Field(ge=1)] | None = None
    """More actions than this, owed in one run, without those that wait for another to be overdue; by default any number
    may be."""


class Formats(Frozen):
    """How a source writes its files; what is declared is read so, and nothing else."""

    encoding: Literal["utf-8", "utf-16", "windows-1252", "iso-8859-1", "iso-8859-15", "shift_jis", "gb18030"] = "utf-8"
    delimiter: Literal[",", ";", "\t", "|"] = ","
    dates: Literal["iso", "day_first", "month_first", "epoch_ms", "epoch_s"] = "iso"
    """iso: 2026-03-01T09:30:00Z; day_first: 1/3/2026 or 01.03.2026 09:30; month_first: 3/1/2026 9:30 PM; epoch_ms and
    epoch_s: milliseconds or seconds since 1970."""
    decimal: Literal[".", ","] = "."
    thousands: Literal["", ",", ".", " ", "'"] | None = None
    """The mark between thousands; "" says that there is none, and that 1.234 is not a thousand."""
    time_zone: str = "UTC"
    """The IANA zone of instants that name none; a date without a time is a day, and has no zone."""
    symbols: dict[str, Currency] = Field(default_factory=dict)
    """What a currency symbol of this source means, as `{$: CAD, kr: SEK}`; by default $ is USD and ¥ JPY."""
    nulls: tuple[str, ...] = ("NULL", "null", "None", "N/A", "n/a", "#N/A")
    """Cells that mean nothing, besides the empty one. NA is a value: Namibia."""
    footer: str | None = None
    """Words with which a report export's closing block begins; it is left out."""

    @field_validator("delimiter", "decimal", "thousands", mode="before")
    @classmethod
    def _is_a_mark(cls, value: object, info: ValidationInfo) -> object:
        marks = {"delimiter": (",", ";", "\t", "|"), "decimal": (".", ","), "thousands": ("", ",", ".", " ", "'", None)}
        known = marks[info.field_name or ""]
        if value not in known:
            shown = ", ".join(json.dumps(mark) for mark in known if mark is not None)
            raise ValueError(f"one of {shown} is wanted, in quotes")
        return value

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, value: str) -> str:
        if not is_zone(value):
            raise ValueError(f"'{value}' is no IANA time zone, as Europe/Berlin")
        return value

    @model_validator(mode="after")
    def _told_apart(self) -> Formats:
        if self.decimal == self.thousands:
            raise ValueError(f"decimal and thousands are both '{self.decimal}'; they must differ")
        return self


class Expects(Frozen):
    """When and how much of a source's activities arrive; a late or short source stops demotions, and reminders wait."""

    lag_days: Annotated[int, Field(ge=0)] = 2
    """An activity is in the source at most so many days after it was known; reminders wait for that."""
    volume: dict[Weekday, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    """Rows of a usual weekday; empty, or none of 1 or more: only the lag is judged."""
    short_below: Annotated[float, Field(ge=0, le=1)] = 0.5
    """The newest 7 days are short below this share of what is expected of them."""


class Source(Frozen):
    """One place that tables come from.

    kind: `tables` (the contract's own names), `salesforce`, `hubspot`, or a mapping of the workspace
    (`mappings/<kind>.yaml`). The first source that holds accounts names them; accounts of later ones join it.
    """

    name: Name
    kind: str = "tables"
    at: str
    """A folder, relative to the workspace, or the URL of an SQL database."""
    formats: Formats = Formats()
    expects: Expects | None = None
    look_back_days: Annotated[int, Field(ge=0)] = 7
    """SQL only: how far before the watermark rows are read again."""

    @property
    def is_database(self) -> bool:
        """Whether it is an SQL database."""
        return "://" in self.at


class Settings(Frozen):
    """The settings of a workspace; relative paths and SQLite files are relative to the workspace's folder."""

    tables: str | None = None
    """A folder of the contract's tables: short for one source of kind tables; `tables/` if no source is named."""
    sources: tuple[Source, ...] = ()
    data_through: date | None = None
    """How far the data reach; by default each table's newest known_at. Reminders go by it too."""
    store: str = "sqlite:///state/tierwise.db"
    registry: str = "sqlite:///state/mlflow.db"
    published: str = "published"
    max_lag_days: Annotated[int, Field(ge=0)] = 7
    """How far behind an as_of the activities may end before scoring waits for newer ones (exit 7)."""
    threads: Annotated[int, Field(ge=1, le=64)] = 2
    memory: Annotated[str, Field(pattern=r"^\d+(MB|GB)$")] = "1500MB"
    """How much the warehouse may hold in memory; the rest of it stands in a temporary folder."""
    quarantine: Quarantine = Quarantine()
    brake: Brake = Brake()
    currency: Currency | None = None
    """What all amounts are converted to; by default the commonest currency of the opportunities."""
    amounts: Literal["convert", "ignore"] = "convert"
    """What is done with amounts in several currencies: converted by fx_rates, or ignored."""
    noise: NoiseRules = NoiseRules()
    provisional_accounts: bool = True
    """Whether leads of a company that has no account yet make one, `lead:<domain>`, until it has."""
    sinks: tuple[AnySink, ...] = ()
    """Where `tierwise deliver` takes actions; those that need a network stand under an environment."""
    environments: dict[str, dict[str, object]] = Field(default_factory=dict)
    """Overlays by name, applied with `--env NAME`."""

    @model_validator(mode="after")
    def _named_once(self) -> Settings:
        names = [source.name for source in self.all_sources]
        if len(set(names)) < len(names):
            raise ValueError(f"two sources have one name: {', '.join(names)}")
        sinks = [sink.name for sink in self.sinks]
        if len(set(sinks)) < len(sinks):
            raise ValueError(f"two sinks have one name: {', '.join(sinks)}")
        return self

    @property
    def all_sources(self) -> tuple[Source, ...]:
        """Every source, `tables` first."""
        if self.tables is None and self.sources:
            return self.sources
        return (Source(name="tables", at=self.tables or "tables"), *self.sources)
