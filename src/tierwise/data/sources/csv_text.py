"""CSV as a stream of records with their true physical lines, in bounded memory and without a loop over rows."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import BinaryIO

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from tierwise.config.workspace import Formats
from tierwise.data.sources.csv_records import Records, check_quotes, find_records
from tierwise.data.sources.decoding import BLOCK, decoded
from tierwise.data.sources.names import plain_name, unseen
from tierwise.data.sources.part import Chunk, SourceFault

_LONGEST = 2
"""A record that does not end within so many blocks is a quote that was never closed."""
_MARKS = {",": "','", ";": "';'", "\t": "a tab", "|": "'|'"}
_SEPARATOR = re.compile(rb'"?sep=(.)"?', re.IGNORECASE)
_LOST = "\ufffd".encode()
Piece = tuple[bytes, Records, bool]
"""Some bytes, their records, and whether they are the last."""


@dataclass(frozen=True)
class CsvText:
    """A CSV file as text.

    names : the header, without marks that cannot be seen.
    chunks : the records after it (at least one chunk), every cell text; the columns of each frame are `names`.
    notes : what is worth knowing; complete once the chunks are taken.
    """

    names: tuple[str, ...]
    chunks: Iterator[Chunk]
    notes: list[str] = field(default_factory=list)


def read_csv(stream: BinaryIO, formats: Formats, threads: int = 1, block: int = BLOCK) -> CsvText:
    """Open a CSV file (RFC 4180 quotes, LF or CRLF) in its declared encoding and delimiter.

    The header is read at once; taking the chunks reads the stream to its end.

    Raises
    ------
    SourceFault : here or while chunks are taken: empty, of another kind, not as declared, an unclosed or stray quote, a
        bare carriage return, or cut short in its last record.
    """
    notes: list[str] = []
    blocks = decoded(stream, formats.encoding, notes, block)
    head = next(blocks, b"")
    _check_delimiter(head, formats.delimiter)
    pieces = _pieces(chain([head] if head else [], blocks), formats.delimiter, block)
    data, records, final = next((piece for piece in pieces if len(piece[1])), (b"", None, True))
    if records is None:
        raise SourceFault("the file is empty")
    if _SEPARATOR.fullmatch(data[records.begins[0] : records.ends[0]]):
        records = records.part(1)
        if not len(records):
            raise SourceFault("the file is empty")
    names = _header(data, records, formats.delimiter)
    if said := unseen(names):
        notes.append(said)
    names = tuple(plain_name(name) for name in names)
    first = (data, records.part(1), final)
    return CsvText(names, _chunks(chain([first], pieces), names, formats, threads, notes), notes)


def _pieces(blocks: Iterator[bytes], delimiter: str, size: int) -> Iterator[Piece]:
    """The blocks cut where records end; what is left of a record at a block's end stands before the next block."""
    carry, line, blank = b"", 1, False
    block = next(blocks, None)
    while block is not None:
        following = next(blocks, None)
        data = carry + block
        records = find_records(data, delimiter, line, blank, following is None)
        if not records.consumed and len(data) > _LONGEST * size:
            _check_length(data, delimiter, line)
        yield data, records, following is None
        carry, block = data[records.consumed :], following
        line, blank = line + records.newlines, records.blank_at_end


def _check_length(data: bytes, delimiter: str, line: int) -> None:
    text = np.frombuffer(data, dtype=np.uint8)
    check_quotes(text, np.flatnonzero(text == ord('"')), np.flatnonzero(text == ord("\n")), ord(delimiter), line)
    raise SourceFault(f"this record does not end within {len(data) >> 20} MB; it is no CSV record", line)


def _check_separator(separator: str, delimiter: str) -> None:
    if separator != delimiter:
        shown = _declared(separator) if separator in _MARKS else "export it with one of , ; | or tabs"
        raise SourceFault(f"the first line says sep={separator}, and {_MARKS[delimiter]} is declared; {shown}", 1)


def _check_delimiter(head: bytes, delimiter: str) -> None:
    """Refuse a first line that holds no declared delimiter, and another one, outside quotes."""
    lines = enumerate(head.split(b"\n", 8), start=1)
    n, line = next(((n, line.strip()) for n, line in lines if line.strip()), (1, b""))
    if separator := _SEPARATOR.fullmatch(line):
        _check_separator(separator.group(1).decode(), delimiter)
        return
    bare = re.sub(rb'"[^"]*"?', b"", line).decode(errors="ignore")
    other = max((mark for mark in _MARKS if mark != delimiter), key=bare.count)
    if delimiter not in bare and other in bare:
        raise SourceFault(f"the header has one column and holds {_MARKS[other]}; {_declared(other)}", n)


def _declared(delimiter: str) -> str:
    return f"declare formats: {{delimiter: {json.dumps(delimiter)}}}"


