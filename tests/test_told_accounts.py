"""What a CRM was told of accounts: only what is new, also after a kill, never over what a person wrote."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

import tierwise
from crm_samples import BODY
from crm_servers import answer, served
from letters import FIRST, PLAN
from salesforce_server import SalesforceServer
from test_salesforce import FIELDS, FOUR, HISTORY, ONE, THREE, TWO, account_fields, history_described, sink
from tierwise.config.sinks_crm import STAMPS, SalesforceCsvSink
from tierwise.jobs import deliver, owed_to_sinks, status
from tierwise.jobs.queues import queue_of
from tierwise.routing.delivery import Tally
from tierwise.routing.delivery import deliver as offer
from tierwise.routing.sinks.made import made
from tierwise.store import Store, ToldAccounts

WANTED = [*FIELDS, "as_of", "run_id"]
NOW = FIRST + timedelta(hours=6)


@pytest.fixture
def org() -> Iterator[SalesforceServer]:
    blank = dict.fromkeys(FIELDS.values())
    accounts = {one: {"Name": "Acme", "OwnerId": "005xx0000012345AAA", **blank} for one in (ONE, TWO, THREE)}
    with served(SalesforceServer(accounts, {"Account": account_fields(), "X__c": history_described()})) as crm:
        yield crm


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path}/tierwise.db" if sqlite else request.getfixturevalue("postgresql_url")
    with Store.open(url) as opened:
        yield opened


def rows(day: int = 0, **changed: Any) -> dict[str, dict[str, Any]]:
    """The values of three accounts in a run of some day; what a test changes is of the first."""
    stamps = {"as_of": f"2026-01-{5 + day:02d}T00:00:00Z", "run_id": f"run-{day}"}
    plain = {name: BODY.get(name) for name in WANTED} | stamps
    return {ONE: plain | changed, TWO: plain, THREE: plain}


def told(
    store: Store,
    org: SalesforceServer,
    values: dict[str, dict[str, Any]],
    now: datetime = NOW,
    day: int = 0,
    plan: str = PLAN,
    **changed: Any,
) -> Tally:
    """What a delivery came to, by a sink whose settings a test changes."""
    queue = ToldAccounts(store, plan, "crm", values, FIRST + timedelta(days=day), STAMPS)
    with closing(sink(org, **changed)) as crm:
        return offer(queue, crm, plan=plan, clock=lambda: now, stops=lambda account: "opt out")


class Killed(BaseException):
    """The process ends here."""


def uploads(org: SalesforceServer) -> int:
    return len(org.sent("PUT", r"/batches$"))


def test_only_what_is_new_is_told_and_a_suppressed_account_too(store: Store, org: SalesforceServer) -> None:
    assert told(store, org, rows()).delivered == 3, "what a CRM shows of an account approaches nobody"
    assert uploads(org) == 1
    again = told(store, org, rows(day=7), day=7)
    assert (again.delivered, again.waiting, uploads(org)) == (0, 0, 1), "stamps alone are nothing new"
    moved = told(store, org, rows(day=7, tier="tier_2", reason_1=None), day=7)
    assert moved.delivered == 1
    assert org.accounts[ONE]["Tierwise_Tier__c"] == "tier_2"
    assert org.accounts[ONE]["Tierwise_Reason_1__c"] is None
    assert org.accounts[TWO]["Tierwise_Tier__c"] == "tier_1"
    assert all(account["OwnerId"] == "005xx0000012345AAA" for account in org.accounts.values())
    assert len(org.accounts) == 3, "none is ever created"


def test_what_a_person_wrote_stays_and_is_said(store: Store, org: SalesforceServer) -> None:
    told(store, org, rows())
    org.accounts[ONE]["Tierwise_Why__c"] = "call me first"
    tally = told(store, org, rows(day=7, tier="tier_2", why="fell"), day=7)
    assert list(tally.noted) == [ONE]
    assert "Tierwise_Why__c" in tally.noted[ONE]
    assert org.accounts[ONE]["Tierwise_Why__c"] == "call me first"
    assert org.accounts[ONE]["Tierwise_Tier__c"] == "tier_2"
    queue = ToldAccounts(store, PLAN, "crm", {}, FIRST, STAMPS)
    assert queue.counts() == {"delivered": 3}


def test_an_answer_that_was_lost_is_no_change_by_hand(store: Store, org: SalesforceServer) -> None:
    """The write lands, its answer does not, and the next run has newer values: those go, nobody's hand is suspected."""
    told(store, org, rows())
    org.trouble("GET", r"/jobs/ingest/\w+$", answer(500), times=50)
    lost = told(store, org, rows(day=7, tier="tier_2"), day=7)
    assert (lost.delivered, lost.later) == (0, 1)
    org._troubles.clear()
    org.accounts[ONE]["Tierwise_Tier__c"] = "tier_2"
    newer = told(store, org, rows(day=14, tier="tier_3"), NOW + timedelta(days=9), day=14)
    assert newer.delivered == 1
    assert org.accounts[ONE]["Tierwise_Tier__c"] == "tier_3"


