"""Salesforce and HubSpot exports become tables of the contract: names, files, columns, clocks, histories, people."""

from __future__ import annotations

import csv
import io
import json
import random
import re
import string
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import TypeAdapter
from typer.testing import CliRunner

from raw_exports import DEAL, SF_ACCOUNT, TASK, exported, mapped, raw, raw_csv, raw_files, records, said, table
from tierwise.cli.app import app
from tierwise.config.mapping import SourceMapping
from tierwise.config.plan import Name
from tierwise.config.workspace import Formats, Quarantine, Settings
from tierwise.data import TABLES, Inspection, inspect_tables
from tierwise.data.recipes import RECIPES, recipe
from tierwise.data.sources.mapped import mapped_reading
from tierwise.data.sources.mapping import load_mapping, map_parts, packaged
from tierwise.data.sources.mapping.ids import is_salesforce_id, to_18
from tierwise.data.sources.mapping.naming import Header, attribute, key
from tierwise.data.sources.part import Chunk, Part, SourceFault
from tierwise.errors import ConfigError, UsageError

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data"
GOLDEN = Path(__file__).parent / "golden" / "mapping.json"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data, the CRM exports to map, is absent")


# ids


def published_18(short: str) -> str:
    """Salesforce's algorithm as it is published, letter by letter."""
    alphabet = string.ascii_uppercase + "012345"
    return short + "".join(
        alphabet[int("".join("1" if c.isupper() else "0" for c in reversed(short[i : i + 5])), 2)] for i in (0, 5, 10)
    )


def test_ten_thousand_ids_go_from_15_to_18_characters_and_back() -> None:
    rng = random.Random(7)
    shorts = ["".join(rng.choices(string.ascii_letters + string.digits, k=15)) for _ in range(10_000)]
    longs = to_18(pa.array(shorts))
    assert longs.to_pylist() == [published_18(short) for short in shorts]
    assert [long[:15] for long in longs.to_pylist()] == shorts
    assert to_18(longs).equals(longs)
    assert all(is_salesforce_id(longs).to_pylist())
    assert len(set(longs.to_pylist())) == len({long.lower() for long in longs.to_pylist()}), "case no longer counts"


@pytest.mark.parametrize("wrong", ["001Ec00000FzlUdIAK", "001EC00000FZLUDIAJ", "001Ec00000Fzl", "A-17", "", "ÄÖÜ" * 5])
def test_what_is_no_id_stays_as_it_is(wrong: str) -> None:
    assert to_18(pa.array([wrong, None])).to_pylist() == [wrong, None]
    assert is_salesforce_id(pa.array([wrong])).to_pylist() == [False]


def test_ids_of_a_slice_are_its_own() -> None:
    ids = pa.array(["x", "001Ec00000FzlUd", "001Ec00000GGw3h", "y"])
    assert to_18(ids[1:3]).to_pylist() == ["001Ec00000FzlUdIAJ", "001Ec00000GGw3hIAD"]


# names of columns


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("CreatedDate", ["Created Date", "created_date", "CREATEDDATE", " created date ", "property_createddate"]),
        ("createdate", ["Create Date", "property_createdate", "CreateDate"]),
        ("Segment__c", ["segment_c", "SEGMENT__C"]),
        ("Country/Region", ["country/region", "country_region"]),
        ("Größe", ["größe", "GRÖSSE"]),
    ],
)
def test_columns_match_however_they_are_spelt(name: str, same: list[str]) -> None:
    assert {key(other, ["property_"]) for other in same} == {key(name)}


def test_a_custom_column_is_never_the_standard_one() -> None:
    header = Header(["CreatedDate", "createddate__c", "Type__c", "Segment"], ())
    assert header.find("CreatedDate") == [0]
    assert header.find("Type") == []
    assert header.find("Segment__c") == [3], "a label has no mark of a custom field"


@pytest.mark.parametrize(
    "name",
    [
        "hs_all-funky-a9384-syntax",
        "3rd Party?",
        "Größe (€)",
        "日本",
        "A" * 200,
        "__",
        "Type__c",
        "ns__Deal_Tier__c",
        "_c",
    ],
)
def test_an_attribute_has_a_name_that_files_may_hold(name: str) -> None:
    taken: set[str] = {"type"}
    for _ in range(12):
        found = attribute(name, ["property_"], taken)
        assert TypeAdapter(Name).validate_python(found) == found
        assert found not in taken
        taken.add(found)


# files


