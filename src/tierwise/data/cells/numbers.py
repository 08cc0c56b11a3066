"""Numbers: a cell read by the declared decimal and thousands marks; amounts and ranges as people write them.

A plain number is read strictly: `1,234` is none unless a comma is declared. One written for people, with a currency, a
multiplier, a bound or as a range, may group its thousands by the other one of comma and point, in whole groups.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tierwise.config.workspace import Formats
from tierwise.data.cells.currencies import agrees, meaning, symbols
from tierwise.data.cells.instants import Hint
from tierwise.data.cells.sql import among, bound, extracted, matches, replaced

_MARKS = {"": "", ",": ",", ".": r"\.", " ": r" \x{00a0}\x{202f}\x{2009}", "'": r"'\x{2019}"}
"""The characters of a thousands mark, as they stand in a class."""
_BLANKS, _DASHES = r"[\s\x{00a0}\x{202f}\x{2009}]+", r"[\x{2010}-\x{2015}\x{2212}\x{ff0d}~\x{223c}]"
_THOUSANDS, _MILLIONS = ("k", "thousand", "tsd"), ("m", "mm", "mn", "mio", "million", "millions")
_BILLIONS = ("b", "bn", "mrd", "billion", "billions")
_AT_LEAST = (">", ">=", "≥", "over", "more than", "at least", "from", "above", "über", "ab")
_AT_MOST = ("<", "<=", "≤", "under", "less than", "fewer than", "up to", "below", "unter", "bis")
_AND_MORE = (r"\+", "plus", "and (?:above|more|over|up)", "or (?:above|more|over)")
_PEOPLE = "employees|people|staff|ftes?|mitarbeiter"
_PARTS = (
    "before", "sign", "mark1", "sign2", "low", "times1", "mark2", "closed", "mark3", "high", "times2", "mark4", "after",
)  # fmt: skip
_MONTHS = (
    "jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|nov|dec|mär|mrz|mai|okt|dez|"
    "janv|févr|fév|mars|avr|juin|juil|août|déc|ene|abr|ago|dic"
)


def number(cell: str, formats: Formats) -> str:
    """A cell as a number: plain, as a percentage (12.5% is 0.125) or in parentheses (below zero); null if none."""
    plain, inner = _plain(formats), f"trim({cell}, '()% ')"
    below = rf"\({plain}\)"
    value = (
        f"CASE WHEN {matches(cell, plain)} THEN {_cast(cell, formats)} "
        f"WHEN {matches(cell, rf'{plain} ?%')} THEN {_cast(inner, formats)} / 100 "
        f"WHEN {matches(cell, below)} THEN -{_cast(inner, formats)} END"
    )
    return bound(value, "v", "CASE WHEN isfinite(v) THEN v END")


def integer(cell: str, formats: Formats) -> str:
    """A cell as a whole number; null if it is none."""
    whole = rf"[+-]?{_digits(_mark(formats))}(?:{re.escape(formats.decimal)}0*)?"
    return f"CASE WHEN {matches(cell, whole)} THEN try_cast({_canonical(cell, formats)} AS BIGINT) END"


def is_percentage(cell: str) -> str:
    """Whether a cell is written as a percentage."""
    return f"ends_with({cell}, '%')"


def amount(cell: str, formats: Formats, *, ranged: bool, money: bool) -> str:
    """A cell as a struct: kind (exact, range, at_least, reversed; null: unreadable), low, high, mark (its currency)."""
    parts = extracted(_normal(cell), _shown(formats, ranged, money), _PARTS)
    times = "CASE WHEN p.times1 = '' THEN p.times2 ELSE p.times1 END"
    low = f"{_cast('p.low', formats, shown=True)} * {_times(times)}"
    high = f"{_cast('p.high', formats, shown=True)} * {_times('p.times2')}"
    mark = "coalesce(nullif(p.mark2, ''), nullif(p.mark4, ''), nullif(p.mark1, ''), p.mark3)"
    marks = "list_distinct(list_filter([p.mark1, p.mark2, p.mark3, p.mark4], lambda x: x <> ''))"
    ends = f"{{'p': p, 'low': {low}, 'high': {high}, 'mark': {mark}, 'marks': {marks}}}"
    kind = _kind(formats)
    sign = "CASE WHEN e.p.sign <> '' OR e.p.sign2 <> '' THEN -e.low WHEN "
    sign += f"{among('trim(e.p.before)', _AT_MOST)} THEN 0 ELSE e.low END"
    top = f"CASE WHEN {among('trim(e.p.before)', _AT_MOST)} THEN e.low ELSE e.high END"
    read = bound(bound(parts, "p", ends), "e", f"{{'kind': {kind}, 'low': {sign}, 'high': {top}, 'mark': e.mark}}")
    plain = f"{{'kind': 'exact', 'low': {_cast(cell, formats)}, 'high': NULL::DOUBLE, 'mark': ''}}"
    is_plain = matches(cell, _plain(formats, sure=True))
    return f"CASE WHEN {cell} IS NULL THEN NULL WHEN {is_plain} THEN {plain} ELSE {read} END"


def _kind(formats: Formats) -> str:
    """How an amount was written, by its parts: what contradicts itself, or may be read in two ways, is of no kind."""
    signed = "(e.p.sign <> '' OR e.p.sign2 <> '')"
    bounds = " + ".join(f"(e.p.{part} <> '')::INTEGER" for part in ("high", "before", "after"))
    first, code = meaning("e.p.mark1", formats.symbols), "upper(e.p.mark2)"
    shared = f"(len(e.marks) = 2 AND ({first} = {code} OR {agrees('e.p.mark1', code)}))"
    bare = "e.mark = '' AND e.p.times1 = '' AND e.p.closed = ''"
    grouped = f"contains(e.p.low, '{_other(formats)}')" if formats.thousands != _other(formats) else "false"
    at_most = among("trim(e.p.before)", _AT_MOST)
    strange = f"(e.mark <> '' AND {meaning('e.mark', formats.symbols)} IS NULL)"
    return (
        "CASE WHEN e.p.low = '' OR (e.p.sign = '(') <> (e.p.closed = ')') "
        f"OR (e.p.sign <> '' AND e.p.sign2 <> '') OR ({signed} AND {bounds} > 0) OR {bounds} > 1 "
        f"OR {strange} OR NOT (len(e.marks) <= 1 OR {shared}) THEN NULL "
        "WHEN e.p.high <> '' AND e.low > e.high THEN CASE WHEN e.p.times1 = e.p.times2 THEN 'reversed' END "
        f"WHEN e.p.high <> '' OR {at_most} THEN 'range' WHEN e.p.before <> '' OR e.p.after <> '' THEN 'at_least' "
        f"WHEN {bare} AND {grouped} THEN NULL ELSE 'exact' END"
    )


def value(amount: str, *, whole: bool) -> str:
    """The number an amount stands for: a range's geometric mean (half its upper end, if it begins at 0), a bound."""
    mean = f"CASE WHEN {amount}.low = 0 THEN {amount}.high / 2 ELSE sqrt({amount}.low * {amount}.high) END"
    number = (
        f"CASE {amount}.kind WHEN 'range' THEN {f'round({mean})' if whole else mean} "
        f"WHEN 'exact' THEN {amount}.low WHEN 'at_least' THEN {amount}.low END"
    )
    return bound(number, "v", "CASE WHEN isfinite(v) THEN v END")


