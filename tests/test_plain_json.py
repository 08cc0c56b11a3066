"""Values become JSON in one way, wherever they are kept, published or printed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierwise.governance.plain import plain as of_review
from tierwise.plain import plain

NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
KEPT = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
EAST = timezone(timedelta(hours=2))


@dataclass(frozen=True)
class Inner:
    at: datetime
    rates: tuple[float, ...]


@given(KEPT)
def test_what_is_plain_stays_and_json_reads_it_back(value: Any) -> None:
    assert plain(value) == value
    assert json.loads(json.dumps(plain(value), allow_nan=False)) == value


@pytest.mark.parametrize(
    "nothing", [None, float("nan"), float("inf"), np.float32("nan"), pd.NaT, pd.NA, np.datetime64("NaT")]
)
def test_what_is_no_value_is_null(nothing: object) -> None:
    assert plain(nothing) is None
    assert plain({"a": [nothing]}) == {"a": [None]}


def test_numpy_s_and_pandas_values_are_python_s() -> None:
    found = plain([np.int64(3), np.float32(0.5), np.bool_(True), np.str_("x"), np.array([[1, 2]]), Path("a") / "b"])
    assert found == [3, 0.5, True, "x", [[1, 2]], "a/b"]
    assert [type(v) for v in found] == [int, float, bool, str, list, str]


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 3, 1, 10),
        datetime(2026, 3, 1, 12, tzinfo=EAST),
        pd.Timestamp("2026-03-01 10:00"),
        pd.Timestamp("2026-03-01 12:00", tz=EAST),
        np.datetime64("2026-03-01T10", "us"),
    ],
)
def test_an_instant_is_utc_with_a_z_unless_another_text_is_asked_for(moment: object) -> None:
    assert plain(moment) == "2026-03-01T10:00:00Z"
    assert plain([moment], stamp=lambda m: f"{m:%Y}") == ["2026"]
    assert plain(date(2026, 3, 1)) == "2026-03-01"


def test_frames_dataclasses_and_sets_are_rows_fields_and_sorted_lists() -> None:
    frame = pd.DataFrame({"n": [1, 2], "rate": [0.5, np.nan], "at": pd.to_datetime(["2026-03-01", None])})
    assert plain(frame) == [
        {"n": 1, "rate": 0.5, "at": "2026-03-01T00:00:00Z"},
        {"n": 2, "rate": None, "at": None},
    ]
    assert plain(Inner(datetime(2026, 3, 1, tzinfo=UTC), (0.25,))) == {"at": "2026-03-01T00:00:00Z", "rates": [0.25]}
    assert plain({1: {"b", "a"}, "2": frozenset()}) == {"1": ["a", "b"], "2": []}


@pytest.mark.parametrize(
    "held", [lambda v: v, lambda v: [v], lambda v: {"a": (v,)}, lambda v: pd.DataFrame({"a": [v]})]
)
def test_digits_round_floats_at_any_depth_and_nothing_else(held: Callable[[object], object]) -> None:
    assert "0.3333333" not in json.dumps(plain(held(1 / 3), digits=6))
    assert "0.333333" in json.dumps(plain(held(1 / 3), digits=6))
    assert "0.3333333333333333" in json.dumps(plain(held(1 / 3)))
    assert "1234567" in json.dumps(plain(held(1234567), digits=0))


def test_a_review_s_instants_keep_their_own_offset() -> None:
    told = of_review({"aware": datetime(2026, 3, 1, tzinfo=UTC), "naive": pd.Timestamp("2026-03-01")})
    assert told == {"aware": "2026-03-01T00:00:00+00:00", "naive": "2026-03-01T00:00:00"}


@pytest.mark.parametrize("stranger", [object(), timedelta(1), b"x", Inner])
def test_what_json_has_nothing_for_is_refused_by_its_kind(stranger: object) -> None:
    with pytest.raises(TypeError, match=f"a {type(stranger).__name__} has no canonical text"):
        plain({"deep": [stranger]})
