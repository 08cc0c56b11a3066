"""What becomes of the columns, clocks, deals and histories of Salesforce and HubSpot."""

from __future__ import annotations

from pathlib import Path

import pytest

from raw_exports import DEAL, SF_ACCOUNT, TASK, exported, mapped, raw, raw_csv, records, rows_of, said, table
from tierwise.config.workspace import Formats

# columns


def test_accounts_of_salesforce() -> None:
    text = table(
        "Id,IsDeleted,MasterRecordId,ParentId,Name,Website,NumberOfEmployees,SystemModstamp,CreatedDate,Tier__c,Phone,Type__c",
        "001Ec00000FzlUd,true,001Ec00000GGw3h,,Acme,https://www.Acme.com/x?y,51-200,2024-03-01T00:00:00.000+0000,2024-01-01,A,1,x",
        "001Ec00000GGw3hIAD,false,,001Ec00000FzlUd,Beta,mailto:info@beta.co.uk,7,2024-03-02T00:00:00.000+0000,2024-01-02,B,2,",
        "001Ec00000GGw3iIAD,,,,Gamma,no website,,2024-03-03T00:00:00.000+0000,2024-01-03,,3,",
    )
    listing, tables = mapped("salesforce", raw({"Account.csv": text}))
    accounts = tables["accounts"]
    columns = (
        "account_id",
        "parent_account_id",
        "master_account_id",
        "domain",
        "employee_count",
        "deleted_at",
        "__line",
    )
    assert records(accounts, *columns) == [
        ("001Ec00000FzlUdIAJ", None, "001Ec00000GGw3hIAD", "acme.com", "51-200", "2024-03-01T00:00:00.000+0000", 2),
        ("001Ec00000GGw3hIAD", "001Ec00000FzlUdIAJ", None, "beta.co.uk", "7", None, 3),
        ("001Ec00000GGw3iIAD", None, None, None, None, None, 4),
    ]
    assert records(accounts, "tier", "type") == [("A", "x"), ("B", ""), ("", "")]
    assert "phone" not in accounts.columns
    (part,) = listing.parts
    assert part.shown["employee_count"] == "NumberOfEmployees"
    assert part.shown["tier"] == "Tier__c"
    assert "name" in part.names
    assert part.shown["name"] == "Name"


def test_an_id_whose_case_was_changed_is_kept_and_said() -> None:
    listing, tables = mapped(
        "salesforce", raw({"Account.csv": table(SF_ACCOUNT, "001EC00000FZLUDIAJ,Acme,,2024-01-01")})
    )
    assert tables["accounts"]["account_id"].tolist() == ["001EC00000FZLUDIAJ"]
    assert said(listing) == [
        "Account.csv: accounts: account_id: 1 value not written as Salesforce writes ids, or changed in "
        "case; kept as they are"
    ]


def test_a_report_export_with_labels_and_a_loader_table_give_the_same() -> None:
    label = table("Account ID,Account Name,Employees,Created Date", "001Ec00000FzlUd,Acme,7,2024-01-01")
    loader = table("id,name,number_of_employees,created_date,_fivetran_synced", "001Ec00000FzlUdIAJ,Acme,7,2024-01-01,")
    _, by_label = mapped("salesforce", raw({"report1.csv": label}))
    _, by_loader = mapped("salesforce", raw({"sf_account_data.csv": loader}))
    columns = ("account_id", "name", "employee_count", "created_at")
    assert records(by_label["accounts"], *columns) == records(by_loader["accounts"], *columns)


def test_contacts_keep_a_domain_and_no_more() -> None:
    text = table(
        "Id,AccountId,FirstName,LastName,Email,Phone,Title,CreatedDate",
        "003000000000001,001000000000001,Zarquon,Quibble,Zarquon.Quibble@mail.Acme.com,+4917000,CFO,2024-01-01",
        "003000000000002,,Zarquon,Quibble,no mail,,CFO,2024-01-01",
    )
    listing, tables = mapped("salesforce", raw({"Contact.csv": text}))
    assert records(tables["contacts"], "contact_id", "account_id", "email_domain", "title") == [
        ("003000000000001AAA", "001000000000001AAA", "mail.acme.com", "CFO")
    ]
    assert said(listing) == ["Contact.csv: contacts: 1 row left out: with neither an account nor an e-mail address"]


# clocks of activities


def test_a_task_is_an_activity_once_it_is_done() -> None:
    text = table(
        TASK,
        "00T1,003000000000001,001000000000001,,Completed,1,2024-02-01,2024-01-15T09:00:00Z,2024-01-10T00:00:00Z,Call,Inbound,",
        "00T2,00Q000000000001,,,Completed,1,2024-02-01,,2024-01-10T00:00:00Z,Task,,",
        "00T3,003000000000001,,,Not Started,,2030-01-01,,2024-01-10T00:00:00Z,Task,,",
        "00T4,003000000000001,,,Completed,1,,,2024-01-10T00:00:00Z,Call,Outbound,",
        "00T5,,,,Completed,1,2024-02-01,,2024-01-10T00:00:00Z,Task,,",
        "00T6,003000000000001,,,Completed,1,2024-02-01,,2024-01-10T00:00:00Z,Task,,1",
        "00T7,,006000000000001,,Completed,1,2024-02-01,,2024-01-10T00:00:00Z,Task,,",
    )
    deals = table("Id,AccountId,CreatedDate,IsClosed", "006000000000001,001000000000002,2024-01-01,0")
    listing, tables = mapped("salesforce", raw({"Task.csv": text, "Opportunity.csv": deals}))
    columns = ("activity_id", "account_id", "contact_id", "lead_id", "occurred_at", "channel", "initiator")
    assert records(tables["activities"], *columns) == [
        ("00T1", "001000000000001AAA", "003000000000001AAA", None, "2024-01-15T09:00:00Z", "call", "buyer"),
        ("00T2", None, None, "00Q000000000001EAA", "2024-02-01", "task", None),
        ("00T4", None, "003000000000001AAA", None, "2024-01-10T00:00:00Z", "call", "seller"),
        ("00T7", "001000000000002AAA", None, None, "2024-02-01", "task", None),
    ]
    assert set(tables["activities"]["recorded_at"]) == {"2024-01-10T00:00:00Z"}
    notes = said(listing)
    assert "Task.csv: activities: 1 row left out: not completed: what is planned is no activity" in notes
    assert "Task.csv: activities: 1 row left out: of no account, contact or lead" in notes
    assert "Task.csv: activities: 1 row left out: the patterns of series whose tasks stand beside them" in notes


SINCE_CHANGED = "completed on an unknown day; known from its last change on"
SINCE_DUE = "completed on an unknown day, and nothing says when it last changed; known from the day it was due"


