"""The queries with which a source is exported: packaged text, every column of which is read here."""

from __future__ import annotations

import difflib
from importlib.resources import files

from tierwise.errors import UsageError

RECIPES = {"salesforce": "salesforce.soql", "hubspot": "hubspot.sql", "snowplow": "snowplow.sql"}
"""By kind of source, its file."""


def recipe(kind: str) -> str:
    """The queries that export a kind of source, history and deletions included.

    Raises
    ------
    UsageError : there is none for it.
    """
    if kind not in RECIPES:
        near = difflib.get_close_matches(kind, RECIPES, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise UsageError(
            f"a recipe for '{kind}' was asked for", found=f"there are: {', '.join(RECIPES)}{hint}", do="Name one"
        )
    return (files("tierwise.data.recipes") / RECIPES[kind]).read_text(encoding="utf-8")
