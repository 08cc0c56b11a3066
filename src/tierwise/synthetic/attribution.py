"""Who is seen to act: an activity comes in under an account, a contact, a lead, an identity or a domain."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tierwise.synthetic.activity import (
    BY_ACCOUNT,
    BY_CONTACT,
    BY_DOMAIN,
    BY_IDENTITY,
    BY_LEAD,
    KINDS,
    channels,
    recorded,
)
from tierwise.synthetic.contacts import CHAMPION, EXEC_BUYER, People, role_of, span_of
from tierwise.synthetic.cycles import EVALUATION, OPEN, RESEARCH, STATES, Paths
from tierwise.synthetic.spec import DAY, NEVER, Floats, Ints, WorldSpec

_CONTACT_SHARE = {"web": 0.30, "email": 1.0, "event": 0.85, "meeting": 0.85, "product": 0.6, "sales": 0.4}
_IDENTITY_SHARE = 0.25
_DOMAIN_SHARE = 0.6


def attribute(spec: WorldSpec, log: pd.DataFrame, paths: Paths, people: People) -> pd.DataFrame:
    """Give each activity its reference (`ref`, `key`); those that find none stay with the account."""
    rng = spec.rng("attribution")
    buyer = np.array([kind.initiator != "seller" for kind in KINDS])[log["kind"].to_numpy()]
    parts = []
    for rows, stream in ((log[buyer], rng), (log[~buyer], spec.rng("attribution of effort"))):
        done = _to_contacts(spec, rows, paths, people.contacts, stream)
        done = _to_identities(done, people.identities, paths.state.shape[1], stream)
        done = _to_domains(done, stream)
        parts.append(_to_leads(done, people.leads, paths.state.shape[1], stream))
    return pd.concat([parts[0], _before_accounts(spec, people.leads), parts[1]], ignore_index=True)


def _to_contacts(
    spec: WorldSpec, rows: pd.DataFrame, paths: Paths, contacts: pd.DataFrame, rng: np.random.Generator
) -> pd.DataFrame:
    account, occurred = rows["account"].to_numpy(np.int64), rows["occurred"].to_numpy(np.int64)
    n = len(rows)
    share = np.array([_CONTACT_SHARE.get(kind.channel, 0.0) for kind in KINDS])[rows["kind"].to_numpy()]
    wanted = rng.random(n) < share
    day = np.clip(spec.day_of(occurred), 0, spec.days)
    who = _someone(account, paths.state[day, account].astype(np.int64), contacts, paths.state.shape[1], rng)
    there = np.maximum(who, 0)
    created, left = contacts["created"].to_numpy(np.int64), contacts["unlinked"].to_numpy(np.int64)
    found = wanted & (who >= 0)
    if len(contacts):
        found &= (created[there] <= occurred) & ((left[there] == NEVER) | (left[there] > occurred))
    return rows.assign(
        ref=np.where(found, BY_CONTACT, rows["ref"].to_numpy()), key=np.where(found, who, rows["key"].to_numpy())
    )


def _someone(account: Ints, state: Ints, contacts: pd.DataFrame, accounts: int, rng: np.random.Generator) -> Ints:
    """A contact of each account: one and the same when nothing is going on, many in a cycle, executives late in it."""
    executive, champion, same = np.full(STATES, 0.02), np.full(STATES, 0.08), np.full(STATES, 0.75)
    champion[RESEARCH], same[RESEARCH] = 0.25, 0.35
    executive[EVALUATION], champion[EVALUATION], same[EVALUATION] = 0.22, 0.30, 0.2
    executive[list(OPEN)], champion[list(OPEN)], same[list(OPEN)] = 0.25, 0.30, 0.1
    begin, count = span_of(contacts, accounts)
    n = len(account)
    usual = begin[account]
    anyone = usual + np.floor(rng.random(n) * count[account]).astype(np.int64)
    who = np.where(rng.random(n) < same[state], usual, anyone)
    draw: Floats = rng.random(n)
    for role, low, share in (
        (EXEC_BUYER, np.zeros(STATES), executive),
        (CHAMPION, executive, champion),
    ):
        of = role_of(contacts, accounts, role)[account]
        who = np.where((draw >= low[state]) & (draw < (low + share)[state]) & (of >= 0), of, who)
    return np.where(count[account] > 0, who, -1)


def _to_identities(
    rows: pd.DataFrame, identities: pd.DataFrame, accounts: int, rng: np.random.Generator
) -> pd.DataFrame:
    of = np.full(accounts, -1, dtype=np.int64)
    of[identities["account"].to_numpy()] = np.arange(len(identities))
    mine = of[rows["account"].to_numpy()]
    web = (channels(rows["kind"].to_numpy()) == "web") & (rows["ref"] == BY_ACCOUNT).to_numpy()
    found = web & (mine >= 0) & (rng.random(len(rows)) < _IDENTITY_SHARE)
    return rows.assign(ref=np.where(found, BY_IDENTITY, rows["ref"]), key=np.where(found, mine, rows["key"]))


def _to_domains(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    found = (channels(rows["kind"].to_numpy()) == "intent") & (rng.random(len(rows)) < _DOMAIN_SHARE)
    return rows.assign(ref=np.where(found, BY_DOMAIN, rows["ref"]))


def _to_leads(rows: pd.DataFrame, leads: pd.DataFrame, accounts: int, rng: np.random.Generator) -> pd.DataFrame:
    of = np.full(accounts, -1, dtype=np.int64)
    of[leads["account"].to_numpy()] = np.arange(len(leads))
    mine = of[rows["account"].to_numpy()]
    there = np.maximum(mine, 0)
    draw = rng.random(len(rows)) < 0.5
    if not len(leads):
        return rows
    occurred = rows["occurred"].to_numpy(np.int64)
    created, converted = leads["created"].to_numpy(np.int64), leads["converted"].to_numpy(np.int64)
    until = np.where(converted[there] == NEVER, created[there] + 90 * DAY, converted[there])
    own = np.isin(channels(rows["kind"].to_numpy()), ["web", "event"]) & (rows["ref"] == BY_ACCOUNT).to_numpy()
    found = own & (mine >= 0) & draw & (occurred >= created[there]) & (occurred < until)
    return rows.assign(ref=np.where(found, BY_LEAD, rows["ref"]), key=np.where(found, mine, rows["key"]))


def _before_accounts(spec: WorldSpec, leads: pd.DataFrame) -> pd.DataFrame:
    """What leads did before there was an account: a page or two between their creation and their conversion."""
    rng = spec.rng("leads before accounts")
    converted = leads["converted"].to_numpy(np.int64)
    counts = np.where(converted == NEVER, 0, rng.poisson(2.0, len(leads)))
    lead = np.repeat(np.arange(len(leads)), counts)
    created = leads["created"].to_numpy(np.int64)[lead]
    span = converted[lead] - created
    occurred = created + np.floor(rng.random(len(lead)) * span / 1e6).astype(np.int64) * 1_000_000
    kind = np.where(rng.random(len(lead)) < 0.85, 0, [k.name for k in KINDS].index("webinar"))
    rows = pd.DataFrame({"account": leads["account"].to_numpy()[lead], "occurred": occurred, "kind": kind})
    return recorded(spec, rows, rng).assign(ref=BY_LEAD, key=lead)