def test_a_task_completed_on_an_unknown_day_is_known_from_its_last_change() -> None:
    header = "Id,WhoId,ActivityDate,Status,CreatedDate,CompletedDateTime,LastModifiedDate"
    text = table(
        header,
        "00T1,003000000000001,2024-02-01,Completed,2024-01-10,2024-02-20,2024-05-01",
        "00T2,003000000000001,2024-02-01,Completed,2024-01-10,,2024-05-01",
        "00T3,003000000000001,2024-02-01,Completed,2024-01-10,,",
        "00T4,003000000000001,2024-02-01,Completed,,2024-02-20,2024-05-01",
    )
    listing, tables = mapped("salesforce", raw({"Task.csv": text}))
    assert records(tables["activities"], "activity_id", "occurred_at", "recorded_at") == [
        ("00T1", "2024-02-20", "2024-01-10"),
        ("00T2", "2024-02-01", "2024-05-01"),
        ("00T3", "2024-02-01", "2024-01-10"),
        ("00T4", "2024-02-20", "2024-02-20"),
    ]
    assert f"Task.csv: activities: recorded_at: 1 row: {SINCE_CHANGED}" in said(listing)
    assert f"Task.csv: activities: recorded_at: 1 row: {SINCE_DUE}" in said(listing)


@pytest.mark.parametrize("prefix", ["", "property_"])
def test_a_task_of_hubspot_completed_on_an_unknown_day_is_known_from_its_last_change(prefix: str) -> None:
    names = ["hs_timestamp", "hs_createdate", "hs_task_status", "hs_task_completion_date", "hs_lastmodifieddate"]
    task = table(
        ",".join(["engagement_id", *(prefix + name for name in names)]),
        "1,2024-02-01,2024-01-10,COMPLETED,2024-02-20,2024-05-01",
        "2,2024-02-01,2024-01-10,COMPLETED,,1714521600000",
        "3,2024-02-01,2024-01-10,COMPLETED,,",
        "4,2024-02-01,,COMPLETED,2024-02-20,2024-05-01",
    )
    companies = table("engagement_id,company_id", *(f"{each},77" for each in range(1, 5)))
    listing, tables = mapped("hubspot", raw({"engagement_task.csv": task, "engagement_company.csv": companies}))
    assert records(tables["activities"], "activity_id", "occurred_at", "recorded_at") == [
        ("1", "2024-02-20", "2024-01-10"),
        ("2", "2024-02-01", "2024-05-01T00:00:00.000Z"),
        ("3", "2024-02-01", "2024-01-10"),
        ("4", "2024-02-20", "2024-02-20"),
    ]
    assert f"engagement_task.csv: activities: recorded_at: 1 row: {SINCE_CHANGED}" in said(listing)
    assert f"engagement_task.csv: activities: recorded_at: 1 row: {SINCE_DUE}" in said(listing)


def test_an_email_is_counted_once_and_an_incoming_one_is_the_buyers() -> None:
    task = table(TASK, "00T000000000001,003000000000001,,,Completed,1,2024-02-01,,2024-02-01T00:00:00Z,Email,,")
    message = table(
        "Id,ActivityId,RelatedToId,Incoming,FromAddress,MessageDate,Status,CreatedDate",
        "02s000000000001,00T000000000001,,true,jo@acme.com,2024-02-01T10:00:00Z,1,2024-02-01T10:01:00Z",
        "02s000000000002,,001000000000001,false,me@us.com,2024-02-02T10:00:00Z,3,2024-02-02T10:01:00Z",
        "02s000000000003,,001000000000001,false,me@us.com,,5,2024-02-02T10:01:00Z",
    )
    listing, tables = mapped("salesforce", raw({"Task.csv": task, "EmailMessage.csv": message}))
    columns = ("activity_id", "account_id", "contact_id", "domain", "kind", "initiator")
    assert records(tables["activities"], *columns) == [
        ("02s000000000001AAA", None, "003000000000001AAA", "acme.com", "email_reply", "buyer"),
        ("02s000000000002AAA", "001000000000001AAA", None, None, "email", "seller"),
    ]
    assert "Task.csv: activities: 1 row left out: e-mails that stand in the file of e-mail messages" in said(listing)


RELATED = (
    "02s000000000001,003000000000001,CcAddress",
    "02s000000000001,003000000000009,FromAddress",
    "02s000000000002,003000000000001,CcAddress",
    "02s000000000003,003000000000007,ToAddress",
    "02s000000000003,003000000000008,CcAddress",
    "02s000000000004,00Q000000000002,FromAddress",
    "02s000000000004,003000000000001,CcAddress",
)


@pytest.mark.parametrize("typed", [True, False])
@pytest.mark.parametrize("order", [1, -1])
def test_of_an_email_with_several_contacts_the_sender_is_kept(typed: bool, order: int) -> None:
    messages = table(
        "Id,RelatedToId,ActivityId,Incoming,MessageDate,CreatedDate",
        *(
            f"02s00000000000{i},001000000000001,00T000000000001,{incoming},2024-02-01,2024-02-01"
            for i, incoming in ((1, "true"), (2, "true"), (3, "false"), (4, "true"))
        ),
    )
    header, rows = "EmailMessageId,RelationId", [row.rsplit(",", 1)[0] for row in RELATED]
    relations = table(f"{header},RelationType", *RELATED[::order]) if typed else table(header, *rows[::order])
    task = table(TASK, "00T000000000001,003000000000001,,,Completed,1,2024-02-01,,2024-02-01,Email,,")
    files = {"EmailMessage.csv": messages, "EmailMessageRelation.csv": relations, "Task.csv": task}
    listing, tables = mapped("salesforce", raw(files))
    people = [
        (contact and contact[14], lead and lead[14])
        for contact, lead in records(tables["activities"], "contact_id", "lead_id")
    ]
    several = "EmailMessage.csv: activities: contact_id: {} of several contacts; the one with the smallest id is kept"
    if typed:
        assert people == [("9", None), (None, None), ("7", None), (None, "2")]
        assert several.format("1 row:") in said(listing)
    else:
        assert people == [("1", None), ("1", None), ("7", None), ("1", "2")]
        assert several.format("2 rows:") in said(listing)