def _header(data: bytes, records: Records, delimiter: str) -> tuple[str, ...]:
    """The names of the columns, as written."""
    header = data[records.begins[0] : records.ends[0]].decode()
    line = int(records.lines[0])
    names = tuple(next(csv.reader(io.StringIO(header, newline=""), delimiter=delimiter)))
    if len(names) > 1:
        return names
    wide = records.fields[1:] > 1
    if len(wide) and wide.mean() > 0.5:
        raise SourceFault("the first line is a title, and no header; delete what stands above the header", line)
    return names


def _chunks(
    pieces: Iterator[Piece], names: tuple[str, ...], formats: Formats, threads: int, notes: list[str]
) -> Iterator[Chunk]:
    """Each piece as a chunk; a declared closing block and what follows it is left out."""
    footer, lost, left_out = formats.footer, 0, 0
    for data, records, final in pieces:
        if left_out:
            left_out += len(records)
            continue
        if footer is not None and (at := _footer(data, records, footer)) is not None:
            left_out = len(records) - at
            notes.append(f"the closing block from line {records.lines[at]} on was left out")
            records = records.part(0, at)
        elif final:
            _check_end(records, len(names))
        lost += data.count(_LOST, 0, records.consumed)
        yield _chunk(data, records, names, formats.delimiter, threads)
    if footer is not None and not left_out:
        notes.append("no closing block as formats.footer declares it was found; the export may be cut short")
    if lost:
        notes.append(f"{lost} characters were lost before the file was written: they stand as \ufffd")


def _footer(data: bytes, records: Records, footer: str) -> int | None:
    """The first record after a blank line that begins with the declared words, in quotes or not."""
    words = np.frombuffer(footer.encode(), dtype=np.uint8)
    text = np.frombuffer(data, dtype=np.uint8)
    asked = np.flatnonzero(records.after_blank)
    for skip in (0, 1):
        begins = records.begins[asked] + skip
        fits = begins + len(words) <= len(text)
        here = asked[fits]
        same = (text[begins[fits][:, None] + np.arange(len(words))] == words).all(axis=1)
        same &= (text[records.begins[here]] == ord('"')) if skip else True
        if same.any():
            return int(here[same][0])
    return None


def _check_end(records: Records, width: int) -> None:
    """Refuse a file that ends in the middle of a record, or with a report's closing block that was not declared."""
    if not len(records):
        return
    if not records.ended and records.fields[-1] < width:
        says = f"the file ends in the middle of this record ({records.fields[-1]} of {width} fields); export it anew"
        raise SourceFault(says, int(records.lines[-1]))
    blanks = np.flatnonzero(records.after_blank)
    if len(blanks) and width > 1 and len(records) - blanks[-1] > 1 and (records.fields[blanks[-1] :] == 1).all():
        says = "a report's closing block begins here; declare its first words, as formats: {footer: Copyright}"
        raise SourceFault(says, int(records.lines[blanks[-1]]))


def _chunk(data: bytes, records: Records, names: tuple[str, ...], delimiter: str, threads: int) -> Chunk:
    good = records.fields == len(names)
    frame = _parse(_join(data, records, good), names, delimiter, threads)
    if frame.num_rows != int(good.sum()):
        first = int(records.lines[0])
        raise SourceFault("the records from this line on cannot be told apart; export the file anew", first)
    ragged = zip(records.lines[~good].tolist(), records.fields[~good].tolist(), strict=True)
    return Chunk(frame, records.lines[good].astype(np.int64), tuple(ragged))


def _join(data: bytes, records: Records, good: np.ndarray) -> bytes:
    """The bytes of the good records: whole stretches of them, cut only around the others."""
    if not good.any():
        return b""
    edges = np.flatnonzero(np.diff(good.astype(np.int8), prepend=0, append=0))
    firsts, lasts = edges[0::2], edges[1::2] - 1
    return b"\n".join(
        data[records.begins[a] : records.ends[b]] for a, b in zip(firsts.tolist(), lasts.tolist(), strict=True)
    )


def _parse(body: bytes, names: tuple[str, ...], delimiter: str, threads: int) -> pa.Table:
    places = [f"c{i}" for i in range(len(names))]
    if not body:
        return pa.Table.from_arrays([pa.array([], pa.string()) for _ in names], names=list(names))
    try:
        frame = arrow_csv.read_csv(
            pa.BufferReader(body),
            read_options=arrow_csv.ReadOptions(
                column_names=places, use_threads=threads > 1, block_size=max(1 << 24, len(body) // 4)
            ),
            parse_options=arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=b'"' in body),
            convert_options=arrow_csv.ConvertOptions(column_types=dict.fromkeys(places, pa.string())),
        )
    except pa.ArrowInvalid as error:
        raise SourceFault(f"cannot be read as CSV: {str(error).splitlines()[0]}") from None
    return frame.rename_columns(list(names))
