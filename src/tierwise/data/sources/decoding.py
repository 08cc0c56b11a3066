"""Bytes as UTF-8, by the encoding that a source declares; what they are not is said, with the line."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from tierwise.data.sources.part import SourceFault

BLOCK = 1 << 25
"""Bytes that are read at once."""
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_KINDS = (
    (b"PK\x03\x04", "a zip archive or an Excel workbook (.xlsx)"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls)"),
    (b"\x1f\x8b", "compressed (gzip)"),
    (b"BZh", "compressed (bzip2)"),
    (b"\xfd7zXZ", "compressed (xz)"),
    (b"\x28\xb5\x2f\xfd", "compressed (zstd)"),
    (b"7z\xbc\xaf", "a 7-zip archive"),
    (b"PAR1", "a Parquet file"),
    (b"ARROW1", "an Arrow file"),
    (b"Obj\x01", "an Avro file"),
    (b"ORC", "an ORC file"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"%PDF", "a PDF"),
)
_TEXTS = (
    (re.compile(rb"\s*<(!doctype html|html|table|head|body)", re.IGNORECASE), "an HTML page (a log-in page, perhaps)"),
    (re.compile(rb"\s*<(\?xml|[a-z:]+[ >])", re.IGNORECASE), "XML"),
    (re.compile(rb"\s*(\{\s*[\"}]|\[\s*[\[{\"\]])"), "JSON"),
    (re.compile(rb"\s*\{\\rtf"), "a rich-text document"),
)
_TWICE = re.compile(
    "[\u00c2\u00c3\u00c4\u00c5][\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122]"
    "|\u00e2\u20ac[\u0080-\u00bf\u0152\u0153\u02dc\u2013-\u203a\u20ac\u2122]?|\u00ef\u00bb\u00bf"
)
"""What UTF-8 looks like that was read as windows-1252 and saved again."""


FEW_SPOILT = 3
"""So many lines of spoilt text may stand in the CRM itself."""
_CONTROLS = re.compile("[\u0080-\u009f]")
_OF_TWO_BYTES = ("shift_jis", "gb18030")
_THREE_BYTES = re.compile(rb"[\xe0-\xef][\x80-\xbf]{2}")


def decoded(stream: BinaryIO, encoding: str, notes: list[str], size: int = BLOCK) -> Iterator[bytes]:
    """The stream as blocks of UTF-8 without a byte-order mark, whole characters each; the first few lines of text that
    was spoilt before are noted.

    Raises
    ------
    SourceFault : it is a file of another kind, or not in that encoding, or its text was spoilt before.
    """
    block = stream.read(size)
    _check_kind(block)
    block = block[_mark(block, encoding) :]
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    line, spoilt = 1, _Spoilt()
    while True:
        text = _one(decoder, block, encoding, line)
        if text:
            _check_text(block, text, encoding, line)
            spoilt.look(text, line)
            line += text.count(b"\n")
            yield text
        if not block:
            notes += spoilt.note()
            return
        block = stream.read(size)


def _check_kind(head: bytes) -> None:
    for magic, kind in _KINDS:
        if head.startswith(magic):
            raise SourceFault(f"is {kind}, not CSV text, whatever its name; export it anew as CSV")
    for pattern, kind in _TEXTS:
        if pattern.match(head[:4096].removeprefix(codecs.BOM_UTF8)):
            raise SourceFault(f"is {kind}, not CSV text, whatever its name; export it anew as CSV")


def _mark(head: bytes, encoding: str) -> int:
    """How many bytes of a byte-order mark to pass over; it must not contradict the declared encoding."""
    found = next((name for mark, name in _BOMS if head.startswith(mark)), None)
    if found is None and encoding == "utf-16":
        raise SourceFault("has no byte-order mark, and UTF-16 cannot be read without one; export it as UTF-8", 1)
    if found is None or found == encoding:
        return len(codecs.BOM_UTF8) if found == "utf-8" else 0
    do = "export it as UTF-8" if found == "utf-32" else f"declare formats: {{encoding: {found}}}"
    raise SourceFault(f"begins with the byte-order mark of {found.upper()}, and {encoding} is declared; {do}", 1)


def _one(decoder: codecs.IncrementalDecoder, block: bytes, encoding: str, line: int) -> bytes:
    """One block as UTF-8; what is left of a character at its end waits for the next."""
    if encoding == "utf-8" and block.isascii() and block and not decoder.getstate()[0]:
        return block
    try:
        return decoder.decode(block, final=not block).encode()
    except UnicodeDecodeError as error:
        start = bytes(error.object)[: error.start]
        at = line + start.decode(error.encoding, "ignore").count("\n")
        byte = bytes(error.object)[error.start]
        raise SourceFault(
            f"not {_shown(encoding)} from this line on (byte 0x{byte:02x}){_advice(block, encoding)}", at
        ) from None


def _shown(encoding: str) -> str:
    return encoding.upper() if encoding.startswith("utf") else encoding


def _advice(block: bytes, encoding: str) -> str:
    if encoding == "utf-8":
        try:
            block.decode("windows-1252")
        except UnicodeDecodeError:
            return "; declare the encoding that it has, as formats: {encoding: shift_jis}, or export it as UTF-8"
        return "; if it is windows-1252, declare formats: {encoding: windows-1252}"
    return "; declare the encoding that it has, or export it as UTF-8 and declare none"


def _check_text(block: bytes, text: bytes, encoding: str, line: int) -> None:
    """Refuse what decodes and yet is not meant: NUL bytes, UTF-8 under another name, text that was spoilt before."""
    if (at := text.find(b"\x00")) >= 0:
        wide = block[:64].count(0) > len(block[:64]) // 4
        says = "it is UTF-16 without a byte-order mark, or damaged" if wide else "it is damaged"
        raise SourceFault(f"holds NUL bytes: {says}; export it as UTF-8", line + text.count(b"\n", 0, at))
    if text.isascii():
        return
    if encoding not in ("utf-8", "utf-16") and _is_utf_8(block, encoding):
        at = next(re.finditer(rb"[\x80-\xff]", block)).start()
        says = f"its bytes are UTF-8, and {encoding} is declared; declare formats: {{encoding: utf-8}}"
        raise SourceFault(says, line + block.count(b"\n", 0, at))
    words = text.decode()
    if encoding.startswith("iso-8859") and (control := _CONTROLS.search(words)):
        byte = f"0x{ord(control.group()):02x}"
        says = f"holds {byte}, no character of {encoding}; declare formats: {{encoding: windows-1252}}"
        raise SourceFault(says, line + words.count("\n", 0, control.start()))


@dataclass
class _Spoilt:
    """The lines so far whose text is UTF-8 that was read as windows-1252 and saved so."""

    lines: int = 0
    characters: int = 0
    others: int = 0
    first: int = 0
    says: str = ""

    def look(self, text: bytes, line: int) -> None:
        """Look at a block that begins with this line.

        Raises
        ------
        SourceFault : it is more than a few lines, and most of what is not ASCII: the export did it, not the CRM.
        """
        if text.isascii():
            return
        words = text.decode()
        found = list(_TWICE.finditer(words))
        self.others += sum(1 for _ in re.finditer(r"[^\x00-\x7f]", words))
        if found and not self.first:
            self.first = line + words.count("\n", 0, found[0].start())
            self.says = f"'{found[0].group()}' is UTF-8 that was read as windows-1252 and saved so"
        self.characters += sum(len(one.group()) for one in found)
        self.lines += sum(1 for one in words.split("\n") if _TWICE.search(one)) if found else 0
        if self.lines > FEW_SPOILT and 2 * self.characters >= self.others:
            raise SourceFault(f"{self.says}; export it anew from where it comes from, as UTF-8", self.first)

    def note(self) -> list[str]:
        """What is said of a few lines; nothing of none."""
        if not self.lines:
            return []
        many = "1 line holds" if self.lines == 1 else f"{self.lines:,} lines hold"
        return [f"{many} text that was spoilt before, the first is line {self.first}: {self.says}; it stands as it is"]


def _is_utf_8(block: bytes, encoding: str) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(block)
    except UnicodeDecodeError:
        return False
    return encoding not in _OF_TWO_BYTES or _THREE_BYTES.search(block) is not None
