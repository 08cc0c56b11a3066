"""Activities: who is reached by them, and their counts, decayed sums, recency and people as of each row.

Cost grows with activities plus output: activities are first gathered into cells between two neighbouring edges (the
as-of days and the days one window before them), where no window can tell them apart; the cells are then rolled up.
A fact counts in a window by when it happened (`occurred_at >= as_of - window`) and only if it was known
(`known_at < as_of`). Sums are exact integers or decimals, so no order of adding changes a byte.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierwise.data import Query, bare_domain
from tierwise.features.catalogue import contact_windows, measures, slug, trend_windows
from tierwise.features.sql.spine import DAY_US, Step

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from tierwise.config import Plan, Signals

POLICY_WINDOWS = (7, 90)
"""Windows of all signals together that the policy reads (surge), whatever the plan's own windows are."""


def admitted(cell: str = "c", row: str = "s") -> str:
    """Law 1 for a cell: every fact in it was known before the row's as_of, since the cell ends no later than as_of; and
    none was disputed before it, for the same reason."""
    return (
        f"{cell}.known_ends <= {row}.as_of_day "
        f"AND ({cell}.disputed_ends IS NULL OR {cell}.disputed_ends > {row}.as_of_day)"
    )


def touch() -> Step:
    """Every activity with the account it reaches, known from the later of its own known_at and its link's.

    A contact whose link has no date reaches nothing, and none does after it was unlinked. A disputed activity
    (disputed_id) has a row for each time in which it is read: known up to disputed_at, and, where `restored`, again
    from then on.
    """
    return "touch", Query(f"""
        WITH by_identity AS (
            SELECT identity_id, arg_min(account_id, (linked_at, account_id)) AS account_id, min(linked_at) AS linked_at
            FROM identities GROUP BY identity_id
        ), disputed AS (
            SELECT fact_id, disputed_at, restored_at,
                   lead(disputed_at) OVER (PARTITION BY fact_id ORDER BY disputed_at) AS next_at
            FROM disputes WHERE table_name = 'activities'
        ), readable AS (
            SELECT fact_id, NULL AS from_at, min(disputed_at) AS until_at FROM disputed GROUP BY fact_id
            UNION ALL
            SELECT fact_id, restored_at, next_at FROM disputed WHERE restored_at IS NOT NULL
        ), reached AS (
            SELECT a.occurred_at, a.channel, a.kind, a.initiator, a.value,
                   x.fact_id AS disputed_id, x.from_at AS restored_at, x.until_at AS disputed_at,
                   coalesce(a.account_id, c.account_id, l.account_id, i.account_id, d.account_id) AS account_id,
                   CASE WHEN a.account_id IS NOT NULL THEN a.known_at
                        WHEN c.account_id IS NOT NULL THEN CASE
                            WHEN coalesce(c.linked_at, c.created_at) IS NOT NULL
                                 AND (c.unlinked_at IS NULL OR a.occurred_at < c.unlinked_at)
                            THEN greatest(a.known_at, coalesce(c.linked_at, c.created_at)) END
                        WHEN l.account_id IS NOT NULL THEN greatest(a.known_at, l.from_at)
                        WHEN i.account_id IS NOT NULL THEN greatest(a.known_at, i.linked_at)
                        ELSE greatest(a.known_at, d.from_at) END AS known_at,
                   c.contact_id, coalesce(c.linked_at, c.created_at) AS contact_linked_at, c.unlinked_at
            FROM activities a
            LEFT JOIN readable x ON x.fact_id = a.activity_id
            LEFT JOIN contacts c ON c.contact_id = a.contact_id
            LEFT JOIN lead_links l ON l.lead_id = a.lead_id AND a.account_id IS NULL AND c.account_id IS NULL
                 AND (l.until_at IS NULL OR a.known_at < l.until_at)
            LEFT JOIN by_identity i ON i.identity_id = a.identity_id
            LEFT JOIN claims d ON d.domain = {bare_domain("a.domain")} AND a.account_id IS NULL
                 AND c.account_id IS NULL AND l.account_id IS NULL AND i.account_id IS NULL
                 AND (d.until_at IS NULL OR greatest(a.known_at, d.from_at) < d.until_at)
            WHERE a.noise IS NULL
        )
        SELECT account_id, occurred_at, greatest(known_at, restored_at) AS known_at, disputed_at, disputed_id,
               restored_at IS NOT NULL AS restored, channel, kind, initiator, value,
               CASE WHEN unlinked_at <= occurred_at OR contact_linked_at IS NULL THEN NULL ELSE contact_id END
                   AS contact_id,
               contact_linked_at
        FROM reached WHERE account_id IS NOT NULL AND reached.known_at IS NOT NULL
    """)


