"""Making the challenger the live model, and back again: a person's act, noted in the store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tierwise.clock import instant
from tierwise.config import Workspace
from tierwise.jobs.rules import CHAMPION, RUBRIC, has_model, rules_before
from tierwise.publishing import plan_lock
from tierwise.registry import Registry
from tierwise.store import Store


@dataclass(frozen=True)
class PromoteResult:
    """The version that is live now; number is None, and model_version `rubric`, where rules are."""

    plan: str
    number: int | None
    model_version: str
    trained_as_of: str


def promote(workspace: Workspace, plan: str | None = None) -> PromoteResult:
    """Make the challenger the live model.

    Raises
    ------
    UsageError : there is no challenger.
    """
    name = workspace.plan(plan).plan.plan
    with _held(workspace, name) as (registry, store):
        return _noted(name, registry.promote(name), registry, store)


def rollback(workspace: Workspace, plan: str | None = None) -> PromoteResult:
    """Make the model that the live one replaced live again, and the live one the challenger.

    Where the live one replaced no model, but rules, rules are live again.

    Raises
    ------
    UsageError : there is no live model, or it replaced none.
    """
    name = workspace.plan(plan).plan.plan
    with _held(workspace, name) as (registry, store):
        since = rules_before(store, name)
        if since is not None and has_model(registry, name) and registry.replaced(name) is None:
            registry.step_down(name)
            store.promote(name, RUBRIC, CHAMPION, since)
            return PromoteResult(name, None, RUBRIC, since.date().isoformat())
        return _noted(name, registry.rollback(name), registry, store)


@contextmanager
def _held(workspace: Workspace, name: str) -> Iterator[tuple[Registry, Store]]:
    with plan_lock(workspace.published, name), Store.open(workspace.store) as store:
        yield Registry(workspace.registry, workspace.folder / "state" / "models"), store


def _noted(name: str, number: int, registry: Registry, store: Store) -> PromoteResult:
    live = registry.live(name)
    store.promote(name, live.version, CHAMPION, instant(live.meta["trained_as_of"]))
    return PromoteResult(name, number, live.version, live.meta["trained_as_of"])
