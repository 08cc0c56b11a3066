"""Canaries: what must come to nothing does, and what is not nothing is found."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tierwise.learning.unseen as unseen
from matrix_sample import INDUSTRY, RECENCY, SIZE, WEB, matrix, plan
from tierwise.audit import AuditRules
from tierwise.config.plan import Candidate
from tierwise.errors import ContractError
from tierwise.explain import evidence
from tierwise.features.feature import Feature
from tierwise.features.matrix import Matrix
from tierwise.jobs.canaries import completed, planted, planted_labels, warnings
from tierwise.learning import auc, train_model
from tierwise.learning.canaries import NOISE, dealt, permuted_labels, sampled, time_index, with_noise
from tierwise.learning.encoding import Floats
from tierwise.learning.rows import Rows, training_rows
from tierwise.learning.search import Tried, follow
from tierwise.learning.season_choice import SeasonTrial
from tierwise.learning.splits import Division
from tierwise.learning.training import divide
from tierwise.report import TrainingPage, training_page

FEW = (INDUSTRY, SIZE, WEB, RECENCY)


def lasting(seed: int, accounts: int = 250, months: int = 12) -> Matrix:
    """A matrix whose accounts have tendencies of their own, far stronger than what its features tell."""
    made = matrix(accounts=accounts, months=months, seed=seed, features=FEW)
    r = np.random.default_rng(seed + 1000)
    own = dict(zip(made.frame["account_id"].unique(), r.gamma(0.3, 0.4, accounts).clip(0, 0.9), strict=True))
    chance = made.frame["account_id"].map(own).to_numpy(float)
    gone = r.random(len(chance)) < 0.3
    frame = made.frame.assign(outcome=(r.random(len(chance)) < chance).astype(float))
    return replace(made, frame=frame[~gone].reset_index(drop=True))


def parts(made: Matrix) -> tuple[Rows, Division]:
    rows = training_rows(made, plan(min_outcomes=10))
    return rows, divide(rows, plan(min_outcomes=10))


# --- dealing


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**31), accounts=st.integers(2, 40), months=st.integers(1, 8), gone=st.floats(0, 0.6))
def test_each_date_keeps_its_outcomes_and_nobody_his_own(seed: int, accounts: int, months: int, gone: float) -> None:
    r = np.random.default_rng(seed)
    account = np.tile([f"a{i}" for i in range(accounts)], months)
    date = np.repeat(pd.date_range("2024-01-01", periods=months, freq="MS").to_numpy("datetime64[us]"), accounts)
    here = r.random(len(account)) >= gone
    account, date, label = account[here], date[here], np.arange(here.sum()).astype(float)
    got = dealt(label, account, date, np.random.default_rng(seed))
    assert sorted(got) == list(label)
    giver = got.astype(int)
    assert (date[giver] == date).all(), "an outcome stays on its date"
    alone = pd.Series(date).map(pd.Series(date).value_counts()).to_numpy() == 1
    if months < accounts:
        assert (account[giver] != account)[~alone].all()


def test_where_all_stand_on_all_dates_one_account_gives_to_one() -> None:
    made = matrix(accounts=30, months=6).frame
    names = made["account_id"].to_numpy()
    codes = np.unique(names, return_inverse=True)[1].astype(float)
    got = dealt(codes, names, made["as_of"].to_numpy("datetime64[us]"), np.random.default_rng(1))
    assert pd.Series(got).groupby(names).nunique().eq(1).all()


def test_on_days_of_their_own_accounts_are_dealt_within_the_month() -> None:
    made = matrix(accounts=40, months=6, instants="own").frame
    as_of = made["as_of"].to_numpy("datetime64[us]")
    got = dealt(np.arange(len(made)).astype(float), made["account_id"].to_numpy(), as_of, np.random.default_rng(1))
    giver = got.astype(int)
    assert (as_of[giver].astype("datetime64[M]") == as_of.astype("datetime64[M]")).all()
    assert (made["account_id"].to_numpy()[giver] != made["account_id"].to_numpy()).all()


# --- outcomes dealt to others, through the whole pipeline


def chosen(rows: Rows, division: Division, kind: str = "scorecard", **settings: float) -> SeasonTrial:
    """A candidate judged on the plan's own outcomes, without a season."""
    folds = unseen.prepared(rows.where(division.earlier), division, ())
    tried = follow(Candidate(kind=kind), settings, folds, rows.features, threads=1, seed=7)
    return SeasonTrial(tried, False, 12, "too short")


