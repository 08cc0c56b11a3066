"""From files to the warehouse: refusals by their words, quarantine by its rows, merges, and nothing lost on the way."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierwise.config import Formats, Quarantine, Settings
from tierwise.data import TABLES, Intake, Query, Warehouse, inspect_tables, read_tables, survivors
from tierwise.data.sources.csv_text import read_csv
from tierwise.data.sources.part import SourceFault
from tierwise.errors import ContractError

LENIENT = Settings(quarantine=Quarantine(max_share=1), threads=1)
STRICT = Settings(threads=1)
ACCOUNTS = (
    "account_id,name,employee_count,technologies,created_at,segment\n007,Bond,12,a; b;,2020-01-01,x\n008,Bill,,,,y\n"
)
ACTIVITIES = (
    "activity_id,account_id,occurred_at,channel,kind,initiator,value\n"
    "e1,007,2024-01-01T10:00:00+02:00,web,visit,Buyer,1.5\n"
    "e2,007,2024-01-02 10:00,web,visit,,\n"
    "e3,008,2024-01-03T00:00:00.000+0000,email,reply,seller,2\n"
)


def folder(at: Path, files: dict[str, str | bytes | pa.Table] | None = None) -> Path:
    at.mkdir(parents=True, exist_ok=True)
    for name, content in {"accounts.csv": ACCOUNTS, "activities.csv": ACTIVITIES, **(files or {})}.items():
        (at / name).parent.mkdir(exist_ok=True)
        if isinstance(content, pa.Table):
            pq.write_table(content, at / name)
        else:
            (at / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return at


def refusal(at: Path, given: Settings = STRICT) -> list[str]:
    with pytest.raises(ContractError) as caught:
        read_tables(at, given)
    assert caught.value.exit_code == 2
    return [line.strip() for line in str(caught.value).splitlines()[1:-1]]


def rows(taken: Intake, table: str, columns: str = "*") -> list[dict[str, Any]]:
    return taken.warehouse.arrow(Query(f"SELECT {columns} FROM {table} ORDER BY ALL")).to_pylist()


def reconciles(counts: pd.DataFrame) -> bool:
    return bool((counts["read"] == counts["accepted"] + counts["quarantined"] + counts["refused"]).all())


def test_every_table_and_column_is_there(tmp_path: Path) -> None:
    taken = read_tables(folder(tmp_path), STRICT)
    for name, table in TABLES.items():
        frame = taken.warehouse.frame(Query(f"SELECT * FROM {name}"))
        assert list(frame.columns[: len(table.names)]) == list(table.names)
    assert rows(taken, "accounts", "account_id, employee_count, technologies, created_at, segment") == [
        {
            "account_id": "007",
            "employee_count": 12.0,
            "technologies": ["a", "b"],
            "created_at": datetime(2020, 1, 1),
            "segment": "x",
        },
        {"account_id": "008", "employee_count": None, "technologies": None, "created_at": None, "segment": "y"},
    ]
    assert [(r["known_at"], r["initiator"]) for r in rows(taken, "activities")] == [
        (datetime(2024, 1, 1, 8), "buyer"),
        (datetime(2024, 1, 2, 10), None),
        (datetime(2024, 1, 3), "seller"),
    ]
    assert taken.warehouse.attributes() == {"segment": "text"}
    assert taken.data_through == {
        "accounts": datetime(2020, 1, 1, tzinfo=UTC),
        "activities": datetime(2024, 1, 3, tzinfo=UTC),
    }
    assert "activities: recorded_at: empty in 3 of 3 rows; known_at is occurred_at there" in taken.notes
    assert "activities: initiator: empty in 1 of 3 rows; they are never a signal" in taken.notes
    assert reconciles(taken.counts)


def test_data_through_is_declared_or_not_of_the_future(tmp_path: Path) -> None:
    late = ACTIVITIES + "e4,007,2062-01-01,web,visit,buyer,\n"
    at = folder(tmp_path, {"activities.csv": late})
    now = datetime(2024, 6, 1, tzinfo=UTC)
    assert read_tables(at, STRICT).data_through["activities"].year == 2062
    assert read_tables(at, STRICT, now).data_through["activities"] == datetime(2024, 1, 3, tzinfo=UTC)
    declared = Settings(data_through=date(2024, 2, 1), threads=1)
    assert set(read_tables(at, declared).data_through.values()) == {datetime(2024, 2, 1, tzinfo=UTC)}


def parquet(text: str, **types: pa.DataType) -> pa.Table:
    records = list(csv.DictReader(io.StringIO(text)))
    columns = {n: [r[n] or None for r in records] for n in records[0]}
    return pa.table({n: pa.array(v, pa.string()).cast(types.get(n, pa.string())) for n, v in columns.items()})


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (
            {"accounts.csv": "id,name\n1,a\n"},
            ["accounts.csv: account_id: this column is required and missing"],
        ),
        (
            {"accounts.csv": "AccountId,name\n1,a\n"},
            [
                "accounts.csv: account_id: this column is required and missing; "
                "'AccountId' looks like a renamed 'account_id': rename it"
            ],
        ),
        (
            {"accounts.parquet": pa.table({"account_id": [7, 8]}), "accounts.csv": None},
            [
                "accounts.parquet: account_id: arrives as a number; ids are text, always: re-export it as text; "
                "leading zeros may be lost"
            ],
        ),
        (
            {"accounts.csv": "account_id\n7.0\n8.0\n"},
            [
                "accounts.csv: account_id: its values look like numbers with a decimal point or exponent ('7.0'); "
                "ids are text, always: re-export it as text; leading zeros may be lost"
            ],
        ),
        ({"accounts.csv": ""}, ["accounts.csv: the file is empty"]),
        (
            {"accounts.csv": b"account_id,name\n1,\xff\n"},
            ["accounts.csv:2: not UTF-8 from this line on (byte 0xff); if it is windows-1252, declare formats"],
        ),
        (
            {"accounts.csv": 'account_id,name\n1,a\n2,"b\n3,c\n'},
            ["accounts.csv:3: the quote that opens here is never closed; the file may be cut short"],
        ),
        ({"accounts.csv": 'account_id,name\n1,5" pipe\n'}, ["accounts.csv:2: a quote stands in the middle of a field"]),
        ({"accounts.csv": "account_id,name,Name\n1,a,b\n"}, ["accounts.csv: name: stands twice in the header"]),
        ({"accounts.csv": "account_id;name\n1;a\n"}, ["accounts.csv:1: the header has one column and holds ';'"]),
        (
            {"accounts.parquet": b"PAR1 cut short", "accounts.csv": None},
            ["accounts.parquet: cannot be read as Parquet: it is empty, cut short or of another kind; export it anew"],
        ),
        (
            {"accounts.parquet": pa.table({"account_id": ["1"]})},
            ["accounts: accounts.csv and accounts.parquet both hold this table; keep one of them"],
        ),
        (
            {"accounts.csv": None, "Account.csv": "account_id\n1\n"},
            ["accounts: the table is absent; put accounts.parquet or accounts.csv into"],
        ),
        (
            {"activities.csv": None},
            ["opportunities, activities: both tables are absent, and one must hold the outcome"],
        ),
        (
            {"activities.csv": ACTIVITIES.replace("account_id", "acount")},
            ["activities.csv: one of the columns account_id, contact_id, lead_id, identity_id, domain is required"],
        ),
        (
            {
                "activities.parquet": parquet(ACTIVITIES, value=pa.float64()),
                "activities.csv": None,
                "accounts.csv": "x\n1\n",
            },
            ["accounts.csv: account_id: this column is required and missing"],
        ),
        (
            {
                "opportunities.parquet": pa.table(
                    {"opportunity_id": ["o"], "account_id": ["007"], "created_at": [1.7e9]}
                )
            },
            ["opportunities.parquet: created_at: arrives as a number where an instant is wanted; write it as"],
        ),
        (
            {"accounts.csv": "account_id\n7\n8\n"},
            ["activities.csv: account_id: none of its accounts is in accounts ('007' here, '7' there)"],
        ),
        (
            {"account_merges.csv": "losing_id,surviving_id,merged_at\n007,008,2024-01-01\n008,007,2024-01-01\n"},
            ["account_merges: 007 -> 008 -> 007: goes round in a circle; say which account survived"],
        ),
    ],
)
def test_a_refusal_says_what_to_do(tmp_path: Path, files: dict[str, Any], words: list[str]) -> None:
    at = folder(tmp_path, {name: content for name, content in files.items() if content is not None})
    for name, content in files.items():
        if content is None:
            (at / name).unlink()
    found = refusal(at)
    assert len(found) == len(words)
    for line, wanted in zip(found, words, strict=True):
        assert line.startswith(wanted)
    assert reconciles(inspect_tables(at, STRICT).counts)


def test_all_findings_of_all_files_come_together(tmp_path: Path) -> None:
    bad = {"accounts.csv": "Account_ID\n1\n", "activities.csv": "", "contacts.csv": "contact_id,account_id\n1.0,7\n"}
    found = refusal(folder(tmp_path, bad))
    assert [line.split(":")[0] for line in found] == ["accounts.csv", "contacts.csv", "activities.csv"]


def test_what_is_not_read_is_noted(tmp_path: Path) -> None:
    extra = {"opportunity.csv": "x\n", "readme.md": "", "leads.xlsx": "", "owners.csv": "owner_id,email\no1,a@b.c\n"}
    notes = read_tables(folder(tmp_path, extra), STRICT).notes
    assert "opportunity.csv: not a table of the contract; it was not read; did you mean 'opportunities'?" in notes
    assert "leads.xlsx: only .parquet and .csv are read; export 'leads' as one of them" in notes
    assert "owners.csv: email: not a column of owners; it was not read" in notes
    assert not [note for note in notes if "readme" in note]


def test_a_tables_ending_may_be_in_capitals(tmp_path: Path) -> None:
    at = folder(tmp_path, {})
    (at / "accounts.csv").rename(at / "accounts.CSV")
    assert "accounts.CSV" in set(read_tables(at, STRICT).counts["file"])


def test_every_bad_row_has_its_line_and_its_reason(tmp_path: Path) -> None:
    text = (
        "activity_id,account_id,occurred_at,channel,kind,initiator,value,topic\r\n"
        'e1,007,2024-01-01,web,visit,buyer,1,"two\r\nlines, one ""quote"""\r\n'
        "e2,007,01/02/2024,web,visit,buyer,1,\r\n"
        "\r\n"
        ',007,2024-01-01,web,visit,buyer,1,"a\r\n\r\nb"\r\n'
        "e4,007,2024-01-01,web,visit,robot,1,\r\n"
        "e5,007,2024-01-01,web,visit\r\n"
        "e6,007,2024-01-01,web,visit,buyer,me@example.com,\r\n"
        "e7,,2024-01-01,web,visit,buyer,1,\r\n"
        "e8,007,2024-01-01,web,visit,buyer,1,\r\n"
        "e8,007,2024-01-01,web,visit,buyer,1,\r\n"
        "e8,008,2024-01-01,web,visit,buyer,1,"
    )
    taken = read_tables(folder(tmp_path, {"activities.csv": text}), LENIENT)
    declare = "declare formats: {dates: day_first} or {dates: month_first}"
    assert [tuple(row) for row in taken.quarantine.itertuples(index=False)] == [
        ("activities", "activities.csv", n, column, code, reason)
        for n, column, code, reason in [
            (4, "occurred_at", "not_an_instant", f"'01/02/2024' could be 1 February or 2 January: {declare}"),
            (6, "activity_id", "null", "activity_id is empty, and must not be"),
            (9, "initiator", "not_allowed", "'robot' is not one of: buyer, seller"),
            (10, "", "ragged", "the record has 5 fields and the header 8"),
            (11, "value", "not_a_number", "the value is not a number"),
            (12, "account_id", "no_reference", "none of these is filled: account_id"),
            (14, "activity_id", "exact_duplicate", "an earlier row is the same"),
            (15, "activity_id", "duplicate_key", "an earlier row has the same activity_id, and differs"),
        ]
    ]
    assert [row["activity_id"] for row in rows(taken, "activities")] == ["e1", "e8"]
    assert rows(taken, "activities")[0]["topic"] == 'two\r\nlines, one "quote"'
    assert taken.counts.set_index("table").loc["activities", "read"] == 10


