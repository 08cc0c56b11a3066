"""tierwise.yaml, `sinks:` of kinds salesforce, salesforce_csv and hubspot: which fields of a CRM are ours to write.

sinks:
- kind: salesforce
  name: crm
  login_url: https://acme.my.salesforce.com
  client_id: ${SALESFORCE_CLIENT_ID}
  client_secret: ${SALESFORCE_CLIENT_SECRET}
  fields: {tier: Tierwise_Tier__c, tier_since: Tierwise_Since__c, why: Tierwise_Why__c, reason_1: Tierwise_Reason__c}
  history:
    object: Tierwise_Change__c
    account_field: Account__c
    key_field: Letter__c
    fields: {tier: Tier__c, previous_tier: Was__c, why: Why__c, as_of: As_Of__c}
- kind: salesforce_csv
  name: for_the_loader
  folder: out/salesforce
  fields: {tier: Tierwise_Tier__c}
- kind: hubspot
  name: portal
  token: ${HUBSPOT_TOKEN}
  fields: {tier: tierwise_tier, why: tierwise_why}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from math import isfinite
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from tierwise.config.plan import Frozen, Name
from tierwise.config.yaml_lines import Faults
from tierwise.config.yaml_lines import Path as At

CrmName = Literal[
    "tier",
    "previous_tier",
    "tier_since",
    "account_score",
    "fit_score",
    "signal_score",
    "propensity",
    "why",
    "reason_1",
    "reason_2",
    "reason_3",
    "reason_4",
    "reason_5",
    "as_of",
    "model_version",
    "run_id",
]
CRM_NAMES: tuple[str, ...] = get_args(CrmName)
"""What a CRM can be told of an account, as tierwise calls it."""
STAMPS = ("as_of", "model_version", "run_id")
"""Of these, what every run changes: where nothing else did, an account has nothing new to tell."""
DECIMALS: Mapping[str, int] = {"account_score": 1, "fit_score": 1, "signal_score": 1, "propensity": 4}
"""How many decimals of its numbers a CRM is told; a change below them is nothing new."""
SALESFORCE_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_]*__c\Z")
HUBSPOT_PROPERTY = re.compile(r"[a-z][a-z0-9_]*\Z")
HUBSPOT_OTHERS = re.compile(
    r"(?:id|name|domain|website|createdate|lifecyclestage|hs_object_id|hs_parent_company_id|hs_lastmodifieddate"
    r"|hs_merged_object_ids|hs_createdate|hs_pipeline|hs_pipeline_stage|.*owner.*|.*_team_ids?)\Z"
)
"""Properties of a company that say who it is, whose it is, or that HubSpot keeps itself."""


def _guarded(url: str) -> str:
    """An https URL without a path, or http to this machine; nothing that would send a secret in the clear.

    What is said of another one never repeats it: it may hold a password.
    """
    try:
        parts = urlsplit(url)
        whole = parts.scheme in ("https", "http") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        whole = False
    if not whole or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError("is no URL of a server alone, as https://acme.my.salesforce.com")
    if parts.username is not None or parts.password is not None:
        raise ValueError(
            "a URL of a sink holds no user and no password; secrets are ${VARIABLE} references of their own"
        )
    if parts.scheme == "http" and not is_loopback(url):
        raise ValueError("this URL would send secrets in the clear; https is wanted")
    return url.rstrip("/")


def is_loopback(url: str) -> bool:
    """Whether a URL leads to this machine."""
    return urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")


def _given(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().strip():
        raise ValueError("is empty; write ${VARIABLE}, and set that variable")
    if any(ord(c) < 33 or ord(c) > 126 for c in value.get_secret_value()):
        raise ValueError("holds a space, a line break or another character that no key has")
    return value


ServerUrl = Annotated[str, AfterValidator(_guarded)]
Secret = Annotated[SecretStr, AfterValidator(_given)]
"""A secret, written as a ${VARIABLE} reference; it is never shown."""
Seconds = Annotated[float, Field(gt=0, le=600)]


def as_told(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values with their numbers rounded half up to as many decimals as a CRM is told.

    >>> as_told({"tier": "tier_1", "account_score": 91.25, "propensity": 0.234500001})
    {'tier': 'tier_1', 'account_score': 91.3, 'propensity': 0.2345}
    """
    return {name: _rounded(value, DECIMALS.get(name)) for name, value in values.items()}


def _rounded(value: Any, decimals: int | None) -> Any:
    if decimals is None or isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value):
        return value
    return float(Decimal(str(value)).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)) + 0.0


class Told(Frozen):
    """What of an account is told, and where it is written."""

    fields: dict[CrmName, str]
    """Fields of the CRM by tierwise's names."""

    @property
    def wanted(self) -> dict[str, str]:
        """The fields by name, in their order."""
        return {str(name): field for name, field in self.fields.items()}


class SalesforceHistory(Told):
    """The custom object that gets one row for each change of an account, known by its letter's id."""

    object: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*__c$")]
    account_field: str
    """Its lookup to the account;"""
    key_field: str
    """and its text field, unique and an external id, for the letter's id: a second delivery makes no second row."""

    @model_validator(mode="after")
    def _custom_only(self) -> SalesforceHistory:
        found = _strange(self.fields, SALESFORCE_FIELD, _SALESFORCE_SAYS)
        for key in ("account_field", "key_field"):
            if not SALESFORCE_FIELD.match(getattr(self, key)):
                found.append(((key,), f"'{getattr(self, key)}': {_SALESFORCE_SAYS}"))
        named = [self.account_field, self.key_field, *self.fields.values()]
        if found or (found := _twice(named)):
            raise Faults(found)
        return self


