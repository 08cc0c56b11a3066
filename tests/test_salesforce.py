"""The Salesforce sinks, against an org on loopback that checks what it is sent as Salesforce documents it."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from crm_samples import AS_OF, AT, BODY, HOSTILE, PLAIN, golden, letter
from crm_servers import Trouble, answer, served
from letters import PLAN, actions, commit
from salesforce_server import SalesforceServer, sf_field
from tierwise.config import STATUSES, TIERS, sinks_crm
from tierwise.config.sinks_crm import SalesforceCsvSink, SalesforceSink
from tierwise.config.yaml_lines import read_yaml
from tierwise.routing.delivery import deliver
from tierwise.routing.sinks import Letter, Receipt
from tierwise.routing.sinks.crm import make
from tierwise.routing.sinks.salesforce import Salesforce
from tierwise.store import Deliveries, Store

ONE, TWO, THREE, FOUR = (f"001xx000003DGb{n}AAG" for n in "1234")
FIELDS = {
    "tier": "Tierwise_Tier__c",
    "tier_since": "Tierwise_Since__c",
    "account_score": "Tierwise_Score__c",
    "propensity": "Tierwise_Propensity__c",
    "why": "Tierwise_Why__c",
    "reason_1": "Tierwise_Reason_1__c",
    "reason_2": "Tierwise_Reason_2__c",
}
HISTORY = {
    "object": "Tierwise_Change__c",
    "account_field": "Account__c",
    "key_field": "Letter__c",
    "fields": {"tier": "Tier__c", "previous_tier": "Was__c", "why": "Why__c", "as_of": "As_Of__c"},
}
SAID = {
    "Tierwise_Tier__c": "tier_1",
    "Tierwise_Since__c": "2026-03-01",
    "Tierwise_Score__c": 91.3,
    "Tierwise_Propensity__c": 23.45,
    "Tierwise_Why__c": BODY["why"],
    "Tierwise_Reason_1__c": BODY["reason_1"],
    "Tierwise_Reason_2__c": None,
}
"""What an account holds once BODY is delivered."""
CREATE, UPLOAD, JOB = r"/jobs/ingest$", r"/batches$", r"/jobs/ingest/\w+$"


def account_fields(**changed: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The fields of Account, with what a test changes (None: the org has no such field)."""
    plain = {
        "Id": sf_field("Id", "id", updateable=False),
        "OwnerId": sf_field("OwnerId", "reference"),
        "Name": sf_field("Name"),
        "Tierwise_Tier__c": sf_field("Tierwise_Tier__c", "picklist"),
        "Tierwise_Since__c": sf_field("Tierwise_Since__c", "date"),
        "Tierwise_Score__c": sf_field("Tierwise_Score__c", "double", precision=4, scale=1),
        "Tierwise_Propensity__c": sf_field("Tierwise_Propensity__c", "percent", precision=5, scale=2),
        "Tierwise_Why__c": sf_field("Tierwise_Why__c"),
        "Tierwise_Reason_1__c": sf_field("Tierwise_Reason_1__c"),
        "Tierwise_Reason_2__c": sf_field("Tierwise_Reason_2__c"),
    }
    return [one for one in {**plain, **changed}.values() if one is not None]


def history_described(**changed: dict[str, Any]) -> list[dict[str, Any]]:
    plain = {
        "Letter__c": sf_field("Letter__c", externalId=True, unique=True),
        "Account__c": sf_field("Account__c", "reference", referenceTo=["Account"]),
        "Tier__c": sf_field("Tier__c"),
        "Was__c": sf_field("Was__c"),
        "Why__c": sf_field("Why__c"),
        "As_Of__c": sf_field("As_Of__c", "datetime"),
    }
    return list({**plain, **changed}.values())


@pytest.fixture
def org() -> Iterator[SalesforceServer]:
    blank = dict.fromkeys(FIELDS.values())
    accounts = {one: {"Name": "Acme", "OwnerId": "005xx0000012345AAA", **blank} for one in (ONE, TWO, THREE)}
    objects = {"Account": account_fields(), "Tierwise_Change__c": history_described()}
    with served(SalesforceServer(accounts, objects)) as crm:
        yield crm


def settings(org: SalesforceServer, **changed: Any) -> SalesforceSink:
    plain = {
        "name": "crm",
        "login_url": org.url,
        "client_id": "3MVG9.client",
        "client_secret": "s3cr3t",
        "fields": FIELDS,
        "timeout_seconds": 5,
        "job_minutes": 1,
    }
    return SalesforceSink.model_validate({**plain, **changed})


def sink(org: SalesforceServer, waits: list[float] | None = None, **changed: Any) -> Salesforce:
    made = Salesforce(settings(org, **changed), pause=([] if waits is None else waits).append)
    org.asked.append(made)
    return made


