"""A single table with an outcome and no clock: what the data alone say of its columns."""

from __future__ import annotations

import json
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from tierwise.audit import Finding, audit_table
from tierwise.audit.people import holds_people
from tierwise.cli.app import app
from tierwise.data import flat_formats, read_flat
from tierwise.errors import ContractError, UsageError

N = 3000
AFTER_CONTACT = {
    "Tags", "Lead Quality", "Lead Profile", "Asymmetrique Activity Index", "Asymmetrique Profile Index",
    "Asymmetrique Activity Score", "Asymmetrique Profile Score", "Last Activity", "Last Notable Activity",
}  # fmt: skip


def codes(findings: tuple[Finding, ...], subject: str) -> set[str]:
    return {f.code for f in findings if f.subject == subject}


def blocked(findings: tuple[Finding, ...]) -> set[str]:
    return {f.subject for f in findings if f.severity == "blocks"}


# --- real tables


@pytest.fixture(scope="module")
def leads(shared_data: Path) -> pd.DataFrame:
    path = shared_data / "x_education" / "Leads.csv"
    if not path.is_file():
        pytest.skip("the X Education leads are not there: ../shared/data/x_education/Leads.csv")
    return read_flat(path)


def test_what_sales_typed_in_is_blocked_and_the_rest_is_of_unknown_timing(leads: pd.DataFrame) -> None:
    found = audit_table(leads, "Converted", order="Lead Number")
    assert blocked(found) == {"Tags", "Lead Quality", "Prospect ID"}
    assert codes(found, "Prospect ID") == {"identifier", "timing_unknown"}
    assert "values_say_outcome" in codes(found, "Tags") & codes(found, "Lead Quality")
    judged = set(leads.columns) - {"Converted", "Lead Number"}
    assert judged >= AFTER_CONTACT
    assert all("timing_unknown" in codes(found, name) for name in judged)
    assert codes(found, "the table") == {"no_clock"}


def test_no_column_s_name_is_read(leads: pd.DataFrame) -> None:
    names = [c for c in leads.columns if c != "Converted"]
    other = dict(zip(names, np.random.default_rng(5).permutation(names), strict=True))
    plain = audit_table(leads, "Converted")
    renamed = audit_table(leads.rename(columns=other), "Converted")

    def verdicts(found: tuple[Finding, ...], back: dict[str, str]) -> set[tuple[str, str, str]]:
        return {(back.get(f.subject, f.subject), f.code, f.severity) for f in found}

    assert verdicts(plain, other) == verdicts(renamed, {})


def test_an_undated_table_is_told_that_no_clock_proves_any_column(shared_data: Path) -> None:
    path = shared_data / "ibm_win_loss" / "sales_win_loss.parquet"
    if not path.is_file():
        pytest.skip("the IBM win/loss table is not there: ../shared/data/ibm_win_loss/sales_win_loss.parquet")
    table = read_flat(path)
    found = audit_table(table, "Opportunity Result", positive="Won")
    (clock,) = [f for f in found if f.code == "no_clock"]
    assert clock.found.startswith("no clock proves that any of its 18 columns was known before the outcome")
    assert clock.figures == {"columns": 18}
    assert all("timing_unknown" in codes(found, n) for n in table.columns if n != "Opportunity Result")
    assert blocked(found) == {"Opportunity Number"}


# --- tables made for it


def table(seed: int = 0, **columns: object) -> tuple[pd.DataFrame, np.ndarray]:
    """An outcome of 20 %, three honest predictors, and what a test adds (an array, or a function of the outcome)."""
    rng = np.random.default_rng(seed)
    drive = rng.normal(size=N)
    y = (rng.random(N) < 1 / (1 + np.exp(1.9 - 1.2 * drive))).astype(float)
    frame = pd.DataFrame(
        {
            "a": drive + rng.normal(size=N),
            "b": np.array(["x", "y", "z"])[np.digitize(drive + rng.normal(size=N), [-1, 1])],
            "c": rng.normal(size=N),
            "won": y,
        }
    )
    return frame.assign(**{name: made(y, rng) for name, made in columns.items()}), y  # type: ignore[operator]


def test_honest_columns_are_of_unknown_timing_and_nothing_else() -> None:
    frame, _ = table()
    found = audit_table(frame, "won")
    assert {f.code for f in found} == {"timing_unknown", "no_clock"}
    assert {f.severity for f in found} == {"warns"}
    json.dumps([f.to_dict() for f in found], allow_nan=False)


