"""The store: one transaction, prior states, the ledger, the outbox, and faults told without the password."""

from __future__ import annotations

import sqlite3
from collections.abc import ItemsView, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servers import psql
from tierwise.clock import instant
from tierwise.errors import EnvironmentFault, UsageError
from tierwise.store import Kind, RunRecord, Store, movements_difference, policies_known, state_hash

D1, D2, D3 = (instant(f"2026-0{month}-01") for month in (3, 4, 5))
MOVEMENTS = ["account_id", "previous_tier", "tier", "movement", "cause"]
ACTIONS = ["action_id", "account_id", "play", "due_at"]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/state/tierwise.db"
    return str(request.getfixturevalue("postgresql_url"))


def _name(url: str) -> str:
    return url.split("@/")[1].split("?")[0]


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store.open(url) as opened:
        yield opened


def record(run_id: str, as_of: datetime, kind: Kind = "scheduled", **more: object) -> RunRecord:
    base = RunRecord(run_id, "p", as_of, kind, "m1", "v1", "inputs", "prior", {"accounts": 2})
    return replace(base, **more)  # type: ignore[arg-type]


def state(tiers: dict[str, str], **more: object) -> pd.DataFrame:
    return pd.DataFrame({"account_id": list(tiers), "tier": list(tiers.values())}).assign(**more)


def moved(*rows: tuple[str | None, ...]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=MOVEMENTS)


def owed(*rows: tuple[str, str, str, pd.Timestamp]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=ACTIONS)


NO_MOVES, NO_ACTIONS = moved(), owed()


def test_a_run_comes_back_as_it_was_committed(store: Store) -> None:
    written = state(
        {"b": "tier_1", "a": "recycle"},
        tier_since=pd.to_datetime(["2026-02-01", None]).astype("datetime64[us]"),
        row=["focus", None],
        surge_until=pd.to_datetime([None, "2026-03-22T00:00:00"]).astype("datetime64[us]"),
        days_since_signal=[3.0, np.nan],
        fit_band=["high", "low"],
        contacts=[4, 5],
    )
    due = pd.Timestamp("2026-03-04")
    moves = moved(("b", "tier_2", "tier_1", "up", "data"), ("a", None, "recycle", "entered", "data"))
    assert store.commit_run(record("r1", D1), written, moves, owed(("x1", "b", "call", due)))

    prior = store.prior_state("p", D2)
    assert list(prior.columns) == [
        *("account_id", "as_of", "tier", "tier_since", "row", "surge_until", "surge_ended"),
        *("model_version", "policy_version", "days_since_signal", "contacts", "fit_band"),
    ]
    assert prior["account_id"].tolist() == ["a", "b"]
    assert prior["as_of"].tolist() == [pd.Timestamp("2026-03-01")] * 2
    assert prior["tier"].tolist() == ["recycle", "tier_1"]
    assert pd.isna(prior["tier_since"][0])
    assert prior["tier_since"][1] == pd.Timestamp("2026-02-01")
    assert prior["surge_until"][0] == pd.Timestamp("2026-03-22")
    assert prior["surge_ended"].isna().all()
    assert prior["surge_ended"].dtype == "datetime64[us]"
    assert prior["model_version"].tolist() == ["m1", "m1"]
    assert prior["days_since_signal"][1] == 3.0
    assert prior["contacts"].tolist() == [5, 4]
    assert prior["fit_band"].tolist() == ["low", "high"]

    found = store.find_run("r1")
    assert found == replace(record("r1", D1), sequence=1)
    assert found.as_of == D1
    assert store.newest_run("p") == found
    assert store.newest_run("another") is None
    assert store.find_run("r9") is None
    assert store.runs("p")[["sequence", "run_id", "kind"]].values.tolist() == [[1, "r1", "scheduled"]]
    assert store.runs("p")["counts"][0] == {"accounts": 2}
    assert store.movements("p")[MOVEMENTS].values.tolist()[1] == ["b", "tier_2", "tier_1", "up", "data"]
    box = store.outbox("p")
    assert box["status"].tolist() == ["owed"]
    assert box["payload"][0] == {"action_id": "x1", "account_id": "b", "play": "call", "due_at": "2026-03-04T00:00:00Z"}


def test_before_the_first_run_everything_is_empty_and_typed(store: Store) -> None:
    prior = store.prior_state("p", D1)
    assert len(prior) == 0
    assert prior["as_of"].dtype == prior["tier_since"].dtype == "datetime64[us]"
    assert prior["days_since_signal"].dtype == "float64"
    assert len(store.runs("p")) == len(store.movements("p")) == len(store.outbox("p")) == 0
    assert store.kind("p", D1) == "scheduled"


