"""CSV bytes as records with their true physical lines, found without a loop over rows."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

_NEWLINE, _RETURN, _COMMA, _QUOTE = 10, 13, 44, 34
_BOM = b"\xef\xbb\xbf"


class CsvFault(Exception):
    """Why a file cannot be read as CSV at all; `line` is a physical line, 1 the first, None the whole file."""

    def __init__(self, says: str, line: int | None = None) -> None:
        super().__init__(says)
        self.says, self.line = says, line


@dataclass(frozen=True)
class CsvTable:
    """A CSV file as text.

    frame : one text column a header name, by position (`c0`, `c1`, ...), a row a good record.
    names : the header, as written.
    lines : the physical line on which each row's record begins.
    ragged : (line, number of fields) of each record that has more or fewer fields than the header.
    """

    frame: pa.Table
    names: tuple[str, ...]
    lines: np.ndarray
    ragged: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class _Records:
    """Where each non-blank record begins and ends (without its newline), its first line and its number of fields."""

    begins: np.ndarray
    ends: np.ndarray
    lines: np.ndarray
    fields: np.ndarray


def read_csv(data: bytes, threads: int) -> CsvTable:
    """Read CSV bytes (UTF-8, comma, RFC 4180 quotes; any newline) as text, every cell.

    Raises
    ------
    CsvFault : empty, not UTF-8, an unclosed or stray quote, or no header.
    """
    data = data.removeprefix(_BOM)
    _check_encoding(data)
    if b"\n" not in data:
        data = data.replace(b"\r", b"\n")
    records = _records(data)
    if not len(records.begins):
        raise CsvFault("the file is empty")
    header = data[records.begins[0] : records.ends[0]].decode()
    names = tuple(name.strip() for name in next(csv.reader(io.StringIO(header, newline=""))))
    if len(names) == 1 and any(mark in header for mark in ";\t|"):
        raise CsvFault("the header has one column and holds ';', a tab or '|'; export it with commas", 1)
    good = records.fields[1:] == len(names)
    body = _join(data, records, good)
    frame = _parse(body, len(names), threads)
    if frame.num_rows != int(good.sum()):
        raise CsvFault("its records cannot be told apart (a bare carriage return inside a field?); quote such fields")
    ragged = zip(records.lines[1:][~good].tolist(), records.fields[1:][~good].tolist(), strict=True)
    return CsvTable(frame, names, records.lines[1:][good], tuple(ragged))


def _check_encoding(data: bytes) -> None:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise CsvFault("not UTF-8; export it as UTF-8", line) from None
    if b"\x00" in data:
        raise CsvFault("holds NUL bytes: it is damaged, or UTF-16; export it as UTF-8")


def _records(data: bytes) -> _Records:
    text = np.frombuffer(data, dtype=np.uint8)
    is_quote = text == _QUOTE
    quoted = np.bitwise_xor.accumulate(is_quote) if is_quote.any() else np.zeros(len(text), dtype=bool)
    newlines = np.flatnonzero(text == _NEWLINE)
    if is_quote.any():
        _check_quotes(text, np.flatnonzero(is_quote), newlines, bool(quoted[-1]))
    ends = newlines[~quoted[newlines]]
    if len(text) and (not len(ends) or ends[-1] != len(text) - 1):
        ends = np.append(ends, len(text))
    begins = np.concatenate(([0], ends[:-1] + 1)) if len(ends) else ends
    commas = np.flatnonzero((text == _COMMA) & ~quoted)
    fields = np.diff(np.searchsorted(commas, ends), prepend=0) + 1
    lines = np.searchsorted(newlines, begins) + 1
    short = (ends > begins) & (text[np.maximum(ends - 1, 0)] == _RETURN)
    ends = ends - short
    filled = ends > begins
    return _Records(begins[filled], ends[filled], lines[filled], fields[filled])


def _check_quotes(text: np.ndarray, quotes: np.ndarray, newlines: np.ndarray, open_at_end: bool) -> None:
    """Opening quotes begin a field, closing ones end it (or are doubled); otherwise the records cannot be trusted."""
    opening, closing = quotes[0::2], quotes[1::2]
    before = np.where(opening > 0, text[np.maximum(opening - 1, 0)], _NEWLINE)
    starts = np.isin(before, (_COMMA, _NEWLINE, _RETURN))
    starts[1:] |= closing[: len(opening) - 1] == opening[1:] - 1
    after = np.where(closing + 1 < len(text), text[np.minimum(closing + 1, len(text) - 1)], _NEWLINE)
    stops = np.isin(after, (_COMMA, _NEWLINE, _RETURN, _QUOTE))
    stray = np.concatenate((opening[~starts], closing[~stops]))
    if len(stray):
        line = int(np.searchsorted(newlines, stray.min())) + 1
        raise CsvFault("a quote stands in the middle of a field, or one is not closed before it; double it", line)
    if open_at_end:
        line = int(np.searchsorted(newlines, opening[-1])) + 1
        raise CsvFault("the quote that opens here is never closed; the file may be cut short", line)


def _join(data: bytes, records: _Records, good: np.ndarray) -> bytes:
    """The bytes of the good records after the header: whole stretches of them, cut only around the others."""
    keep = np.concatenate(([False], good))
    if not keep.any():
        return b""
    edges = np.flatnonzero(np.diff(keep.astype(np.int8), append=0))
    firsts, lasts = edges[0::2] + 1, edges[1::2]
    return b"\n".join(
        data[records.begins[a] : records.ends[b]] for a, b in zip(firsts.tolist(), lasts.tolist(), strict=True)
    )


def _parse(body: bytes, width: int, threads: int) -> pa.Table:
    names = [f"c{i}" for i in range(width)]
    if not body:
        return pa.table({name: pa.array([], pa.string()) for name in names})
    try:
        return arrow_csv.read_csv(
            pa.BufferReader(body),
            read_options=arrow_csv.ReadOptions(
                column_names=names, use_threads=threads > 1, block_size=max(1 << 24, len(body) // 8)
            ),
            parse_options=arrow_csv.ParseOptions(newlines_in_values=b'"' in body),
            convert_options=arrow_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
        )
    except pa.ArrowInvalid as error:
        raise CsvFault(f"cannot be read as CSV: {str(error).splitlines()[0]}") from None
