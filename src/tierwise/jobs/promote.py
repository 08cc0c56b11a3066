"""Making the challenger the live model, through the gate, and back again: a person's act, noted in the store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from tierwise.clock import instant
from tierwise.config import PlanFiles, Workspace
from tierwise.config.workspace import Brake
from tierwise.errors import GateRefused, UsageError
from tierwise.governance import Braking, Gate
from tierwise.jobs.beside import judged
from tierwise.jobs.frozen import gate_of_fit_side
from tierwise.jobs.held import braking
from tierwise.jobs.intake import check_question, taken_in
from tierwise.jobs.rules import CHAMPION, RUBRIC, has_model, rules_before
from tierwise.jobs.score import inputs_of
from tierwise.jobs.scored import scored_run
from tierwise.learning.progress import Say, silent
from tierwise.publishing import plan_lock
from tierwise.registry import CHALLENGER, Bundle, Registry
from tierwise.store import Act, RunRecord, Store


@dataclass(frozen=True)
class PromoteResult:
    """The version that is live now; number is None, and model_version `rubric`, where rules are.

    gate: what it said of the version, which a rollback does not ask. overruled: by whom and why, where it refused.
    unneeded: who was named and why, where it let the version pass: nothing was overruled, and nothing of it is kept.
    limits: what was stated for the first run by it; not kept where nothing is published, as a first run of all is never
    held. moves: what the version moves on the date of the newest run, against that run; None where nothing is
    published.
    """

    plan: str
    number: int | None
    model_version: str
    trained_as_of: str
    gate: Gate | None = None
    overruled: str = ""
    unneeded: str = ""
    limits: Brake | None = None
    moves: Braking | None = None


def promote(
    workspace: Workspace,
    plan: str | None = None,
    *,
    by: str = "",
    because: str = "",
    share: float | None = None,
    least: int | None = None,
    now: datetime | None = None,
    say: Say = silent,
) -> PromoteResult:
    """Make the challenger the live model, if the gate lets it pass; and keep what it was seen to move.

    by, because: who overrules a gate that refuses, and why; kept with the version. Where it lets the version pass they
    are not needed, and not kept. The newest run is scored again with the challenger, without publishing anything: what
    moves is said, and said again where the first run by it is held.

    share, least: how much the first run by it may move before it is held, in place of Settings.brake (from where the
    other one comes if only one is given). Demotions that only the new model causes then count like all movements;
    without stated limits each of them waits for a release.

    Raises
    ------
    UsageError : there is no challenger, one of `by` and `because` is missing, or a limit that makes no sense.
    GateRefused : the gate refuses it, and nobody overrules; nothing has changed.
    """
    files = workspace.plan(plan)
    name = files.plan.plan
    by, because = by.strip(), because.strip()
    if bool(by) != bool(because):
        raise UsageError(
            f"the gate of plan '{name}' was to be overruled",
            found="a name was given, and no reason" if by else "a reason was given, and no name",
            do="Give both, as `tierwise promote --by NAME --because REASON`",
        )
    stated = _stated(workspace, share, least)
    with _held(workspace, name) as (registry, store):
        new = registry.challenger(name)
        beside = next(v.beside for v in registry.versions(name) if CHALLENGER in v.aliases)
        live = registry.live(name) if has_model(registry, name) else None
        found = gate_of_fit_side(judged(live, new.meta, beside), live, new.model, new.meta, files.plan)
        if not found.passed and not by:
            raise GateRefused(
                f"the challenger of plan '{name}' ({new.version[:12]}) was to go live, and the gate refuses it",
                found="; ".join(found.reasons),
                do="Keep the live model, or train again: `tierwise train` compares with what is live now. "
                "`tierwise promote --by NAME --because REASON` overrules the gate, and is noted",
            )
        named = f"{by}: {because}" if by else ""
        overruled, unneeded = ("", named) if found.passed else (named, "")
        newest = store.newest_run(name)
        moves = None if newest is None else _moves(workspace, files, new, store, newest, stated, now, say)
        noted = _noted(name, registry.promote(name, overruled), registry, store)
        if newest is not None and moves is not None:
            seen: dict[str, Any] = {"version": new.version, "as_of": newest.as_of.isoformat(), "moves": moves.to_dict()}
            seen |= {"promotion": int(store.promotions(name)["sequence"].iloc[-1])}
            seen |= {} if stated is None else {"limits": stated.model_dump(exclude_none=True)}
            store.add_act(Act(name, "promotion", now or newest.as_of, seen))
        return replace(noted, gate=found, overruled=overruled, unneeded=unneeded, limits=stated, moves=moves)


def _moves(
    workspace: Workspace,
    files: PlanFiles,
    new: Bundle,
    store: Store,
    newest: RunRecord,
    stated: Brake | None,
    now: datetime | None,
    say: Say,
) -> Braking:
    """What a version moves on the date of the newest run, against what that run published."""
    check_question(files, new.meta)
    with taken_in(workspace, say, now, files=files) as intake:
        inputs = inputs_of(workspace, files, intake, new, store, newest.as_of)
        return braking(inputs, scored_run(inputs, store, say), store, workspace.settings.brake, stated)


def _stated(workspace: Workspace, share: float | None, least: int | None) -> Brake | None:
    """The limits that a promotion states, completed by the workspace's; None where it states none."""
    said = {name: value for name, value in (("share", share), ("least", least)) if value is not None}
    if not said:
        return None
    try:
        return Brake(**{**workspace.settings.brake.model_dump(), **said})
    except ValidationError:
        raise UsageError(
            "a promotion was to state its limits",
            found=", ".join(f"{name} {value}" for name, value in said.items()),
            do="Say a share from 0 to 1, as --share 0.3, and a number of accounts of at least 1, as --least 50",
        ) from None


def rollback(workspace: Workspace, plan: str | None = None) -> PromoteResult:
    """Make the model that the live one replaced live again, and the live one the challenger.

    Where the live one replaced no model, but rules, rules are live again. Demotions in the run after it wait for a
    release, as those of a promotion without stated limits do.

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
