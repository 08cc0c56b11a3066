"""The names of time zones."""

from __future__ import annotations

from functools import cache


def is_zone(name: str) -> bool:
    """Whether it is the name of an IANA time zone.

    >>> is_zone("Europe/Berlin"), is_zone("Pacific Standard Time")
    (True, False)
    """
    return name in _zones()


@cache
def _zones() -> frozenset[str]:
    from zoneinfo import available_timezones

    return frozenset(available_timezones())
