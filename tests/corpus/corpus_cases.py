"""Bad inputs, each one spoilt place of the export in which nothing is wrong, with what must be said of it."""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.parquet as pq

Files = dict[str, bytes | None]
Spoil = Callable[[Files], None]


@dataclass(frozen=True)
class Case:
    """One bad input.

    verdict : `refused` (says in a finding), `quarantined` (code in the quarantine, for so many rows), `noted` (says in a
        note) or `read` (nothing is said: it is no fault).
    """

    name: str
    spoil: Spoil
    verdict: str
    says: str = ""
    rows: int = 1
    formats: dict[str, object] = field(default_factory=dict)
    settings: dict[str, object] = field(default_factory=dict)


def text(files: Files, table: str) -> str:
    """A table's CSV text."""
    found = files[f"{table}.csv"]
    assert found is not None
    return found.decode()


def put(files: Files, table: str, value: str | bytes) -> None:
    """Another content for a table."""
    files[f"{table}.csv"] = value if isinstance(value, bytes) else value.encode()


def records(files: Files, table: str) -> list[list[str]]:
    """A table's records, its header first."""
    return list(csv.reader(io.StringIO(text(files, table))))


def write(files: Files, table: str, rows: list[list[str]], delimiter: str = ",") -> None:
    """Records as a table's CSV text."""
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="\n").writerows(rows)
    put(files, table, out.getvalue())


def cell(table: str, column: str, value: str, *rows: int) -> Spoil:
    """Another value in a column, in some rows (by default one); the column is added if it is not there."""

    def spoil(files: Files) -> None:
        found = records(files, table)
        if column not in found[0]:
            found = [[*row, column if n == 0 else ""] for n, row in enumerate(found)]
        for row in rows or (7,):
            found[row][found[0].index(column)] = value
        write(files, table, found)

    return spoil


def column(table: str, name: str, values: Callable[[int, str], str]) -> Spoil:
    """Every value of a column made anew from its row and what stood there."""

    def spoil(files: Files) -> None:
        found = records(files, table)
        if name not in found[0]:
            found = [[*row, name if n == 0 else ""] for n, row in enumerate(found)]
        place = found[0].index(name)
        for n, row in enumerate(found[1:]):
            row[place] = values(n, row[place])
        write(files, table, found)

    return spoil


def header(table: str, old: str, new: str) -> Spoil:
    """Another name for a column."""

    def spoil(files: Files) -> None:
        head, _, rest = text(files, table).partition("\n")
        put(files, table, ",".join(new if n == old else n for n in head.split(",")) + "\n" + rest)

    return spoil


def without(table: str, name: str) -> Spoil:
    """A table without one of its columns."""

    def spoil(files: Files) -> None:
        found = records(files, table)
        place = found[0].index(name)
        write(files, table, [row[:place] + row[place + 1 :] for row in found])

    return spoil


def add(table: str, *lines: str) -> Spoil:
    """More lines at the end."""
    return lambda files: put(files, table, text(files, table) + "".join(f"{line}\n" for line in lines))


def middle(table: str, *lines: str) -> Spoil:
    """More lines after the tenth."""

    def spoil(files: Files) -> None:
        found = text(files, table).split("\n")
        put(files, table, "\n".join([*found[:10], *lines, *found[10:]]))

    return spoil


def encoded(table: str, encoding: str) -> Spoil:
    """The table, with one name that is not ASCII, in another encoding."""

    def spoil(files: Files) -> None:
        put(files, table, text(files, table).replace("Firm 3,", "Müller – Söhne,").encode(encoding))

    return spoil


def as_bytes(table: str, change: Callable[[bytes], bytes]) -> Spoil:
    """The bytes of a table, changed."""

    def spoil(files: Files) -> None:
        found = files[f"{table}.csv"]
        assert found is not None
        files[f"{table}.csv"] = change(found)

    return spoil


def gone(*names: str) -> Spoil:
    """Files that are not there."""

    def spoil(files: Files) -> None:
        for name in names:
            files[name] = None

    return spoil