@pytest.mark.parametrize(
    ("kind", "file", "header", "expected"),
    [
        ("salesforce", "Account.csv", SF_ACCOUNT, {"accounts"}),
        ("salesforce", "Accounts_2026.csv", SF_ACCOUNT, {"accounts"}),
        ("salesforce", "sf_account_data.csv", SF_ACCOUNT, {"accounts"}),
        ("salesforce", "export/ACCOUNT/part-0001.csv", SF_ACCOUNT, {"accounts"}),
        ("salesforce", "AccountHistory.csv", "AccountId,Field,OldValue,NewValue,CreatedDate", {"account_history"}),
        ("salesforce", "account_history_data.csv", "id,name,_fivetran_start", {"accounts", "account_history"}),
        (
            "salesforce",
            "OpportunityFieldHistory.csv",
            "OpportunityId,Field,NewValue,CreatedDate",
            {"opportunity_stages"},
        ),
        ("salesforce", "CampaignMembers.csv", "Id,ContactId,CreatedDate,HasResponded", {"activities"}),
        ("salesforce", "opportunity_line_item.csv", "Id,OpportunityId,Quantity", set()),
        ("salesforce", "sf_order_data.csv", "id,account_id,billing_country,created_date", set()),
        ("salesforce", "report18.csv", "Contact ID,Account ID,Account Name,Email,Title,Created Date", {"contacts"}),
        ("salesforce", "Account notes.csv", "Id,Body", set()),
        ("salesforce", "report1700000000000.csv", "Account ID,Account Name,Industry,Created Date", {"accounts"}),
        (
            "salesforce",
            "report17.csv",
            "Opportunity ID,Account ID,Account Name,Stage,Close Date,Created Date,Industry",
            {"opportunities"},
        ),
        (
            "hubspot",
            "hubspot-crm-exports-all-companies-2026-01-01.csv",
            "Record ID,Company name,Create Date",
            {"accounts"},
        ),
        ("hubspot", "companies.csv", "Record ID,Company name,Create Date", {"accounts"}),
        ("hubspot", "company_property_history_data.csv", "company_id,name,timestamp,value", {"account_history"}),
        ("hubspot", "ticket_company_data.csv", "ticket_id,company_id", set()),
        ("hubspot", "contact_list_data.csv", "id,name,created_at", set()),
        ("hubspot", "email_event_click_data.csv", "id,browser,url", set()),
        ("hubspot", "my-export-7.csv", "Record ID,Company name,Industry", {"accounts"}),
    ],
)
def test_a_file_is_known_by_its_name_or_its_header(kind: str, file: str, header: str, expected: set[str]) -> None:
    listing = map_parts([raw_csv(file, table(header, ",".join("1" * len(header.split(",")))))], load_mapping(kind))
    assert {part.table for part in listing.parts} == expected
    assert listing.findings == ()
    assert (file in " ".join(listing.notes)) == (not expected)


def test_a_file_whose_columns_are_not_its_names_is_a_finding() -> None:
    listing = map_parts([raw_csv("AccountHistory.csv", table("Id,Name", "1,x"))], load_mapping("salesforce"))
    assert listing.findings == (
        "AccountHistory.csv: looks like account_history by its name, and has no column Field or Field / Event, none "
        "NewValue, none AccountId; export it with the queries of `tierwise recipe salesforce`, or give it another name",
    )


def test_a_column_that_cannot_be_had_is_named_as_the_source_names_it() -> None:
    listing = map_parts([raw_csv("Opportunity.csv", table("Id,StageName", "1,x"))], load_mapping("salesforce"))
    assert listing.findings == (
        "Opportunity.csv: opportunities: no column gives account_id (AccountId), created_at (CreatedDate); export it "
        "with the queries of `tierwise recipe salesforce`",
    )


def test_a_header_with_one_name_twice_is_a_finding() -> None:
    listing = map_parts([raw_csv("Account.csv", table("Id,Industry,industry", "1,x,y"))], load_mapping("salesforce"))
    assert listing.findings == ("Account.csv: industry: stands twice in the header; keep one of them",)


ONLY = "only .csv and .parquet are; export them as one of these"


def test_a_files_ending_may_be_in_capitals_and_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "Lead").mkdir()
    pq.write_table(pa.table({"Id": ["001"], "Name": ["Acme"]}), tmp_path / "ACCOUNT.PARQUET")
    others = {"Contact.xlsx": "", "Event.TSV": "", "Case.csv.gz": "", "Lead/p1.xls": "", "notes.md": "", ".x.zip": ""}
    lead = {"Lead/p0.CSV": table("Id,Email", "00Q1,a@acme.com")}
    listing = exported(tmp_path, "salesforce", {"Task.CSV": table(TASK), **lead, **others})
    assert [(part.table, part.file) for part in listing.parts] == [
        ("accounts", "ACCOUNT.PARQUET"),
        ("activities", "Task.CSV"),
        ("leads", "Lead/p0.CSV"),
    ]
    assert listing.notes == (f"not read: Case.csv.gz, Contact.xlsx, Event.TSV, Lead/p1.xls: {ONLY}",)


