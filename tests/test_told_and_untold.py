"""The page and the command line fold reasons alike, and say how much is not told and which way it goes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from test_explained_words import _row, _said
from tierwise.explain import MOST_BARS, families, shown, tell, waterfall
from tierwise.explain.reasons import CALIBRATION_WORDS
from tierwise.features.feature import Feature, Side
from tierwise.jobs import Explained
from tierwise.report.accounts import folded, steps_of
from tierwise.report.words import Words

AS_OF = datetime(2026, 11, 1)
BASE = -2.5
PLAIN = Words({})
PARTS = st.lists(
    st.tuples(
        st.sampled_from(["fit", "signal"]),
        st.sampled_from(["a", "b", "c", "d"]),
        st.floats(-2, 2, allow_subnormal=False).filter(lambda v: abs(v) > 1e-9),
        st.sampled_from(["part", "family"]),
    ),
    min_size=1,
    max_size=14,
)


def published(parts: list[tuple[Side, str, float, str]], unproven: frozenset[str] = frozenset()) -> pd.DataFrame:
    """One account's reasons as reasons.parquet has them, largest first; a family is proven as a whole or not."""
    lines = [
        (
            "a1",
            AS_OF,
            side,
            family,
            f"f{k:02}",
            "1",
            pd.NaT,
            v,
            f"words of f{k:02}",
            "" if family in unproven else proof,
        )
        for k, (side, family, v, proof) in enumerate(parts)
    ]
    names = ["account_id", "as_of", "side", "family", "feature", "value", "value_as_of", "log_odds", "words", "proven"]
    frame = pd.DataFrame(lines, columns=names)
    order = np.argsort(-frame["log_odds"].abs().to_numpy(), kind="stable")
    features = [
        Feature(f"f{k:02}", side, "number", "", f"words of f{k:02}: {{value}}", family=family)
        for k, (side, family, _, _) in enumerate(parts)
    ]
    return tell(frame.iloc[order].reset_index(drop=True), features)


def by_hand(frame: pd.DataFrame) -> dict[tuple[str, str], tuple[float, bool, str, list[str]]]:
    """Each family's sum, whether it is proven, its words, and its parts, largest first: read off one by one."""
    found = {}
    for key in {(r.side, r.family) for r in frame.itertuples()}:
        mine = sorted(
            (r for r in frame.itertuples() if (r.side, r.family) == key), key=lambda r: (-abs(r.log_odds), r.feature)
        )
        total = sum(r.log_odds for r in mine)
        telling = [r.words for r in mine if r.proven == "part" and r.log_odds * total > 0]
        alone = len(mine) == 1 and not mine[0].proven
        words = mine[0].words if alone else f"{key[1]}: {telling[0]} 1" if telling else f"{key[1]}, as a whole"
        found[key] = (total, any(r.proven for r in mine), words, [r.feature for r in mine])
    return found


@settings(max_examples=80, deadline=None)
@given(PARTS, st.frozensets(st.sampled_from(["a", "b", "c", "d"])))
def test_a_page_folds_published_reasons_by_family_and_loses_nothing(parts: Any, unproven: frozenset[str]) -> None:
    frame = published(parts, unproven)
    lines, wanted = folded(frame, PLAIN), by_hand(frame)
    assert {(line["side"], line["family"]) for line in lines} == set(wanted)
    sizes = [abs(line["log_odds"]) for line in lines]
    assert sizes == sorted(sizes, reverse=True)
    for line in lines:
        total, proven, words, features = wanted[line["side"], line["family"]]
        assert line["log_odds"] == pytest.approx(total, abs=1e-12)
        assert line["proven"] == proven
        assert [p["feature"] for p in line["parts"]] == features
        if abs(total) > 1e-9:
            assert line["words"] == words


@settings(max_examples=80, deadline=None)
@given(PARTS, st.frozensets(st.sampled_from(["a", "b", "c", "d"])))
def test_the_bars_of_a_page_add_up_and_what_is_not_told_says_how_many_and_which_way(
    parts: Any, unproven: frozenset[str]
) -> None:
    frame = published(parts, unproven)
    row = {"account_id": "a1", **{f"{s}_log_odds": frame.loc[frame["side"] == s, "log_odds"].sum() for s in SIDES}}
    bars = steps_of(row, frame, PLAIN)
    assert sum(b.log_odds for b in bars) == pytest.approx(frame["log_odds"].sum(), abs=1e-9)
    untold = [b for b in bars if " small or unsure sign" in b.words]
    hidden = frame[frame["proven"] == ""]
    assert len(untold) >= hidden["side"].nunique()
    for bar in untold:
        assert bar.words.startswith(f"{bar.side.title()}: ")
        assert bar.words.endswith((", raises" if bar.log_odds > 0 else ", lowers", "which cancel out"))
        assert len(bar.words) <= 50, "a bar's words are cut at 50 letters"
    told = sum(int(b.words.split()[1].replace(",", "")) for b in untold)
    named = shown(families(frame, ())).head(MOST_BARS)
    keys = set(zip(named["side"], named["family"], strict=True))
    lines = [line for line in folded(frame, PLAIN) if (line["side"], line["family"]) in keys]
    assert told == len(frame) - sum(len(line["parts"]) for line in lines)