KIND = ("scorecard", "additive", "two_sided", "staged")


def inside(runs: range) -> int:
    """How many of these runs, of each kind of candidate in turn, find nothing."""
    found = []
    for seed in runs:
        rows, division = parts(lasting(seed))
        trial = chosen(rows, division, KIND[seed % len(KIND)])
        found.append(permuted_labels(rows, division, trial, threads=1, seed=seed))
        assert found[-1]["kind"] == KIND[seed % len(KIND)]
    assert all(f["measured"] and f["test_outcomes"] > 20 for f in found)
    return sum(f["inside"] for f in found)


def test_dealt_outcomes_are_ranked_by_chance_in_a_few_runs() -> None:
    """Of 10 honest runs 5 or more lie outside with probability 6e-5 (binomial, 5 % each)."""
    assert inside(range(10)) >= 6


@pytest.mark.long
def test_dealt_outcomes_are_ranked_by_chance_in_at_least_90_of_100_runs() -> None:
    assert inside(range(100, 200)) >= 90


def test_a_training_that_sees_its_test_is_found_out() -> None:
    """Rows of the test among those learned from, and features enough to know each row again."""
    found = []
    for seed in range(4):
        made = lasting(seed, accounts=60, months=12)
        r = np.random.default_rng(seed)
        names = [f"x{i}" for i in range(60)]
        frame = made.frame.assign(**{name: r.normal(size=len(made.frame)) for name in names})
        features = tuple(Feature(name, "fit", "number", "", name + ": {value}") for name in names)
        rows, division = parts(Matrix(frame, features, 90))
        trial = chosen(rows, division)
        honest = permuted_labels(rows, division, trial, threads=1, seed=seed)
        every = np.ones(len(division.earlier), dtype=bool)
        wide = [
            tuple(np.isin(np.arange(len(every)), np.flatnonzero(division.earlier)[mask]) for mask in fold)
            for fold in division.folds
        ]
        leaky = permuted_labels(rows, Division(every, division.test, wide), trial, threads=1, seed=seed)
        found.append((honest["inside"], leaky["inside"], leaky["auc"] > leaky["high"]))
    assert sum(h for h, _, _ in found) >= 3
    assert [(inside, above) for _, inside, above in found] == [(False, True)] * 4


def of_the_test(
    rows: Rows, division: Division, tried: Tried, trial: SeasonTrial | None, *, threads: int, seed: int
) -> Floats:
    """As `unseen.on_test`, with the leak to be found: the model is fitted to the rows that it judges."""
    test = rows.where(division.test)
    return tried.affine(unseen.fitted(tried, test, threads, seed).decision_function(test.frame))