def test_a_folder_without_a_file_to_read_names_what_it_holds(tmp_path: Path) -> None:
    listing = exported(tmp_path, "hubspot", {"companies.xlsx": ""})
    assert len(listing.findings) == 1
    assert listing.notes == (f"not read: companies.xlsx: {ONLY}",)


# typed columns, chunks, digests


def typed(name: str, frame: pa.Table) -> Part:
    def chunks() -> Iterator[Chunk]:
        yield Chunk(frame, np.arange(1, frame.num_rows + 1))

    return Part("crm", "", name, tuple(frame.column_names), chunks, lambda: "d")


def test_typed_columns_stay_typed_and_numbers_become_ids() -> None:
    instants = pa.array([pd.Timestamp("2024-01-01"), None], pa.timestamp("us", tz="UTC"))
    deals = pa.table(
        {
            "deal_id": pa.array([12345678901, 2]),
            "property_createdate": instants,
            "property_amount": [1.5, None],
            "is_deleted": [False, True],
            "property_hs_is_closed": [True, False],
            "property_closedate": instants,
            "_fivetran_synced": pa.array([pd.Timestamp("2024-02-02 03:04:05"), pd.Timestamp("2024-02-01")]),
        }
    )
    associations = pa.table({"deal_id": [12345678901, 2], "company_id": [7, 8]})
    listing = map_parts(
        [typed("deal.parquet", deals), typed("deal_company.parquet", associations)], load_mapping("hubspot")
    )
    (chunk,) = listing.parts[0].chunks()
    assert chunk.frame["created_at"].type == instants.type
    assert chunk.frame["amount"].to_pylist() == [1.5, None]
    columns = chunk.frame.select(["opportunity_id", "account_id", "is_closed", "closed_at", "deleted_at"]).to_pydict()
    assert [columns[name] for name in ("opportunity_id", "account_id", "is_closed")] == [
        ["12345678901", "2"], ["7", "8"], ["true", "false"],
    ]  # fmt: skip
    assert [str(each)[:19] for each in columns["closed_at"]] == ["2024-01-01T00:00:00", "None"]
    assert columns["deleted_at"] == [None, "2024-02-01T00:00:00.000000Z"]


@pytest.mark.parametrize("dates", ["iso", "day_first"])
def test_typed_instants_say_what_was_deleted_after_it_happened(dates: str) -> None:
    happened, gone = (pa.array([pd.Timestamp(d)] * 2, pa.timestamp("us")) for d in ("2024-02-01", "2024-06-01"))
    calls = pa.table(
        {
            "engagement_id": [1, 2],
            "property_hs_timestamp": happened,
            "_fivetran_deleted": [True, False],
            "_fivetran_synced": gone,
        }
    )
    companies = pa.table({"engagement_id": [1, 2], "company_id": [7, 7]})
    raw = [typed("engagement_call.parquet", calls), typed("engagement_company.parquet", companies)]
    raw = [replace(part, formats=Formats(dates=dates)) for part in raw]
    listing = map_parts(raw, load_mapping("hubspot"))
    (part,) = (part for part in listing.parts if part.table == "activities")
    assert [i for chunk in part.chunks() for i in chunk.frame["activity_id"].to_pylist()] == ["1", "2"]


@pytest.mark.parametrize("rows", [1, 2, 3, 1000])
def test_rows_do_not_depend_on_how_they_are_cut_into_chunks(rows: int) -> None:
    task = table(
        TASK, *(f"00T{i},,006{i % 3},,Completed,1,2024-02-0{i},,2024-01-10,Call,Inbound," for i in range(1, 8))
    )
    deals = table(DEAL, *(f"006{i},001{i},A,1,1,2024-12-31,,2024-01-01,2024-06-01" for i in range(2)))
    history = table(
        "OpportunityId,StageName,CreatedDate", *(f"006{i % 2},{'AB'[i // 4]},2024-01-0{i}" for i in range(1, 8))
    )
    files = {"Task.csv": task, "Opportunity.csv": deals, "OpportunityHistory.csv": history}
    _, whole = mapped("salesforce", [raw_csv(name, text) for name, text in files.items()])
    _, cut = mapped("salesforce", [raw_csv(name, text, rows=rows) for name, text in files.items()])
    for name, frame in whole.items():
        pd.testing.assert_frame_equal(frame, cut[name])
    assert len(whole["activities"]) == 5


