"""Making the challenger the live model, and back again: a person's act, noted in the store."""

from __future__ import annotations

from dataclasses import dataclass

from tierwise.clock import instant
from tierwise.config import Workspace
from tierwise.publishing import plan_lock
from tierwise.registry import Registry
from tierwise.store import Store


@dataclass(frozen=True)
class PromoteResult:
    """The version that is live now."""

    plan: str
    number: int
    model_version: str
    trained_as_of: str


def promote(workspace: Workspace, plan: str | None = None) -> PromoteResult:
    """Make the challenger the live model.

    Raises
    ------
    UsageError : there is no challenger.
    """
    return _change(workspace, plan, "promote")


def rollback(workspace: Workspace, plan: str | None = None) -> PromoteResult:
    """Make the model that the live one replaced live again, and the live one the challenger.

    Raises
    ------
    UsageError : there is no live model, or it replaced none.
    """
    return _change(workspace, plan, "rollback")


def _change(workspace: Workspace, plan: str | None, how: str) -> PromoteResult:
    name = workspace.plan(plan).plan.plan
    registry = Registry(workspace.registry, workspace.folder / "state" / "models")
    with plan_lock(workspace.published, name), Store.open(workspace.store) as store:
        number = registry.promote(name) if how == "promote" else registry.rollback(name)
        live = registry.live(name)
        store.promote(name, live.version, "champion", instant(live.meta["trained_as_of"]))
    return PromoteResult(name, number, live.version, live.meta["trained_as_of"])
