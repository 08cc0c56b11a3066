"""The command line as a user meets it: real processes, 80 columns, exit codes, and messages instead of tracebacks.

Verbs that a person or a batch job runs often are run once at least in an interpreter that starts from nothing.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nursery import Done, fresh, tierwise
from tierwise.audit import Finding
from tierwise.cli import tables
from tierwise.synthetic import WorldSpec, simulate, write_world

HEAVY = ("duckdb", "lightgbm", "sklearn", "shap", "mlflow", "pandas", "sqlalchemy", "jinja2", "fastapi")


@pytest.fixture
def workspace(small_demo: Path, tmp_path: Path) -> Path:
    """A copy of the small demo that a test may break."""
    return Path(shutil.copytree(small_demo, tmp_path / "ws"))


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from tierwise.cli.app import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    for verb in (
        "demo",
        "init",
        "check",
        "train",
        "score",
        "explain",
        "govern",
        "doctor",
        "schema",
        "policy",
        "override",
        "dispute",
    ):
        assert verb in done.stdout


def test_deciding_loads_no_learning() -> None:
    heavy = [name for name in (*HEAVY, "optuna") if name != "pandas"]
    code = f"import sys, tierwise; tierwise.decide; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_whole_line_ends_at_a_page_and_a_verdict(small_demo: Path) -> None:
    published = small_demo / "published" / "new_business"
    run = published / (published / "CURRENT").read_text()
    assert (run / "report.html").stat().st_size > 10_000
    tiers = set(pq.read_table(run / "tiers.parquet")["tier"].to_pylist())
    assert tiers >= {"tier_2", "tier_3", "recycle", "suppress", "in_pipeline", "customer"}
    (review,) = (published / "reviews").iterdir()
    assert (review / "review.html").is_file()
    assert json.loads((review / "review.json").read_text())["verdict"] in ("steady", "watch", "act")


def test_verbs_print_tables_within_80_columns_and_say_what_is_next(workspace: Path) -> None:
    run = (workspace / "published/new_business/CURRENT").read_text()
    account = pq.read_table(workspace / f"published/new_business/{run}/tiers.parquet").to_pylist()
    one = next(r["account_id"] for r in account if r["tier"] == "tier_2")
    for words in (("check",), ("explain", one, "--since", "2025-08-01"), ("govern",), ("doctor",)):
        done = fresh("-C", workspace, *words)
        assert done.returncode in (0, 3), done.stderr
        assert "Traceback" not in done.stderr
        assert max(len(line) for line in done.stdout.splitlines() if str(workspace) not in line) <= 80
        assert done.stderr.splitlines()[-1].startswith("exit ")


def test_scoring_a_published_date_again_is_a_no_op_in_json_too(workspace: Path) -> None:
    before = _bytes(workspace)
    for run in (fresh, tierwise):
        done = run("-C", workspace, "--json", "score", "--as-of", "2026-01-01")
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout)
        assert said["new"] is False
        assert json.loads(done.stderr.splitlines()[-1])["code"] == 0
    assert _bytes(workspace) == before


def _bytes(workspace: Path) -> dict[Path, bytes]:
    """All that is published."""
    return {p: p.read_bytes() for p in (workspace / "published").rglob("*") if p.is_file() and p.name != ".lock"}


def test_a_dry_run_writes_nothing_and_shows_the_diff(workspace: Path) -> None:
    before = sorted(p.name for p in (workspace / "published/new_business").iterdir())
    done = tierwise("-C", workspace, "score", "--as-of", "2026-01-05", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "Tiers as of 2026-01-05 (scheduled" in done.stdout
    assert "Movements by owner" in done.stdout
    assert sorted(p.name for p in (workspace / "published/new_business").iterdir()) == before


def test_an_attribute_and_its_feature_are_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    both = [Finding("timing_unknown", "warns", "band", asked, "no clock") for asked in ("the attribute", "the feature")]
    tables.findings([*both, Finding("timing_unknown", "warns", "size", "the attribute", "no clock")])
    assert "  band, size: no clock.\n" in capsys.readouterr().out


@pytest.fixture(scope="module")
def small_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables of a small world."""
    folder = tmp_path_factory.mktemp("world")
    write_world(simulate(WorldSpec(seed=1, accounts=200, months=12)), folder, datetime(2025, 1, 1, tzinfo=UTC))
    return folder / "tables"


