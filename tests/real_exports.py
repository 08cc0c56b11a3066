"""Two of the real data sets, turned to the contract's tables as CSV."""

from __future__ import annotations

from pathlib import Path

import pandas as pd


def maven(source: Path, into: Path) -> Path:
    """maven_crm: accounts, and opportunities opened on their engage_date; those never engaged are left out."""
    accounts = pd.read_csv(source / "accounts.csv")
    pipeline = pd.read_csv(source / "sales_pipeline.csv").dropna(subset=["account", "engage_date"])
    into.mkdir(parents=True)
    pd.DataFrame(
        {
            "account_id": accounts["account"],
            "name": accounts["account"],
            "industry": accounts["sector"],
            "employee_count": accounts["employees"],
            "annual_revenue": accounts["revenue"] * 1e6,
            "country": accounts["office_location"],
            "year_established": accounts["year_established"],
        }
    ).to_csv(into / "accounts.csv", index=False)
    closed = pipeline["deal_stage"].isin(["Won", "Lost"])
    pd.DataFrame(
        {
            "opportunity_id": pipeline["opportunity_id"],
            "account_id": pipeline["account"],
            "created_at": pipeline["engage_date"],
            "closed_at": pipeline["close_date"],
            "stage": pipeline["deal_stage"],
            "is_closed": closed,
            "is_won": pipeline["deal_stage"] == "Won",
            "product": pipeline["product"],
        }
    ).to_csv(into / "opportunities.csv", index=False)
    return into


def salesforce(source: Path, into: Path) -> Path:
    """salesforce_sample: accounts, contacts, opportunities and tasks as the org says them, initiators unknown."""

    def read(name: str, *columns: str) -> pd.DataFrame:
        return pd.read_csv(source / f"{name}.csv", encoding="utf-8-sig", dtype=str)[list(columns)]

    into.mkdir(parents=True)
    names = {"Id": "account_id", "Name": "name", "Website": "domain", "Industry": "industry"}
    names |= {"NumberOfEmployees": "employee_count", "AnnualRevenue": "annual_revenue", "BillingCountry": "country"}
    names |= {"CreatedDate": "created_at", "Classification__c": "classification", "PhotoUrl": "photo_url"}
    accounts = read("Account", *names).rename(columns=names)
    accounts.to_csv(into / "accounts.csv", index=False)
    known = set(accounts["account_id"])
    names = {"Id": "contact_id", "AccountId": "account_id", "Designation__c": "title", "CreatedDate": "created_at"}
    contacts = read("Contact", *names).rename(columns=names)
    contacts = contacts[contacts["account_id"].isin(known)]
    contacts.to_csv(into / "contacts.csv", index=False)
    names = {"Id": "opportunity_id", "AccountId": "account_id", "CreatedDate": "created_at", "CloseDate": "closed_at"}
    names |= {"StageName": "stage", "IsClosed": "is_closed", "IsWon": "is_won", "Amount": "amount"}
    deals = read("Opportunity", *names).rename(columns=names)
    deals = deals[deals["account_id"].isin(known)]
    for flag in ("is_closed", "is_won"):
        deals[flag] = deals[flag].fillna("0").eq("1")
    deals.to_csv(into / "opportunities.csv", index=False)
    names = {"Id": "activity_id", "WhoId": "contact_id", "ActivityDate": "occurred_at", "Type__c": "kind"}
    tasks = read("Task", *names).rename(columns=names).dropna(subset=["occurred_at", "kind"])
    tasks = tasks[tasks["contact_id"].isin(set(contacts["contact_id"]))]
    tasks.assign(channel="task").to_csv(into / "activities.csv", index=False)
    return into