def test_too_many_bad_rows_refuse_the_file(tmp_path: Path) -> None:
    late = "e4,007,soon,web,visit,buyer,\n"
    at = folder(tmp_path, {"activities.csv": ACTIVITIES + late + late.replace("e4", "e5")})
    assert refusal(at) == [
        "activities.csv: 2 of 5 rows would be quarantined, over the 1.00% that quarantine.max_share allows; "
        "the first, line 5: 'soon' is not an ISO 8601 instant"
    ]
    counts = inspect_tables(at, STRICT).counts.set_index("table")
    assert counts.loc["activities"].tolist() == ["activities.csv", 5, 0, 0, 5, 0]


def test_one_bad_row_refuses_no_file_unless_none_is_allowed(tmp_path: Path) -> None:
    at = folder(tmp_path, {"activities.csv": ACTIVITIES + "e4,007,soon,web,visit,buyer,\n"})
    assert read_tables(at, STRICT).quarantine["line"].tolist() == [5]
    says = "activities.csv: 1 of 4 rows would be quarantined, over the 0.00% that quarantine.max_share allows"
    assert refusal(at, Settings(quarantine=Quarantine(max_share=0), threads=1))[0].startswith(says)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2024-03-01", datetime(2024, 3, 1)),
        ("2024-03-01T01:30", datetime(2024, 3, 1, 1, 30)),
        ("2024-03-01 01:30:15.123456789", datetime(2024, 3, 1, 1, 30, 15, 123456)),
        ("2024-03-01T01:30:00Z", datetime(2024, 3, 1, 1, 30)),
        ("2024-03-01T01:30:00+05:30", datetime(2024, 2, 29, 20, 0)),
        ("2024-03-01T01:30:00.000-0800", datetime(2024, 3, 1, 9, 30)),
        ("2024-03-01 01:30:00+02", datetime(2024, 2, 29, 23, 30)),
        ("2024-02-30", None),
        ("1709251200", None),
        ("infinity", None),
        ("2024-3-1", None),
        ("0000-01-01", None),
    ],
)
def test_instants(tmp_path: Path, text: str, wanted: datetime | None) -> None:
    body = f"opportunity_id,account_id,created_at\no0,007,2024-01-01\no1,008,{text}\n"
    taken = read_tables(folder(tmp_path, {"opportunities.csv": body}), LENIENT)
    found = {row["opportunity_id"]: row["created_at"] for row in rows(taken, "opportunities")}
    assert found.get("o1") == wanted


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
def test_parquet_instants_of_any_unit_and_zone(tmp_path: Path, unit: str, zone: str | None) -> None:
    at = pa.array([datetime(2024, 3, 1, 1, 30, tzinfo=UTC if zone else None)], pa.timestamp(unit, zone))
    table = pa.table(
        {"opportunity_id": ["o"], "account_id": ["007"], "created_at": at, "closed_at": [date(2024, 4, 1)]}
    )
    taken = read_tables(folder(tmp_path, {"opportunities.parquet": table}), STRICT)
    [row] = rows(taken, "opportunities")
    assert (row["created_at"], row["closed_at"]) == (datetime(2024, 3, 1, 1, 30), datetime(2024, 4, 1))


