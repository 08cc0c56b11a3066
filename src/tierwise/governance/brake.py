"""The brake: how much a run would move, and whether a person must release it first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tierwise.config import TIERS
from tierwise.governance.plain import plain

NOBODY = "-"
"""The owner of accounts that have none."""
GONE = "gone from the tables"
"""The cause of leaving a tier without being scored any more."""


@dataclass(frozen=True)
class Braking:
    """What a run would move, against what stands, and the limits that this goes beyond.

    moves : a row an account that leaves a tier or comes from one tier to another: account_id, previous_tier, tier (null
        where it is gone from the tables), cause, owner, excluded (whether an exclusion suppresses it).
    tiers : a row a tier: tier, size (of what stands), into, out (accounts), held (whether one of both is beyond).
    share, least : the limits, as Settings.brake has them, or the promotion of the model.
    stated : whether the promotion of the model stated them: its demotions then wait no more than other movements.
    postponed : accounts that stand lower by the rows under a new model, and that time in tier alone still keeps.
    owed : the actions that the run owes. most_owed : the limit on them, None: there is none.
    """

    moves: pd.DataFrame
    tiers: pd.DataFrame
    share: float
    least: int
    stated: bool = False
    postponed: int = 0
    owed: int = 0
    most_owed: int | None = None

    @property
    def held(self) -> bool:
        """Whether the run must wait for a release."""
        return self.waits or self.floods or bool(self.tiers["held"].any())

    @property
    def floods(self) -> bool:
        """Whether the run owes more actions than it may."""
        return self.most_owed is not None and self.owed > self.most_owed

    @property
    def waits(self) -> bool:
        """Whether demotions that a new model causes, now or once a stay ends, wait for a release, however few."""
        return not self.stated and self.demoted_by_model + self.postponed > 0

    @property
    def why(self) -> str:
        """Why the run is held, and how much of it an exclusion alone makes; `""` where it is not held."""
        if not self.held:
            return ""
        said = []
        if self.beyond:
            of = ", as its promotion stated" if self.stated else ""
            limits = f"more than {100 * self.share:.3g}% of a tier and at least {_accounts(self.least)} of it{of}"
            said.append(f"it would move {limits}: {'; '.join(self.beyond)}")
        if self.floods:
            said.append(f"it would owe {self.owed:,} actions, more than {self.most_owed:,}")
        if self.demoted_by_model or self.postponed:
            takes = f"under the new model {_accounts(self.demoted_by_model)} would come to a lower tier"
            takes += f" now and {self.postponed:,} once a stay ends" if self.postponed else ""
            said.append(f"{takes}, and this waits for a release" if self.waits else takes)
        if self.excluded:
            said.append(
                f"suppressed by an exclusion: {self.excluded:,} of the {len(self.moves):,} that leave their tier"
            )
        return "; ".join(said)

    @property
    def beyond(self) -> tuple[str, ...]:
        """Each tier that is beyond the limits, in words."""
        return tuple(
            f"{row['tier']} held {row['size']:,} accounts: {row['out']:,} would leave it, {row['into']:,} come from "
            "other tiers"
            for row in self.tiers[self.tiers["held"]].to_dict("records")
        )

    @property
    def excluded(self) -> int:
        """Accounts that an exclusion takes out of their tier."""
        return int(self.moves["excluded"].sum())

    @property
    def demoted_by_model(self) -> int:
        """Accounts that only a new model takes to a lower tier."""
        return int(sum(_lower(r["previous_tier"], r["tier"]) and r["cause"] == "model" for r in self._rows()))

    def counts(self, by: str) -> pd.DataFrame:
        """Moves by `cause` or `owner`, most first: the name, up, down, out (of the tiers), n."""
        rows = [{by: r[by], _way(r["previous_tier"], r["tier"]): 1} for r in self._rows()]
        found = pd.DataFrame(rows, columns=[by, "up", "down", "out"]).fillna(0)
        found = found.astype({"up": "int64", "down": "int64", "out": "int64"}).groupby(by, as_index=False).sum()
        found["n"] = found[["up", "down", "out"]].sum(axis=1)
        return found.sort_values(["n", by], ascending=[False, True], ignore_index=True)

    def to_dict(self) -> dict[str, Any]:
        """What is kept of it: limits, tiers, and counts by owner and cause."""
        said = {
            "share": self.share,
            "least": self.least,
            "stated": self.stated,
            "tiers": self.tiers,
            "demoted_by_model": self.demoted_by_model,
            "postponed": self.postponed,
            "excluded": self.excluded,
            "owed": self.owed,
            "most_owed": self.most_owed,
        }
        return dict(plain(said | {"by_owner": self.counts("owner"), "by_cause": self.counts("cause")}))

    def _rows(self) -> list[dict[str, Any]]:
        return [{str(k): v for k, v in row.items()} for row in self.moves.to_dict("records")]


def brake(
    standing: pd.DataFrame,
    decided: pd.DataFrame,
    causes: Mapping[str, str],
    share: float,
    least: int,
    *,
    stated: bool = False,
    postponed: int = 0,
    owed: int = 0,
    most_owed: int | None = None,
) -> Braking:
    """How much a run would move against what stands, and whether that is too much; pure.

    A tier is beyond the limits if, in or out of it, at least `least` accounts and more than `share` of its size move.
    Accounts that enter the cohort (from a status, or from nothing) do not count; those that leave it do, and so do
    those that the tables have lost. Where nothing stands, nothing is beyond.

    A demotion whose one cause is `model` waits for a release whatever the limits are, as people work the tiers that it
    takes away; unless whoever promoted the model stated limits of its own. So do those that a stay only postpones: when
    it ends, the model is no longer new, and nobody would be asked.

    Accounts that an exclusion suppresses count like all others: a wrong file of exclusions is the likeliest way to
    empty a tier. How many they are is said, so that a person who meant them can release the run at once.

    Parameters
    ----------
    standing : account_id, tier of the accounts of the run before (of a revision, of the run that it revises).
    decided : account_id, tier, and where known owner_id and row (which step decided), of every account of the run.
    causes : account_id -> the cause of its movement.
    stated : whether share and least are what the promotion of the model stated.
    postponed : how many accounts time in tier alone keeps from being demoted by a new model.
    owed, most_owed : the actions that the run owes, and how many it may; where nothing stands, any number.
    """
    was = standing.set_index("account_id")["tier"].astype(object)
    was = was[was.isin(TIERS)]
    now = decided.set_index("account_id")["tier"].astype(object).reindex(was.index)
    owners = _owners(decided).reindex(was.index)
    moved = (now.isna() | (now != was)).to_numpy()
    moves = pd.DataFrame(
        {
            "account_id": was.index[moved].astype(str),
            "previous_tier": was[moved].to_numpy(),
            "tier": now[moved].where(now[moved].notna(), None).to_numpy(),
            "cause": [_cause(a, t, causes) for a, t in zip(was.index[moved], now[moved], strict=True)],
            "owner": owners[moved].where(owners[moved].notna(), NOBODY).astype(str).to_numpy(),
            "excluded": was.index[moved].isin(_excluded(decided)),
        }
    ).sort_values("account_id", ignore_index=True)
    most = most_owed if len(was) else None
    return Braking(moves, _by_tier(was, moves, share, least), share, least, stated, postponed, owed, most)


def _by_tier(was: pd.Series, moves: pd.DataFrame, share: float, least: int) -> pd.DataFrame:
    rows = []
    for tier in TIERS:
        size = int((was == tier).sum())
        into, out = (int((moves[end] == tier).sum()) for end in ("tier", "previous_tier"))
        held = any(n >= least and n > share * size for n in (into, out))
        rows.append({"tier": tier, "size": size, "into": into, "out": out, "held": held})
    return pd.DataFrame(rows)


def _owners(decided: pd.DataFrame) -> pd.Series:
    ids = decided["account_id"]
    owners = decided["owner_id"] if "owner_id" in decided else pd.Series(None, index=decided.index, dtype=object)
    owners = owners.astype(object).where(owners.notna() & (owners != ""), None)
    return pd.Series(owners.to_numpy(), index=ids, dtype=object)


def _excluded(decided: pd.DataFrame) -> pd.Series:
    rows = decided["row"] if "row" in decided else pd.Series("", index=decided.index)
    return decided["account_id"][rows == "excluded"]


def _accounts(n: int) -> str:
    return "1 account" if n == 1 else f"{n:,} accounts"


def _cause(account: Any, tier: Any, causes: Mapping[str, str]) -> str:
    return GONE if pd.isna(tier) else causes.get(str(account)) or "data"


def _lower(was: str, now: Any) -> bool:
    return now in TIERS and TIERS.index(now) > TIERS.index(was)


def _way(was: str, now: Any) -> str:
    return "out" if now not in TIERS else "down" if _lower(was, now) else "up"