def signals(signal: Signals) -> Step:
    """The activities that count as signal or trigger, with their days counted in each account's own phase."""
    params: dict[str, object] = {"initiators": list(signal.initiators), "triggers": list(signal.triggers)}
    counted = []
    for n, (name, channel) in enumerate(signal.channels.items()):
        params[f"channel_{n}"] = name
        test = f"t.channel = $channel_{n}"
        if channel.tracked_from is not None:
            params[f"from_{n}"] = channel.tracked_from
            test += f" AND t.occurred_at >= $from_{n}"
        counted.append(f"({test})")
    is_signal = " OR ".join(counted) or "FALSE"
    if signal.objections:
        params["objections"] = list(signal.objections)
        is_signal = f"({is_signal}) AND NOT coalesce(list_contains($objections, t.kind), FALSE)"
    day = f"(epoch_us({{}}) - p.phase) // {DAY_US}"
    return "signals", Query(
        f"""
        WITH phases AS (SELECT DISTINCT account_id, phase FROM spine)
        SELECT t.account_id, t.contact_id, t.channel, t.kind, t.value, t.occurred_at,
               {day.format("t.occurred_at")} AS occurred_day,
               {day.format("t.known_at")} AS known_day,
               {day.format("greatest(t.known_at, t.contact_linked_at)")} AS contact_known_day,
               {day.format("t.disputed_at")} AS disputed_day,
               coalesce({is_signal}, FALSE) AS is_signal
        FROM touch t JOIN phases p ON p.account_id = t.account_id
        WHERE list_contains($initiators, t.initiator)
          AND (coalesce({is_signal}, FALSE) OR list_contains($triggers, t.kind))
        """,
        params,
    )


def _segments(window: bool) -> str:
    """CTEs that give each day the segment between two neighbouring edges in which it lies: [starts, ends)."""
    before = "UNION SELECT as_of_day - $window FROM spine" if window else ""
    return f"""
        edges AS (SELECT as_of_day AS day FROM spine {before}),
        days AS (SELECT occurred_day AS day FROM signals UNION SELECT known_day FROM signals
                 UNION SELECT contact_known_day FROM signals
                 UNION SELECT disputed_day FROM signals WHERE disputed_day IS NOT NULL),
        marked AS (SELECT day, max(edge) AS edge FROM (
            SELECT day, 0 AS edge FROM days UNION ALL SELECT day, 1 FROM edges) GROUP BY day),
        segment AS (
            SELECT day,
                   max(CASE WHEN edge = 1 THEN day END)
                       OVER (ORDER BY day ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS starts,
                   min(CASE WHEN edge = 1 THEN day END)
                       OVER (ORDER BY day ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS ends
            FROM marked)
    """


def _known() -> str:
    """Until when nothing of a cell is known, and from when all of it is disputed (null: never)."""
    return "k.ends AS known_ends, d.ends AS disputed_ends"


def _knowing(known_day: str = "known_day") -> str:
    """The segments in which a signal became known, and was disputed."""
    return f"JOIN segment k ON k.day = g.{known_day} LEFT JOIN segment d ON d.day = g.disputed_day"