def test_ragged_records_are_handed_on_once_in_each_table() -> None:
    text = table("Id,ContactId,HasResponded,CreatedDate,LastModifiedDate", "1,2", "3,4,1,2024-01-01,2024-01-02")
    stages = table("OpportunityId,StageName,CreatedDate", "1", "1,A,2024-01-01")
    listing = map_parts(raw({"CampaignMember.csv": text, "OpportunityHistory.csv": stages}), load_mapping("salesforce"))
    for part in listing.parts:
        assert [record for chunk in part.chunks() for record in chunk.ragged] == [(2, 2 if "Camp" in part.file else 1)]


def test_a_digest_covers_what_lookups_read() -> None:
    task = table(TASK, "00T1,,0061,,Completed,1,2024-02-01,,2024-01-10,Call,Inbound,")
    digests = []
    for account in ("0011", "0012"):
        deals = table(DEAL, f"0061,{account},A,1,1,2024-12-31,,2024-01-01,2024-06-01")
        listing = map_parts(raw({"Task.csv": task, "Opportunity.csv": deals}), load_mapping("salesforce"))
        said(listing)
        digests.append({part.table: part.digest() for part in listing.parts})
    assert digests[0]["activities"] != digests[1]["activities"]
    again = map_parts(raw({"Opportunity.csv": deals, "Task.csv": task}), load_mapping("salesforce"))
    assert {part.table: part.digest() for part in again.parts} == digests[1]


def counting(part: Part, opened: Counter[str]) -> Part:
    """A part that counts how often it is read, and hashed."""

    def chunks() -> Iterator[Chunk]:
        opened[f"read {part.file}"] += 1
        yield from part.chunks()

    def digest() -> str:
        opened[f"hashed {part.file}"] += 1
        return part.digest()

    return replace(part, chunks=chunks, digest=digest)


def test_files_are_opened_as_often_however_many_there_are() -> None:
    """A history in several files, looked up by several others: each is read once, and hashed once."""
    for files in (2, 9):
        parts, opened = [], Counter[str]()
        for i in range(files):
            contact = table("id,property_email,property_associatedcompanyid", f"{i},a@b{i}.com,7")
            history = table(
                "contact_id,name,timestamp,value", f"{(i + 1) % files},associatedcompanyid,2024-01-0{1 + i},7"
            )
            parts += [raw_csv(f"contact/{i}.csv", contact), raw_csv(f"contact_property_history/{i}.csv", history)]
        listing = map_parts([counting(part, opened) for part in parts], load_mapping("hubspot"))
        linked = [
            day
            for part in listing.parts
            for c in part.chunks()
            if "linked_at" in part.names
            for day in c.frame["linked_at"].to_pylist()
        ]
        assert linked == [f"2024-01-0{1 + (i - 1) % files}" for i in range(files)]
        for part in listing.parts:
            part.digest()
        assert set(opened.values()) == {1}, opened
        said(listing)
        assert set(opened.values()) == {1, 2}, "what was read can be read again"


def test_what_is_said_of_a_history_is_said_of_the_file_that_it_stands_in() -> None:
    history = "deal_id,name,timestamp,value"
    files = {
        "deal_property_history_1.csv": table(history, "1,dealstage,2024-01-01,A", "1,amount,2024-01-01,5", "1"),
        "deal_property_history_2.csv": table(history, "1,amount,2024-01-02,6", "1,amount,2024-01-03,7", "1,2", "1"),
    }
    listing = map_parts(raw(files), load_mapping("hubspot"))
    words = "left out: changes of other properties than the stage"
    assert [note for note in said(listing) if words in note] == [
        f"deal_property_history_1.csv: opportunity_stages: 1 row {words}",
        f"deal_property_history_2.csv: opportunity_stages: 2 rows {words}",
    ]
    ragged = [[record for chunk in part.chunks() for record in chunk.ragged] for part in listing.parts]
    assert ragged == [[(4, 1)], [(4, 2), (5, 1)]]


def broken(part: Part) -> Part:
    """A part that ends in a fault."""

    def chunks() -> Iterator[Chunk]:
        yield from part.chunks()
        raise SourceFault("is cut short", 3)

    return replace(part, chunks=chunks)


def test_a_fault_is_told_of_the_file_that_has_it() -> None:
    history = "company_id,name,timestamp,value"
    files = {
        "company.csv": table("id,name,industry", "7,x,IT"),
        "contact.csv": table("id,property_email", "1,a@b.com"),
        "contact_company.csv": table("contact_id,company_id", "1,7"),
        "company_property_history_1.csv": table(history, "7,industry,2024-01-01,IT"),
        "company_property_history_2.csv": table(history, "7,industry,2024-02-01,IT"),
    }
    faulty = ("contact_company.csv", "company_property_history_1.csv")
    parts = [broken(part) if part.file in faulty else part for part in raw(files)]
    seen = inspect_tables([map_parts(parts, load_mapping("hubspot"))], Settings())
    beside = "company_property_history_1.csv:3: is cut short"
    assert {
        "contact.csv: it is read together with contact_company.csv:3: is cut short",
        beside,
        f"company_property_history_2.csv: it is read together with {beside}",
    } <= set(seen.findings)