def check_refused(done: Done, *words: str, code: int = 2) -> None:
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    said = " ".join((done.stdout + done.stderr).split())
    for word in words:
        assert word in said
    assert f"exit {code}" in done.stderr.splitlines()[-1]


def _changed(tables: Path, folder: Path, table: str, change) -> Path:
    copy = Path(shutil.copytree(tables, folder / "tables"))
    path = copy / f"{table}.parquet"
    pq.write_table(change(pq.read_table(path)), path)
    return copy


def test_a_missing_column_is_named_with_its_file(small_tables: Path, tmp_path: Path) -> None:
    bad = _changed(small_tables, tmp_path, "opportunities", lambda t: t.drop_columns(["created_at"]))
    check_refused(tierwise("init", tmp_path / "ws", "--tables", bad), "opportunities.parquet", "created_at", "missing")
    assert not (tmp_path / "ws" / "models").exists()


def test_a_renamed_column_is_recognised(small_tables: Path, tmp_path: Path) -> None:
    bad = _changed(
        small_tables, tmp_path, "accounts",
        lambda t: t.rename_columns(["AccountId" if n == "account_id" else n for n in t.column_names]),
    )  # fmt: skip
    done = tierwise("init", tmp_path / "ws", "--tables", bad)
    check_refused(done, "accounts.parquet", "AccountId", "account_id", "rename")


def test_a_text_id_turned_number_is_refused(small_tables: Path, tmp_path: Path) -> None:
    def numbered(table: pa.Table) -> pa.Table:
        place = table.column_names.index("contact_id")
        return table.set_column(place, "contact_id", pa.array(range(table.num_rows), pa.int64()))

    bad = _changed(small_tables, tmp_path, "contacts", numbered)
    check_refused(tierwise("init", tmp_path / "ws", "--tables", bad), "contacts.parquet", "contact_id", "text")


def test_an_unknown_key_in_the_plan_is_named_with_its_line(workspace: Path) -> None:
    file = workspace / "models/new_business/model.yaml"
    lines = file.read_text().splitlines()
    place = next(n for n, line in enumerate(lines) if "horizon_days" in line)
    lines[place] = lines[place].replace("horizon_days", "horizon_dyas")
    file.write_text("\n".join(lines))
    check_refused(tierwise("-C", workspace, "check"), f"model.yaml:{place + 1}", "horizon_dyas", "horizon_days")


def test_an_as_of_before_the_data_says_when_they_begin(workspace: Path) -> None:
    for verb in ("score", "train"):
        done = tierwise("-C", workspace, verb, "--as-of", "2019-01-01")
        check_refused(done, "2019-01-01", "the data begin on 2023-07-0", "Give a later date")


def test_an_as_of_beyond_the_data_waits(workspace: Path) -> None:
    check_refused(
        tierwise("-C", workspace, "score", "--as-of", "2026-06-01"), "the activities reach to 2025-12-3", code=7
    )


def test_other_mistakes_have_words(workspace: Path, tmp_path: Path) -> None:
    check_refused(tierwise("-C", tmp_path, "check"), "tierwise.yaml", "tierwise init")
    check_refused(tierwise("-C", workspace, "score", "--as-of", "yesterday"), "'yesterday'", "YYYY-MM-DD")
    check_refused(tierwise("-C", workspace, "explain", "acc-nobody"), "acc-nobody", "accounts.csv")
    check_refused(tierwise("-C", workspace, "--plan", "other", "train"), "other", "new_business")
    check_refused(tierwise("init", workspace, "--tables", workspace / "tables"), "there is one already")
    check_refused(tierwise("demo", workspace), "not empty")


def test_a_damaged_model_is_refused_before_it_is_used(workspace: Path) -> None:
    for spec in (workspace / "state" / "models").rglob("spec.json"):
        spec.write_text(spec.read_text().replace("signal", "Signal", 1))
    done = tierwise("-C", workspace, "score", "--as-of", "2026-01-05")
    check_refused(done, "spec.json", code=5)


def test_the_lock_of_another_run_is_said(workspace: Path) -> None:
    from tierwise.publishing import plan_lock

    with plan_lock(workspace / "published", "new_business"):
        check_refused(tierwise("-C", workspace, "score", "--as-of", "2026-01-05"), "new_business", code=4)