def test_csv_and_parquet_of_the_same_table_are_the_same(tmp_path: Path) -> None:
    header = "opportunity_id,account_id,created_at,is_won,amount\n"
    extra = {"opportunities.csv": header + "o1,007,2024-01-01,Yes,5\no2,008,2024-01-02,,\n"}
    text = read_tables(folder(tmp_path / "a", extra), STRICT)
    instant = pa.timestamp("us")
    won = pa.table(
        {
            "opportunity_id": ["o1", "o2"],
            "account_id": pa.array(["007", "008"]).dictionary_encode(),
            "created_at": [date(2024, 1, 1), date(2024, 1, 2)],
            "is_won": [True, None],
            "amount": pa.array([5, None], pa.int32()),
        }
    )
    accounts = pa.table(
        {
            "account_id": pa.array([" 007", "008"], pa.large_string()),
            "name": ["Bond", "Bill"],
            "employee_count": [12.0, float("nan")],
            "technologies": [["a", " b", ""], []],
            "created_at": pa.array([datetime(2020, 1, 1), None], instant),
            "segment": ["x", "y"],
        }
    )
    parts = parquet(ACTIVITIES)
    binary = tmp_path / "b"
    (binary / "activities").mkdir(parents=True)
    pq.write_table(accounts, binary / "accounts.parquet")
    pq.write_table(won, binary / "opportunities.parquet")
    pq.write_table(parts.slice(0, 1), binary / "activities" / "part-0.parquet")
    pq.write_table(parts.slice(1), binary / "activities" / "part-1.parquet")
    same = read_tables(binary, STRICT)
    for name in TABLES:
        assert rows(text, name) == rows(same, name), name
    assert list(same.counts["file"]) == [
        "accounts.parquet",
        "activities/part-0.parquet",
        "activities/part-1.parquet",
        "opportunities.parquet",
    ]