RELATED = {
    "Account.csv": table("Id,Name,CreatedDate", "001000000000001,Acme,2024-01-01"),
    "Contact.csv": table("Id,AccountId,CreatedDate", "003000000000001,001000000000001,2024-01-01"),
    "Opportunity.csv": table(DEAL, "006000000000001,001000000000001,A,0,0,2024-12-31,,2024-01-01,2024-06-01"),
}
RELATION = "Id,ContactId,AccountId,StartDate,EndDate"


def related(*rows: str, share: float = 1.0) -> Inspection:
    """Three tables with a file of account contact relations."""
    parts = raw({**RELATED, "AccountContactRelation.csv": table(RELATION, *rows)})
    return inspect_tables(
        [map_parts(parts, load_mapping("salesforce"))], Settings(quarantine=Quarantine(max_share=share))
    )


def test_rows_that_are_only_looked_up_are_counted_and_quarantined() -> None:
    relation = "07k,003000000000001,001000000000001"
    seen = related(
        f"{relation},2024-02-01,9999-12-31", f"{relation},someday,", "07k,1", f"{relation},,", f"{relation},,"
    )
    assert seen.findings == ()
    counts = seen.counts.set_index("file")
    assert counts.loc["AccountContactRelation.csv"].tolist() == ["_account_contacts", 5, 3, 2, 0, 0]
    assert counts.loc["Contact.csv"].tolist() == ["contacts", 1, 1, 0, 0, 0]
    assert records(seen.quarantine, "table", "file", "line", "column", "code", "reason") == [
        (
            "_account_contacts",
            "AccountContactRelation.csv",
            3,
            "linked_at",
            "not_an_instant",
            "'someday' is not an ISO 8601 instant",
        ),
        (
            "_account_contacts",
            "AccountContactRelation.csv",
            4,
            "",
            "ragged",
            "the record has 2 fields and the header 5",
        ),
    ]


def test_a_file_that_is_only_looked_up_is_refused_if_too_much_of_it_cannot_be_read() -> None:
    seen = related("07k,1", "07k,2", share=0.01)
    assert seen.findings == (
        "AccountContactRelation.csv: 2 of 2 rows would be quarantined, over the 1.00% that quarantine.max_share "
        "allows; the first, line 2: the record has 2 fields and the header 5",
    )
    counts = seen.counts.set_index("file").loc["AccountContactRelation.csv"]
    assert (counts["read"], counts["refused"]) == (2, 2)


def test_a_file_of_which_nothing_is_read_is_named() -> None:
    stages = {
        "OpportunityHistory.csv": table("OpportunityId,StageName,CreatedDate", "006,A,2024-01-01"),
        "OpportunityFieldHistory.csv": table("OpportunityId,Field,NewValue,CreatedDate", "006,StageName,A,2024-01-01"),
        "UserRole.csv": table("Title", "x"),
    }
    listing = map_parts(raw(stages), load_mapping("salesforce"))
    assert listing.notes == (
        "OpportunityFieldHistory.csv: not read, as opportunity_history stands in its place",
        "UserRole.csv: not read, as it has none of the columns that are looked up in it",
    )


def test_only_the_columns_that_are_used_are_read_of_a_database() -> None:
    reading = mapped_reading(load_mapping("salesforce"))
    columns = ("id", "who_id", "subject", "description", "status", "created_date", "system_modstamp")
    found = reading("sf_task", columns)
    assert found is not None
    assert (found.table, found.key, found.watermark) == ("sf_task", ("id",), "system_modstamp")
    assert found.columns == ("id", "who_id", "status", "created_date", "system_modstamp")
    assert reading("sf_order", ()) is None
    account = reading("account", ("id", "photo_url", "tier_c", "_fivetran_synced"))
    assert account is not None
    assert account.columns == ("id", "tier_c", "_fivetran_synced")
    history = reading("account_history", ("account_id", "field", "new_value", "created_date"))
    assert history is not None
    assert (history.key, history.watermark) == ((), None)


# people


PEOPLE = ("Zarquon", "Quibble", "zarquon.quibble@secret.example", "+49 170 5550199")