def test_a_kill_between_offer_and_answer_is_no_change_by_hand(store: Store, org: SalesforceServer) -> None:
    class Dying(ToldAccounts):
        def keep(self, answers: Any) -> None:
            raise Killed

    told(store, org, rows())
    dying = Dying(store, PLAN, "crm", rows(day=7, tier="tier_2"), FIRST + timedelta(days=7), STAMPS)
    with closing(sink(org)) as crm, pytest.raises(Killed):
        offer(dying, crm, plan=PLAN, clock=lambda: NOW, stops=lambda account: "")
    assert org.accounts[ONE]["Tierwise_Tier__c"] == "tier_2"
    assert told(store, org, rows(day=14, tier="tier_3"), day=14).delivered == 1
    assert org.accounts[ONE]["Tierwise_Tier__c"] == "tier_3"


def test_an_account_that_the_crm_does_not_have_is_dead_and_offered_again_when_asked(
    store: Store, org: SalesforceServer
) -> None:
    values = {**rows(), FOUR: rows()[TWO]}
    first = told(store, org, values)
    assert (first.delivered, next(iter(first.dead.values()))[:10]) == (3, "Salesforce")
    assert told(store, org, values).dead == {}, "once"
    queue = ToldAccounts(store, PLAN, "crm", values, FIRST, STAMPS)
    assert queue.dead()["account_id"].tolist() == [FOUR]
    assert queue.again() == 1
    org.accounts[FOUR] = dict(org.accounts[TWO], **dict.fromkeys(FIELDS.values()))
    assert told(store, org, values).delivered == 1
    assert org.accounts[FOUR]["Tierwise_Tier__c"] == "tier_1"


def test_a_limit_costs_no_attempt(store: Store, org: SalesforceServer) -> None:
    org.trouble("POST", r"/jobs/ingest$", answer(429, **{"Retry-After": "90"}), times=9)
    for hour in range(8):
        held = told(store, org, rows(), NOW + timedelta(hours=hour))
        assert held.said
    org._troubles.clear()
    queue = ToldAccounts(store, PLAN, "crm", rows(), FIRST, STAMPS)
    assert {x.attempts for x in queue.open()} == {0}
    assert told(store, org, rows(), NOW + timedelta(hours=9)).delivered == 3


def test_a_kill_with_newer_values_in_the_crm_and_a_way_back(store: Store, org: SalesforceServer) -> None:
    """V1 delivered, V2 in the CRM and killed before its answer was kept, and the next run is back at V1."""

    class Dying(ToldAccounts):
        def keep(self, answers: Any) -> None:
            raise Killed

    told(store, org, rows())
    dying = Dying(store, PLAN, "crm", rows(day=7, tier="tier_2"), FIRST + timedelta(days=7), STAMPS)
    with closing(sink(org)) as crm, pytest.raises(Killed):
        offer(dying, crm, plan=PLAN, clock=lambda: NOW, stops=lambda account: "")
    assert org.accounts[ONE]["Tierwise_Tier__c"] == "tier_2"
    assert told(store, org, rows(day=14), day=14).delivered == 1
    assert org.accounts[ONE]["Tierwise_Tier__c"] == "tier_1"


