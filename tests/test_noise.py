"""Noise: each rule at its limits, the robots of the synthetic world, and nothing of it in a signal."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
import pytest

from exports import AS_OF, Rows
from tables import as_tables
from tierwise.config import NoiseRules, Plan
from tierwise.data import Query, Warehouse, flag_noise
from tierwise.features import build_matrix
from tierwise.synthetic import World, WorldSpec, simulate

SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
NIGHT = AS_OF - 10 * DAY
PLAN = Plan.model_validate({"plan": "noise", "features": {"signal": {"channels": {"web": {}, "email": {}}}}})


def did(name: str, at: timedelta, kind: str = "page_view", **more: object) -> dict:
    """An activity so long after a midnight."""
    channel = "email" if kind.startswith("email") else "web"
    return {
        "activity_id": name,
        "occurred_at": NIGHT + at,
        "channel": channel,
        "kind": kind,
        "initiator": "buyer",
    } | more


def flagged(rows: Rows, **rules: object) -> dict[str, list[str]]:
    """The ids of the activities that each rule flags."""
    base: Rows = {"accounts": [{"account_id": "a", "created_at": AS_OF - 300 * DAY}]}
    with Warehouse.open(as_tables(base | rows), threads=1) as warehouse:
        counts = flag_noise(warehouse, NoiseRules(**rules)).counts
        found = warehouse.frame(Query("SELECT noise, activity_id FROM activities WHERE noise IS NOT NULL ORDER BY ALL"))
        assert warehouse.arrow(Query("SELECT * FROM activities")).num_rows == len(rows["activities"])
    by_rule = {str(rule): ids.tolist() for rule, ids in found.groupby("noise")["activity_id"]}
    assert dict(zip(counts["rule"], counts["rows"], strict=True)) == {rule: len(ids) for rule, ids in by_rule.items()}
    return by_rule


@pytest.mark.parametrize("who", ["contact_id", "identity_id", "lead_id"])
def test_more_than_the_limit_in_an_hour_or_a_day_is_a_burst(who: str) -> None:
    hour = [did(f"h{n}", n * SECOND, **{who: "a"}) for n in range(4)]
    next_hour = [did("n", HOUR, **{who: "a"}), did("other", 2 * SECOND, **{who: "b"})]
    assert flagged({"activities": hour + next_hour}, most_an_hour=3) == {"burst_hour": ["h0", "h1", "h2", "h3"]}
    assert flagged({"activities": hour + next_hour}, most_an_hour=4, most_a_day=4) == {
        "burst_day": ["h0", "h1", "h2", "h3", "n"]
    }
    assert flagged({"activities": hour + next_hour}, most_an_hour=4, most_a_day=5) == {}
    assert flagged({"activities": hour + next_hour}, most_an_hour=None, most_a_day=None) == {}
    sellers = [row | {"initiator": "seller"} for row in hour]
    assert flagged({"activities": sellers}, most_an_hour=3) == {}
    assert flagged({"activities": hour}, most_an_hour=3, channels=("product",)) == {}


@pytest.mark.parametrize("whose", ["account_id", "domain"])
def test_many_activities_of_nobody_known_are_no_burst(whose: str) -> None:
    """An account that a product names, but not its users, is many people, and its best day is no robot's."""
    day = [did(f"v{n}", n % 12 * HOUR + n * SECOND, **{whose: "a"}) for n in range(300)]
    assert flagged({"activities": day}, most_an_hour=3) == {}
    by_one = [row | {"contact_id": "c"} for row in day]
    assert len(flagged({"activities": by_one}, most_an_hour=None)["burst_day"]) == 300


@pytest.mark.parametrize("whose", ["account_id", "contact_id"])
def test_people_sleep(whose: str) -> None:
    def spread(hours: int) -> Rows:
        return {"activities": [did(f"v{n:02}", n % hours * HOUR + n * SECOND, **{whose: "a"}) for n in range(20)]}

    assert len(flagged(spread(15))["round_the_clock"]) == 20
    assert flagged(spread(14)) == {}
    assert flagged({"activities": spread(15)["activities"][1:]}) == {}
    assert flagged(spread(15), round_the_clock=None) == {}


def test_a_burst_is_judged_by_what_was_known_on_the_day() -> None:
    in_time = [did(f"t{n}", n * SECOND, contact_id="c") for n in range(3)]
    late = [did(f"z{n}", n * SECOND, contact_id="c", recorded_at=NIGHT + 3 * DAY) for n in range(1)]
    assert flagged({"activities": in_time + late}, most_an_hour=3) == {"burst_hour": ["z0"]}
    assert flagged({"activities": in_time}, most_an_hour=3) == {}


def test_email_security_clicks_at_once_or_together() -> None:
    sent = did("sent", timedelta(), "email_sent", contact_id="c", initiator="seller")
    clicks = [did(f"k{n}", n * SECOND, "email_click", contact_id="c") for n in (0, 5, 6)]
    strange = [
        did("other", SECOND, "email_click", contact_id="d"),
        did("anonymous", SECOND, "email_click", account_id="a"),
    ]
    assert flagged({"activities": [sent, *clicks, *strange]}) == {"click_at_once": ["k0", "k5"]}
    sent_late = sent | {"recorded_at": NIGHT + 2 * DAY}
    assert flagged({"activities": [sent_late, *clicks]}) == {}
    together = [did(f"k{n}", n * SECOND, "email_click", contact_id="c") for n in (10, 12, 13, 17)]
    assert flagged({"activities": together}) == {"clicks_together": ["k10", "k12", "k13"]}
    mixed = [row | ({"kind": "email_open"} if row["activity_id"] == "k12" else {}) for row in together]
    assert flagged({"activities": mixed}) == {}


