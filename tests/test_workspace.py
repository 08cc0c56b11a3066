"""Making a workspace on folders and databases, what is written of their URLs, and doctor's look at them."""

from __future__ import annotations

import io
import json
import re
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import nursery
from servers import psql
from tierwise.audit import not_to_keep
from tierwise.cli.doctor import findings
from tierwise.config import Settings, Source, load_workspace, parse_settings
from tierwise.data.sources.opening import open_sources
from tierwise.data.sources.part import Listing
from tierwise.errors import ConfigError, EnvironmentFault, UsageError, UserError
from tierwise.features import catalogue
from tierwise.jobs import InitResult, check, explain, init, score, train
from tierwise.jobs.intake import taken_in
from tierwise.jobs.workspace import settings_text
from tierwise.synthetic import WorldSpec, simulate, write_world


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small world's tables."""
    folder = tmp_path_factory.mktemp("world")
    write_world(simulate(WorldSpec(seed=4, accounts=400)), folder)
    return folder / "tables"


def frames(exports: Path) -> dict[str, pd.DataFrame]:
    return {path.stem: pq.read_table(path).to_pandas() for path in sorted(exports.glob("*.parquet"))}


def into_sqlite(exports: Path, file: Path) -> None:
    with sqlite3.connect(file) as connection:
        for name, frame in frames(exports).items():
            if "technologies" in frame:
                frame["technologies"] = [None if v is None else ";".join(v) for v in frame["technologies"]]
            frame.to_sql(name, connection, index=False)
    connection.close()


def test_what_a_source_usually_brings_is_drafted_for_a_person_to_take_up(exports: Path, tmp_path: Path) -> None:
    result = init(tmp_path / "ws", exports)
    file = tmp_path / "ws/tierwise.yaml"
    text = file.read_text()
    assert f'at: "{exports}"\n' in text
    assert "  # expects:  # as activities have come so far" in text
    (source,) = load_workspace(tmp_path / "ws").settings.all_sources
    assert (source.name, source.expects) == ("tables", None)
    file.write_text(re.sub(r"^    # (expects|  \w+:)", r"    \1", text, flags=re.MULTILINE))
    (source,) = load_workspace(tmp_path / "ws").settings.all_sources
    assert source.expects is not None
    assert min(source.expects.volume.values()) > 0
    assert isinstance(result, InitResult)
    assert result.counts["read"].sum() > 1000
    assert len(result.matches) == 0


def test_a_database_is_drafted_from_like_its_files(exports: Path, tmp_path: Path) -> None:
    into_sqlite(exports, tmp_path / "crm.db")
    from_files = init(tmp_path / "files", exports)
    from_database = init(tmp_path / "database", f"sqlite:///{tmp_path}/crm.db")
    assert (tmp_path / "database/models/new_business/model.yaml").read_text() == (
        tmp_path / "files/models/new_business/model.yaml"
    ).read_text()
    read = [r.counts.set_index("table")["read"].to_dict() for r in (from_files, from_database)]
    assert read[0] == read[1]
    (source,) = load_workspace(tmp_path / "database").settings.all_sources
    assert (source.name, source.kind, source.at) == ("tables", "tables", f"sqlite:///{tmp_path}/crm.db")
    assert sorted(p.name for p in (tmp_path / "database/state/sources/tables").glob("*.parquet"))


def test_two_sources_are_joined_and_the_rates_printed(exports: Path, tmp_path: Path) -> None:
    """The world's activities come from a database of their own, in which accounts have other ids."""
    crm = tmp_path / "ws/crm"
    crm.mkdir(parents=True)
    all_ = frames(exports)
    new = {account: str(70_000 + i) for i, account in enumerate(all_["accounts"]["account_id"])}
    for path in exports.glob("*.parquet"):
        if path.stem != "activities":
            pq.write_table(pq.read_table(path), crm / path.name)
    web = all_["accounts"][["account_id", "domain"]].assign(account_id=lambda f: f["account_id"].map(new))
    visits = all_["activities"].assign(account_id=lambda f: f["account_id"].map(new).fillna(f["account_id"]))
    with sqlite3.connect(tmp_path / "ws/web.db") as connection:
        web.to_sql("accounts", connection, index=False)
        visits.to_sql("activities", connection, index=False)
    connection.close()
    drafted = init(tmp_path / "drafted", exports).workspace
    plans = tmp_path / "ws/models"
    plans.parent.mkdir(exist_ok=True)
    drafted.plans["new_business"].folder.parent.rename(plans)
    text = "sources:\n- {name: crm, at: crm}\n- {name: web, at: 'sqlite:///web.db'}\n"
    (tmp_path / "ws/tierwise.yaml").write_text(text)
    done = command("-C", tmp_path / "ws", "--json", "check")
    assert done.returncode == 0, done.stderr
    notes = json.loads(done.stdout)["notes"]
    assert any("of web are accounts of crm" in note for note in notes)
    plain = command("-C", tmp_path / "ws", "check")
    assert "Accounts joined" in plain.stdout
    assert "domain" in plain.stdout
    assert "web.activities" in plain.stdout