def test_newer_values_of_a_dead_letter_are_offered_also_after_a_kill(store: Store, org: SalesforceServer) -> None:
    org.row_errors = {ONE: "FIELD_CUSTOM_VALIDATION_EXCEPTION:not this one:--"}
    assert len(told(store, org, rows()).dead) == 1
    org.row_errors = {}
    newer = rows(day=7, tier="tier_2")
    queue = ToldAccounts(store, PLAN, "crm", newer, FIRST + timedelta(days=7), STAMPS)
    queue.bodies([x.action_id for x in queue.open()])
    (again,) = ToldAccounts(store, PLAN, "crm", newer, FIRST + timedelta(days=7), STAMPS).open()
    assert (again.account_id, again.attempts, again.next_at) == (ONE, 0, None)
    assert told(store, org, newer, day=7).delivered == 1
    assert org.accounts[ONE]["Tierwise_Tier__c"] == "tier_2"


def test_letters_that_were_never_offered_are_as_they_were(store: Store, org: SalesforceServer) -> None:
    """Parts of one, and the receiver is down at the first: the others are not dead, and count as nothing tried."""
    org.row_errors = dict.fromkeys((ONE, TWO, THREE), "FIELD_CUSTOM_VALIDATION_EXCEPTION:not this one:--")
    assert len(told(store, org, rows()).dead) == 3
    org.row_errors = {}
    newer = {account: {**values, "tier": "tier_2"} for account, values in rows(day=7).items()}
    newer[FOUR] = newer[TWO]
    org.accounts[FOUR] = dict(org.accounts[TWO])
    org.trouble("POST", r"/oauth2/token$", answer(503, None, Retry_After="60"))
    held = told(store, org, newer, day=7, most=1)
    assert (held.later, held.waiting) == (1, 3)
    queue = ToldAccounts(store, PLAN, "crm", newer, FIRST + timedelta(days=7), STAMPS)
    seen = queue.seen([x.action_id for x in queue.open()])
    assert [body.get("_tried") for body in seen.values()].count(None) == 1, "the one that is new"
    assert all(newer[TWO] not in body.get("_tried", ()) for body in seen.values())
    assert queue.counts()["pending"] == 1
    assert told(store, org, newer, NOW + timedelta(hours=1), day=7, most=1).delivered == 4
    assert {account["Tierwise_Tier__c"] for account in org.accounts.values()} == {"tier_2"}


def test_an_account_that_the_crm_does_not_have_is_dead_in_every_run(store: Store, org: SalesforceServer) -> None:
    values = [{FOUR: {**rows(day=7 * n)[TWO], "tier": f"tier_{1 + n % 3}"}} for n in range(8)]
    assert [len(told(store, org, one, day=7 * n).dead) for n, one in enumerate(values)] == [1] + [0] * 7
    queue = ToldAccounts(store, PLAN, "crm", values[-1], FIRST + timedelta(days=49), STAMPS)
    assert (queue.open(), queue.counts()) == ([], {"dead": 1})
    assert queue.again() == 1
    (asked,) = queue.open()
    assert "_tried" not in queue.seen([asked.action_id])[asked.action_id], "nothing can have been written"
    org.accounts[FOUR] = dict(org.accounts[TWO])
    assert told(store, org, values[-1], day=49).delivered == 1
    assert org.accounts[FOUR]["Tierwise_Tier__c"] == "tier_2"


def tried(store: Store, day: int) -> list[dict[str, Any]]:
    queue = ToldAccounts(store, PLAN, "crm", rows(day=day, tier="recycle"), FIRST + timedelta(days=day), STAMPS)
    (key,) = [x.action_id for x in queue.open() if x.account_id == ONE]
    return list(queue.seen([key])[key].get("_tried", ()))


@pytest.mark.parametrize("path", [r"/oauth2/token$", r"/composite/"])
def test_a_receiver_that_is_down_was_given_nothing(store: Store, org: SalesforceServer, path: str) -> None:
    org.trouble("POST", path, answer(503, None, Retry_After="60"), times=99)
    for week in range(8):
        down = told(store, org, rows(day=7 * week, why=f"why {week}"), NOW + timedelta(days=7 * week), day=7 * week)
        assert (down.delivered, down.later) == (0, 3)
        assert down.said.endswith("; nothing was written")
    assert tried(store, 70) == []


def test_of_answers_that_were_lost_the_newest_five_are_kept(store: Store, org: SalesforceServer) -> None:
    org.trouble("GET", r"/jobs/ingest/\w+$", answer(500), times=9999)
    for week in range(8):
        told(store, org, rows(day=7 * week, why=f"why {week}"), NOW + timedelta(days=7 * week), day=7 * week)
    assert [values["why"] for values in tried(store, 70)] == [f"why {week}" for week in range(3, 8)]