def test_attributes_of_a_csv_have_the_type_that_all_values_have(tmp_path: Path) -> None:
    text = (
        "account_id,score,code,flag,since,mixed,none,crm_id\n007,1,01,true,2024-01-01,1,,5\n008,-2.5,02,False,,x,,6\n"
    )
    taken = read_tables(folder(tmp_path, {"accounts.csv": text}), STRICT)
    assert taken.warehouse.attributes() == {
        "score": "number",
        "code": "text",
        "flag": "flag",
        "since": "instant",
        "mixed": "text",
        "none": "text",
        "crm_id": "text",
    }


def test_the_same_row_in_another_part_is_superseded(tmp_path: Path) -> None:
    part = parquet(ACTIVITIES)
    at = folder(tmp_path, {"activities/a.parquet": part, "activities/b.parquet": part.slice(2)})
    (at / "activities.csv").unlink()
    taken = read_tables(at, STRICT)
    assert taken.counts[["file", "accepted", "superseded"]].to_numpy().tolist() == [
        ["accounts.csv", 2, 0],
        ["activities/a.parquet", 3, 0],
        ["activities/b.parquet", 1, 1],
    ]
    assert len(rows(taken, "activities")) == 3


def test_rows_of_unknown_accounts_are_kept_and_noted(tmp_path: Path) -> None:
    at = folder(tmp_path, {"activities.csv": ACTIVITIES + "e4,009,2024-01-01,web,visit,buyer,\n"})
    taken = read_tables(at, STRICT)
    assert len(rows(taken, "activities")) == 4
    says = "1 of 4 rows name one that accounts does not have; they are kept, and reach no account by it"
    assert f"activities: account_id: {says}" in taken.notes