class SalesforceFields(Told):
    """What a Salesforce sink writes, however it is carried there: custom fields (`..__c`) and nothing else, ever."""

    name: Name
    plans: tuple[Name, ...] = ()
    """Whose accounts it is told of; empty: every plan's."""
    object: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")] = "Account"
    history: SalesforceHistory | None = None

    @model_validator(mode="after")
    def _custom_fields_only(self) -> SalesforceFields:
        found = _strange(self.fields, SALESFORCE_FIELD, _SALESFORCE_SAYS)
        if found or (found := _twice(list(self.fields.values()))):
            raise Faults(found)
        return self


class SalesforceSink(SalesforceFields):
    """Salesforce by Bulk API 2.0, signed in by the OAuth client-credentials flow."""

    kind: Literal["salesforce"] = "salesforce"
    login_url: ServerUrl
    """The org's My Domain, as https://acme.my.salesforce.com; login.salesforce.com does not take this flow."""
    client_id: Secret
    client_secret: Secret
    api_version: Annotated[str, Field(pattern=r"^[1-9]\d\.0$")] = "67.0"
    most: Annotated[int, Field(ge=1, le=2000)] = 2000
    """So many accounts in one job; a batch read takes no more."""
    timeout_seconds: Seconds = 30
    job_minutes: Annotated[float, Field(gt=0, le=120)] = 10
    """How long a job may take before it is aborted and asked for again later."""
    overwrite_first: bool = False
    """Whether the first delivery replaces what a field already holds; later ones never replace what a person wrote."""


class SalesforceCsvSink(SalesforceFields):
    """The same rows as CSV files in a folder, for a loader of the user's own; what the CRM holds is not read."""

    kind: Literal["salesforce_csv"] = "salesforce_csv"
    folder: Annotated[str, Field(min_length=1)]
    """Relative to the workspace."""


class HubspotHistory(Told):
    """The custom object that gets one record for each change of a company, known by its letter's id."""

    object: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
    """Its object type id (2-123456) or its full name (p123_tier_change)."""
    account_field: str
    """Its property for the company's id;"""
    key_field: str
    """and its text property for the letter's id, made with unique values."""
    associate: bool = True
    """Whether each record is also associated with its company."""

    @model_validator(mode="after")
    def _safe(self) -> HubspotHistory:
        found = _strange(self.fields, HUBSPOT_PROPERTY, _HUBSPOT_SAYS, HUBSPOT_OTHERS)
        for key in ("account_field", "key_field"):
            if not HUBSPOT_PROPERTY.match(getattr(self, key)) or HUBSPOT_OTHERS.match(getattr(self, key)):
                found.append(((key,), f"'{getattr(self, key)}': {_HUBSPOT_SAYS}"))
        if found or (found := _twice([self.account_field, self.key_field, *self.fields.values()])):
            raise Faults(found)
        return self


class HubspotSink(Told):
    """HubSpot companies by batches of 100, with the token of a private app; never who a company is, nor whose."""

    kind: Literal["hubspot"] = "hubspot"
    name: Name
    plans: tuple[Name, ...] = ()
    """Whose accounts it is told of; empty: every plan's."""
    token: Secret
    base_url: ServerUrl = "https://api.hubapi.com"
    api_version: Annotated[str, Field(pattern=r"^(v3|20\d\d-(03|09))$")] = "2026-09"
    """`YYYY-MM`, or `v3` until HubSpot ends it in September 2027."""
    object: Literal["companies"] = "companies"
    history: HubspotHistory | None = None
    timeout_seconds: Seconds = 30
    overwrite_first: bool = False
    """Whether the first delivery replaces what a property already holds."""

    @model_validator(mode="after")
    def _safe(self) -> HubspotSink:
        found = _strange(self.fields, HUBSPOT_PROPERTY, _HUBSPOT_SAYS, HUBSPOT_OTHERS)
        if found or (found := _twice(list(self.fields.values()))):
            raise Faults(found)
        return self


CrmSettings = SalesforceSink | SalesforceCsvSink | HubspotSink
_SALESFORCE_SAYS = "only custom fields (..__c) are written, never an owner, an id or a field of Salesforce's own"
_HUBSPOT_SAYS = "only properties in small letters are written, never an owner, an id, or who a company is"


def _strange(
    fields: Mapping[CrmName, str], wanted: re.Pattern[str], says: str, never: re.Pattern[str] | None = None
) -> list[tuple[At, str]]:
    if not fields:
        return [(("fields",), f"names no field; known are {', '.join(CRM_NAMES)}")]
    wrong = {n: f for n, f in fields.items() if not wanted.match(f) or (never is not None and never.match(f))}
    return [(("fields", name), f"'{field}': {says}") for name, field in wrong.items()]


def _twice(named: list[str]) -> list[tuple[At, str]]:
    lowered = [field.lower() for field in named]
    several = sorted({field for field in named if lowered.count(field.lower()) > 1})
    return [(("fields",), f"two values go to one field: {', '.join(several)}")] if several else []