def test_noise_is_nothing_new(store: Store, org: SalesforceServer) -> None:
    """What the CRM would get rounded away is no change: no letter, no job and no row of the history."""
    history = {**HISTORY, "object": "X__c"}
    assert told(store, org, rows(), history=history).delivered == 3
    for week in range(1, 5):
        noise = {"propensity": BODY["propensity"] + week * 1e-9, "account_score": BODY["account_score"] + week * 1e-7}
        again = told(store, org, rows(day=7 * week, **noise), day=7 * week, history=history)
        assert (again.delivered, again.waiting) == (0, 0)
    assert (len(org.jobs), len(org.history)) == (2, 3)
    told(store, org, rows(day=35, propensity=BODY["propensity"] + 1e-4), day=35, history=history)
    assert len(org.history) == 4


def test_the_way_back_from_values_that_were_refused_is_no_change(store: Store, org: SalesforceServer) -> None:
    history = {**HISTORY, "object": "X__c"}
    told(store, org, rows(), history=history)
    org.trouble("POST", r"/oauth2/token$", answer(503, None, Retry_After="60"))
    told(store, org, rows(day=7, tier="tier_2"), day=7, history=history)
    back = told(store, org, rows(day=14), NOW + timedelta(days=14), day=14, history=history)
    assert (back.delivered, len(org.history)) == (1, 3)


def test_a_field_that_another_plan_writes_is_left_and_said(store: Store, org: SalesforceServer) -> None:
    """Two plans and one field: the second never writes over the first, and each receipt says so."""
    told(store, org, rows())
    for week, tier in enumerate(("tier_3", "recycle")):
        told(store, org, rows(day=7 * week, tier=tier), day=7 * week, plan="other")
        with store.reading("a test looked") as connection:
            said = dict(
                connection.execute(text("select account_id, said from told_accounts where plan = 'other'")).all()
            )
        assert "'tier_1'" in said[ONE]
        assert "another plan" in said[ONE]
        assert org.accounts[ONE]["Tierwise_Tier__c"] == "tier_1"
    assert said[TWO] == ""


def test_a_workspace_tells_what_its_newest_run_published(small_demo: Path) -> None:
    workspace = tierwise.load_workspace(small_demo)
    run = tierwise.read_current(workspace.published, PLAN)
    tiers = run.frame("tiers").set_index("account_id")
    given = SalesforceCsvSink(name="loader", folder="out", fields={"tier": "T__c", "account_score": "S__c"})
    with closing(made(given, small_demo)) as csv, Store.open(workspace.store) as store:
        none = queue_of(workspace, PLAN, store, given, csv, keep=False)
        assert none.open() == [], "accounts of another system's ids are passed over"
        csv.takes = lambda account: True  # type: ignore[method-assign, attr-defined]
        queue = queue_of(workspace, PLAN, store, given, csv, keep=False)
        assert isinstance(queue, ToldAccounts)
        letters = queue.open()
        assert [x.account_id for x in letters] == sorted(tiers.index)
        scores = run.frame("scores").set_index("account_id")["account_score"].dropna()
        first = str(scores.index[0])
        (key,) = [x.action_id for x in letters if x.account_id == first]
        seen = queue.seen([key])[key]
    assert seen == {"tier": tiers.loc[first, "tier"], "account_score": pytest.approx(scores[first])}


def test_the_verbs_pass_over_accounts_of_other_systems(small_demo: Path) -> None:
    plain = tierwise.load_workspace(small_demo)
    given = SalesforceCsvSink(name="loader", folder="out", fields={"tier": "T__c"})
    more = plain.settings.model_copy(update={"sinks": (given,)})
    workspace = type(plain)(plain.folder, more, plain.plans)
    (owed,) = owed_to_sinks(workspace, now=NOW)
    assert (owed.of_accounts, len(owed.actions)) == (True, 0)
    (done,) = deliver(workspace, clock=lambda: NOW).sinks
    assert done.tally.delivered == 0
    assert status(workspace, now=NOW).sinks[0].kind == "salesforce_csv"