def test_a_campaign_member_was_reached_and_may_have_responded() -> None:
    text = table(
        "Id,CampaignId,ContactId,LeadId,HasResponded,FirstRespondedDate,CreatedDate,LastModifiedDate",
        "00v000000000001,701000000000001,003000000000001,,1,2024-02-03,2024-02-01T00:00:00Z,2024-02-09T00:00:00Z",
        "00v000000000002,701000000000001,,00Q000000000001,,,2024-02-01T00:00:00Z,2024-02-09T00:00:00Z",
        "00v000000000003,701000000000001,003000000000002,1,1,,2024-02-01T00:00:00Z,2024-02-09T00:00:00Z",
    )
    campaign = table("Id,Type", "701000000000001AAA,Trade Show")
    listing, tables = mapped("salesforce", raw({"CampaignMember.csv": text, "Campaign.csv": campaign}))
    columns = ("activity_id", "occurred_at", "kind", "initiator", "topic")
    assert records(tables["activities"], *columns) == [
        ("00v000000000001AAA:sent", "2024-02-01T00:00:00Z", "campaign_sent", "seller", "trade_show"),
        ("00v000000000002AAA:sent", "2024-02-01T00:00:00Z", "campaign_sent", "seller", "trade_show"),
        ("00v000000000003AAA:sent", "2024-02-01T00:00:00Z", "campaign_sent", "seller", "trade_show"),
        ("00v000000000001AAA:responded", "2024-02-03", "campaign_responded", "buyer", "trade_show"),
        ("00v000000000003AAA:responded", "2024-02-09T00:00:00Z", "campaign_responded", "buyer", "trade_show"),
    ]
    assert any("1 row: without a date of its first response; its last change" in note for note in said(listing))


UNTOLD = "left out: deleted before they happened, or on a day that nothing tells"
SINCE = "activities: _erased_at: 1 row: deleted since; what had happened still counts"


def test_what_had_happened_when_it_was_deleted_still_counts() -> None:
    who, then, gone = "003000000000001", "2023-04-10T00:00:00Z", "2024-06-01T00:00:00Z"
    files = {
        "Task.csv": table(
            "Id,WhoId,ActivityDate,Status,CompletedDateTime,CreatedDate,IsDeleted,SystemModstamp",
            f"00T000000000001,{who},2023-04-10,Completed,{then},{then},true,{gone}",
        ),
        "Event.csv": table(
            "Id,WhoId,StartDateTime,CreatedDate,IsDeleted,SystemModstamp",
            f"00U000000000001,{who},2023-05-01T00:00:00Z,{then},true,{gone}",
            f"00U000000000002,{who},2024-06-01T00:00:00Z,{then},true,{gone}",
        ),
        "EmailMessage.csv": table(
            "Id,RelatedToId,Incoming,MessageDate,CreatedDate,IsDeleted,SystemModstamp",
            f"02s000000000001,001000000000001,true,{then},{then},true,{gone}",
        ),
    }
    listing, tables = mapped("salesforce", raw(files))
    kept = ["00T000000000001EAA", "00U000000000001EAA", "02s000000000001AAA"]
    assert sorted(tables["activities"]["activity_id"]) == kept
    notes = said(listing)
    assert [f"{file}: {SINCE}" in notes for file in files] == [True] * 3
    assert f"Event.csv: activities: 1 row {UNTOLD}" in notes
    rows = ("1,true,2024-02-01,2024-03-01", "2,true,2024-02-01,2024-01-01")
    calls = table("engagement_id,_fivetran_deleted,property_hs_timestamp,_fivetran_synced", *rows)
    companies = table("engagement_id,company_id", "1,77", "2,77")
    _, tables = mapped("hubspot", raw({"engagement_call.csv": calls, "engagement_company.csv": companies}))
    assert tables["activities"]["activity_id"].tolist() == ["1"]


def test_deleted_activities_are_left_out_and_counted() -> None:
    who, then = "003000000000001", "2024-01-10T00:00:00Z"
    event = "Id,WhoId,StartDateTime,CreatedDate,LastModifiedDate"
    task = "Id,WhoId,ActivityDate,Status,CompletedDateTime,CreatedDate"
    message = "Id,ActivityId,RelatedToId,Incoming,MessageDate,CreatedDate"
    member = "Id,ContactId,HasResponded,FirstRespondedDate,CreatedDate"
    files = {
        "Event.csv": table(
            f"{event},IsDeleted",
            f"00U1,{who},2024-02-01T00:00:00Z,{then},2024-01-20T00:00:00Z,true",
            f"00U2,{who},2024-02-01T00:00:00Z,{then},2024-01-20T00:00:00Z,false",
        ),
        "sf_task_data.csv": table(
            f"{task},is_deleted,TaskSubtype",
            f"00T000000000001,{who},2024-02-01,Completed,{then},{then},true,Task",
            f"00T000000000002,{who},2024-02-01,Completed,{then},{then},false,Email",
        ),
        "EmailMessage.csv": table(
            f"{message},IsDeleted", f"02s000000000001,00T000000000002,001000000000001,false,{then},{then},true"
        ),
        "CampaignMember.csv": table(
            f"{member},_fivetran_deleted", f"00v1,{who},1,2024-02-03,{then},true", f"00v2,{who},1,2024-02-03,{then},"
        ),
        "Case.csv": table("Id,AccountId,CreatedDate,IsDeleted", f"5001,001000000000001,{then},1"),
    }
    listing, tables = mapped("salesforce", raw(files))
    kept = ["00T000000000002EAA", "00U2", "00v2:responded", "00v2:sent"]
    assert sorted(tables["activities"]["activity_id"]) == kept, "a deleted message does not hide the task that it had"
    notes = said(listing)
    for file in ("Event.csv", "sf_task_data.csv", "EmailMessage.csv", "CampaignMember.csv", "Case.csv"):
        assert f"{file}: activities: 1 row {UNTOLD}" in notes
    assert "CampaignMember.csv: activities: 1 row left out: responses of deleted members" in notes


@pytest.mark.parametrize("name", ["call", "email", "meeting", "note", "task", "communication"])
def test_deleted_engagements_of_hubspot_are_left_out_and_counted(name: str) -> None:
    header = "engagement_id,_fivetran_deleted,property_hs_timestamp,property_hs_task_status"
    rows = ("1,true,2024-02-01,COMPLETED", "2,false,2024-02-01,COMPLETED", "3,,2024-02-01,COMPLETED")
    companies = table("engagement_id,company_id", "1,77", "2,77", "3,77")
    file = f"engagement_{name}.csv"
    listing, tables = mapped("hubspot", raw({file: table(header, *rows), "engagement_company.csv": companies}))
    assert tables["activities"]["activity_id"].tolist() == ["2", "3"]
    assert f"{file}: activities: 1 row {UNTOLD}" in said(listing)


@pytest.mark.parametrize(("kind", "file"), [("salesforce", "Account.csv"), ("hubspot", "company.csv")])
def test_what_a_loader_says_is_deleted_is_so_whatever_the_source_said_before(kind: str, file: str) -> None:
    header = "id,createdate,created_date,is_deleted,_fivetran_deleted,_fivetran_synced"
    text = table(header, "001000000000001AAA,2024-01-01,2024-01-01,false,true,2024-03-01")
    _, tables = mapped(kind, raw({file: text}))
    assert records(tables["accounts"], "deleted_at") == [("2024-03-01",)]


