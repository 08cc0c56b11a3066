"""Families: exact sums, words that a seller reads, and no noise among what is shown."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exports import PLAN
from matrix_sample import EMAIL, INDUSTRY, RECENCY, REGION, SIZE, TECH, WEB, matrix
from tierwise.explain import Evidence, evidence, families, family_of, reasons, shown, top_reasons, waterfall
from tierwise.explain.evidence import measure_of
from tierwise.explain.families import part_words
from tierwise.features import catalogue
from tierwise.features.feature import Feature
from tierwise.features.matrix import Matrix
from tierwise.learning import Affine, PropensityModel, Scorecard, TwoSidedBooster
from tierwise.learning.model import freeze

FOLDED = (
    replace(INDUSTRY, family="industry"),
    replace(REGION, family="place"),
    replace(SIZE, family="place"),
    TECH,
    replace(WEB, family="website"),
    replace(RECENCY, family="website"),
    EMAIL,
)
NOISE = Feature("noise", "signal", "number", "value", "noise: {value}")
FIXED_NOISE = Feature("shade", "fit", "category", "", "shade: {value}")


def model(sample: Matrix, kind: str = "scorecard") -> PropensityModel:
    made = Scorecard(sample.features) if kind == "scorecard" else TwoSidedBooster(sample.features, rounds=30)
    fitted = made.fit(sample.frame, sample.frame["outcome"])
    return freeze(kind, fitted, Affine(0.1, 0.9), sample.frame, 90, datetime(2025, 1, 1, tzinfo=UTC), 1)


@settings(deadline=None, max_examples=12)
@given(seed=st.integers(0, 2**31), kind=st.sampled_from(["scorecard", "two_sided"]), place=st.permutations(range(4)))
def test_a_family_is_the_exact_sum_of_its_parts(seed: int, kind: str, place: list[int]) -> None:
    named = tuple(replace(f, family=f"family {place[j % 4]}") for j, f in enumerate(FOLDED))
    sample = matrix(accounts=50, months=4, seed=seed, features=named)
    said = reasons(model(sample, kind), sample)
    lines = families(said, named)
    keys = ["account_id", "as_of", "side", "family"]
    summed = said.groupby(keys)["log_odds"].agg(["sum", "size"])
    found = lines.set_index(keys)
    assert len(found) == len(summed)
    assert np.abs(found["log_odds"] - summed["sum"].reindex(found.index)).max() < 1e-12
    assert (found["parts"] == summed["size"].reindex(found.index)).all()
    sizes = lines["log_odds"].abs().groupby([lines["account_id"], lines["as_of"]]).diff().dropna()
    assert (sizes <= 1e-12).all(), "largest first"


def test_a_telling_part_is_proven_and_points_as_its_family_does() -> None:
    sample = matrix(accounts=150, months=3, features=FOLDED)
    made = model(sample)
    z = {f.name: 9.0 for f in FOLDED} | {"web_30d": 0.5}
    found = Evidence(z, {(f.side, family_of(f)): 9.0 for f in FOLDED} | {("fit", "place"): 1.0}, 100, 30)
    said = reasons(made, sample, found)
    lines = families(said, FOLDED)
    website = lines[lines["family"] == "website"]
    assert set(website["feature"].dropna()) == {"days_since_web"}, "web_30d is not proven by itself"
    parts = said.set_index(["account_id", "as_of", "feature"])["log_odds"]
    told = website.dropna(subset=["feature"])
    own = [parts[(a, d, f)] for a, d, f in told[["account_id", "as_of", "feature"]].itertuples(index=False)]
    assert (np.sign(own) == np.sign(told["log_odds"])).all()
    assert website["feature"].isna().any(), "some point the other way, and are told as a whole"
    assert not lines.loc[lines["family"] == "place", "proven"].any()
    assert "place" not in set(shown(lines)["family"])
    assert not top_reasons(said, FOLDED).filter(like="reason_").stack().str.contains("place").any()


def test_what_is_not_shown_is_one_bar_and_nothing_is_lost() -> None:
    sample = matrix(accounts=80, months=2, features=FOLDED)
    made = model(sample)
    found = Evidence({f.name: 9.0 for f in FOLDED}, {("fit", "industry"): 9.0}, 100, 30)
    said, scores = reasons(made, sample, found), made.score(sample.frame)
    lines = families(said, FOLDED).assign(words="said")
    steps = waterfall(said, scores, "a00003", folded=shown(lines))
    assert set(steps["step"]) <= {"base", "industry", "other", "total"}
    newest = scores[scores["account_id"] == "a00003"].iloc[-1]
    total = newest["base"] + newest["fit_log_odds"] + newest["signal_log_odds"]
    assert steps["log_odds"].iloc[:-1].sum() == pytest.approx(total, abs=1e-9)
    mine = said[(said["account_id"] == "a00003") & (said["as_of"] == newest["as_of"])]
    left = (mine["family"] != "industry").sum()
    (other,) = steps[steps["step"] == "other"].to_dict("records")
    way = "raises" if other["log_odds"] > 0 else "lowers"
    assert other["words"] == f"{left} small or unsure signs, {way}"


@pytest.mark.parametrize(
    ("name", "value", "family", "said"),
    [
        ("web_pricing_visit_30d", 7.0, "website", "7 pricing visits in 30 days"),
        ("web_pricing_visit_30d", 1.0, "website", "1 pricing visit in 30 days"),
        ("web_pricing_visit_30d", 0.0, "website", "no pricing visits in 30 days"),
        ("web_pricing_visit_30d", np.nan, "website", "pricing visits in 30 days not known"),
        ("web_30d", 12.0, "website", "12 activities in 30 days"),
        ("web_30d", 1.0, "website", "1 activity in 30 days"),
        ("web_30d", 0.0, "website", "none in 30 days"),
        ("web_30d", 12.0, "", "12 web activities in 30 days"),
        ("signals_90d", 3.0, "all buyer activity", "3 activities in 90 days"),
        ("web_days_since", 3.4, "website", "newest 3 days ago"),
        ("web_days_since", 1.0, "website", "newest 1 day ago"),
        ("web_days_since", 0.2, "website", "newest less than 1 day ago"),
        ("web_days_since", 365.0, "website", "none in 365 days"),
        ("web_days_since", np.nan, "website", "none seen yet"),
        (
            "signals_trend_30d", np.log(2.5), "all buyer activity",
            "2.5 times as much activity in 30 days as in the 30 before",
        ),
        ("contacts_30d", 1.0, "buying group", "1 contact active in 30 days"),
        ("contacts_30d", 0.0, "buying group", "no contacts active in 30 days"),
        ("reached_exec_buyer", 1.0, "buying group", "executive buyer active in 60 days"),
        ("reached_exec_buyer", 0.0, "buying group", "no executive buyer active in 60 days"),
        ("trigger_funding_90d", 2.0, "funding", "2 in 90 days"),
        ("trigger_funding_90d", 0.0, "funding", "none in 90 days"),
        ("opportunities_before", 1.0, "earlier opportunities", "1 opportunity opened before"),
        ("opportunities_lost_before", 2.0, "earlier opportunities", "2 opportunities lost before"),
        (
            "days_since_opportunity_closed", 40.0, "earlier opportunities",
            "the last opportunity was closed 40 days ago",
        ),
        ("days_since_opportunity_closed", np.nan, "earlier opportunities", "there was none"),
        ("employee_count", 250.0, "employee count", "250"),
        ("industry", "software", "industry", "software"),
        ("industry", None, "industry", "not known"),
        ("technologies_sap", 1.0, "technologies", "sap"),
        ("technologies_sap", 0.0, "technologies", "no sap"),
    ],
)  # fmt: skip
def test_values_are_said_as_a_seller_would(name: str, value: object, family: str, said: str) -> None:
    feature = next(f for f in catalogue(PLAN) if f.name == name)
    assert part_words(feature, value, family) == said
    assert not family or feature.family == family


def test_every_feature_of_a_plan_has_a_family_on_one_side() -> None:
    sides: dict[str, set[str]] = {}
    for feature in catalogue(PLAN):
        assert feature.family
        assert "{" not in part_words(feature, None, feature.family)
        sides.setdefault(feature.family, set()).add(feature.side)
    assert {"website", "e-mail", "meetings", "buying group", "earlier opportunities", "funding"} <= set(sides)


def test_families_travel_with_the_model_and_models_without_them_still_load() -> None:
    sample = matrix(accounts=60, months=2, features=FOLDED)
    made = model(sample)
    files = made.to_files()
    assert PropensityModel.from_files(files).features == FOLDED
    old = files | {"spec.json": files["spec.json"].replace(b'"family": "website",', b"")}
    assert b'"website"' not in old["spec.json"]
    assert {f.family for f in PropensityModel.from_files(old).features if f.name == "web_30d"} == {""}


def test_the_words_of_a_line_say_value_newest_and_since() -> None:
    features = tuple(
        f for f in catalogue(PLAN) if f.name in ("web_pricing_visit_30d", "web_days_since", "employee_count")
    )
    keys = {"account_id": "a", "as_of": pd.Timestamp("2025-06-01")}
    lines = [
        {"side": "signal", "family": "website", "feature": "web_pricing_visit_30d", "value": "7", "log_odds": 0.9},
        {"side": "fit", "family": "employee count", "feature": "employee_count", "value": "250", "log_odds": -0.4,
         "value_as_of": pd.Timestamp("2025-03-03")},
        {"side": "signal", "family": "website", "feature": "web_days_since", "value": "3.5", "log_odds": 0.1},
    ]  # fmt: skip
    said = pd.DataFrame([{"value_as_of": pd.NaT, "proven": "part", "words": ""} | keys | line for line in lines])
    top = top_reasons(said, features).iloc[0]
    assert top["reason_1"] == "raises: website: 7 pricing visits in 30 days, newest 3 days ago"
    assert top["reason_2"] == "lowers: employee count: 250, since 2025-03-03"
    assert top["reason_3"] == ""


def noisy(seed: int, accounts: int, months: int) -> Matrix:
    """A sample with two features that tell nothing: one that changes by row, one that stays with the account."""
    features = (*FOLDED, NOISE, FIXED_NOISE)
    sample = matrix(accounts, months, seed, features=FOLDED)
    r = np.random.default_rng(seed + 1)
    shade = dict(zip(sample.frame["account_id"].unique(), r.integers(0, 12, accounts), strict=True))
    frame = sample.frame.assign(
        noise=r.normal(size=len(sample.frame)),
        shade=[f"s{shade[a]}" for a in sample.frame["account_id"]],
    )
    frame["shade"] = frame["shade"].astype(object)
    return Matrix(frame, features, 90)


@pytest.mark.parametrize("kind", ["scorecard", "two_sided"])
def test_noise_is_among_the_shown_reasons_of_at_most_five_per_cent_of_accounts(kind: str) -> None:
    worlds, rows, noise, web = (24 if kind == "scorecard" else 8), 0, {"noise": 0, "shade": 0}, 0
    for seed in range(worlds):
        sample = noisy(seed, accounts=250, months=12)
        made = model(sample, kind)
        found = evidence(made, sample)
        assert found.measured
        last = sample.where(sample.frame["as_of"] == sample.frame["as_of"].max())
        said = reasons(made, last, found)
        assert {"noise", "shade"} <= set(said["feature"]), "law 4: the reasons keep them"
        told = top_reasons(said, sample.features).filter(like="reason_").agg("|".join, axis=1)
        rows += len(told)
        web += int(told.str.contains("website").sum())
        for name in noise:
            noise[name] += int(told.str.contains(f"{name}:", regex=False).sum())
    assert all(n <= 0.05 * rows for n in noise.values()), (noise, rows)
    assert web > 0.9 * rows, "what tells is shown"


def test_the_z_of_what_tells_nothing_is_a_standard_normal() -> None:
    z = []
    for seed in range(100, 130):
        sample = noisy(seed, accounts=120, months=10)
        found = evidence(model(sample), sample).families
        z += [found["signal", "noise"], found["fit", "shade"]]
    assert abs(np.mean(z)) < 0.4
    assert 0.75 < np.std(z) < 1.3
    assert np.mean(np.array(z) > 2.326) <= 0.05


def test_evidence_is_of_accounts_and_dates_that_were_not_learned_from() -> None:
    sample = noisy(3, accounts=200, months=10)
    made = model(sample)
    found = evidence(made, sample)
    assert Evidence.from_dict(found.to_dict()).to_dict() == found.to_dict()
    assert found.families["signal", "website"] > 3
    order = sample.frame.sample(frac=1, random_state=1).reset_index(drop=True)
    again = evidence(made, replace(sample, frame=order))
    assert again.families["signal", "website"] == pytest.approx(found.families["signal", "website"], abs=0.2)
    newest = sample.frame["as_of"] >= np.sort(sample.frame["as_of"])[len(sample.frame) // 2]
    flipped = replace(
        sample,
        frame=sample.frame.assign(outcome=np.where(newest, 1 - sample.frame["outcome"], sample.frame["outcome"])),
    )
    assert evidence(made, flipped).families["signal", "website"] < 0, "outcomes of the newer half decide"
    short = sample.where(sample.frame["as_of"] < sample.frame["as_of"].min() + pd.Timedelta(days=40))
    assert not evidence(made, short).measured
    assert Evidence.from_dict(None).proves(None), "of a bundle without evidence everything stands"
    assert not Evidence.from_dict(evidence(made, short).to_dict()).measured
    older = found.to_dict() | {"features": {"web_30d": 9.0}}
    del older["measures"]
    assert Evidence.from_dict(older).of(FOLDED[4]) == "part", "a bundle of before measures says it of each feature"


def nested(seed: int, accounts: int = 300, months: int = 10) -> Matrix:
    """A sample in which the website's worth is shared out between two windows of one measure that hold nearly alike."""
    named = (replace(WEB, family="website", measure="web"), replace(EMAIL, family="website", measure="mail"))
    twin = replace(WEB, name="web_31d", window_days=31, family="website", measure="web")
    sample = matrix(accounts=accounts, months=months, seed=seed, features=named)
    r = np.random.default_rng(seed)
    late = r.random(len(sample.frame)) < 0.02
    frame = sample.frame.assign(web_31d=sample.frame["web_30d"] + late)
    return replace(sample, frame=frame, features=(*named, twin))


