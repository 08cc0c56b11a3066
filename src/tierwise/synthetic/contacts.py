"""Contacts with roles, leads and identities: through whom an account is seen to act."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tierwise.synthetic.accounts import Accounts, never
from tierwise.synthetic.cycles import RESEARCH
from tierwise.synthetic.spec import DAY, NEVER, Ints, WorldSpec

ROLES: tuple[str | None, ...] = ("champion", "exec_buyer", "influencer", "user", None)
CHAMPION, EXEC_BUYER = 0, 1
_SHARES = (0.16, 0.12, 0.14, 0.38, 0.20)
_TITLES = np.array(
    [
        ["Head of Data", "Director of Operations", "RevOps Lead"],
        ["VP Finance", "Chief Operating Officer", "Chief Information Officer"],
        ["Enterprise Architect", "Procurement Manager", "Security Lead"],
        ["Data Analyst", "Operations Specialist", "Systems Administrator"],
        ["Consultant", "Coordinator", "Associate"],
    ],
    dtype=object,
)
_BY_SIZE = np.array([1.2, 2.0, 3.2, 4.5, 6.5])


@dataclass(frozen=True)
class People:
    """Contacts, leads and identities with values for their whole life; instants in microseconds.

    `contacts`, in account order: contact_id, account (position), role (position in ROLES, as first recorded), title,
    created, linked (NEVER if not recorded: then created), unlinked. `changes`: contact (position), old_value,
    new_value, changed. `leads`: lead_id, domain, created, converted, account (position), title. `identities`:
    identity_id, account, method, confidence, linked.
    """

    contacts: pd.DataFrame
    changes: pd.DataFrame
    leads: pd.DataFrame
    identities: pd.DataFrame


def make_people(spec: WorldSpec, accounts: Accounts, spells: pd.DataFrame) -> People:
    """Draw contacts (more of them while an account researches), leads and identities."""
    contacts = _contacts(spec, accounts, spells)
    return People(contacts, _role_changes(spec, contacts), _leads(spec, accounts), _identities(spec, accounts))


def _contacts(spec: WorldSpec, accounts: Accounts, spells: pd.DataFrame) -> pd.DataFrame:
    rng = spec.rng("contacts")
    mean = _BY_SIZE[accounts.size]
    first = rng.poisson(mean)
    known = np.repeat(np.arange(len(accounts)), first)
    born = accounts.created[known] + rng.integers(0, 3 * 86400, len(known)) * 1_000_000
    begin = np.maximum(spec.day_of(accounts.created) + 1, 0)
    years = (spec.days - begin) / 365.0
    later = np.repeat(np.arange(len(accounts)), rng.poisson(0.12 * mean * years))
    day = begin[later] + np.floor(rng.random(len(later)) * (spec.days - begin[later])).astype(np.int64)
    rows = spells[(spells["state"] == RESEARCH) & (spells["ends"] > spells["begins"])]
    counts = rng.poisson(0.6, len(rows))
    keen = np.repeat(rows["account"].to_numpy(), counts)
    spans = (rows["ends"] - rows["begins"]).to_numpy()
    start, span = np.repeat(rows["begins"].to_numpy(), counts), np.repeat(spans, counts)
    drawn = start + np.floor(rng.random(len(keen)) * span).astype(np.int64)
    account = np.concatenate([known, later, keen])
    created = np.concatenate([born, spec.moment(day, rng), spec.moment(drawn, rng)])
    return describe(account, created, rng)


def describe(account: Ints, created: Ints, rng: np.random.Generator, first_id: int = 0) -> pd.DataFrame:
    """Contacts with role, title and links, in account order; ids count from `first_id`."""
    order = np.lexsort((created, account))
    account, created = account[order], created[order]
    n = len(account)
    role = rng.choice(len(ROLES), n, p=_SHARES)
    linked = np.where(rng.random(n) < 0.85, created + rng.integers(0, 3600, n) * 1_000_000, NEVER)
    left = np.where(rng.random(n) < 0.03, created + rng.integers(60, 700, n) * DAY, NEVER)
    missing = rng.random(n) < 0.10
    title = pd.Series(_TITLES[role, rng.integers(0, 3, n)]).where(~missing, None)
    return pd.DataFrame(
        {
            "contact_id": [f"con-{first_id + i:06d}" for i in range(n)],
            "account": account,
            "role": role,
            "title": title,
            "created": created,
            "linked": linked,
            "unlinked": left,
        }
    )


def _role_changes(spec: WorldSpec, contacts: pd.DataFrame) -> pd.DataFrame:
    """A few roles that were recorded wrong first; a missing role stays missing, so that missing tells nothing."""
    rng = spec.rng("contact_history")
    who = np.flatnonzero((rng.random(len(contacts)) < 0.04) & (contacts["role"].to_numpy() < 4))
    old = contacts["role"].to_numpy()[who]
    new = (old + rng.integers(1, 4, len(who))) % 4
    changed = contacts["created"].to_numpy()[who] + rng.integers(20, 500, len(who)) * DAY
    end = spec.begin + spec.days * DAY
    names = np.array(ROLES, dtype=object)
    rows = pd.DataFrame(
        {"contact": who, "old_value": names[old], "new_value": names[new], "new": new, "changed": changed}
    )
    return rows[rows["changed"] < end].sort_values(["changed", "contact"], ignore_index=True)


def _leads(spec: WorldSpec, accounts: Accounts) -> pd.DataFrame:
    """Leads of accounts that appeared within the history (converted then), and of a few that were there before."""
    rng = spec.rng("leads")
    created = accounts.created
    young = np.flatnonzero((created > spec.begin + 70 * DAY) & (rng.random(len(accounts)) < 0.4))
    before = created[young] - rng.integers(3 * 86400, 60 * 86400, len(young)) * 1_000_000
    old = np.flatnonzero((created < spec.begin) & (rng.random(len(accounts)) < 0.05))
    day = rng.integers(0, spec.days - 1, len(old))
    born = spec.moment(day, rng)
    converted = np.where(rng.random(len(old)) < 0.6, born + rng.integers(5, 60, len(old)) * DAY, NEVER)
    end = spec.begin + spec.days * DAY
    who = np.concatenate([young, old])
    rows = pd.DataFrame(
        {
            "account": who,
            "domain": accounts.frame["domain"].to_numpy(object)[who],
            "created": np.concatenate([before, born]),
            "converted": np.concatenate([created[young], np.where(converted < end, converted, NEVER)]),
            "title": _TITLES[rng.integers(0, 5, len(who)), rng.integers(0, 3, len(who))],
        }
    )
    rows = rows.sort_values(["created", "account"], ignore_index=True)
    return rows.assign(lead_id=[f"lead-{i:05d}" for i in range(len(rows))])


def _identities(spec: WorldSpec, accounts: Accounts) -> pd.DataFrame:
    """An address block or a cookie for six accounts in ten; a third of them were linked only within the history."""
    rng = spec.rng("identities")
    who = np.flatnonzero(rng.random(len(accounts)) < 0.6)
    floor = np.maximum(accounts.created[who], spec.begin)
    span = np.maximum(spec.begin + (spec.days - 1) * DAY - floor, 0) // DAY
    late = floor + np.floor(rng.random(len(who)) * span).astype(np.int64) * DAY
    linked = np.where(rng.random(len(who)) < 0.33, late, accounts.created[who])
    method = np.where(rng.random(len(who)) < 0.5, "address_block", "cookie")
    return pd.DataFrame(
        {
            "identity_id": [f"idn-{i:05d}" for i in range(len(who))],
            "account": who,
            "method": method,
            "confidence": np.round(rng.uniform(0.6, 1.0, len(who)), 2),
            "linked": linked,
        }
    )


def role_of(contacts: pd.DataFrame, accounts: int, role: int) -> Ints:
    """The first contact (position) in a role at each account; -1 where there is none."""
    found = np.full(accounts, -1, dtype=np.int64)
    rows = contacts[contacts["role"] == role].groupby("account").head(1)
    found[rows["account"].to_numpy()] = rows.index.to_numpy()
    return found


def span_of(contacts: pd.DataFrame, accounts: int) -> tuple[Ints, Ints]:
    """Where each account's contacts begin, and how many they are."""
    counts = np.bincount(contacts["account"].to_numpy(), minlength=accounts).astype(np.int64)
    return np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64), counts


def at_or_never(instants: Ints, before: int) -> Ints:
    """The instants that lie before another, NEVER for the rest."""
    return np.where(instants < before, instants, never(len(instants)))
