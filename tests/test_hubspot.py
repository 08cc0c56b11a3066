"""The HubSpot sink, against a portal on loopback that checks what it is sent as HubSpot documents it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from crm_samples import AT, BODY, HOSTILE, PLAIN, golden, letter
from crm_servers import Trouble, answer, served
from hubspot_server import HubspotServer, hs_property
from tierwise.config import policy
from tierwise.config.sinks_crm import HubspotSink
from tierwise.routing.sinks import Letter, Receipt, Sink
from tierwise.routing.sinks.crm import make

NAMES = ("tier", "tier_since", "account_score", "propensity", "why", "reason_1", "reason_2")
FIELDS = {name: f"tw_{name}" for name in NAMES}
HISTORY = {
    "object": "2-4711",
    "account_field": "company",
    "key_field": "letter_id",
    "fields": {"tier": "tier", "previous_tier": "was", "why": "why", "as_of": "as_of"},
}
SAID = {
    "tw_tier": "tier_1",
    "tw_tier_since": "2026-03-01T00:00:00.000Z",
    "tw_account_score": "91.3",
    "tw_propensity": "0.2345",
    "tw_why": BODY["why"],
    "tw_reason_1": BODY["reason_1"],
    "tw_reason_2": None,
}
TIERS = [{"value": tier, "label": tier} for tier in (*policy.TIERS, *policy.STATUSES)]
READ, UPDATE, UPSERT, ASSOCIATE = "/batch/read$", "/batch/update$", "/batch/upsert$", "/associate/default$"


def company_properties(**changed: dict[str, Any] | None) -> list[dict[str, Any]]:
    plain = {
        "name": hs_property("name"),
        "hubspot_owner_id": hs_property("hubspot_owner_id", "enumeration", externalOptions=True),
        "tw_tier": hs_property("tw_tier", "enumeration", options=TIERS),
        "tw_tier_since": hs_property("tw_tier_since", "datetime"),
        "tw_account_score": hs_property("tw_account_score", "number"),
        "tw_propensity": hs_property("tw_propensity", "number"),
        "tw_why": hs_property("tw_why"),
        "tw_reason_1": hs_property("tw_reason_1"),
        "tw_reason_2": hs_property("tw_reason_2"),
    }
    return [one for one in {**plain, **changed}.values() if one is not None]


def history_properties() -> list[dict[str, Any]]:
    names = ("company", "tier", "was", "why")
    named = [hs_property(name) for name in names]
    return [hs_property("letter_id", hasUniqueValue=True), hs_property("as_of", "date"), *named]


@pytest.fixture
def portal() -> Iterator[HubspotServer]:
    companies = {one: {"name": "Acme", "hubspot_owner_id": "77"} for one in ("101", "102", "103")}
    objects = {"companies": company_properties(), "2-4711": history_properties()}
    with served(HubspotServer(companies, objects)) as crm:
        yield crm


def settings(portal: HubspotServer, **changed: Any) -> HubspotSink:
    plain = {"name": "hs", "token": portal.token, "base_url": portal.url, "fields": FIELDS, "timeout_seconds": 5}
    return HubspotSink.model_validate({**plain, **changed})


def sink(portal: HubspotServer, **changed: Any) -> Sink:
    made = make(settings(portal, **changed))
    portal.asked.append(made)
    return made


def sent(portal: HubspotServer, *letters: Letter, **changed: Any) -> list[Receipt]:
    return list(sink(portal, **changed).send(letters, AT))


def holds(portal: HubspotServer, company: str) -> dict[str, Any]:
    return {name: portal.companies[company].get(name) for name in FIELDS.values()}


def several(*ids: str, **values: Any) -> list[Letter]:
    return [letter(one, f"{n:016x}", **values) for n, one in enumerate(ids)]


# ------------------------------------------------------------------------------------------------ what is written


def test_what_is_sent_is_the_documented_form_byte_for_byte(portal: HubspotServer) -> None:
    portal.companies["102"] |= {**SAID, "tw_account_score": "40", "tw_reason_2": "gone", "tw_why": "old"}
    portal.companies["103"] |= SAID
    last = {**BODY, "account_score": 40.0, "reason_2": "gone", "why": "old"}
    receipts = sent(
        portal,
        letter("101", "a000000000000001"),
        letter("102", "a000000000000002", why=HOSTILE, previous_tier=None, last=last),
        letter("103", "a000000000000003", last=BODY),
        history=HISTORY,
    )
    assert [(r.outcome, r.said) for r in receipts] == [("delivered", "")] * 3
    assert portal.sent("POST", READ) == [golden("hubspot_read.json")]
    assert portal.sent("POST", UPDATE) == [golden("hubspot_update.json")]
    assert portal.sent("POST", UPSERT) == [golden("hubspot_upsert.json")]
    assert portal.sent("POST", ASSOCIATE) == [golden("hubspot_associate.json")]
    assert holds(portal, "101") == SAID
    assert holds(portal, "102") == {**SAID, "tw_why": PLAIN}
    assert portal.history["a000000000000002"]["why"] == PLAIN
    assert {company["hubspot_owner_id"] for company in portal.companies.values()} == {"77"}


@pytest.mark.parametrize("version", ["v3", "2026-03"])
def test_the_api_version_is_a_setting(portal: HubspotServer, version: str) -> None:
    portal.version = version
    (receipt,) = sent(portal, letter("101"), api_version=version, history=HISTORY)
    assert (receipt.outcome, receipt.said) == ("delivered", "")
    assert portal.associated == {("9000", "101")}
    if version == "v3":
        assert [call.path for call in portal.calls if call.method == "POST"] == [
            "/crm/v3/objects/companies/batch/read",
            "/crm/v3/objects/companies/batch/update",
            "/crm/v3/objects/2-4711/batch/upsert",
            "/crm/v4/associations/2-4711/companies/batch/associate/default",
        ]


def test_a_second_delivery_updates_nothing_and_makes_no_second_record(portal: HubspotServer) -> None:
    for _ in range(2):
        (receipt,) = sent(portal, letter("101"), history=HISTORY)
        assert (receipt.outcome, receipt.said) == ("delivered", "")
    assert len(portal.sent("POST", UPDATE)) == 1
    assert list(portal.history) == [letter("101").letter_id]


KEPT = "kept: tw_tier was changed by hand, or by another plan, to 'tier_3'"


def test_what_a_person_changed_is_kept_and_said(portal: HubspotServer) -> None:
    portal.companies["101"] |= {**SAID, "tw_tier": "tier_3"}
    (receipt,) = sent(portal, letter("101", tier="tier_2", why="new", last=BODY))
    assert (receipt.outcome, receipt.said) == ("delivered", KEPT)
    assert holds(portal, "101") == {**SAID, "tw_tier": "tier_3", "tw_why": "new"}


def test_hubspots_own_form_of_a_value_is_no_change_by_hand(portal: HubspotServer) -> None:
    portal.companies["101"] |= {**SAID, "tw_account_score": "91.30", "tw_tier_since": "2026-03-01T00:00:00Z"}
    (receipt,) = sent(portal, letter("101", last=BODY))
    assert (receipt.outcome, receipt.said) == ("delivered", "")
    assert portal.sent("POST", UPDATE) == []


def test_a_company_is_never_created(portal: HubspotServer) -> None:
    receipts = sent(portal, *several("101", "999", "lead:acme.com"))
    assert [r.outcome for r in receipts] == ["delivered", "dead", "dead"]
    assert receipts[1].said == "HubSpot has no account 999, or this user may not see it; none is ever created"
    assert set(portal.companies) == {"101", "102", "103"}


# ---------------------------------------------------------------------------------------------- what goes wrong


def test_partial_failures_name_their_letters(portal: HubspotServer) -> None:
    portal.item_errors = {
        "101": {"category": "VALIDATION_ERROR", "message": "no such option"},
        "102": {"category": "RATE_LIMITS", "message": "busy"},
    }
    receipts = sent(portal, *several("101", "102", "103"), history=HISTORY)
    assert [(r.outcome, r.said) for r in receipts] == [
        ("dead", "HubSpot refused the company: no such option"),
        ("later", "HubSpot refused the company: busy"),
        ("delivered", ""),
    ]
    assert list(portal.history) == [f"{2:016x}"]


def test_an_answer_that_names_an_item_twice(portal: HubspotServer) -> None:
    both = {"id": "101", "properties": {}}
    error = {"status": "error", "category": "VALIDATION_ERROR", "message": "no", "context": {"ids": ["102"]}}
    said = {"status": "COMPLETE", "results": [both, both, {**both, "id": "102"}], "numErrors": 1, "errors": [error]}
    portal.trouble("POST", UPDATE, answer(207, said))
    receipts = sent(portal, *several("101", "102"))
    assert [r.outcome for r in receipts] == ["delivered", "dead"]


@pytest.mark.parametrize(
    "named",
    [{"context": {"objectWriteTraceId": ["0" * 15 + "1"]}}, {"id": "102"}, {"errors": [{"context": {"id": ["102"]}}]}],
)
def test_an_error_may_name_its_item_in_several_places(portal: HubspotServer, named: dict[str, Any]) -> None:
    error = {"status": "error", "category": "VALIDATION_ERROR", "message": "no", **named}
    said = {"status": "COMPLETE", "results": [{"id": "101", "properties": {}}], "numErrors": 1, "errors": [error]}
    portal.trouble("POST", UPDATE, answer(207, said))
    receipts = sent(portal, *several("101", "102"))
    assert [(r.outcome, r.said) for r in receipts] == [("delivered", ""), ("dead", "HubSpot refused the company: no")]


def test_an_item_of_which_nothing_is_said_is_asked_for_again(portal: HubspotServer) -> None:
    portal.silent = {"102"}
    receipts = sent(portal, *several("101", "102"))
    assert [r.outcome for r in receipts] == ["delivered", "later"]
    assert receipts[1].said == "HubSpot refused the company: HubSpot did not say what became of it"


def test_one_bad_company_does_not_hold_the_other_99(portal: HubspotServer) -> None:
    ids = [str(n) for n in range(1000, 1100)]
    portal.companies |= {one: {} for one in ids}
    letters = several(*ids)
    letters[37] = letter("1037", f"{37:016x}", tier="gold")
    receipts = sent(portal, *letters)
    assert [n for n, r in enumerate(receipts) if r.outcome != "delivered"] == [37]
    assert receipts[37].outcome == "dead"
    assert 'INVALID_OPTION","name":"tw_tier' in receipts[37].said
    assert len(portal.sent("POST", UPDATE)) <= 15


def test_a_batch_that_is_bad_throughout_is_not_offered_for_ever(portal: HubspotServer) -> None:
    ids = [str(n) for n in range(1000, 1100)]
    portal.companies |= {one: {} for one in ids}
    receipts = sent(portal, *several(*ids, tier="gold"))
    assert {r.outcome for r in receipts} <= {"dead", "later"}
    assert len(portal.sent("POST", UPDATE)) <= 49


def test_letters_that_were_refused_together_count_no_attempt_and_come_to_an_end(portal: HubspotServer) -> None:
    """Each delivery comes to the end of some; what was refused with others alone is not held against a letter."""
    ids = [str(n) for n in range(1000, 1100)]
    portal.companies |= {one: {} for one in ids}
    open_, deliveries = several(*ids, tier="gold"), 0
    while open_:
        receipts = sent(portal, *open_)
        together = [r for r in receipts if "refused with others" in r.said]
        assert all((r.outcome, r.of_receiver) == ("later", True) for r in together)
        assert all((r.outcome, r.of_receiver) == ("dead", False) for r in receipts if r not in together)
        assert len(together) < len(open_), "some are at their end"
        open_, deliveries = open_[len(open_) - len(together) :], deliveries + 1
    assert deliveries <= 8


@pytest.mark.parametrize("tier", [*policy.TIERS, *policy.STATUSES])
def test_every_tier_and_status_has_its_place(portal: HubspotServer, tier: str) -> None:
    (receipt,) = sent(portal, letter("101", tier=tier, previous_tier=tier), history=HISTORY)
    assert (receipt.outcome, receipt.said, holds(portal, "101")["tw_tier"]) == ("delivered", "", tier)
    without = hs_property("tw_tier", "enumeration", options=[one for one in TIERS if one["value"] != tier])
    portal.objects = {**portal.objects, "companies": company_properties(tw_tier=without)}
    assert sink(portal).check() == [f"companies.tw_tier (tier) is a closed list without {tier}"]


def test_a_record_of_the_history_is_of_something_new(portal: HubspotServer) -> None:
    portal.companies["101"] |= SAID
    noise = {
        "propensity": BODY["propensity"] + 1e-9,
        "account_score": BODY["account_score"] + 1e-7,
        "run_id": "another",
    }
    (receipt,) = sent(portal, letter("101", **noise, last=BODY), history=HISTORY)
    assert (receipt.outcome, portal.history) == ("delivered", {})
    sent(portal, letter("101", **noise, last=BODY, tried=[{**BODY, "tier": "tier_2"}]), history=HISTORY)
    assert len(portal.history) == 1, "the portal may have been told another tier in between"


EVERYWHERE = [("GET", "/properties/"), ("POST", READ), ("POST", UPDATE), ("POST", UPSERT), ("POST", ASSOCIATE)]
DAILY = {"status": "error", "message": "You have reached your daily limit.", "policyName": "DAILY"}
ROLLING = {"status": "error", "message": "ten-secondly", "policyName": "TEN_SECONDLY_ROLLING"}


@pytest.mark.parametrize(("method", "path"), EVERYWHERE)
@pytest.mark.parametrize(
    ("trouble", "wait", "words"),
    [
        (answer(429, ROLLING, Retry_After="4"), 4.0, "429"),
        (answer(429, ROLLING), 10.0, "ten-secondly"),
        (answer(429, DAILY), 3600.0, "daily limit"),
        (answer(500, b"<html>"), None, "500"),
        (answer(503, None, Retry_After="30"), 30.0, "503"),
        (answer(410, {"message": "sunset"}), None, "set a newer api_version"),
        (answer(302, None, Location="http://127.0.0.1:1/"), None, "302"),
        (answer(401, {"category": "EXPIRED_AUTHENTICATION", "message": "expired"}), None, "expired"),
        (answer(200, b"{"), None, "no JSON"),
        (answer(204), None, "204"),
    ],
)
def test_an_answer_that_stops_a_delivery(
    portal: HubspotServer, method: str, path: str, trouble: Trouble, wait: float | None, words: str
) -> None:
    portal.trouble(method, path, trouble)
    (receipt,) = sent(portal, letter("101"), history=HISTORY)
    of_receiver = trouble.status in (302, 401, 410, 429) or (trouble.status == 503 and wait is not None)
    assert (receipt.outcome, receipt.wait_seconds, receipt.of_receiver) == ("later", wait, of_receiver)
    assert words in receipt.said
    assert portal.token not in receipt.said
    (again,) = sent(portal, letter("101", tried=[BODY]), history=HISTORY)
    assert again.outcome == "delivered"
    assert (holds(portal, "101"), len(portal.history)) == (SAID, 1)


@pytest.mark.parametrize(("method", "path"), EVERYWHERE)
@pytest.mark.parametrize("kind", ["hang", "reset", "lost"])
def test_what_may_have_been_done_is_asked_again_and_done_once(
    portal: HubspotServer, method: str, path: str, kind: str
) -> None:
    portal.trouble(method, path, Trouble(kind))
    (receipt,) = sent(portal, letter("101"), history=HISTORY, timeout_seconds=0.3)
    assert (receipt.outcome, receipt.of_receiver) == ("later", False)
    assert "it may have done what was asked" in receipt.said
    (again,) = sent(portal, letter("101", tried=[BODY]), history=HISTORY)
    assert (again.outcome, again.said) == ("delivered", "")
    assert (holds(portal, "101"), len(portal.history)) == (SAID, 1)


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"results": 3}', b'{"results": [{"id": 1}]}', b"null", b'"x"'])
@pytest.mark.parametrize(("method", "path"), EVERYWHERE)
def test_an_answer_in_no_documented_form(portal: HubspotServer, method: str, path: str, body: bytes) -> None:
    portal.trouble(method, path, answer(200, body))
    (receipt,) = sent(portal, letter("101"), history=HISTORY)
    one_result = body == b'{"results": [{"id": 1}]}'
    if one_result and path == UPSERT:
        said = "its history is there and not associated: HubSpot did not name its record"
        assert (receipt.outcome, receipt.said) == ("delivered", said)
        return
    assert receipt.outcome == "later"
    nothing = (
        "did not say what became of it" if one_result and path == UPDATE else "that its documentation does not have"
    )
    assert nothing in receipt.said


def test_an_association_that_is_refused_is_said(portal: HubspotServer) -> None:
    portal.trouble("POST", ASSOCIATE, answer(400, {"category": "VALIDATION_ERROR", "message": "no default type"}))
    (receipt,) = sent(portal, letter("101"), history=HISTORY)
    assert receipt.outcome == "delivered"
    assert receipt.said == (
        "its history is there and not associated: HubSpot answered 400: VALIDATION_ERROR: no default type"
    )
    (receipt,) = sent(portal, letter("102", "b" * 16), history={**HISTORY, "associate": False})
    assert (receipt.said, len(portal.associated)) == ("", 0)


def test_a_server_that_repeats_the_token_is_not_repeated(portal: HubspotServer) -> None:
    portal.trouble("POST", READ, answer(403, {"category": "MISSING_SCOPES", "message": f"no scope: {portal.token}"}))
    (receipt,) = sent(portal, letter("101"))
    assert receipt.said == "HubSpot answered 403: MISSING_SCOPES: no scope: ***; nothing was written"


def test_a_wrong_token(portal: HubspotServer) -> None:
    (receipt,) = sent(portal, letter("101"), token="pat-wrong")
    assert receipt.outcome == "later"
    assert (
        receipt.said
        == "HubSpot answered 401: INVALID_AUTHENTICATION: Authentication credentials not found.; nothing was written"
    )
    assert "pat-wrong" not in repr(settings(portal, token="pat-wrong"))


# --------------------------------------------------------------------------------------------------------- check


def test_check_finds_nothing_where_nothing_is_wrong(portal: HubspotServer) -> None:
    assert sink(portal, history=HISTORY).check() == []
    assert {call.method for call in portal.calls} == {"GET"}


@pytest.mark.parametrize(
    ("field", "says"),
    [
        (None, "companies has no field tw_why, which is to hold why, or this user may not see it"),
        (hs_property("tw_why", calculated=True), "companies.tw_why (why) cannot be written: HubSpot calculates it"),
        (hs_property("tw_why", modificationMetadata={"readOnlyValue": True}), "its value is read-only"),
        (
            hs_property("tw_why", fieldType="html"),
            "is of type string (html), in which a text is read as HTML; a plain text field is wanted",
        ),
        (hs_property("tw_why", "number"), "companies.tw_why (why) is of type number; a text field is wanted"),
        (
            hs_property("tw_tier", "enumeration", options=TIERS[:2]),
            "is a closed list without tier_3, recycle, suppress, in_pipeline, customer, not_eligible",
        ),
    ],
)
def test_check_holds_each_property_against_its_metadata(
    portal: HubspotServer, field: dict[str, Any] | None, says: str
) -> None:
    changed = {"tw_why": None} if field is None else {field["name"]: field}
    portal.objects = {**portal.objects, "companies": company_properties(**changed)}
    (said,) = sink(portal).check()
    assert says in said


def test_a_missing_property_is_refused_by_name_before_anything_is_written(portal: HubspotServer) -> None:
    (receipt,) = sent(portal, letter("101"), fields={**FIELDS, "why": "tw_wyh"})
    assert receipt.outcome == "later"
    assert receipt.said == (
        "companies has no field tw_wyh, which is to hold why, or this user may not see it; near it are tw_why; "
        "`tierwise deliver --check` lists what to mend; nothing was written"
    )
    assert [call.method for call in portal.calls] == ["GET"]


def test_check_of_a_history_that_would_double_records(portal: HubspotServer) -> None:
    portal.objects = {
        **portal.objects,
        "2-4711": [hs_property(name) for name in ("letter_id", "company", "tier", "was", "why")]
        + [hs_property("as_of", "date")],
    }
    assert sink(portal, history=HISTORY).check() == [
        "2-4711.letter_id was not made with unique values: without that a second delivery would make a second record"
    ]


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"fields": {"tier": "hubspot_owner_id"}}, "'hubspot_owner_id': only properties"),
        ({"fields": {"tier": "hs_object_id"}}, "'hs_object_id': only properties"),
        ({"fields": {"tier": "name"}}, "'name': only properties"),
        ({"fields": {"tier": "Tier"}}, "'Tier': only properties"),
        ({"fields": {"tier": "x", "why": "x"}}, "two values go to one field: x"),
        ({"api_version": "2026-04"}, "String should match"),
        ({"api_version": "2026-03/../x"}, "String should match"),
        ({"base_url": "http://api.hubapi.com"}, "would send secrets in the clear"),
        ({"object": "contacts"}, "Input should be 'companies'"),
        ({"history": {**HISTORY, "object": "../companies"}}, "String should match"),
    ],
)
def test_settings_that_cannot_be(portal: HubspotServer, changed: dict[str, Any], says: str) -> None:
    with pytest.raises((ValidationError, ValueError)) as refused:
        settings(portal, **changed)
    assert says in str(refused.value)