def sent(org: SalesforceServer, *letters: Letter, **changed: Any) -> list[Receipt]:
    return list(sink(org, **changed).send(letters, AT))


def holds(org: SalesforceServer, account: str) -> dict[str, Any]:
    return {name: org.accounts[account].get(name) for name in FIELDS.values()}


# ------------------------------------------------------------------------------------------------ what is written


def test_what_is_sent_is_the_documented_form_byte_for_byte(org: SalesforceServer) -> None:
    org.accounts[TWO] |= {**SAID, "Tierwise_Score__c": 40.0, "Tierwise_Reason_2__c": "gone", "Tierwise_Why__c": "old"}
    org.accounts[TWO]["Tierwise_Reason_1__c"] = "another"
    org.accounts[THREE] |= SAID
    last = {**BODY, "account_score": 40.0, "reason_1": "another", "reason_2": "gone", "why": "old"}
    receipts = sent(
        org,
        letter(ONE, "a000000000000001"),
        letter(TWO, "a000000000000002", why=HOSTILE, previous_tier=None, last=last),
        letter(THREE, "a000000000000003", last=BODY),
        history=HISTORY,
    )
    assert [(r.outcome, r.said) for r in receipts] == [("delivered", "")] * 3
    assert org.sent("POST", "/oauth2/token$") == [golden("salesforce_token.txt")]
    assert org.sent("POST", "/composite/sobjects/Account$") == [golden("salesforce_retrieve.json")]
    assert org.sent("POST", CREATE) == [golden("salesforce_job_update.json"), golden("salesforce_job_history.json")]
    assert org.sent("PUT", UPLOAD) == [golden("salesforce_accounts.csv"), golden("salesforce_history.csv")]
    assert org.sent("PATCH", JOB) == [golden("salesforce_close.json")] * 2
    assert holds(org, ONE) == SAID
    assert holds(org, TWO) == {**SAID, "Tierwise_Why__c": PLAIN}
    assert org.history["a000000000000002"]["Why__c"] == PLAIN
    assert all(account["OwnerId"] == "005xx0000012345AAA" for account in org.accounts.values())


def test_a_second_delivery_writes_no_account_and_no_second_row(org: SalesforceServer) -> None:
    both = sink(org, history=HISTORY)
    first = both.send([letter(ONE)], AT)
    again = both.send([letter(ONE)], AT)
    assert [r.outcome for r in (*first, *again)] == ["delivered", "delivered"]
    assert len(org.history) == 1
    operations = [one["operation"] for one in org.jobs.values()]
    assert operations == ["update", "upsert", "upsert"]


def test_a_reason_that_is_gone_is_emptied_and_one_that_never_was_is_left(org: SalesforceServer) -> None:
    org.accounts[ONE] |= {**SAID, "Tierwise_Reason_1__c": "three visits"}
    (receipt,) = sent(org, letter(ONE, reason_1=None, last={**BODY, "reason_1": "three visits"}))
    assert receipt.outcome == "delivered"
    assert org.sent("PUT", UPLOAD)[0].decode().splitlines()[1] == f"{ONE},,,,,,#N/A,"
    assert holds(org, ONE)["Tierwise_Reason_1__c"] is None


def test_a_text_that_is_the_mark_of_nothing_arrives_as_text(org: SalesforceServer) -> None:
    sent(org, letter(ONE, reason_1="#N/A"))
    assert holds(org, ONE)["Tierwise_Reason_1__c"] == "N/A"


@pytest.mark.parametrize("text", ["+1", "-2", "@sum", "=1+1", 'a "b"', "a,b", "'x", "Ünïcode ✓", "x" * 400])
def test_hostile_texts_arrive_as_they_are_within_the_field(org: SalesforceServer, text: str) -> None:
    sent(org, letter(ONE, reason_1=text))
    assert holds(org, ONE)["Tierwise_Reason_1__c"] == text[:255]


def test_an_account_is_never_created(org: SalesforceServer) -> None:
    ids = [FOUR, "lead:acme.com", "001xx", ""]
    receipts = sent(org, *(letter(one, f"{n:016x}") for n, one in enumerate(ids)))
    assert [r.outcome for r in receipts] == ["dead"] * 4
    assert receipts[0].said == (
        "Salesforce has no account 001xx000003DGb4, or this user may not see it; none is ever created"
    )
    assert receipts[1].said == "'lead:acme.com' is no id of Salesforce; none is ever created"
    assert org.jobs == {}
    assert set(org.accounts) == {ONE, TWO, THREE}


def test_the_second_of_two_letters_of_one_account_waits(org: SalesforceServer) -> None:
    receipts = sent(org, letter(ONE, "a" * 16), letter(ONE[:15], "b" * 16, tier="tier_2"))
    assert [r.outcome for r in receipts] == ["delivered", "later"]
    assert holds(org, ONE)["Tierwise_Tier__c"] == "tier_1"