def test_no_person_reaches_a_table() -> None:
    name, last, mail, phone = PEOPLE
    person = f"{name},{last},{name} {last},{mail},{phone},{phone}"
    people = "FirstName,LastName,Name,Email,Phone,MobilePhone"
    files = {
        "Contact.csv": table(f"Id,AccountId,Title,CreatedDate,{people}", f"0031,0011,CFO,2024-01-01,{person}"),
        "Lead.csv": table(f"Id,Company,CreatedDate,{people}", f"00Q1,Acme,2024-01-01,{person}"),
        "CampaignMember.csv": table(f"Id,ContactId,CreatedDate,{people}", f"00v1,0031,2024-01-01,{person}"),
        "User.csv": table(f"Id,Department,{people}", f"0051,Sales,{person}"),
        "Case.csv": table(
            "Id,AccountId,CreatedDate,SuppliedName,SuppliedEmail,ContactPhone",
            f"5001,0011,2024-01-01,{name},{mail},{phone}",
        ),
        "Account.csv": table(
            "Id,Name,PersonEmail,Owner_Email__c,PersonMobilePhone,FirstName,Account Owner,Nick__pc",
            f"0011,Acme,{mail},{mail},{phone},{name},{name} {last},{name}",
        ),
        "EmailMessage.csv": table(
            "Id,RelatedToId,Incoming,FromAddress,FromName,CreatedDate,Subject",
            f"02s1,0011,1,{mail},{name},2024-01-01,{name}",
        ),
        "ContactHistory.csv": table(
            "ContactId,Field,OldValue,NewValue,CreatedDate",
            f"0031,Email,{mail},{mail},2024-01-01",
            f"0031,Name,{name},{last},2024-01-01",
            f"0031,Phone,{phone},,2024-01-01",
        ),
        "contact_history_1.csv": table(
            "id,account_id,first_name,last_name,email,phone,_fivetran_start",
            f"0031,0011,{name},{last},{mail},{phone},2024",
        ),
    }
    _check_private("salesforce", files)
    hubspot = {
        "contact.csv": table(
            "id,property_firstname,property_lastname,property_email,property_phone", f"1,{name},{last},{mail},{phone}"
        ),
        "contact_property_history.csv": table(
            "contact_id,name,timestamp,value",
            f"1,email,2024-01-01,{mail}",
            f"1,firstname,2024-01-01,{name}",
            f"1,phone,2024-01-01,{phone}",
        ),
        "email_event.csv": table("id,type,created,recipient", f"e1,CLICK,2024-01-01,{mail}"),
        "company.csv": table(
            "id,name,property_contact_email,property_phone,Company owner", f"7,Acme,{mail},{phone},{name}"
        ),
        "owner.csv": table("owner_id,email,first_name,last_name", f"9,{mail},{name},{last}"),
    }
    _check_private("hubspot", hubspot)


def _check_private(kind: str, files: dict[str, str]) -> None:
    listing, tables = mapped(kind, raw(files))
    written = "\n".join(frame.to_csv() for frame in tables.values()) + "\n".join(said(listing))
    assert {part.file for part in listing.parts} == set(files), listing
    for secret in PEOPLE:
        assert secret.lower() not in written.lower(), secret
    assert "secret.example" in written, "the domain is what is kept"


# mappings of a workspace


def workspace_mapping(tmp_path: Path, kind: str, text: str) -> SourceMapping:
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings" / f"{kind}.yaml").write_text(text, encoding="utf-8")
    return load_mapping(kind, tmp_path)


EXTENDED = """\
kind: our_crm
extends: salesforce
objects:
  case: null
  account:
    feeds:
      accounts:
        columns:
          region: {of: Sales_Region__c, values: {North: EMEA}, else: other}
          industry: [Sector__c, Industry]
  demo_request__c:
    feeds:
      activities:
        columns:
          activity_id: Id
          contact_id: Contact__c
          occurred_at: CreatedDate
          channel: {constant: web}
          kind: {constant: demo_request}
          initiator: {constant: buyer}
"""


def test_a_workspace_extends_a_mapping(tmp_path: Path) -> None:
    mapping = workspace_mapping(tmp_path, "our_crm", EXTENDED.replace("demo_request__c:", "demo_request:"))
    files = {
        "Account.csv": table("Id,Sales_Region__c,Sector__c,Industry", "1,north,,IT", "2,South,Bank,IT", "3,,,"),
        "Demo_Request__c.csv": table("Id,Contact__c,CreatedDate", "a1,0031,2024-01-01"),
        "Case.csv": table("Id,AccountId,CreatedDate", "5,1,2024-01-01"),
    }
    listing, tables = mapped("our_crm", raw(files), mapping)
    assert records(tables["accounts"], "region", "industry") == [("EMEA", "IT"), ("other", "Bank"), (None, None)]
    assert records(tables["activities"], "activity_id", "contact_id", "kind") == [("a1", "0031", "demo_request")]
    assert listing.notes == ("not read, as the mapping 'our_crm' knows no such object: Case.csv",)