def test_merges_follow_their_chains_everywhere(tmp_path: Path) -> None:
    files = {
        "accounts.csv": "account_id,parent_account_id,industry\na,,x\nb,a,y\nc,a,z\nd,b,w\n",
        "account_history.csv": "account_id,field,new_value,changed_at\na,size,x,2024-01-01\nc,size,z,2024-01-01\n",
        "activities.csv": ACTIVITIES.replace("007", "a").replace("008", "gone"),
        "opportunities.csv": "opportunity_id,account_id,created_at\no1,b,2024-01-01\n",
        "account_merges.csv": (
            "losing_id,surviving_id,merged_at\na,b,2024-01-01\nb,c,2024-02-01\ngone,a,2023-01-01\nd,nowhere,2024-01-01\n"
        ),
    }
    taken = read_tables(folder(tmp_path, files), STRICT)
    assert rows(taken, "accounts", "account_id, parent_account_id, industry") == [
        {"account_id": "c", "parent_account_id": None, "industry": "z"},
        {"account_id": "d", "parent_account_id": "c", "industry": "w"},
    ]
    assert {row["account_id"] for row in rows(taken, "activities")} == {"c"}
    assert [row["account_id"] for row in rows(taken, "opportunities")] == ["c"]
    assert [row["account_id"] for row in rows(taken, "account_history")] == ["c"]
    assert "account_merges: 1 merges end in no account that is in accounts; they were not applied" in taken.notes


