"""What the CRM sinks share: who gets which receipt, whatever the vendor."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from tierwise.routing.sinks.crm_changes import Change
from tierwise.routing.sinks.crm_fields import Fit
from tierwise.routing.sinks.crm_http import Answer, Stop
from tierwise.routing.sinks.sink import Letter, Receipt
from tierwise.store.told_accounts import NO_ACCOUNT, NOTHING_WRITTEN

T = TypeVar("T")
Receipts = dict[str, Receipt]
_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)
"""What `check` calls now: it schedules nothing."""


class CrmSink(ABC):
    """A CRM: reads what it holds, writes what differs, and says of each letter what became of it."""

    name: str
    most: int

    def send(self, letters: Sequence[Letter], at: datetime) -> Sequence[Receipt]:
        """Offer accounts' new values, and say what became of each letter, in their order.

        What a person changed in the CRM since the last delivery is left as it is, and named in the receipt.
        """
        receipts: Receipts = {}
        begun = False
        try:
            changes = self._changes(letters, at, receipts)
            begun = True
            self._write(changes, at, receipts)
        except Stop as stop:
            for letter in letters:
                receipts.setdefault(letter.letter_id, stopped(letter, stop, written=begun))
        return [receipts[letter.letter_id] for letter in letters]

    def preview(self, letters: Sequence[Letter], at: datetime) -> Sequence[str]:
        """What `send` would write, a line for each letter; the CRM is read and nothing is changed."""
        receipts: Receipts = {}
        try:
            lines = {change.letter.letter_id: change.preview for change in self._changes(letters, at, receipts)}
        except Stop as stop:
            return [f"{letter.account_id}: {stop.said}" for letter in letters]
        told = {letter_id: receipt.said for letter_id, receipt in receipts.items()}
        return [lines.get(one.letter_id) or f"{one.account_id}: {told[one.letter_id]}" for one in letters]

    def takes(self, account_id: str) -> bool:
        """Whether an account's id can be one of this CRM; a letter of any other would be dead."""
        return self._account(account_id) is not None

    def check(self) -> Sequence[str]:
        """What is wrong with the settings, held against the CRM's own metadata; a missing field is named."""
        try:
            found = self._fit(_NO_TIME)
        except Stop as stop:
            return [stop.said]
        return [*found.stops, *found.spoils]

    def _changes(self, letters: Sequence[Letter], at: datetime, receipts: Receipts) -> Sequence[Change]:
        """What is to be written of each account; letters that cannot go have a receipt instead."""
        stops = self._fit(at).stops
        if stops:
            more = f" (and {len(stops) - 1} more)" if len(stops) > 1 else ""
            raise Stop(f"{stops[0]}{more}; `tierwise deliver --check` lists what to mend", of_receiver=True)
        first: dict[str, Letter] = {}
        for letter in letters:
            account = self._account(letter.account_id)
            if account is None:
                said = f"'{letter.account_id[:40]}' is no id of {self._of}; {NO_ACCOUNT}"
                receipts[letter.letter_id] = Receipt(letter.letter_id, "dead", said)
            elif first.setdefault(account, letter) is not letter:
                said = f"another letter of this account went first; {NOTHING_WRITTEN}"
                receipts[letter.letter_id] = Receipt(letter.letter_id, "later", said)
        held = self._read(list(first), at) if first else {}
        changes = []
        for account, letter in first.items():
            if account not in held:
                said = f"{self._of} has no account {account}, or this user may not see it; {NO_ACCOUNT}"
                receipts[letter.letter_id] = Receipt(letter.letter_id, "dead", said)
            else:
                changes.append(self._change(letter, account, held[account]))
        return changes

    @property
    @abstractmethod
    def _of(self) -> str:
        """Whose CRM it is."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the connections."""

    @abstractmethod
    def _fit(self, at: datetime) -> Fit:
        """The configured fields against the metadata; raises Stop where these cannot be read."""

    @abstractmethod
    def _account(self, account_id: str) -> str | None:
        """The account's id as results are matched by it; None where it can be no id of this CRM."""

    @abstractmethod
    def _read(self, accounts: Sequence[str], at: datetime) -> Mapping[str, Mapping[str, Any]]:
        """What the CRM holds in our fields, by account; without those it does not have."""

    @abstractmethod
    def _change(self, letter: Letter, account: str, held: Mapping[str, Any]) -> Change:
        """What is to be written of one account."""

    @abstractmethod
    def _write(self, changes: Sequence[Change], at: datetime, receipts: Receipts) -> None:
        """Write, and give each change a receipt; raises Stop for those it gave none."""


def stopped(letter: Letter, stop: Stop, *, written: bool) -> Receipt:
    """The receipt of a letter that went no further; written: whether anything of it may have been."""
    said = stop.said if written else told(stop.said, NOTHING_WRITTEN)
    return Receipt(letter.letter_id, "later", said, stop.wait_seconds, stop.of_receiver)


def told(*parts: str) -> str:
    """What there is to say, joined."""
    return "; ".join(part for part in parts if part)


def understood(answer: Answer, parse: Callable[[Any], T]) -> T:
    """What a JSON answer says; raises Stop where it is not in its documented form."""
    try:
        return parse(answer.json())
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        said = f"{answer.of} answered {answer.status} in a form that its documentation does not have"
        raise Stop(said) from None
