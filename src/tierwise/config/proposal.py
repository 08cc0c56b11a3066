"""A policy.yaml with some of its rules changed, and all else, its comments too, as people wrote it."""

from __future__ import annotations

import difflib
from io import StringIO
from typing import TYPE_CHECKING, Any

from tierwise.config.policy import Policy, TierRow

if TYPE_CHECKING:
    from ruamel.yaml.comments import CommentedMap

CHANGED = (("bands", "fit"), ("bands", "signal"), ("time_in_tier",))
"""The parts whose numbers a proposal may change; besides them it may change rows."""


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
    """The text of a policy.yaml, read as `present`, changed so that it reads as `proposed`.

    The two may differ in the parts that CHANGED names and in rows only.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap

    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    loaded = yaml.load(text)
    document = CommentedMap() if loaded is None else loaded
    for path, value in policy_changes(present, proposed).items():
        part = document
        for key in path[:-1]:
            part = part.setdefault(key, CommentedMap())
        part[path[-1]] = value
    if present.rows != proposed.rows:
        _change_rows(document, present, proposed)
    out = StringIO()
    yaml.dump(document, out)
    said = out.getvalue() if document else ""
    if loaded is None:
        said = text + ("\n" if text and not text.endswith("\n") else "") + said
    return said.replace("\n", "\r\n") if "\r\n" in text else said


def _change_rows(document: CommentedMap, present: Policy, proposed: Policy) -> None:
    if "rows" not in document:
        document["rows"] = [_written(row) for row in proposed.rows]
        return
    rows, before = document["rows"], {row.row: row for row in present.rows}
    kept = {row.row for row in proposed.rows}
    for place in reversed(range(len(rows))):
        if rows[place]["row"] not in kept:
            del rows[place]
    for place, row in enumerate(proposed.rows):
        if row.row not in before:
            rows.insert(place, _written(row))
        elif row != before[row.row]:
            for name, value in row.model_dump(mode="json").items():
                if value != before[row.row].model_dump(mode="json")[name]:
                    rows[place][name] = value


def _written(row: TierRow) -> CommentedMap:
    from ruamel.yaml.comments import CommentedMap

    written = CommentedMap(row.model_dump(mode="json", exclude_defaults=True))
    written.fa.set_flow_style()
    return written


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
