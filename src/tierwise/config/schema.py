"""JSON Schemas of the six kinds of YAML file, for editors."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from tierwise.config.icp import Icp
from tierwise.config.mapping import SourceMapping
from tierwise.config.plan import Plan
from tierwise.config.plays import Plays
from tierwise.config.policy import Policy
from tierwise.config.workspace import Settings
from tierwise.errors import UsageError

KINDS: dict[str, tuple[type[BaseModel], str, str]] = {
    "tierwise": (Settings, "tierwise.yaml", "The settings of a workspace"),
    "model": (Plan, "models/<plan>/model.yaml", "One question asked of the data: outcome, cohort, features, model"),
    "policy": (Policy, "models/<plan>/policy.yaml", "Bands, tier rows, guardrails, surge and time-in-tier"),
    "plays": (Plays, "models/<plan>/plays.yaml", "What a tier, stage and movement call for"),
    "icp": (Icp, "models/<plan>/icp.yaml", "The ideal customer profile: workbook, roles by title, and the rubric"),
    "mapping": (SourceMapping, "mappings/<kind>.yaml", "How the objects of a kind of source become tables"),
}
"""By kind (the file's stem): the model, the file, and what it holds."""


def json_schema(kind: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of one kind of file: tierwise, model, policy, plays, icp or mapping.

    Raises
    ------
    UsageError : there is no such kind.

    >>> json_schema("icp")["title"]
    'models/<plan>/icp.yaml'
    """
    if kind not in KINDS:
        raise UsageError(f"a schema of '{kind}' was asked for", found=f"there are: {', '.join(KINDS)}", do="Name one")
    model, file, holds = KINDS[kind]
    schema = model.model_json_schema()
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": file, "description": holds}
    return {**head, **{key: value for key, value in schema.items() if key not in head}}
