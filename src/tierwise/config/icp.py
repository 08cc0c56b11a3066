"""models/<plan>/icp.yaml: the ideal customer profile, the titles that name a role, and the rubric."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from tierwise.config.plan import ColumnName, Frozen, Name

ANY = "any"
"""Under `except`: words that keep a title from every role."""


def plain(text: str) -> str:
    """A title or a pattern as plain words: lower case, no accents, no full stops, one space between words.

    >>> plain("Geschäftsführer/in, C.E.O."), plain("*leiter")
    ('geschaftsfuhrer in ceo', '*leiter')
    """
    bare = "".join(c for c in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(c))
    return " ".join(re.sub(r"[^\w*+]|_", " ", bare.replace(".", "")).split())


def expression(patterns: tuple[str, ...]) -> str:
    """One regular expression (RE2) that finds any of the patterns in plain words.

    Words are whole words; `*` stands for any letters inside one. Of `a + b` both must stand in the title, in that
    order, whatever is between.

    >>> expression(("vice president", "*leiter", "head + data"))
    '(^| )(vice president|[^ ]*leiter|head (.* )?data)( |$)'
    """
    each = []
    for pattern in patterns:
        parts = [re.escape(part).replace(r"\ ", " ") for part in map(str.strip, plain(pattern).split("+"))]
        each.append(" (.* )?".join(parts).replace(r"\*", "[^ ]*"))
    return f"(^| )({'|'.join(each)})( |$)"


class IcpPoints(Frozen):
    """Points of the hand-made rubric: for an attribute's value, or for a number's range `[at_least, below)`."""

    attribute: ColumnName
    equals: tuple[str, ...] = ()
    at_least: float | None = None
    below: float | None = None
    points: int

    @model_validator(mode="after")
    def _one_condition(self) -> IcpPoints:
        ranged = self.at_least is not None or self.below is not None
        if bool(self.equals) == ranged:
            raise ValueError("a line of the rubric says either equals: [values], or at_least and below of a number")
        if any("@" in value for value in self.equals):
            raise ValueError("a value of an account's attribute is wanted; here stands an e-mail address")
        if self.at_least is not None and self.below is not None and self.at_least >= self.below:
            raise ValueError("at_least must lie below below")
        return self

    @property
    def words(self) -> str:
        """When the points are given, in words.

        >>> IcpPoints(attribute="employee_count", at_least=200, below=5000, points=10).words
        'employee count from 200 to below 5,000'
        """
        name = self.attribute.replace("_", " ")
        if self.equals:
            return f"{name} is {' or '.join(self.equals)}"
        if self.below is None:
            return f"{name} of at least {self.at_least:,g}"
        return (
            f"{name} below {self.below:,g}"
            if self.at_least is None
            else (f"{name} from {self.at_least:,g} to below {self.below:,g}")
        )


class Headcount(Frozen):
    """A band of employees, `[at_least, below)`."""

    at_least: Annotated[float, Field(ge=0)] = 0
    below: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Headcount:
        if self.below is not None and self.at_least >= self.below:
            raise ValueError("at_least must lie below below")
        return self


class Persona(Frozen):
    """What a role in the buying group suffers from, and what it wants done; messages say it."""

    pain: str = ""
    """Its pain point, as the end of a sentence: `reports that disagree`."""
    job: str = ""
    """Its job to be done; without one, the profile's."""

    @field_validator("pain", "job")
    @classmethod
    def _of_nobody(cls, value: str) -> str:
        if "@" in value:
            raise ValueError("a role's pains and jobs are wanted; here stands an e-mail address")
        return value


class Icp(Frozen):
    """models/<plan>/icp.yaml: the ideal customer profile, as a workbook, as a rubric and as titles by role."""

    headcount: tuple[Headcount, ...] = ()
    industries: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    example_companies: tuple[str, ...] = ()
    """Names of companies, never of people."""
    job_to_be_done: str | None = None
    personas: dict[Name, Persona] = Field(default_factory=dict)
    """Role -> its pain and its job to be done, for the messages of plays."""
    roles: dict[Name, tuple[str, ...]] = Field(default_factory=dict)
    """Role -> patterns of titles. The first role with a pattern that a title holds is the contact's: whole words,
    whatever their case and accents; `*` stands for letters inside a word, `a + b` for both in that order."""
    exceptions: dict[str, tuple[str, ...]] = Field(default_factory=dict, alias="except")
    """Role, or `any` -> patterns of titles that do not name that role, or none at all."""
    rubric: tuple[IcpPoints, ...] = ()

    @field_validator("example_companies")
    @classmethod
    def _companies(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any("@" in name for name in value):
            raise ValueError("an example is the name of a company; here stands an e-mail address")
        return value

    @field_validator("roles", "exceptions")
    @classmethod
    def _words(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for role, patterns in value.items():
            parts = [part for pattern in patterns for part in plain(pattern).split("+")]
            if any(not re.search(r"\w", part) for part in parts):
                raise ValueError(f"a pattern of {role} holds no word")
        return value

    @model_validator(mode="after")
    def _known(self) -> Icp:
        strangers = sorted(set(self.exceptions) - {ANY, *self.roles})
        if strangers:
            there = ", ".join((ANY, *self.roles))
            raise ValueError(f"except names {', '.join(strangers)}; there are: {there}")
        if ANY in self.roles:
            raise ValueError(f"'{ANY}' is no role: it stands for all of them under except")
        return self
