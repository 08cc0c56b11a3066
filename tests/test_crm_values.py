"""Values as CRMs hold them: whatever a text holds, it arrives plain, fits, and is known again when it is read back."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_samples import BODY
from tierwise.clock import instant
from tierwise.config.policy import STATUSES, TIERS
from tierwise.publishing.identity import run_id
from tierwise.routing.actions import action_id
from tierwise.routing.sinks import Letter, hubspot_payload, salesforce_payload
from tierwise.routing.sinks.crm_changes import change
from tierwise.routing.sinks.crm_fields import fit
from tierwise.routing.sinks.crm_values import CrmField, cut, one_line, same, shown, written
from tierwise.routing.sinks.hubspot_payload import Input
from tierwise.tiers.words import LONGEST

ANY = st.text(st.characters(), max_size=60)
HOSTILE = st.text(st.sampled_from('=+-@",;\n\r\t\x00\x1b\x7f\u202e\u2028\u200d\u0301\ud800🇩🇪👩💻🏽é #N/A'), max_size=30)
TEXT = st.one_of(ANY, HOSTILE)


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


@given(TEXT, st.integers(0, 40))
def test_a_text_fits_and_holds_nothing_that_steers(text: str, length: int) -> None:
    out = written("why", text, CrmField("f", "text", "string", length=length))
    if out is None:
        return
    assert 0 < units(out) <= length
    assert out == out.strip()
    assert one_line(text).startswith(out)
    assert all(unicodedata.category(c) not in ("Cc", "Cs", "Zl", "Zp") for c in out)
    assert not set(out) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


@given(TEXT)
def test_one_line_is_one_line_for_good(text: str) -> None:
    out = one_line(text)
    assert one_line(out) == out
    assert len(out.splitlines()) <= 1
    out.encode()


@given(TEXT, st.one_of(st.none(), st.integers(1, 40)))
def test_what_was_written_is_known_when_it_is_read(text: str, length: int | None) -> None:
    field = CrmField("f", "text", "string", length=length)
    out = written("why", text, field)
    assert same(out, out, field)
    assert same(f" {out}\r\n" if out else "", out, field)


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=4))
def test_a_bulk_csv_is_read_back_cell_by_cell(rows: list[tuple[str, str]]) -> None:
    field = CrmField("f", "text", "string", length=255)
    cells = [[salesforce_payload.cell(written("why", text, field)) for text in row] for row in rows]
    out = salesforce_payload.bulk_csv(["A__c", "B__c"], cells)
    assert b"\r" not in out
    assert list(csv.reader(io.StringIO(out.decode(), newline=""), strict=True)) == [["A__c", "B__c"], *cells]
    assert len(out.splitlines()) == 1 + len(rows)


@given(TEXT)
def test_a_batch_is_read_back_as_it_was_said(text: str) -> None:
    out = written("why", text, CrmField("f", "text", "string")) or ""
    body = hubspot_payload.write_body([Input("l", "1", {"why": out})])
    assert json.loads(body)["inputs"][0]["properties"] == {"why": out}


WORDS = st.sampled_from([None, "", "a", "b", "c", " a ", "=a"])


@given(WORDS, WORDS, st.none() | WORDS, st.lists(WORDS, max_size=2), st.booleans())
def test_nothing_that_a_person_wrote_is_ever_written_over(
    new: str | None, held: str | None, last: str | None, tried: list[str | None], overwrite: bool
) -> None:
    known = {"_last": {"tier": last}} if last is not None else {}
    body = {"tier": new, **known, "_tried": [{"tier": one} for one in tried]}
    field = CrmField("T__c", "text", "string", length=9)
    asked = Letter("l", "main", "1", instant("2026-03-01"), body)
    out = change(asked, "1", {"tier": "T__c"}, {"T__c": field}, {"T__c": held}, overwrite)
    said = {(one or "").strip() for one in (last, *tried)}
    now, wanted = (held or "").strip(), (new or "").strip()
    first = last is None and not tried
    if now == wanted:
        assert (out.cells, out.kept) == ({}, ())
    elif now in said or (now == "" and last is None) or (first and overwrite):
        assert (out.cells, out.kept) == ({"T__c": wanted or None}, ())
    else:
        assert out.cells == {}
        assert len(out.kept) == 1


@pytest.mark.parametrize(
    ("text", "length", "left"),
    [
        ("abcdef", 3, "abc"),
        ("ab \u00e9", 3, "ab"),
        ("a\U0001f600b", 2, "a"),
        ("e\u0301e\u0301", 3, "e\u0301"),
        ("\U0001f44d\U0001f3fd!", 3, ""),
        ("x\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7", 7, "x\U0001f1e9\U0001f1ea"),
        ("\U0001f469\u200d\U0001f4bb ok", 5, "\U0001f469\u200d\U0001f4bb"),
    ],
)
def test_a_text_is_cut_on_a_whole_character(text: str, length: int, left: str) -> None:
    assert cut(text, length) == left


@pytest.mark.parametrize(
    ("name", "value", "field", "text"),
    [
        ("account_score", 91.25, CrmField("f", "number", "double", decimals=1), "91.3"),
        ("account_score", 91.25, CrmField("f", "number", "double", decimals=0), "91"),
        ("account_score", 91.25, CrmField("f", "number", "number"), "91.3"),
        ("account_score", 91.45, CrmField("f", "number", "double", decimals=0), "91"),
        ("account_score", 100.0, CrmField("f", "number", "double"), "100"),
        ("propensity", 0.2345, CrmField("f", "number", "percent", decimals=2, percent=True), "23.45"),
        ("account_score", 91.25, CrmField("f", "number", "percent", decimals=2, percent=True), "91.3"),
        ("propensity", 1e-9, CrmField("f", "number", "number"), "0"),
        ("propensity", 0.23456, CrmField("f", "number", "number"), "0.2346"),
        ("propensity", 0.23456, CrmField("f", "number", "percent", decimals=4, percent=True), "23.46"),
        ("propensity", -1e-9, CrmField("f", "number", "double", decimals=2), "0"),
        ("propensity", float("nan"), CrmField("f", "number", "number"), None),
        ("propensity", None, CrmField("f", "number", "number"), None),
        ("as_of", "2026-03-01T00:00:00Z", CrmField("f", "date", "date"), "2026-03-01"),
        ("as_of", "2026-03-01T23:30:00-05:00", CrmField("f", "date", "date"), "2026-03-02"),
        ("as_of", "2026-03-01", CrmField("f", "datetime", "datetime"), "2026-03-01T00:00:00Z"),
        ("as_of", "soon", CrmField("f", "date", "date"), None),
    ],
)
def test_numbers_and_days(name: str, value: object, field: CrmField, text: str | None) -> None:
    assert written(name, value, field) == text


@pytest.mark.parametrize(
    ("held", "text", "kind"),
    [
        ("2026-03-01T00:00:00.000+0000", "2026-03-01T00:00:00.000Z", "datetime"),
        ("1772323200000", "2026-03-01", "date"),
        (91.3, "91.3", "number"),
        ("91.30", "91.3", "number"),
        ("001xx000003DGb1AAG", "001xx000003DGb1", "reference"),
        ("", None, "text"),
    ],
)
def test_a_vendors_own_form_is_the_same_value(held: object, text: str | None, kind: str) -> None:
    assert same(held, text, CrmField("f", kind, kind))  # type: ignore[arg-type]


TEXT_FIELD = CrmField("f", "text", "string")


@pytest.mark.parametrize(
    ("held", "field", "says"),
    [
        ("Spoke to Jane Doe, wants a call", TEXT_FIELD, "another text (31 characters)"),
        ("ask jo@example.com", TEXT_FIELD, "another text (18 characters)"),
        ("442079460958", TEXT_FIELD, "another text (12 characters)"),
        ("1984-02-29", TEXT_FIELD, "another text (10 characters)"),
        ("Jane", CrmField("f", "choice", "picklist"), "another text (4 characters)"),
        ("x", TEXT_FIELD, "another text (1 character)"),
        ("tier_3", TEXT_FIELD, "'tier_3'"),
        ("not_eligible", CrmField("f", "choice", "picklist"), "'not_eligible'"),
        (None, TEXT_FIELD, "nothing"),
        ("91.30", CrmField("f", "number", "number"), "'91.3'"),
        ("Jane", CrmField("f", "number", "number"), "another text (4 characters)"),
        ("2026-03-01T00:00:00.000+0000", CrmField("f", "datetime", "datetime"), "'2026-03-01T00:00:00Z'"),
        ("2026-03-01 Jane", CrmField("f", "date", "date"), "'2026-03-01'"),
    ],
)
def test_what_is_shown_of_a_value_is_no_persons(held: object, field: CrmField, says: str) -> None:
    assert shown(held, field) == says


@given(TEXT)
def test_no_text_of_a_person_is_shown(text: str) -> None:
    assert shown(f"Jane {text}", TEXT_FIELD).startswith("another text (")


def test_a_field_that_takes_all_that_check_wants_cuts_nothing_of_a_run() -> None:
    """The lengths that check asks for are those of what runs, bundles and letters are really named by."""
    reals = {
        "run_id": run_id("main", instant("2026-03-01"), "a", "b", "m", "p"),
        "model_version": hashlib.sha256(b"manifest").hexdigest(),
        "tier": max((*TIERS, *STATUSES), key=len),
        "why": "w" * LONGEST,
        "reason_1": "r" * 200,
        "letter_id": action_id("main", "a", instant("2026-03-01"), "p"),
        "account_id": "001xx000003DGb1AAG",
    }
    for name, real in reals.items():
        fields = {n: CrmField("F__c", "text", "string", length=n) for n in (len(real) - 1, len(real))}
        short, just = (fit({name: "F__c"}, {"F__c": field}, "Account").spoils for field in fields.values())
        assert len(short) == 1, name
        assert just == (), name
    assert BODY["run_id"] == f"20260301-{BODY['run_id'][9:]}"
    assert {name: len(BODY[name]) for name in ("run_id", "model_version")} == {"run_id": 25, "model_version": 64}