@settings(deadline=None, max_examples=200)
@given(
    merges=st.dictionaries(st.integers(0, 8), st.integers(0, 8), max_size=8),
    there=st.sets(st.integers(0, 8)),
)
def test_survivors_are_where_the_walk_ends(merges: dict[int, int], there: set[int]) -> None:
    become, cycles = survivors({str(a): str(b) for a, b in merges.items()}, {str(a) for a in there})
    expected: dict[str, str] = {}
    cyclic = False
    for start in merges:
        walk = [start]
        while walk[-1] in merges and not cyclic:
            walk.append(merges[walk[-1]])
            cyclic = len(walk) > 20
        last = [a for a in walk if a in there]
        if last and last[-1] != start:
            expected[str(start)] = str(last[-1])
    assert bool(cycles) == cyclic
    assert become == ({} if cyclic else expected)


CORRUPT = {
    "missing": lambda row, i: {**row, "occurred_at": ""},
    "date": lambda row, i: {**row, "occurred_at": "31.12.2024"},
    "number": lambda row, i: {**row, "value": "1,5"},
    "initiator": lambda row, i: {**row, "initiator": "bot"},
    "nobody": lambda row, i: {**row, "account_id": " "},
    "twin": lambda row, i: {**row, "activity_id": "e0"},
    "ragged": None,
}


@settings(deadline=None, max_examples=40)
@given(
    faults=st.lists(st.sampled_from([None, None, *CORRUPT]), min_size=1, max_size=11),
    topics=st.lists(st.sampled_from(["", "plain", "two\nlines", 'a "b", c', "\n\n"]), min_size=12, max_size=12),
    newline=st.sampled_from(["\n", "\r\n"]),
    ended=st.booleans(),
)
def test_no_good_row_is_lost_and_every_bad_one_is_named(
    tmp_path_factory: pytest.TempPathFactory, faults: list[str | None], topics: list[str], newline: str, ended: bool
) -> None:
    names = ["activity_id", "topic", "account_id", "occurred_at", "channel", "kind", "initiator", "value"]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator=newline)
    writer.writerow(names)
    good: list[str] = []
    bad: list[int] = []
    for i, (fault, topic) in enumerate(zip([None, *faults], topics[: len(faults) + 1], strict=True)):
        row = {"activity_id": f"e{i}", "topic": topic, "account_id": "007", "occurred_at": "2024-01-01"}
        row |= {"channel": "web", "kind": "visit", "initiator": "buyer", "value": str(i)}
        line = out.getvalue().count("\n") + 1
        change = CORRUPT[fault] if fault else None
        if change:
            row = change(row, i)
        writer.writerow([row[name] for name in names][: 5 if fault == "ragged" else None])
        good += [] if fault else [f"e{i}"]
        bad += [line] if fault else []
    whole = ended or (faults[-1] == "ragged")
    text = out.getvalue() if whole else out.getvalue().removesuffix(newline)
    taken = read_tables(folder(tmp_path_factory.mktemp("t"), {"activities.csv": text}), LENIENT)
    assert sorted(good) == [row["activity_id"] for row in rows(taken, "activities", "activity_id")]
    assert taken.quarantine["line"].tolist() == bad
    assert reconciles(taken.counts)
    assert taken.counts["read"].sum() == 2 + len(good) + len(bad)


def test_the_fingerprint_is_of_the_content(tmp_path: Path) -> None:
    first = read_tables(folder(tmp_path / "a"), STRICT).fingerprint
    assert read_tables(folder(tmp_path / "b"), STRICT).fingerprint == first
    changed = folder(tmp_path / "c", {"activities.csv": ACTIVITIES.replace("visit", "demo", 1)})
    assert read_tables(changed, STRICT).fingerprint != first