def test_an_existing_run_id_is_a_no_op(store: Store) -> None:
    assert store.commit_run(record("r1", D1), state({"a": "tier_1"}), NO_MOVES, NO_ACTIONS)
    again = store.commit_run(record("r1", D1), state({"a": "recycle"}), NO_MOVES, owed(("x", "a", "call", pd.NaT)))
    assert again is False
    assert store.prior_state("p", D2)["tier"].tolist() == ["tier_1"]
    assert len(store.runs("p")) == 1
    assert len(store.outbox("p")) == 0


def test_a_run_reads_only_states_before_its_date(store: Store) -> None:
    store.commit_run(record("r1", D1), state({"a": "tier_1", "b": "tier_2"}), NO_MOVES, NO_ACTIONS)
    store.commit_run(record("r2", D2), state({"a": "tier_3"}), NO_MOVES, NO_ACTIONS)
    assert len(store.prior_state("p", D1)) == 0
    assert store.prior_state("p", D2)["tier"].tolist() == ["tier_1", "tier_2"]
    assert store.prior_state("p", D3)["tier"].tolist() == ["tier_3", "tier_2"]
    assert store.prior_state("p", D2 + timedelta(microseconds=1))["tier"].tolist() == ["tier_3", "tier_2"]
    assert store.state_at("p", D2)["tier"].tolist() == ["tier_3"]


def test_a_revision_replaces_its_date_and_keeps_its_prior_state(store: Store) -> None:
    store.commit_run(record("r1", D1), state({"a": "tier_3"}), NO_MOVES, NO_ACTIONS)
    store.commit_run(record("r2", D2), state({"a": "tier_1", "b": "tier_2"}), NO_MOVES, NO_ACTIONS)
    before = store.state_hash(store.prior_state("p", D2))
    assert store.kind("p", D2) == "revision"
    assert store.commit_run(record("r3", D2, "revision"), state({"a": "tier_2"}), NO_MOVES, NO_ACTIONS)
    assert store.state_hash(store.prior_state("p", D2)) == before
    assert store.prior_state("p", D3)["tier"].tolist() == ["tier_2"]
    newest = store.newest_run("p")
    assert newest is not None
    assert (newest.run_id, newest.sequence) == ("r3", 3)


def test_a_revision_withdraws_what_is_no_longer_owed(store: Store) -> None:
    day = pd.Timestamp("2026-03-04")
    first = owed(("x1", "a", "call", day), ("x2", "b", "call", day), ("x3", "c", "call", day))
    store.commit_run(record("r1", D1), state({"a": "tier_1", "b": "tier_1", "c": "tier_1"}), NO_MOVES, first)
    moves = moved(("a", "tier_1", "tier_2", "down", "data"), ("b", "tier_1", "tier_2", "down", "data"))
    second = owed(("x2", "b", "call", day), ("x4", "a", "nurture", day))
    store.commit_run(record("r2", D1, "revision"), state({"a": "tier_2", "b": "tier_2"}), moves, second)
    status = dict(store.outbox("p", None)[["action_id", "status"]].values.tolist())
    assert status == {"x1": "withdrawn", "x2": "owed", "x3": "owed", "x4": "owed"}
    back = moved(("a", "tier_2", "tier_1", "up", "data"))
    store.commit_run(record("r3", D1, "revision"), state({"a": "tier_1"}), back, owed(("x1", "a", "call", day)))
    status = dict(store.outbox("p", None)[["action_id", "status"]].values.tolist())
    assert status == {"x1": "owed", "x2": "owed", "x3": "owed", "x4": "withdrawn"}


def test_what_a_status_owes_stands_while_the_account_is_in_it(store: Store) -> None:
    due = pd.Timestamp("2026-03-04")
    both = owed(("x1", "a", "open_deal", due), ("x2", "b", "call", due)).assign(
        motion="1:1", tier=["in_pipeline", "tier_1"]
    )
    store.commit_run(record("r1", D1), state({"a": "in_pipeline", "b": "tier_1"}), NO_MOVES, both)
    store.commit_run(record("r2", D2), state({"a": "in_pipeline", "b": "in_pipeline"}), NO_MOVES, NO_ACTIONS)
    status = dict(store.outbox("p", None)[["action_id", "status"]].values.tolist())
    assert status == {"x1": "owed", "x2": "withdrawn"}
    store.commit_run(record("r3", D3), state({"a": "tier_3"}), NO_MOVES, NO_ACTIONS)
    assert store.outbox("p").empty, "the deal is lost, and what it called for with it"