def test_a_deleted_lead_has_the_day_on_which_it_was_deleted() -> None:
    text = table(
        "Id,Email,CreatedDate,LastModifiedDate,IsDeleted",
        "00Q000000000001,x@a.com,2024-01-01,2024-03-01,true",
        "00Q000000000002,x@b.com,2024-01-01,2024-03-01,false",
    )
    _, tables = mapped("salesforce", raw({"Lead.csv": text}))
    assert records(tables["leads"], "domain", "deleted_at") == [("a.com", "2024-03-01"), ("b.com", None)]


FROM_THE_START = "1 row: deleted, and nothing says when; it counts as deleted from its creation on"


@pytest.mark.parametrize(("kind", "file", "header"), [
    ("salesforce", "Account.csv", "Id,IsDeleted,CreatedDate"),
    ("hubspot", "company.csv", "id,is_deleted,property_createdate"),
])  # fmt: skip
def test_what_was_deleted_on_an_unknown_day_is_out_of_all_dates(kind: str, file: str, header: str) -> None:
    rows = ("001000000000001AAA,true,2024-01-01", "001000000000002AAA,false,2024-01-01")
    listing, tables = mapped(kind, raw({file: table(header, *rows)}))
    assert records(tables["accounts"], "deleted_at") == [("2024-01-01",), (None,)]
    assert said(listing) == [f"{file}: accounts: deleted_at: {FROM_THE_START}"]
    name, deleted, _ = header.split(",")
    listing, tables = mapped(kind, raw({file: table(f"{name},{deleted}", *(row[:-11] for row in rows))}))
    assert records(tables["accounts"], "account_id") == [("001000000000002AAA",)]
    assert said(listing) == [f"{file}: accounts: 1 row left out: deleted, and nothing says when"]


def test_contacts_leads_and_deals_deleted_on_an_unknown_day_end_with_their_creation() -> None:
    day = "2024-01-01"
    files = {
        "Contact.csv": table("Id,AccountId,CreatedDate,IsDeleted", f"003000000000001,001000000000001,{day},1"),
        "Lead.csv": table("Id,Email,CreatedDate,IsDeleted", f"00Q000000000001,x@a.com,{day},1"),
        "Opportunity.csv": table(
            "Id,AccountId,CreatedDate,IsDeleted,IsClosed", f"006000000000001,001000000000001,{day},1,0"
        ),
    }
    listing, tables = mapped("salesforce", raw(files))
    assert records(tables["contacts"], "unlinked_at") == records(tables["leads"], "deleted_at") == [(day,)]
    assert records(tables["opportunities"], "is_closed", "deleted_at") == [("0", day)]
    assert said(listing) == [
        f"Contact.csv: contacts: unlinked_at: {FROM_THE_START}",
        f"Lead.csv: leads: deleted_at: {FROM_THE_START}",
        f"Opportunity.csv: opportunities: deleted_at: {FROM_THE_START}",
    ]


# opportunities


def test_a_deletion_is_dated_by_the_latest_stamp_there() -> None:
    header = "Id,AccountId,Email,IsDeleted,CreatedDate,SystemModstamp,LastModifiedDate,_fivetran_synced"
    contacts = table(
        header,
        "0031,0011,,true,2020-01-01,2022-01-01T00:00:00Z,2023-01-01T00:00:00Z,2022-06-01 00:00:00",
        "0032,0011,,true,2020-01-01,2022-01-01T00:00:00Z,,2024-06-20 10:00:00",
        "0033,0011,,true,2020-01-01,,,",
        "0034,0011,,false,2020-01-01,2022-01-01T00:00:00Z,,2024-06-20 10:00:00",
    )
    deals = table(f"{DEAL},_fivetran_synced", "0061,0011,A,0,0,,true,2020-01-01,2022-01-01,2024-06-20")
    _, tables = mapped("salesforce", raw({"Contact.csv": contacts, "Opportunity.csv": deals}))
    assert records(tables["contacts"], "unlinked_at") == [
        ("2023-01-01T00:00:00Z",), ("2024-06-20 10:00:00",), ("2020-01-01",), (None,),
    ]  # fmt: skip
    assert tables["opportunities"]["deleted_at"].tolist() == ["2024-06-20"]


def test_a_deal_closed_when_it_entered_its_closed_stage() -> None:
    deals = table(
        DEAL,
        "006000000000001,001000000000001,Closed Won,1,1,2024-12-31,,2024-01-01,2024-06-01T00:00:00Z",
        "006000000000002,001000000000001,Closed Lost,1,,2024-04-30,,2024-01-01,2024-06-01T00:00:00Z",
        "006000000000003,001000000000001,Proposal,,,2024-12-31,,2024-01-01,2024-06-01T00:00:00Z",
        "006000000000004,001000000000001,Proposal,,,2024-12-31,1,2024-01-01,2024-06-01T00:00:00Z",
        "006000000000005,,Proposal,,,2024-12-31,,2024-01-01,2024-06-01T00:00:00Z",
    )
    history = table(
        "OpportunityId,StageName,Amount,CreatedDate",
        "006000000000001,Proposal,1,2024-02-01T00:00:00Z",
        "006000000000001,Closed Won,1,2024-03-01T00:00:00Z",
        "006000000000001,Proposal,1,2024-03-05T00:00:00Z",
        "006000000000001,Closed Won,1,2024-03-09T00:00:00Z",
        "006000000000001,Closed Won,2,2024-05-01T00:00:00Z",
        "006000000000003,Proposal,2,2024-02-01T00:00:00Z",
    )
    listing, tables = mapped("salesforce", raw({"Opportunity.csv": deals, "OpportunityHistory.csv": history}))
    assert records(tables["opportunities"], "opportunity_id", "is_closed", "is_won", "closed_at") == [
        ("006000000000001AAA", "true", "1", "2024-03-09T00:00:00Z"),
        ("006000000000002AAA", "true", "false", "2024-04-30"),
        ("006000000000003AAA", "false", "false", None),
        ("006000000000004AAA", "false", "false", None),
    ]
    assert records(tables["opportunity_stages"], "opportunity_id", "stage", "entered_at", "__line") == [
        ("006000000000001AAA", "Proposal", "2024-02-01T00:00:00Z", 2),
        ("006000000000001AAA", "Closed Won", "2024-03-01T00:00:00Z", 3),
        ("006000000000001AAA", "Proposal", "2024-03-05T00:00:00Z", 4),
        ("006000000000001AAA", "Closed Won", "2024-03-09T00:00:00Z", 5),
        ("006000000000003AAA", "Proposal", "2024-02-01T00:00:00Z", 7),
    ]
    assert said(listing) == [
        "Opportunity.csv: opportunities: 1 row left out: without an account",
        "Opportunity.csv: opportunities: closed_at: 1 row: no history says when it closed; the close date that was "
        "planned stands for it",
    ]