SIDES = ("fit", "signal")


def heavy() -> pd.DataFrame:
    """Two families that raise, and forty small ones that are not told and lower by more."""
    told = [("fit", "industry", 0.3, "part"), ("signal", "visits", 0.2, "part")]
    return published([*told, *(("signal", f"noise {k}", -0.05, "family") for k in range(40))], frozenset(NOISE))


NOISE = [f"noise {k}" for k in range(40)]


def scores(frame: pd.DataFrame, calibration: float = 0.0) -> pd.DataFrame:
    sums = {f"{s}_log_odds": [frame.loc[frame["side"] == s, "log_odds"].sum()] for s in SIDES}
    own = {"account_id": ["a1"], "as_of": [AS_OF], "base": [BASE], "calibration_log_odds": [calibration]}
    return pd.DataFrame(own | sums)


def test_the_command_line_shows_the_remainder_that_outweighs_the_reasons(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    frame = heavy()
    lines = families(frame, ()).assign(words=lambda d: d["family"])
    steps = waterfall(frame, scores(frame), "a1", folded=shown(lines))
    total = BASE + frame["log_odds"].sum()
    printed = [round(v, 3) for v in steps["log_odds"]]
    assert sum(printed[:-1]) == pytest.approx(printed[-1], abs=2e-3)
    assert printed[-1] == pytest.approx(total, abs=1e-3)
    said = _said(capsys, Explained(_row(), steps, pd.DataFrame(), "r1"))
    assert "40 small or unsure signs, lowers -2.000 -4.000" in " ".join(said.split())
    assert "Small or unsure signs: reasons that are each small, or not told apart from chance." in said
    told = frame[frame["proven"] != ""]
    whole = waterfall(told, scores(told), "a1", folded=shown(families(told, ()).assign(words="x")))
    assert "Small or unsure" not in _said(capsys, Explained(_row(), whole, pd.DataFrame(), "r1"))


def test_a_page_draws_the_remainder_that_outweighs_the_reasons() -> None:
    bars = [(b.words, round(b.log_odds, 9)) for b in steps_of({"account_id": "a1"}, heavy(), PLAIN)]
    assert bars == [
        ("industry: words of f00 1", 0.3),
        ("visits: words of f01 1", 0.2),
        ("Signal: 40 small or unsure signs, lowers", -2.0),
    ]
    (first, *_) = steps_of({"account_id": "a1"}, heavy(), Words({"signal": "engagement"}))[2:]
    assert first.words == "Engagement: 40 small or unsure signs, lowers"


def test_what_a_curve_adds_is_a_bar_by_its_own_name_on_both() -> None:
    curve = pd.DataFrame([("a1", AS_OF, "calibration", "calibration", "calibration", None, pd.NaT, -0.4)])
    frame = heavy()
    curve.columns = frame.columns[:8]
    frame = pd.concat([frame, curve.assign(words=CALIBRATION_WORDS, proven="")], ignore_index=True)
    frame = frame.sort_values("log_odds", key=lambda v: -v.abs(), kind="stable").reset_index(drop=True)
    bars = steps_of({"account_id": "a1", "calibration_log_odds": -0.4}, frame, PLAIN)
    assert (bars[-1].words, bars[-1].side) == (CALIBRATION_WORDS, "calibration")
    assert bars[-1].log_odds == pytest.approx(-0.4)
    for lines in (None, shown(families(frame, ()).assign(words="x"))):
        steps = waterfall(frame, scores(frame, -0.4), "a1", folded=lines)
        assert steps["step"].tolist()[-3:] == ["other", "calibration", "total"]
        assert steps["words"].iloc[-2] == CALIBRATION_WORDS
        assert steps["ends"].iloc[-2] == pytest.approx(steps["ends"].iloc[-1])


def test_a_run_of_before_families_were_told_has_words_still() -> None:
    frame = published([("signal", "visits", 0.2, "family"), ("signal", "visits", 0.4, "part")]).drop(columns="told")
    (line,) = folded(frame, PLAIN)
    assert line["words"] == "visits: words of f01"
    (line,) = folded(frame.assign(proven="family"), PLAIN)
    assert line["words"] == "visits"


def test_a_family_of_one_part_that_is_not_proven_has_its_value() -> None:
    frame = published([("fit", "country", 0.2, "part"), ("signal", "visits", 0.1, "part")], frozenset({"country"}))
    assert {line["words"] for line in folded(frame, PLAIN)} == {"words of f00", "visits: words of f01 1"}