def _rolled(table: str, cells: str, columns: str, params: dict[str, object], *, window: bool = True) -> Step:
    """Cells of activities, rolled up to the rows of the spine whose window they lie in and that may know them."""
    inside = "AND c.starts >= s.as_of_day - $window" if window else ""
    return table, Query(
        f"""
        WITH {_segments(window)}, cells AS ({cells})
        SELECT s.account_id, s.as_of, {columns}
        FROM spine s JOIN cells c ON c.account_id = s.account_id AND {admitted()} {inside}
        GROUP BY s.account_id, s.as_of
        """,
        params,
    )


def _picked(plan: Plan, params: dict[str, object], *, kinds: bool) -> dict[str, str]:
    """For each measure (those of single kinds too, if asked) the test that picks it; its values go to `params`."""
    tests = {}
    for n, (measure, (channel, kind)) in enumerate(measures(plan).items()):
        if kind is not None and not kinds:
            continue
        test = "g.is_signal"
        if channel is not None:
            params[f"c{n}"] = channel
            test += f" AND g.channel = $c{n}"
        if kind is not None:
            params[f"k{n}"] = kind
            test += f" AND g.kind = $k{n}"
        tests[measure] = test
    return tests


def _counts(plan: Plan, window: int) -> Step:
    """Counts by measure, sums of value and trigger events over one window."""
    params: dict[str, object] = {"window": window}
    sums = {m: f"count(*) FILTER (WHERE {test})" for m, test in _picked(plan, params, kinds=True).items()}
    for n, kind in enumerate(plan.features.signal.value_of):
        params[f"v{n}"] = kind
        sums[f"{slug(kind)}_value"] = (
            f"sum(CAST(g.value AS DECIMAL(18, 4))) FILTER (WHERE g.is_signal AND g.kind = $v{n})"
        )
    for n, kind in enumerate(plan.features.signal.triggers):
        params[f"t{n}"] = kind
        sums[f"trigger_{slug(kind)}"] = f"count(*) FILTER (WHERE g.kind = $t{n})"
    cells = f"""
        SELECT g.account_id, o.starts, {_known()}, {", ".join(f"{e} AS {m}" for m, e in sums.items())}
        FROM signals g JOIN segment o ON o.day = g.occurred_day {_knowing()}
        GROUP BY g.account_id, o.starts, k.ends, d.ends
    """
    return _rolled(
        f"counts_{window}d", cells, ", ".join(f"CAST(sum(c.{m}) AS DOUBLE) AS {m}_{window}d" for m in sums), params
    )


def _distinct(column: str, known_day: str, window: int) -> Step:
    """How many distinct contacts, or channels, had a signal in one window."""
    cells = f"""
        SELECT DISTINCT g.account_id, g.{column}, o.starts, {_known()}
        FROM signals g JOIN segment o ON o.day = g.occurred_day {_knowing(known_day)}
        WHERE g.is_signal
    """
    name = f"{column.removesuffix('_id')}s_{window}d"
    return _rolled(name, cells, f"CAST(count(DISTINCT c.{column}) AS DOUBLE) AS {name}", {"window": window})


def _decayed(plan: Plan) -> Step:
    """Exponentially decayed sums: each activity weighs 0.5 ^ (days ago / half-life); fixed point, so exactly
    added; said to 0.01, below which nothing is left of an activity."""
    params: dict[str, object] = {}
    tests = _picked(plan, params, kinds=False)
    inner, outer = [], []
    for h in plan.features.signal.half_lives_days:
        params[f"h{h}"] = float(h)
        weight = f"CAST(pow(0.5, (k.ends - g.occurred_day) / $h{h}) AS DECIMAL(18, 12))"
        for m, test in tests.items():
            inner.append(f"sum({weight}) FILTER (WHERE {test}) AS {m}_{h}")
            fade = f"CAST(c.{m}_{h} AS DOUBLE) * pow(0.5, (s.as_of_day - c.known_ends) / $h{h})"
            outer.append(
                f"CAST(CAST(sum(CAST({fade} AS DECIMAL(18, 9))) AS DECIMAL(18, 2)) AS DOUBLE) AS {m}_decayed_{h}d"
            )
    cells = f"""
        SELECT g.account_id, {_known()}, {", ".join(inner)}
        FROM signals g {_knowing()}
        GROUP BY g.account_id, k.ends, d.ends
    """
    return _rolled("decayed", cells, ", ".join(outer), params, window=False)


