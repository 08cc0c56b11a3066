"""How a long computation says where it stands."""

from __future__ import annotations

from collections.abc import Callable

Say = Callable[[str], None]


def silent(_words: str) -> None:
    """Say nothing."""
