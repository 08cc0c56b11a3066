"""Tuning: better settings within a stated budget, by Optuna, seeded, pruned on the folds, and resumable."""

from __future__ import annotations

import fcntl
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import optuna
from optuna.pruners import MedianPruner
from optuna.samplers import TPESampler
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import Trial, TrialState

from tierwise.config.icp import IcpPoints
from tierwise.config.plan import Candidate, Setting, Tuning
from tierwise.errors import LockHeld
from tierwise.features.feature import Feature
from tierwise.learning.candidates import KINDS, Range
from tierwise.learning.progress import Say
from tierwise.learning.search import Tried, follow
from tierwise.learning.sides import Prepared

DONE = (TrialState.COMPLETE, TrialState.PRUNED)
NEVER = 1e9
"""What a candidate that does not rank is worth to the search: Optuna takes no infinity as a value."""


@dataclass(frozen=True)
class Budget:
    """How much may be tried; `clock` gives seconds and is read only where there is a bound in minutes."""

    tuning: Tuning
    clock: Callable[[], float]
    journal: Path | None = None
    """Where finished trials are kept, so that a search that was killed goes on; None: nowhere."""


def tune(
    candidates: Sequence[Candidate],
    folds: Sequence[Prepared],
    features: Sequence[Feature],
    budget: Budget,
    *,
    threads: int,
    seed: int,
    say: Say,
    prior: Sequence[IcpPoints] = (),
) -> tuple[dict[str, Tried], list[dict[str, Any]]]:
    """Each candidate at its best settings, and every trial in order: candidate, settings, state, log-loss.

    The first trial of each candidate is its settings as they stand; further ones, in turn, are proposed by TPE
    (Bergstra et al. 2011) from those before, and pruned where they lie above the median on the oldest fold. With the
    same seed and number of trials the search is the same, also if it was killed in between and its journal kept.

    prior: lines of a rubric, for kinds that can start from one.

    Raises
    ------
    LockHeld : another process is at the journal.
    """
    turns = _turns(candidates, budget.tuning.most)
    with _quiet(), kept_trials(budget.journal) as storage:
        search = _Search(folds, features, budget, storage, threads, seed, say, prior)
        for number, candidate in enumerate(turns, start=1):
            if number > len(candidates) and search.out_of_time():
                say(f"tuning ends after {number - 1} trials: its {budget.tuning.minutes:g} minutes are over")
                break
            search.trial(candidate, number, len(turns), told=len(turns) > len(candidates))
        return {c.called: search.best(c) for c in candidates}, search.trials


def _turns(candidates: Sequence[Candidate], trials: int) -> list[Candidate]:
    """Whose turn each trial is: every candidate once, then in turn as far as trials reach and a kind is worth more."""
    left = {c.called: KINDS[c.kind].most_trials - 1 for c in candidates}
    turns = list(candidates)
    while len(turns) < trials and any(left.values()):
        for candidate in (c for c in candidates if left[c.called] > 0):
            if len(turns) < trials:
                turns.append(candidate)
                left[candidate.called] -= 1
    return turns


class _Search:
    """One study a candidate, in one storage."""

    def __init__(
        self,
        folds: Sequence[Prepared],
        features: Sequence[Feature],
        budget: Budget,
        storage: BaseStorage,
        threads: int,
        seed: int,
        say: Say,
        prior: Sequence[IcpPoints],
    ) -> None:
        self.folds, self.budget, self.storage, self.say = folds, budget, storage, say
        self.follow = partial(follow, folds=folds, features=features, threads=threads, seed=seed, prior=prior)
        self.seed = seed
        self.until = math.inf
        if budget.tuning.minutes is not None:
            self.until = budget.clock() + 60 * budget.tuning.minutes
        self.studies: dict[str, optuna.Study] = {}
        self.found: dict[str, Tried] = {}
        self.taken: dict[str, int] = {}
        self.trials: list[dict[str, Any]] = []

    def out_of_time(self) -> bool:
        return math.isfinite(self.until) and self.budget.clock() >= self.until

    def trial(self, candidate: Candidate, number: int, of: int, *, told: bool) -> None:
        """The candidate's next trial: taken from the journal if it is there, else made."""
        study = self._study(candidate)
        place = self.taken.get(candidate.called, 0)
        self.taken[candidate.called] = place + 1
        if len(_done(study)) <= place:
            self._make(study, candidate, place)
        done = _done(study)[place]
        settings = dict(done.user_attrs["settings"])
        loss = None if done.state is TrialState.PRUNED or done.value == NEVER else done.value
        line = {"trial": number, "candidate": candidate.called, "settings": settings, "log_loss": loss}
        self.trials.append(line | {"state": "pruned" if done.state is TrialState.PRUNED else "complete"})
        if told:
            most = f" of {of}" if self.budget.tuning.trials else ""
            self.say(f"trial {number}{most}: {self._words(self.trials[-1])}")

    def _words(self, line: Mapping[str, Any]) -> str:
        known = [t for t in self.trials if t["log_loss"] is not None]
        best = min(known, key=lambda t: t["log_loss"]) if known else None
        said = "pruned" if line["state"] == "pruned" else "no ranking" if line["log_loss"] is None else ""
        own = said or f"log-loss {line['log_loss']:.4f}"
        return f"{line['candidate']} {own}" + (f"; best {best['log_loss']:.4f}, {best['candidate']}" if best else "")

    def _study(self, candidate: Candidate) -> optuna.Study:
        if candidate.called not in self.studies:
            self.studies[candidate.called] = optuna.create_study(
                storage=self.storage,
                study_name=candidate.called,
                pruner=MedianPruner(n_startup_trials=3),
                direction="minimize",
                load_if_exists=True,
            )
        return self.studies[candidate.called]

    def _make(self, study: optuna.Study, candidate: Candidate, place: int) -> None:
        study.sampler = TPESampler(seed=self.seed + 1009 * place, n_startup_trials=5)
        trial = study.ask()
        settings = self._settings(trial, candidate, place)
        trial.set_user_attr("settings", settings)

        def after_first(loss: float) -> None:
            trial.report(min(loss, NEVER), 0)
            if place and len(self.folds) > 1 and trial.should_prune():
                raise optuna.TrialPruned

        try:
            tried = self.follow(candidate, settings, after_first=after_first)
        except optuna.TrialPruned:
            study.tell(trial, state=TrialState.PRUNED)
            return
        trial.set_user_attr("settings", dict(tried.settings))
        study.tell(trial, min(tried.mean, NEVER))
        before = self.found.get(candidate.called)
        if before is None or tried.mean < before.mean:
            self.found[candidate.called] = tried

    def _settings(self, trial: Trial, candidate: Candidate, place: int) -> dict[str, Setting]:
        """The settings as they stand for the first trial, proposed ones for the others."""
        kind = KINDS[candidate.kind]
        asked = {name: span for name, span in kind.space.items() if name not in candidate.settings}
        return {name: _suggest(trial, name, span) for name, span in asked.items()} if place else {}

    def best(self, candidate: Candidate) -> Tried:
        """The candidate's best trial; judged again if it was made by a search that was killed."""
        study = self._study(candidate)
        best = min((t for t in _done(study) if t.state is TrialState.COMPLETE), key=lambda t: (t.value, t.number))
        found = self.found.get(candidate.called)
        if found is not None and found.settings == best.user_attrs["settings"]:
            return found
        path = KINDS[candidate.kind].estimator.path_parameter
        settings = {name: value for name, value in best.user_attrs["settings"].items() if name != path}
        return self.follow(candidate, settings)


