"""Law 10: contacts' names, e-mails and phones enter no feature, model, reason, page, log or action."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tierwise.config import load_workspace
from tierwise.jobs import explain, govern, init, score, train
from tierwise.synthetic import WorldSpec, simulate, write_world

PERSON, MAIL, PHONE = "Quirinia Vanterpool", "quirinia.vanterpool@mailbox.example", "+31 20 555 0188"
PLANTED = (PERSON, "Vanterpool", MAIL, "quirinia", PHONE, "555 0188")
END = datetime(2026, 1, 1, tzinfo=UTC)


def _planted(folder: Path) -> None:
    """Personal data wherever an export may carry them: contacts, leads, activities, and a row that is quarantined."""
    write_world(simulate(WorldSpec(seed=3, accounts=900)), folder, END)
    tables = folder / "tables"
    for name, columns in {
        "contacts": {
            "name": PERSON,
            "first_name": "Quirinia",
            "email": MAIL,
            "phone": PHONE,
            "title": f"Head, {PERSON}",
        },
        "leads": {"name": PERSON, "email": MAIL, "title": PERSON},
        "activities": {"subject": f"Call with {PERSON}, {PHONE}", "body": MAIL, "topic": f"re: {MAIL}"},
    }.items():
        table = pq.read_table(tables / f"{name}.parquet")
        for column, value in columns.items():
            if column in table.column_names:
                table = table.drop_columns([column])
            table = table.append_column(column, pa.array([value] * table.num_rows))
        if name == "activities":
            initiators = table["initiator"].to_pylist()
            initiators[0] = MAIL
            table = table.set_column(table.column_names.index("initiator"), "initiator", pa.array(initiators))
        pq.write_table(table, tables / f"{name}.parquet")


def _texts(folder: Path) -> dict[str, str]:
    """Every file under a folder as text, opened where it is packed; the tables themselves aside."""
    found = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and "tables" not in p.relative_to(folder).parts):
        name = path.relative_to(folder).as_posix()
        if path.suffix == ".parquet":
            found[name] = pd.read_parquet(path).to_csv()
        elif path.suffix == ".xlsx":
            sheets = openpyxl.load_workbook(io.BytesIO(path.read_bytes()), read_only=True).worksheets
            found[name] = "\n".join(str(cell) for sheet in sheets for row in sheet.values for cell in row)
        elif "truth" not in name:
            found[name] = path.read_bytes().decode("utf-8", errors="replace")
    return found


def test_planted_personal_data_reach_nothing_that_is_written_or_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _planted(tmp_path)
    said: list[str] = []
    init(tmp_path, tmp_path / "tables", say=said.append)
    settings = tmp_path / "tierwise.yaml"
    settings.write_text(settings.read_text().replace("least: 20", "least: 100000"))
    workspace = load_workspace(tmp_path)
    trained = train(workspace, as_of="2025-07-01", say=said.append)
    for as_of in ("2025-07-01", "2026-01-01"):
        run = score(workspace, as_of=as_of, say=said.append)
    govern(workspace, say=said.append)
    account = run.tiers.loc[run.tiers["propensity"].notna(), "account_id"].iloc[0]
    said.append(str(explain(workspace, account, since="2025-07-01")))
    texts = _texts(tmp_path)
    assert {"card.md", "report.html", "review.html", "accounts.xlsx", "actions.jsonl", "tierwise.db", "mlflow.db"} <= {
        name.rsplit("/", 1)[-1] for name in texts
    }
    out, err = capsys.readouterr()
    texts |= {"stdout": out, "stderr": err, "progress": "\n".join(said), "findings": str(trained.findings)}
    leaks = {
        (name, word)
        for name, text in texts.items()
        for low in [text.lower()]
        for word in PLANTED
        if word.lower() in low
    }
    assert not leaks
    assert "initiator" in texts[f"published/new_business/{run.run_id}/report.html"]
