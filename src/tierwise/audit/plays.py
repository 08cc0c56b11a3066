"""What plays leave open, wait for in vain, or cannot say."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import pandas as pd

from tierwise.audit.finding import Finding
from tierwise.config.messages import fields_of
from tierwise.config.plays_check import dead, gaps, idle
from tierwise.config.zones import is_zone

if TYPE_CHECKING:
    from tierwise.config import PlanFiles
    from tierwise.config.icp import Icp
    from tierwise.config.plays import Plays

LISTED = 4
OWNER_RULES = ("account_owner", "territory", "capacity")
"""The owner rules of plays that name an owner."""


def of_plays(files: PlanFiles, owners: pd.DataFrame, stages: Collection[str]) -> list[Finding]:
    """What is to be known of plays.yaml beside the other files and the tables.

    Movements that name no play; plays that are never owed, by the policy, the cohort or a stage that no opportunity
    had; pains and jobs that icp.yaml does not say; and owners' time zones that are none.

    Parameters
    ----------
    owners : owner_id and time_zone, where known.
    stages : every stage of opportunity_stages.
    """
    plays = files.plays
    found = [*_open(files), *_never_owed(files), *_unsaid(plays, files.icp)]
    named = dict.fromkeys(stage for play in plays.plays for stage in play.stages if stage not in stages)
    if named:
        asked, do = "stages that plays name", "Write them as opportunity_stages does, capitals and all"
        there = ", ".join(sorted(stages)) or "none"
        says = f"no opportunity ever had {', '.join(named)}; the tables have: {there}"
        found.append(Finding("unknown_stage", "warns", "plays", asked, says, do, {"stages": list(named)}))
    if by_the_owners_clock(plays) and (zones := unknown_zones(owners)):
        found.append(_zones(zones))
    return found


def by_the_owners_clock(plays: Plays) -> bool:
    """Whether some play is due, or overdue for so long, in business hours of an owner."""
    watched = {name for play in plays.plays if play.after_hours for name in play.of}
    mine = [play for play in plays.plays if play.owner in OWNER_RULES]
    return any(play.sla_hours is not None or play.play in watched for play in mine)


def unknown_zones(owners: pd.DataFrame) -> dict[str, int]:
    """The time zones of owners that are none of IANA's, each with how many owners have it; in name order.

    >>> unknown_zones(pd.DataFrame({"owner_id": ["o1", "o2"], "time_zone": ["Europe/Berlin", "CET/Berlin"]}))
    {'CET/Berlin': 1}
    """
    if "time_zone" not in owners.columns:
        return {}
    counts = owners["time_zone"].dropna().astype(str).value_counts()
    return {zone: int(n) for zone, n in sorted(counts.items()) if zone and not is_zone(zone)}


def zones_in_words(zones: dict[str, int]) -> str:
    """As `3 owners have a time zone that is none of IANA's (CET/Berlin)`."""
    n = sum(zones.values())
    owners = "1 owner has" if n == 1 else f"{n:,} owners have"
    more = f" and {len(zones) - LISTED} more" if len(zones) > LISTED else ""
    return f"{owners} a time zone that is none of IANA's ({', '.join([*zones][:LISTED])}{more})"


def _zones(zones: dict[str, int]) -> Finding:
    says = f"{zones_in_words(zones)}: their business hours go by the zone of plays.yaml"
    do = "Write time_zone in the table owners as Europe/Berlin"
    return Finding("unknown_zone", "warns", "owners", "owners by whose clock plays are due", says, do, {"zones": zones})


def _open(files: PlanFiles) -> list[Finding]:
    left = [] if files.plays.complete else gaps(files.plays, files.policy, files.plan)
    if not left:
        return []
    more = f"; and {len(left) - LISTED} more" if len(left) > LISTED else ""
    says = "; ".join(words for words, _ in left[:LISTED]) + more
    do = "Write plays for them, or name them under none; with complete: true in plays.yaml a gap is refused"
    return [Finding("no_play", "notes", "plays", "movements that can happen", says, do, {"movements": len(left)})]


def _never_owed(files: PlanFiles) -> list[Finding]:
    found = [(files.plays.plays[int(path[1])].play, says) for path, says in dead(files.plays, files.policy)]
    waiting = [(play, f"play {play} is never owed: {why}") for play, why in idle(files.plays, files.policy, files.plan)]
    do = "Change it, or take it out"
    return [Finding("idle_play", "warns", play, f"play {play}", says, do) for play, says in (*found, *waiting)]


def _unsaid(plays: Plays, icp: Icp) -> list[Finding]:
    """The pains and jobs that messages would say, and icp.yaml does not."""
    lacks = {
        f"{field} of {role}": None
        for play in plays.plays
        for role, text in play.personas.items()
        for field in ("pain", "job")
        if field in fields_of(text) and not _has(icp, role, field)
    }
    if not lacks:
        return []
    says = f"icp.yaml says no {', '.join(lacks)}: those sentences are left out"
    do = "Add them to icp.yaml, as personas: {champion: {pain: reports that disagree, job: trust one number}}"
    return [Finding("unsaid_persona", "notes", "plays", "what messages say to personas", says, do)]


def _has(icp: Icp, role: str, field: str) -> bool:
    said = icp.personas.get(role)
    own = said is not None and bool(getattr(said, field))
    return own or (field == "job" and bool(icp.job_to_be_done))