def test_a_workspace_brings_a_kind_of_its_own(tmp_path: Path) -> None:
    text = """\
kind: zoho
objects:
  accounts:
    feeds:
      accounts: {columns: {account_id: [Record Id, Account Name.id], name: Account Name}, attributes: true}
"""
    mapping = workspace_mapping(tmp_path, "zoho", text)
    _, tables = mapped("zoho", raw({"Accounts.csv": table("Record Id,Account Name,Rating", "1,Acme,Hot")}), mapping)
    assert records(tables["accounts"], "account_id", "name", "rating") == [("1", "Acme", "Hot")]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "channel:",
            "chanel:",
            "mappings/own.yaml:18: objects.demo_request.feeds.activities.columns.chanel: activities has "
            "no column 'chanel'; did you mean 'channel'?; a helper's name begins with _",
        ),
        ("constant: buyer", "constnt: buyer", "unknown key; did you mean 'constant'?"),
        ("activities:", "activitys:", "the contract has no table 'activitys'; did you mean 'activities'?"),
        ("extends: salesforce", "extends: salesfroce", "extends: there is no such mapping; there are: hubspot"),
        ("kind: own", "kind: other", "mappings/own.yaml:1: kind: says 'other' in the file of 'own'"),
        (
            "kind: {constant: demo_request}",
            "kind: {of: X, constant: y}",
            "a value comes from one of: of, joined, constant, via",
        ),
        ("kind: {constant: demo_request}", "kind: {of: X, if: _done}", "reads '_done', which is no column before it"),
        ("kind: {constant: demo_request}", "kind: {of: X, unless: _no}", "reads '_no', which is no column before it"),
        ("kind: {constant: demo_request}", "kind: {of: X, several: of many}", "several needs via or first_of"),
        ("kind: {constant: demo_request}", "kind: {of: X, as: fancy}", "one of text, word, salesforce_id"),
        (
            "kind: {constant: demo_request}",
            "kind: {via: {table: _nothing, match: {a: activity_id}, take: b}}",
            "looks up '_nothing', which nothing here feeds",
        ),
        (
            "contact_id: Contact__c",
            "contact_id: {via: {table: contacts, match: {contact_idd: activity_id}, take: contact_id}}",
            "looks up 'contact_idd' in contacts, which has no such column; did you mean 'contact_id'?",
        ),
        (
            "contact_id: Contact__c",
            "contact_id: {via: {table: activities, match: {activity_id: activity_id}, take: contact_id}}",
            "lookups lead from activities back to activities; they must end somewhere",
        ),
        (
            "initiator: {constant: buyer}",
            "initiator: {constant: buyer}\n        empty: {initiatr: nobody says who}",
            "empty: speaks of 'initiatr', which is no column of this feed; did you mean 'initiator'?",
        ),
        ("objects:", "objects: [", "not valid YAML"),
    ],
)
def test_a_faulty_mapping_is_told_with_its_line(tmp_path: Path, old: str, new: str, says: str) -> None:
    text = EXTENDED.replace("demo_request__c:", "demo_request:").replace("our_crm", "own")
    assert old in text
    with pytest.raises(ConfigError) as caught:
        workspace_mapping(tmp_path, "own", text.replace(old, new))
    assert says in str(caught.value)
    assert "mappings/own.yaml:" in str(caught.value)
    assert caught.value.exit_code == 2


def test_an_unknown_kind_of_source_is_told() -> None:
    with pytest.raises(ConfigError, match="there are: tables, hubspot, salesforce; did you mean 'hubspot'"):
        load_mapping("hubspt")


def test_packaged_mappings_are_whole() -> None:
    assert packaged() == ("hubspot", "salesforce")
    for kind in packaged():
        feeds = [name for each in load_mapping(kind).all_objects.values() for name in each.feeds]
        assert {
            "accounts",
            "account_history",
            "contacts",
            "contact_history",
            "opportunities",
            "opportunity_stages",
        } <= set(feeds)


# recipes


def selected(text: str) -> Iterator[tuple[str, list[str]]]:
    """(object, columns) of each query of a recipe."""
    code = re.sub(r"--[^\n]*", "", text)
    for match in re.finditer(r"SELECT\s+(.*?)\s+FROM\s+([\w.]+)", code, re.DOTALL):
        yield match.group(2).split(".")[-1], [column.strip() for column in match.group(1).split(",")]