def recency(plan: Plan) -> Step:
    """Days since the last known activity, by measure; and when that was."""
    params: dict[str, object] = {}
    tests = _picked(plan, params, kinds=False)
    inner = ", ".join(f"max(g.occurred_at) FILTER (WHERE {t}) AS {m}_last" for m, t in tests.items())
    outer = ", ".join(
        f"(epoch_us(any_value(s.as_of)) - epoch_us(max(c.{m}_last))) / {float(DAY_US)} AS {m}_days_since" for m in tests
    )
    cells = f"""
        SELECT g.account_id, {_known()}, {inner}
        FROM signals g {_knowing()}
        GROUP BY g.account_id, k.ends, d.ends
    """
    return _rolled("recency", cells, f"max(c.signals_last) AS last_occurred, {outer}", params, window=False)


def _roles(plan: Plan) -> Step:
    """Which roles of the buying group acted within its window, and whether any contact's role is known."""
    group = plan.features.signal.buying_group
    params: dict[str, object] = {"window": group.window_days, "roles": list(group.roles)}
    return "roles", Query(
        f"""
        WITH {_segments(True)}, cells AS (
            SELECT DISTINCT g.account_id, g.contact_id, o.starts, {_known()}
            FROM signals g JOIN segment o ON o.day = g.occurred_day {_knowing("contact_known_day")}
            WHERE g.is_signal AND g.contact_id IS NOT NULL
        ), acted AS (
            SELECT DISTINCT s.account_id, s.as_of, c.contact_id
            FROM spine s JOIN cells c
                 ON c.account_id = s.account_id AND {admitted()} AND c.starts >= s.as_of_day - $window
        )
        SELECT r.account_id, r.as_of, TRUE AS any_role,
               coalesce(list_sort(list(DISTINCT r.role) FILTER (
                   WHERE a.contact_id IS NOT NULL AND list_contains($roles, r.role))), []) AS roles
        FROM contact_roles r
        LEFT JOIN acted a ON a.account_id = r.account_id AND a.as_of = r.as_of AND a.contact_id = r.contact_id
        WHERE r.role IS NOT NULL
        GROUP BY r.account_id, r.as_of
        """,
        params,
    )


def window_days(plan: Plan) -> list[int]:
    """Every window for which activities are counted: the plan's, the policy's, and the double ones of trends."""
    signal = plan.features.signal
    triggers = (30, 90) if signal.triggers else ()
    return sorted({*signal.windows_days, *POLICY_WINDOWS, *(2 * w for w in trend_windows(plan)), *triggers})


def contact_days(plan: Plan) -> list[int]:
    """Every window for which distinct contacts are counted; the policy reads 7 days."""
    return sorted({*contact_windows(plan), 7})


def rolled_up(plan: Plan) -> list[Step]:
    """All the steps that need the spine and the signals."""
    steps = [_counts(plan, w) for w in window_days(plan)]
    steps += [_distinct("contact_id", "contact_known_day", w) for w in contact_days(plan)]
    steps.append(_distinct("channel", "known_day", 7))
    return [*steps, _decayed(plan), recency(plan), _roles(plan)]


def tracked_days(signal: Signals) -> dict[str, int | None]:
    """Channel -> the day (since 1970) from which it was tracked; None if the plan says nothing."""

    def day(value: date | None) -> int | None:
        return None if value is None else value.toordinal() - 719_163

    return {name: day(c.tracked_from) for name, c in signal.channels.items()}


def newest_tracked(signal: Signals, channels: Sequence[str]) -> int | None:
    """The day from which all these channels were tracked."""
    days = [d for name, d in tracked_days(signal).items() if name in channels and d is not None]
    return max(days) if days else None
