"""The contest of benchmarks/candidates.py: what entrants are given, and how they are judged."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

from contest import automl
from contest.case import BASELINES, Case, Part, part_of, write
from contest.judging import BASE_RATE, Entry, judge
from contest.printing import summary, table
from tierwise.learning.plain import declared

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


def planted(n: int = 900, seed: int = 0) -> Case:
    """A set of known effects by serial number, of which the last two blocks are unseen."""
    rng = np.random.default_rng(seed)
    size, visits, kind = rng.normal(size=n), rng.normal(size=n), np.array(["a", "b"])[rng.integers(0, 2, n)]
    won = rng.random(n) < 1 / (1 + np.exp(0.5 - size - visits))
    frame = pd.DataFrame({"serial": np.arange(n), "size": size, "kind": kind, "visits": visits, "won": won.astype(int)})
    rows = declared(frame, "won", fit=["size", "kind"], signal=["visits"], order="serial")
    late = rows.as_of >= np.datetime64("2000-01-09")
    unseen = rows.where(late)
    part = part_of(rows.where(~late), unseen, {"largest": unseen.frame["size"]})
    unformed = {"newest_activity": "no activity has a date", "icp_rubric": "nobody has stated one"}
    return Case("planted", "won", "by serial number", rows.features, 1, (part,), unformed)


def test_an_entrant_sees_no_outcome_of_the_rows_it_is_judged_on(tmp_path: Path) -> None:
    case = planted()
    write(case, case.parts[0], tmp_path / "rows", 7)
    assert "outcome" in pd.read_parquet(tmp_path / "rows" / "train.parquet")
    unseen = pd.read_parquet(tmp_path / "rows" / "unseen.parquet")
    assert list(unseen) == ["account_id", "as_of", "family_id", "size", "kind", "visits"]
    assert unseen["as_of"].min() > pd.read_parquet(tmp_path / "rows" / "train.parquet")["as_of"].max()


@pytest.mark.parametrize("name", ["logistic", "lightgbm", "tierwise"])
def test_each_entrant_ranks_what_is_planted_and_says_what_it_used(name: str, tmp_path: Path) -> None:
    case = planted()
    part, folder = case.parts[0], tmp_path / "rows"
    write(case, part, folder, 7)
    subprocess.run(
        [sys.executable, str(BENCHMARKS / "contest" / "entrant.py"), name, str(folder), "0.001", "1"], check=True
    )
    said = json.loads((folder / f"{name}.json").read_text())
    p, y = np.array(said["probabilities"]), part.unseen["outcome"].to_numpy()
    assert p.shape == y.shape
    assert roc_auc_score(y, p) > 0.7
    assert log_loss(y, p) < log_loss(y, np.full(len(y), part.train["outcome"].mean()))
    assert said["seconds"] > 0
    assert 20 < said["megabytes"] < 5000


def test_tierwise_gives_the_base_rate_where_nothing_can_be_learned(tmp_path: Path) -> None:
    case = planted()
    part = case.parts[0]
    shuffled = part.train.assign(outcome=part.train["outcome"].sample(frac=1, random_state=1).to_numpy())
    write(case, Part(shuffled, part.unseen, part.rankings), tmp_path / "rows", 7)
    subprocess.run(
        [sys.executable, str(BENCHMARKS / "contest" / "entrant.py"), "tierwise", str(tmp_path / "rows"), "0.001", "1"],
        check=True,
    )
    said = json.loads((tmp_path / "rows" / "tierwise.json").read_text())
    assert said["said"].startswith("no usable model: ")
    assert set(said["probabilities"]) == {part.train["outcome"].mean()}


def rows(n: int = 3000, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The truth's log-odds, outcomes drawn from it, and a family of each row's own."""
    rng = np.random.default_rng(seed)
    z = rng.normal(-1, 1.2, n)
    return z, (rng.random(n) < 1 / (1 + np.exp(-z))).astype(float), np.arange(n).astype(str)


def test_figures_are_scikit_learn_s_and_the_standard_error_is_that_of_paired_rows() -> None:
    z, y, families = rows()
    rng = np.random.default_rng(1)
    p, q = (1 / (1 + np.exp(-values)) for values in (z, 0.8 * z + rng.normal(0, 0.6, len(z))))
    first, second = judge([Entry("truth", p), Entry("worse", q)], y, families)
    for found, mine in ((first, p), (second, q)):
        assert found.figure("auc").value == pytest.approx(roc_auc_score(y, mine))
        assert found.figure("average_precision").value == pytest.approx(average_precision_score(y, mine))
        assert found.log_loss == pytest.approx(log_loss(y, mine))
    gap = second.losses - first.losses
    assert second.behind.mean == pytest.approx(gap.mean())
    assert second.behind.standard_error == pytest.approx(gap.std(ddof=1) / np.sqrt(len(gap)), rel=1e-3)
    assert (first.verdict, second.verdict) == ("best", "behind")
    assert first.slope == pytest.approx(1, abs=0.15)


def test_verdicts_tell_the_best_its_equals_and_what_cannot_be_formed() -> None:
    z, y, families = rows()
    p = 1 / (1 + np.exp(-z))
    nearly = 1 / (1 + np.exp(-(z + 0.05 * np.random.default_rng(10).normal(size=len(z)))))
    entries = [
        Entry(BASE_RATE, np.full(len(y), y.mean())),
        Entry("newest activity", None, why="no activity has a date"),
        Entry("largest", z, probability=False),
        Entry("lightgbm", p),
        Entry("tierwise", p.copy()),
        Entry("logistic", nearly),
        Entry("automl", None, why="flaml cannot be installed: no network"),
    ]
    found = {judged.entry.name: judged for judged in judge(entries, y, families)}
    assert {name: judged.verdict for name, judged in found.items()} == {
        BASE_RATE: "behind",
        "newest activity": "not formed: no activity has a date",
        "largest": "a ranking",
        "lightgbm": "best",
        "tierwise": "best",
        "logistic": "within 1 SE",
        "automl": "not formed: flaml cannot be installed: no network",
    }
    text = table(list(found.values()))
    assert "not formed: no activity has a date" in text
    said = summary({"made": (list(found.values()), families)})
    assert "tierwise is best or within one standard error of the best log-loss on 1 of 1 sets" in said
    assert "log-loss less automl's: it ran on no set" in said
    assert "worse than the constant (the base rate of the rows learned from): on no set" in said


def test_one_sure_miss_costs_a_bounded_loss() -> None:
    _, y, families = rows()
    sure = np.where(y == 1, 0.0, 1.0)
    (found,) = judge([Entry("liar", sure)], y, families)
    assert found.log_loss == pytest.approx(-np.log(1e-6), rel=1e-3)


def test_a_case_says_something_of_every_baseline() -> None:
    case = planted()
    with pytest.raises(ValueError, match="of the baselines"):
        Case("made", "won", "by serial number", case.features, 1, case.parts, {"icp_rubric": "none is stated"})
    assert {*case.parts[0].rankings, *case.unformed} == set(BASELINES)


def test_an_automl_that_cannot_be_installed_is_said_to_be_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = tmp_path / "automl-requirements.txt"
    asked.write_text("no-such-package-as-this==1\n")
    monkeypatch.setattr(automl, "NEEDED", asked)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(
        automl.NotThere, match=r"automl-requirements\.txt cannot be installed: .*no-such-package-as-this"
    ):
        automl.environment(tmp_path / "automl")