def kind(amount: str) -> str:
    """How an amount was written, as the contract's kinds have it."""
    return f"CASE WHEN {amount}.kind <> 'reversed' THEN {amount}.kind END"


def _mark(formats: Formats) -> str:
    return _MARKS[formats.thousands or ""]


def _digits(mark: str) -> str:
    return rf"(?:\d+|\d{{1,3}}(?:[{mark}]\d{{3}})+)" if mark else r"\d+"


def _plain(formats: Formats, sure: bool = False) -> str:
    """The pattern of a plain number; `sure`: not one of three decimals, where these may be thousands."""
    decimal, digits = re.escape(formats.decimal), _digits(_mark(formats))
    number = rf"(?:{digits}(?:{decimal}\d*)?|{decimal}\d+)(?:[eE][+-]?\d+)?"
    if sure and formats.thousands is None:
        number = (
            rf"(?:\d+(?:{decimal}(?:\d{{0,2}}|\d{{4,}}))?|(?:0|\d{{4,}}){decimal}\d*|{decimal}\d+)(?:[eE][+-]?\d+)?"
        )
    return rf"[+-]?{number}"


def _other(formats: Formats) -> str:
    return "." if formats.decimal == "," else ","


def _shown(formats: Formats, ranged: bool, money: bool) -> str:
    """The pattern of an amount as people write it, in lower case, with the groups `_PARTS`."""
    decimal = re.escape(formats.decimal)
    mark = _mark(formats) + ("" if formats.thousands == _other(formats) else _MARKS[_other(formats)])
    grouped = rf"\d{{1,3}}(?:[{mark}]\d{{3}})+(?:{decimal}\d+)?"
    short = r"\d+" if formats.thousands is not None else r"(?:\d{1,2}|\d{4,})"
    number = rf"((?:{grouped}|\d+(?:{decimal}{short})?|(?:0|\d{{4,}}){decimal}\d+|{decimal}\d+))"
    times = rf"({'|'.join(sorted((*_THOUSANDS, *_MILLIONS, *_BILLIONS), key=len, reverse=True))})?\.?"
    signs = "|".join(re.escape(sign) for sign in symbols(formats.symbols))
    currency = rf"({signs}|[a-z]{{3}})?" if money else "()"
    before = rf"({'|'.join(re.escape(w) + ' ?' for w in (*_AT_LEAST, *_AT_MOST))})?" if ranged else "()"
    second = rf"(?: ?(?:-|to|bis|\.\.\.?) ?{currency} ?{number} ?{times} ?{currency})?" if ranged else "()()()()"
    after = rf" ?({'|'.join(_AND_MORE)})?(?: ?(?:{_PEOPLE}))?" if ranged else "()"
    return rf"^{before}([(-])? ?{currency} ?(-)?{number} ?{times} ?{currency} ?(\))?{second}{after}$"