def new(name: str, content: str | bytes) -> Spoil:
    """A further file."""

    def spoil(files: Files) -> None:
        files[name] = content if isinstance(content, bytes) else content.encode()

    return spoil


def both(*spoils: Spoil) -> Spoil:
    """One after the other."""

    def spoil(files: Files) -> None:
        for one in spoils:
            one(files)

    return spoil


def parquet(table: str, change: Callable[[pa.Table], pa.Table] = lambda t: t, cut: int = 0) -> Spoil:
    """The table as Parquet, its columns text unless changed, cut short by so many bytes."""

    def spoil(files: Files) -> None:
        found = records(files, table)
        columns = {n: [row[i] or None for row in found[1:]] for i, n in enumerate(found[0])}
        out = io.BytesIO()
        pq.write_table(change(pa.table({n: pa.array(v, pa.string()) for n, v in columns.items()})), out)
        files[f"{table}.csv"] = None
        files[f"{table}.parquet"] = out.getvalue()[: len(out.getvalue()) - cut]

    return spoil


def typed(name: str, type_: pa.DataType, values: Callable[[int], object]) -> Callable[[pa.Table], pa.Table]:
    """A column of another Arrow type."""

    def change(table: pa.Table) -> pa.Table:
        found = pa.array([values(n) for n in range(table.num_rows)], type_)
        return table.set_column(table.column_names.index(name), name, found)

    return change


