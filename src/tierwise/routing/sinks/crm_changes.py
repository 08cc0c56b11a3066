"""What is to be written of one account: only what differs, and never over what a person changed by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tierwise.routing.sinks.crm_values import CrmField, same, shown, written
from tierwise.routing.sinks.sink import Letter

LAST, TRIED = "_last", "_tried"
"""Keys of a letter's body: the values last delivered to this sink; and, as a list, those offered since of which no
answer came, so that the CRM may hold either."""


@dataclass(frozen=True)
class Change:
    """One account's part of a delivery.

    cells: what is written, by the CRM's field; None empties a field. kept: what was left to the person who wrote it.
    held: what the CRM holds in the fields that are written.
    """

    letter: Letter
    account_id: str
    cells: Mapping[str, str | None]
    kept: tuple[str, ...] = ()
    held: Mapping[str, Any] | None = None

    @property
    def said(self) -> str:
        """What was kept, for the receipt."""
        return f"kept: {'; '.join(self.kept)}" if self.kept else ""

    @property
    def preview(self) -> str:
        """What would be written, in words."""
        held = self.held or {}
        parts = [f"{name} {shown(held.get(name))} -> {shown(text)}" for name, text in self.cells.items()]
        told = "; ".join(parts) or "nothing to write"
        return f"{self.account_id}: {told}" + (f"; {self.said}" if self.kept else "")


def change(
    letter: Letter,
    account_id: str,
    wanted: Mapping[str, str],
    there: Mapping[str, CrmField],
    held: Mapping[str, Any],
    overwrite_first: bool,
) -> Change:
    """Hold a letter against what the CRM holds.

    Parameters
    ----------
    wanted : the CRM's fields by tierwise's names.
    there : the CRM's fields as its metadata describe them.
    held : the CRM's own values, by its fields.
    overwrite_first : whether a field of which nothing was delivered before is written though it holds something.
    """
    cells: dict[str, str | None] = {}
    kept: list[str] = []
    for name, field_name in wanted.items():
        field, now = there[field_name], held.get(field_name)
        new = written(name, letter.body.get(name), field)
        if same(now, new, field):
            continue
        ours = _ours(letter, name, field)
        if ours is None:
            if overwrite_first or same(now, None, field):
                cells[field_name] = new
            else:
                kept.append(f"{field_name} held {shown(now)} before the first delivery (see overwrite_first)")
        elif any(same(now, text, field) for text in ours):
            cells[field_name] = new
        else:
            kept.append(f"{field_name} was changed by hand to {shown(now)}")
    return Change(letter, account_id, cells, tuple(kept), {name: held.get(name) for name in cells})


def _ours(letter: Letter, name: str, field: CrmField) -> Sequence[str | None] | None:
    """What tierwise may have written into a field before; None where nothing was ever delivered there."""
    last, tried = letter.body.get(LAST), letter.body.get(TRIED) or ()
    known = [body for body in (last, *tried) if isinstance(body, Mapping) and name in body]
    if not known:
        return None
    texts = [written(name, body[name], field) for body in known]
    return texts if isinstance(last, Mapping) and name in last else [*texts, None]
