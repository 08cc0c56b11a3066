"""What a CRM was told of accounts: only what is new, also after a kill, never over what a person wrote."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import tierwise
from crm_samples import BODY
from crm_servers import answer, served
from letters import FIRST, PLAN
from salesforce_server import SalesforceServer
from test_salesforce import FIELDS, FOUR, ONE, THREE, TWO, account_fields, history_described, sink
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
    store: Store, org: SalesforceServer, values: dict[str, dict[str, Any]], now: datetime = NOW, day: int = 0
) -> Tally:
    queue = ToldAccounts(store, PLAN, "crm", values, FIRST + timedelta(days=day), STAMPS)
    with closing(sink(org)) as crm:
        return offer(queue, crm, plan=PLAN, clock=lambda: now, stops=dict.fromkeys(values, "opt out"))


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
    told(store, org, rows(day=7, tier="tier_2", why="fell"), day=7)
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
    class Killed(BaseException):
        pass

    class Dying(ToldAccounts):
        def keep(self, answers: Any) -> None:
            raise Killed

    told(store, org, rows())
    dying = Dying(store, PLAN, "crm", rows(day=7, tier="tier_2"), FIRST + timedelta(days=7), STAMPS)
    with closing(sink(org)) as crm, pytest.raises(Killed):
        offer(dying, crm, plan=PLAN, clock=lambda: NOW, stops={})
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
