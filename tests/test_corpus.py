"""A corpus of bad inputs: each with its expected verdict and code, no traceback, and counts that add up."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest

from corpus_base import base
from corpus_cases import CASES, Case, Files
from tierwise.config import Formats, Settings
from tierwise.data import Inspection, inspect_tables
from tierwise.data.sources.files import list_tables

MAIN = {"accounts.csv", "contacts.csv", "activities.csv", "opportunities.csv", "fx_rates.csv"}


def seen(case: Case, at: Path, tables: Collection[str] = MAIN) -> Inspection:
    """The export with one spoilt place, as it is read: some tables, and of the others those that the case changes."""
    whole = {name: content.encode() for name, content in base().items()}
    files: Files = dict(whole)
    case.spoil(files)
    for name, content in files.items():
        if content is not None and (name in tables or content != whole.get(name)):
            (at / name).write_bytes(content)
    listing = list_tables(at, "tables", Formats.model_validate(case.formats))
    return inspect_tables([listing], Settings.model_validate({"threads": 1, **case.settings}))


def test_the_export_in_which_nothing_is_wrong_is_read_in_silence(tmp_path: Path) -> None:
    found = seen(Case("nothing", lambda _files: None, "read"), tmp_path, base().keys())
    assert found.findings == ()
    assert len(found.quarantine) == 0


def test_every_case_has_a_name_of_its_own() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 150


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_bad_input_gets_its_verdict(case: Case, tmp_path: Path) -> None:
    found = seen(case, tmp_path)
    counts, quarantine = found.counts, found.quarantine
    assert (counts["read"] == counts["accepted"] + counts["quarantined"] + counts["refused"]).all()
    if case.verdict == "refused":
        assert any(case.says in finding for finding in found.findings), found.findings
        return
    assert found.findings == ()
    assert len(quarantine) == counts["quarantined"].sum() == (case.rows if case.verdict == "quarantined" else 0)
    if case.verdict == "quarantined":
        assert not case.says or set(quarantine["code"]) == {case.says}
        assert (quarantine["line"] > 0).all()
        assert (quarantine["reason"].str.len() > 0).all()
    if case.verdict == "noted":
        assert any(case.says in note for note in found.notes), found.notes
