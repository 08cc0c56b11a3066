"""Databases as sources: what is read of them, by watermark, the same bytes again, and faults without the password."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from sqlalchemy import make_url

from servers import psql
from tierwise.config import Settings, Source
from tierwise.data.sources.database import Reading, database_parts, reached
from tierwise.data.sources.part import Part
from tierwise.data.sources.urls import without_secret_values
from tierwise.errors import ConfigError, EnvironmentFault, TierwiseError, UserError

ACCOUNTS = """CREATE TABLE accounts (account_id integer PRIMARY KEY, name text, domain text, employee_count integer,
    segment text, is_partner boolean, created_at timestamp, modified_at timestamp)"""
CONTACTS = "CREATE TABLE contacts (contact_id text, account_id integer, title text, email text, phone text)"
OPPORTUNITIES = """CREATE TABLE opportunities (opportunity_id text PRIMARY KEY, account_id integer, created_at
    timestamp, is_won boolean, amount numeric(12, 2))"""


class Database:
    """A database that a test may change, and the source that reads it."""

    def __init__(self, url: str, server: str | None, folder: Path) -> None:
        self.url, self.server, self.folder = url, server, folder

    def run(self, *statements: str) -> None:
        if self.server is not None:
            psql(self.server, *statements, database=self.url.split("@/")[1].split("?")[0])
            return
        with sqlite3.connect(self.url.removeprefix("sqlite:///")) as connection:
            for statement in statements:
                connection.execute(statement)
        connection.close()

    def source(self, look_back_days: int = 7, at: str | None = None) -> Source:
        return Source(name="crm", at=at or self.url, look_back_days=look_back_days)

    def parts(self, look_back_days: int = 7) -> dict[str, Part]:
        listing = database_parts(self.source(look_back_days), self.folder, 1)
        assert not listing.findings
        return {part.table: part for part in listing.parts}

    def read(self, table: str, look_back_days: int = 7) -> list[dict]:
        return rows(self.parts(look_back_days)[table])


def rows(part: Part) -> list[dict]:
    chunks = list(part.chunks())
    assert [line for c in chunks for line in c.lines] == list(range(1, sum(c.frame.num_rows for c in chunks) + 1))
    return pa.concat_tables([c.frame for c in chunks]).to_pylist()


def digest(part: Part) -> str:
    rows(part)
    return part.digest()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        made = Database(f"sqlite:///{tmp_path}/crm.db", None, tmp_path / "ws")
    else:
        url, server = request.getfixturevalue("postgresql_url"), request.getfixturevalue("postgresql")
        made = Database(url, server, tmp_path / "ws")
    made.run(ACCOUNTS, CONTACTS, OPPORTUNITIES)
    return made


def filled_server(server: str, url: str, folder: Path) -> Database:
    made = Database(url, server, folder / "ws")
    made.run(ACCOUNTS, CONTACTS, OPPORTUNITIES)
    return filled(made)


def filled(database: Database) -> Database:
    database.run(
        "INSERT INTO accounts VALUES (10, 'Ten', 'ten.example', 250, 'mid', true, '2025-01-02 03:04:05', '2026-01-20')",
        "INSERT INTO accounts VALUES (9, 'Nine', NULL, NULL, NULL, NULL, '2025-02-02', '2026-01-01 00:00:00')",
        "INSERT INTO contacts VALUES ('c1', 10, 'CEO', 'ann@ten.example', '+1 555')",
        "INSERT INTO opportunities VALUES ('o2', 10, '2025-05-01', true, 1234.56)",
        "INSERT INTO opportunities VALUES ('o1', 9, '2025-04-01', false, NULL)",
    )
    return database


def test_a_table_is_read_typed_in_key_order_and_only_the_columns_used(database: Database) -> None:
    parts = filled(database).parts()
    assert list(parts) == ["accounts", "contacts", "opportunities"]
    accounts = rows(parts["accounts"])
    assert [a["account_id"] for a in accounts] == ["10", "9"]
    ten = accounts[0]
    assert (ten["employee_count"], ten["segment"], ten["is_partner"]) == (250.0, "mid", True)
    assert parts["contacts"].names == ("contact_id", "account_id", "title")
    assert rows(parts["contacts"]) == [{"contact_id": "c1", "account_id": "10", "title": "CEO"}]
    deals = rows(parts["opportunities"])
    assert [(o["opportunity_id"], o["account_id"], o["amount"]) for o in deals] == [
        ("o1", "9", None),
        ("o2", "10", 1234.56),
    ]
    assert [o["is_won"] for o in deals] == [False, True]
    created = next(iter(parts["accounts"].chunks())).frame["created_at"]
    if database.server is None:
        assert created.to_pylist() == ["2025-01-02 03:04:05", "2025-02-02"]
    else:
        assert created.type == pa.timestamp("us")
    assert parts["accounts"].file == "crm.accounts"
    kept = b"".join(path.read_bytes() for path in database.folder.rglob("*.parquet"))
    assert b"ann@ten.example" not in kept


def test_the_same_rows_are_the_same_digest_whatever_their_order(database: Database) -> None:
    first = {name: digest(part) for name, part in filled(database).parts().items()}
    assert first == {name: digest(part) for name, part in database.parts().items()}
    assert len(first["accounts"]) == 64
    database.run(
        "CREATE TABLE moved AS SELECT * FROM accounts ORDER BY name",
        "DELETE FROM accounts",
        "INSERT INTO accounts SELECT * FROM moved",
    )
    assert digest(database.parts()["accounts"]) == first["accounts"]
    for path in database.folder.rglob("*.parquet"):
        path.unlink()
    assert digest(database.parts()["accounts"]) == first["accounts"]
    database.run("UPDATE accounts SET name = 'Neun', modified_at = '2026-01-25' WHERE account_id = 9")
    assert digest(database.parts()["accounts"]) != first["accounts"]


def test_only_what_is_new_is_read_again(database: Database) -> None:
    filled(database).parts()
    database.run(
        "UPDATE accounts SET name = 'changed', modified_at = '2026-01-21' WHERE account_id = 9",
        "UPDATE accounts SET name = 'changed in the window' WHERE account_id = 10",
        "INSERT INTO accounts VALUES (11, 'Eleven', NULL, 1, NULL, NULL, NULL, '2026-01-22')",
        "INSERT INTO accounts VALUES (12, 'without an instant', NULL, 1, NULL, NULL, NULL, NULL)",
    )
    names = {row["account_id"]: row["name"] for row in database.read("accounts")}
    assert names == {
        "9": "changed",
        "10": "changed in the window",
        "11": "Eleven",
        "12": "without an instant",
    }


def test_before_the_look_back_a_change_is_not_seen_and_that_is_said(database: Database) -> None:
    filled(database).parts()
    database.run("UPDATE accounts SET name = 'unseen' WHERE account_id = 9")
    listing = database_parts(database.source(), database.folder, 1)
    assert {row["account_id"]: row["name"] for row in rows(listing.parts[0])} == {"9": "Nine", "10": "Ten"}
    (note,) = listing.notes
    assert "source 'crm': accounts: read by watermark, 7 days back; rows that changed without a newer watermark" in note
    assert "delete state/sources/crm/ to read all again" in note
    assert "unseen" in {row["name"] for row in database.read("accounts", look_back_days=365)}


@pytest.mark.parametrize(
    "change",
    ["INSERT INTO accounts VALUES (13, 'backdated', NULL, 1, NULL, NULL, NULL, '2025-06-01')",
     "DELETE FROM accounts WHERE account_id = 9"],
)  # fmt: skip
def test_rows_that_come_or_go_before_the_look_back_have_all_read_again(database: Database, change: str) -> None:
    filled(database).parts()
    database.run(change)
    listing = database_parts(database.source(), database.folder, 1)
    there = {"9", "10", "13"} if "backdated" in change else {"10"}
    assert {row["account_id"] for row in rows(listing.parts[0])} == there
    assert listing.notes == (
        "source 'crm': accounts: read whole: rows had been deleted, or had come with an old watermark",
    )
    assert [note for note in database_parts(database.source(), database.folder, 1).notes if "read whole" in note] == []


def test_rows_deleted_in_the_window_are_gone(database: Database) -> None:
    filled(database).parts()
    database.run("DELETE FROM accounts WHERE account_id = 10")
    assert [row["account_id"] for row in database.read("accounts")] == ["9"]


def test_a_watermark_of_the_far_future_hides_nothing(database: Database) -> None:
    filled(database).run("UPDATE accounts SET modified_at = '2206-01-20' WHERE account_id = 10")
    database.parts()
    database.run("INSERT INTO accounts VALUES (11, 'Eleven', NULL, 1, NULL, NULL, NULL, '2026-01-22')")
    assert [row["account_id"] for row in database.read("accounts")] == ["10", "11", "9"]


def test_a_changed_schema_or_a_damaged_copy_is_read_anew(database: Database) -> None:
    filled(database).parts()
    database.run("UPDATE accounts SET name = 'unseen' WHERE account_id = 9")
    assert database.read("accounts")[1]["name"] == "Nine"
    database.run("ALTER TABLE accounts ADD COLUMN plan text")
    again = database.read("accounts")[1]
    assert (again["name"], again["plan"]) == ("unseen", None)
    copy = database.folder / "state/sources/crm/accounts.parquet"
    copy.write_bytes(copy.read_bytes()[:100])
    assert database.read("accounts")[1]["name"] == "unseen"


def test_history_without_a_key_is_gone_on_from(database: Database) -> None:
    database.run(
        """CREATE TABLE account_history
        (account_id integer, field text, old_value text, new_value text, changed_at timestamp)""",
        "INSERT INTO account_history VALUES (1, 'industry', NULL, 'IT', '2025-01-01')",
        "INSERT INTO account_history VALUES (1, 'industry', NULL, 'IT', '2025-01-01')",
        "INSERT INTO account_history VALUES (1, 'industry', 'IT', 'Retail', '2026-01-01')",
    )
    first = digest(database.parts()["account_history"])
    assert digest(database.parts()["account_history"]) == first
    database.run("INSERT INTO account_history VALUES (2, 'industry', NULL, 'IT', '2026-01-03')")
    assert len(database.read("account_history")) == 4


def test_no_secret_of_a_url_stands_in_a_copy(postgresql: str, postgresql_url: str, tmp_path: Path) -> None:
    database = filled_server(postgresql, postgresql_url, tmp_path)
    secrets = ("hunter2", "hunter3")
    asked = f"{database.url}{'&' if '?' in database.url else '?'}password=hunter2&sslpassword=hunter3"
    listing = database_parts(database.source(at=asked), database.folder, 1)
    held = b"".join(path.read_bytes() for path in database.folder.rglob("*") if path.is_file())
    assert listing.parts
    assert not [secret for secret in secrets if secret.encode() in held]


def test_what_tells_two_databases_apart_is_no_secret() -> None:
    bigquery = make_url("bigquery://project/set?credentials_base64=e30%3D&location=EU")
    assert without_secret_values(bigquery).query == {"credentials_base64": "***", "location": "EU"}
    odbc = make_url("mssql+pyodbc:///?odbc_connect=DRIVER%3Dx%3BPWD%3Dhunter2")
    assert "hunter2" not in str(without_secret_values(odbc).query)


def test_views_are_tables_too(database: Database) -> None:
    filled(database).run(
        "CREATE VIEW owners AS SELECT 7 AS owner_id, name AS team FROM accounts WHERE account_id = 9",
    )
    assert database.read("owners") == [{"owner_id": "7", "team": "Nine"}]


def test_a_mapping_names_what_it_reads(database: Database) -> None:
    filled(database).run(
        "CREATE TABLE engagement (id bigint, deal_id bigint, company_name text, body text)",
        "INSERT INTO engagement VALUES (9007199254740993, 5, 'Ten', 'call me on +1 555')",
    )

    def wanted(name: str, columns: tuple[str, ...]) -> Reading | None:
        used = tuple(c for c in columns if c != "body")
        return Reading("Engagement", used, ("id",)) if name == "engagement" else None

    (part,) = database_parts(database.source(), database.folder, 1, wanted).parts
    assert part.table == "Engagement"
    assert rows(part) == [{"id": "9007199254740993", "deal_id": "5", "company_name": "Ten"}]


def test_an_empty_table_has_its_columns(database: Database) -> None:
    (chunk,) = database.parts()["opportunities"].chunks()
    assert chunk.frame.column_names == ["opportunity_id", "account_id", "created_at", "is_won", "amount"]
    assert chunk.frame.num_rows == 0


def test_rows_come_in_batches_and_chunks_of_many(database: Database) -> None:
    many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 70000) "
    database.run(
        """CREATE TABLE activities
        (activity_id integer, account_id integer, occurred_at timestamp, channel text, kind text)""",
        "INSERT INTO activities " + many + "SELECT i, i % 50, '2026-01-01', 'web', 'visit' FROM n",
    )
    part = database.parts()["activities"]
    sizes = [chunk.frame.num_rows for chunk in part.chunks()]
    assert sum(sizes) == 70_000
    assert max(sizes) <= 65_536
    assert digest(database.parts()["activities"]) == part.digest()


def test_postgresql_instants_lists_schemas_and_odd_types(postgresql: str, postgresql_url: str, tmp_path: Path) -> None:
    database = Database(postgresql_url, postgresql, tmp_path)
    database.run(
        "CREATE SCHEMA crm",
        """CREATE TABLE crm.accounts (account_id uuid, technologies text[], created_at timestamptz, since date,
        profile jsonb, annual_revenue numeric, score real, logo bytea)""",
        """INSERT INTO crm.accounts VALUES ('6f9619ff-8b86-d011-b42d-00c04fc964ff', '{kafka,"a;b"}',
        '2026-03-01 09:30:00+02', '2026-01-01', '{"a": 1}', 1e6, 0.5, '\\x00')""",
    )
    assert "no table that is read" in database_parts(database.source(), tmp_path, 1).findings[0]
    url = database.url + "&schema=crm"
    (part,) = database_parts(database.source(at=url), tmp_path, 1).parts
    assert rows(part) == [
        {
            "account_id": "6f9619ff-8b86-d011-b42d-00c04fc964ff",
            "technologies": ["kafka", "a;b"],
            "created_at": datetime(2026, 3, 1, 7, 30, tzinfo=UTC),
            "since": date(2026, 1, 1),
            "profile": '{"a": 1}',
            "annual_revenue": 1e6,
            "score": 0.5,
        }
    ]
    (finding,) = database_parts(database.source(at=database.url + "&schema=sales"), tmp_path, 1).findings
    assert finding == "source 'crm': there is no schema 'sales' that this user may see"
    database.run(f"ALTER DATABASE {database.url.split('@/')[1].split('?')[0]} SET search_path TO crm")
    assert len(database_parts(database.source(), tmp_path, 1).parts) == 1


def test_sqlite_values_of_another_kind_are_left_for_the_quarantine(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/crm.db", None, tmp_path)
    database.run(
        "CREATE TABLE accounts (account_id INTEGER, employee_count INTEGER, is_partner BOOLEAN, created_at DATETIME)",
        "INSERT INTO accounts VALUES (1, 'many', 2, 1700000000)",
        "INSERT INTO accounts VALUES (2, 12, 1, '2026-01-01')",
    )
    assert database.read("accounts") == [
        {"account_id": "1", "employee_count": "many", "is_partner": 2.0, "created_at": "1700000000"},
        {"account_id": "2", "employee_count": "12", "is_partner": 1.0, "created_at": "2026-01-01"},
    ]


SECRET = "s3cr3t/word"


def check_refused(source: Source, folder: Path, *words: str, kind: type[TierwiseError] = EnvironmentFault) -> None:
    for ask in (lambda: database_parts(source, folder, 1), lambda: reached(source, folder)):
        with pytest.raises(kind) as caught:
            ask()
        told = str(caught.value)
        assert "source 'crm'" in told
        for word in words:
            assert word in told
        assert SECRET not in told
        assert "s3cr3t%2Fword" not in told
        assert not (folder / "state").exists()


def test_faults_of_postgresql_name_the_source_and_never_the_password(
    postgresql: str, postgresql_url: str, tmp_path: Path
) -> None:
    def source(url: str) -> Source:
        return Source(name="crm", at=url)

    home = postgresql.removeprefix("host=")
    head = f"postgresql://clerk:s3cr3t%2Fword@/postgres?host={home}"
    psql(postgresql, "DROP ROLE IF EXISTS clerk", "CREATE ROLE clerk LOGIN PASSWORD 'another'")
    check_refused(source(head), tmp_path, "password authentication failed", "Check user and password", "clerk:***@")
    check_refused(
        source(f"postgresql://u:s3cr3t%2Fword@127.0.0.1:1/x?sslpassword={SECRET}"),
        tmp_path,
        "refused",
        "Check host and port",
    )
    check_refused(
        source(f"postgresql://u:{SECRET}@/nowhere?host={home}"), tmp_path, "does not exist", "Check the names"
    )
    check_refused(
        source(f"postgresql://u:{SECRET}@no-such-host.invalid/x"),
        tmp_path,
        "no-such-host.invalid",
        "Check host and port",
    )


def test_a_table_that_may_not_be_read_is_named(postgresql: str, postgresql_url: str, tmp_path: Path) -> None:
    database = Database(postgresql_url, postgresql, tmp_path)
    database.run(ACCOUNTS, "DROP ROLE IF EXISTS guest", "CREATE ROLE guest LOGIN")
    guest = Source(name="crm", at=postgresql_url.replace("postgres:hidden@", "guest:hidden@"))
    with pytest.raises(EnvironmentFault, match=r"permission denied for table accounts\. Grant this user SELECT"):
        database_parts(guest, tmp_path, 1)
    database.run("DROP OWNED BY guest")


@pytest.mark.parametrize(
    ("at", "kind", "words"),
    [
        ("sqlite:///absent.db", UserError, ("was looked for in", "absent.db", "there is no such file")),
        (f"postgresql://u:{SECRET}:x@y@host/d", ConfigError, ("more than one @", "%40")),
        ("postgresql://u@host:port/d", ConfigError, ("cannot be read", "Write postgresql://")),
        (f"snowflake://u:{SECRET}@account/db", EnvironmentFault, ("pip install 'tierwise[snowflake]'", "untested")),
        ("bigquery://project/dataset", EnvironmentFault, ("pip install 'tierwise[bigquery]'", "untested")),
        (f"mysql://u:{SECRET}@host/d", EnvironmentFault, ("MySQLdb", "others are not")),
        (f"nosuch://u:{SECRET}@host/d", EnvironmentFault, ("no driver for 'nosuch'",)),
    ],
)
def test_urls_that_cannot_be_read(at: str, kind: type[TierwiseError], words: tuple[str, ...], tmp_path: Path) -> None:
    check_refused(Source(name="crm", at=at), tmp_path, *words, kind=kind)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "crm.db").write_bytes(b"account_id,name\n" * 100)
    check_refused(
        Source(name="crm", at="sqlite:///crm.db"), tmp_path, "not a database", "Check that the file is an SQLite"
    )


def test_a_database_without_a_table_of_ours_says_what_it_holds(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/crm.db", None, tmp_path)
    database.run("CREATE TABLE companies (id integer)")
    (finding,) = database_parts(database.source(), tmp_path, 1).findings
    assert "no table that is read" in finding
    assert "companies" in finding
    database.run(ACCOUNTS)
    assert reached(database.source(), tmp_path) == "answers; 2 tables and views in main"
    assert Settings(sources=(database.source(),)).all_sources[0].is_database