def test_warehouse_takes_arrow_and_paths_and_refuses_what_is_not_clean(tmp_path: Path) -> None:
    pq.write_table(pa.table({"account_id": ["a"], "size": [3]}), tmp_path / "accounts.parquet")
    stages = pa.table({"opportunity_id": ["o"], "stage": ["x"], "entered_at": [datetime(2024, 1, 1, tzinfo=UTC)]})
    given = {"accounts": tmp_path / "accounts.parquet", "opportunity_stages": stages}
    with Warehouse.open(given, threads=1) as warehouse:
        assert warehouse.attributes() == {"size": "number"}
        warehouse.register("extra", pd.DataFrame({"account_id": ["a", None], "n": [1, 2]}))
        warehouse.run(Query("CREATE TEMP TABLE t AS SELECT $n AS n", {"n": 1}))
        at = datetime(2024, 1, 1, 5, tzinfo=UTC)
        sql = "SELECT entered_at, 1.5 d, sum(1) s, $at AS at FROM opportunity_stages WHERE entered_at < $at GROUP BY 1"
        frame = warehouse.frame(Query(sql, {"at": at}))
        assert [str(t) for t in frame.dtypes] == ["datetime64[us]", "float64", "float64", "datetime64[us]"]
        assert frame.loc[0, "at"] == pd.Timestamp("2024-01-01 05:00")
        assert warehouse.frame(Query("SELECT account_id FROM extra"))["account_id"].tolist()[0] == "a"
    with pytest.raises(ContractError, match="activities: occurred_at: arrives as string; timestamp"):
        Warehouse.open({"activities": parquet(ACTIVITIES)}, threads=1)
    with pytest.raises(ContractError, match="the tables account were given"):
        Warehouse.open({"account": stages}, threads=1)


cells = st.text(alphabet='ab,"\n\r é;', max_size=5)


@settings(deadline=None, max_examples=150)
@given(
    table=st.lists(st.lists(cells, min_size=2, max_size=2), min_size=1, max_size=6),
    newline=st.sampled_from(["\n", "\r\n"]),
)
def test_csv_is_read_as_the_csv_module_reads_it(table: list[list[str]], newline: str) -> None:
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator=newline).writerows([["x", "y"], *table])
    for bom in ("", "\ufeff"):
        [chunk] = read_csv(io.BytesIO((bom + out.getvalue()).encode()), Formats()).chunks
        assert [list(row.values()) for row in chunk.frame.to_pylist()] == table
        assert chunk.ragged == ()


@settings(deadline=None, max_examples=300)
@given(st.one_of(st.binary(max_size=60), st.text(alphabet='a,"\n\r\t;é', max_size=40).map(str.encode)))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        chunks = list(read_csv(io.BytesIO(data), Formats()).chunks)
    except SourceFault:
        return
    assert [chunk.frame.num_rows for chunk in chunks] == [len(chunk.lines) for chunk in chunks]


@pytest.mark.parametrize("column", ["account_id", "name", "employee_count", "technologies", "created_at", "extra"])
@pytest.mark.parametrize(
    "values",
    [
        pa.array([{"a": 1}, None]),
        pa.array([[{"a": 1}], None]),
        pa.array([b"\xff", None]),
        pa.array([[1, 2], None]),
        pa.array([True, None]),
        pa.array([1, None], pa.uint64()),
        pa.array([None, None]),
        pa.array([1, None], pa.time64("us")),
        pa.array([1, None], pa.duration("s")),
        pa.array([10**15, None], pa.timestamp("s")),
        pa.array([1, None]).cast(pa.decimal128(30, 2)),
        pa.array([["a"], None], pa.large_list(pa.large_string())),
    ],
    ids=lambda values: str(values.type),
)
def test_any_parquet_type_is_read_or_refused(tmp_path: Path, column: str, values: pa.Array) -> None:
    table = pa.table({"account_id": ["007", "008"], column: values})
    at = folder(tmp_path, {"accounts.parquet": table})
    (at / "accounts.csv").unlink()
    seen = inspect_tables(at, LENIENT)
    assert reconciles(seen.counts)
    accepted = int(seen.counts.set_index("table").loc["accounts", "accepted"])
    assert seen.findings or accepted + len(seen.quarantine) == 2
    if not seen.findings:
        assert len(rows(read_tables(at, LENIENT), "accounts")) == accepted