REPORT = "Opportunity ID,Account ID,Stage,Close Date,Created Date"
NOTHING_SAYS = (
    "opportunities: is_closed is empty in all rows (1): nothing says which deals are closed, so all count as open; "
)


def test_standard_stages_say_what_is_closed_where_a_report_has_no_box(tmp_path: Path) -> None:
    text = table(
        REPORT,
        "006000000000001,001,Closed Won,2024-01-01,2023-01-01",
        "006000000000002,001,closed lost,2024-01-02,2023-01-01",
        "006000000000003,001,Closed Won Pending,2024-01-03,2023-01-01",
        "006000000000004,001,Proposal,2024-01-04,2023-01-01",
    )
    listing = exported(tmp_path, "salesforce", {"report.csv": text})
    assert records(rows_of(listing, "opportunities"), "is_closed", "is_won", "closed_at") == [
        ("true", "true", "2024-01-01"),
        ("true", "false", "2024-01-02"),
        (None, None, None),
        (None, None, None),
    ]
    assert not [note for note in said(listing) if "nothing says" in note]


def test_a_box_or_a_list_of_stages_outranks_a_stages_name() -> None:
    deals = table(DEAL, "0061,0011,Closed Won,0,0,2024-12-31,,2024-01-01,2024-06-01")
    _, tables = mapped("salesforce", raw({"Opportunity.csv": deals}))
    assert records(tables["opportunities"], "is_closed", "is_won", "closed_at") == [("0", "0", None)]
    report = table(REPORT, "0061,0011,Closed Won,2024-01-01,2023-01-01", "0062,0011,Signed,2024-01-01,2023-01-01")
    stages = table("ApiName,MasterLabel,IsClosed,IsWon", "Closed Won,x,false,false", "Signed,x,true,true")
    _, tables = mapped("salesforce", raw({"report.csv": report, "OpportunityStage.csv": stages}))
    assert records(tables["opportunities"], "is_closed", "is_won", "closed_at") == [
        ("false", "false", None),
        ("true", "true", "2024-01-01"),
    ]


def test_a_report_that_does_not_say_what_is_closed_is_told_what_to_export(tmp_path: Path) -> None:
    text = table(REPORT, "006000000000001,001,Won,2024-01-01,2024-01-01")
    listing = exported(tmp_path, "salesforce", {"report.csv": text})
    assert records(rows_of(listing, "opportunities"), "is_closed", "closed_at") == [(None, None)]
    assert f"report.csv: {NOTHING_SAYS}export Closed and Won, or OpportunityStage" in said(listing)
    stages = table("ApiName,MasterLabel,IsClosed", "Won,Won!,true")
    listing = exported(tmp_path, "salesforce", {"report.csv": text, "OpportunityStage.csv": stages})
    assert records(rows_of(listing, "opportunities"), "is_closed", "closed_at") == [("true", "2024-01-01")]
    assert not [note for note in said(listing) if "nothing says" in note]


@pytest.mark.parametrize("box", ["Is Deal Closed?,Is Closed Won", "Is deal closed?,Is closed won"])
def test_stages_and_boxes_of_hubspots_own_exports_say_what_is_closed(tmp_path: Path, box: str) -> None:
    header = "Record ID,Deal Name,Deal Stage,Pipeline,Create Date,Close Date,Associated Company IDs"
    rows = [
        "1,A,Closed won (Sales Pipeline),Sales Pipeline,2026-01-01,2026-02-01,77",
        "2,B,Closed lost (Renewals (EU)),Renewals (EU),2026-01-01,2026-02-02,77",
        "3,C,Contract sent (Sales Pipeline),Sales Pipeline,2026-01-01,2026-12-01,77",
        "4,D,Signed (Partners),Partners,2026-01-01,2026-02-03,77",
    ]
    columns = ("stage", "is_closed", "is_won", "closed_at")
    deals = rows_of(exported(tmp_path, "hubspot", {"deals.csv": table(header, *rows)}), "opportunities")
    assert records(deals, *columns) == [
        ("Closed won", "true", "true", "2026-02-01"),
        ("Closed lost", "true", "false", "2026-02-02"),
        ("Contract sent", None, None, None),
        ("Signed", None, None, None),
    ]
    boxes = ["true,true", "true,false", "false,false", "true,true"]
    text = table(f"{header},{box}", *(f"{row},{ticks}" for row, ticks in zip(rows, boxes, strict=True)))
    deals = rows_of(exported(tmp_path, "hubspot", {"deals.csv": text}), "opportunities")
    assert records(deals, *columns)[2:] == [
        ("Contract sent", "false", "false", None),
        ("Signed", "true", "true", "2026-02-03"),
    ]


def test_deals_of_hubspot_that_do_not_say_what_is_closed_are_told_what_to_export(tmp_path: Path) -> None:
    text = table(
        "Record ID,Deal Name,Deal Stage,Create Date,Close Date,Associated Company IDs",
        "4,D,Signed (Partners),2026-01-01,2026-02-03,77",
    )
    listing = exported(tmp_path, "hubspot", {"deals.csv": text})
    assert records(rows_of(listing, "opportunities"), "is_closed", "closed_at") == [(None, None)]
    assert f'deals.csv: {NOTHING_SAYS}export "Is Deal Closed?" and "Is Closed Won", or deal_pipeline_stage' in said(
        listing
    )


def test_field_history_gives_the_stages_where_nothing_better_is_there() -> None:
    text = table(
        "OpportunityId,Field,OldValue,NewValue,CreatedDate",
        "006000000000001,StageName,Proposal,Closed Won,2024-03-01T00:00:00Z",
        "006000000000001,Amount,1,2,2024-03-02T00:00:00Z",
    )
    _, tables = mapped("salesforce", raw({"OpportunityFieldHistory.csv": text}))
    assert records(tables["opportunity_stages"], "stage", "entered_at") == [("Closed Won", "2024-03-01T00:00:00Z")]


# histories


