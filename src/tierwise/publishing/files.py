"""The nine files of a published run, as bytes that depend on nothing but the run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tierwise.errors import UsageError
from tierwise.plain import plain
from tierwise.publishing.spreadsheets import accounts_csv, accounts_xlsx

TEXT, NUMBER, INSTANT = pa.string(), pa.float64(), pa.timestamp("us")


def _schema(text: str) -> pa.Schema:
    kinds = {"t": TEXT, "n": NUMBER, "i": INSTANT}
    return pa.schema([(name, kinds[kind]) for name, kind in (column.split(":") for column in text.split())])


SCHEMAS: Mapping[str, pa.Schema] = {
    "scores": _schema(
        "account_id:t as_of:i base:n fit_log_odds:n signal_log_odds:n calibration_log_odds:n propensity:n "
        "account_score:n fit_score:n signal_score:n"
    ),
    "reasons": _schema(
        "account_id:t as_of:i side:t family:t feature:t value:t value_as_of:i log_odds:n words:t proven:t told:t"
    ),
    "tiers": _schema(
        "account_id:t as_of:i fit_score:n signal_score:n propensity:n expected_value:n expected_value_low:n "
        "expected_value_high:n roles_reached:t tier:t previous_tier:t tier_since:i movement:t decided_by:t "
        "guardrails:t why:t reason_1:t reason_2:t reason_3:t reason_4:t reason_5:t model_version:t policy_version:t "
        "run_id:t"
    ),
    "movements": _schema(
        "account_id:t as_of:i previous_tier:t tier:t movement:t cause:t decided_by:t guardrails:t why:t "
        "model_version:t policy_version:t run_id:t"
    ),
}
"""Columns and types of the Parquet files, in order; instants are UTC. A column without a value keeps its type."""

FILES = (
    *(f"{name}.parquet" for name in SCHEMAS),
    "actions.jsonl",
    "accounts.csv",
    "accounts.xlsx",
    "report.html",
    "run.json",
)
ROW_GROUP = 65_536


def run_files(
    scores: pd.DataFrame,
    reasons: pd.DataFrame,
    tiers: pd.DataFrame,
    movements: pd.DataFrame,
    actions_jsonl: bytes,
    report_html: str,
    run_json: Mapping[str, Any],
    sheet: pd.DataFrame | None = None,
) -> dict[str, bytes]:
    """The nine files of a run, by name, `run.json` last; the same bytes for the same values, in any order of rows.

    Parameters
    ----------
    scores, reasons, tiers, movements : the columns of `SCHEMAS`; further columns are left out. Values of reasons may
        be numbers or texts: they are published as text, a number in its shortest exact form.
    run_json : what run.json says: at least run_id, plan and as_of, then versions and counts; `files` (sha256, bytes,
        and rows of the tables) is added.
    sheet : what accounts.csv and accounts.xlsx show, if more than the columns of tiers (a name, an owner).

    Raises
    ------
    UsageError : a frame lacks a column, or holds a value of another type; run_json lacks its ids.
    """
    absent = [key for key in ("run_id", "plan", "as_of") if key not in run_json]
    if absent:
        raise UsageError("run.json was made", found=f"without {', '.join(absent)}", do="Add it")
    given = {"scores": scores, "reasons": reasons, "tiers": tiers, "movements": movements}
    tables = {name: table(name, frame) for name, frame in given.items()}
    files = {f"{name}.parquet": parquet(made) for name, made in tables.items()}
    seen = tables["tiers"].to_pandas() if sheet is None else sheet
    files["actions.jsonl"] = actions_jsonl
    files["accounts.csv"] = accounts_csv(seen)
    files["accounts.xlsx"] = accounts_xlsx(seen)
    files["report.html"] = report_html.encode()
    rows = {f"{name}.parquet": made.num_rows for name, made in tables.items()}
    rows["actions.jsonl"] = sum(1 for line in actions_jsonl.splitlines() if line.strip())
    told = {name: _told(content, rows.get(name)) for name, content in files.items()}
    meta = plain({**run_json, "files": told})
    text = json.dumps(meta, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return files | {"run.json": text.encode() + b"\n"}


def table(name: str, frame: pd.DataFrame) -> pa.Table:
    """A frame as the Arrow table of its schema, rows ordered by account_id and as_of (reasons: then by weight)."""
    schema = SCHEMAS[name]
    absent = [column for column in schema.names if column not in frame.columns]
    if absent:
        raise UsageError(
            f"{name}.parquet was made",
            found=f"the frame has no column {', '.join(absent)}",
            do="Add it, null if need be",
        )
    ordered = frame.sort_values(["account_id", "as_of"], kind="stable", ignore_index=True)
    if name == "reasons":
        by = ["account_id", "as_of", "_weight", "side", "feature"]
        weighed = ordered.assign(_weight=-ordered["log_odds"].abs())
        ordered = weighed.sort_values(by, kind="stable", ignore_index=True)
    return pa.table([_array(name, ordered[field.name], field) for field in schema], schema=schema)


def parquet(made: pa.Table) -> bytes:
    """A table as Parquet, with every setting that decides a byte stated."""
    sink = pa.BufferOutputStream()
    pq.write_table(
        made.replace_schema_metadata(None),
        sink,
        version="2.6",
        compression="zstd",
        compression_level=3,
        use_dictionary=True,
        write_statistics=True,
        row_group_size=ROW_GROUP,
        data_page_version="1.0",
        store_schema=True,
    )
    return bytes(sink.getvalue().to_pybytes())


def _array(name: str, column: pd.Series, field: pa.Field) -> pa.Array:
    values = [_text(value) for value in column.tolist()] if (name, field.name) == ("reasons", "value") else column
    try:
        if isinstance(values, pd.Series) and values.isna().all():
            return pa.nulls(len(values), field.type)
        return pa.array(values, type=field.type, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise UsageError(
            f"{name}.parquet was made", found=f"column {field.name} is not {field.type}: {error}", do="Mend its type"
        ) from None


def _text(value: Any) -> str | None:
    told = plain(value)
    if told is None or isinstance(told, str):
        return told
    if isinstance(told, bool):
        return "yes" if told else "no"
    if isinstance(told, float) and told.is_integer() and abs(told) < 1e15:
        return str(int(told))
    return str(told)


def _told(content: bytes, rows: int | None) -> dict[str, Any]:
    told = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    return told if rows is None else told | {"rows": rows}
