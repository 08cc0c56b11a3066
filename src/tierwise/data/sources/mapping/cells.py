"""What a mapping does to the cells of a column: pure functions from Arrow arrays to Arrow arrays."""

from __future__ import annotations

from collections.abc import Callable, Collection

import pyarrow as pa
import pyarrow.compute as pc

from tierwise.config.mapping import As
from tierwise.data.sources.mapping.ids import to_18

TEXT = pa.string()
_HOST = r"^([\p{L}\p{N}_]([\p{L}\p{N}_-]*[\p{L}\p{N}])?\.)+(\p{L}{2,}|xn--[a-z0-9-]+)$"
_TRUE = pa.array(["true", "t", "yes", "y", "1"])
_LOOSE = r"^\d{4}-\d\d-\d\d[ T]\d:|UTC$"
_MS = r"^-?\d{11,14}$"
_PIPELINE = r" +\((?:[^()]|\([^()]*\))*\)$"


def text(values: pa.Array, nulls: Collection[str] = ()) -> pa.Array:
    """Any column as text without blanks around it; empty cells and the words for nothing become null."""
    values = _as_text(values)
    values = pc.utf8_trim_whitespace(values)
    empty = pc.is_in(values, value_set=pa.array(["", *nulls], TEXT))
    return pc.if_else(empty, pa.scalar(None, TEXT), values)


def _as_text(values: pa.Array) -> pa.Array:
    type_ = values.type
    if pa.types.is_dictionary(type_):
        return _as_text(values.cast(type_.value_type))
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        return pc.binary_join(values.cast(pa.list_(TEXT)), ";")
    if pa.types.is_floating(type_) or pa.types.is_decimal(type_):
        number = values.cast(pa.float64(), safe=False)
        whole = pc.and_(pc.equal(number, pc.floor(number)), pc.less(pc.abs(number), 1e15))
        integers = pc.if_else(whole, number, None).cast(pa.int64()).cast(TEXT)
        return pc.if_else(pc.is_nan(number), None, pc.coalesce(integers, number.cast(TEXT)))
    if pa.types.is_timestamp(type_):
        utc = values.cast(pa.timestamp("us", tz="UTC"), safe=False).cast(pa.timestamp("us"))
        return pc.binary_join_element_wise(pc.replace_substring(utc.cast(TEXT), " ", "T"), "Z", "")
    return values.cast(TEXT)


def domain(values: pa.Array) -> pa.Array:
    """The host of a web address, without `www.`; null for what is none."""
    host = pc.utf8_lower(values)
    for pattern in (r"^[a-z][a-z0-9+.-]*://", r"[/?#].*$", r"^[^@]*@", r":\d+$", r"\.$", r"^www\d?\."):
        host = pc.replace_substring_regex(host, pattern, "")
    return _only(host, pc.match_substring_regex(host, _HOST))


def email_domain(values: pa.Array) -> pa.Array:
    """What follows the @ of an e-mail address; null for what is none."""
    host = pc.replace_substring_regex(pc.utf8_lower(values), r"^.*@|>.*$|\s+$", "")
    host = pc.replace_substring_regex(host, r"^.*@", "")
    return _only(host, pc.and_(pc.match_substring(values, "@"), pc.match_substring_regex(host, _HOST)))


def instant(values: pa.Array) -> pa.Array:
    """A loader's timestamp (`2021-01-07 6:49:18`, `... UTC`) as ISO 8601; anything else as it is."""
    if not pc.any(pc.match_substring_regex(values, _LOOSE)).as_py():
        return values
    values = pc.replace_substring_regex(values, r"^(\d{4}-\d\d-\d\d[ T])(\d:)", r"\10\2")
    return pc.replace_substring_regex(values, r"^(\d{4}-.*\d) ?UTC$", r"\1Z")


def epoch_ms(values: pa.Array) -> pa.Array:
    """Milliseconds since 1970 as ISO 8601; anything else as `instant` reads it."""
    is_ms = pc.match_substring_regex(values, _MS)
    if not pc.any(is_ms).as_py():
        return instant(values)
    ms = _only(values, is_ms).cast(pa.int64()).cast(pa.timestamp("ms"))
    iso = pc.binary_join_element_wise(pc.replace_substring(ms.cast(TEXT), " ", "T"), "Z", "")
    return pc.if_else(pc.fill_null(is_ms, False), iso, instant(values))


def word(values: pa.Array) -> pa.Array:
    """In lower case, with underscores for what is neither letter nor digit."""
    values = pc.replace_substring_regex(values, r"([\p{Ll}\d])(\p{Lu})", r"\1_\2")
    values = pc.replace_substring_regex(pc.utf8_lower(values), r"[^\p{L}\p{N}]+", "_")
    return text(pc.utf8_trim(values, "_"))


def stage(values: pa.Array) -> pa.Array:
    """A stage without the pipeline that an export writes after it: `Closed won (Sales Pipeline)`."""
    return pc.replace_substring_regex(values, _PIPELINE, "")


def yes(values: pa.Array) -> pa.Array:
    """`yes` where a flag is true, null elsewhere."""
    true = pc.fill_null(pc.is_in(pc.utf8_lower(values), value_set=_TRUE), False)
    return pc.if_else(true, pa.scalar("yes", TEXT), pa.scalar(None, TEXT))


def checkbox(values: pa.Array) -> pa.Array:
    """A flag of which an empty cell is false."""
    return pc.fill_null(values, "false")


def translated(values: pa.Array, to: dict[str, str], otherwise: str | None) -> pa.Array:
    """Each value by what it stands for, whatever its case; others are null, or `otherwise`."""
    known = pa.array([each.lower() for each in to], TEXT)
    found = pc.index_in(pc.utf8_lower(values), value_set=known)
    result = pa.array(list(to.values()), TEXT).take(found)
    if otherwise is None:
        return result
    return pc.coalesce(result, pc.if_else(pc.is_valid(values), pa.scalar(otherwise, TEXT), pa.scalar(None, TEXT)))


def _only(values: pa.Array, where: pa.Array) -> pa.Array:
    return pc.if_else(pc.fill_null(where, False), values, pa.scalar(None, values.type))


READ: dict[As, Callable[[pa.Array], pa.Array]] = {
    "text": lambda values: values,
    "word": word,
    "salesforce_id": to_18,
    "domain": domain,
    "email_domain": email_domain,
    "instant": instant,
    "epoch_ms": epoch_ms,
    "stage": stage,
    "yes": yes,
    "checkbox": checkbox,
}
"""By the word of a mapping, what it does."""
