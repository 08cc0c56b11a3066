"""Values as CRMs hold them: whatever a text holds, it arrives plain, fits, and is known again when it is read back."""

from __future__ import annotations

import csv
import io
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierwise.clock import instant
from tierwise.routing.sinks import Letter, hubspot_payload, salesforce_payload
from tierwise.routing.sinks.crm_changes import change
from tierwise.routing.sinks.crm_values import CrmField, cut, one_line, same, shown, written
from tierwise.routing.sinks.hubspot_payload import Input

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
        ("account_score", 100.0, CrmField("f", "number", "double"), "100"),
        ("propensity", 0.2345, CrmField("f", "number", "percent", decimals=2, percent=True), "23.45"),
        ("account_score", 91.25, CrmField("f", "number", "percent", decimals=2, percent=True), "91.25"),
        ("propensity", 1e-9, CrmField("f", "number", "number"), "0.000000001"),
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


def test_what_is_shown_of_a_value_is_no_persons() -> None:
    assert shown("ask jo@example.com or +44 20 7946 0958") == "'ask [removed] or [removed]'"
    assert shown("2026-03-01T00:00:00.000+0000") == "'2026-03-01T00:00:00.000+0000'"
    assert shown(None) == "nothing"
    assert len(shown("x" * 90)) == 42