# ------------------------------------------------------------------------------------------- what people wrote


def test_what_a_person_changed_is_kept_and_said(org: SalesforceServer) -> None:
    org.accounts[ONE] |= {
        **SAID,
        "Tierwise_Tier__c": "tier_3",
        "Tierwise_Reason_1__c": "Spoke to Jane Doe, wants a call",
    }
    (receipt,) = sent(org, letter(ONE, tier="tier_2", reason_1="new", why="new why", last=BODY))
    assert receipt.outcome == "delivered"
    assert receipt.said == (
        "kept: Tierwise_Tier__c was changed by hand, or by another plan, to 'tier_3'; "
        "Tierwise_Reason_1__c was changed by hand to another text (31 characters)"
    )
    assert holds(org, ONE)["Tierwise_Tier__c"] == "tier_3"
    assert holds(org, ONE)["Tierwise_Why__c"] == "new why"


def test_what_a_person_emptied_stays_empty(org: SalesforceServer) -> None:
    org.accounts[ONE] |= {**SAID, "Tierwise_Tier__c": None}
    (receipt,) = sent(org, letter(ONE, tier="tier_2", last=BODY))
    assert receipt.said == "kept: Tierwise_Tier__c was changed by hand to nothing"
    assert holds(org, ONE)["Tierwise_Tier__c"] is None


def test_a_field_given_back_is_written_again(org: SalesforceServer) -> None:
    org.accounts[ONE] |= SAID
    (receipt,) = sent(org, letter(ONE, tier="tier_2", last=BODY))
    assert receipt.said == ""
    assert holds(org, ONE)["Tierwise_Tier__c"] == "tier_2"


def test_rounding_and_the_vendors_form_are_no_change_by_hand(org: SalesforceServer) -> None:
    org.accounts[ONE] |= {**SAID, "Tierwise_Why__c": f"  {BODY['why']} "}
    (receipt,) = sent(org, letter(ONE, account_score=91.3499, propensity=0.23451, last=BODY))
    assert (receipt.outcome, receipt.said) == ("delivered", "")
    assert org.jobs == {}


def test_a_first_delivery_fills_what_is_empty_and_keeps_the_rest(org: SalesforceServer) -> None:
    org.accounts[ONE]["Tierwise_Tier__c"] = "Gold"
    (receipt,) = sent(org, letter(ONE))
    assert receipt.said == (
        "kept: Tierwise_Tier__c held another text (4 characters) before the first delivery (see overwrite_first)"
    )
    assert holds(org, ONE) == {**SAID, "Tierwise_Tier__c": "Gold"}
    (receipt,) = sent(org, letter(ONE), overwrite_first=True)
    assert receipt.said == ""
    assert holds(org, ONE) == SAID


def test_what_was_tried_without_an_answer_is_ours(org: SalesforceServer) -> None:
    org.accounts[ONE] |= {**SAID, "Tierwise_Tier__c": "tier_2"}
    tried = [{**BODY, "tier": "tier_2"}]
    (receipt,) = sent(org, letter(ONE, tier="tier_3", last=BODY, tried=tried))
    assert receipt.said == ""
    assert holds(org, ONE)["Tierwise_Tier__c"] == "tier_3"


def test_a_preview_reads_and_changes_nothing(org: SalesforceServer) -> None:
    org.accounts[ONE] |= {**SAID, "Tierwise_Tier__c": "tier_3"}
    org.accounts[TWO] |= SAID
    new = {"why": "new", "account_score": 40.04, "tier_since": "2026-03-08T00:00:00Z"}
    asked = [letter(ONE, "a" * 16, **new, last=BODY), letter(TWO, "b" * 16, last=BODY), letter("x", "c" * 16)]
    assert sink(org).preview(asked, AT) == [
        f"{ONE}: Tierwise_Since__c '2026-03-01' -> '2026-03-08'; Tierwise_Score__c '91.3' -> '40'; "
        f"Tierwise_Why__c another text ({len(BODY['why'])} characters) -> 'new'; "
        "kept: Tierwise_Tier__c was changed by hand, or by another plan, to 'tier_3'",
        f"{TWO}: nothing to write",
        "x: 'x' is no id of Salesforce; none is ever created",
    ]
    assert {call.method for call in org.calls} == {"GET", "POST"}
    assert org.jobs == {}


# ---------------------------------------------------------------------------------------------- what goes wrong