def test_windows_of_one_measure_are_proven_together() -> None:
    sample = nested(4)
    found = evidence(model(sample), sample)
    assert set(found.measures) == {"web, all windows", "mail, all windows"}
    assert found.measures["web, all windows"] > 3 > found.measures["mail, all windows"]
    assert [found.of(f) for f in sample.features] == ["part", "family", "part"]


def test_the_catalogue_says_which_windows_count_one_thing() -> None:
    of: dict[str, list[Feature]] = {}
    for feature in catalogue(PLAN):
        of.setdefault(measure_of(feature), []).append(feature)
    assert {f.name for f in of["web_pricing_visit, all windows"]} == {
        f"web_pricing_visit_{w}d" for w in (7, 30, 90, 365)
    }
    assert {f.unit for f in of["web, all windows"]} == {"activities", "fading activities", "days or never"}
    assert of["industry"] == [next(f for f in catalogue(PLAN) if f.name == "industry")]
    for features in of.values():
        assert len({(f.side, family_of(f)) for f in features}) == 1, "a measure lies within one family"


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**31))
def test_a_family_is_told_by_its_greatest_measure_and_not_by_its_greatest_window(seed: int) -> None:
    r = np.random.default_rng(seed)
    features = tuple(replace(WEB, name=f"f{j}", family="website", measure=f"m{j % 3}") for j in range(9))
    said = pd.DataFrame(
        {
            "account_id": "a",
            "as_of": pd.Timestamp("2025-01-01"),
            "side": "signal",
            "family": "website",
            "feature": [f.name for f in features],
            "value": "1",
            "value_as_of": pd.NaT,
            "log_odds": r.normal(size=9),
            "proven": r.choice(["part", "family"], 9, p=[0.8, 0.2]),
        }
    )
    (line,) = families(said, features).itertuples()
    sign = np.sign(said["log_odds"].sum())
    worth = sign * said.groupby(said.index % 3)["log_odds"].sum()
    for m in worth[worth > 0].sort_values(ascending=False).index:
        able = said[(said.index % 3 == m) & (said["proven"] == "part") & (said["log_odds"] * sign > 0)]
        if len(able):
            assert line.feature == able.loc[able["log_odds"].abs().idxmax(), "feature"]
            return
    assert line.feature is None


