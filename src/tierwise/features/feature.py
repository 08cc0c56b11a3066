"""A feature as data: its side, unit, window, what its being missing may mean, and its words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Side = Literal["fit", "signal"]
Kind = Literal["number", "category", "flag"]
Missing = Literal["value", "beyond", "never"]
NOT_KNOWN = "not known"


@dataclass(frozen=True)
class Feature:
    """One line of the catalogue.

    missing: `value` (its being missing is known as of the date, and may inform), `beyond` (nothing has happened so far:
    it stands beyond the greatest number) or `never` (today's attribute: its being missing may tell the future, so
    learners impute it). words: a format template with `{value}`.
    """

    name: str
    side: Side
    kind: Kind
    unit: str
    words: str
    window_days: int | None = None
    missing: Missing = "value"
    absent: str = NOT_KNOWN
    """What a missing value is called."""
    monotone: Literal[-1, 0, 1] = 0
    """Whether the log-odds may only rise (1) or only fall (-1) with a number; never of a category."""
    family: str = ""
    """What people call it together with its like ("website"); without one, a feature is a family of its own."""
    measure: str = ""
    """What it counts, over whatever window and however faded: features of one measure overlap, and only together do
    they say what it is worth. Without one, a feature is a measure of its own."""