def test_a_backfill_writes_the_ledger_alone(store: Store) -> None:
    store.commit_run(record("r2", D2), state({"a": "tier_1"}), NO_MOVES, NO_ACTIONS)
    assert store.kind("p", D1) == "backfill"
    moves = moved(("a", None, "recycle", "entered", "data"))
    assert store.commit_run(record("r1", D1, "backfill"), state({"a": "recycle"}), moves, NO_ACTIONS)
    assert store.prior_state("p", D3)["tier"].tolist() == ["tier_1"]
    assert len(store.prior_state("p", D2)) == 0
    assert len(store.movements("p")) == len(store.outbox("p")) == 0
    newest = store.newest_run("p")
    assert newest is not None
    assert newest.run_id == "r2"
    assert store.runs("p")["kind"].tolist() == ["scheduled", "backfill"]


def test_a_backfill_that_owes_an_action_is_refused_whole(store: Store) -> None:
    store.commit_run(record("r2", D2), state({"a": "tier_1"}), NO_MOVES, NO_ACTIONS)
    with pytest.raises(UsageError, match="A backfill owes none: give an empty frame"):
        store.commit_run(record("r1", D1, "backfill"), state({}), NO_MOVES, owed(("x", "a", "call", pd.NaT)))
    assert store.find_run("r1") is None


@pytest.mark.parametrize(("as_of", "kind"), [(D1, "scheduled"), (D2, "scheduled"), (D3, "revision"), (D2, "backfill")])
def test_a_kind_that_the_ledger_contradicts_is_refused(store: Store, as_of: datetime, kind: Kind) -> None:
    store.commit_run(record("r2", D2), state({"a": "tier_1"}), NO_MOVES, NO_ACTIONS)
    with pytest.raises(UsageError, match="the newest run, r2, is of 2026-04-01, which makes it a"):
        store.commit_run(record("rx", as_of, kind), state({"a": "tier_1"}), NO_MOVES, NO_ACTIONS)
    assert store.find_run("rx") is None


def test_what_fails_half_way_leaves_nothing(store: Store) -> None:
    class Unwritable:
        """Something that no payload can hold."""

    store.commit_run(record("r1", D1), state({"a": "tier_1"}), NO_MOVES, NO_ACTIONS)
    bad = pd.DataFrame({"action_id": ["x"], "account_id": ["a"], "play": [Unwritable()]})
    with pytest.raises(TypeError, match="Unwritable has no canonical text"):
        store.commit_run(record("r2", D2), state({"a": "tier_2"}), NO_MOVES, bad)
    assert store.find_run("r2") is None
    assert store.prior_state("p", D3)["tier"].tolist() == ["tier_1"]
    assert store.commit_run(record("r2", D2), state({"a": "tier_2"}), NO_MOVES, NO_ACTIONS)


def test_frames_are_refused_by_name(store: Store) -> None:
    with pytest.raises(UsageError, match=r"tier states were given to the store: without the column tier"):
        store.commit_run(record("r1", D1), pd.DataFrame({"account_id": ["a"]}), NO_MOVES, NO_ACTIONS)
    twice = pd.DataFrame({"account_id": ["a", "a"], "tier": ["tier_1", "tier_2"]})
    with pytest.raises(UsageError, match="account_id 'a' has more than one row"):
        store.commit_run(record("r1", D1), twice, NO_MOVES, NO_ACTIONS)


def test_plans_do_not_see_each_other(store: Store) -> None:
    store.commit_run(record("r1", D1), state({"a": "tier_1"}), NO_MOVES, owed(("x", "a", "call", pd.NaT)))
    assert store.kind("q", D1) == "scheduled"
    store.commit_run(record("r2", D1, plan="q"), state({"a": "recycle"}), NO_MOVES, NO_ACTIONS)
    assert store.prior_state("p", D2)["tier"].tolist() == ["tier_1"]
    assert store.prior_state("q", D2)["tier"].tolist() == ["recycle"]
    assert len(store.outbox("q")) == 0


def test_many_accounts(store: Store) -> None:
    ids = {f"a{n:05d}": "tier_3" for n in range(3000)}
    actions = pd.DataFrame({"action_id": [f"x{n}" for n in range(3000)], "account_id": list(ids)})
    store.commit_run(record("r1", D1), state(ids), NO_MOVES, actions)
    assert store.prior_state("p", D2)["account_id"].tolist() == sorted(ids)
    assert len(store.outbox("p")) == 3000


