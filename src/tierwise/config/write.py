"""Plays as the YAML text of plays.yaml."""

from __future__ import annotations

from io import StringIO

from tierwise.config.plays import Plays

HEAD = """\
# The operating matrix: what entering or leaving a tier, or a surge, calls for; each action is owed once.
# sla_days: business days, Monday to Friday, from as_of. On an account's first scoring (it has no tier yet) only
#   actions in tier_1 and suppress have a due date; what the other tiers owe then is a starting list, without one.
# message: may say {account_id}, {name} (the account's own), {tier}, {tier_words} ("Tier 2 · Growth") and {why}.
# suppress: owed whenever an account was not suppressed before, its first scoring included.
"""


def plays_text(plays: Plays) -> str:
    """plays.yaml with these plays; what a play leaves at its default is left out."""
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.width = 110
    out = StringIO()
    yaml.dump(plays.model_dump(mode="json", exclude_defaults=True, by_alias=True), out)
    return HEAD + out.getvalue()
