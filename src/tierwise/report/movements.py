"""What moved between two runs, as pages: one for each owner's Monday, and an index with the totals and the policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

import tierwise.report.words as words
from tierwise.report.accounts import named
from tierwise.report.page import render
from tierwise.report.reading import real
from tierwise.report.replay import guardrail_rows, policy_part, worth_part
from tierwise.report.values import MovementsPage
from tierwise.report.words import MOTIONS, STATUSES, TIERS, Words, absent, clean, plural

INDEX = "index.html"
SHOWN = 15
"""So many accounts of a kind are shown on an owner's page, which is read in a minute."""
ORDER = (*TIERS, *STATUSES, "")
WORKED = TIERS[:3]
OUT = "Out of the cohort"
IN_CSV = "all of them are in movements.csv"
IN_RUN = "all of them are in accounts.csv of the run, by their guardrails"


def movements_pages(values: MovementsPage) -> dict[str, str]:
    """The index and a page for each group, by file name; the same values give the same bytes."""
    groups = dict(iter(values.moves.groupby("group", sort=False)))
    pages = {INDEX: render("movements.html.j2", index_dict(values), values.labels)}
    for line in values.values["groups"]:
        shown = owner_dict(values, line, groups[line["name"]])
        pages[line["file"]] = render("owner.html.j2", shown, values.labels)
    return pages


def index_dict(page: MovementsPage) -> dict[str, object]:
    """What the index shows: totals by group, by cause and by tier, the policy in words, and its replay."""
    w, v = Words(page.labels), page.values
    return _head(page, w) | {
        "page_title": f"{clean(v['plan'])}: what moved since {words.day(v['then']['as_of'])}",
        "total": v["total"],
        "groups": [{**line, "shown": group_name(v["by"], line["name"])} for line in v["groups"]],
        "causes": [{**line, "words": w.title(line["cause"])} for line in v["total"]["causes"]],
        "tiers": tier_lines(v["total"]["tiers"], page.motions, w),
        "policy": policy_part(v["policy"], w),
        "other_policy": v["policy_version"] != v["now"]["policy_version"],
        "replay": replay_part(v, w),
        "outcome": w.sentence(page.outcome),
    }


def owner_dict(page: MovementsPage, line: Mapping[str, Any], moves: pd.DataFrame) -> dict[str, object]:
    """What one group's page shows: every account of it that moved stands in one of the first four lists."""
    w, by = Words(page.labels), page.values["by"]
    shown, lists = group_name(by, line["name"]), _lists(moves, page, w)
    return _head(page, w) | {
        "page_title": f"{shown}: what moved since {words.day(page.values['then']['as_of'])}",
        "shown": shown,
        "line": line,
        "lead": lead({part["id"]: part["n"] for part in lists}, by, w),
        "lists": lists,
        "tiers": [t for t in tier_lines(line["tiers"], page.motions, w) if t["then"] or t["now"]],
    }


def _head(page: MovementsPage, w: Words) -> dict[str, object]:
    v = page.values
    return {
        "console": False,
        "v": v,
        "title": clean(str(v["plan"]).replace("_", " ").capitalize(), 100),
        "then": words.day(v["then"]["as_of"]),
        "now": words.day(v["now"]["as_of"]),
        "one": v["by"],
        "many": {"territory": "territories"}.get(v["by"], f"{v['by']}s"),
        "index": INDEX,
    }


def group_name(by: str, name: str) -> str:
    """Whose accounts these are: "Owner o-17", "No team".

    >>> group_name("owner", "o-17"), group_name("team", "")
    ('Owner o-17', 'No team')
    """
    return f"{by.capitalize()} {clean(name, 60)}" if name else f"No {by}"


def lead(counts: Mapping[str, int], by: str, w: Words) -> str:
    """The page in a sentence or two, of how many stand in each of its lists."""
    low = f"{w.short('recycle')} or {w.short('suppress')}"
    ways = {
        "new": f"new in {w.tier('tier_1')}",
        "up": "more went up or came in" if counts["new"] else "went up or came in",
        "down": "went down",
        "rest": f"left the {w('tiers')} or came into {low}",
    }
    account = w("account")
    said = [(counts[key], way) for key, way in ways.items() if counts[key]]
    parts = [f"{words.number(n) if k else plural(n, account)} {way}" for k, (n, way) in enumerate(said)]
    n = counts["waiting"]
    waits = f" {words.number(n)} {'waits' if n == 1 else 'wait'} for room, as the {by} is full." if n else ""
    return f"{', '.join(parts) if parts else f'No {account} moved'}.{waits}"