@dataclass(frozen=True)
class Span:
    """What a setting of `seek` may be: from low to high in steps, evenly spread; whole where low and high are."""

    low: Setting
    high: Setting
    step: Setting | None = None


def seek(
    space: Mapping[str, Span],
    worth: Callable[[Mapping[str, Setting]], float],
    *,
    trials: int,
    seed: int,
    first: Sequence[Mapping[str, Setting]] = (),
) -> None:
    """Call `worth` with so many settings, those named first and then what TPE proposes to make it large.

    With the same seed, and a worth that is a function of its settings, the calls are the same.
    """
    with _quiet():
        sampler = TPESampler(seed=seed, n_startup_trials=max(8, trials // 4), multivariate=False)
        study = optuna.create_study(sampler=sampler, direction="maximize")
        for settings in first:
            study.enqueue_trial(dict(settings), skip_if_exists=True)
        for _ in range(trials):
            trial = study.ask()
            study.tell(trial, worth({name: _within(trial, name, span) for name, span in space.items()}))


def _within(trial: Trial, name: str, span: Span) -> Setting:
    if isinstance(span.low, int) and isinstance(span.high, int):
        return trial.suggest_int(name, span.low, span.high, step=int(span.step or 1))
    return trial.suggest_float(name, span.low, span.high, step=span.step)


@contextmanager
def kept_trials(journal: Path | None) -> Iterator[BaseStorage]:
    """Where trials are kept, held for one search: the operating system's lock, which ends with whoever holds it.

    What a search that was killed left half written at the journal's end is cut off.

    Raises
    ------
    LockHeld : another process, or another part of this one, holds the journal.
    """
    if journal is None:
        yield InMemoryStorage()
        return
    with journal.open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockHeld(
                "the trials of a tuning search were to be kept", found="another training is at it", where=str(journal),
                do="Wait until it is done; the same tables, plan and date give the same model",
            ) from None  # fmt: skip
        file.seek(0)
        file.truncate(_whole(file.read()))
        yield JournalStorage(JournalFileBackend(str(journal), lock_obj=_Held(str(journal))))


def _whole(journal: bytes) -> int:
    """How many bytes of a journal are lines that were written to their end."""
    whole = 0
    for line in journal.splitlines(keepends=True):
        try:
            read = json.loads(line.decode())
        except ValueError:
            break
        if not (line.endswith(b"\n") and isinstance(read, dict) and "op_code" in read):
            break
        whole += len(line)
    return whole


class _Held(JournalFileOpenLock):  # type: ignore[misc]
    """No lock a write, as the journal is held throughout: a lock file would outlive a search that is killed."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        """Nothing was taken."""


def _done(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    return study.get_trials(deepcopy=False, states=DONE)


def _suggest(trial: Trial, name: str, span: Range) -> Setting:
    if isinstance(span.low, int) and isinstance(span.high, int):
        return trial.suggest_int(name, span.low, span.high, log=True)
    return trial.suggest_float(name, span.low, span.high, log=True)


@contextmanager
def _quiet() -> Iterator[None]:
    """Optuna's own log lines are ours to say."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