def test_field_history_speaks_of_our_columns_and_of_ids() -> None:
    accounts = table("Id,Industry,OwnerId,Website,Tier__c", "001000000000001,IT,005000000000001,,A")
    history = table(
        "AccountId,Field,OldValue,NewValue,CreatedDate",
        "001000000000001,Industry,Retail,IT,2024-01-01T00:00:00Z",
        "001000000000001,Tier__c,B,A,2024-01-02T00:00:00Z",
        "001000000000001,Owner,Jo Quibble,Mo Quibble,2024-01-03T00:00:00Z",
        "001000000000001,Owner,005000000000002,005000000000001,2024-01-03T00:00:00Z",
        "001000000000001,Website,http://www.a.com,https://b.com/,2024-01-04T00:00:00Z",
        "001000000000001,created,,,2024-01-01T00:00:00Z",
        "001000000000001,Phone,1,2,2024-01-01T00:00:00Z",
    )
    listing, tables = mapped("salesforce", raw({"Account.csv": accounts, "AccountHistory.csv": history}))
    assert records(tables["account_history"], "field", "old_value", "new_value", "__line") == [
        ("industry", "Retail", "IT", 2),
        ("tier", "B", "A", 3),
        ("owner_id", "005000000000002AAA", "005000000000001AAA", 5),
        ("domain", "a.com", "b.com", 6),
    ]
    assert set(tables["account_history"]["account_id"]) == {"001000000000001AAA"}
    assert "AccountHistory.csv: account_history: 3 rows left out: changes of what accounts does not hold" in said(
        listing
    )


def test_contact_history_holds_no_person_and_says_when_a_contact_came() -> None:
    contacts = table(
        "Id,AccountId,Email,Title,CreatedDate", "003000000000001,001000000000002,q@acme.com,CFO,2023-01-01T00:00:00Z"
    )
    history = table(
        "ContactId,Field,OldValue,NewValue,CreatedDate",
        "003000000000001,Email,zarquon@quibble.com,q@acme.com,2024-01-01T00:00:00Z",
        "003000000000001,LastName,Zarquon,Quibble,2024-01-01T00:00:00Z",
        "003000000000001,Account,Old Inc,New Inc,2024-01-05T00:00:00Z",
        "003000000000001,Account,001000000000001,001000000000002,2024-01-05T00:00:00Z",
    )
    _, tables = mapped("salesforce", raw({"Contact.csv": contacts, "ContactHistory.csv": history}))
    assert records(tables["contact_history"], "field", "old_value", "new_value") == [
        ("email_domain", "quibble.com", "acme.com"),
        ("account_id", "001000000000001AAA", "001000000000002AAA"),
    ]
    assert tables["contacts"]["linked_at"].tolist() == ["2024-01-05T00:00:00Z"]


def test_a_contact_came_with_its_last_change_of_account_even_if_that_account_was_merged() -> None:
    contacts = table("Id,AccountId,CreatedDate", "0031,0018,2020-01-01T00:00:00Z", "0032,0018,2020-01-01T00:00:00Z")
    history = table(
        "ContactId,Field,OldValue,NewValue,CreatedDate",
        "0031,Account,001000000000003,001000000000004,2023-05-01T00:00:00Z",
        "0031,Account,001000000000008,001000000000003,2021-05-01T00:00:00Z",
        "0031,Title,A,B,2024-05-01T00:00:00Z",
    )
    _, tables = mapped("salesforce", raw({"Contact.csv": contacts, "ContactHistory.csv": history}))
    assert tables["contacts"]["linked_at"].tolist() == ["2023-05-01T00:00:00Z", None]
    contacts = table("id,property_associatedcompanyid,property_createdate", "1,8,2020-01-01T00:00:00Z")
    history = table("contact_id,name,value,timestamp", "1,associatedcompanyid,4,2023-05-01T00:00:00Z")
    _, tables = mapped("hubspot", raw({"contact.csv": contacts, "contact_property_history.csv": history}))
    assert tables["contacts"]["linked_at"].tolist() == ["2023-05-01T00:00:00Z"]


def test_a_role_is_known_from_the_day_it_was_given() -> None:
    contacts = table("Id,AccountId,CreatedDate", "003000000000001,001000000000002,2023-01-01")
    roles = table(
        "ContactId,OpportunityId,Role,CreatedDate", "003000000000001,006,Decision Maker,2024-01-01", "0032,006,,2024"
    )
    _, tables = mapped("salesforce", raw({"Contact.csv": contacts, "OpportunityContactRole.csv": roles}))
    assert tables["contacts"]["role"].tolist() == ["decision_maker"]
    assert records(tables["contact_history"], "contact_id", "field", "new_value", "changed_at") == [
        ("003000000000001AAA", "role", "decision_maker", "2024-01-01")
    ]


def test_whole_states_become_changes_across_files() -> None:
    header = "id,industry,tier_c,is_deleted,_fivetran_start,_fivetran_end,_fivetran_active"
    late = table(header, "001000000000001,IT,A,false,2024-03-01 0:00:00,9999-12-31,true")
    early = table(
        header,
        "001000000000001,Retail,A,false,2024-01-01 00:00:00,2024-02-01,false",
        "001000000000001,Retail,B,false,2024-02-01 00:00:00,2024-03-01,false",
        "001000000000002,,,false,2024-02-01 00:00:00,9999-12-31,true",
    )
    listing, tables = mapped("salesforce", raw({"account_history_1.csv": late, "account_history_2.csv": early}))
    history = tables["account_history"].sort_values(["changed_at", "field"])
    assert records(history, "__file", "__line", "field", "old_value", "new_value", "changed_at") == [
        ("account_history_2.csv", 2, "industry", None, "Retail", "2024-01-01 00:00:00"),
        ("account_history_2.csv", 2, "tier", None, "A", "2024-01-01 00:00:00"),
        ("account_history_2.csv", 3, "tier", "A", "B", "2024-02-01 00:00:00"),
        ("account_history_1.csv", 2, "industry", "Retail", "IT", "2024-03-01 00:00:00"),
        ("account_history_1.csv", 2, "tier", "B", "A", "2024-03-01 00:00:00"),
    ]
    assert records(tables["accounts"], "account_id", "industry", "tier") == [
        ("001000000000001AAA", "IT", "A"),
        ("001000000000002AAA", None, ""),
    ]
    assert [part.table for part in listing.parts] == ["accounts"] * 2 + ["account_history"] * 2


def test_property_history_takes_the_old_value_from_the_row_before() -> None:
    companies = table("id,property_industry,property_lifecyclestage", "7,IT,lead")
    history = table(
        "company_id,name,timestamp,value,source",
        "7,industry,2024-02-01 00:00:00,IT,X",
        "7,industry,1704067200000,Retail,X",
        "7,lifecyclestage,2024-01-05 00:00:00,lead,X",
        "7,industry,2024-03-01 00:00:00,IT,X",
        "7,hs_object_id,2024-03-01 00:00:00,7,X",
    )
    _, tables = mapped("hubspot", raw({"company.csv": companies, "company_property_history.csv": history}))
    assert records(tables["account_history"], "field", "old_value", "new_value", "changed_at", "__line") == [
        ("industry", "Retail", "IT", "2024-02-01 00:00:00", 2),
        ("industry", None, "Retail", "2024-01-01T00:00:00.000Z", 3),
        ("lifecyclestage", None, "lead", "2024-01-05 00:00:00", 4),
    ]