def command(*words: object, **environ: str) -> nursery.Done:
    return nursery.tierwise(*words, columns=100, env=environ)


def test_refused_tables_leave_a_workspace_in_which_to_declare_formats(exports: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    folder.mkdir()
    for name, frame in frames(exports).items():
        frame.drop(columns="technologies", errors="ignore").to_csv(folder / f"{name}.csv", index=False, sep=";")
    done = command("init", tmp_path / "ws", "--tables", folder, COLUMNS="80")
    assert done.returncode == 2
    assert "BLOCKS: contract" in done.stdout
    assert "the header has one column and holds ';'" in " ".join(done.stdout.split())
    assert 'Declare formats: {delimiter: ";"}' in done.stdout
    assert done.stderr.splitlines()[-1].endswith(f"in {tmp_path}/ws/tierwise.yaml; then: tierwise init {tmp_path}/ws")
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert not (tmp_path / "ws/models").exists()
    checked = command("-C", tmp_path / "ws", "check")
    assert (checked.returncode, checked.stdout.count("BLOCKS: contract")) == (2, 1), checked.stderr
    again = command("init", tmp_path / "ws", "--tables", folder)
    assert again.returncode == 2
    assert again.stdout.count("BLOCKS") == 1
    file = tmp_path / "ws/tierwise.yaml"
    told = f'    at: "{folder}"\n'
    file.write_text(file.read_text().replace(told, told + '    formats: {delimiter: ";"}\n'))
    other = command("init", tmp_path / "ws", "--tables", exports)
    assert other.returncode == 2
    assert "there is one already, whose tierwise.yaml names its sources" in other.stderr
    mended = file.read_text()
    checked = command("-C", tmp_path / "ws", "check")
    assert checked.returncode == 2
    assert "the tables keep the contract" in checked.stderr
    assert f"no plan was found in {tmp_path}/ws/models" in checked.stderr
    done = command("init", tmp_path / "ws")
    assert done.returncode == 0, done.stderr
    assert file.read_text() == mended
    assert command("-C", tmp_path / "ws", "check").returncode == 0


def test_a_further_plan_is_drafted_on_the_sources_that_are_there(exports: Path, tmp_path: Path) -> None:
    init(tmp_path / "ws", exports)
    with pytest.raises(UsageError, match=r"plan 'new_business' was to be drafted .*Name another with --name"):
        init(tmp_path / "ws")
    told = (tmp_path / "ws/tierwise.yaml").read_text()
    done = command("init", tmp_path / "ws", "--name", "expansion")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1].endswith("--plan expansion check")
    assert sorted(load_workspace(tmp_path / "ws").plans) == ["expansion", "new_business"]
    assert (tmp_path / "ws/tierwise.yaml").read_text() == told