def _normal(cell: str) -> str:
    return f"lower({replaced(replaced(cell, _DASHES, '-'), _BLANKS, ' ')})"


def _canonical(cell: str, formats: Formats, shown: bool = False) -> str:
    """The digits of a number without marks, and with a decimal point."""
    mark = _mark(formats) + (_MARKS[_other(formats)] if shown else "")
    text = replaced(cell, f"[{mark}]", "") if mark else cell
    return text if formats.decimal == "." else f"replace({text}, ',', '.')"


def _cast(cell: str, formats: Formats, shown: bool = False) -> str:
    return f"try_cast({_canonical(cell, formats, shown)} AS DOUBLE)"


def _times(word: str) -> str:
    words = ((_THOUSANDS, "1e3"), (_MILLIONS, "1e6"), (_BILLIONS, "1e9"))
    return f"CASE {' '.join(f'WHEN {among(word, w)} THEN {by}' for w, by in words)} ELSE 1 END"


def is_mangled(cell: str) -> str:
    """Whether a spreadsheet has made a date of a range, as Oct-50 of 10-50."""
    month = rf"(?:{_MONTHS})\.?"
    named = rf"\d{{1,4}}[ ./-]*{month}|{month}[ ./-]*\d{{1,4}}"
    return matches(f"lower({cell})", rf"{named}|\d{{4}}-\d\d-\d\d.*|\d{{1,2}}[/.]\d{{1,2}}[/.]\d{{2,4}}.*")


def hints(cell: str, formats: Formats, sure: bool) -> Iterator[Hint]:
    """What unreadable numbers look like, the surest first; `sure`: three decimals are not taken for decimals."""
    says = "is not a number"

    def looks(pattern: str, words: str) -> Hint:
        return Hint(matches(cell, pattern), f"{says}{words}")

    yield looks(
        r"#(?:REF|VALUE|DIV/0|NAME|NUM|NULL|N/A|WERT|BEZUG)[!?]?", ", but a spreadsheet's error: mend the formula"
    )
    point, comma, decimal = re.escape(formats.decimal), re.escape(_other(formats)), formats.decimal
    other, sign = _other(formats), r"[^\d]{0,4}"
    if formats.thousands != other:
        grouped = rf"{sign}\d{{1,3}}(?:{comma}\d{{3}})+(?:{point}\d+)?\D{{0,4}}"
        yield looks(grouped, f"; if '{other}' groups its thousands, declare formats: {{thousands: '{other}'}}")
    turned = rf"{sign}(?:\d{{1,3}}(?:{point}\d{{3}})+|\d+){comma}\d+\D{{0,4}}"
    swapped = f"{{decimal: '{other}', thousands: '{decimal}'}}"
    yield looks(turned, f"; if '{other}' is its decimal mark, declare formats: {swapped}")
    if sure and formats.thousands is None:
        words = (
            f": '{decimal}' could group its thousands; declare formats: {swapped}, or {{thousands: ''}} if it does not"
        )
        yield looks(rf"(?:.*\D)?\d{{1,3}}(?:{point}\d{{3}})+(?:\D.*)?", words)
    for mark, shown in ((" ", " "), ("'", "'")):
        if formats.thousands != mark:
            grouped = rf"{sign}\d{{1,3}}(?:[{_MARKS[mark]}]\d{{3}})+(?:{point}\d+)?\D{{0,4}}"
            yield looks(grouped, f'; if "{shown}" groups its thousands, declare formats: {{thousands: "{shown}"}}')