def test_states_are_ordered_by_the_dates_that_are_declared() -> None:
    text = table(
        "OpportunityId,StageName,CreatedDate",
        "006,B,02/01/2024",
        "006,C,01/02/2024",
        "006,A,31/12/2023",
        "006,B,01/01/2024",
    )
    part = raw_csv("OpportunityHistory.csv", text, Formats(dates="day_first"))
    _, tables = mapped("salesforce", [part])
    assert records(tables["opportunity_stages"], "stage", "entered_at") == [
        ("C", "01/02/2024"),
        ("A", "31/12/2023"),
        ("B", "01/01/2024"),
    ]


# zones


ZONES = "read as UTC; if they are of another zone, or to say that they are UTC, declare formats: {time_zone: ...}"


def test_times_of_an_export_for_people_that_name_no_zone_are_counted(tmp_path: Path) -> None:
    text = table(
        "Record ID,Company name,Create Date,Last Modified Date",
        "1,A,2026-01-01 09:30,2026-01-02 9:30:01",
        "2,B,2026-01-01,2026-01-02T09:30:00Z",
        "3,C,2026-01-01 09:30 -05:00,2026-01-02 09:30+0000",
        "4,D,2026-01-01 09:30 UTC,",
    )
    assert said(exported(tmp_path, "hubspot", {"companies.csv": text})) == [
        f"companies.csv: accounts: 2 times without a zone {ZONES}"
    ]
    for zone in ("UTC", "America/New_York"):
        assert said(exported(tmp_path, "hubspot", {"companies.csv": text}, Formats(time_zone=zone))) == []


def test_times_of_a_salesforce_report_that_name_no_zone_are_counted(tmp_path: Path) -> None:
    text = table("Account ID,Account Name,Created Date", "001000000000001,A,1/15/2026 9:30 AM")
    assert said(exported(tmp_path, "salesforce", {"report.csv": text}, Formats(dates="month_first"))) == [
        f"report.csv: accounts: 1 time without a zone {ZONES}"
    ]


def test_times_that_a_loader_or_an_api_writes_are_of_utc_as_they_stand(tmp_path: Path) -> None:
    loaded = {"company.csv": table("id,property_name,property_createdate", "1,A,2026-01-01 09:30:00")}
    assert said(exported(tmp_path, "hubspot", loaded)) == []
    (tmp_path / "company.csv").unlink()
    queried = {"Account.csv": table("Id,Name,CreatedDate", "001000000000001,A,2026-01-01T09:30:00")}
    assert said(exported(tmp_path, "salesforce", queried)) == []


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1)])
def test_a_lookup_takes_the_newest_row_whatever_the_files_are_called(order: tuple[int, ...]) -> None:
    def deal(account: int, changed: str) -> str:
        return table(DEAL, f"006000000000001,00100000000000{account},A,0,0,2024-12-31,,2024-01-01,{changed}")

    exports = deal(1, "2024-05-01"), deal(2, "2024-10-01"), deal(3, "")
    deals = {f"Opportunity_{name}.csv": text for name, text in zip(order, exports, strict=True)}
    task = table(TASK, "00T000000000001,,006000000000001,,Completed,1,2024-02-01,,2024-02-01,Call,,")
    _, tables = mapped("salesforce", raw({**deals, "Task.csv": task}))
    assert tables["activities"]["account_id"].tolist() == ["001000000000002AAA"]


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_rows_that_are_equally_new_are_taken_by_their_content(order: tuple[int, ...]) -> None:
    roles = {
        f"OpportunityContactRole_{name}.csv": table("ContactId,Role", f"003000000000001,{role}")
        for name, role in zip(order, ("Decision Maker", "Evaluator"), strict=True)
    }
    contact = table("Id,AccountId,CreatedDate", "003000000000001,001000000000001,2024-01-01")
    _, tables = mapped("salesforce", raw({**roles, "Contact.csv": contact}))
    assert tables["contacts"]["role"].tolist() == ["evaluator"]


def test_instants_are_looked_up_in_the_order_that_is_declared() -> None:
    relations = table(
        "ContactId,AccountId,StartDate",
        "003000000000001,001000000000001,01/12/2023",
        "003000000000001,001000000000001,02/01/2023",
        "003000000000001,001000000000001,someday",
    )
    contact = table("Id,AccountId,CreatedDate", "003000000000001,001000000000001,01/01/2023")
    files = {"AccountContactRelation.csv": relations, "Contact.csv": contact}
    _, tables = mapped("salesforce", [raw_csv(name, text, Formats(dates="day_first")) for name, text in files.items()])
    assert tables["contacts"]["linked_at"].tolist() == ["02/01/2023"]


# HubSpot


def test_hubspot_labels_and_lists_of_associations() -> None:
    contacts = table(
        "Record ID,First Name,Email,Job Title,Create Date,Associated Company IDs",
        '1,Zarquon,z@acme.com,CFO,2026-01-01 09:30,"77;88"',
        "2,Zarquon,z@other.com,,2026-01-01 09:30,",
    )
    deals = table(
        "Record ID,Deal Name,Deal Stage,Pipeline,Amount,Create Date,Close Date,Associated Company IDs",
        "5,Big,Closed Won,Sales Pipeline,1000,2026-01-01 09:30,2026-02-01 00:00,77;88",
        "6,Small,Contract Sent,Sales Pipeline,10,2026-01-01 09:30,2026-12-01 00:00,77",
    )
    files = {
        "hubspot-crm-exports-all-contacts-2026-01-01.csv": contacts,
        "hubspot-crm-exports-all-deals-2026-01-01.csv": deals,
    }
    _, tables = mapped("hubspot", raw(files))
    assert records(tables["contacts"], "contact_id", "account_id", "email_domain", "title") == [
        ("1", "77", "acme.com", "CFO"),
        ("2", None, "other.com", None),
    ]
    columns = ("opportunity_id", "account_id", "stage", "is_closed", "is_won", "closed_at")
    assert records(tables["opportunities"], *columns) == [
        ("5", "77", "Closed Won", "true", "true", "2026-02-01 00:00"),
        ("6", "77", "Contract Sent", None, None, None),
    ]


