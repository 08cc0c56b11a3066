"""Law 7, Once: a run reads only states before its date; an existing run_id is a no-op; a revision is the difference;
a backfill owes no action and moves neither CURRENT nor later states."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tierwise.clock import instant
from tierwise.publishing import plan_lock, publish, read_current, recover, run_id
from tierwise.store import RunRecord, Store, movements_difference, state_hash

FIRST = instant("2026-03-01")
ACCOUNTS = ("a", "b", "c")
TIERS = st.sampled_from(["tier_1", "tier_2", "tier_3", "recycle", "customer"])
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
"""No shrinking: an example is a real database on a real disk, and short as it is."""

Inputs = dict[str, str]
"""What a run is given: the tier it will decide for each account, which stands for the data."""

RUNS = st.lists(
    st.tuples(st.integers(0, 4), st.dictionaries(st.sampled_from(ACCOUNTS), TIERS, min_size=1)), min_size=1, max_size=8
)


def run(root: Path, store: Store, day: int, inputs: Inputs) -> tuple[str, bool]:
    """A run as a job does it: lock, recover, prior state, id, decide, publish."""
    as_of = FIRST + timedelta(days=day)
    with plan_lock(root, "p"):
        recover(root, "p", store)
        prior = store.prior_state("p", as_of)
        assert (prior["as_of"] < as_of.replace(tzinfo=None)).all()
        fingerprint = repr(sorted(inputs.items()))
        name = run_id("p", as_of, fingerprint, state_hash(prior), "m1", "v1")
        kind = store.kind("p", as_of)
        state = pd.DataFrame({"account_id": list(inputs), "tier": list(inputs.values())})
        state["as_of"] = pd.Timestamp(as_of.replace(tzinfo=None))
        before = store.state_at("p", as_of) if kind == "revision" else prior
        moves = movements_difference(before, state)
        owed = moves[moves["tier"].notna() & (kind != "backfill")]
        actions = pd.DataFrame({"action_id": name[:8] + owed["account_id"] + owed["tier"]})
        actions["account_id"] = owed["account_id"]
        record = RunRecord(name, "p", as_of, kind, "m1", "v1", fingerprint, state_hash(prior))
        files = {"run.json": json.dumps({"run_id": name, "tiers": inputs, "files": {}}, sort_keys=True).encode()}
        new = publish(
            root, "p", name, files, lambda: store.commit_run(record, state, moves, actions), kind != "backfill"
        )
    return name, new


class Oracle:
    """The law in plain dicts."""

    def __init__(self) -> None:
        self.states: dict[datetime, Inputs] = {}
        self.seen: set[str] = set()
        self.current: str | None = None

    def prior(self, day: datetime) -> Inputs:
        state: Inputs = {}
        for as_of in sorted(self.states):
            if as_of < day:
                state |= self.states[as_of]
        return state

    def follow(self, name: str, day: int, inputs: Inputs) -> bool:
        as_of = FIRST + timedelta(days=day)
        if name in self.seen:
            return False
        self.seen.add(name)
        if not self.states or as_of >= max(self.states):
            self.states[as_of], self.current = inputs, name
        return True


def tiers(frame: pd.DataFrame) -> Mapping[str, str]:
    return dict(zip(frame["account_id"], frame["tier"], strict=True))


@settings(max_examples=12, deadline=None, phases=PHASES)
@given(RUNS)
def test_any_order_of_runs_keeps_the_law(runs: list[tuple[int, Inputs]]) -> None:
    oracle = Oracle()
    with tempfile.TemporaryDirectory() as folder, Store.open(f"sqlite:///{folder}/a.db") as store:
        root = Path(folder) / "published"
        for day, inputs in [*runs, *runs[-1:]]:
            owed = store.outbox("p", None)
            kind = store.kind("p", FIRST + timedelta(days=day))
            name, new = run(root, store, day, inputs)
            assert new == oracle.follow(name, day, inputs)
            newest = store.newest_run("p")
            assert newest is not None
            assert read_current(root, "p").run_id == oracle.current == newest.run_id
            assert dict(read_current(root, "p").meta["tiers"]) == tiers(store.state_at("p", newest.as_of))
            for after in range(7):
                at = FIRST + timedelta(days=after)
                assert tiers(store.prior_state("p", at)) == oracle.prior(at)
            if kind == "backfill" or not new:
                assert store.outbox("p", None).equals(owed)
        assert set(store.runs("p")["run_id"]) == oracle.seen
        assert len(store.runs("p")) == len(oracle.seen)


@settings(max_examples=8, deadline=None, phases=PHASES)
@given(RUNS)
def test_movements_add_up_to_the_state(runs: list[tuple[int, Inputs]]) -> None:
    """Each date's movements, first run and revisions in order, lead from its prior state to its state."""
    with tempfile.TemporaryDirectory() as folder, Store.open(f"sqlite:///{folder}/a.db") as store:
        for day, inputs in runs:
            run(Path(folder) / "published", store, day, {a: inputs.get(a, "recycle") for a in ACCOUNTS})
        moves = store.movements("p")
        for as_of, group in moves.groupby("as_of", sort=True):
            at = instant(as_of.to_pydatetime())
            state = dict(tiers(store.prior_state("p", at)))
            for _, move in group.iterrows():
                previous = None if pd.isna(move["previous_tier"]) else move["previous_tier"]
                assert state.get(move["account_id"]) == previous
                state[move["account_id"]] = move["tier"]
            assert state == tiers(store.state_at("p", at))


def test_the_same_run_twice_is_one_run(tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path}/a.db") as store:
        inputs = {"a": "tier_1", "b": "tier_2"}
        first = run(tmp_path / "published", store, 0, inputs)
        held = {path: path.stat().st_mtime_ns for path in (tmp_path / "published").rglob("*") if path.name[0] != "."}
        again = run(tmp_path / "published", store, 0, inputs)
        assert first == (again[0], True)
        assert again[1] is False
        assert len(store.runs("p")) == 1
        assert len(store.outbox("p", None)) == 2
        assert {path: path.stat().st_mtime_ns for path in held} == held
