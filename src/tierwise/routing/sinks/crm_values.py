"""Values as a CRM's fields hold them: pure, and the same on the way out as when they are read back and compared."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, Literal

from tierwise.config.policy import STATUSES, TIERS
from tierwise.config.sinks_crm import DECIMALS
from tierwise.tiers.words import safe_text

TIER_NAMES = (*TIERS, *STATUSES)
"""What tierwise says of an account: its tier, or the status that keeps it out of the cohort."""
Kind = Literal["text", "number", "date", "datetime", "choice", "reference", "other"]
_JOINER = "\u200d"
_KEPT_FORMATS = {_JOINER, "\u200c"}
_NEVER = {0xFFFE, 0xFFFF, 0xFFFD}


@dataclass(frozen=True)
class CrmField:
    """A field as the vendor's metadata describes it.

    length: UTF-16 units a text may have; None where there is no limit. digits, decimals: of a number, before and after
    the point. choices: the values of a closed list; empty where any is taken. percent: 12.5 means 12.5 %. stamp: how an
    instant is written. unique: its value names one record.
    """

    name: str
    kind: Kind
    vendor_type: str
    writable: bool = True
    length: int | None = None
    digits: int | None = None
    decimals: int | None = None
    choices: tuple[str, ...] = ()
    percent: bool = False
    stamp: str = "%Y-%m-%dT%H:%M:%SZ"
    unique: bool = False
    refers_to: tuple[str, ...] = ()
    why_not: str = ""


def written(name: str, value: Any, field: CrmField) -> str | None:
    """The text that stands for a value of tierwise's in a field; None where there is none.

    Texts are on one line, without control characters, and cut at the field's length on a whole character; numbers are
    rounded half up to the decimals that are told of them, or the field's where it has fewer; a propensity in a percent
    field is in percent.

    >>> written("propensity", 0.2345, CrmField("P__c", "number", "percent", decimals=1, percent=True))
    '23.5'
    """
    if value is None or value == "":
        return None
    if field.kind == "number":
        percent = field.percent and name == "propensity"
        told = DECIMALS[name] - 2 * percent if name in DECIMALS else None
        decimals = min((d for d in (told, field.decimals) if d is not None), default=None)
        return _number(value, decimals, 100 if percent else 1)
    if field.kind in ("date", "datetime"):
        return _moment(str(value), field)
    text = one_line(str(value))
    return (cut(text, field.length) or None) if text else None


def same(held: Any, text: str | None, field: CrmField) -> bool:
    """Whether what a CRM holds is what would be written; an empty text is nothing."""
    if held is None or held == "":
        return text is None
    if text is None:
        return False
    if field.kind == "number":
        return _as_number(held) == _as_number(text)
    if field.kind in ("date", "datetime"):
        return _as_instant(str(held)) == _as_instant(text)
    if field.kind == "reference":
        return str(held)[:15] == text[:15]
    return one_line(str(held)) == text


def one_line(text: str) -> str:
    """A text on one line: blanks are single, and what steers a terminal, a spreadsheet or a bidi reader is gone.

    >>> one_line("a\\r\\n\\tb\\x00\\u202ec")
    'a bc'
    """
    spaced = "".join(" " if c.isspace() else c for c in text)
    return " ".join("".join(c for c in spaced if c == " " or _shown(c)).split())


def cut(text: str, units: int | None) -> str:
    """The longest beginning of a text that has so many UTF-16 units, ending on a whole character as people see it.

    >>> cut("ab\\U0001F468\\u200d\\U0001F469", 5), cut("e\\u0301x", 1)
    ('ab', '')
    """
    if units is None:
        return text
    taken = end = 0
    for end, c in enumerate(text):  # noqa: B007
        taken += 2 if ord(c) > 0xFFFF else 1
        if taken > units:
            break
    else:
        return text
    while end > 0 and _joined(text, end):
        end -= 1
    return text[:end].rstrip()


def shown(held: Any, field: CrmField) -> str:
    """A value of a CRM as a receipt names it: a number, a day, or a tier's name; of any other text its length alone.

    >>> shown("tier_3", CrmField("T__c", "text", "string")), shown("Jane", CrmField("T__c", "text", "string"))
    ("'tier_3'", 'another text (4 characters)')
    """
    if held is None or held == "":
        return "nothing"
    text = one_line(str(held))
    plain = _plain(text, field)
    if plain is not None:
        return f"'{plain}'"
    return f"another text ({len(text)} character{'' if len(text) == 1 else 's'})"


def quoted(text: str | None, field: CrmField, most: int = 40) -> str:
    """A value of tierwise's own as a preview names it: quoted, shortened, without what may be a person's."""
    if text is None:
        return "nothing"
    words = safe_text(text) if _plain(text, field) is None else text
    return f"'{words if len(words) <= most else words[: most - 1] + '…'}'"


def _plain(text: str, field: CrmField) -> str | None:
    """A text that can be nobody's words: the name of a tier, or what a number's or a day's field holds."""
    if field.kind == "number":
        return _number(text, None, 1)
    if field.kind in ("date", "datetime"):
        return _moment(text, field)
    return text if text in TIER_NAMES else None


def _shown(c: str) -> bool:
    if c in _KEPT_FORMATS:
        return True
    return unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Cn") and ord(c) not in _NEVER


def _joined(text: str, at: int) -> bool:
    """Whether the character at a place belongs to the one before it."""
    c, before = text[at], text[at - 1]
    if c == _JOINER or before == _JOINER or unicodedata.category(c) in ("Mn", "Me", "Mc"):
        return True
    if 0x1F3FB <= ord(c) <= 0x1F3FF:
        return True
    if _flag(c) and _flag(before):
        first = at
        while first > 0 and _flag(text[first - 1]):
            first -= 1
        return (at - first) % 2 == 1
    return False


def _flag(c: str) -> bool:
    return 0x1F1E6 <= ord(c) <= 0x1F1FF


def _number(value: Any, decimals: int | None, times: int) -> str | None:
    number = _as_number(value)
    if number is None:
        return None
    number *= times
    if decimals is not None:
        number = number.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
    text = f"{number:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def _as_number(value: Any) -> Decimal | None:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _moment(text: str, field: CrmField) -> str | None:
    moment = _as_instant(text)
    if moment is None:
        return None
    return f"{moment:%Y-%m-%d}" if field.kind == "date" else moment.strftime(field.stamp)


def _as_instant(text: str) -> datetime | None:
    """An instant or a day, as ISO 8601 or as milliseconds since 1970, in UTC."""
    try:
        if text.lstrip("-").isdigit() and len(text) > 8:
            return datetime.fromtimestamp(int(text) / 1000, UTC)
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        try:
            moment = datetime.combine(date.fromisoformat(text[:10]), datetime.min.time())
        except ValueError:
            return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