def test_what_is_hard_to_say_is_told_only_where_its_measure_has_nothing_else() -> None:
    plain = replace(WEB, family="website", measure="web")
    fading = replace(WEB, name="web_decayed_30d", unit="fading activities", family="website", measure="web")
    said = pd.DataFrame(
        {
            "account_id": ["a", "a", "b"],
            "as_of": pd.Timestamp("2025-01-01"),
            "side": "signal",
            "family": "website",
            "feature": [fading.name, plain.name, fading.name],
            "value": ["2.5", "3", "2.5"],
            "value_as_of": pd.NaT,
            "log_odds": [0.9, 0.1, 0.9],
            "proven": "part",
        }
    )
    assert families(said, (plain, fading))["feature"].tolist() == [plain.name, fading.name]


def test_the_passing_of_time_proves_nothing() -> None:
    sample = matrix(accounts=200, months=12, features=FOLDED)
    month = (sample.frame["as_of"] - sample.frame["as_of"].min()).dt.days.to_numpy(dtype=float)
    late = month > month.max() / 2
    r = np.random.default_rng(0)
    y = np.where(late & (r.random(len(month)) < 0.3), 1.0, sample.frame["outcome"])
    frame = sample.frame.assign(noise=month, outcome=y)
    timed = Matrix(frame, (*FOLDED, NOISE), 90)
    assert abs(evidence(model(timed), timed).measures["noise"]) < 1e-6
