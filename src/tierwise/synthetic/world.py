"""A B2B world with known truth: simulated once, exported at any instant."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tierwise.clock import instant, naive
from tierwise.errors import UsageError
from tierwise.synthetic.accounts import make_accounts
from tierwise.synthetic.activity import accounts_levels, make_activity
from tierwise.synthetic.attribution import attribute
from tierwise.synthetic.contacts import make_people
from tierwise.synthetic.cycles import ABSENT, EVALUATION, GONE, RESEARCH, Paths, open_probability, walk
from tierwise.synthetic.deals import make_deals
from tierwise.synthetic.effects import planted
from tierwise.synthetic.evidence import activity_worth
from tierwise.synthetic.export import Facts, deleted_at, tables_at
from tierwise.synthetic.organisation import OWNERS, make_organisation, to_duplicates
from tierwise.synthetic.spec import DAY, Floats, WorldSpec, micros
from tierwise.synthetic.traps import spring_on_contacts, spring_on_log, tracking_begins


@dataclass(frozen=True)
class World:
    """One simulated world: its facts, exported by `tables`, and its truth, which no table holds."""

    spec: WorldSpec
    facts: Facts
    paths: Paths

    def tables(self, exported_at: datetime | None = None) -> dict[str, pa.Table]:
        """The canonical tables as an export at an instant holds them (by default at the end of the world).

        No row is known at or after `exported_at`, and attributes hold the values of that instant: an earlier export is
        a later one rewound.

        Raises
        ------
        UsageError : the instant lies outside the history of the world.
        """
        at = self.spec.ends_at if exported_at is None else instant(exported_at)
        if not self.spec.history_from < at <= self.spec.ends_at:
            raise UsageError(
                f"an export at {at.isoformat()} was asked for",
                found=f"this world runs from {self.spec.history_from.date()} to {self.spec.ends_at.date()}",
                do="Give an instant after the first and not after the second",
            )
        return tables_at(self.spec, self.facts, micros(at))

    def truth(self, as_ofs: Iterable[datetime] | None = None) -> pd.DataFrame:
        """The hidden state of every account there is on each as_of (by default the month starts of the world).

        Columns: account_id, as_of, latent_probability (of opening a New Business opportunity within
        `[as_of, as_of + horizon_days)`, given the hidden state and the hazards: see `cycles.open_probability`; 0 for
        customers), in_cycle (researching or evaluating).

        Raises
        ------
        UsageError : an as_of is not 00:00 UTC of a day of the history.
        """
        ids = self.facts.accounts.frame["account_id"].to_numpy(object)
        parts = []
        for as_of in self.spec.as_ofs if as_ofs is None else tuple(as_ofs):
            day = self._day(instant(as_of))
            state, news = self.paths.state[day], self.paths.news[day]
            here = np.flatnonzero((state != ABSENT) & (state != GONE))
            parts.append(
                pd.DataFrame(
                    {
                        "account_id": pd.Series(ids[here], dtype="str"),
                        "as_of": np.full(len(here), np.datetime64(naive(instant(as_of)), "us")),
                        "latent_probability": self._chances[here, news[here], state[here]],
                        "in_cycle": np.isin(state[here], [RESEARCH, EVALUATION]),
                    }
                )
            )
        if not parts:
            raise UsageError("the truth on no as_of was asked for", do="Give one as_of at least")
        return pd.concat(parts, ignore_index=True)

    @property
    def effects(self) -> dict[str, dict[str, float]]:
        """The planted effects by attribute and value, in log-hazard of entering a buying cycle."""
        return planted()

    def signal_effects(self, as_of: datetime) -> dict[str, float]:
        """The planted effects by kind of buyer activity: the log-odds that one of it adds (`evidence.activity_worth`).

        Raises
        ------
        UsageError : the as_of is not 00:00 UTC of a day of the history.
        """
        state = self.paths.state[self._day(instant(as_of))]
        return activity_worth(state, self._chances, accounts_levels(self.spec, self.facts.accounts))

    @property
    def utility(self) -> pd.Series[float]:
        """The planted fit of each account, in log-hazard, by account_id."""
        ids = self.facts.accounts.frame["account_id"]
        return pd.Series(self.facts.accounts.utility, index=pd.Index(ids, dtype="str"), name="utility")

    @property
    def tracked_from(self) -> dict[str, datetime]:
        """Channels that were not tracked from the beginning, and since when they are (trap tracking_change)."""
        if not self.spec.has("tracking_change"):
            return {}
        since = np.datetime64(int(tracking_begins(self.spec)[0]), "us").astype(datetime)
        return {"intent": instant(since)}

    @cached_property
    def _chances(self) -> Floats:
        return open_probability(self.facts.accounts, self.spec.horizon_days)

    def _day(self, as_of: datetime) -> int:
        day, rest = divmod(micros(as_of) - self.spec.begin, DAY)
        if rest or not 0 <= day <= self.spec.days:
            raise UsageError(
                f"the truth on {as_of.isoformat()} was asked for",
                found=f"this world has one for each day from {self.spec.history_from.date()} "
                f"to {self.spec.ends_at.date()}, at 00:00 UTC",
                do="Give such a day",
            )
        return day


def simulate(spec: WorldSpec) -> World:
    """Simulate a world: the hidden states first, then what is seen of them, then the traps."""
    accounts = make_accounts(spec, OWNERS)
    paths = walk(spec, accounts)
    spells = paths.spells()
    deals = make_deals(spec, accounts, spells)
    people = make_people(spec, accounts, spells)
    organisation = make_organisation(spec, accounts)
    log = make_activity(spec, accounts, spells, paths.news_begun())
    log = to_duplicates(spec, attribute(spec, log, paths, people), organisation.merges)
    contacts = spring_on_contacts(spec, people.contacts, accounts, deals)
    log = spring_on_log(spec, log, accounts, contacts, deals)
    deleted = deleted_at(spec, spells, len(accounts), GONE)
    people = type(people)(contacts, people.changes, people.leads, people.identities)
    return World(spec, Facts(accounts, deleted, people, deals, _numbered(log), organisation), paths)


def write_world(world: World, folder: Path, exported_at: datetime | None = None) -> None:
    """Write an export to `folder/tables/*.parquet` and the truth, apart, to `folder/truth/`; same spec, same bytes.

    `truth/latent.parquet` (as `World.truth`, by month start), `truth/utility.parquet` (account_id, utility) and
    `truth/effects.json`.
    """
    tables, truth = Path(folder) / "tables", Path(folder) / "truth"
    tables.mkdir(parents=True, exist_ok=True)
    truth.mkdir(parents=True, exist_ok=True)
    for name, table in world.tables(exported_at).items():
        pq.write_table(table, tables / f"{name}.parquet")
    pq.write_table(pa.Table.from_pandas(world.truth(), preserve_index=False), truth / "latent.parquet")
    utility = world.utility.rename_axis("account_id").reset_index()
    pq.write_table(pa.Table.from_pandas(utility, preserve_index=False), truth / "utility.parquet")
    effects = json.dumps(world.effects, indent=2, sort_keys=True) + "\n"
    (truth / "effects.json").write_text(effects, encoding="utf-8")


def _numbered(log: pd.DataFrame) -> pd.DataFrame:
    """The log in the order of what happened, numbered."""
    order = np.lexsort((log["key"], log["ref"], log["kind"], log["account"], log["occurred"]))
    rows = log.iloc[order].reset_index(drop=True)
    return rows.assign(activity_id=pd.Series([f"act-{i:07d}" for i in range(len(rows))], dtype="str"))