def test_own_people_and_shared_lines() -> None:
    rows: Rows = {
        "accounts": [{"account_id": "a"}, {"account_id": "us", "domain": "www.ours.example"}],
        "contacts": [
            {"contact_id": "ours", "account_id": "a", "email_domain": "Ours.example"},
            {"contact_id": "theirs", "account_id": "a", "email_domain": "ours.example.org"},
        ],
        "identities": [
            {"identity_id": "vpn", "account_id": "a", "method": "VPN", "linked_at": NIGHT},
            {"identity_id": "own", "account_id": "a", "method": "cookie", "linked_at": NIGHT},
        ],
        "activities": [
            did("1", HOUR, contact_id="ours"),
            did("2", HOUR, contact_id="theirs"),
            did("3", HOUR, account_id="us"),
            did("4", HOUR, domain="ours.example"),
            did("5", HOUR, identity_id="vpn"),
            did("6", HOUR, identity_id="own"),
            did("7", HOUR, identity_id="vpn", account_id="a"),
        ],
    }
    assert flagged(rows, own_domains=["ours.example"]) == {"own_people": ["1", "3", "4"], "shared_identity": ["5"]}
    assert flagged(rows, shared_methods=()) == {}


@pytest.mark.parametrize(
    ("name", "is_test"),
    [
        ("Test", True),
        ("TEST account 2", True),
        ("dummy - do not use", True),
        ("Delete me, please!", True),
        ("test_company", True),
        ("Speed Test Ltd", False),
        ("Testa Rossa", False),
        ("Contest", False),
        ("Größe Test", False),
        ("テスト test", False),
        ("The Company", False),
        ("", False),
        (None, False),
    ],
)
def test_records_for_trying_things_out_are_known_by_whole_words(name: str | None, is_test: bool) -> None:
    rows: Rows = {
        "accounts": [{"account_id": "a", "name": name}],
        "contacts": [{"contact_id": "c", "account_id": "a"}],
        "activities": [did("1", HOUR, account_id="a"), did("2", HOUR, contact_id="c")],
    }
    assert flagged(rows) == ({"test_record": ["1", "2"]} if is_test else {})
    rows["contacts"] = [{"contact_id": "c", "account_id": "b", "title": name}]
    rows["accounts"] = [{"account_id": "a", "domain": "example.com"}]
    assert flagged(rows) == {"test_domain": ["1"]} | ({"test_record": ["2"]} if is_test else {})


def test_noise_is_no_signal_no_recency_and_no_negative_trigger() -> None:
    def matrix(activities: list[dict]) -> pd.DataFrame:
        base: Rows = {"accounts": [{"account_id": "a", "created_at": AS_OF - 300 * DAY}]}
        with Warehouse.open(as_tables(base | {"activities": activities}), threads=1) as warehouse:
            flag_noise(warehouse, NoiseRules(most_an_hour=3))
            return build_matrix(warehouse, PLAN, (AS_OF,), negative_triggers={"page_view": 20, "email_open": 60}).frame

    honest = [did("v", -30 * DAY, "email_open", account_id="a")]
    noisy = [did(f"h{n}", n * SECOND, account_id="a", contact_id="c") for n in range(4)]
    pd.testing.assert_frame_equal(matrix(honest + noisy), matrix(honest))
    assert matrix(honest + noisy[:3])["web_30d"].tolist() == [3]
    assert matrix(honest + noisy)["negative_trigger"].tolist() == ["email_open"]


def _flags(world: World) -> tuple[set[str], pd.DataFrame]:
    with Warehouse.open(world.tables(), threads=1) as warehouse:
        flag_noise(warehouse, NoiseRules())
        found = warehouse.frame(Query("SELECT activity_id FROM activities WHERE noise IS NOT NULL"))
    return set(found["activity_id"]), world.facts.log


@pytest.mark.parametrize("seed", [4, 5])
def test_the_robots_of_the_synthetic_world_are_caught_and_nobody_else(seed: int) -> None:
    plain, bots = (
        simulate(WorldSpec(seed=seed, accounts=500, traps=frozenset(traps))) for traps in ((), ("bots_on_misfits",))
    )
    flags, honest = _flags(plain)
    assert not flags
    keys = ["account", "occurred", "kind"]
    caught, log = _flags(bots)
    often = honest.groupby(keys).size()
    repeat = log.groupby(keys).cumcount().to_numpy()
    is_bot = repeat >= often.reindex(pd.MultiIndex.from_frame(log[keys])).fillna(0).to_numpy()
    is_caught = log["activity_id"].isin(caught).to_numpy()
    assert is_bot.sum() == len(log) - len(honest) > 1000
    assert (is_caught & is_bot).sum() / is_bot.sum() > 0.97
    assert (is_caught & ~is_bot).sum() / (~is_bot).sum() < 0.001


def test_what_is_noise_is_never_known_from_the_future() -> None:
    world = simulate(WorldSpec(seed=6, accounts=200, traps=frozenset({"bots_on_misfits"})))
    as_of = world.spec.as_ofs[12]
    digests = []
    for tables in (world.tables(), world.tables(as_of)):
        with Warehouse.open(tables, threads=1) as warehouse:
            assert len(flag_noise(warehouse, NoiseRules()).counts)
            digests.append(build_matrix(warehouse, PLAN, (as_of,)).digest())
    assert digests[0] == digests[1]
