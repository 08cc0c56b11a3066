"""A policy.yaml with some of its rules changed, and all else, its comments too, as people wrote it."""

from __future__ import annotations

import difflib
from typing import Any

from tierwise.config.policy import Policy, TierRow
from tierwise.config.yaml_splice import Edit, add_items, append, child, compose, drop_items, lines_of, set_keys, spliced

CHANGED = (("bands", "fit"), ("bands", "signal"), ("time_in_tier",))
"""The parts whose numbers a proposal may change; besides them it may change rows, and take the surge out."""


def policy_changes(present: Policy, proposed: Policy) -> dict[tuple[str, ...], float]:
    """The numbers that a proposed policy says elsewise: path of keys in policy.yaml -> value."""
    found: dict[tuple[str, ...], float] = {}
    for path in CHANGED:
        was, now = _at(present, path), _at(proposed, path)
        for name, value in now.model_dump().items():
            if value != getattr(was, name):
                found[(*path, name)] = int(value) if float(value).is_integer() else value
    return found


def _at(policy: Policy, path: tuple[str, ...]) -> Any:
    part: Any = policy
    for key in path:
        part = getattr(part, key)
    return part


def proposed_text(text: str, present: Policy, proposed: Policy) -> str:
    """The text of a policy.yaml, read as `present`, changed so that it reads as `proposed`; no other line changes.

    The two may differ in the parts that CHANGED names, in rows, and in the surge, which may go. A value that the text
    has by an alias is changed where it is anchored, so that the text may then read as another policy than the proposed
    one.
    """
    changes: dict[str, Any] = {}
    for path, value in policy_changes(present, proposed).items():
        part = changes
        for key in path[:-1]:
            part = part.setdefault(key, {})
        part[path[-1]] = value
    if proposed.surge is None and present.surge is not None:
        changes["surge"] = None
    root = compose(text)
    rows = None if root is None else child(root, "rows")
    if rows is None and present.rows != proposed.rows:
        changes["rows"] = [_written(row) for row in proposed.rows]
    if root is None:
        return append(text, lines_of(changes)) if changes else text
    edits = set_keys(text, root, changes)
    return spliced(text, edits if rows is None else [*edits, *_row_edits(text, rows, present, proposed)])


def _row_edits(text: str, rows: Any, present: Policy, proposed: Policy) -> list[Edit]:
    """The rows that go, those that change, and those that come, each behind the one that it follows."""
    before = {row.row: (place, row) for place, row in enumerate(present.rows)}
    kept = {row.row for row in proposed.rows}
    edits = drop_items(text, rows, [place for name, (place, _) in before.items() if name not in kept])
    after: int | None = None
    come: dict[int | None, list[dict[str, Any]]] = {}
    for row in proposed.rows:
        if row.row not in before:
            come.setdefault(after, []).append(_written(row))
            continue
        after, was = before[row.row]
        old, new = was.model_dump(mode="json"), row.model_dump(mode="json")
        changed = {name: value for name, value in new.items() if value != old[name]}
        edits += set_keys(text, rows.value[after], changed) if changed else []
    return [*edits, *(edit for place, items in come.items() for edit in add_items(text, rows, place, items))]


def _written(row: TierRow) -> dict[str, Any]:
    return row.model_dump(mode="json", exclude_defaults=True)


def policy_diff(before: str, after: str, file: str) -> str:
    """The lines that differ, as a unified diff; empty where none does."""
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), file, f"{file} (proposed)"
    )
    return "".join(lines)


def spoken_changes(present: Policy, proposed: Policy) -> list[dict[str, str]]:
    """What changes, a line each: what, was, now."""
    lines = [
        {"what": ".".join(path), "was": f"{getattr(_at(present, path[:-1]), path[-1]):g}", "now": f"{value:g}"}
        for path, value in policy_changes(present, proposed).items()
    ]
    if proposed.surge is None and present.surge is not None:
        lines.append({"what": "surge", "was": f"a lift for {present.surge.days} days", "now": "none"})
    before, after = ({row.row: row for row in policy.rows} for policy in (present, proposed))
    for name in dict.fromkeys([*before, *after]):
        if before.get(name) != after.get(name):
            was, now = (_asks(rows[name]) if name in rows else "none" for rows in (before, after))
            lines.append({"what": f"row {name}", "was": was, "now": now})
    return lines


def _asks(row: TierRow) -> str:
    """What a row asks for: `tier_2: fit high, signal moderate`."""
    asked = row.model_dump(mode="json", exclude_defaults=True, exclude={"row", "tier", "least"})
    said = [f"{name} {value}" for name, value in asked.items()]
    said += [f"{name} from {least:g}" for name, least in row.least.items()]
    return f"{row.tier}: " + (", ".join(said) or "everyone")
