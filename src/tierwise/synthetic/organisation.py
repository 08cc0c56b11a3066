"""The seller's own side: owners, exclusions and merged duplicates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tierwise.synthetic.accounts import Accounts
from tierwise.synthetic.activity import BY_ACCOUNT, BY_LOSING
from tierwise.synthetic.spec import DAY, NEVER, SECOND, WorldSpec

OWNERS = 24
_TERRITORIES = ("North America", "Europe", "Asia Pacific", "Latin America")
_ZONES = ("America/New_York", "Europe/Berlin", "Asia/Kolkata", "America/Sao_Paulo")
_TEAMS = ("sales", "sales", "sales development", "marketing operations")
_SEGMENTS = ("enterprise", "mid_market", "small_business")
_REASONS = np.array(["do_not_contact", "competitor", "legal_hold"], dtype=object)


@dataclass(frozen=True)
class Organisation:
    """`owners` by position, `exclusions`, and `merges`: losing_id, survivor (position), created, merged.

    All instants in microseconds, NEVER where open.
    """

    owners: pd.DataFrame
    exclusions: pd.DataFrame
    merges: pd.DataFrame


def make_organisation(spec: WorldSpec, accounts: Accounts) -> Organisation:
    """Draw owners, exclusions and merges."""
    return Organisation(_owners(spec), _exclusions(spec, accounts), _merges(spec, accounts))


def _owners(spec: WorldSpec) -> pd.DataFrame:
    rng = spec.rng("owners")
    place = np.arange(OWNERS)
    left = np.where(rng.random(OWNERS) < 0.12, spec.begin + rng.integers(100, spec.days, OWNERS) * DAY, NEVER)
    return pd.DataFrame(
        {
            "owner_id": [f"own-{i:02d}" for i in place],
            "team": np.array(_TEAMS, dtype=object)[place % 4],
            "territory": np.array(_TERRITORIES, dtype=object)[place // 4 % 4],
            "segment": np.array(_SEGMENTS, dtype=object)[place % 3],
            "time_zone": np.array(_ZONES, dtype=object)[place // 4 % 4],
            "active_from": spec.begin - rng.integers(200, 1500, OWNERS) * DAY,
            "active_to": left,
            "capacity_tier_1": rng.integers(8, 16, OWNERS),
            "capacity_tier_2": rng.integers(20, 40, OWNERS),
            "capacity_tier_3": rng.integers(80, 160, OWNERS),
        }
    )


def _exclusions(spec: WorldSpec, accounts: Accounts) -> pd.DataFrame:
    rng = spec.rng("exclusions")
    n = max(3, len(accounts) // 150)
    who = rng.choice(len(accounts), n, replace=False)
    day = rng.integers(0, max(spec.days - 30, 1), n)
    starts = spec.begin + day * DAY
    ends = np.where(rng.random(n) < 0.3, starts + rng.integers(60, 300, n) * DAY, NEVER)
    by_domain = rng.random(n) < 0.2
    ids, domains = accounts.frame["account_id"].to_numpy(object)[who], accounts.frame["domain"].to_numpy(object)[who]
    rows = pd.DataFrame(
        {
            "account_id": np.where(by_domain, None, ids),
            "domain": np.where(by_domain, domains, None),
            "country": np.full(n, None, dtype=object),
            "reason": _REASONS[rng.integers(0, 3, n)],
            "starts": starts,
            "ends": ends,
            "recorded": starts - rng.integers(1, 5 * 86400, n) * SECOND,
        }
    )
    first = spec.begin - 300 * DAY
    country = pd.DataFrame(
        {
            "account_id": [None],
            "domain": [None],
            "country": ["BY"],
            "reason": ["trade_restriction"],
            "starts": [first],
            "ends": [NEVER],
            "recorded": [first],
        }
    )
    rows = pd.concat([country.astype(object), rows.astype(object)], ignore_index=True)
    for name in ("starts", "ends", "recorded"):
        rows[name] = rows[name].astype(np.int64)
    return rows.sort_values("recorded", kind="stable", ignore_index=True)


def _merges(spec: WorldSpec, accounts: Accounts) -> pd.DataFrame:
    rng = spec.rng("merges")
    old = np.flatnonzero(accounts.created < spec.begin)
    n = min(len(old), max(2, len(accounts) // 250))
    survivor = np.sort(rng.choice(old, n, replace=False))
    born = rng.integers(0, max(spec.days - 90, 1), n)
    merged = born + rng.integers(20, 85, n)
    return pd.DataFrame(
        {
            "losing_id": [f"acc-dup-{i:03d}" for i in range(n)],
            "survivor": survivor,
            "created": spec.moment(born, rng),
            "merged": spec.moment(merged, rng),
        }
    )


def to_duplicates(spec: WorldSpec, log: pd.DataFrame, merges: pd.DataFrame) -> pd.DataFrame:
    """While a duplicate lives, half of what comes in under its survivor comes in under the duplicate."""
    rng = spec.rng("duplicates")
    begins = np.full(spec.accounts, np.iinfo(np.int64).max)
    ends, place = np.full(spec.accounts, NEVER), np.full(spec.accounts, -1)
    begins[merges["survivor"]], ends[merges["survivor"]] = merges["created"], merges["merged"]
    place[merges["survivor"]] = np.arange(len(merges))
    account, occurred = log["account"].to_numpy(), log["occurred"].to_numpy()
    known = np.maximum(occurred, log["recorded"].to_numpy())
    found = (log["ref"] == BY_ACCOUNT).to_numpy() & (occurred >= begins[account]) & (known < ends[account])
    found &= rng.random(len(log)) < 0.5
    return log.assign(ref=np.where(found, BY_LOSING, log["ref"]), key=np.where(found, place[account], log["key"]))