def test_each_row_has_its_own_answer(org: SalesforceServer) -> None:
    org.row_errors = {
        ONE: "UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record or 1 records: 001xx:--",
        TWO: "ENTITY_IS_DELETED:entity is deleted:--",
    }
    receipts = sent(org, *(letter(one, f"{n:016x}") for n, one in enumerate((ONE, TWO, THREE))), history=HISTORY)
    assert [r.outcome for r in receipts] == ["later", "dead", "delivered"]
    assert "UNABLE_TO_LOCK_ROW" in receipts[0].said
    assert receipts[1].said == "Salesforce refused the account: ENTITY_IS_DELETED:entity is deleted:--"
    assert list(org.history) == [f"{2:016x}"]


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("INVALID_CROSS_REFERENCE_KEY", "dead"),
        ("MALFORMED_ID", "dead"),
        ("INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", "dead"),
        ("REQUEST_LIMIT_EXCEEDED", "later"),
        ("SERVER_UNAVAILABLE", "later"),
    ],
)
def test_an_error_of_a_row_is_for_good_or_not(org: SalesforceServer, code: str, outcome: str) -> None:
    org.row_errors = {ONE: f"{code}:said:--"}
    assert [r.outcome for r in sent(org, letter(ONE))] == [outcome]


def test_results_that_name_a_row_twice_are_one_answer(org: SalesforceServer) -> None:
    org.doubled = True
    org.row_errors = {TWO: "ENTITY_IS_DELETED:gone:--"}
    receipts = sent(org, letter(ONE, "a" * 16), letter(TWO, "b" * 16), history=HISTORY)
    assert [r.outcome for r in receipts] == ["delivered", "dead"]
    assert list(org.history) == ["a" * 16]


def test_a_row_that_is_named_as_done_and_as_failed_has_failed(org: SalesforceServer) -> None:
    org.contradicts = True
    org.row_errors = {ONE: "ENTITY_IS_DELETED:gone:--", "b" * 16: "UNABLE_TO_LOCK_ROW:busy:--"}
    receipts = sent(org, letter(ONE, "a" * 16), letter(TWO, "b" * 16), history=HISTORY)
    assert [r.outcome for r in receipts] == ["dead", "later"]


def test_rows_that_a_job_did_not_come_to_are_asked_for_again(org: SalesforceServer) -> None:
    org.unprocessed, org.ends = {TWO}, ("Failed", "ExceededQuota : too much")
    receipts = sent(org, letter(ONE, "a" * 16), letter(TWO, "b" * 16))
    assert [r.outcome for r in receipts] == ["delivered", "later"]
    assert receipts[1].said == "Salesforce ended the job before this account; Failed: ExceededQuota : too much"


def test_a_history_row_that_is_refused_does_not_unsay_the_account(org: SalesforceServer) -> None:
    org.row_errors = {"a" * 16: "FIELD_CUSTOM_VALIDATION_EXCEPTION:no:--", "b" * 16: "UNABLE_TO_LOCK_ROW:busy:--"}
    org.row_errors["c" * 16] = "DUPLICATE_VALUE:duplicate value found: Letter__c duplicates value on record:--"
    letters = [letter(one, n * 16) for one, n in zip((ONE, TWO, THREE), "abc", strict=True)]
    receipts = sent(org, *letters, history=HISTORY)
    assert [r.outcome for r in receipts] == ["delivered", "later", "delivered"]
    assert receipts[0].said.startswith("the account is written; its history was refused for good: FIELD_CUSTOM")
    assert receipts[2].said == ""
    org.row_errors = {}
    assert [r.outcome for r in sent(org, letters[1], history=HISTORY)] == ["delivered"]
    assert list(org.history) == ["b" * 16]


EVERYWHERE = [
    ("POST", "/oauth2/token$"),
    ("GET", "/describe$"),
    ("POST", "/composite/"),
    ("POST", CREATE),
    ("PUT", UPLOAD),
    ("PATCH", JOB),
    ("GET", "/failedResults/$"),
]