def test_tables_in_which_little_is_dated_get_a_plan_and_are_told_so(tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    folder.mkdir()
    (folder / "accounts.csv").write_text("account_id,created_at\na,2024-01-01\nb,2024-03-01\n")
    (folder / "activities.csv").write_text("activity_id,account_id,occurred_at,channel,kind\n")
    done = command("init", tmp_path / "ws", "--tables", folder, COLUMNS="80")
    assert done.returncode == 0, done.stderr
    done = command("-C", tmp_path / "ws", "check", COLUMNS="80")
    assert done.returncode == 2, done.stderr
    assert "BLOCKS: no outcomes" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    (folder / "accounts.csv").write_text("account_id\na\nb\n")
    with pytest.raises(UsageError, match="nothing in them has a date"):
        init(tmp_path / "undated", folder)


def test_init_prints_what_was_read(exports: Path, tmp_path: Path) -> None:
    done = command("init", tmp_path / "ws", "--tables", exports)
    assert done.returncode == 0, done.stderr
    assert "accounts" in done.stdout
    assert "accepted" in done.stdout


def test_a_password_is_never_written(tmp_path: Path) -> None:
    for url in ("postgresql://u:hidden@h/d", "postgresql://h/d?user=u&password=hidden", "postgresql://u:hid@den@h/d"):
        done = command("init", tmp_path / "ws", "--tables", url)
        assert done.returncode == 2, done.stderr
        assert "it holds a password, which is never written" in done.stderr
        assert "Set TIERWISE_TABLES_PASSWORD, and write ${TIERWISE_TABLES_PASSWORD} in its place" in done.stderr
        assert "hidden" not in done.stderr + done.stdout
        assert not (tmp_path / "ws").exists()


def test_a_password_comes_from_the_environment(
    postgresql: str, postgresql_url: str, exports: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlalchemy import create_engine

    engine = create_engine(postgresql_url)
    for name, frame in frames(exports).items():
        if "technologies" in frame:
            frame["technologies"] = [None if v is None else list(v) for v in frame["technologies"]]
        frame.to_sql(name, engine, index=False)
    engine.dispose()
    psql(postgresql, "DROP ROLE IF EXISTS clerk", "CREATE ROLE clerk LOGIN PASSWORD 'right' IN ROLE pg_read_all_data")
    url = postgresql_url.replace("postgres:hidden@", "clerk:${TIERWISE_TABLES_PASSWORD}@")
    monkeypatch.setenv("TIERWISE_TABLES_PASSWORD", "wrong")
    with pytest.raises(EnvironmentFault, match="password authentication failed"):
        init(tmp_path / "ws", url)
    assert not (tmp_path / "ws").exists()
    monkeypatch.setenv("TIERWISE_TABLES_PASSWORD", "right")
    result = init(tmp_path / "ws", url)
    assert result.counts["read"].sum() > 1000
    text = (tmp_path / "ws/tierwise.yaml").read_text()
    assert "clerk:${TIERWISE_TABLES_PASSWORD}@" in text
    assert all(b"right" not in p.read_bytes() for p in (tmp_path / "ws").rglob("*.yaml"))
    checks = {name: (ok, says) for name, ok, says in findings(tmp_path / "ws", None)}
    assert checks["source: tables"] == (True, "answers; 12 tables and views in public")
    monkeypatch.setenv("TIERWISE_TABLES_PASSWORD", "wr0ng")
    ok, says = {name: (ok, says) for name, ok, says in findings(tmp_path / "ws", None)}["source: tables"]
    assert not ok
    assert "password authentication failed" in says
    assert "wr0ng" not in says


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "Name one with --tables, --hubspot, --salesforce"),
        ({"tables": "nowhere"}, "looked for in nowhere: there is no such folder"),
        ({"hubspot": "nowhere"}, "source hubspot was looked for in nowhere"),
    ],
)
def test_sources_that_are_not_there(given: dict[str, str], words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=words):
        init(tmp_path / "ws", **given)
    assert not (tmp_path / "ws").exists()


def test_several_sources_are_written_commented_and_read_back() -> None:
    at = {"salesforce": "sf", "hubspot": "postgresql://u:${PW}@h/d", "tables": 'a "folder"\\'}
    settings = parse_settings(settings_text(at), environ={"PW": "x"})
    assert [(s.name, s.kind, s.at) for s in settings.all_sources] == [
        ("salesforce", "salesforce", "sf"),
        ("hubspot", "hubspot", "postgresql://u:x@h/d"),
        ("tables", "tables", 'a "folder"\\'),
    ]
    assert settings.tables is None
    with pytest.raises(ConfigError, match="the environment has no variable PW"):
        parse_settings(settings_text(at), environ={})


