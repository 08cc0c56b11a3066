"""A registered model, to be read: the live one, or the challenger."""

from __future__ import annotations

from tierwise.config import Workspace
from tierwise.errors import UsageError
from tierwise.registry import Bundle, Registry


def read_model(workspace: Workspace, plan: str | None = None, *, model: str = "champion") -> Bundle:
    """The live model with all that was said of it, verified on reading; or, of `challenger`, the one that waits.

    Raises
    ------
    UsageError : there is none, or `model` is another word.
    """
    files = workspace.plan(plan)
    registry = Registry(workspace.registry, workspace.folder / "state" / "models")
    read = {"champion": registry.live, "challenger": registry.challenger}
    if model not in read:
        raise UsageError(f"the {model} was to be read", do="Say champion, for the live model, or challenger")
    return read[model](files.plan.plan, threads=workspace.settings.threads)