@pytest.mark.parametrize(("method", "path"), EVERYWHERE)
@pytest.mark.parametrize(
    ("trouble", "wait", "words"),
    [
        (answer(429, [{"errorCode": "TOO_MANY", "message": "slow"}], Retry_After="7"), 7.0, "429"),
        (answer(403, [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests"}]), 3600.0, "403"),
        (answer(410, [{"errorCode": "GONE", "message": "retired"}]), None, "set a newer api_version"),
        (answer(302, None, Location="http://127.0.0.1:1/"), None, "redirection"),
    ],
    ids=["429", "limit", "410", "302"],
)
def test_an_answer_that_stops_a_delivery(
    org: SalesforceServer, method: str, path: str, trouble: Trouble, wait: float | None, words: str
) -> None:
    org.trouble(method, path, trouble, times=9)
    (receipt,) = sent(org, letter(ONE))
    assert (receipt.outcome, receipt.wait_seconds, receipt.of_receiver) == ("later", wait, True)
    assert words in receipt.said
    assert "s3cr3t" not in receipt.said
    org._troubles.clear()
    (again,) = sent(org, letter(ONE))
    assert again.outcome == "delivered"
    assert holds(org, ONE) == SAID


@pytest.mark.parametrize(("method", "path"), [p for p in EVERYWHERE if p[0] != "PATCH"])
@pytest.mark.parametrize(
    "trouble",
    [answer(500, b"<html>"), Trouble("hang"), Trouble("reset"), Trouble("lost"), answer(200, b"[]"), answer(200)],
    ids=["500", "hang", "reset", "lost", "empty list", "no body"],
)
def test_what_may_have_been_done_is_asked_again_and_done_once(
    org: SalesforceServer, method: str, path: str, trouble: Trouble
) -> None:
    org.trouble(method, path, trouble)
    (receipt,) = sent(org, letter(ONE), history=HISTORY, timeout_seconds=0.3)
    if receipt.outcome != "delivered":
        assert receipt.outcome == "later"
        (receipt,) = sent(org, letter(ONE, tried=[BODY]), history=HISTORY)
    assert receipt.outcome == "delivered"
    assert holds(org, ONE) == SAID
    assert list(org.history) == [letter(ONE).letter_id]


@pytest.mark.parametrize("kind", ["reset", "lost", "hang"])
def test_a_job_whose_closing_had_no_answer_goes_on(org: SalesforceServer, kind: str) -> None:
    org.trouble("PATCH", JOB, Trouble(kind))
    (receipt,) = sent(org, letter(ONE), timeout_seconds=0.3)
    assert receipt.outcome == "delivered"
    assert len(org.jobs) == 1


def test_a_question_after_a_job_that_fails_is_asked_again(org: SalesforceServer) -> None:
    org.trouble("GET", JOB, answer(503))
    org.trouble("GET", JOB, Trouble("reset"))
    org.trouble("GET", JOB, answer(200, b"[]"))
    waits: list[float] = []
    (receipt,) = sink(org, waits).send([letter(ONE)], AT)
    assert receipt.outcome == "delivered"
    assert waits == [1.0, 1.0, 2.0, 3.0]


def test_a_job_that_takes_too_long_is_aborted(org: SalesforceServer) -> None:
    org.polls_needed = 10_000
    waits: list[float] = []
    (receipt,) = sink(org, waits).send([letter(ONE)], AT)
    assert receipt.outcome == "later"
    assert receipt.said == "Salesforce's job was not done within 1 minutes, and was aborted"
    assert sum(waits) == 60
    assert [job["state"] for job in org.jobs.values()] == ["Aborted"]


def test_an_upload_that_broke_off_leaves_no_job_that_may_run_late(org: SalesforceServer) -> None:
    org.trouble("PUT", UPLOAD, Trouble("lost"))
    (receipt,) = sent(org, letter(ONE))
    assert (receipt.outcome, receipt.of_receiver) == ("later", False)
    assert receipt.said.startswith("the connection to Salesforce broke off")
    assert [job["state"] for job in org.jobs.values()] == ["Aborted"]


def test_a_session_that_ended_is_renewed_once(org: SalesforceServer) -> None:
    ours = sink(org)
    assert ours.send([letter(ONE)], AT)[0].outcome == "delivered"
    org.token += 1
    assert ours.send([letter(TWO)], AT)[0].outcome == "delivered"
    assert len(org.sent("POST", "/oauth2/token$")) == 2
    org.trouble("POST", "/composite/", answer(401, [{"errorCode": "INVALID_SESSION_ID", "message": "expired"}]), 2)
    (receipt,) = ours.send([letter(THREE)], AT)
    assert (receipt.outcome, receipt.said) == (
        "later",
        "Salesforce answered 401: INVALID_SESSION_ID: expired; nothing was written",
    )


def test_a_server_that_repeats_what_is_secret_is_not_repeated(org: SalesforceServer) -> None:
    echo = [{"errorCode": "E", "message": "00D!1 and s3cr3t of 3MVG9.client\r\n\x1b[31m"}]
    org.trouble("POST", CREATE, answer(400, echo))
    (receipt,) = sent(org, letter(ONE))
    assert receipt.said == "Salesforce answered 400: E: *** and *** of *** [31m"


def test_a_wrong_secret_is_said_without_it(org: SalesforceServer) -> None:
    (receipt,) = sent(org, letter(ONE), client_secret="wr0ng-s3cr3t")
    said = "Salesforce's sign-in answered 400: invalid_client: invalid client credentials; nothing was written"
    assert (receipt.outcome, receipt.said, receipt.of_receiver) == ("later", said, True)
    assert "wr0ng" not in repr(settings(org, client_secret="wr0ng-s3cr3t"))


@pytest.mark.parametrize("said", [{"access_token": "a b"}, {"access_token": "é"}, {"instance_url": "http://["}, {}])
def test_a_sign_in_that_gives_nothing_to_use(org: SalesforceServer, said: dict[str, str]) -> None:
    given = {"access_token": "x", "instance_url": org.url} if said else {}
    org.trouble("POST", "/oauth2/token$", answer(200, {**given, **said}))
    (receipt,) = sent(org, letter(ONE))
    form = "Salesforce's sign-in answered 200 in a form that its documentation does not have; nothing was written"
    assert (receipt.outcome, receipt.said) == ("later", form)


def test_a_token_goes_to_no_instance_without_tls(org: SalesforceServer) -> None:
    org.instance = "http://crm.example.com"
    (receipt,) = sent(org, letter(ONE))
    assert receipt.said == (
        "Salesforce's sign-in named an instance without https; nothing was sent to it; nothing was written"
    )


def test_an_org_that_is_not_there(org: SalesforceServer) -> None:
    (receipt,) = sent(org, letter(ONE), login_url="http://127.0.0.1:1")
    assert (receipt.outcome, receipt.of_receiver) == ("later", True)
    assert receipt.said.startswith("Salesforce's sign-in cannot be reached at http://127.0.0.1:1")


@pytest.mark.parametrize(
    ("header", "wait"), [("Mon, 02 Mar 2026 06:01:30 GMT", 90.0), ("soon", None), ("99999999", 7 * 86400.0)]
)
def test_retry_after_may_be_a_date(org: SalesforceServer, header: str, wait: float | None) -> None:
    org.trouble("POST", CREATE, answer(503, None, Retry_After=header, Date="Mon, 02 Mar 2026 06:00:00 GMT"))
    (receipt,) = sent(org, letter(ONE))
    assert (receipt.outcome, receipt.wait_seconds) == ("later", wait)


def test_delivery_waits_as_long_as_salesforce_asks_and_costs_no_letter_an_attempt(
    org: SalesforceServer, tmp_path: Path
) -> None:
    crm = sink(org, fields={"tier": "Tierwise_Tier__c"})
    org.trouble("POST", CREATE, answer(429, None, Retry_After="90"))
    with Store.open(f"sqlite:///{tmp_path / 'store.db'}") as store:
        commit(store, 0, actions([ONE, TWO], 0))
        queue = Deliveries(store, PLAN, "crm")

        def tally(seconds: float) -> tuple[int, int]:
            now = AT + timedelta(seconds=seconds)
            found = deliver(queue, crm, plan=PLAN, clock=lambda: now, stops=lambda account: "")
            return found.delivered, found.later

        assert tally(0) == (0, 2)
        assert [one.attempts for one in queue.open()] == [0, 0]
        assert tally(89) == (0, 0)
        assert tally(90) == (2, 0)
        assert queue.counts() == {"delivered": 2}
    assert {org.accounts[one]["Tierwise_Tier__c"] for one in (ONE, TWO)} == {"tier_1"}


# --------------------------------------------------------------------------------------------------------- check


def checked(org: SalesforceServer, **changed: Any) -> list[str]:
    return list(sink(org, **{"history": HISTORY, **changed}).check())


def test_check_finds_nothing_where_nothing_is_wrong(org: SalesforceServer) -> None:
    assert checked(org) == []


def test_check_names_a_missing_field_and_delivery_waits_for_it(org: SalesforceServer) -> None:
    fields = {**FIELDS, "tier": "Tierwise_Teir__c"}
    said = (
        "Account has no field Tierwise_Teir__c, which is to hold tier, or this user may not see it; "
        "near it are Tierwise_Tier__c and Tierwise_Since__c"
    )
    assert checked(org, fields=fields) == [said]
    (receipt,) = sent(org, letter(ONE), fields=fields)
    assert (receipt.outcome, receipt.of_receiver) == ("later", True)
    assert receipt.said == f"{said}; `tierwise deliver --check` lists what to mend; nothing was written"
    assert org.jobs == {}


@pytest.mark.parametrize(
    ("field", "says"),
    [
        (
            sf_field("Tierwise_Why__c", updateable=False),
            "Account.Tierwise_Why__c (why) cannot be written: it is read-only, or this user's field-level security "
            "does not let it",
        ),
        (sf_field("Tierwise_Why__c", updateable=False, calculated=True), "cannot be written: it is a formula"),
        (
            sf_field("Tierwise_Why__c", "textarea", htmlFormatted=True),
            "is of type textarea (rich text), in which a text is read as HTML; a plain text field is wanted",
        ),
        (sf_field("Tierwise_Why__c", "url"), "is of type url; a text field is wanted"),
        (sf_field("Tierwise_Why__c", "double"), "(why) is of type double; a text field is wanted"),
        (sf_field("Tierwise_Why__c", length=80), "holds 80 characters; up to 200 are written, and what is over is cut"),
        (sf_field("Tierwise_Score__c"), "(account_score) is of type string; a number field is wanted"),
        (
            sf_field("Tierwise_Score__c", "double", precision=3, scale=1),
            "holds 2 digits before the point; 3 are needed",
        ),
        (
            sf_field("Tierwise_Propensity__c", "double", precision=3, scale=1),
            "has 1 decimals; a probability needs at least 2",
        ),
        (
            sf_field(
                "Tierwise_Tier__c",
                "picklist",
                restrictedPicklist=True,
                picklistValues=[{"value": "tier_1", "active": True}, {"value": "tier_2", "active": False}],
            ),
            "is a closed list without tier_2, tier_3, recycle, suppress, in_pipeline, customer, not_eligible",
        ),
    ],
)
def test_check_holds_each_field_against_its_metadata(org: SalesforceServer, field: dict[str, Any], says: str) -> None:
    org.objects = {**org.objects, "Account": account_fields(**{field["name"]: field})}
    (said,) = checked(org)
    assert says in said


@pytest.mark.parametrize("tier", [*TIERS, *STATUSES])
def test_every_tier_and_status_has_its_place(org: SalesforceServer, tier: str) -> None:
    """Whatever a run says of an account is in the closed lists that check wants, fits, and arrives."""
    closed = {"restrictedPicklist": True, "picklistValues": [{"value": t, "active": True} for t in (*TIERS, *STATUSES)]}
    field = sf_field("Tierwise_Tier__c", "picklist", **closed)
    org.objects = {**org.objects, "Account": account_fields(Tierwise_Tier__c=field)}
    assert checked(org) == []
    (receipt,) = sent(org, letter(ONE, tier=tier, previous_tier=tier), history=HISTORY)
    assert (receipt.outcome, receipt.said) == ("delivered", "")
    assert holds(org, ONE)["Tierwise_Tier__c"] == tier
    without = [one for one in closed["picklistValues"] if one["value"] != tier]  # type: ignore[attr-defined]
    lacks = sf_field("Tierwise_Tier__c", "picklist", **{**closed, "picklistValues": without})
    org.objects = {**org.objects, "Account": account_fields(Tierwise_Tier__c=lacks)}
    assert checked(org) == [f"Account.Tierwise_Tier__c (tier) is a closed list without {tier}"]


def test_check_of_a_history_that_would_double_rows(org: SalesforceServer) -> None:
    org.objects = {
        **org.objects,
        "Tierwise_Change__c": history_described(
            Letter__c=sf_field("Letter__c"),
            Account__c=sf_field("Account__c", "reference", referenceTo=["Contact"]),
        ),
    }
    assert checked(org) == [
        "Tierwise_Change__c.Letter__c must be unique and an external id: without that a second delivery would make a "
        "second row",
        "Tierwise_Change__c.Account__c looks up Contact; Account is wanted",
    ]


def test_check_of_an_object_or_an_org_that_is_not_there(org: SalesforceServer) -> None:
    missing = {**HISTORY, "object": "Other__c"}
    assert checked(org, history=missing) == [
        "Salesforce has no object Other__c in API version 67.0, or this user may not see it"
    ]
    assert checked(org, client_secret="x")[0].startswith("Salesforce's sign-in answered 400")


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"fields": {"tier": "OwnerId"}}, "'OwnerId': only custom fields"),
        ({"fields": {"tier": "Id"}}, "'Id': only custom fields"),
        ({"fields": {"tier": "Rating"}}, "'Rating': only custom fields"),
        ({"fields": {}}, "names no field"),
        ({"fields": {"teir": "T__c"}}, "Input should be 'tier'"),
        ({"fields": {"tier": "T__c", "why": "t__C"[:-1] + "c"}}, "two values go to one field"),
        ({"history": {**HISTORY, "key_field": "Name"}}, "'Name': only custom fields"),
        ({"login_url": "http://acme.my.salesforce.com"}, "would send secrets in the clear"),
        ({"login_url": "https://u:p@acme.my.salesforce.com"}, "holds no user and no password"),
        ({"login_url": "https://acme.my.salesforce.com#x"}, "is no URL of a server"),
        ({"login_url": "https://acme.my.salesforce.com/services"}, "is no URL of a server"),
        ({"client_secret": ""}, "is empty"),
        ({"client_secret": "a\nb"}, "holds a space"),
        ({"api_version": "v67"}, "String should match"),
        ({"most": 2001}, "less than or equal to 2000"),
    ],
)
def test_settings_that_cannot_be(org: SalesforceServer, changed: dict[str, Any], says: str) -> None:
    with pytest.raises((ValidationError, ValueError)) as refused:
        settings(org, **changed)
    assert says in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://admin:hunter2@acme.my.salesforce.com",
        "https://admin:hunter2@acme.my.salesforce.com/services",
        "http://admin:hunter2@acme.my.salesforce.com",
        "ftp://admin:hunter2@acme.my.salesforce.com",
        "https://admin:hunter2",
        "https://admin:hunter2@[acme",
        "https://admin:hunter2@\u2100acme",
        "http://hunter2.example.com",
        "https://@hunter2.example.com",
        "hunter2",
    ],
)
def test_a_url_that_is_refused_is_not_repeated(org: SalesforceServer, url: str) -> None:
    with pytest.raises(ValidationError) as refused:
        settings(org, login_url=url)
    (error,) = refused.value.errors()
    assert error["loc"] == ("login_url",)
    assert "hunter2" not in error["msg"]


