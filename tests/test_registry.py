"""The bundle, and a real MLflow on SQLite."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from matrix_sample import matrix
from tierwise.errors import BundleError, EnvironmentFault, UsageError
from tierwise.learning import Affine, PropensityModel, Scorecard, TwoSidedBooster
from tierwise.learning.model import freeze
from tierwise.registry import Registry, read_bundle, write_bundle

SAMPLE = matrix(accounts=80, months=3)
META = {"plan": "sample", "evaluation": {"verdict": "usable", "auc": 0.7}}


@pytest.fixture(autouse=True)
def _mlflow_s_own_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        for category in (DeprecationWarning, FutureWarning, ResourceWarning, UserWarning, PendingDeprecationWarning):
            warnings.simplefilter("ignore", category)  # raised inside mlflow and what it imports, not by us
        yield


@cache
def model(kind: str, seed: int = 0) -> PropensityModel:
    sample = matrix(accounts=80, months=3, seed=seed)
    made = Scorecard(sample.features) if kind == "scorecard" else TwoSidedBooster(sample.features, rounds=10)
    fitted = made.fit(sample.frame, sample.frame["outcome"])
    return freeze(kind, fitted, Affine(0.1, 0.9), sample.frame, 90, datetime(2025, 1, 1, tzinfo=UTC), 1)


def bundle(folder: Path, kind: str = "scorecard", seed: int = 0) -> str:
    return write_bundle(model(kind, seed), SAMPLE.frame, META, folder)


# --- the bundle -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["scorecard", "two_sided"])
def test_a_bundle_comes_back_whole_and_its_bytes_are_the_same_each_time(tmp_path: Path, kind: str) -> None:
    version = bundle(tmp_path / "one", kind)
    assert bundle(tmp_path / "two", kind) == version
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
    found = read_bundle(tmp_path / "one", version=version)
    assert (found.version, found.meta) == (version, META)
    pd.testing.assert_frame_equal(found.model.score(SAMPLE.frame), model(kind).score(SAMPLE.frame), check_exact=True)
    golden = json.loads((tmp_path / "one" / "golden.json").read_text())
    assert golden["rows"] == 50
    assert not any(p.suffix in (".pkl", ".pickle", ".joblib") for p in (tmp_path / "one").iterdir())


def test_a_bundle_is_never_written_over(tmp_path: Path) -> None:
    bundle(tmp_path / "b")
    with pytest.raises(UsageError, match="the folder is not empty"):
        bundle(tmp_path / "b")


@pytest.mark.parametrize("name", ["spec.json", "calibrator.json", "model.txt", "meta.json", "golden.json"])
def test_one_changed_byte_is_found_before_anything_is_parsed(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle(tmp_path / "b", "two_sided")
    path = tmp_path / "b" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    monkeypatch.setattr(PropensityModel, "from_files", lambda *_: pytest.fail("parsed before it was checked"))
    with pytest.raises(BundleError, match=f"{name} has been changed") as told:
        read_bundle(tmp_path / "b")
    assert told.value.exit_code == 5


def test_what_is_missing_added_or_of_another_version_is_refused(tmp_path: Path) -> None:
    version = bundle(tmp_path / "b")
    with pytest.raises(BundleError, match="and 000000000000 was asked for"):
        read_bundle(tmp_path / "b", version="0" * 64)
    (tmp_path / "b" / "model.pkl").write_bytes(b"x")
    with pytest.raises(BundleError, match=r"it holds what no bundle holds: model\.pkl"):
        read_bundle(tmp_path / "b")
    (tmp_path / "b" / "model.pkl").unlink()
    assert read_bundle(tmp_path / "b").version == version
    (tmp_path / "b" / "golden.json").unlink()
    with pytest.raises(BundleError, match=r"missing: golden\.json"):
        read_bundle(tmp_path / "b")
    (tmp_path / "b" / "MANIFEST.json").write_text("{}")
    with pytest.raises(BundleError, match="is not a manifest"):
        read_bundle(tmp_path / "b")
    with pytest.raises(BundleError, match=r"there is no MANIFEST.json"):
        read_bundle(tmp_path / "nowhere")


def test_a_manifest_cannot_reach_outside_the_folder(tmp_path: Path) -> None:
    bundle(tmp_path / "b")
    manifest = json.loads((tmp_path / "b" / "MANIFEST.json").read_text())
    manifest["files"]["../secret"] = {"sha256": "0" * 64, "bytes": 1}
    (tmp_path / "b" / "MANIFEST.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=r"holds what no bundle holds: \.\./secret"):
        read_bundle(tmp_path / "b")


@pytest.mark.parametrize("kind", ["scorecard", "two_sided"])
def test_golden_rows_that_score_otherwise_are_refused(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle(tmp_path / "b", kind)
    sides = PropensityModel.sides

    def off(self: PropensityModel, frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        fit, signal = sides(self, frame)
        return fit, signal + 2e-9

    monkeypatch.setattr(PropensityModel, "sides", off)
    with pytest.raises(BundleError, match="its 50 golden rows score differently here, by up to 2e-09"):
        read_bundle(tmp_path / "b")


# --- the registry -----------------------------------------------------------------------------------------------------


def test_the_first_is_champion_the_next_challenger_and_promotion_can_be_undone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first, second = bundle(tmp_path / "1"), bundle(tmp_path / "2", "two_sided")
    registry = Registry(None, tmp_path / "registry")
    assert registry.versions("sample") == ()
    with pytest.raises(UsageError, match=r"The live model of plan 'sample' was asked for: the registry holds none"):
        registry.live("sample")
    assert registry.register("sample", tmp_path / "1", {"auc": 0.7, "gone": float("nan")}, {"rows": 240}) == 1
    assert registry.live("sample").version == first
    with pytest.raises(UsageError, match="The challenger of plan 'sample'"):
        registry.promote("sample")
    with pytest.raises(UsageError, match="version 1 has replaced no other"):
        registry.rollback("sample")
    assert registry.register("sample", tmp_path / "2", {"auc": 0.8}, {}) == 2
    assert (registry.live("sample").version, registry.challenger("sample").version) == (first, second)
    assert registry.promote("sample") == 2
    assert registry.live("sample").version == second
    with pytest.raises(UsageError):
        registry.challenger("sample")
    assert registry.rollback("sample") == 1
    assert (registry.live("sample").version, registry.challenger("sample").version) == (first, second)
    again = Registry(None, tmp_path / "registry").versions("sample")
    assert [(v.number, v.bundle, v.aliases) for v in again] == [
        (1, first, ("champion",)),
        (2, second, ("challenger",)),
    ]
    bundle(tmp_path / "3", seed=1)
    assert registry.register("another", tmp_path / "3", {}, {}) == 1, "each plan has its own champion"
    assert registry.live("sample").version == first
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", ""), "mlflow is kept quiet"


def test_metrics_and_params_are_logged_and_artifacts_stay_under_the_root(tmp_path: Path) -> None:
    bundle(tmp_path / "1")
    registry = Registry(None, tmp_path / "registry")
    registry.register("sample", tmp_path / "1", {"auc": 0.7}, {"rows": 240, "long": "x" * 9000})
    with registry._client() as client:
        version = client.get_model_version_by_alias("sample", "champion")
        run = client.get_run(version.run_id)
    assert run.data.metrics == {"auc": 0.7}
    assert run.data.params["rows"] == "240"
    kept = list((tmp_path / "registry" / "artifacts" / "sample").rglob("MANIFEST.json"))
    assert len(kept) == 1
    kept[0].with_name("calibrator.json").write_text('{"intercept": 0, "slope": 9}')
    with pytest.raises(BundleError, match=r"calibrator.json has been changed"):
        registry.live("sample")


def test_a_damaged_bundle_is_not_registered(tmp_path: Path) -> None:
    bundle(tmp_path / "1")
    (tmp_path / "1" / "meta.json").write_text("{}")
    with pytest.raises(BundleError):
        Registry(None, tmp_path / "registry").register("sample", tmp_path / "1", {}, {})
    assert not (tmp_path / "registry").exists()


def test_a_registry_that_cannot_be_reached_is_a_fault_within_seconds(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    began = time.monotonic()
    with pytest.raises(EnvironmentFault) as told:
        Registry(f"http://user:secret@127.0.0.1:{port}", tmp_path).live("sample")
    assert time.monotonic() - began < 30
    assert f"The model registry at http://127.0.0.1:{port} was asked" in str(told.value)
    assert "secret" not in str(told.value)
    assert told.value.exit_code == 5


def test_a_file_that_is_no_database_is_a_fault_at_once(tmp_path: Path) -> None:
    (tmp_path / "registry.db").write_text("not a database, but rather longer than sixteen bytes")
    began = time.monotonic()
    with pytest.raises(EnvironmentFault, match="is not an SQLite database"):
        Registry(None, tmp_path).versions("sample")
    assert time.monotonic() - began < 5


def test_mlflow_is_imported_only_when_it_is_asked() -> None:
    code = "import sys, pathlib; from tierwise.registry import Registry; Registry(None, pathlib.Path('x'))"
    done = subprocess.run(
        [sys.executable, "-c", code + "; print('mlflow' in sys.modules)"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_a_registry_that_was_moved_reads_its_own_bundles_and_takes_new_ones(tmp_path: Path) -> None:
    root = tmp_path / "here"
    registry = Registry(None, root)
    bundle(tmp_path / "a")
    registry.register("new_business", tmp_path / "a", {}, {})
    moved = tmp_path / "there"
    shutil.move(root, moved)
    again = Registry(None, moved)
    assert again.live("new_business").version
    bundle(tmp_path / "b", seed=1)
    again.register("new_business", tmp_path / "b", {}, {})
    assert again.challenger("new_business").version
    assert not root.exists()


def test_a_registry_that_is_not_there_yet_holds_nothing_and_is_not_made_by_asking(tmp_path: Path) -> None:
    registry = Registry(None, tmp_path / "none")
    assert registry.versions("sample") == ()
    assert not (tmp_path / "none").exists()
