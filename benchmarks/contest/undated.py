"""The sets without dates: plain frames with their sides declared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold

from contest.case import Absent, Case, Part, part_of
from tierwise.learning.plain import FIRST_DAY, declared
from tierwise.learning.rows import Rows

NO_DATES = "no activity has a date"
NO_ICP = "nobody has stated an ideal customer profile for these data"
BLOCKS, UNSEEN = 10, 2
BY_SERIAL = f"by serial number, {BLOCKS} blocks as days: the first {BLOCKS - UNSEEN}; unseen: the newest {UNSEEN}"
OUTER = 5


IBM_FIT = (
    "Region", "Client Size By Revenue", "Client Size By Employee Count", "Supplies Group", "Supplies Subgroup",
)  # fmt: skip
IBM_SIGNAL = (
    "Revenue From Client Past Two Years", "Opportunity Amount USD", "Route To Market", "Competitor Type",
)  # fmt: skip


def ibm_win_loss(data: Path) -> Case:
    """Opportunities of an auto parts seller, won or lost."""
    table = pd.read_parquet(_there(data / "ibm_win_loss" / "sales_win_loss.parquet")).drop_duplicates()
    table = table.assign(won=(table["Opportunity Result"] == "Won").astype(float))
    rows = declared(
        table, "won",
        fit=IBM_FIT, signal=IBM_SIGNAL,
        order="Opportunity Number", blocks=BLOCKS, family="Opportunity Number",
    )  # fmt: skip
    return Case(
        "ibm_win_loss", "an opportunity is won", BY_SERIAL, rows.features, rows.horizon_days,
        (_by_serial(rows, {"largest": "Client Size By Employee Count"}),),
        {"newest_activity": NO_DATES, "icp_rubric": NO_ICP},
        left_out=(
            ("Elapsed Days In Sales Stage, Sales Stage Change Count, Total Days Identified Through Closing, Total Days "
             "Identified Through Qualified, Ratio Days Identified/Validated/Qualified To Total Days",
             "measured over the deal's whole life, so known when it is over"),
            ("Deal Size Category", "says Opportunity Amount USD again"),
            ("exact duplicate rows", "one stays of each"),
        ),
        notes=("rows of one opportunity number are a family", "largest: Client Size By Employee Count"),
    )  # fmt: skip


EDUCATION_FIT = (
    "Lead Origin", "Lead Source", "Do Not Email", "Do Not Call", "Country", "Specialization", "City",
    "How did you hear about X Education", "What is your current occupation",
    "What matters most to you in choosing a course", "A free copy of Mastering The Interview",
)  # fmt: skip


def x_education(data: Path) -> Case:
    """Leads for online courses, converted or not."""
    table = pd.read_csv(_there(data / "x_education" / "Leads.csv")).replace("Select", None)
    rows = declared(
        table, "Converted", fit=EDUCATION_FIT,
        signal=["TotalVisits", "Total Time Spent on Website", "Page Views Per Visit"],
        order="Lead Number", blocks=BLOCKS,
    )  # fmt: skip
    return Case(
        "x_education", "a lead converts", BY_SERIAL, rows.features, rows.horizon_days, (_by_serial(rows, {}),),
        {"newest_activity": NO_DATES, "largest": "leads are persons", "icp_rubric": NO_ICP},
        left_out=(
            ("Tags, Lead Quality, Lead Profile, Asymmetrique Activity/Profile Index/Score",
             "typed or scored by sales after contact"),
            ("Last Activity, Last Notable Activity", "a lead's last, so of after its outcome"),
            ("Search, Magazine, Newspaper, ... and other channels' flags", "the same for all but 14 leads or fewer"),
        ),
        notes=("visits and time on the website are totals of a lead's whole life: no clock proves them early enough",),
    )  # fmt: skip


SALVIRT_SIGNAL = (
    "Purch_dept", "Budgt_alloc", "Forml_tend", "RFI", "RFP", "Posit_statm", "Scope", "Needs_def", "Deal_type",
    "Cross_sale", "Att_t_client", "Competitors",
)  # fmt: skip
SALVIRT_OUT = ("Up_sale", "Client")


def salvirt(data: Path) -> Case:
    """Opportunities of a software seller, won or lost; 83 of 448 rows say what another says."""
    table = pd.read_csv(_there(data / "salvirt" / "Salvirt_B2B_ML_dataset.csv"), sep=";")
    columns = [c for c in table.columns if c not in ("Status", *SALVIRT_OUT)]
    alike = table.groupby([c for c in table.columns if c != "Status"], sort=False).ngroup()
    rows = declared(
        table.assign(won=(table["Status"] == "Won").astype(float), alike=alike), "won",
        fit=[c for c in columns if c not in SALVIRT_SIGNAL], signal=SALVIRT_SIGNAL, family="alike",
    )  # fmt: skip
    size = rows.frame["Comp_size"].map({"Small": 0.0, "Mid": 1.0, "Big": 2.0})
    splitter = GroupKFold(OUTER, shuffle=True, random_state=7)
    parts = [
        part_of(rows.at(old), rows.at(new), {"largest": size.iloc[new].fillna(-np.inf).reset_index(drop=True)})
        for old, new in splitter.split(rows.y, rows.y, rows.families)
    ]
    return Case(
        "salvirt", "an opportunity is won", f"{OUTER} grouped folds: rows alike in all but their outcome are one group",
        rows.features, rows.horizon_days, tuple(parts), {"newest_activity": NO_DATES, "icp_rubric": NO_ICP},
        report="grouped",
        left_out=((", ".join(SALVIRT_OUT), "may be filled late"),),
        notes=(f"the minutes are shared by the {OUTER} folds", "largest: Comp_size"),
    )  # fmt: skip


def _there(path: Path) -> Path:
    if not path.is_file():
        raise Absent(f"{path.parent.name}/{path.name} is not there")
    return path


def _by_serial(rows: Rows, columns: dict[str, str]) -> Part:
    """The newest blocks unseen."""
    late = rows.as_of >= FIRST_DAY + np.timedelta64(BLOCKS - UNSEEN, "D")
    unseen = rows.where(late)
    ranked = {name: unseen.frame[column].astype(float).fillna(-np.inf) for name, column in columns.items()}
    return part_of(rows.where(~late), unseen, ranked)