@pytest.mark.parametrize(
    ("code", "made"),
    [
        ("copies_outcome", lambda y, rng: np.where(y == 1, "signed", "none")),
        ("copies_outcome", lambda y, rng: y * 1000 + rng.random(len(y))),
        ("auc_out_of_line", lambda y, rng: np.where(rng.random(len(y)) < 0.03, 1 - y, y)),
        ("values_say_outcome", lambda y, rng: np.where(
            rng.random(len(y)) < 0.6, "open", np.where(y == 1, "hot", "cold"))),
        ("values_say_outcome", lambda y, rng: np.where((y == 1) & (rng.random(len(y)) < 0.3), "contract", "-")),
        ("missing_tells_outcome", lambda y, rng: pd.Series(rng.choice(["p", "q"], len(y))).where(
            rng.random(len(y)) < np.where(y == 1, 0.8, 0.2))),
        ("auc_out_of_line", lambda y, rng: 2.2 * y + rng.normal(size=len(y))),
        ("identifier", lambda y, rng: [f"id-{i}" for i in range(len(y))]),
        ("identifier", lambda y, rng: 400_000 + rng.permutation(3 * len(y))[: len(y)]),
        ("personal_values", lambda y, rng: [f"p{i % 50}@firm.example" for i in range(len(y))]),
        ("personal_values", lambda y, rng: [f"+31 20 555 0{i % 90 + 100}" for i in range(len(y))]),
        ("personal_values", lambda y, rng: np.array(["Anna Smith", "Bob Jones", "Carlos Diaz", "Emma Wit",
                                                    "Fatima Ali", "Acme"])[rng.integers(0, 6, len(y))]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("seed", [0, 1])
def test_a_leak_is_blocked_by_what_it_holds(code: str, made: object, seed: int) -> None:
    frame, _ = table(seed, leak=made)
    found = audit_table(frame, "won")
    assert code in codes(found, "leak")
    assert blocked(found) == {"leak"}
    assert all(f.refuses == (f.severity == "blocks") for f in found)


@pytest.mark.parametrize(
    "made",
    [
        lambda y, rng: np.round(np.exp(rng.normal(13, 1.5, len(y)))),  # revenue in whole money: nearly unique
        lambda y, rng: rng.integers(0, 10**6, len(y)),
        lambda y, rng: rng.integers(0, 800, len(y)).astype(str),
        lambda y, rng: pd.Series(rng.normal(size=len(y))).where(rng.random(len(y)) < 0.5),
        lambda y, rng: np.where(rng.random(len(y)) < 0.02, "rare", "usual"),
        lambda y, rng: pd.date_range("2020-01-01", periods=len(y), freq="h")[rng.permutation(len(y))],
        lambda y, rng: [f"2024-{i % 12 + 1:02d}-{i % 28 + 1:02d}" for i in range(len(y))],
        lambda y, rng: np.array(["Berlin", "Paris", "Austin", "Lima", "Oslo", "Rome"])[rng.integers(0, 6, len(y))],
    ],
)
def test_an_honest_column_is_not(made: object) -> None:
    frame, _ = table(3, honest=made)
    assert codes(audit_table(frame, "won"), "honest") == {"timing_unknown"}


def test_a_clock_proves_a_column_or_shows_that_it_was_filled_after() -> None:
    day = pd.Timedelta(days=1)
    frame, _ = table()
    frame["won_on"] = pd.Timestamp("2024-06-01")
    frame["early"] = pd.Timestamp("2024-05-01")
    frame["late"] = frame["won_on"] + day
    frame["partly"] = frame["early"].where(np.arange(N) % 2 == 0)
    dates = {"won": "won_on", "a": "early", "b": "late", "c": "partly"}
    found = audit_table(frame, "won", dates=dates)
    assert codes(found, "a") == {"filled_before"}
    assert codes(found, "b") == {"filled_after_outcome", "timing_unknown"}
    assert codes(found, "c") == {"partly_dated", "timing_unknown"}
    assert blocked(found) == {"b"}
    assert not [f for f in found if f.code == "no_clock" or f.subject in {"early", "late", "won_on"}]


def test_a_clock_before_the_outcome_makes_what_tells_of_timing_a_warning() -> None:
    frame, _ = table(leak=lambda y, rng: np.where((y == 1) & (rng.random(len(y)) < 0.3), "contract", "-"))
    frame["mail"] = [f"p{i}@firm.example" for i in range(N)]
    frame["won_on"], frame["then"] = pd.Timestamp("2024-06-01"), pd.Timestamp("2024-05-01")
    assert blocked(audit_table(frame.drop(columns="won_on"), "won")) == {"leak", "mail"}
    found = audit_table(frame, "won", dates={"won": "won_on", "leak": "then", "mail": "then"})
    assert codes(found, "leak") == {"values_say_outcome", "filled_before"}
    assert blocked(found) == {"mail"}
    (said,) = [f for f in found if f.code == "values_say_outcome"]
    assert (said.severity, said.refuses) == ("warns", False)
    assert said.do.startswith("Its clock stands before the outcome")


def test_what_goes_with_the_order_of_the_rows_is_told() -> None:
    frame, _ = table()
    frame["n"] = np.arange(N)
    frame["grows"] = np.arange(N) + np.random.default_rng(0).normal(0, 500, N)
    frame["later"] = pd.Series(np.arange(N) % 7).where(np.arange(N) > N / 2)
    found = audit_table(frame, "won", order="n")
    assert {f.subject for f in found if f.code == "changes_with_time"} == {"grows", "later"}
    assert "n" not in {f.subject for f in found}


@pytest.mark.parametrize(
    ("outcome", "more", "words"),
    [
        ("won", {"dates": {"a": "c"}}, r"columns a were dated: nothing dates the outcome 'won'.*--dated won=COLUMN"),
        ("won", {"dates": {"a": "b", "won": "b"}}, r"dates in 'b' .*3,000 of 3,000 .*such as '.'.*--dates day_first"),
        ("won", {"dates": {"a": "c", "won": "c"}}, r"dates in 'c' were to be read: 3,000 of 3,000"),
        ("won", {"order": "b"}, r"dates in 'b' were to be read"),
        ("lost", {}, r"'lost' was asked for: the table has a, b, c, won"),
        ("a", {}, r"the outcome 'a' was to be read: its values are .* more\. Say which one counts with --positive"),
        ("won", {"positive": "maybe"}, r"read as maybe: its values are 0, 1\."),
        ("won", {"order": "when"}, r"'when' was asked for"),
        ("won", {"dates": {"a": "when"}}, r"'when' was asked for"),
    ],
)
def test_what_cannot_be_asked_is_said(outcome: str, more: dict, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        audit_table(table()[0], outcome, **more)


def test_few_rows_prove_nothing() -> None:
    with pytest.raises(UsageError, match=r"3 of 40 rows have it. Bring at least 20"):
        audit_table(pd.DataFrame({"won": [1] * 3 + [0] * 37, "a": range(40)}), "won")


# --- people


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["a@b.example", "none"], "e-mail addresses"),
        (["+1 (555) 010-9999", "020 555 0188", "+49 30 1234567", "555-010-1234", "(020) 5550 188"], "phone numbers"),
        (["Anna", "Peter", "Maria", "José", "Hans", "Sarah"], "people's names"),
        (["12345678", "23456789", "34567891", "45678912", "56789123"], None),
        (["2024-01-01", "2024-02-02", "2024-03-03", "2024-04-04", "2024-05-05"], None),
        (["Software", "Retail", "Energy", "Logistics", "Education"], None),
        (["1-49", "50-199", "200-999", "1000-4999", "5000+"], None),
        (["1000000-5000000", "5000000-10000000", "500000-1000000", "10000000 - 50000000", "0-500000"], None),
        (["101-201-33", "101-202-34", "102-201-35", "103-204-36", "104-201-37"], None),
        (["12345-6789", "02134-1234", "90210-0001", "10001-4242", "60601-1111"], None),
        (["0.12345678", "0.87654321", "0.11223344", "1.99887766", "2.13243546"], None),
        (["(+44) 20 7946 0958", "06 12 34 56 78", "612 345 678", "0151/23456789", "1-555-010-1234"], "phone numbers"),
        ([], None),
    ],
)
def test_people_are_known_by_the_values(values: list[str], kind: str | None) -> None:
    assert holds_people(pd.Series(values, dtype="object"))[0] == kind


# --- files and the command


def test_a_file_is_read_with_its_faults_named(tmp_path: Path) -> None:
    def written(text: str, name: str = "t.csv") -> Path:
        (tmp_path / name).write_text(text)
        return tmp_path / name

    frame = read_flat(written("id,n,code\n1,2.5,NA\n2,,x\n"))
    assert frame["n"].dtype == float
    assert frame["code"].tolist() == ["NA", "x"]
    for text, words in (
        ("a,b\n1,2\n3\n", r"t.csv:3: .*1 fields where the header has 2"),
        ("a,a\n1,2\n", r"t.csv:1: .*two columns are called 'a'"),
        ("", r"the file is empty"),
    ):
        with pytest.raises(ContractError, match=words):
            read_flat(written(text))
    with pytest.raises(ContractError, match=r"t.parquet was to be read"):
        read_flat(written("not parquet", "t.parquet"))
    with pytest.raises(UsageError, match=r"its kind is '.json'"):
        read_flat(written("{}", "t.json"))
    with pytest.raises(UsageError, match=r"there is no such file"):
        read_flat(tmp_path / "absent.csv")


def test_a_file_of_another_make_is_read_as_it_is_said_to_be(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(
        "Straße;Wert;wann;roh\nHügel;1.234,5;31.01.2024;2024-02-01\nTal;2,25;01.02.2024;\n".encode("cp1252")
    )
    with pytest.raises(ContractError, match=r"add --encoding windows-1252"):
        read_flat(path, flat_formats(delimiter=";"))
    with pytest.raises(ContractError, match=r'holds .;.; add --delimiter ";"\.'):
        read_flat(path, flat_formats(encoding="windows-1252"))
    told = flat_formats(delimiter=";", encoding="windows-1252", decimal=",", dates="day_first")
    frame = read_flat(path, told)
    assert frame["Straße"].tolist() == ["Hügel", "Tal"]
    assert frame["Wert"].tolist() == [1234.5, 2.25]
    assert frame["wann"].tolist() == [pd.Timestamp("2024-01-31"), pd.Timestamp("2024-02-01")]
    assert frame["roh"].iloc[0] == pd.Timestamp("2024-02-01")
    path.write_text("a\tb\n1\t2\n")
    with pytest.raises(ContractError, match=r"add --delimiter tab"):
        read_flat(path)
    assert read_flat(path, flat_formats(delimiter="tab"))["b"].tolist() == [2.0]
    for given, words in (
        ({"delimiter": ":"}, r"--delimiter : was given\. Give one of: ,, ;, tab, \|"),
        ({"encoding": "latin"}, r"--encoding latin was given\. Give one of: utf-8, utf-16, windows-1252"),
        ({"decimal": ";"}, r"--decimal ; was given\. Give one of: \., ,"),
        ({"dates": "us"}, r"--dates us was given\. Give one of: iso, day_first, month_first"),
    ):
        with pytest.raises(UsageError, match=words):
            flat_formats(**given)


def test_a_date_is_no_identifier_and_one_that_may_be_either_is_told(tmp_path: Path) -> None:
    frame, _ = table()
    days = pd.date_range("2020-01-01", periods=N, freq="h")
    frame["iso"], frame["ours"] = days.strftime("%Y-%m-%d %H:%M"), days.strftime("%m/%d/%Y %H:%M")
    frame.to_csv(tmp_path / "t.csv", index=False)
    found = audit_table(read_flat(tmp_path / "t.csv"), "won")
    assert not blocked(found)
    assert codes(found, "iso") == {"timing_unknown"}
    assert codes(found, "ours") == {"timing_unknown", "dates_unread"}
    ours = flat_formats(dates="month_first")
    assert codes(audit_table(read_flat(tmp_path / "t.csv", ours), "won"), "ours") == {"timing_unknown"}
    with pytest.raises(UsageError, match=r"dates in 'ours' .* such as '01/01/2020 00:00'"):
        audit_table(read_flat(tmp_path / "t.csv"), "won", order="ours")
    drifting = read_flat(tmp_path / "t.csv", ours).assign(grows=np.arange(N))
    assert "changes_with_time" in codes(audit_table(drifting, "won", order="ours"), "grows")


def test_parquet_of_any_column_is_audited(tmp_path: Path) -> None:
    frame, _ = table()
    columns = {
        "tags": pa.array([["x"] if i % 2 else None for i in range(N)]),
        "always": pa.array([["x"] * (i % 3) for i in range(N)]),
        "where": pa.array([{"city": "xyz"[i % 3], "zip": None} for i in range(N)]),
        "price": pa.array([Decimal(i) / 4 for i in range(N)], pa.decimal128(12, 2)),
        "day": pa.array([date(2020, 1, 1) + timedelta(days=i) for i in range(N)]),
        "said": pa.array([f"{i % 28 + 1:02d}.{i % 12 + 1:02d}.{1000 + i // 2}" for i in range(N)]),
        "ratio": pa.array([float("inf") if i % 9 == 0 else i % 7 / 7 for i in range(N)]),
    }
    made = pa.Table.from_pandas(frame, preserve_index=False)
    for name, values in columns.items():
        made = made.append_column(name, values)
    pq.write_table(made, tmp_path / "t.parquet")
    with pytest.raises(UsageError, match=r"--delimiter was given for t.parquet: a Parquet file says itself"):
        read_flat(tmp_path / "t.parquet", flat_formats(delimiter=";"))
    found = audit_table(read_flat(tmp_path / "t.parquet", flat_formats(dates="day_first")), "won")
    assert not blocked(found)
    assert codes(found, "tags") == codes(found, "always") == {"timing_unknown", "holds_lists"}
    for name in ("where", "price", "day", "said", "ratio"):
        assert codes(found, name) == {"timing_unknown"}


def test_a_list_is_judged_by_being_there() -> None:
    frame, y = table()
    frame["tags"] = [["x", i] if won and i % 10 < 8 else None for i, won in enumerate(y)]
    assert "values_say_outcome" in codes(audit_table(frame, "won"), "tags")


def test_the_command_prints_what_a_person_can_read_and_exits_by_what_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    frame, _ = table(leak=lambda y, rng: np.where(y == 1, "signed", "none"))
    path = tmp_path / "t.csv"
    frame.to_csv(path, index=False)
    run = CliRunner()
    told = run.invoke(app, ["check", "--file", str(path), "--outcome", "won"])
    assert told.exit_code == 2
    assert "Findings: 1 block, 5 warn, 0 note" in told.stdout
    assert "BLOCKS: copies outcome\n  leak: it is as good as a copy of the outcome" in told.stdout
    assert max(map(len, told.stdout.splitlines())) <= 80
    asked = json.loads(run.invoke(app, ["--json", "check", "--file", str(path), "--outcome", "won"]).stdout)
    assert [f["subject"] for f in asked["findings"] if f["severity"] == "blocks"] == ["leak"]
    frame.drop(columns="leak").to_csv(path, index=False)
    assert run.invoke(app, ["check", "--file", str(path), "--outcome", "won"]).exit_code == 0
    with pytest.raises(UsageError, match="Give both --file and --outcome"):
        run.invoke(app, ["check", "--file", str(path)], catch_exceptions=False)
    for words, says in (
        (["--positive", "1"], "Give both --file and --outcome"),
        (["--order", "a"], "Give both --file and --outcome"),
        (["--dated", "a=b", "--delimiter", ";"], r"\(--dated, --delimiter\)\. Give both --file and --outcome"),
        (
            ["--file", str(path), "--outcome", "won", "--as-of", "2024-01-01"],
            r"--as-of was given with --file, --outcome",
        ),
    ):
        with pytest.raises(UsageError, match=says):
            run.invoke(app, ["check", *words], catch_exceptions=False)
    frame.to_csv(path, index=False, sep=";")
    given = ["check", "--file", str(path), "--outcome", "won", "--delimiter", ";"]
    assert run.invoke(app, given).exit_code == 2
    frame.drop(columns="leak").to_csv(path, index=False)
    with pytest.raises(UsageError, match="Write it as COLUMN=DATES"):
        run.invoke(app, ["check", "--file", str(path), "--outcome", "won", "--dated", "a"], catch_exceptions=False)


@pytest.mark.parametrize("text", [pa.string(), pa.large_string()])
def test_a_table_that_was_saved_after_a_filter_keeps_its_rows_together(text: pa.DataType, tmp_path: Path) -> None:
    days = [str(date(2021, 1, 1) + timedelta(days=n)) for n in range(100)]
    frame = pd.DataFrame({"n": range(100), "seen": days})[lambda f: f["n"] % 2 == 1]
    table = pa.Table.from_pandas(frame)
    path = tmp_path / "odd.parquet"
    pq.write_table(table.set_column(1, "seen", table["seen"].cast(text)), path)
    read = read_flat(path)
    assert read["n"].tolist() == list(range(1, 100, 2))
    assert [str(day.date()) for day in read["seen"]] == [days[n] for n in range(1, 100, 2)]