def test_promotions_keep_their_order(store: Store) -> None:
    assert store.promote("p", "m1", "champion", D1) == 1
    assert store.promote("p", "m2", "champion", D1) == 2
    assert store.promote("q", "m9", "champion", D1) == 1
    assert store.promotions("p")[["sequence", "version", "alias"]].values.tolist() == [
        [1, "m1", "champion"],
        [2, "m2", "champion"],
    ]


def test_the_store_survives_being_closed(url: str) -> None:
    with Store.open(url) as first:
        first.commit_run(record("r1", D1), state({"a": "tier_1"}), NO_MOVES, NO_ACTIONS)
    with Store.open(url, create=False) as second:
        assert second.newest_run("p") is not None
        assert "hidden" not in repr(second)


def test_two_writers_wait_for_each_other(url: str) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def write(plan: str) -> list[bool]:
        with Store.open(url) as one:
            days = [D1 + timedelta(days=n) for n in range(8)]
            return [
                one.commit_run(record(f"{plan}{n}", day, plan=plan), state({"a": "tier_1"}), NO_MOVES, NO_ACTIONS)
                for n, day in enumerate(days)
            ]

    with ThreadPoolExecutor(3) as pool:
        assert all(all(done) for done in pool.map(write, "pqr"))
    with Store.open(url) as one:
        assert one.runs("q")["sequence"].tolist() == list(range(1, 9))


def test_no_store_yet(url: str) -> None:
    with pytest.raises(UsageError, match=r"there is none at .* yet\. Run tierwise score once: it makes it") as caught:
        Store.open(url, create=False)
    assert "hidden" not in str(caught.value)


def test_another_schema_version_is_refused(url: str, request: pytest.FixtureRequest) -> None:
    Store.open(url).close()
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"))
        connection.execute("UPDATE meta SET version = 2")
        connection.commit()
        connection.close()
    else:
        psql(request.getfixturevalue("postgresql"), "UPDATE meta SET version = 2", database=_name(url))
    with pytest.raises(EnvironmentFault) as caught:
        Store.open(url)
    assert "its schema is version 2, and this tierwise reads version 1" in str(caught.value)
    assert "Use the tierwise that wrote it" in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_the_rules_of_runs_are_kept_once_a_version_and_of_their_plan(store: Store) -> None:
    for day, version, rules in ((1, "v1", "first"), (2, "v1", "again"), (3, "v2", "second"), (4, "v3", "")):
        run = record(f"r{day}", D1 + timedelta(days=day), policy_version=version)
        assert store.commit_run(run, state({"a": "tier_1"}), NO_MOVES, NO_ACTIONS, rules=rules)
    assert policies_known(store, "p", ["v2", "v1", "v3", "v9"]) == {"v1": "first", "v2": "second"}
    assert policies_known(store, "q", ["v1"]) == {}
    assert policies_known(store, "p", []) == {}


# -- SQLite's own


def test_sqlite_is_durable(tmp_path: Path) -> None:
    from sqlalchemy import text

    with Store.open(f"sqlite:///{tmp_path}/a.db") as store, store._engine.connect() as connection:
        told = {p: connection.execute(text(f"PRAGMA {p}")).scalar() for p in ("journal_mode", "synchronous")}
        assert told == {"journal_mode": "wal", "synchronous": 2}
        assert connection.execute(text("PRAGMA busy_timeout")).scalar() == 30000


# -- faults


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("nonsense", "its URL cannot be read"),
        ("postgresql://u:s3cret@host:port/db", "its URL cannot be read"),
        ("mysql://u:s3cret@host/db", "its URL names the database 'mysql'"),
        ("postgresql+psycopg://u:s3cret@127.0.0.1:1/db", "Check that the server runs"),
        ("postgresql://u@127.0.0.1:1/db?password=s3cret", "Check that the server runs"),
        ("sqlite:////dev/null/a.db", "Check that its folder is there and writable"),
        ("sqlite:////proc/a.db", "Check that its folder is there and writable"),
    ],
)
def test_an_unreachable_store_is_a_fault_without_its_password(given: str, words: str) -> None:
    with pytest.raises(EnvironmentFault) as caught:
        Store.open(given)
    assert words in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    assert caught.value.exit_code == 5


def test_a_file_that_is_no_database_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_text("these are notes, not a database, and long enough to be read as one" * 40)
    with pytest.raises(EnvironmentFault, match="file is not a database"):
        Store.open(f"sqlite:///{tmp_path}/a.db")


