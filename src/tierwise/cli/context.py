"""What stands before the verb, and how a verb ends."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tierwise.cli import show


@dataclass
class Context:
    """What stands before the verb: the workspace's folder, the plan, the environment, and whether to print JSON."""

    folder: Path = Path()
    plan: str | None = None
    env: str | None = None
    as_json: bool = False
    closed: bool = False

    def close(self, code: int, *, run: str | None = None, following: str = "") -> None:
        """Print the last line on stderr."""
        self.closed = True
        show.closing(code, run=run, following=following, as_json=self.as_json)

    def workspace(self) -> Any:
        """The workspace, read and checked."""
        from tierwise.config import load_workspace

        return load_workspace(self.folder, self.env)

    def command(self, verb: str, folder: Path | None = None) -> str:
        """The command line that runs a verb in this workspace."""
        at = folder or self.folder
        where = "" if at == Path() else f" -C {shlex.quote(str(at))}"
        plan, env = (f" --{k} {shlex.quote(v)}" if v else "" for k, v in (("plan", self.plan), ("env", self.env)))
        return f"tierwise{where}{plan}{env} {verb}"

    @property
    def now(self) -> datetime:
        """The time on this machine: what a table says of later than that is a mistake, and does not count as reach."""
        return datetime.now(UTC)

    @property
    def say(self) -> Callable[[str], None]:
        """Progress on stderr; nothing for machines."""
        return (lambda _message: None) if self.as_json else show.say


context = Context()