@pytest.mark.parametrize("kind", ["salesforce", "hubspot"])
def test_every_column_of_a_recipe_is_read(kind: str) -> None:
    mapping = load_mapping(kind)
    queries = list(selected(recipe(kind)))
    assert len(queries) == len(re.findall("SELECT", recipe(kind))) > 15
    for name, columns in queries:
        found = mapped_reading(mapping)(name, tuple(columns))
        assert found is not None, name
        assert list(found.columns) == columns, name
    parts = [
        raw_csv(f"{name}.csv", table(",".join(columns), ",".join("1" for _ in columns))) for name, columns in queries
    ]
    listing = map_parts(parts, mapping)
    assert listing.findings == ()
    assert all(note.endswith("stands in its place") for note in listing.notes)
    for name in (
        "accounts",
        "account_history",
        "contacts",
        "activities",
        "opportunities",
        "opportunity_stages",
        "owners",
    ):
        assert name in {part.table for part in listing.parts}


def test_the_recipe_of_snowplow_gives_tables_of_the_contract() -> None:
    text = recipe("snowplow")
    for name in ("activities", "identities"):
        query = text.split(f"-- {name}.csv")[1].split(";")[0]
        columns = re.findall(r"AS (\w+)", query.split("\nFROM")[0])
        contract = TABLES[name]
        assert set(columns) <= set(contract.names)
        assert {column.name for column in contract.columns if column.required} <= set(columns)


def test_recipe_prints(capsys: pytest.CaptureFixture[str]) -> None:
    done = CliRunner().invoke(app, ["recipe", "salesforce"])
    assert done.exit_code == 0
    assert done.stdout == recipe("salesforce")
    assert "queryAll" in done.stdout
    as_json = CliRunner().invoke(app, ["--json", "recipe", "snowplow"])
    assert json.loads(as_json.stdout) == {"kind": "snowplow", "recipe": recipe("snowplow")}
    with pytest.raises(UsageError, match=f"there are: {', '.join(RECIPES)}; did you mean 'hubspot'"):
        recipe("hubspott")


# real exports


REAL = {
    "salesforce_sample": "salesforce",
    "crm_seeds/dbt_salesforce": "salesforce",
    "crm_seeds/dbt_hubspot": "hubspot",
}


@needs_shared
def test_real_exports_map_to_these_columns() -> None:
    found = {}
    for folder, kind in REAL.items():
        listing = map_parts(raw_files(SHARED / folder), load_mapping(kind))
        assert listing.findings == ()
        found[folder] = {
            "columns": {f"{part.table} of {part.file}": list(part.names) for part in listing.parts},
            "notes": list(listing.notes),
        }
    assert found == json.loads(GOLDEN.read_text()), f"if that is meant, write {GOLDEN.name} anew: {json.dumps(found)}"


@needs_shared
@pytest.mark.parametrize("folder", sorted(REAL))
def test_real_exports_pass_the_contract_and_their_counts_add_up(folder: str, tmp_path: Path) -> None:
    listing = map_parts(raw_files(SHARED / folder), load_mapping(REAL[folder]))
    read: dict[str, int] = {}
    for number, part in enumerate(listing.parts):
        chunks = [chunk.frame for chunk in part.chunks()]
        whole = pa.concat_tables(chunks, promote_options="permissive")
        read[part.table] = read.get(part.table, 0) + whole.num_rows
        if whole.num_rows:
            (tmp_path / part.table).mkdir(exist_ok=True)
            pq.write_table(whole, tmp_path / part.table / f"{number:02}.parquet")
    seen = inspect_tables(tmp_path, Settings(quarantine=Quarantine(max_share=1.0)))
    counts = seen.counts.groupby("table")[["read", "accepted", "quarantined", "refused"]].sum()
    assert counts["read"].to_dict() == {name: n for name, n in read.items() if n}
    assert (counts["read"] == counts["accepted"] + counts["quarantined"] + counts["refused"]).all()
    assert counts.loc["accounts", "accepted"] == read["accounts"]
    if folder == "salesforce_sample":
        assert counts["quarantined"].sum() == counts["refused"].sum() == 0
        assert seen.findings == ()
        assert read == {"accounts": 22, "contacts": 102, "activities": 108, "leads": 60, "opportunities": 50}


@needs_shared
@pytest.mark.parametrize("folder", sorted(REAL))
def test_no_real_cell_with_an_address_reaches_a_table(folder: str) -> None:
    for part in map_parts(raw_files(SHARED / folder), load_mapping(REAL[folder])).parts:
        for chunk in part.chunks():
            text = io.StringIO()
            csv.writer(text).writerows(chunk.frame.to_pandas().to_numpy().tolist())
            assert "@" not in text.getvalue(), part.file