def test_hubspot_stages_have_labels_and_say_when_a_deal_closed() -> None:
    files = {
        "deal.csv": table(
            "deal_id,deal_pipeline_id,deal_pipeline_stage_id,property_createdate,property_closedate,is_deleted",
            "5,p,s2,2024-01-01 1:00:00,2024-12-31 00:00:00,false",
        ),
        "deal_company.csv": table("deal_id,company_id", "5,77"),
        "deal_pipeline.csv": table("pipeline_id,label", "p,Sales"),
        "deal_pipeline_stage.csv": table(
            "stage_id,label,is_closed,closed_won", "s1,Offer,false,false", "s2,Won,true,true"
        ),
        "deal_stage.csv": table("deal_id,value,date_entered", "5,s1,2024-01-01 01:00:00", "5,s2,2024-02-01 01:00:00"),
    }
    _, tables = mapped("hubspot", raw(files))
    columns = ("account_id", "stage", "pipeline", "is_closed", "is_won", "created_at", "closed_at")
    assert records(tables["opportunities"], *columns) == [
        ("77", "Won", "Sales", "true", "true", "2024-01-01 01:00:00", "2024-02-01 01:00:00")
    ]
    assert records(tables["opportunity_stages"], "stage", "entered_at") == [
        ("Offer", "2024-01-01 01:00:00"),
        ("Won", "2024-02-01 01:00:00"),
    ]


def test_hubspot_engagements_email_events_and_forms() -> None:
    files = {
        "engagement.csv": table("id,timestamp,created_at", "1,2024-01-02 00:00:00,2024-01-03 00:00:00"),
        "engagement_contact.csv": table("engagement_id,contact_id", "1,501", "2,501", "3,502"),
        "engagement_company.csv": table("engagement_id,company_id", "1,77"),
        "engagement_call.csv": table("engagement_id,type,property_hs_call_direction", "1,CALL,INBOUND"),
        "engagement_email.csv": table(
            "engagement_id,property_hs_timestamp,property_hs_email_direction",
            "2,2024-01-02 00:00:00,INCOMING_EMAIL",
            "3,2024-01-02 00:00:00,EMAIL",
            "9,2024-01-02 00:00:00,EMAIL",
        ),
        "engagement_meeting.csv": table(
            "engagement_id,start_time,meeting_outcome",
            "3,2024-01-05 00:00:00,CANCELED",
            "2,2024-01-05 00:00:00,COMPLETED",
        ),
        "contact.csv": table("id,property_email", "501,jo@acme.com"),
        "email_event.csv": table(
            "id,type,created,recipient,filtered_event",
            "e1,CLICK,2024-01-02 00:00:00,jo@acme.com,false",
            "e2,OPEN,2024-01-02 00:00:00,mo@beta.com,false",
            "e3,CLICK,2024-01-02 00:00:00,jo@acme.com,true",
            "e4,BOUNCE,2024-01-02 00:00:00,jo@acme.com,false",
            "e5,SENT,2024-01-02 00:00:00,jo@acme.com,false",
        ),
        "contact_form_submission.csv": table("contact_id,form_id,timestamp", "501,f,2024-01-02 00:00:00"),
    }
    _, tables = mapped("hubspot", raw(files))
    columns = ("activity_id", "account_id", "contact_id", "domain", "occurred_at", "recorded_at", "kind", "initiator")
    day, next_day = "2024-01-02 00:00:00", "2024-01-03 00:00:00"
    found = tables["activities"].reindex(columns=[*columns]).astype(object).where(lambda f: f.notna(), None)
    assert sorted(records(found, *columns), key=str) == sorted(
        [
            ("501-f-" + day, None, "501", None, day, day, "form_submission", "buyer"),
            ("e1", None, "501", "acme.com", day, day, "email_click", "buyer"),
            ("e2", None, None, "beta.com", day, day, "email_open", None),
            ("e5", None, "501", "acme.com", day, day, "email_sent", "seller"),
            ("1", "77", "501", None, day, next_day, "call", "buyer"),
            ("2", None, "501", None, day, None, "email_reply", "buyer"),
            ("3", None, "502", None, day, None, "email", "seller"),
            ("2", None, "501", None, "2024-01-05 00:00:00", None, "meeting", None),
        ],
        key=str,
    )


@pytest.mark.parametrize("order", [1, -1])
def test_of_an_engagement_with_several_contacts_one_is_kept_and_the_sender_before_others(order: int) -> None:
    emails = table(
        "engagement_id,property_hs_timestamp,property_hs_email_direction,property_hs_email_from_email",
        "1,2024-01-02,INCOMING_EMAIL,jo@acme.com",
        "2,2024-01-02,INCOMING_EMAIL,",
        "3,2024-01-02,EMAIL,jo@acme.com",
        "4,2024-01-02,EMAIL,",
    )
    related = ["1,501", "1,502", "2,501", "2,502", "3,503", "3,502", "4,503"]
    files = {
        "engagement_email.csv": emails,
        "engagement_contact.csv": table("engagement_id,contact_id", *related[::order]),
        "contact.csv": table("id,property_email", "502,jo@acme.com"),
        "calls.csv": table("Record ID,Activity date,Call direction,Associated Contact IDs", "9,2024-01-02,INBOUND,8;7"),
    }
    listing, tables = mapped("hubspot", raw(files))
    assert sorted(records(tables["activities"], "activity_id", "contact_id")) == [
        ("1", "502"),
        ("2", "501"),
        ("3", "502"),
        ("4", "503"),
        ("9", "8"),
    ]
    says = "activities: contact_id: {} of several contacts; the {} is kept"
    notes = said(listing)
    assert f"engagement_email.csv: {says.format('2 rows:', 'one with the smallest id')}" in notes
    assert f"calls.csv: {says.format('1 row:', 'first of them')}" in notes


def test_hubspot_companies_know_their_salesforce_account() -> None:
    text = table(
        "id,property_domain,property_salesforceaccountid,property_hubspot_owner_id", "7,acme.com,001Ec00000FzlUd,9"
    )
    _, tables = mapped("hubspot", raw({"company.csv": text}))
    assert records(tables["accounts"], "account_id", "sync_id", "owner_id") == [("7", "001Ec00000FzlUdIAJ", "9")]


@pytest.mark.parametrize("stamps", [("2024-06-01", "2024-06-03"), ("2024-06-03", "2024-06-01")])
def test_a_later_sync_of_an_association_moves_no_activity_to_another_contact(stamps: tuple[str, str]) -> None:
    files = {
        "engagement_call.csv": table("engagement_id,property_hs_timestamp", "1,2024-02-01"),
        "engagement_contact.csv": table(
            "engagement_id,contact_id,_fivetran_synced", f"1,11,{stamps[0]}", f"1,12,{stamps[1]}"
        ),
    }
    _, tables = mapped("hubspot", raw(files))
    assert tables["activities"]["contact_id"].tolist() == ["11"]
