"""The brake on a scoring run: what it would move, and whether it waits for a person."""

from __future__ import annotations

from typing import Any

import pandas as pd

from tierwise.config.workspace import Brake
from tierwise.errors import RunHeld
from tierwise.governance import Braking, brake
from tierwise.jobs.scored import Inputs, Scored, run_record
from tierwise.store import Store


def braking(inputs: Inputs, scored: Scored, store: Store, limits: Brake, stated: Brake | None = None) -> Braking:
    """What a run would move against what stands: the run before it, or, for a revision, the one it revises.

    Nothing stands before a first run; and a backfill changes nothing that stands, so neither is ever held. Rules count
    as a model here, both ways: people work the tiers that they gave, the first model goes live with its training,
    before anybody has looked at it, and a rollback to them or to another model takes tiers away like a promotion does.
    What is only recalibrated is another model too.

    limits: those of the workspace. stated: those that a promotion is about to state; by default those that the
    promotion of the model in use stated, where this is the first run by it.
    """
    if scored.kind == "revision":
        standing = store.state_at(inputs.plan, inputs.stand)
    else:
        standing = inputs.prior[inputs.prior["as_of"] == inputs.prior["as_of"].max()]
        standing = standing.head(0) if scored.kind == "backfill" else standing
    causes = dict(zip(scored.movements["account_id"].astype(str), scored.movements["cause"].astype(str), strict=True))
    decided = scored.decisions[["account_id", "tier", "owner_id", "row"]]
    if stated is None and not (standing["model_version"] == inputs.judge.version).any():
        stated = stated_limits(store, inputs.plan, inputs.judge.version)
    use = limits if stated is None else stated
    return brake(
        standing[["account_id", "tier"]], decided, causes, use.share, use.least,
        stated=stated is not None, postponed=_postponed(inputs, scored, standing),
        owed=scored.owed, most_owed=limits.actions,
    )  # fmt: skip


def _postponed(inputs: Inputs, scored: Scored, standing: pd.DataFrame) -> int:
    """How many accounts a row named for their tier under another model, and time in tier alone keeps there now."""
    tiers = {row.row: row.tier for row in inputs.files.policy.rows}
    other = standing["model_version"].notna() & (standing["model_version"] != inputs.judge.version)
    named = standing[other & (standing["row"].map(tiers) == standing["tier"])]
    kept = scored.decisions[scored.decisions["decided_by"].isin(["minimum_stay", "calendar", "inputs_late"])]
    both = named[["account_id", "tier"]].merge(kept[["account_id", "tier"]], on=["account_id", "tier"])
    return len(both)


def stated_limits(store: Store, plan: str, version: str) -> Brake | None:
    """What the promotion by which a model is live stated of its first run; None where it stated nothing.

    What an earlier promotion of it stated counts no more, nor once it has been rolled back to.
    """
    noted = store.promotions(plan)
    newest = None if noted.empty else int(noted["sequence"].iloc[-1])
    acts = store.acts(plan, ("promotion",))["payload"]
    mine = [p for p in acts if p["version"] == version and p.get("promotion") == newest and p.get("limits")]
    return Brake(**mine[-1]["limits"]) if mine else None


def pass_brake(inputs: Inputs, scored: Scored, store: Store, found: Braking) -> dict[str, Any] | None:
    """Let a run go on: it is within the limits (None), or somebody has released it (author and reason).

    Raises
    ------
    RunHeld : neither; the store keeps the run as held, and nothing else has changed.
    """
    record = run_record(inputs, scored)
    released = store.released(inputs.plan, record.run_id) if found.held else None
    if released is not None:
        return {name: released[name] for name in ("author", "reason")}
    if not found.held:
        return None
    store.hold(record, found.to_dict())
    raise held(inputs, scored, store, found)


def held(inputs: Inputs, scored: Scored, store: Store, found: Braking) -> RunHeld:
    """A held run, in words."""
    run_id, expected = scored.versions["run_id"], _expected(inputs, store)
    return RunHeld(
        f"run {run_id} of {inputs.stand.date()} was to be published, and is held",
        found=found.why + (f". {expected}" if expected else ""),
        do=f"Look at what moves, by tier, owner and cause, then release it: `tierwise release {run_id} --by NAME "
        "--reason REASON`; or mend what is wrong and score again. Nothing is published meanwhile",
        run_id=run_id,
        held=found,
    )


def _expected(inputs: Inputs, store: Store) -> str:
    """What the promotion of the model in use was seen to move, where this is the first run by it."""
    before = inputs.prior["model_version"].dropna()
    if before.empty or (before == inputs.judge.version).any():
        return ""
    noted = store.acts(inputs.plan, ("promotion",))
    mine = [p for p in noted["payload"] if p["version"] == inputs.judge.version]
    if not mine:
        return ""
    tiers = pd.DataFrame(mine[-1]["moves"]["tiers"])
    moved = tiers[(tiers["into"] > 0) | (tiers["out"] > 0)]
    said = ", ".join(f"{r['tier']} {r['out']:,} out and {r['into']:,} in" for r in moved.to_dict("records"))
    return f"Its promotion was seen to move on {mine[-1]['as_of'][:10]}: {said or 'no account'}"
