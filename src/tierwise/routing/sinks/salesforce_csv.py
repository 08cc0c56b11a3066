"""The rows of the Salesforce sink as files in a folder, for a loader of the user's own."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from tierwise.clock import naive
from tierwise.config.sinks_crm import SalesforceCsvSink
from tierwise.disk import make_folder, point
from tierwise.plain import safe_cell
from tierwise.routing.sinks import salesforce_payload as payload
from tierwise.routing.sinks.crm_changes import is_news
from tierwise.routing.sinks.crm_values import CrmField, Kind, written
from tierwise.routing.sinks.salesforce import history_fields
from tierwise.routing.sinks.sink import Letter, Receipt
from tierwise.store.told_accounts import NO_ACCOUNT

_NUMBERS = ("account_score", "fit_score", "signal_score", "propensity")
_LONGEST_TEXT = 255


class SalesforceCsv:
    """The sink of kind salesforce_csv: one file of accounts a delivery, and one of history where it is configured.

    The files' names sort as they were written, so that a loader that takes them in that order ends at the newest
    values; a second delivery makes second files of the same rows, which change nothing. The CRM is not read: a loader
    of these files writes over what a person changed. Texts that a spreadsheet would run get a quote in front.
    """

    most = 50_000

    def __init__(self, settings: SalesforceCsvSink, workspace: Path) -> None:
        self.name = settings.name
        self._settings, self._folder = settings, workspace / settings.folder

    def takes(self, account_id: str) -> bool:
        """Whether an account's id can be one of Salesforce."""
        return payload.ACCOUNT_ID.match(account_id) is not None

    def send(self, letters: Sequence[Letter], at: datetime) -> Sequence[Receipt]:
        """Write the letters' rows; each is delivered once its file is there whole."""
        good = [letter for letter in letters if self.takes(letter.account_id)]
        said = f"is no id of Salesforce; {NO_ACCOUNT}"
        receipts = {one.letter_id: Receipt(one.letter_id, "dead", f"'{one.account_id[:40]}' {said}") for one in letters}
        if good:
            name, news = file_name(good, at), [letter for letter in good if is_news(letter)]
            files = {f"{name}.csv": self._rows(good, {"account_id": "Id", **self._settings.wanted})}
            if self._settings.history is not None and news:
                files[f"{name}-history.csv"] = self._rows(news, history_fields(self._settings.history))
            try:
                make_folder(self._folder)
                for file, content in files.items():
                    point(self._folder / file, content.decode(), self._folder / f".{file}.new")
            except OSError as error:
                trouble = f"{self._folder} cannot be written: {error.strerror}"
                receipts |= {one.letter_id: Receipt(one.letter_id, "later", trouble, of_receiver=True) for one in good}
            else:
                where = ", ".join(files)
                receipts |= {one.letter_id: Receipt(one.letter_id, "delivered", f"in {where}") for one in good}
        return [receipts[letter.letter_id] for letter in letters]

    def check(self) -> Sequence[str]:
        """Whether the folder can be written; what fields Salesforce has is not known here."""
        there = next(folder for folder in (self._folder, *self._folder.parents) if folder.exists())
        if not there.is_dir() or not os.access(there, os.W_OK):
            return [f"the folder {self._folder} cannot be written: {there} is no folder that this user may write"]
        return []

    def close(self) -> None:
        """Nothing is held open."""

    def _rows(self, letters: Sequence[Letter], named: dict[str, str]) -> bytes:
        rows = [[_cell(letter, name, column) for name, column in named.items()] for letter in letters]
        return payload.bulk_csv(list(named.values()), rows)


def file_name(letters: Sequence[Letter], at: datetime) -> str:
    """`<when it is written, in UTC, to the microsecond>-<plan>-<as_of's date>-<hash of the letters' ids>`, without an
    ending."""
    ids = hashlib.sha256("\n".join(sorted(letter.letter_id for letter in letters)).encode()).hexdigest()
    return f"{naive(at):%Y%m%dT%H%M%S.%fZ}-{letters[0].plan}-{letters[0].as_of:%Y-%m-%d}-{ids[:12]}"


def _cell(letter: Letter, name: str, column: str) -> str:
    kind: Kind = "number" if name in _NUMBERS else "text"
    length = _LONGEST_TEXT if kind == "text" else None
    keys = {"letter_id": letter.letter_id, "account_id": letter.account_id}
    text = written(name, keys.get(name, letter.body.get(name)), CrmField(column, kind, kind, length=length))
    if text is None or kind == "number":
        return payload.cell(text)
    return safe_cell(payload.cell(text))