@pytest.mark.parametrize("kind", KIND)
def test_a_leak_where_the_reported_figures_are_made_is_found_out(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One patch of one function moves both: the figures look better than they are, and the canary says so."""
    made = matrix(accounts=300, months=12, seed=3, strength=1.2)
    asked = plan(candidates=[kind], scorecard_below=20)
    honest = train_model(made, asked, threads=1).evaluation
    monkeypatch.setattr(unseen, "on_test", of_the_test)
    leaky = train_model(made, asked, threads=1).evaluation
    assert honest.metrics[kind]["auc"]["value"] < leaky.metrics[kind]["auc"]["value"]
    before, after = honest.canaries["permuted_labels"], leaky.canaries["permuted_labels"]
    assert before["inside"]
    assert not after["inside"]
    assert after["kind"] == kind
    assert max(after["auc"], 1 - after["auc"]) > max(before["auc"], 1 - before["auc"])


def test_dealt_outcomes_are_searched_at_the_settings_that_were_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, division = parts(matrix(accounts=150, months=10, features=FEW))
    trial, seen = chosen(rows, division, bins=5), []

    def watched(rows: Rows, division: Division, tried: Tried, trial: SeasonTrial, **given: int) -> Floats:
        seen.append((dict(tried.settings), trial.tried is tried))
        return real(rows, division, tried, trial, **given)

    real = unseen.on_test
    monkeypatch.setattr(unseen, "on_test", watched)
    permuted_labels(rows, division, trial, threads=1, seed=7)
    ((settings, same),) = seen
    assert settings["bins"] == 5
    assert set(settings) == {"bins", "penalty"}
    assert same


def test_a_season_goes_with_them() -> None:
    rows, division = parts(matrix(accounts=150, months=16, features=FEW))
    trial = chosen(rows, division)
    without = unseen.on_test(rows, division, trial.tried, trial, threads=1, seed=7)
    seasoned = unseen.on_test(rows, division, trial.tried, replace(trial, adopted=True), threads=1, seed=7)
    added = pd.Series(seasoned - without).groupby(rows.where(division.test).as_of)
    assert (added.max() - added.min() < 1e-9).all()
    assert permuted_labels(rows, division, replace(trial, adopted=True), threads=1, seed=7)["measured"]


def test_the_auc_of_ranks_is_the_auc() -> None:
    from scipy.stats import rankdata

    from tierwise.learning.canaries import _auc

    r = np.random.default_rng(2)
    y, score = (r.random(300) < 0.2).astype(float), r.integers(0, 20, 300).astype(float)
    assert _auc(rankdata(score), y) == pytest.approx(auc(y, score), abs=1e-12)


# --- noise


def test_noise_is_drawn_by_account_and_by_row_and_is_the_same_again() -> None:
    made = matrix(accounts=20, months=4, features=FEW)
    frame, features = with_noise(made.frame, made.features, 7)
    assert [f.name for f in features[-4:]] == [f.name for f in NOISE]
    for feature in NOISE:
        per_account = frame.groupby("account_id")[feature.name].nunique()
        assert (per_account == (1 if feature.name.endswith("account") else 4)).all()
    assert frame.equals(with_noise(made.frame, made.features, 7)[0])


def test_noise_weighs_little_beside_what_tells() -> None:
    made = matrix(accounts=500, months=12, strength=1.5, features=FEW)
    trained = train_model(made, plan(), threads=1)
    found = completed(trained, made, {"measured": False}, 7).evaluation.canaries["noise"]
    assert found["judged"]
    assert len(found["lines"]) == 4
    assert sum(line["share"] for line in found["lines"]) < 0.25
    assert all(line["rank"] > 1 for line in found["lines"])
    assert sum(line["shown"] for line in found["lines"]) <= 1
    proven = evidence(trained.model, made).measures
    assert max(line["z"] for line in found["lines"]) < max(proven.values())


# --- the date


def drifting(change: float, seed: int = 0) -> Matrix:
    made = matrix(accounts=600, months=18, seed=seed, features=FEW)
    months = (made.frame["as_of"] - made.frame["as_of"].min()).dt.days.to_numpy() / 30.4
    chance = 1 / (1 + np.exp(-(-2.5 + change * (months - 9))))
    drawn = np.random.default_rng(seed).random(len(chance)) < chance
    return replace(made, frame=made.frame.assign(outcome=drawn.astype(float)))


@pytest.mark.parametrize("change", [0.1, -0.12])
def test_a_base_that_drifts_is_said_with_advice(change: float) -> None:
    found = time_index(*parts(drifting(change)))
    assert found["drifts"]
    assert 0 < found["low"] < found["gain"] < found["high"]
    said = warnings({"permuted_labels": {"measured": False}, "noise": {"measured": False}, "time_index": found})
    assert len(said) == 1
    assert "the base drifts" in said[0]
    assert "train --recalibrate" in said[0]
    assert "model.train_from" in said[0]


def test_a_base_that_stands_hardly_ever_drifts() -> None:
    assert sum(time_index(*parts(drifting(0.0, seed)))["drifts"] for seed in range(20)) <= 2


# --- the planted copy


def test_the_audit_blocks_a_copy_of_the_outcome_and_one_with_flips() -> None:
    for seed in range(5):
        found = planted_labels(matrix(accounts=150, months=8, seed=seed, features=FEW), plan(seed=seed))
        assert found["measured"]
        assert found["named"]["tierwise_planted_copy"] == "copies_outcome"
        assert "tierwise_planted_flipped" in found["named"]


def test_one_in_twenty_of_either_kind_is_flipped() -> None:
    frame = planted(matrix(accounts=200, months=10, features=FEW), 7).frame
    wrong = frame["tierwise_planted_flipped"] != frame["outcome"]
    assert wrong.groupby(frame["outcome"]).mean().to_numpy() == pytest.approx([0.05, 0.05], abs=0.004)
    assert (frame["tierwise_planted_copy"] == frame["outcome"]).all()


def test_an_audit_that_lets_a_copy_through_refuses_training_by_name() -> None:
    blind = AuditRules(copy_auc=2, alone_auc=2, certain_share=2, sure_share=2)
    with pytest.raises(ContractError) as refused:
        planted_labels(matrix(accounts=150, months=8, features=FEW), plan(), blind)
    words = str(refused.value)
    assert "plan 'sample' was to be trained, and a copy of the outcome was planted" in words
    assert "does not block tierwise_planted_copy and tierwise_planted_flipped" in words
    assert "a fault of the audit" in words


def test_too_few_outcomes_are_not_judged() -> None:
    found = planted_labels(matrix(accounts=20, months=6, features=FEW), plan(min_outcomes=2))
    assert not found["measured"]
    assert found["why"].endswith("of 50 needed")


# --- all together


def test_of_many_rows_whole_families_are_taken_and_divided_as_they_were() -> None:
    rows, division = parts(matrix(accounts=400, months=12, features=FEW))
    few, split = sampled(rows, division, 1500, 7)
    assert 1000 < len(few.frame) <= 1500
    kept = rows.frame["family_id"].isin(set(few.families)).to_numpy()
    assert kept.sum() == len(few.frame)
    assert (split.test == division.test[kept]).all()
    _, held = division.folds[0]
    now = rows.frame[division.earlier][held & kept[division.earlier]]
    assert few.frame[split.earlier][split.folds[0][1]]["account_id"].tolist() == now["account_id"].tolist()


def test_families_that_are_kept_apart_stay_apart_among_few() -> None:
    asked = plan(min_outcomes=10, family_parts=3)
    rows = training_rows(matrix(accounts=400, months=12, features=FEW), asked)
    few, split = sampled(rows, divide(rows, asked), 1500, 7)
    assert split.apart is not None
    assert split.apart.families == len(np.unique(few.families))
    assert len(split.apart.left_out) == len(split.folds)
    earlier, test = few.where(split.earlier), few.where(split.test)
    assert sum(held.sum() for _, held in split.reports) == len(test.y)
    for old, held in split.reports:
        assert not set(earlier.families[old]) & set(test.families[held])
    for old, held in split.folds:
        assert not set(earlier.families[old]) & set(earlier.families[held])
    assert permuted_labels(few, split, chosen(few, split), threads=1, seed=7)["measured"]


def test_canaries_are_in_the_evaluation_and_the_same_again() -> None:
    made = matrix(accounts=300, months=12, features=FEW)
    trained = train_model(made, plan(), threads=1)
    said = trained.evaluation.to_dict()["canaries"]
    assert set(said) == {"permuted_labels", "noise", "time_index"}
    json.dumps(said, allow_nan=False)
    assert said == train_model(made, plan(), threads=1).evaluation.to_dict()["canaries"]


def page(canary: dict) -> str:
    made = matrix(accounts=300, months=12, features=FEW)
    trained = completed(train_model(made, plan(), threads=1), made, planted_labels(made, plan()), 7)
    found = trained.evaluation.to_dict()
    found["canaries"] = {**found["canaries"], **canary}
    answer = {"plan": "sample", "verdict": "usable", "evaluation": found}
    return training_page(TrainingPage(answer, pd.Timestamp("2025-06-01", tz="UTC").to_pydatetime(), {}))


def test_the_page_says_what_came_to_nothing_and_what_did_not() -> None:
    labels = {"measured": True, "inside": True, "auc": 0.51, "low": 0.45, "high": 0.55, "rows": 1, "test_rows": 1}
    said = {"test_outcomes": 1, "draws": 199, "learned": True, "kind": "additive"}
    text = page({"permuted_labels": labels | said})
    assert "The chosen candidate is searched, calibrated and judged by what makes the figures above" in text
    assert "What must come to nothing, and whether it did" in text
    assert "Nothing was learned from them, as it must be." in text
    assert "Signal side, drawn by row" in text
    assert "The audit names and blocks it" in text
    labels = {"measured": True, "inside": False, "auc": 0.61, "low": 0.45, "high": 0.55, "rows": 1, "test_rows": 1}
    text = page({"permuted_labels": labels})
    assert "better or worse than chance" in text
    assert "in 5 % of trainings by chance" in text
    text = page({"permuted_labels": {"measured": False, "why": "all of them have the same outcome"}})
    assert "Not measured: all of them have the same outcome." in text


def test_the_page_of_a_trained_workspace_shows_them(small_demo: Path) -> None:
    pages = [p.read_text(encoding="utf-8") for p in (small_demo / "published").rglob("*.html")]
    said = [text for text in pages if "What must come to nothing" in text]
    assert said
    assert all("The audit names and blocks it" in text for text in said)
