"""A model bundle: files, their hashes, and golden rows that are re-scored on load; nothing is ever unpickled."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tierwise.errors import BundleError, TierwiseError, UsageError
from tierwise.learning.model import PropensityModel
from tierwise.learning.season import NO_SEASON
from tierwise.learning.splits import instants
from tierwise.learning.value import VALUE_FILE, ValueModel
from tierwise.plain import json_file

FORMAT = "tierwise-bundle/1"
MANIFEST = "MANIFEST.json"
GOLDEN_ROWS = 50
TOLERANCE = 1e-9
KNOWN = {
    "spec.json",
    "calibrator.json",
    "scorecard.json",
    "model.txt",
    "fit.txt",
    "signal.txt",
    "meta.json",
    "golden.json",
    VALUE_FILE,
}


@dataclass(frozen=True)
class Bundle:
    """A verified bundle: the model, what was said of it, its version (the manifest's SHA-256), and what a won deal
    brings, where that could be learned.
    """

    model: PropensityModel
    meta: Mapping[str, Any]
    version: str
    value: ValueModel | None = None


def write_bundle(
    model: PropensityModel,
    golden: pd.DataFrame,
    meta: Mapping[str, Any],
    folder: Path,
    value: ValueModel | None = None,
) -> str:
    """Write a bundle into an empty or new folder, and give its version; the same arguments, the same bytes.

    golden: rows with the model's features, of which the first 50 are kept with their expected log-odds.
    meta: JSON values (the evaluation, the plan's name, the hash of the inputs). value: what a won deal brings.

    Raises
    ------
    UsageError : the folder holds something already.
    ContractError : a feature is missing from the golden rows.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise UsageError(f"A bundle was to be written into {folder}", found="the folder is not empty")
    files = {**model.to_files(), "meta.json": json_file(dict(meta)), "golden.json": json_file(_golden(model, golden))}
    if value is not None:
        files[VALUE_FILE] = value.to_bytes()
    manifest = json_file(
        {"format": FORMAT, "files": {n: {"sha256": _sha(b), "bytes": len(b)} for n, b in sorted(files.items())}}
    )
    for name, content in [*sorted(files.items()), (MANIFEST, manifest)]:
        with (folder / name).open("wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
    return _sha(manifest)


def read_bundle(folder: Path, *, version: str | None = None, threads: int = 1) -> Bundle:
    """Read a bundle: every hash is checked before any other byte is parsed, then the golden rows are scored again.

    version: what the manifest's SHA-256 must be, where it is known from elsewhere.

    Raises
    ------
    BundleError : a file is missing, added or changed, or a golden row no longer scores as it did.
    """
    files, found = _verified(folder, version)
    try:
        meta = json.loads(files["meta.json"])
        golden = json.loads(files["golden.json"])
    except (KeyError, ValueError) as error:
        raise _damaged(folder, f"meta.json or golden.json cannot be read ({error})") from error
    model = PropensityModel.from_files(files, threads)
    _rescore(folder, model, golden)
    value = ValueModel.from_bytes(files[VALUE_FILE]) if VALUE_FILE in files else None
    return Bundle(model, meta, found, value)


def _verified(folder: Path, version: str | None) -> tuple[dict[str, bytes], str]:
    """The files' bytes, once all of them are as the manifest says, and the manifest's hash."""
    if not (folder / MANIFEST).is_file():
        raise _damaged(folder, f"there is no {MANIFEST}")
    raw = (folder / MANIFEST).read_bytes()
    found = _sha(raw)
    if version is not None and found != version:
        raise _damaged(folder, f"its version is {found[:12]}, and {version[:12]} was asked for")
    try:
        manifest = json.loads(raw)
        said = {str(n): str(line["sha256"]) for n, line in manifest["files"].items()}
        form = manifest["format"]
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise _damaged(folder, f"{MANIFEST} is not a manifest") from error
    if form != FORMAT:
        raise _damaged(folder, f"its format is {form!r}, and this version reads {FORMAT!r}")
    there = {p.name for p in folder.iterdir()} - {MANIFEST}
    strange = sorted((set(said) - KNOWN) | (there - set(said)))
    if strange:
        raise _damaged(folder, f"it holds what no bundle holds: {', '.join(strange)}")
    absent = sorted(set(said) - there)
    if absent:
        raise _damaged(folder, f"missing: {', '.join(absent)}")
    files: dict[str, bytes] = {}
    for name, sha in said.items():
        path = folder / name
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        if _sha(content) != sha:
            raise _damaged(folder, f"{name} has been changed (its SHA-256 differs)")
        files[name] = content
    return files, found


def _golden(model: PropensityModel, rows: pd.DataFrame) -> dict[str, Any]:
    rows = rows.head(GOLDEN_ROWS).reset_index(drop=True)
    fit, signal = model.sides(rows)
    columns = {}
    for feature in model.features:
        values = rows[feature.name].astype(object).tolist()
        read = str if feature.kind == "category" else float
        columns[feature.name] = [None if v is None or v != v else read(v) for v in values]
    expected = {"base": model.base, "fit_log_odds": fit.tolist(), "signal_log_odds": signal.tolist()}
    expected["log_odds"] = model.log_odds(rows).tolist()
    said = {"rows": len(rows), "columns": columns, "expected": expected}
    return said if model.season == NO_SEASON else said | {"as_of": [str(at) for at in instants(rows["as_of"])]}


def _rescore(folder: Path, model: PropensityModel, golden: Mapping[str, Any]) -> None:
    try:
        rows = pd.DataFrame(
            {
                f.name: pd.Series(golden["columns"][f.name], dtype=object if f.kind == "category" else np.float64)
                for f in model.features
            },
            index=range(int(golden["rows"])),
        )
        if model.season != NO_SEASON:
            rows["as_of"] = instants(golden["as_of"])
        expected = {name: np.asarray(values) for name, values in golden["expected"].items()}
        fit, signal = model.sides(rows)
        now = {"base": np.asarray(model.base), "fit_log_odds": fit, "signal_log_odds": signal}
        now["log_odds"] = model.log_odds(rows)
        off = max(float(np.abs(now[n] - expected[n]).max(initial=0.0)) for n in expected)
    except (KeyError, ValueError, TypeError, TierwiseError) as error:
        raise _damaged(folder, f"its golden rows cannot be scored ({error})") from error
    if not off <= TOLERANCE:
        raise _damaged(folder, f"its {len(rows)} golden rows score differently here, by up to {off:.3g} in log-odds")


def _damaged(folder: Path, found: str) -> BundleError:
    return BundleError(
        f"The model bundle in {folder} was to be read",
        found=found,
        do="Restore it from the registry, or train again",
    )


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
