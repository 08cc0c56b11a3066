"""What is wrong with sinks beyond each one's own settings: where they stand, and who shares what."""

from __future__ import annotations

from collections.abc import Sequence

from tierwise.config.sinks import KINDS, LOCAL
from tierwise.config.sinks_crm import CrmSettings
from tierwise.config.workspace import Settings
from tierwise.config.yaml_lines import Document, Fault


def network_faults(document: Document) -> list[Fault]:
    """Sinks outside the environments that need a network."""
    sinks = document.value.get("sinks") if isinstance(document.value, dict) else None
    listed = sinks if isinstance(sinks, list) else []
    kinds = [sink.get("kind") if isinstance(sink, dict) else None for sink in listed]
    says = (
        "a sink of kind {} needs a network: it stands under an environment, as environments: {{live: {{sinks: ...}}}}"
    )
    return [
        Fault(document.line(("sinks", place)), ("sinks", place), says.format(kind))
        for place, kind in enumerate(kinds)
        if kind in KINDS and kind not in LOCAL
    ]


def shared_faults(document: Document, settings: Settings, plans: Sequence[str]) -> list[Fault]:
    """CRM sinks that would tell one field of an account what several plans say."""
    says = (
        f"a CRM's fields hold one plan's values, and there are {len(plans)}: say plans: [{plans[0]}], say"
        if plans
        else ""
    )
    return [
        Fault(document.line(("sinks", place)), ("sinks", place), says)
        for place, sink in enumerate(settings.sinks)
        if isinstance(sink, CrmSettings) and len(sink.plans or plans) > 1
    ]
