"""Where the records of CSV bytes begin and end, found with arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tierwise.data.sources.part import SourceFault

_NEWLINE, _RETURN, _QUOTE = 10, 13, 34


@dataclass(frozen=True)
class Records:
    """The records of some bytes, blank ones apart: where each begins and ends (without its line end).

    lines, fields : (records,) the physical line on which it begins, and how many fields it has.
    after_blank : (records,) whether a blank line stands before it.
    consumed, newlines : how many bytes are whole records, and how many lines these end.
    blank_at_end : whether they end with a blank line.
    ended : whether the last record has its line end.
    """

    begins: np.ndarray
    ends: np.ndarray
    lines: np.ndarray
    fields: np.ndarray
    after_blank: np.ndarray
    consumed: int
    newlines: int
    blank_at_end: bool
    ended: bool

    def part(self, first: int, last: int | None = None) -> Records:
        """A stretch of the records."""
        cut = slice(first, last)
        return replace(
            self,
            begins=self.begins[cut],
            ends=self.ends[cut],
            lines=self.lines[cut],
            fields=self.fields[cut],
            after_blank=self.after_blank[cut],
        )

    def __len__(self) -> int:
        return len(self.begins)


def find_records(data: bytes, delimiter: str, line: int, after_blank: bool, final: bool) -> Records:
    """The whole records of bytes that begin on `line`, outside quotes; if `final`, all of them.

    Raises
    ------
    SourceFault : a stray quote or bare carriage return, or (if final) a quote that is never closed.
    """
    text = np.frombuffer(data, dtype=np.uint8)
    newlines = np.flatnonzero(text == _NEWLINE)
    quotes = np.flatnonzero(text == _QUOTE) if b'"' in data else np.zeros(0, dtype=np.int64)
    ends = newlines[np.searchsorted(quotes, newlines) % 2 == 0]
    consumed = len(data) if final else int(ends[-1]) + 1 if len(ends) else 0
    inside = quotes[quotes < consumed]
    if len(inside):
        check_quotes(text, inside, newlines, ord(delimiter), line)
    if b"\r" in data:
        _check_returns(text, quotes, newlines, consumed, line)
    ended = not final or bool(len(ends) and ends[-1] == len(data) - 1)
    if not ended:
        ends = np.append(ends, len(data))
    begins = np.concatenate(([0], ends[:-1] + 1)) if len(ends) else ends
    marks = np.flatnonzero(text[:consumed] == ord(delimiter))
    if len(inside):
        marks = marks[np.searchsorted(inside, marks) % 2 == 0]
    fields = np.diff(np.searchsorted(marks, ends), prepend=0) + 1
    lines = np.searchsorted(newlines, begins) + line
    ends = ends - ((ends > begins) & (text[np.maximum(ends - 1, 0)] == _RETURN) if len(ends) else 0)
    filled = ends > begins
    blank = np.concatenate(([after_blank], ~filled))
    return Records(
        begins[filled],
        ends[filled],
        lines[filled],
        fields[filled],
        blank[:-1][filled],
        consumed,
        int(np.searchsorted(newlines, consumed)),
        bool(blank[-1]),
        ended,
    )


def check_quotes(text: np.ndarray, quotes: np.ndarray, newlines: np.ndarray, delimiter: int, line: int) -> None:
    """Opening quotes begin a field, closing ones end it (or are doubled); otherwise the records cannot be trusted.

    Raises
    ------
    SourceFault : one does not, or the last one is never closed.
    """
    opening, closing = quotes[0::2], quotes[1::2]
    before = np.where(opening > 0, text[np.maximum(opening - 1, 0)], _NEWLINE)
    starts = np.isin(before, (delimiter, _NEWLINE, _RETURN))
    starts[1:] |= closing[: len(opening) - 1] == opening[1:] - 1
    after = np.where(closing + 1 < len(text), text[np.minimum(closing + 1, len(text) - 1)], _NEWLINE)
    stops = np.isin(after, (delimiter, _NEWLINE, _RETURN, _QUOTE))
    stray = np.concatenate((opening[~starts], closing[~stops]))
    if len(stray):
        says = "a quote stands in the middle of a field, or one is not closed before it; double it"
        raise SourceFault(says, int(np.searchsorted(newlines, stray.min())) + line)
    if len(opening) > len(closing):
        says = "the quote that opens here is never closed; the file may be cut short"
        raise SourceFault(says, int(np.searchsorted(newlines, opening[-1])) + line)


def _check_returns(text: np.ndarray, quotes: np.ndarray, newlines: np.ndarray, consumed: int, line: int) -> None:
    returns = np.flatnonzero(text[:consumed] == _RETURN)
    returns = returns[np.searchsorted(quotes, returns) % 2 == 0]
    follows = np.where(returns + 1 < len(text), text[np.minimum(returns + 1, len(text) - 1)], 0)
    bare = returns[follows != _NEWLINE]
    if len(bare):
        says = "a carriage return stands here without a line feed; save the file with LF or CRLF line ends"
        raise SourceFault(says, int(np.searchsorted(newlines, bare[0])) + line)