def test_a_user_without_rights_is_a_fault(postgresql: str, postgresql_url: str) -> None:
    psql(postgresql, "DROP ROLE IF EXISTS visitor", "CREATE ROLE visitor LOGIN")
    visitor = postgresql_url.replace("postgres:hidden@", "visitor:s3cret@")
    with pytest.raises(EnvironmentFault, match="permission denied") as caught:
        Store.open(visitor)
    assert "s3cret" not in str(caught.value)
    Store.open(postgresql_url).close()
    grant = "GRANT SELECT ON ALL TABLES IN SCHEMA public TO visitor"
    psql(postgresql, grant, database=_name(postgresql_url))
    with Store.open(visitor) as store:
        assert len(store.prior_state("p", D1)) == 0
        with pytest.raises(EnvironmentFault, match="permission denied"):
            store.commit_run(record("r1", D1), state({"a": "tier_1"}), NO_MOVES, NO_ACTIONS)


def test_a_server_that_goes_away_is_a_fault_and_leaves_nothing(postgresql: str, postgresql_url: str) -> None:
    end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{_name(postgresql_url)}'"

    class Cutting(dict[str, int]):
        """Counts that cut the connection while they are read: in the middle of the transaction."""

        def items(self) -> ItemsView[str, int]:
            psql(postgresql, end)
            return super().items()

    with Store.open(postgresql_url) as store:
        with pytest.raises(EnvironmentFault, match="refused: terminating connection"):
            store.commit_run(record("r1", D1, counts=Cutting(a=1)), state({"a": "tier_1"}), NO_MOVES, NO_ACTIONS)
        assert store.find_run("r1") is None
        assert len(store.prior_state("p", D2)) == 0


# -- pure


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.text(max_size=4), st.sampled_from(["tier_1", None]), st.floats(allow_nan=True, width=32)),
        max_size=6,
        unique_by=lambda r: r[0],
    ),
    st.randoms(use_true_random=False),
)
def test_the_state_hash_does_not_know_order(rows: list[tuple[str, str | None, float]], random: object) -> None:
    names = ["account_id", "tier", "days_since_signal"]
    frame = pd.DataFrame(rows, columns=names)
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    other = pd.DataFrame(shuffled, columns=names)[names[::-1]]
    assert state_hash(frame) == state_hash(other)
    assert state_hash(frame.assign(further=None)) == state_hash(frame)
    if rows:
        changed = frame.copy()
        changed.loc[0, "account_id"] = rows[0][0] + "x"
        assert state_hash(changed) != state_hash(frame)
        assert state_hash(frame.iloc[1:]) != state_hash(frame)


def test_the_difference_of_a_revision() -> None:
    def decided(model: str, **tiers: str) -> pd.DataFrame:
        day = pd.Timestamp("2026-03-01")
        return state(tiers, as_of=day, model_version=model, policy_version="v1", why="because", n=1)

    old = decided("m1", a="tier_1", b="tier_2", c="customer", d="tier_3", e="recycle", f="customer")
    new = decided("m1", b="tier_1", a="tier_2", c="tier_3", d="in_pipeline", e="recycle", f="in_pipeline", g="tier_3")
    found = movements_difference(old, new)
    assert found[MOVEMENTS].values.tolist() == [
        ["a", "tier_1", "tier_2", "down", "data"],
        ["b", "tier_2", "tier_1", "up", "data"],
        ["c", "customer", "tier_3", "entered", "data"],
        ["d", "tier_3", "in_pipeline", "left", "data"],
        ["f", "customer", "in_pipeline", "status", "data"],
        ["g", np.nan, "tier_3", "entered", "data"],
    ]
    assert found["as_of"].dtype == "datetime64[us]"
    assert found["why"].tolist() == ["because"] * 6
    gone = movements_difference(old, new.iloc[1:])
    assert gone["movement"].tolist()[1] == "left"
    assert set(movements_difference(old, decided("m2", a="tier_2"))["cause"]) == {"model", "data"}
    none = movements_difference(old, old)
    assert len(none) == 0
    assert list(none.columns) == list(found.columns)


def test_a_difference_can_be_committed(store: Store) -> None:
    store.commit_run(record("r1", D1), state({"a": "tier_3", "b": "tier_1"}), NO_MOVES, NO_ACTIONS)
    new = state({"a": "tier_1", "b": "tier_1"}, as_of=pd.Timestamp("2026-03-01"))
    moves = movements_difference(store.state_at("p", D1), new)
    store.commit_run(record("r2", D1, "revision"), new, moves, NO_ACTIONS)
    assert store.movements("p", "r2")[MOVEMENTS].values.tolist() == [["a", "tier_3", "tier_1", "up", "data"]]
