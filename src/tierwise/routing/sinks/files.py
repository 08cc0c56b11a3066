"""Actions as JSON lines in a folder, a file a batch: seen whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from tierwise.config.sinks import FilesSink
from tierwise.disk import make_folder, point
from tierwise.plain import plain
from tierwise.routing.sinks.sink import Letter, Receipt


def content(letters: Sequence[Letter]) -> bytes:
    """A line an action, as actions.jsonl has it."""
    lines = [json.dumps(plain(x.body), ensure_ascii=False, separators=(",", ":"), allow_nan=False) for x in letters]
    return "".join(f"{line}\n" for line in lines).encode()


class Files:
    """A folder that another program reads."""

    most = 1000

    def __init__(self, settings: FilesSink, workspace: Path) -> None:
        self.name, self.folder = settings.name, workspace / settings.at

    def send(self, letters: Sequence[Letter], at: datetime) -> Sequence[Receipt]:
        """Names sort as the batches were written: when, and, as a digest, what is in it."""
        ids = hashlib.sha256("\n".join(x.letter_id for x in letters).encode()).hexdigest()[:12]
        name = f"{at:%Y%m%dT%H%M%S%fZ}-{letters[0].plan}-{ids}.jsonl"
        try:
            make_folder(self.folder)
            point(self.folder / name, content(letters).decode(), self.folder / f".{name}.new")
        except OSError as error:
            said = f"{self.folder} cannot be written: {error.strerror}"
            return [Receipt(x.letter_id, "later", said, of_receiver=True) for x in letters]
        return [Receipt(x.letter_id, "delivered") for x in letters]

    def check(self) -> Sequence[str]:
        """Whether its folder can be made and written."""
        there = next((p for p in (self.folder, *self.folder.parents) if p.exists()), self.folder)
        if not there.is_dir() or not os.access(there, os.W_OK):
            return (f"{self.folder} cannot be written",)
        return ()

    def close(self) -> None:
        """Nothing is held open."""