def test_the_example_of_the_settings_can_be_loaded() -> None:
    example = textwrap.dedent((sinks_crm.__doc__ or "").split("\n\n", 1)[1])
    written = read_yaml(re.sub(r"\$\{(\w+)\}", r"\1", example)).value["sinks"]
    assert TypeAdapter(sinks_crm.CrmSettings).json_schema()["anyOf"]
    kinds = [TypeAdapter(sinks_crm.CrmSettings).validate_python(one).kind for one in written]
    assert kinds == ["salesforce", "salesforce_csv", "hubspot"]


# ----------------------------------------------------------------------------------------------------- the files


def csv_settings(**changed: Any) -> SalesforceCsvSink:
    fields = {name: FIELDS[name] for name in ("tier", "account_score", "why", "reason_2")}
    return SalesforceCsvSink.model_validate({"name": "files", "folder": "out/crm", "fields": fields, **changed})


def test_the_machine_csv_is_the_same_rows_and_no_formula(tmp_path: Path) -> None:
    files = make(csv_settings(history=HISTORY), tmp_path)
    letters = [letter(ONE, "a" * 16), letter(TWO, "b" * 16, why=HOSTILE), letter("lead:x", "c" * 16)]
    receipts = files.send(letters, AT)
    assert [r.outcome for r in receipts] == ["delivered", "delivered", "dead"]
    accounts, history = sorted((tmp_path / "out/crm").iterdir(), key=lambda p: len(p.name))
    assert receipts[0].said == f"in {accounts.name}, {history.name}"
    assert accounts.name.startswith("20260302T060000.000000Z-main-2026-03-01-")
    assert accounts.read_bytes() == golden("salesforce_file.csv")
    assert history.read_text().startswith("Letter__c,Account__c,Tier__c,Was__c,Why__c,As_Of__c\n")
    before = accounts.read_bytes()
    files.send(letters, AT)
    assert len(list((tmp_path / "out/crm").iterdir())) == 2
    assert accounts.read_bytes() == before


