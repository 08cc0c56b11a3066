"""Many parts, one table: counts reconcile whatever is bad, overlaps merge in any order, broken files are refused."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierwise.config import Quarantine, Settings
from tierwise.config.workspace import Source
from tierwise.data import TABLES, Intake, Query, inspect_tables, open_sources, read_tables
from tierwise.errors import ContractError

LENIENT = Settings(quarantine=Quarantine(max_share=1), threads=1)
STRICT = Settings(threads=1)
ACCOUNTS = "account_id,name\n007,Bond\n008,Bill\n"
HEADER = "activity_id,account_id,occurred_at,channel,kind\n"
ACTIVITIES = HEADER + "e1,007,2024-01-01,web,visit\n"


def folder(at: Path, files: dict[str, str | bytes | pa.Table]) -> Path:
    for name, content in {"accounts.csv": ACCOUNTS, "activities.csv": ACTIVITIES, **files}.items():
        (at / name).parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, pa.Table):
            pq.write_table(content, at / name)
        else:
            (at / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return at


def without(at: Path, *names: str) -> Path:
    for name in names:
        (at / name).unlink()
    return at


def bytes_of(taken: Intake) -> dict[str, pa.Table]:
    """Every table as it stands, rows in their order; the warehouse is closed."""
    with taken.warehouse as warehouse:
        return {name: warehouse.arrow(Query(f"SELECT * FROM {name}")) for name in TABLES}


def refusal(at: Path, given: Settings = STRICT) -> list[str]:
    with pytest.raises(ContractError) as caught:
        read_tables(at, given)
    return [line.strip() for line in str(caught.value).splitlines()[1:-1]]


def reconciles(counts: pd.DataFrame) -> bool:
    return bool((counts["read"] == counts["accepted"] + counts["quarantined"] + counts["refused"]).all())


def as_parquet(text: str) -> pa.Table:
    header, *lines = text.splitlines()
    columns = zip(*(line.split(",") for line in lines), strict=True)
    return pa.table(dict(zip(header.split(","), [[v or None for v in c] for c in columns], strict=True)))


ROW = st.tuples(
    st.sampled_from(["e1", "e2", "e3", "e4", ""]),
    st.sampled_from(["007", "008", ""]),
    st.sampled_from(["2024-01-01", "2024-01-02", "soon", ""]),
    st.sampled_from(["web", ""]),
    st.sampled_from(["visit", "click"]),
    st.sampled_from(["2024-02-01", "2024-02-02", ""]),
)
PARTS = st.lists(st.lists(ROW, min_size=1, max_size=6), min_size=1, max_size=4)


def in_parts(at: Path, parts: list[list[tuple[str, ...]]], as_csv: list[bool]) -> Path:
    """A folder whose activities stand in parts, named in their order."""
    files: dict[str, str | bytes | pa.Table] = {}
    for i, (rows, csv) in enumerate(zip(parts, as_csv, strict=False)):
        text = HEADER[:-1] + ",modified_at\n" + "".join(",".join(row) + "\n" for row in rows)
        files[f"activities/{i}.{'csv' if csv else 'parquet'}"] = text if csv else as_parquet(text)
    return without(folder(at, files), "activities.csv")


def expected(parts: list[list[tuple[str, ...]]]) -> tuple[set[str], int]:
    """By the rule in plain Python: the ids that are kept, and how many rows are superseded or kept."""
    good = [(i, row) for i, rows in enumerate(parts) for row in rows]
    good = [(i, r) for i, r in good if r[0] and r[1] and r[2].startswith("2024") and r[3]]
    kept = 0
    for key in {row[0] for _, row in good}:
        newest = max(row[5] for _, row in good if row[0] == key)
        firsts = []
        for i in range(len(parts)):
            mine = [row for j, row in good if j == i and row[0] == key]
            if mine:
                own = max(row[5] for row in mine)
                firsts.append(next(row for row in mine if row[5] == own))
                kept += sum(row[5] < own and row != firsts[-1] for row in mine)
        top = [row for row in firsts if row[5] == newest]
        stands = min(top, key=lambda row: row[1:5])
        kept += sum(row == stands for row in top) + (len(firsts) - len(top))
    return {row[0] for _, row in good}, kept


@settings(deadline=None, max_examples=40)
@given(parts=PARTS, as_csv=st.lists(st.booleans(), min_size=4, max_size=4), seed=st.integers(0, 2**16))
def test_every_row_of_every_part_is_accepted_or_quarantined_and_no_order_of_parts_changes_a_byte(
    tmp_path_factory: pytest.TempPathFactory, parts: list[list[tuple[str, ...]]], as_csv: list[bool], seed: int
) -> None:
    taken = read_tables(in_parts(tmp_path_factory.mktemp("a"), parts, as_csv), LENIENT)
    counts = taken.counts[taken.counts["table"] == "activities"]
    ids, accepted = expected(parts)
    assert reconciles(taken.counts)
    assert counts["read"].tolist() == [len(rows) for rows in parts]
    assert counts["accepted"].sum() == accepted
    assert counts["quarantined"].sum() == len(taken.quarantine)
    found = bytes_of(taken)
    visits = found["activities"]
    assert set(visits["activity_id"].to_pylist()) == ids
    assert visits.num_rows == len(ids) == counts["accepted"].sum() - counts["superseded"].sum()

    turned = random.Random(seed).sample(list(zip(parts, as_csv, strict=False)), len(parts))
    other = read_tables(in_parts(tmp_path_factory.mktemp("b"), *map(list, zip(*turned, strict=True))), LENIENT)
    assert taken.fingerprint == other.fingerprint
    assert other.counts["accepted"].sum() == taken.counts["accepted"].sum()
    assert bytes_of(other) == found


def test_the_newest_modification_stands_whatever_the_order_of_the_files(tmp_path: Path) -> None:
    old = "account_id,name,modified_at\n1,old,2024-01-01\n2,same,2024-01-01\n"
    new = "account_id,name,modified_at\n2,same,2024-01-01\n1,new,2024-02-01\n"
    activities = {"activities.csv": HEADER + "e1,1,2024-01-01,web,visit\n"}
    for i, (first, second) in enumerate([(old, new), (new, old)]):
        files = {"accounts_2024-01.csv": first, "accounts-2.csv": second, **activities}
        taken = read_tables(without(folder(tmp_path / str(i), files), "accounts.csv"), STRICT)
        assert taken.quarantine.empty
        assert taken.counts["superseded"].sum() == 2
        assert bytes_of(taken)["accounts"]["name"].to_pylist() == ["new", "same"]


def test_rows_that_differ_and_no_time_tells_which_is_newer(tmp_path: Path) -> None:
    header = "account_id,name\n"
    files = {"accounts_1.csv": header + "1,b\n", "accounts_2.csv": header + "1,a\n"}
    files["activities.csv"] = HEADER + "e1,1,2024-01-01,web,visit\n"
    taken = read_tables(without(folder(tmp_path, files), "accounts.csv"), LENIENT)
    assert taken.quarantine.to_numpy().tolist() == [
        [
            "accounts",
            "accounts_1.csv",
            2,
            "account_id",
            "duplicate_key",
            "another part of the table has the same account_id, and differs; modified_at does not say which is newer",
        ]
    ]
    assert bytes_of(taken)["accounts"]["name"].to_pylist() == ["a"]


def test_a_history_in_two_exports_counts_each_change_once(tmp_path: Path) -> None:
    header = "account_id,field,new_value,changed_at\n"
    lines = [f"007,size,{n},2024-01-0{n}\n" for n in range(1, 5)]
    files = {
        "account_history.csv": header + "".join(lines[:3]),
        "account_history_2.csv": "changed_at,account_id,field,new_value,old_value\n"
        + "2024-01-03,007,size,3,\n2024-01-04,007,size,4,\n",
    }
    taken = read_tables(folder(tmp_path, files), STRICT)
    assert taken.quarantine.empty
    assert bytes_of(taken)["account_history"]["new_value"].to_pylist() == ["1", "2", "3", "4"]


def test_the_same_files_read_three_times_leave_the_same_bytes(tmp_path: Path) -> None:
    text = HEADER + "".join(f"e{n * 7919 % 5000},00{7 + n % 2},2024-01-01,web,visit\n" for n in range(5000))
    at = folder(tmp_path / "a", {"activities.csv": text})
    two = Settings(threads=2)
    first, *others = [read_tables(at, two) for _ in range(3)]
    found = bytes_of(first)
    for other in others:
        assert other.fingerprint == first.fingerprint
        assert bytes_of(other) == found
    lines = text.splitlines(keepends=True)[1:]
    pieces = {
        "activities/a.csv": HEADER + "".join(lines[3000:]),
        "activities/b.parquet": as_parquet(HEADER + "".join(lines[:3000])),
    }
    split = without(folder(tmp_path / "b", pieces), "activities.csv")
    assert bytes_of(read_tables(split, two)) == found


def test_attributes_split_over_parts_have_the_type_that_all_values_have(tmp_path: Path) -> None:
    files = {
        "accounts_1.csv": "account_id,score,code,only\n1,1.50,7,x\n",
        "accounts_2.csv": "account_id,code,score\n2,A,2\n",
        "accounts_3.parquet": pa.table({"account_id": ["3"], "score": ["high"], "size": [4]}),
        "activities.csv": HEADER + "e1,1,2024-01-01,web,visit\n",
    }
    taken = read_tables(without(folder(tmp_path, files), "accounts.csv"), STRICT)
    assert taken.warehouse.attributes() == {"code": "text", "only": "text", "score": "text", "size": "number"}
    found = bytes_of(taken)["accounts"]
    assert found["score"].to_pylist() == ["1.5", "2", "high"]
    assert found["code"].to_pylist() == ["7", "A", None]


def test_a_wide_table_takes_seconds(tmp_path: Path) -> None:
    names = [f"c{n}" for n in range(300)]
    cells = ("7", "word", "true", "2024-01-01", "1.5")
    line = ",".join(cells[n % 5] for n in range(300))
    text = f"account_id,{','.join(names)}\n" + "".join(f"{n},{line}\n" for n in range(2000))
    at = folder(tmp_path, {"accounts.csv": text, "activities.csv": HEADER + "e1,1,2024-01-01,web,visit\n"})
    start = time.process_time()
    taken = read_tables(at, STRICT)
    assert time.process_time() - start < 20
    assert [taken.warehouse.attributes()[f"c{n}"] for n in range(5)] == ["number", "text", "flag", "instant", "number"]
    assert bytes_of(taken)["accounts"].num_rows == 2000


def test_a_parquet_file_cut_short_or_spoilt_is_refused(tmp_path: Path) -> None:
    rows = "".join(f"e{n},007,2024-01-01,web,visit\n" for n in range(20_000))
    whole = without(folder(tmp_path / "a", {"activities.parquet": as_parquet(HEADER + rows)}), "activities.csv")
    data = (whole / "activities.parquet").read_bytes()
    says = "activities.parquet: cannot be read as Parquet: it is empty, cut short or of another kind; export it anew"
    (whole / "activities.parquet").write_bytes(data[: len(data) // 2])
    assert refusal(whole) == [says]
    (whole / "activities.parquet").write_bytes(b"")
    assert refusal(whole) == [says]
    (whole / "activities.parquet").write_bytes(data[:100] + bytes(2000) + data[2100:])
    assert refusal(whole)[0].startswith("activities.parquet:1: cannot be read")
    assert reconciles(inspect_tables(whole, STRICT).counts)


def test_a_file_shifted_from_some_line_on_is_refused_even_below_the_limit(tmp_path: Path) -> None:
    good = "".join(f"e{n},007,2024-01-01,web,visit\n" for n in range(5000))
    shifted = "".join(f"007,2024-01-01,web,visit,e{n}\n" for n in range(30))
    at = folder(tmp_path, {"activities.csv": HEADER + good + shifted})
    assert refusal(at) == [
        "activities.csv: from line 5002 to its end all 30 rows are at fault; it is shifted or cut there: export it anew"
        "; the first, line 5002: 'web' is not an ISO 8601 instant"
    ]
    seen = inspect_tables(at, STRICT)
    assert seen.counts.set_index("table").loc["activities"].tolist() == ["activities.csv", 5030, 0, 0, 5030, 0]
    scattered = folder(tmp_path / "b", {"activities.csv": HEADER + shifted + good})
    assert len(read_tables(scattered, STRICT).quarantine) == 30


def test_of_a_refused_file_the_first_ten_thousand_bad_rows_are_listed_and_all_counted(tmp_path: Path) -> None:
    text = HEADER + "".join(f"e{n},007,soon,web,visit\n" for n in range(12_000))
    seen = inspect_tables(folder(tmp_path, {"activities.csv": text}), STRICT)
    assert len(seen.quarantine) == 10_000
    assert seen.findings[0].startswith("activities.csv: 12000 of 12000 rows would be quarantined")


def test_parts_of_a_folder_and_exports_beside_it_are_listed(tmp_path: Path) -> None:
    files = {
        "activities/p1.csv": HEADER + "e2,007,2024-01-01,web,visit\n",
        "activities/p2.parquet": as_parquet(HEADER + "e3,007,2024-01-01,web,visit\n"),
        "activities/_SUCCESS.csv": "",
        "activities/more.xlsx": "",
        "activities.2024-05-01.csv": HEADER + "e4,007,2024-01-01,web,visit\n",
        "accounts_old.csv": "x\n",
    }
    at = without(folder(tmp_path, files), "activities.csv")
    taken = read_tables(at, STRICT)
    assert taken.counts["file"].tolist() == [
        "accounts.csv",
        "activities/p1.csv",
        "activities/p2.parquet",
        "activities.2024-05-01.csv",
    ]
    assert "activities/more.xlsx: only .parquet and .csv are read; export it as one of them" in taken.notes
    assert "accounts_old.csv: not a table of the contract; it was not read; did you mean 'accounts'?" in taken.notes
    both = folder(tmp_path / "b", {"activities/p1.csv": ACTIVITIES})
    assert refusal(both) == ["activities: activities/ and activities.csv both hold this table; keep one of them"]
    empty = without(folder(tmp_path / "c", {"activities/x.txt": ""}), "activities.csv")
    assert refusal(empty)[0] == "activities/: the folder holds no .parquet and no .csv file"


def test_sources_are_read_together_and_their_keys_kept_apart(tmp_path: Path) -> None:
    folder(tmp_path / "crm", {})
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "activities.csv").write_text(HEADER + "e1,007,2024-01-03,web,click\n")
    sources = (Source(name="crm", at="crm"), Source(name="web", at="web"))
    given = Settings(sources=sources, threads=1)
    taken = read_tables(open_sources(tmp_path, given), given)
    assert taken.sources == ("crm", "web")
    assert sorted(bytes_of(taken)["activities"]["kind"].to_pylist()) == ["click", "visit"]
    assert taken.arrivals.to_numpy().tolist() == [
        ["crm", "activities", pd.Timestamp("2024-01-01"), 1],
        ["web", "activities", pd.Timestamp("2024-01-03"), 1],
    ]
    (tmp_path / "crm" / "accounts.csv").unlink()
    with pytest.raises(ContractError, match=r"accounts: none of the sources holds it; add one that does"):
        read_tables(open_sources(tmp_path, given), given)


def test_arrivals_are_of_the_newest_days_and_none_after_now(tmp_path: Path) -> None:
    days = pd.date_range("2023-01-01", "2024-01-01").strftime("%Y-%m-%d")
    text = HEADER + "".join(f"e{i},007,{day},web,visit\n" for i, day in enumerate([*days, "2062-01-01"]))
    at = folder(tmp_path, {"activities.csv": text})
    arrived = read_tables(at, STRICT, datetime(2024, 1, 1, tzinfo=UTC)).arrivals
    assert len(arrived) == 120
    assert arrived["day"].max() == pd.Timestamp("2024-01-01")
    assert arrived["rows"].tolist() == [1] * 120


def test_a_meeting_that_is_planned_moves_no_reach_and_no_arrivals(tmp_path: Path) -> None:
    days = pd.date_range("2024-01-01", "2024-05-31").strftime("%Y-%m-%d")
    rows = [
        *(f"e{i},007,{day},{day},web,visit\n" for i, day in enumerate(days)),
        "m,007,2024-09-15,2024-05-20,meeting,meeting\n",
    ]
    text = "activity_id,account_id,occurred_at,recorded_at,channel,kind\n" + "".join(rows)
    taken = read_tables(folder(tmp_path, {"activities.csv": text}), STRICT, datetime(2024, 6, 1, tzinfo=UTC))
    assert taken.data_through["activities"] == datetime(2024, 5, 31, tzinfo=UTC)
    assert (len(taken.arrivals), taken.arrivals["day"].max()) == (120, pd.Timestamp("2024-05-31"))


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at = folder(tmp_path / "t", {})
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    taken = read_tables(at, STRICT)
    assert list((tmp_path / "tmp").iterdir())
    taken.warehouse.close()
    assert not list((tmp_path / "tmp").iterdir())
    (at / "accounts.csv").write_text("x\n1\n")
    with pytest.raises(ContractError):
        read_tables(at, STRICT)
    assert not list((tmp_path / "tmp").iterdir())


def test_hidden_columns_are_gone(tmp_path: Path) -> None:
    for name, table in bytes_of(read_tables(folder(tmp_path, {}), STRICT)).items():
        assert [n for n in table.column_names if n not in ("known_at", "noise")] == list(TABLES[name].names)


def test_no_account_is_lost_to_a_column_called_rowid(tmp_path: Path) -> None:
    text = "account_id,RowID,score\n007,5,1\n" + "".join(f"a{n},5,{n}\n" for n in range(149)) + "a1,5,7\n"
    taken = read_tables(folder(tmp_path, {"accounts.csv": text}), LENIENT)
    accounts = bytes_of(taken)["accounts"]
    assert accounts.num_rows == taken.counts.set_index("table").loc["accounts", "accepted"] == 150
    assert any("RowID: this name is kept for tierwise; rename it" in note for note in taken.notes)


def test_one_column_spelt_in_two_ways_is_one(tmp_path: Path) -> None:
    files = {
        "accounts.csv": "account_id,Tier\n007,gold\n",
        "accounts_2.csv": "account_id,tier\n008,tin\n",
        "accounts_3.parquet": pa.table({"account_id": ["009"], "TIER": ["zinc"]}),
    }
    accounts = bytes_of(read_tables(folder(tmp_path, files), STRICT))["accounts"].to_pylist()
    assert {row["account_id"]: row["TIER"] for row in accounts} == {"007": "gold", "008": "tin", "009": "zinc"}


def test_beside_a_file_that_cannot_be_read_the_others_are_checked_all_the_same(tmp_path: Path) -> None:
    dates = "".join(f"b{n},31.12.2024\n" for n in range(5))
    files = {
        "accounts.csv": b"account_id,created_at\n\xff,2024-01-01\n",
        "accounts_2.csv": "account_id,created_at\n" + dates,
    }
    at = folder(tmp_path, files)
    found = inspect_tables(at, STRICT)
    assert any("accounts.csv:2: not UTF-8" in finding for finding in found.findings)
    assert any("accounts_2.csv: 5 of 5 rows would be quarantined" in finding for finding in found.findings)
    assert found.counts.set_index("file").loc["accounts_2.csv", "accepted"] == 0
    assert reconciles(found.counts)


@pytest.mark.parametrize("cell", ["Jane Quimby", "Quimby, Jane", "+49 170 5551234", "jane@quimby.example"])
def test_a_cell_that_may_be_a_person_s_is_not_repeated(cell: str, tmp_path: Path) -> None:
    row = f'e2,007,2024-01-01,web,visit,"{cell}"\ne3,007,"{cell}",web,visit,buyer\n'
    taken = read_tables(folder(tmp_path, {"activities.csv": HEADER[:-1] + ",initiator\n" + row}), LENIENT)
    assert taken.quarantine["reason"].tolist() == [
        "the value is not one of: buyer, seller",
        "the value is not an ISO 8601 instant",
    ]
