"""What is done to the staged tables before anything reads them: one list, in order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from tierwise.config.workspace import Settings
from tierwise.data.identity import resolve
from tierwise.data.joining import Joined, join_sources
from tierwise.data.money import in_one_currency
from tierwise.data.noise import Flagged, flag_noise
from tierwise.data.warehouse import Warehouse


class Outcome(Protocol):
    """What a step found: each finding refuses the tables, each note is worth knowing."""

    @property
    def findings(self) -> tuple[str, ...]: ...

    @property
    def notes(self) -> tuple[str, ...]: ...


Step = Callable[[Warehouse, Settings], Outcome]


def joined(warehouse: Warehouse, settings: Settings) -> Joined:
    """The accounts of several sources joined."""
    return join_sources(warehouse, [source.name for source in settings.all_sources])


def denoised(warehouse: Warehouse, settings: Settings) -> Flagged:
    """Noise flagged by the settings' rules."""
    return flag_noise(warehouse, settings.noise)


WITH_SOURCES: tuple[Step, ...] = (joined,)
"""Steps that read `__source` (and the other hidden columns)."""

STEPS: tuple[Step, ...] = (resolve, in_one_currency, denoised)
"""Steps that come after it."""