def test_an_sqlite_file_inside_is_named_from_the_workspace(
    exports: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ws").mkdir()
    into_sqlite(exports, tmp_path / "ws/crm.db")
    monkeypatch.chdir(tmp_path)
    init("ws", "sqlite:///ws/crm.db")
    assert 'at: "sqlite:///crm.db"' in (tmp_path / "ws/tierwise.yaml").read_text()
    (tmp_path / "ws/crm.db").unlink()
    with pytest.raises(UserError, match=r"source 'tables' was looked for in .*crm\.db: there is no such file"):
        open_sources(tmp_path / "ws", load_workspace("ws").settings)


def test_a_lone_database_must_hold_accounts_and_an_outcome(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "crm.db") as connection:
        connection.execute("CREATE TABLE contacts (contact_id text, account_id text)")
    connection.close()
    settings = Settings(sources=(Source(name="crm", at="sqlite:///crm.db"),))
    (listing,) = open_sources(tmp_path, settings)
    assert listing.findings == (
        "accounts: source 'crm' holds no table or view of that name; make one, or name its ?schema=",
        "opportunities, activities: source 'crm' holds neither, and one must hold the outcome",
    )


CRM = {
    "account": "Id,Name,Website,Industry,IsDeleted,CreatedDate,SystemModstamp,Score__c,OwnerId\n"
    "001Ec00000FzlUd,Ten,https://ten.example/en,IT,false,2025-01-01T00:00:00Z,2026-01-01T00:00:00Z,7,005\n"
    "001Ec00000FzlUe,Nine,nine.example,Retail,false,2025-01-02T00:00:00Z,2026-01-02T00:00:00Z,8,005\n",
    "contact": "Id,AccountId,FirstName,LastName,Title,Email,Phone,CreatedDate,SystemModstamp\n"
    "003Ec00000FzlUd,001Ec00000FzlUd,Ann,Bell,CEO,ann.bell@ten.example,+1 555 0100,2025-02-01T00:00:00Z,"
    "2026-01-01T00:00:00Z\n",
    "opportunity": "Id,AccountId,Name,StageName,IsClosed,IsWon,Amount,CreatedDate,CloseDate,SystemModstamp\n"
    "006Ec00000FzlUd,001Ec00000FzlUd,Deal,Prospecting,false,false,100,2025-03-01T00:00:00Z,2026-03-01,"
    "2026-01-01T00:00:00Z\n",
    "unrelated": "a,b\n1,2\n",
}


def crm_folder(home: Path) -> Path:
    folder = home / "sf"
    folder.mkdir(parents=True)
    for name, text in CRM.items():
        (folder / f"{name}.csv").write_text(text)
    return folder


def crm_database(home: Path, text: bool = True) -> str:
    home.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(home / "sf.db") as connection:
        for name, content in CRM.items():
            pd.read_csv(io.StringIO(content), dtype=str if text else None).to_sql(name, connection, index=False)
    connection.close()
    return "sqlite:///sf.db"


def mapped(folder: Path, at: str) -> tuple[dict[str, list[dict]], Listing]:
    (listing,) = open_sources(folder, Settings(sources=(Source(name="crm", kind="salesforce", at=at),)))
    assert not listing.findings
    found: dict[str, list[dict]] = {}
    for part in listing.parts:
        for chunk in part.chunks():
            found.setdefault(part.table, []).extend(chunk.frame.to_pylist())
        assert part.digest()
    return {table: sorted(rows, key=str) for table, rows in found.items()}, listing


def test_a_mapping_reads_a_database_as_it_reads_files(tmp_path: Path) -> None:
    crm_folder(tmp_path)
    from_files, files = mapped(tmp_path, "sf")
    from_database, database = mapped(tmp_path, crm_database(tmp_path))
    assert from_files == from_database
    assert from_files["accounts"][0]["account_id"] == "001Ec00000FzlUdIAJ"
    assert from_files["contacts"][0]["email_domain"] == "ten.example"
    assert {part.file for part in files.parts} == {"account.csv", "contact.csv", "opportunity.csv"}
    assert {part.file for part in database.parts} == {"crm.account", "crm.contact", "crm.opportunity"}
    kept = sorted(path.name for path in (tmp_path / "state/sources/crm").glob("*"))
    assert kept == ["account.parquet", "contact.parquet", "opportunity.parquet"]
    columns = pq.read_schema(tmp_path / "state/sources/crm/contact.parquet").names
    assert columns == ["Id", "AccountId", "Title", "Email", "CreatedDate", "SystemModstamp"]


def test_nobody_is_named_in_the_copy_of_a_database(tmp_path: Path) -> None:
    mapped(tmp_path, crm_database(tmp_path))
    emails = pq.read_table(tmp_path / "state/sources/crm/contact.parquet")["Email"].to_pylist()
    assert [email.split("@")[1] for email in emails] == ["ten.example"]
    held = b"".join(path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file())
    for word in (b"ann.bell", b"Bell", b"555 0100"):
        assert word not in held


def test_a_mapped_database_is_gone_on_from(tmp_path: Path) -> None:
    at = crm_database(tmp_path)
    mapped(tmp_path, at)
    with sqlite3.connect(tmp_path / "sf.db") as connection:
        connection.execute("UPDATE account SET Industry = 'unseen' WHERE Name = 'Ten'")
        connection.execute(
            "UPDATE account SET Industry = 'Energy', SystemModstamp = '2026-02-01T00:00:00Z' WHERE Name = 'Nine'"
        )
    connection.close()
    (source,) = (Source(name="crm", kind="salesforce", at=at, look_back_days=0),)
    (listing,) = open_sources(tmp_path, Settings(sources=(source,)))
    accounts = next(part for part in listing.parts if part.table == "accounts")
    found = [row for chunk in accounts.chunks() for row in chunk.frame.to_pylist()]
    assert sorted(row["industry"] for row in found) == ["Energy", "unseen"]
    with sqlite3.connect(tmp_path / "sf.db") as connection:
        connection.execute("UPDATE account SET Industry = 'unseen' WHERE Name = 'Ten'")
        connection.execute("UPDATE account SET Industry = 'really unseen' WHERE Name = 'Ten'")
    connection.close()
    (listing,) = open_sources(tmp_path, Settings(sources=(source,)))
    accounts = next(part for part in listing.parts if part.table == "accounts")
    found = [row for chunk in accounts.chunks() for row in chunk.frame.to_pylist()]
    assert sorted(row["industry"] for row in found) == ["Energy", "unseen"]
    assert any("read by watermark" in note for note in listing.notes)


@pytest.mark.parametrize(
    ("kind", "table", "stamp"),
    [("hubspot", "company", "hs_lastmodifieddate"), ("salesforce", "account", "SystemModstamp")],
)
def test_what_a_loader_marks_as_deleted_is_seen_and_dated_when_it_was(
    kind: str, table: str, stamp: str, tmp_path: Path
) -> None:
    def deleted() -> dict[str, str | None]:
        (listing,) = open_sources(tmp_path, Settings(sources=(Source(name="crm", kind=kind, at="sqlite:///l.db"),)))
        accounts = next(part for part in listing.parts if part.table == "accounts")
        found = [row for chunk in accounts.chunks() for row in chunk.frame.to_pylist()]
        return {row["name"]: row["deleted_at"] for row in found}

    def run(*statements: str) -> None:
        with sqlite3.connect(tmp_path / "l.db") as connection:
            for statement in statements:
                connection.execute(statement)
        connection.close()

    run(
        f"CREATE TABLE {table} (id text, name text, {stamp} text, is_deleted boolean, _fivetran_synced text)",
        f"INSERT INTO {table} VALUES ('1', 'Ten', '2022-01-01T00:00:00Z', 0, '2022-01-02 00:00:00')",
        f"INSERT INTO {table} VALUES ('2', 'Nine', '2024-06-01T00:00:00Z', 0, '2024-06-02 00:00:00')",
    )
    assert deleted() == {"Ten": None, "Nine": None}
    run(f"UPDATE {table} SET is_deleted = 1, _fivetran_synced = '2024-06-20 00:00:00' WHERE id = '1'")
    expected = {"Ten": "2024-06-20 00:00:00", "Nine": None}
    assert deleted() == expected
    (tmp_path / f"state/sources/crm/{table}.parquet").unlink()
    assert deleted() == expected


def test_a_mapping_on_a_folder_that_is_not_there_or_unreadable(tmp_path: Path) -> None:
    def findings_of(at: str) -> tuple[str, ...]:
        source = Source(name="crm", kind="salesforce", at=at)
        return open_sources(tmp_path, Settings(sources=(source,)))[0].findings

    assert findings_of("nowhere") == (f"source 'crm': {tmp_path}/nowhere: there is no such folder",)
    (tmp_path / "empty").mkdir()
    assert findings_of("empty") == (f"source 'crm': {tmp_path}/empty: the folder holds no .parquet and no .csv file",)
    folder = crm_folder(tmp_path)
    (folder / "task.parquet").write_bytes(b"no parquet")
    (finding,) = findings_of("sf")
    assert finding.startswith("task.parquet: cannot be read as Parquet")


def test_salesforce_and_hubspot_become_one_workspace(exports: Path, tmp_path: Path) -> None:
    """A world's accounts, contacts and deals as Salesforce exports them; companies and deals synced to HubSpot."""
    world = frames(exports)
    accounts, deals = world["accounts"], world["opportunities"]
    sf, hub = tmp_path / "sf", tmp_path / "hub"
    sf.mkdir()
    hub.mkdir()
    renamed = {
        "account_id": "Id",
        "name": "Name",
        "domain": "Website",
        "industry": "Industry",
        "employee_count": "NumberOfEmployees",
        "created_at": "CreatedDate",
    }
    accounts.rename(columns=renamed)[list(renamed.values())].to_csv(sf / "Account.csv", index=False)
    of_deals = {"opportunity_id": "Id", "account_id": "AccountId", "created_at": "CreatedDate", "stage": "StageName"}
    of_deals |= {"is_closed": "IsClosed", "is_won": "IsWon", "amount": "Amount", "type": "Type"}
    deals.rename(columns=of_deals)[list(of_deals.values())].to_csv(sf / "Opportunity.csv", index=False)
    half = accounts.iloc[: len(accounts) // 2]
    companies = pd.DataFrame(
        {
            "id": [str(9_000 + i) for i in range(len(half))],
            "property_name": half["name"],
            "property_domain": half["domain"],
            "property_salesforceaccountid": half["account_id"],
            "property_createdate": half["created_at"],
            "property_lifecyclestage": "lead",
        }
    )
    companies.to_csv(hub / "company.csv", index=False)
    done = command("init", tmp_path / "ws", "--salesforce", sf, "--hubspot", hub, "--tables", exports)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "Accounts joined" in done.stdout
    settings = load_workspace(tmp_path / "ws").settings
    assert [(s.name, s.kind) for s in settings.all_sources] == [
        ("salesforce", "salesforce"),
        ("hubspot", "hubspot"),
        ("tables", "tables"),
    ]
    done = command("-C", tmp_path / "ws", "--json", "check")
    assert done.returncode in (0, 2), done.stderr
    notes = json.loads(done.stdout)["notes"]
    n = len(half)
    (of_hubspot,) = [note for note in notes if f"{n} of {n} of hubspot are accounts of salesforce" in note]
    assert f"({n} by sync_id, 0 by equal id, 0 by domain)" in of_hubspot
    n = len(accounts)
    assert any(f"{n:,} of {n:,} of tables are accounts of salesforce" in note for note in notes)


def test_a_kind_that_no_mapping_has_is_named(tmp_path: Path) -> None:
    settings = Settings(sources=(Source(name="crm", kind="nosuch", at="x"),))
    with pytest.raises(ConfigError, match="a source of kind 'nosuch' was asked for"):
        open_sources(tmp_path, settings)


def test_doctor_names_a_folder_that_is_gone(exports: Path, tmp_path: Path) -> None:
    init(tmp_path / "ws", exports)
    (tmp_path / "ws/tierwise.yaml").write_text("tables: gone\n")
    ok, says = {name: (ok, says) for name, ok, says in findings(tmp_path / "ws", None)}["source: tables"]
    assert not ok
    assert "gone: there is no such folder" in says


WORDS_OF_SQL = [
    "Tier", "a", "account", "after", "age", "as_of", "b", "begins", "c", "cell", "changed_at", "count", "d", "day",
    "days", "e", "ends", "event_at", "f", "field", "first", "from", "g", "group", "h", "having", "held", "id",
    "in_pipeline", "key", "kind", "known_at", "line", "n", "names", "new_value", "noise", "old_value", "order", "p",
    "place", "rank", "rate", "reached", "role", "rows", "s", "select", "since", "stage", "status", "t", "table",
    "there", "to_at", "unlinked_at", "value", "values", "was", "where", "y",
]  # fmt: skip


def test_attributes_may_bear_any_word_that_our_sql_uses(tmp_path: Path) -> None:
    plain, worded = tmp_path / "plain", tmp_path / "worded"
    write_world(simulate(WorldSpec(seed=3, accounts=200, months=14)), plain)
    shutil.copytree(plain, worded)
    path = worded / "tables/accounts.parquet"
    table = pq.read_table(path)
    for place, word in enumerate(WORDS_OF_SQL):
        table = table.append_column(word, pa.array([float((n + place) % 5) for n in range(table.num_rows)]))
    pq.write_table(table, path)
    found = [
        (init(folder / "ws", folder / "tables"), check(load_workspace(folder / "ws"))) for folder in (plain, worded)
    ]
    (drafted, checked), (drafted_worded, checked_worded) = found
    assert drafted.draft.outcome == drafted_worded.draft.outcome
    assert drafted.draft.ladder == drafted_worded.draft.ladder
    pd.testing.assert_frame_equal(checked.coverage.frame, checked_worded.coverage.frame)
    about = {word.lower() for word in WORDS_OF_SQL}
    theirs = [(f.code, f.subject) for f in checked_worded.findings if f.subject.lower() not in about]
    assert [(f.code, f.subject) for f in checked.findings] == theirs


AWKWARD = ("Lead Source", 'a: "b"', "Größe", "order", "status")


def with_awkward_columns(exports: Path, folder: Path) -> Path:
    """A world whose accounts have columns that are no plain names, each with a history; the first is their industry."""
    folder.mkdir()
    tables = frames(exports)
    accounts, history = tables["accounts"], tables["account_history"]
    rng = np.random.default_rng(3)
    n = len(accounts)
    industry = accounts.pop("industry").to_numpy()
    for name in AWKWARD:
        values = rng.integers(1, 5, n) if name == "Größe" else rng.choice(["Web", "Fair", "Partner"], n)
        values = industry if name == "Lead Source" else values
        old = rng.permutation(values)
        accounts[name] = values
        changed = rng.random(n) < 0.2
        made = accounts["created_at"] + pd.to_timedelta(rng.integers(20, 500, n), unit="D")
        rows = {"account_id": accounts["account_id"], "field": name, "old_value": old.astype(str)}
        rows |= {"new_value": values.astype(str), "changed_at": made}
        history = pd.concat([history, pd.DataFrame(rows)[changed & (made < pd.Timestamp("2025-12-01"))]])
    for name, frame in (tables | {"accounts": accounts, "account_history": history}).items():
        frame.to_parquet(folder / f"{name}.parquet", index=False)
    return folder


@pytest.mark.long
def test_columns_of_any_name_are_drafted_trained_scored_and_explained(tmp_path: Path) -> None:
    write_world(simulate(WorldSpec(seed=3, accounts=900)), tmp_path / "world")
    result = init(tmp_path / "ws", with_awkward_columns(tmp_path / "world/tables", tmp_path / "tables"))
    workspace = result.workspace
    drafted = dict(result.draft.attributes)
    assert {name: drafted.get(name) for name in AWKWARD} == dict.fromkeys(AWKWARD, "tracked")
    features = catalogue(workspace.plan().plan)
    fit = {*AWKWARD, "account_status"} - {"status"}
    assert {f.name for f in features} >= fit
    plan = workspace.plan().folder / "model.yaml"
    plan.write_text(plan.read_text().replace("model:\n", "model:\n  candidates: [two_sided]\n"))
    workspace = load_workspace(tmp_path / "ws")
    checked = check(workspace)
    assert not checked.blocked
    trained = train(workspace)
    assert trained.evaluation["chosen"] == "two_sided"
    run = score(workspace, as_of="2026-01-01")
    reasons = pd.read_parquet(run.folder / "reasons.parquet")
    said = reasons[reasons["feature"].isin(fit)]
    assert set(said["feature"]) >= {"Lead Source", 'a: "b"'}
    assert said["value_as_of"].notna().all()
    assert any(words.startswith("Lead Source: ") for words in said["words"])
    page = (run.folder / "report.html").read_text()
    assert "Lead Source" in page
    foremost = said[reasons.groupby("account_id").cumcount()[said.index] < 10].iloc[0]
    steps = explain(workspace, foremost["account_id"]).steps["words"]
    assert any(words.startswith(foremost["words"]) for words in steps)


def test_channels_kinds_and_members_may_be_called_anything(tmp_path: Path) -> None:
    write_world(simulate(WorldSpec(seed=3, accounts=300, months=14)), tmp_path)
    path = tmp_path / "tables/activities.parquet"
    activities = pq.read_table(path).to_pandas()
    channels = {"email": "3rd party", "event": "order", "intent": "select", "product": "Café 展示会", "web": 'e"f'}
    kinds = {"page_view": "1st", "pricing_visit": 'it\'s: "x"'}
    activities.replace({"channel": channels, "kind": kinds}).to_parquet(path)
    path = tmp_path / "tables/accounts.parquet"
    accounts = pq.read_table(path).to_pandas()
    stacks = [["C", "C++", "C#", ".NET", "NET"], ["C++", "NET"], None]
    accounts["technologies"] = [stacks[n % 3] for n in range(len(accounts))]
    accounts.to_parquet(path)
    result = init(tmp_path / "ws", tmp_path / "tables")
    plan = result.workspace.plan().plan
    assert set(channels.values()) <= set(plan.features.signal.channels)
    (technologies,) = (a for a in plan.features.fit if a.attribute == "technologies")
    assert technologies.values == ("C", "C#", "C++", "NET")
    assert not check(result.workspace).blocked


def test_a_draft_takes_no_personal_data_no_scores_of_ours_and_no_name_twice(tmp_path: Path) -> None:
    write_world(simulate(WorldSpec(seed=3, accounts=300, months=14)), tmp_path)
    path = tmp_path / "tables/accounts.parquet"
    accounts = pq.read_table(path).to_pandas()
    people = ["Zhang Xiaoming", "Ngozi Adichie", "Xaver Obermaier", "Aoife Byrne", "Thabo Nkosi", "Yui Sato", "Bo Li"]
    people += [name.replace(" ", " Ade ") for name in people]
    n = range(len(accounts))
    accounts["mobile"] = [f"06{12_345_678 + 7 * i}" for i in n]
    accounts["direct_phone"] = [15_551_230_000.0 + i for i in n]
    accounts["primary_contact"] = [people[i % len(people)] for i in n]
    accounts["mobile_app"] = [("yes", "no")[i % 2] for i in n]
    accounts["propensity__c"] = [i / len(accounts) for i in n]
    accounts["web_30d"] = [float(i % 9) for i in n]
    accounts.to_parquet(path)
    changed = tmp_path / "tables/account_history.parquet"
    history = pq.read_table(changed).to_pandas()
    first = history.groupby("account_id").head(1)
    names = ("mobile", "direct_phone", "primary_contact", "mobile_app", "propensity__c", "web_30d")
    more = [first.assign(field=name, old_value="x", new_value="y") for name in names]
    pd.concat([history, *more]).to_parquet(changed)
    result = init(tmp_path / "ws", tmp_path / "tables")
    left_out = dict(result.left_out)
    for name in ("mobile", "direct_phone", "primary_contact"):
        assert left_out[name].startswith("a person's data"), name
    assert left_out["propensity__c"].startswith("named like a field that tierwise writes")
    assert left_out["web_30d"].startswith("a feature of the signal side is called so")
    assert "mobile_app" in dict(result.draft.attributes)
    assert not check(result.workspace).blocked
    of_people = {"mobile", "direct_phone", "primary_contact"}
    with taken_in(result.workspace, lambda _said: None) as intake:
        assert of_people <= not_to_keep(intake.warehouse)
        assert "mobile_app" not in not_to_keep(intake.warehouse)


def test_a_settings_file_that_is_no_utf_8_is_named(exports: Path, tmp_path: Path) -> None:
    init(tmp_path / "ws", exports)
    (tmp_path / "ws/tierwise.yaml").write_bytes(b"tables: caf\xe9\n")
    done = command("init", tmp_path / "ws", "--name", "other")
    assert done.returncode == 2
    assert "tierwise.yaml: not UTF-8 text (byte 11). Save it as UTF-8." in done.stderr
