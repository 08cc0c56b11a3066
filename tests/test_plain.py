"""A plain frame with its sides declared."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierwise.config.plan import Learning, Plan
from tierwise.errors import ContractError, NoUsableModel
from tierwise.learning.plain import FIRST_DAY, declared, grouped
from tierwise.learning.training import divide, train_rows


def frame(n: int = 1200, seed: int = 0, strength: float = 1.0) -> pd.DataFrame:
    """Lines in random order, with a serial number, a company of three lines each, and known effects."""
    rng = np.random.default_rng(seed)
    company = np.arange(n) // 3
    size, visits = rng.normal(size=n), rng.normal(size=n)
    sector = np.array(["a", "b", "c"], dtype=object)[rng.integers(0, 3, n)]
    logit = -0.5 + strength * (1.2 * size + 0.8 * visits + (sector == "a"))
    made = pd.DataFrame(
        {
            "serial": rng.permutation(n) * 7 + 100,
            "company": company,
            "size": size,
            "sector": sector,
            "visits": visits,
            "asked": rng.integers(0, 2, n).astype(bool),
            "won": (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(int),
        }
    )
    made.loc[::50, "sector"] = None
    return made


SIDES = {"fit": ["size", "sector"], "signal": ["visits", "asked"]}


def test_sides_and_kinds_are_those_declared_and_held() -> None:
    rows = declared(frame(), "won", **SIDES, order="serial", never_missing=["sector"])
    assert [(f.name, f.side, f.kind, f.missing) for f in rows.features] == [
        ("size", "fit", "number", "value"),
        ("sector", "fit", "category", "never"),
        ("visits", "signal", "number", "value"),
        ("asked", "signal", "flag", "value"),
    ]
    assert rows.frame["sector"].isna().sum() == 24


def test_a_line_keeps_its_values_its_outcome_and_its_family() -> None:
    table = frame()
    rows = declared(table, "won", **SIDES, order="serial", family="company")
    place = rows.frame["account_id"].str.removeprefix("row ").astype(int)
    assert sorted(place) == list(range(len(table)))
    back = table.loc[place]
    assert (rows.frame["size"].to_numpy() == back["size"].to_numpy()).all()
    assert (rows.y == back["won"].to_numpy()).all()
    assert (rows.families == back["company"].astype(str).to_numpy()).all()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-50, 50), min_size=1, max_size=80), st.integers(1, 12))
def test_blocks_follow_the_serial_number_and_equal_numbers_stay_together(numbers: list[int], blocks: int) -> None:
    table = pd.DataFrame({"serial": numbers, "x": 1.0, "won": 0})
    rows = declared(table, "won", fit=["x"], order="serial", blocks=blocks)
    place = rows.frame["account_id"].str.removeprefix("row ").astype(int)
    serial, day = np.array(numbers)[place], (rows.as_of - FIRST_DAY) // np.timedelta64(1, "D")
    assert ((day >= 0) & (day < blocks)).all()
    assert (np.diff(day) >= 0).all()
    assert (np.diff(serial)[np.diff(day) > 0] > 0).all()
    for number in set(numbers):
        assert len(set(day[serial == number])) == 1
    if len(set(numbers)) == len(numbers) and len(numbers) % blocks == 0:
        assert (np.bincount(day, minlength=blocks) == len(numbers) // blocks).all()


def test_instants_order_rows_as_they_are() -> None:
    table = frame(300).assign(at=pd.date_range("2025-01-01", periods=300, freq="h", tz="Europe/Berlin")[::-1])
    rows = declared(table, "won", **SIDES, order="at", horizon_days=30)
    assert rows.horizon_days == 30
    assert rows.as_of[0] == np.datetime64("2024-12-31T23:00", "us")
    assert rows.frame["account_id"].iloc[0] == "row 299"


def test_a_model_is_trained_on_serial_blocks_forward() -> None:
    rows = declared(frame(), "won", **SIDES, order="serial", family="company")
    learning = Learning(candidates=("scorecard",))
    trained = train_rows(rows, divide(rows, Plan(plan="plain", model=learning)), learning, threads=1)
    assert trained.evaluation.verdict == "usable"
    assert trained.unseen["as_of"].nunique() == 1
    assert trained.unseen["as_of"].iloc[0] == pd.Timestamp("2000-01-10")
    later = declared(frame(seed=9), "won", **SIDES, order="serial")
    scored = trained.model.score(later.frame)
    ranks = scored["propensity"].rank()
    assert np.corrcoef(ranks, later.frame["size"])[0, 1] > 0.4


def test_a_model_is_trained_on_grouped_folds_without_an_order() -> None:
    rows = declared(frame(600), "won", **SIDES, family="company")
    learning = Learning(candidates=("scorecard",))
    trained = train_rows(rows, grouped(rows, folds=3), learning, threads=1)
    assert trained.evaluation.verdict == "usable"
    assert len(trained.evaluation.folds) == 3


def test_pure_chance_is_not_usable_on_plain_rows() -> None:
    rows = declared(frame(600, strength=0.0).assign(won=lambda t: t["won"].sample(frac=1, random_state=3).to_numpy()),
                    "won", **SIDES, family="company")  # fmt: skip
    learning = Learning(candidates=("scorecard",))
    try:
        verdict = train_rows(rows, grouped(rows, folds=3), learning, threads=1).evaluation.verdict
    except NoUsableModel:
        verdict = "no usable model"
    assert verdict == "no usable model"


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=5, max_size=60), st.integers(1, 6), st.integers(0, 3))
def test_no_family_stands_in_two_parts(families: list[int], folds: int, seed: int) -> None:
    table = pd.DataFrame({"x": 1.0, "company": families, "won": 0})
    rows = declared(table, "won", fit=["x"], family="company")
    if len(set(families)) < folds + 1:
        with pytest.raises(ContractError, match="families"):
            grouped(rows, folds=folds, seed=seed)
        return
    division = grouped(rows, folds=folds, seed=seed)
    earlier = rows.families[division.earlier]
    assert (division.earlier != division.test).all()
    assert not set(earlier) & set(rows.families[division.test])
    held = np.zeros(len(earlier), dtype=int)
    for old, now in division.folds:
        assert (old != now).all()
        assert not set(earlier[old]) & set(earlier[now])
        held += now
    assert (held == 1).all()


@pytest.mark.parametrize(
    ("table", "said", "words"),
    [
        (frame(30), {"fit": ["sise"]}, "The column 'sise' was declared: the frame has serial, company, size"),
        (frame(30), {"fit": ["size"], "signal": ["size"]}, "size more than once. Say fit for who they are"),
        (frame(30).assign(status=1.0), {"fit": ["status"]}, "rows have a column of their own called status. Rename it"),
        (frame(30), {"fit": ["size"], "never_missing": ["visits"]}, "visits is on neither side"),
        (frame(30).assign(won=2), {"fit": ["size"]}, "'won' was to be 0 or 1: 30 of 30 rows hold something else"),
        (frame(30).assign(won="yes"), {"fit": ["size"]}, "30 of 30 rows hold something else"),
        (
            frame(30).assign(at=pd.Timestamp("2025-01-01")),
            {"fit": ["at"]},
            "'at' was to be a feature: it holds datetime",
        ),
        (frame(30), {"fit": ["size"], "order": "sector"}, "'sector' was to order the rows: 1 have none"),
        (frame(30).assign(o="x"), {"fit": ["size"], "order": "o"}, "Make it instants or a serial number"),
        (
            pd.concat([frame(30), frame(30)[["size"]]], axis=1),
            {"fit": ["size"]},
            "The column 'size' was declared: 2 columns are called so",
        ),
    ],
)
def test_what_cannot_be_is_refused_by_name(table: pd.DataFrame, said: dict, words: str) -> None:
    with pytest.raises(ContractError) as error:
        declared(table, "won", **said)
    assert words in str(error.value)


def test_too_few_families_are_refused_with_what_to_do() -> None:
    rows = declared(frame(9), "won", **SIDES, family="company")
    with pytest.raises(ContractError, match=r"into 5 parts by family: there are 3 families\. Ask for 2 folds or fewer"):
        grouped(rows)
