"""Salesforce ids: 15 characters whose case matters, or 18, where three more say which of the 15 are capitals.

The 15 characters stand in three groups of five. Each capital of a group sets a bit, the first character the lowest; the
number that they make names one of ABCDEFGHIJKLMNOPQRSTUVWXYZ012345, the group's character. (Salesforce Help, "Record
IDs: 15- and 18-character".)
"""

from __future__ import annotations

SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
SHORT = "[0-9A-Za-z]{15}"
LONG = "[0-9A-Za-z]{15}[A-Z0-5]{3}"


def id18(short: str) -> str:
    """An id of 18 characters from one of 15.

    >>> id18("001D000000IqhSL")
    '001D000000IqhSLIAZ'
    """
    groups = (short[i : i + 5] for i in (0, 5, 10))
    bits = (sum(1 << i for i, c in enumerate(group) if "A" <= c <= "Z") for group in groups)
    return short + "".join(SUFFIX[n] for n in bits)


def suffix_sql(short: str) -> str:
    """SQL for the three characters that make 18 of 15."""

    def one(group: int) -> str:
        places = (group * 5 + i + 1 for i in range(5))
        bits = (f"(substr({short}, {p}, 1) BETWEEN 'A' AND 'Z')::INTEGER * {1 << i}" for i, p in enumerate(places))
        return f"substr('{SUFFIX}', {' + '.join(bits)} + 1, 1)"

    return " || ".join(one(group) for group in range(3))


def is_short(column: str) -> str:
    """SQL: whether an id has the shape of 15 characters."""
    return f"coalesce(regexp_full_match({column}, '{SHORT}'), FALSE)"


def is_long(column: str) -> str:
    """SQL: whether an id has 18 characters, of which the last three are those of the first 15."""
    return f"coalesce(regexp_full_match({column}, '{LONG}') AND right({column}, 3) = ({suffix_sql(column)}), FALSE)"


def long_id(column: str) -> str:
    """SQL: an id of 15 characters as one of 18; any other as it is."""
    return f"CASE WHEN {is_short(column)} THEN {column} || {suffix_sql(column)} ELSE {column} END"
