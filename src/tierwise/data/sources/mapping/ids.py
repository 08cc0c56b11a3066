"""Salesforce's two ways to write an id: 15 characters in which case counts, and 18 in which it does not.

The three further characters say which of the 15 are capitals: each stands for five of them, read from the right as
the bits of a number that counts into A-Z and 0-5 (Salesforce's published algorithm). Everything here is text in, text
out: what is no such id, or has other last characters than its first 15 call for (as after a spreadsheet that changed
its case), stays as it is written. It still joins rows that write it the same way, and the mapping counts it in a note.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_ALPHABET = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345", dtype=np.uint8)
_SHORT, _LONG = 15, 18


def to_18(ids: pa.Array) -> pa.Array:
    """Every 15-character id in its 18 characters; anything else as it is.

    >>> to_18(pa.array(["001Ec00000FzlUd", "001Ec00000FzlUdIAJ", "A-17", None])).to_pylist()
    ['001Ec00000FzlUdIAJ', '001Ec00000FzlUdIAJ', 'A-17', None]
    """
    short = _is_of_length(ids, _SHORT)
    if not pc.any(short).as_py():
        return ids
    return pc.replace_with_mask(ids, short, _lengthened(ids.filter(short)))


def is_salesforce_id(ids: pa.Array) -> pa.Array:
    """Whether each is an id of 15 characters, or of 18 whose last three are those that the first 15 call for.

    >>> is_salesforce_id(pa.array(["001Ec00000FzlUd", "001Ec00000FzlUdIAJ", "001EC00000FZLUDIAJ", None])).to_pylist()
    [True, True, False, False]
    """
    long = _is_of_length(ids, _LONG)
    given = ids.filter(long)
    right = pc.equal(_lengthened(pc.utf8_slice_codeunits(given, 0, 15)), given)
    return pc.or_(_is_of_length(ids, _SHORT), pc.replace_with_mask(long, long, right))


def _is_of_length(ids: pa.Array, length: int) -> pa.Array:
    """Which are so many ASCII letters and digits."""
    return pc.fill_null(pc.and_(pc.equal(pc.binary_length(ids), length), pc.ascii_is_alnum(ids)), False)


def _lengthened(short: pa.Array) -> pa.Array:
    """Ids of exactly 15 ASCII characters with the three that follow from them."""
    n = len(short)
    if not n:
        return pa.array([], pa.string())
    fixed = pa.concat_arrays([short]).cast(pa.binary()).cast(pa.binary(15))
    text = np.frombuffer(fixed.buffers()[1], dtype=np.uint8, offset=15 * fixed.offset, count=15 * n).reshape(n, 15)
    capital = (text >= ord("A")) & (text <= ord("Z"))
    fives = capital.view(np.uint8).reshape(n, 3, 5)
    place = sum(fives[:, :, i] << i for i in range(5))
    long = np.concatenate([text, _ALPHABET[place]], axis=1)
    offsets = np.arange(0, 18 * n + 1, 18, dtype=np.int32)
    return pa.StringArray.from_buffers(n, pa.py_buffer(offsets), pa.py_buffer(long.tobytes()))
