"""The CRM sinks by their settings."""

from __future__ import annotations

from pathlib import Path

from tierwise.config.sinks_crm import CrmSettings, HubspotSink, SalesforceSink
from tierwise.routing.sinks.sink import Sink


def make(settings: CrmSettings, workspace: Path = Path()) -> Sink:
    """The sink that settings describe; a folder it names is relative to the workspace."""
    if isinstance(settings, SalesforceSink):
        from tierwise.routing.sinks.salesforce import Salesforce

        return Salesforce(settings)
    if isinstance(settings, HubspotSink):
        from tierwise.routing.sinks.hubspot import Hubspot

        return Hubspot(settings)
    from tierwise.routing.sinks.salesforce_csv import SalesforceCsv

    return SalesforceCsv(settings, workspace)
