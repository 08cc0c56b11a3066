"""Activities that are nobody's: robots, e-mail security, one's own people, tests. Flagged and counted; never a signal.

Each is judged by what was known by the end of the UTC day on which it became known itself, so that no later fact makes
noise of it on an earlier date. Who is one's own or a test is identity, and holds on all dates.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from tierwise.config.noise import NoiseRules
from tierwise.data.domains import bare_domain
from tierwise.data.warehouse import Query, Warehouse

_VISITOR = "coalesce(a.contact_id, a.lead_id, a.identity_id)"
"""Who is seen to act; null where only the account or the domain is known, which may be many people."""
_REFERENCE = f"coalesce({_VISITOR}, a.account_id, a.domain)"
_KNOWN_DAY = "date_trunc('day', a.known_at)"


@dataclass(frozen=True)
class Flagged:
    """How many activities each rule flagged.

    counts : a row a rule that found any: rule, rows, accounts (distinct, their own or their contact's).
    """

    findings: tuple[str, ...]
    notes: tuple[str, ...]
    counts: pd.DataFrame


def flag_noise(warehouse: Warehouse, rules: NoiseRules) -> Flagged:
    """Name in activities.noise the first rule that each noisy activity breaks; their order is that of `_rules`."""
    found = {name: query for name, query in _rules(rules).items() if _any(warehouse, query)}
    if found:
        flagged = " UNION ALL ".join(
            f"SELECT activity_id, '{name}' AS rule, {place} AS place FROM ({query.sql})"
            for place, (name, query) in enumerate(found.items())
        )
        params = {k: v for query in found.values() for k, v in query.params.items()}
        sql = f"""
            WITH first AS (SELECT activity_id, arg_min(rule, place) AS rule FROM ({flagged}) GROUP BY activity_id)
            SELECT a.* REPLACE (f.rule AS noise) FROM activities a LEFT JOIN first f ON f.activity_id = a.activity_id
        """
        warehouse.rewrite("activities", Query(sql, params))
    counts = warehouse.frame(
        Query("""
        SELECT a.noise AS rule, count(*) AS rows, count(DISTINCT coalesce(a.account_id, c.account_id)) AS accounts
        FROM activities a LEFT JOIN contacts c ON c.contact_id = a.contact_id
        WHERE a.noise IS NOT NULL GROUP BY a.noise ORDER BY rows DESC, rule
        """)
    )
    said = (f"activities: {n} are noise by the rule {rule}; they are no signal" for rule, n, _ in counts.to_numpy())
    return Flagged((), tuple(said), counts)


def _any(warehouse: Warehouse, query: Query) -> bool:
    return bool(warehouse.number(Query(f"SELECT count(*) FROM (SELECT 1 FROM ({query.sql}) LIMIT 1)", query.params)))


def _rules(rules: NoiseRules) -> dict[str, Query]:
    """Each rule that is on: the ids of the activities that break it."""
    found: dict[str, Query] = {}
    if rules.own_domains:
        found["own_people"] = _of_domains(rules.own_domains, "own")
    if rules.test_domains:
        found["test_domain"] = _of_domains(rules.test_domains, "tests")
    if rules.test_words:
        found["test_record"] = _tests(rules)
    if rules.shared_methods:
        found["shared_identity"] = _shared(rules.shared_methods)
    if rules.most_an_hour is not None:
        found["burst_hour"] = _burst(rules, _VISITOR, "hour", "n > $most_hour", {"most_hour": rules.most_an_hour})
    if rules.most_a_day is not None:
        found["burst_day"] = _burst(rules, _VISITOR, "day", "n > $most_day", {"most_day": rules.most_a_day})
    if rules.round_the_clock is not None:
        clock: dict[str, object] = {
            "clock_n": rules.round_the_clock.activities,
            "clock_hours": rules.round_the_clock.hours,
        }
        found["round_the_clock"] = _burst(
            rules, _REFERENCE, "day", "n >= $clock_n AND bit_count(hours) >= $clock_hours", clock
        )
    if rules.seconds_after_send is not None:
        found["click_at_once"] = _clicked_at_once(rules, rules.seconds_after_send)
    if rules.clicks_together is not None:
        found["clicks_together"] = _clicked_together(rules, rules.clicks_together)
    return found


def _burst(rules: NoiseRules, who: str, unit: str, test: str, params: dict[str, object]) -> Query:
    """Activities of whom so many are known in one hour or day of happening, by the day on which each became known."""
    acted = f"list_contains($read, a.channel) AND a.initiator IS DISTINCT FROM 'seller' AND {who} IS NOT NULL"
    when = f"date_trunc('{unit}', a.occurred_at)"
    so_far = "OVER (PARTITION BY who, bucket ORDER BY known_day)"
    return Query(
        f"""
        WITH cells AS (
            SELECT hash({who}) AS who, {when} AS bucket, {_KNOWN_DAY} AS known_day, count(*) AS n,
                   bit_or(1::UINTEGER << hour(a.occurred_at)::UINTEGER) AS hours
            FROM activities a WHERE {acted} GROUP BY ALL
        ), summed AS (
            SELECT who, bucket, known_day, sum(n) {so_far} AS n, bit_or(hours) {so_far} AS hours FROM cells
        ), bursts AS (SELECT who, bucket, known_day FROM summed WHERE {test})
        SELECT a.activity_id FROM activities a
        JOIN bursts b ON b.who = hash({who}) AND b.bucket = {when} AND b.known_day = {_KNOWN_DAY}
        WHERE {acted}
        """,
        {"read": list(rules.channels), **params},
    )


def _clicked_at_once(rules: NoiseRules, seconds: int) -> Query:
    return Query(
        f"""
        SELECT a.activity_id FROM activities a
        SEMI JOIN activities s
            ON s.contact_id = a.contact_id AND list_contains($sends, s.kind)
               AND a.occurred_at >= s.occurred_at AND a.occurred_at <= s.occurred_at + to_seconds($after)
               AND date_trunc('day', s.known_at) <= {_KNOWN_DAY}
        WHERE list_contains($clicks, a.kind)
        """,
        {"sends": list(rules.sends), "clicks": list(rules.clicks), "after": seconds},
    )


def _clicked_together(rules: NoiseRules, most: int) -> Query:
    """Clicks of which so many lie within some seconds, whichever of them began it."""
    frame = "PARTITION BY a.contact_id, a.kind, " + _KNOWN_DAY + " ORDER BY a.occurred_at"
    span = "to_seconds($span)"
    return Query(
        f"""
        WITH clicked AS (
            SELECT a.activity_id, a.contact_id, a.kind, a.occurred_at, a.known_at,
                   count(*) OVER ({frame} RANGE BETWEEN CURRENT ROW AND {span} FOLLOWING) AS following
            FROM activities a WHERE a.contact_id IS NOT NULL AND list_contains($clicks, a.kind)
        )
        SELECT activity_id FROM (
            SELECT a.activity_id,
                   max(a.following) OVER ({frame} RANGE BETWEEN {span} PRECEDING AND CURRENT ROW) AS most
            FROM clicked a
        ) WHERE most >= $together
        """,
        {"clicks": list(rules.clicks), "together": most, "span": rules.seconds_together},
    )


def _shared(methods: tuple[str, ...]) -> Query:
    return Query(
        """
        SELECT a.activity_id FROM activities a
        SEMI JOIN (SELECT identity_id FROM identities WHERE list_contains($methods, lower(method))) i
            ON i.identity_id = a.identity_id
        WHERE a.account_id IS NULL AND a.contact_id IS NULL AND a.lead_id IS NULL
        """,
        {"methods": [m.lower() for m in methods]},
    )


def _of(contact: str, account: str, lead: str, domain: str, params: dict[str, object]) -> Query:
    """Activities of contacts, accounts and leads that pass a test each, or of a domain that does."""
    return Query(
        f"""
        SELECT a.activity_id FROM activities a
        LEFT JOIN (SELECT contact_id, account_id FROM contacts) p ON p.contact_id = a.contact_id
        LEFT JOIN (SELECT contact_id FROM contacts WHERE {contact}) c ON c.contact_id = a.contact_id
        LEFT JOIN (SELECT account_id FROM accounts WHERE {account}) o
             ON o.account_id = coalesce(a.account_id, p.account_id)
        LEFT JOIN (SELECT lead_id FROM leads WHERE {lead}) l ON l.lead_id = a.lead_id
        WHERE c.contact_id IS NOT NULL OR o.account_id IS NOT NULL OR l.lead_id IS NOT NULL OR {domain}
        """,
        params,
    )


def _of_domains(domains: tuple[str, ...], name: str) -> Query:
    def inside(column: str) -> str:
        return f"coalesce(list_contains(${name}, {bare_domain(column)}), FALSE)"

    return _of(
        inside("email_domain"),
        inside("domain"),
        inside("domain"),
        inside("a.domain"),
        {name: [d.lower() for d in domains]},
    )


def _tests(rules: NoiseRules) -> Query:
    """Records whose name or title is nothing but words of tests, at least one, fillers and numbers."""

    def only(column: str) -> str:
        said = f"' ' || regexp_replace(lower({column}), '[^\\p{{L}}\\p{{N}}]+', '  ', 'g') || ' '"
        return f"""coalesce(regexp_matches({said}, $tried)
            AND trim(regexp_replace({said}, $tried_or_filled, '', 'g')) = '', FALSE)"""

    words, fillers = (_alternatives(w) for w in (rules.test_words, (*rules.test_words, *rules.test_fillers)))
    params: dict[str, object] = {"tried": f" ({words}) ", "tried_or_filled": f" ({fillers}|[0-9]+) "}
    return _of(only("title"), only("name"), only("title"), "FALSE", params)


def _alternatives(words: tuple[str, ...]) -> str:
    """A pattern of words; those of several words match as they stand between the doubled blanks."""
    escaped = ("".join(c if c.isalnum() or c == " " else "." for c in word.lower()) for word in words)
    return "|".join(sorted((e.replace(" ", "  ") for e in escaped), key=len, reverse=True))