def test_the_files_sort_as_they_were_written(tmp_path: Path) -> None:
    """A loader that takes the files in the order of their names ends at the newest values."""
    files = make(csv_settings(history=HISTORY), tmp_path)
    moments = [timedelta(), timedelta(microseconds=1), timedelta(seconds=1), timedelta(hours=20), timedelta(days=40)]
    named = []
    for n, after in enumerate(moments):
        for plan in ("zeta", "alpha"):
            one = letter(ONE, f"{99 - n:016x}", AS_OF - timedelta(days=n), why=f"{n}")
            (receipt,) = files.send([replace(one, plan=plan)], AT + after)
            named.append(receipt.said.removeprefix("in ").split(", ")[0])
    order = sorted(path.name for path in (tmp_path / "out/crm").iterdir() if "-history" not in path.name)
    assert sorted(order) == sorted(named)
    assert [one.split("-")[0] for one in order] == [one.split("-")[0] for one in named]


def test_a_history_file_is_of_what_is_new(tmp_path: Path) -> None:
    files = make(csv_settings(history=HISTORY), tmp_path)
    noise = {"propensity": BODY["propensity"] + 1e-9, "run_id": "another"}
    old, new = letter(ONE, "a" * 16, **noise, last=BODY), letter(TWO, "b" * 16, tier="tier_2", last=BODY)
    assert "-history" not in files.send([old], AT)[0].said
    files.send([old, new], AT)
    (history,) = (tmp_path / "out/crm").glob("*-history.csv")
    assert [line.split(",")[0] for line in history.read_text().splitlines()] == ["Letter__c", "b" * 16]


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    files = make(csv_settings(), tmp_path)
    (receipt,) = files.send([letter(ONE)], AT)
    assert receipt.outcome == "later"
    assert receipt.said.startswith(f"{tmp_path / 'out/crm'} cannot be written: ")
    assert files.check()[0].startswith(f"the folder {tmp_path / 'out/crm'} cannot be written: ")
    assert make(csv_settings(folder="new"), tmp_path).check() == []


def test_no_client_is_loaded_before_it_is_needed() -> None:
    code = "import sys, tierwise.config.sinks_crm, tierwise.routing.sinks.crm, tierwise.routing.sinks.salesforce\n"
    code += "import tierwise.routing.sinks.hubspot; print('httpx' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