def tier_lines(tiers: Any, motions: Mapping[str, str], w: Words) -> list[dict[str, Any]]:
    """Accounts in each tier and status, then and now, and what a tier calls for."""
    return [
        {
            **line,
            "words": w.tier(line["tier"]),
            "motion": words.upfirst(w.sentence(motions.get(line["tier"]) or MOTIONS.get(line["tier"], OUT), 160)),
            "change": line["now"] - line["then"],
        }
        for line in tiers
    ]


def replay_part(v: Mapping[str, Any], w: Words) -> dict[str, object] | None:
    """What the newest replay says of the policy's worth and of its guardrails' cost; None where there is none."""
    found = v["replay"]
    if found is None:
        return None
    return {
        "link": f"../../replays/{found['folder']}/replay.html",
        "version": clean(found["policy_version"], 60),
        "other": found["policy_version"] != v["policy_version"],
        "first": words.day(found["first"]),
        "last": words.day(found["last"]),
        "worth": worth_part(found["overall"], w),
        "guardrails": guardrail_rows(found["guardrails"]),
    }


def _lists(moves: pd.DataFrame, page: MovementsPage, w: Words) -> list[dict[str, Any]]:
    kind, now = moves["movement"], moves["tier_now"]
    new = moves["new_in_tier_1"] & (kind != "")
    higher = kind.isin(["up", "entered"]) & now.isin(WORKED) & ~new
    down, by = kind == "down", page.values["by"]
    rest = (kind != "") & ~new & ~higher & ~down
    first = w.tier("tier_1")
    low = f"{w.short('recycle')} or {w.short('suppress')}"
    parts = [
        ("new", f"New in {first}", f"New in {first}: work these first", moves[new]),
        ("up", "Went up or came in", "Went up or came in: work these", moves[higher]),
        ("down", "Went down", "Went down, and why", moves[down]),
        ("rest", f"Left the {w('tiers')}", f"Left the {w('tiers')}, or came into {low}", moves[rest]),
        ("waiting", "Waiting", f"Qualify, and wait: the {by} is full", moves[moves["waiting"]]),
        ("overridden", "Set by a person", "Set by a person", moves[moves["overridden"]]),
    ]
    lists: list[dict[str, Any]] = []
    for key, short, title, these in parts:
        stays = key in ("waiting", "overridden")
        rows = _rows(these, "tier_then" if key in ("down", "rest") else "tier_now", "stands" if stays else "why", by, w)
        said = {"id": key, "short": short, "title": title, "all": IN_RUN if stays else IN_CSV}
        lists.append(said | {"n": len(these), "rows": rows})
    return lists


def _rows(these: pd.DataFrame, rank: str, why: str, by: str, w: Words) -> list[dict[str, object]]:
    """The first of them, the best tier and the likeliest first."""
    keys = these[[rank, "propensity_now", "account_id"]].assign(place=these[rank].map(ORDER.index))
    order = keys.sort_values(["place", "propensity_now", "account_id"], ascending=[True, False, True], kind="stable")
    return [_row(record, why, by, w) for record in these.loc[order.index].head(SHOWN).to_dict("records")]


def _row(record: Mapping[Any, Any], why: str, by: str, w: Words) -> dict[str, object]:
    moved = why == "why"
    return named(record, {record["account_id"]: record["name"]}) | {
        "then": w.short(record["tier_then"]) if record["tier_then"] else "New",
        "tier": record["tier_now"],
        "now": w.tier(record["tier_now"]) if record["tier_now"] else "Gone",
        "propensity": real(record["propensity_now"]),
        "was": real(record["propensity_then"]),
        "why": w.sentence(record[why]),
        "cause": w(record["cause"]) if moved else "",
        "times": record["times"] if moved else 0,
        "on": words.day(record["moved_on"]) if moved and not absent(record["moved_on"]) else "",
        "owner": clean(record["owner_id"], 60) if by != "owner" else "",
    }