def zipped(data: bytes) -> bytes:
    """The bytes in a zip archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("accounts.csv", data)
    return out.getvalue()


FILES = [
    Case("empty", lambda f: put(f, "accounts", ""), "refused", "accounts.csv: the file is empty"),
    Case("empty_activities", lambda f: put(f, "activities", ""), "refused", "activities.csv: the file is empty"),
    Case("header_only_accounts", lambda f: put(f, "accounts", text(f, "accounts").split("\n")[0] + "\n"), "refused", "no row was accepted"),
    Case("accounts_absent", gone("accounts.csv"), "refused", "the table is absent"),
    Case("outcomes_absent", gone("opportunities.csv", "activities.csv"), "refused", "one must hold the outcome"),
    Case("cut_in_a_record", lambda f: put(f, "accounts", text(f, "accounts")[:-25]), "refused", "ends in the middle of this record"),
    Case("cut_in_a_record_of_activities", lambda f: put(f, "activities", text(f, "activities")[:-30]), "refused", "ends in the middle of this record"),
    Case("cut_in_a_quote", as_bytes("accounts", lambda b: b.replace(b"Firm 149,", b'"Firm 149,')), "refused", "is never closed"),
    Case("unclosed_quote_early", as_bytes("contacts", lambda b: b.replace(b"c003,a003,CEO", b'c003,a003,"CEO', 1)), "refused", "quote"),
    Case("unclosed_quote_in_the_middle", as_bytes("opportunities", lambda b: b.replace(b"Demo", b'"Demo', 1)), "refused", "quote"),
    Case("stray_quote", as_bytes("accounts", lambda b: b.replace(b"Firm 5,", b'Fi"rm 5,', 1)), "refused", "quote stands in the middle"),
    Case("ragged_more", middle("accounts", "a900,Firm,firm900.com,Retail,5,DE,2025-01-01T09:00:00Z,extra"), "quarantined", "ragged"),
    Case("ragged_fewer", middle("accounts", "a900,Firm"), "quarantined", "ragged"),
    Case("ragged_fewer_of_contacts", middle("contacts", "c900"), "quarantined", "ragged"),
    Case("ragged_many", lambda f: put(f, "accounts", text(f, "accounts").replace(",Retail", ",Retail,Wholesale")), "refused", "rows would be quarantined"),
    Case("shifted_from_a_line", lambda f: put(f, "activities", "\n".join(line if n < 200 else line.partition(",")[2] for n, line in enumerate(text(f, "activities").split("\n")))), "refused", "rows would be quarantined"),
    Case("shifted_right", lambda f: write(f, "accounts", [row if n < 90 else ["", *row[:-1]] for n, row in enumerate(records(f, "accounts"))]), "refused", "rows would be quarantined"),
    Case("zip_named_csv", as_bytes("accounts", zipped), "refused", "a zip archive or an Excel workbook"),
    Case("gzip_named_csv", as_bytes("accounts", gzip.compress), "refused", "compressed (gzip)"),
    Case("html_named_csv", lambda f: put(f, "accounts", "<!DOCTYPE html><html><body>Log in</body></html>"), "refused", "an HTML page"),
    Case("json_named_csv", lambda f: put(f, "accounts", '[{"account_id": "a1"}]'), "refused", "is JSON"),
    Case("xml_named_csv", lambda f: put(f, "accounts", "<?xml version='1.0'?><rows/>"), "refused", "is XML"),
    Case("parquet_named_csv", as_bytes("accounts", lambda b: b"PAR1" + b), "refused", "a Parquet file"),
    Case("excel_beside", both(gone("accounts.csv"), new("accounts.xlsx", b"PK\x03\x04")), "refused", "looks like it: rename it or export it anew"),
    Case("misspelt_file", both(gone("contacts.csv"), new("contatcs.csv", "contact_id,account_id\nc1,a001\n")), "noted", "did you mean 'contacts'"),
    Case("both_kinds_of_one_table", both(new("accounts.parquet", b"PAR1")), "refused", "both hold this table"),
    Case("parquet_cut_short", parquet("accounts", cut=200), "refused", "cannot be read as Parquet"),
    Case("parquet_cut_by_a_byte", parquet("activities", cut=1), "refused", "cannot be read as Parquet"),
    Case("parquet_of_nothing", both(gone("accounts.csv"), new("accounts.parquet", b"")), "refused", "cannot be read as Parquet"),
    Case("nul_bytes", as_bytes("accounts", lambda b: b.replace(b"Firm 9,", b"Fi\x00m 9,")), "refused", "NUL bytes"),
    Case("bare_carriage_returns", as_bytes("accounts", lambda b: b.replace(b"\n", b"\r")), "refused", "carriage return"),
    Case("windows_line_ends", as_bytes("accounts", lambda b: b.replace(b"\n", b"\r\n")), "read"),
    Case("blank_lines", middle("accounts", "", ""), "read"),
    Case("title_above_the_header", as_bytes("accounts", lambda b: b"Accounts report\n" + b), "refused", "the first line is a title"),
    Case("header_repeated", lambda f: put(f, "accounts", "\n".join(line for n, line in enumerate(text(f, "accounts").split("\n")) for line in ([line, text(f, "accounts").split("\n")[0]] if n == 20 else [line]))), "quarantined", "repeated_header"),
    Case("closing_block", add("accounts", "", '"Accounts report"', '"Copyright (c) 2026"'), "refused", "declare its first words"),
    Case("closing_block_declared", add("accounts", "", '"Copyright (c) 2026"', '"Confidential"'), "noted", "was left out", formats={"footer": "Copyright"}),
]  # fmt: skip

ENCODINGS = [
    Case("windows_1252", encoded("accounts", "windows-1252"), "refused", "if it is windows-1252, declare"),
    Case("latin_9_names", encoded("accounts", "cp1252"), "refused", "not UTF-8"),
    Case("windows_1252_declared", encoded("accounts", "windows-1252"), "read", formats={"encoding": "windows-1252"}),
    Case("utf_8_declared_windows_1252", encoded("accounts", "utf-8"), "refused", "its bytes are UTF-8", formats={"encoding": "windows-1252"}),
    Case("utf_16_undeclared", encoded("accounts", "utf-16"), "refused", "byte-order mark of UTF-16"),
    Case("utf_16_without_mark", encoded("accounts", "utf-16-le"), "refused", "UTF-8"),
    Case("utf_8_with_mark", encoded("accounts", "utf-8-sig"), "read"),
    Case("mojibake", lambda f: put(f, "accounts", text(f, "accounts").replace("Firm 3", "MÃ¼ller")), "refused", "was read as windows-1252 and saved so"),
    Case("mojibake_of_one_row", lambda f: put(f, "accounts", text(f, "accounts").replace("Firm 3,", "MÃ¼ller,")), "noted", "1 line holds text that was spoilt before, the first is line 5"),
    Case("mojibake_twice", lambda f: put(f, "accounts", text(f, "accounts").replace("Firm 3", "Müller".encode().decode("cp1252").encode().decode("cp1252", "replace"))), "refused", "windows-1252"),
    Case("lost_characters", lambda f: put(f, "accounts", text(f, "accounts").replace("Firm 3,", "M\ufffdller,")), "noted", "characters were lost"),
]  # fmt: skip

DELIMITERS = [
    Case("semicolons", lambda f: write(f, "accounts", records(f, "accounts"), ";"), "refused", 'declare formats: {delimiter: ";"}'),
    Case("tabs", lambda f: write(f, "accounts", records(f, "accounts"), "\t"), "refused", "a tab"),
    Case("pipes", lambda f: write(f, "contacts", records(f, "contacts"), "|"), "refused", "'|'"),
    Case("sep_line", lambda f: put(f, "accounts", "sep=;\n" + text(f, "accounts")), "refused", "sep=;"),
    Case("sep_line_that_agrees", lambda f: put(f, "accounts", "sep=,\n" + text(f, "accounts")), "read"),
]  # fmt: skip

SCHEMA = [
    Case("no_account_id", without("accounts", "account_id"), "refused", "accounts.csv: account_id: this column is required and missing"),
    Case("renamed_account_id", header("accounts", "account_id", "AccountId"), "refused", "'AccountId' looks like a renamed 'account_id'"),
    Case("blank_in_account_id", header("accounts", "account_id", "Account ID"), "refused", "looks like a renamed 'account_id'"),
    Case("no_occurred_at", without("activities", "occurred_at"), "refused", "activities.csv: occurred_at: this column is required"),
    Case("renamed_occurred_at", header("activities", "occurred_at", "Occurred At"), "refused", "looks like a renamed 'occurred_at'"),
    Case("no_created_at_of_opportunities", without("opportunities", "created_at"), "refused", "opportunities.csv: created_at"),
    Case("no_reference_of_activities", both(without("activities", "account_id"), without("activities", "contact_id")), "refused", "is required, and all are missing"),
    Case("contacts_without_either", without("contacts", "account_id"), "refused", "is required, and all are missing"),
    Case("column_twice", header("accounts", "country", "name"), "refused", "stands twice in the header"),
    Case("column_twice_in_another_case", header("accounts", "country", "Name"), "refused", "stands twice in the header"),
    Case("nameless_column", header("accounts", "country", ""), "refused", "a column without a name"),
    Case("invisible_mark_in_a_name", header("accounts", "industry", "indus\u200btry"), "noted", "marks that cannot be seen"),
    Case("misspelt_column", header("opportunities", "is_closed", "is_clsed"), "noted", "did you mean 'is_closed'?"),
    Case("renamed_amount", header("opportunities", "amount", "Amount"), "noted", "looks like a renamed 'amount'"),
    Case("ids_as_numbers", parquet("accounts", typed("account_id", pa.int64(), lambda n: n)), "refused", "ids are text, always"),
    Case("ids_as_floats", column("accounts", "account_id", lambda n, _v: f"{n}.0"), "refused", "look like numbers with a decimal point"),
    Case("ids_as_exponents", column("accounts", "account_id", lambda n, _v: f"{n}.5E+17"), "refused", "exponent"),
    Case("instants_as_floats", parquet("opportunities", typed("created_at", pa.float64(), lambda n: 1.7e9 + n)), "refused", "opportunities.parquet"),
    Case("flags_as_text", column("opportunities", "is_won", lambda _n, _v: "perhaps"), "refused", "rows would be quarantined"),
    Case("nested_column", parquet("accounts", typed("industry", pa.struct([("a", pa.string())]), lambda n: {"a": "x"})), "refused", "industry"),
    Case("list_where_text_is", parquet("opportunities", typed("stage", pa.list_(pa.string()), lambda n: ["x"])), "refused", "stage"),
    Case("further_column_of_contacts", header("contacts", "title", "shoe_size"), "noted", "not a column of contacts"),
    Case("reserved_column", header("accounts", "industry", "__part"), "noted", "__part: this name is kept for tierwise"),
]  # fmt: skip

VALUES = [
    Case("null_account_id", cell("accounts", "account_id", ""), "quarantined", "null"),
    Case("null_word_as_id", cell("accounts", "account_id", "NULL"), "quarantined", "null"),
    Case("null_channel", cell("activities", "channel", ""), "quarantined", "null"),
    Case("null_kind", cell("activities", "kind", "N/A"), "quarantined", "null"),
    Case("null_stage", cell("opportunity_stages", "stage", ""), "quarantined", "null"),
    Case("null_reason_of_exclusion", cell("exclusions", "reason", "", 3), "quarantined", "null"),
    Case("namibia_is_no_null", cell("accounts", "country", "NA"), "read"),
    Case("reference_empty", both(cell("activities", "account_id", "", 8), cell("activities", "contact_id", "", 8)), "quarantined", "no_reference"),
    Case("employee_word", cell("accounts", "employee_count", "many"), "quarantined", "not_a_number"),
    Case("employee_reversed", cell("accounts", "employee_count", "200-51"), "quarantined", "reversed_range"),
    Case("employee_reversed_k", cell("accounts", "employee_count", "10k-5k"), "quarantined", "reversed_range"),
    Case("employee_as_a_date", cell("accounts", "employee_count", "Oct-50"), "quarantined", "date_mangled"),
    Case("employee_as_another_date", cell("accounts", "employee_count", "10-Nov"), "quarantined", "date_mangled"),
    Case("employee_range", cell("accounts", "employee_count", "51-200"), "read"),
    Case("employee_at_least", cell("accounts", "employee_count", "1,000+"), "read"),
    Case("employee_thousands", cell("accounts", "employee_count", "10k+"), "read"),
    Case("amount_word", cell("opportunities", "amount", "tbd"), "quarantined", "not_a_number"),
    Case("amount_two_points", cell("opportunities", "amount", "1.2.3"), "quarantined", "not_a_number"),
    Case("amount_ambiguous_thousand", cell("opportunities", "amount", "1.234"), "quarantined", "not_a_number"),
    Case("amount_german_undeclared", cell("opportunities", "amount", "1234,56"), "quarantined", "not_a_number"),
    Case("amount_german_declared", both(column("opportunities", "amount", lambda n, v: f"{v},50"), column("identities", "confidence", lambda n, v: "0,9"), column("fx_rates", "rate", lambda n, v: "0,92")), "read", formats={"decimal": ",", "thousands": "."}),
    Case("amount_with_symbol", cell("opportunities", "amount", "€ 1.2m"), "read"),
    Case("amount_contradicts_currency", cell("opportunities", "amount", "$500"), "quarantined", "currency_mismatch"),
    Case("amount_code_contradicts", cell("opportunities", "amount", "500 GBP"), "quarantined", "currency_mismatch"),
    Case("currency_word", cell("opportunities", "currency", "Euros"), "quarantined", "not_a_currency"),
    Case("currency_two_letters", cell("opportunities", "currency", "E1"), "quarantined", "not_a_currency"),
    Case("value_word", cell("activities", "value", "high"), "quarantined", "not_a_number"),
    Case("value_infinite", cell("activities", "value", "1e400"), "quarantined", "not_a_number"),
    Case("value_not_a_number", cell("activities", "value", "nan"), "quarantined", "not_a_number"),
    Case("initiator_unknown", cell("activities", "initiator", "robot"), "quarantined", "not_allowed"),
    Case("initiator_number", cell("activities", "initiator", "1"), "quarantined", "not_allowed"),
    Case("initiator_capital", cell("activities", "initiator", "Buyer"), "read"),
    Case("flag_word", cell("opportunities", "is_closed", "maybe"), "quarantined", "not_a_flag"),
    Case("flag_two", cell("opportunities", "is_won", "2"), "quarantined", "not_a_flag"),
    Case("flag_yes", cell("opportunities", "is_won", "yes", 2), "read"),
    Case("capacity_half", cell("owners", "capacity_tier_1", "2.5"), "quarantined", "not_an_integer"),
    Case("capacity_word", cell("owners", "capacity_tier_2", "all"), "quarantined", "not_an_integer"),
    Case("confidence_word", cell("identities", "confidence", "sure"), "quarantined", "not_a_number"),
    Case("rate_zero", cell("fx_rates", "rate", "0", 1), "quarantined", "out_of_range"),
    Case("rate_negative", cell("fx_rates", "rate", "-0.9", 1), "quarantined", "out_of_range"),
    Case("rate_word", cell("fx_rates", "rate", "par", 1), "quarantined", "not_a_number"),
    Case("history_range_reversed", both(cell("account_history", "field", "employee_count"), cell("account_history", "old_value", "90-50")), "quarantined", "reversed_range"),
    Case("history_number_word", both(cell("account_history", "field", "employee_count"), cell("account_history", "new_value", "lots")), "quarantined", "not_a_number"),
    Case("mixed_currencies_without_rate", column("opportunities", "currency", lambda n, v: "CHF" if n % 3 else v), "refused", "CHF"),
    Case("mixed_currencies_with_rate", column("opportunities", "currency", lambda n, v: "USD" if n % 9 == 0 else v), "read"),
    Case("mixed_currencies_ignored", column("opportunities", "currency", lambda n, v: "CHF" if n % 3 else v), "noted", "ignored, as amounts: ignore says", settings={"amounts": "ignore"}),
    Case("rate_after_the_date", both(cell("fx_rates", "date", "2030-01-01", 1), column("opportunities", "currency", lambda n, v: "USD" if n % 9 == 0 else v)), "refused", "USD"),
    Case("two_bad_rows_of_one_part", both(cell("activities", "value", "x", 4), cell("activities", "kind", "", 9)), "quarantined", "", 2),
    Case("bad_rows_over_the_limit", cell("activities", "value", "x", *range(1, 9)), "refused", "rows would be quarantined, over the 1.00%"),
    Case("bad_rows_over_a_wider_limit", cell("activities", "value", "x", *range(1, 9)), "quarantined", "not_a_number", 8, settings={"quarantine": {"max_share": 0.05}}),
]  # fmt: skip

TIMES = [
    Case("date_word", cell("activities", "occurred_at", "yesterday"), "quarantined", "not_an_instant"),
    Case("date_day_first", cell("activities", "occurred_at", "31/12/2025"), "quarantined", "not_an_instant"),
    Case("date_ambiguous", cell("activities", "occurred_at", "03/04/2026"), "quarantined", "not_an_instant"),
    Case("date_two_digit_year", cell("activities", "occurred_at", "1/2/26"), "quarantined", "not_an_instant"),
    Case("date_excel_serial", cell("activities", "occurred_at", "45992"), "quarantined", "not_an_instant"),
    Case("date_epoch_undeclared", cell("activities", "occurred_at", "1767225600000"), "quarantined", "not_an_instant"),
    Case("date_month_name", cell("accounts", "created_at", "05-Mar-2026"), "quarantined", "not_an_instant"),
    Case("date_thirteenth_month", cell("accounts", "created_at", "2025-13-01"), "quarantined", "not_an_instant"),
    Case("date_thirtieth_of_february", cell("accounts", "created_at", "2025-02-30"), "quarantined", "not_an_instant"),
    Case("date_of_1899", cell("accounts", "created_at", "1899-12-30"), "quarantined", "out_of_range"),
    Case("date_of_year_one", cell("contacts", "created_at", "0001-01-01"), "quarantined", "not_an_instant"),
    Case("date_of_2999", cell("opportunities", "closed_at", "2999-12-31"), "quarantined", "out_of_range"),
    Case("date_of_9999_as_an_end", cell("exclusions", "ends_on", "9999-12-31", 2), "read"),
    Case("date_hour_25", cell("activities", "occurred_at", "2025-03-01T25:00:00Z"), "quarantined", "not_an_instant"),
    Case("date_salesforce", cell("activities", "occurred_at", "2025-03-22T16:14:25.000+0000"), "read"),
    Case("date_with_a_zone", cell("activities", "occurred_at", "2025-03-22T16:14:25+02:00"), "read"),
    Case("date_empty_where_it_must_be", cell("opportunities", "created_at", ""), "quarantined", "null"),
    Case("dates_all_day_first", column("activities", "occurred_at", lambda n, _v: f"{13 + n % 15}/{1 + n % 12:02}/2025"), "refused", "rows would be quarantined"),
    Case("dates_all_day_first_declared", both(*(column(t, c, lambda n, _v: f"{13 + n % 15}/{1 + n % 12:02}/2025") for t, c in (("accounts", "created_at"), ("contacts", "created_at"), ("contacts", "linked_at"), ("activities", "occurred_at"), ("activities", "recorded_at"), ("opportunities", "created_at"), ("opportunities", "closed_at"), ("opportunity_stages", "entered_at"), ("leads", "created_at"), ("identities", "linked_at"), ("account_history", "changed_at"), ("exclusions", "recorded_at"), ("fx_rates", "date")))), "read", formats={"dates": "day_first"}),
    Case("iso_in_a_day_first_source", lambda f: None, "refused", "rows would be quarantined", formats={"dates": "day_first"}),
    Case("skipped_local_time", cell("activities", "occurred_at", "2025-03-30T02:30:00"), "quarantined", "not_an_instant", formats={"time_zone": "Europe/Berlin"}),
    Case("doubled_local_time", cell("activities", "occurred_at", "2025-10-26T02:30:00"), "read", formats={"time_zone": "Europe/Berlin"}),
    Case("no_recorded_at", without("activities", "recorded_at"), "noted", "known_at is occurred_at there"),
    Case("no_initiator", without("activities", "initiator"), "noted", "they are never a signal"),
]  # fmt: skip

IDENTITY = [
    Case("same_row_twice", add("accounts", "a900,Firm,firm900.com,Retail,5,DE,2025-01-01T09:00:00Z", "a900,Firm,firm900.com,Retail,5,DE,2025-01-01T09:00:00Z"), "quarantined", "exact_duplicate"),
    Case("same_id_twice", add("accounts", "a001,Other,other.com,Retail,5,DE,2025-01-01T09:00:00Z"), "quarantined", "duplicate_key"),
    Case("same_contact_twice", add("contacts", "c001,a002,CFO,2025-01-02T09:00:00Z,2025-01-02T09:00:00Z"), "quarantined", "duplicate_key"),
    Case("same_opportunity_twice", add("opportunities", "o001,a002,2025-02-01T09:00:00Z,,Demo,false,false,1,EUR,New Business"), "quarantined", "duplicate_key"),
    Case("same_activity_twice", add("activities", "e001,a001,,2025-01-03T09:01:00Z,,web,visit,buyer,9"), "quarantined", "duplicate_key"),
    Case("later_export_of_the_same", lambda f: put(f, "accounts_2026-02", text(f, "accounts")), "read"),
    Case("later_export_that_differs", lambda f: put(f, "accounts_2026-02", "account_id,name\na001,Renamed\n"), "quarantined", "duplicate_key"),
    Case("newer_row_wins", both(column("accounts", "modified_at", lambda n, v: "2025-05-01"), lambda f: put(f, "accounts_2026-02", "account_id,name,modified_at\na001,Renamed,2026-02-01\n")), "read"),
    Case("circle_of_merges", new("account_merges.csv", "losing_id,surviving_id,merged_at\na001,a002,2025-02-01\na002,a001,2025-02-02\n"), "refused", "goes round in a circle"),
    Case("longer_circle_of_merges", new("account_merges.csv", "losing_id,surviving_id,merged_at\na001,a002,2025-02-01\na002,a003,2025-02-02\na003,a001,2025-02-03\n"), "refused", "goes round in a circle"),
    Case("merged_into_itself", new("account_merges.csv", "losing_id,surviving_id,merged_at\na001,a001,2025-02-01\n"), "noted", "merge an account into itself"),
    Case("circle_of_master_records", both(cell("accounts", "master_account_id", "a002", 2), cell("accounts", "master_account_id", "a001", 3)), "refused", "goes round in a circle"),
    Case("merged_twice", new("account_merges.csv", "losing_id,surviving_id,merged_at\na001,a002,2025-02-01\na001,a003,2025-02-02\n"), "quarantined", "duplicate_key"),
    Case("merged_into_nobody", new("account_merges.csv", "losing_id,surviving_id,merged_at\nx1,x2,2025-02-01\n"), "noted", "end in no account"),
    Case("merge_without_survivor", new("account_merges.csv", "losing_id,surviving_id,merged_at\na001,,2025-02-01\n"), "quarantined", "null"),
    Case("circle_of_parents", both(cell("accounts", "parent_account_id", "a002", 2), cell("accounts", "parent_account_id", "a001", 3)), "noted", "goes round in a circle"),
    Case("own_parent", cell("accounts", "parent_account_id", "a001", 2), "read"),
    Case("unknown_parent", cell("accounts", "parent_account_id", "zzz", 2), "noted", "name one that accounts does not have"),
    Case("unknown_account_of_an_activity", cell("activities", "account_id", "zzz", 2), "noted", "name one that accounts does not have"),
    Case("unknown_contact_of_an_activity", cell("activities", "contact_id", "zzz", 2), "noted", "name one that contacts does not have"),
    Case("unknown_opportunity_of_a_stage", cell("opportunity_stages", "opportunity_id", "zzz", 2), "noted", "name one that opportunities does not have"),
    Case("no_account_known", column("opportunities", "account_id", lambda n, v: f"x{n}"), "refused", "none of its accounts is in accounts"),
    Case("ids_lost_their_zeros", both(column("accounts", "account_id", lambda n, v: f"{n:06}"), column("opportunities", "account_id", lambda n, v: str(n + 1000000)), column("contacts", "account_id", lambda n, v: f"{n:06}"), column("activities", "account_id", lambda n, v: f"{n % 150:06}"), column("account_history", "account_id", lambda n, v: f"{n:06}"), column("identities", "account_id", lambda n, v: f"{n:06}"), column("exclusions", "account_id", lambda n, v: f"{n:06}")), "refused", "none of its accounts is in accounts"),
    Case("accounts_of_one_domain", column("accounts", "domain", lambda n, v: "same.com" if n < 3 else v), "noted", "have one domain"),
    Case("accounts_of_one_name", column("accounts", "name", lambda n, v: ("Acme Inc." if n == 1 else "ACME") if n in (1, 4) else v), "noted", "have one name and country"),
    Case("short_and_long_id", both(cell("accounts", "account_id", "001D000000IqhSLIAZ", 2), cell("activities", "account_id", "001D000000IqhSL", 3)), "noted", "ids of 15 characters were read as the 18"),
    Case("one_account_by_both_ids", both(cell("accounts", "account_id", "001D000000IqhSLIAZ", 2), cell("accounts", "account_id", "001D000000IqhSL", 3)), "refused", "stands twice, by 15 and by 18 characters"),
]  # fmt: skip

CASES = [*FILES, *ENCODINGS, *DELIMITERS, *SCHEMA, *VALUES, *TIMES, *IDENTITY]
