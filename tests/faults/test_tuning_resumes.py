"""A tuning search that is killed goes on: finished trials stand, and it ends as one that was never killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import nursery
from matrix_sample import matrix, plan
from tierwise.errors import LockHeld
from tierwise.learning import Trained, train_model
from tierwise.learning.tuning import kept_trials

TRIALS, CANDIDATES, FOLDS = 8, ["scorecard", "additive"], 2
CREATED = 4
"""The number of the journal's entry for a trial that begins (optuna.storages.journal.JournalOperation)."""

TRAINING = r"""
import hashlib, json, os, signal, sys
from pathlib import Path
from optuna.trial import Trial
from matrix_sample import matrix, plan
from tierwise.learning import train_model

journal, kill_at, asked = Path(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
real, reports = Trial.report, 0

def report(self, value, step):
    global reports
    real(self, value, step)
    reports += 1
    if reports == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)

Trial.report = report
say = lambda words: print(words, flush=True)
made = train_model(matrix(accounts=80), plan(**asked), threads=1, journal=journal, say=say)
files = sorted(made.model.to_files().items())
print(json.dumps({"model": hashlib.sha256(b"".join(v for _, v in files)).hexdigest(),
                  "evaluation": made.evaluation.to_dict()}))
"""


def asked(trials: int = TRIALS) -> dict[str, object]:
    return {"tuning": {"trials": trials}, "candidates": CANDIDATES, "folds": FOLDS, "scorecard_below": 2}


def training(journal: Path, kill_at: int = 0) -> nursery.Done:
    """A training in a process of its own, which kills itself as its nth trial has been judged on a fold; 0: never."""
    return nursery.run("-c", TRAINING, journal, kill_at, json.dumps(asked()))


def elsewhere(journal: Path) -> nursery.Done:
    """The same, never killed, in an interpreter that starts from nothing, with a hash seed of its own."""
    command = [sys.executable, "-c", TRAINING, str(journal), "0", json.dumps(asked())]
    settings = os.environ | {"PYTHONHASHSEED": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(command, capture_output=True, text=True, env=settings, timeout=300, check=False)


def told(done: nursery.Done) -> dict[str, object]:
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def begun(journal: Path) -> int:
    """How many trials were ever begun, as the journal has it."""
    return sum(json.loads(line)["op_code"] == CREATED for line in journal.read_text().splitlines())


@pytest.fixture(scope="module")
def whole_journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the trials of a search that was never killed are kept."""
    return tmp_path_factory.mktemp("whole") / "kept.log"


@pytest.fixture(scope="module")
def never_killed(whole_journal: Path) -> dict[str, object]:
    found = told(elsewhere(whole_journal))
    assert begun(whole_journal) == TRIALS
    return found


@pytest.mark.parametrize("kills", [(1,), (6,), (3, 3)], ids=str)
def test_a_search_killed_in_a_trial_ends_as_one_that_was_not(
    kills: Sequence[int], tmp_path: Path, never_killed: dict[str, object]
) -> None:
    journal = tmp_path / "kept.log"
    for kill_at in kills:
        killed = training(journal, kill_at)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert 0 < begun(journal) < TRIALS
    assert told(training(journal)) == never_killed
    assert begun(journal) == TRIALS + len(kills), (
        "each kill costs the trial it fell into, and no finished one is redone"
    )


def test_a_search_that_was_over_makes_no_trial_again(whole_journal: Path, never_killed: dict[str, object]) -> None:
    assert told(training(whole_journal)) == never_killed
    assert begun(whole_journal) == TRIALS


def small(journal: Path) -> Trained:
    few = plan(tuning={"trials": 4}, candidates=["scorecard"], folds=FOLDS, scorecard_below=2)
    return train_model(matrix(accounts=100), few, threads=1, journal=journal)


@pytest.mark.parametrize(
    "torn", [b'{"op_code": 5, "wor', b"\0" * 300, b'{"op_code": 5, "wor\n{}'], ids=["half", "zeros", "two"]
)
def test_a_line_that_was_not_written_to_its_end_is_cut_off(torn: bytes, tmp_path: Path) -> None:
    journal, whole = tmp_path / "kept.log", small(tmp_path / "whole.log")
    kept = (tmp_path / "whole.log").read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(kept[: len(kept) // 2]) + torn)
    assert small(journal).evaluation.to_dict() == whole.evaluation.to_dict()
    for line in journal.read_bytes().splitlines():
        json.loads(line)


def test_a_lock_file_left_behind_holds_nothing_up(tmp_path: Path) -> None:
    journal = tmp_path / "kept.log"
    os.symlink(journal, f"{journal}.lock")
    assert len(small(journal).evaluation.trials) == 3


def test_two_searches_never_share_a_journal(tmp_path: Path) -> None:
    journal = tmp_path / "kept.log"
    with kept_trials(journal), pytest.raises(LockHeld, match="another training is at it"):
        small(journal)
    small(journal)
