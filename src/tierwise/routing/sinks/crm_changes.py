"""What is to be written of one account: only what differs, and never over what a person changed by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tierwise.config.sinks_crm import CRM_NAMES, STAMPS, as_told
from tierwise.routing.sinks.crm_values import TIER_NAMES, CrmField, quoted, same, shown, written
from tierwise.routing.sinks.sink import Letter

LAST, TRIED = "_last", "_tried"
"""Keys of a letter's body: the values last delivered to this sink; and, as a list, those offered since of which no
answer came, so that the CRM may hold either."""


@dataclass(frozen=True)
class Change:
    """One account's part of a delivery.

    cells: what is written, by the CRM's field; None empties a field. kept: what was left to whoever wrote it. words:
    what is written, in words.
    """

    letter: Letter
    account_id: str
    cells: Mapping[str, str | None]
    kept: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    @property
    def said(self) -> str:
        """What was kept, for the receipt."""
        return f"kept: {'; '.join(self.kept)}" if self.kept else ""

    @property
    def preview(self) -> str:
        """What would be written, in words."""
        told = "; ".join(self.words) or "nothing to write"
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
    words: list[str] = []
    for name, field_name in wanted.items():
        field, now = there[field_name], held.get(field_name)
        new = written(name, letter.body.get(name), field)
        if same(now, new, field):
            continue
        ours = _ours(letter, name, field)
        if ours is None and not overwrite_first and not same(now, None, field):
            kept.append(f"{field_name} held {shown(now, field)} before the first delivery ({_first(now)})")
        elif ours is None or any(same(now, text, field) for text in ours):
            cells[field_name] = new
            words.append(f"{field_name} {shown(now, field)} -> {quoted(new, field)}")
        else:
            kept.append(f"{field_name} was changed by hand{_whose(now)} to {shown(now, field)}")
    return Change(letter, account_id, cells, tuple(kept), tuple(words))


def is_news(letter: Letter) -> bool:
    """Whether a letter tells something that its sink was not told before: a tier or a value, as the CRM gets them."""
    last = letter.body.get(LAST)
    if not isinstance(last, Mapping):
        return True
    now = _core(letter.body)
    return any(_core(one) != now for one in (last, *(letter.body.get(TRIED) or ())))


def _core(body: Mapping[str, Any]) -> dict[str, Any]:
    return as_told({name: value for name, value in body.items() if name in CRM_NAMES and name not in STAMPS})


def _first(held: Any) -> str:
    """Why a field that nothing was delivered to is left, and what to do about it."""
    if held in TIER_NAMES:
        return "perhaps by another plan: name the plans of each sink, and give each plan a field of its own"
    return "see overwrite_first"


def _whose(held: Any) -> str:
    return ", or by another plan," if held in TIER_NAMES else ""


def _ours(letter: Letter, name: str, field: CrmField) -> Sequence[str | None] | None:
    """What tierwise may have written into a field before; None where nothing was ever delivered there."""
    last, tried = letter.body.get(LAST), letter.body.get(TRIED) or ()
    known = [body for body in (last, *tried) if isinstance(body, Mapping) and name in body]
    if not known:
        return None
    texts = [written(name, body[name], field) for body in known]
    return texts if isinstance(last, Mapping) and name in last else [*texts, None]
