"""Numbers, dates and names as people read them; every text from outside passes `clean` before a page shows it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime

import pandas as pd

from tierwise.config.policy import STATUSES as STATUSES
from tierwise.config.policy import TIERS as TIERS

TIER_WORDS = {
    "tier_1": "Focus",
    "tier_2": "Growth",
    "tier_3": "Scaled",
    "recycle": "Recycle",
    "suppress": "Suppress",
    "in_pipeline": "In pipeline",
    "customer": "Customer",
    "not_eligible": "Not eligible",
}
MOTIONS = {
    "tier_1": "1:1 account-based marketing, executive alignment",
    "tier_2": "1:few account-based marketing, coordinated outbound",
    "tier_3": "Scaled nurture, self-serve; awareness and outbound for targets",
    "recycle": "Recycle path, enrichment, partner route",
    "suppress": "No outreach",
}
DASH = "–"
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_EMAIL = re.compile(r"[^\s<>@\"']{1,64}@[^\s<>@\"']{1,190}\.[A-Za-z]{2,}")
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


def absent(value: object) -> bool:
    """Whether a cell holds nothing: None, NaN, NaT or an empty text."""
    return (
        value is None
        or value is pd.NaT
        or value is pd.NA
        or value == ""
        or (isinstance(value, float) and math.isnan(value))
    )


_MINUS = re.compile(r"(?<![\w.,:;/−-])-(?=\d)")
"""The sign of a number, and no hyphen within a word, a date or a range."""


def clean(text: object, most: int = 240) -> str:
    """A text from outside, made fit to show: unseen and direction-changing characters and e-mail addresses are gone,
    it is at most `most` characters long, and a spreadsheet that opens the page does not run it as a formula.

    >>> clean("=HYPERLINK(1)"), clean("write to jo@example.com")
    ("'=HYPERLINK(1)", 'write to [e-mail removed]')
    """
    if absent(text):
        return ""
    plain = " ".join(_UNSEEN.sub(" ", str(text)[: 4 * most + 400]).split())
    if "@" in plain:
        plain = _EMAIL.sub("[e-mail removed]", plain)
    if plain[:1] in ("=", "@") or (plain[:1] in ("+", "-") and not re.match(r"[+-][\d.]", plain)):
        plain = "'" + plain
    return plain if len(plain) <= most else plain[: most - 1].rstrip() + "…"


def number(value: object, digits: int = 0) -> str:
    """A number with thousands separators, or a dash."""
    return DASH if absent(value) else f"{float(str(value)):,.{digits}f}".replace("-", "−")


def score(value: object) -> str:
    """A score from 0 to 100 as a whole number, rounded down as in every account's `why`: no two numbers for one score.

    >>> score(89.6), score(None)
    ('89', '–')
    """
    return DASH if absent(value) else str(math.floor(float(str(value))))


def percent(value: object, digits: int = 1) -> str:
    """A share in [0, 1] as a percentage, or a dash."""
    return DASH if absent(value) else f"{number(100 * float(str(value)), digits)}%"


def points(value: object, digits: int = 1) -> str:
    """A difference of two shares in percentage points, or a dash.

    >>> points(-0.0112), points(None)
    ('−1.1 points', '–')
    """
    return DASH if absent(value) else f"{number(100 * float(str(value)), digits)} points"


def signed(value: float, digits: int = 2) -> str:
    """A number with its sign always shown."""
    return f"{'+' if value >= 0 else '−'}{abs(value):.{digits}f}"


def day(value: object) -> str:
    """A date as "1 November 2026", or a dash."""
    if absent(value):
        return DASH
    when = pd.Timestamp(str(value))
    return f"{when.day} {_MONTHS[when.month - 1]} {when.year}"


def month(value: object) -> str:
    """A month as "Nov 2026", whatever instant, date or "YYYY-MM" text names it."""
    when = pd.Timestamp(str(value))
    return f"{_MONTHS[when.month - 1][:3]} {when.year}"


def day_of(value: datetime) -> str:
    """The ISO date of an instant."""
    return value.date().isoformat()


def plural(n: int, one: str, many: str = "") -> str:
    """ "1 account", "2 accounts"."""
    return f"{number(n)} {one if n == 1 else many or one + 's'}"


def stop(sentence: str) -> str:
    """A sentence with one full stop at its end."""
    return sentence.rstrip(" .") + "." if sentence else ""


def sentences(text: str) -> str:
    """A text whose sentences begin with a capital; a name with an underscore or a digit in it stays as it is.

    >>> sentences("the channel news. it is late. known_at is absent")
    'The channel news. It is late. known_at is absent'
    """
    return re.sub(r"(^|[.!?] )([a-z][^\W\d_]*)(?![\w.])", lambda m: m.group(1) + upfirst(m.group(2)), text)


def upfirst(sentence: str) -> str:
    """A sentence whose first letter is a capital."""
    return sentence[:1].upper() + sentence[1:]


class Words:
    """The words of a plan's readers: `labels` replace the words of the house, on pages only.

    >>> Words({"signal": "engagement"})("signal"), Words({}).tier("tier_1")
    ('engagement', 'Tier 1 · Focus')
    """

    def __init__(self, labels: Mapping[str, str]) -> None:
        self.labels = {key: clean(value, 40) for key, value in labels.items()}
        words = sorted((w for w in self.labels if w.isidentifier()), key=len, reverse=True)
        self._pattern = re.compile(rf"\b({'|'.join(map(re.escape, words))})\b", re.IGNORECASE) if words else None

    def __call__(self, word: str) -> str:
        """The reader's word for a word of the house, in running text."""
        if word in self.labels:
            return self.labels[word]
        if word.endswith("s") and word[:-1] in self.labels:
            return self.labels[word[:-1]] + "s"
        return clean(" ".join(self.labels.get(part, part) for part in word.split("_")), 60)

    def title(self, word: str) -> str:
        """The same at the head of a column or a sentence."""
        return upfirst(self(word))

    def tier(self, tier: object) -> str:
        """A tier or status by its number and name."""
        if absent(tier):
            return "New"
        name = self.labels.get(str(tier), TIER_WORDS.get(str(tier), clean(tier, 40)))
        return f"Tier {str(tier)[-1]} · {name}" if str(tier) in TIERS[:3] else name

    def short(self, tier: object) -> str:
        """A tier or status by its name alone."""
        return self.tier(tier).split(" · ")[-1]

    def sentence(self, text: object, most: int = 240) -> str:
        """A machine-made sentence, cleaned and in the reader's words."""
        plain = _MINUS.sub("−", clean(text, most))
        if self._pattern is None:
            return plain

        def swap(found: re.Match[str]) -> str:
            word = found.group(0)
            shown = self.labels.get(word, self.labels.get(word.lower(), word))
            return upfirst(shown) if word[:1].isupper() else shown

        return self._pattern.sub(swap, plain)
