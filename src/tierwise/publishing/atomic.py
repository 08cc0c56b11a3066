"""Publishing a run whole, and finishing or discarding what a kill left behind.

The order is: stage and sync the files, commit the transaction, rename the folder into place, point CURRENT.
The transaction stands between staging and renaming because it alone decides whether a run happened:

| killed                    | staging        | ledger | folder | what `recover` does               |
|---------------------------|----------------|--------|--------|-----------------------------------|
| while staging             | part           | no     | no     | discards the staging folder       |
| before the transaction    | whole, synced  | no     | no     | discards the staging folder       |
| after the transaction     | whole, synced  | yes    | no     | renames it, points CURRENT        |
| after the rename          | no             | yes    | whole  | points CURRENT                    |
| after CURRENT             | no             | yes    | whole  | nothing                           |

A run in the ledger always has all its files on the disk, since they were synced before the transaction; a folder
without a dot always belongs to a run in the ledger; and CURRENT only ever names such a folder. Were the rename first,
a reader could open a run that is then discarded. A transaction that reports a failure may still have been committed
(the connection fell while it answered), so its staging folder is left for `recover`, which asks the ledger.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tierwise.disk import disk, make_folder, point, remove_folder, sync_folder, write_synced
from tierwise.errors import EnvironmentFault, UsageError
from tierwise.publishing.identity import RUN_ID, check_run_id
from tierwise.publishing.reading import CURRENT, META, STAGING, current_id, verify_run
from tierwise.store import Store

DISCARD = ".discard-"
POINTER = ".CURRENT-next"
POINTS = ("staging", "staged", "committed", "renamed", "pointed")
"""The named points of a publish, in order; a test may be called at each."""


@dataclass(frozen=True)
class Recovered:
    """What `recover` found: run ids finished, run ids discarded, and the newest run if its folder is gone."""

    finished: tuple[str, ...] = ()
    discarded: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def _pass(_point: str) -> None:
    """Nothing happens at a named point, unless a test says so."""


def publish(
    root: Path,
    plan: str,
    run_id: str,
    files: Mapping[str, bytes],
    commit: Callable[[], bool | None],
    current: bool = True,
    at: Callable[[str], None] = _pass,
) -> bool:
    """Publish a run under `root/plan/run_id`, whole or not at all; hold `plan_lock`, and call `recover` first.

    Parameters
    ----------
    files : the files by name, as `run_files` makes them (`run.json` among them).
    commit : the store's transaction (`Store.commit_run`); its answer False says that the ledger has this run
        already: then the folder is put in place if it is not, and CURRENT is left as it is.
    current : whether CURRENT moves to this run; False for a backfill.
    at : called at each of `POINTS`, for tests that kill there.

    Returns
    -------
    Whether this call published it.

    Raises
    ------
    EnvironmentFault : the disk refused; before the transaction nothing has happened, after it `recover` finishes.
    UsageError : a folder of this run_id is there with other bytes.
    """
    folder = Path(root) / plan / check_run_id(run_id)
    staging = folder.with_name(STAGING + run_id)
    with disk(f"run {run_id} of plan {plan} was published"):
        there = folder.is_dir()
        if there:
            _check_same(folder, files)
        else:
            _stage(staging, files, at)
        at("staged")
        new = commit() is not False
        at("committed")
        if not there:
            _place(staging, folder)
        at("renamed")
        if current and new:
            point(folder.with_name(CURRENT), run_id, folder.with_name(POINTER))
        at("pointed")
    return new


def recover(root: Path, plan: str, store: Store, at: Callable[[str], None] = _pass) -> Recovered:
    """Finish what is in the ledger and discard what is not; afterwards CURRENT names the newest run. Hold `plan_lock`.

    Raises
    ------
    EnvironmentFault : CURRENT names a run that the store does not know (a store restored or replaced): nothing is
        touched; or a staged run of the ledger is damaged; or the disk refused.
    """
    home = Path(root) / plan
    if not home.is_dir():
        newest = store.newest_run(plan)
        return Recovered(missing=(newest.run_id,) if newest else ())
    current = current_id(root, plan)
    if current is not None and not _known(store, plan, current):
        raise EnvironmentFault(
            f"plan {plan} was asked to go on from its last run",
            found=f"CURRENT names run {current}, and the store does not know it",
            do=f"Restore the store that belongs to {home}, or move that folder away to start anew",
        )
    with disk(f"plan {plan} was recovered"):
        finished, discarded = _settle(home, plan, store, at)
        newest = store.newest_run(plan)
        if newest is None or newest.run_id == current:
            return Recovered(tuple(finished), tuple(discarded), _absent(home, current))
        if (home / newest.run_id).is_dir():
            verify_run(home / newest.run_id)
            point(home / CURRENT, newest.run_id, home / POINTER)
            finished = sorted({*finished, newest.run_id})
        at("pointed")
    return Recovered(tuple(finished), tuple(discarded), _absent(home, newest.run_id))


def _stage(staging: Path, files: Mapping[str, bytes], at: Callable[[str], None]) -> None:
    if META not in files or any("/" in name or name.startswith(".") for name in files):
        raise UsageError(
            "files were given to be published",
            found=f"they are {', '.join(sorted(files))}",
            do=f"Give plain names, and {META} among them",
        )
    make_folder(staging.parent)
    if staging.exists():
        remove_folder(staging)
    try:
        staging.mkdir()
        for name, content in files.items():
            at("staging")
            write_synced(staging / name, content)
        sync_folder(staging)
        sync_folder(staging.parent)
    except OSError:
        with suppress(OSError):
            shutil.rmtree(staging)
        raise


def _place(staging: Path, folder: Path) -> None:
    os.rename(staging, folder)
    sync_folder(folder.parent)


def _check_same(folder: Path, files: Mapping[str, bytes]) -> None:
    names = {path.name for path in folder.iterdir()}
    if names != set(files) or any((folder / name).read_bytes() != content for name, content in files.items()):
        raise UsageError(
            f"run {folder.name} was published",
            found="a folder of this run_id is there, with other bytes",
            do="Remove nothing by hand: call recover first, which asks the ledger",
        )


def _known(store: Store, plan: str, run_id: str) -> bool:
    record = store.find_run(run_id)
    return record is not None and record.plan == plan


def _settle(home: Path, plan: str, store: Store, at: Callable[[str], None]) -> tuple[list[str], list[str]]:
    finished, discarded = [], []
    for path in sorted(home.iterdir()):
        run_id = path.name.removeprefix(STAGING).removeprefix(DISCARD)
        if path.name == POINTER:
            path.unlink()
        if not path.is_dir() or not RUN_ID.fullmatch(run_id):
            continue
        known = _known(store, plan, run_id)
        if path.name.startswith(STAGING) and known and not (home / run_id).exists():
            verify_run(path)
            _place(path, home / run_id)
            finished.append(run_id)
        elif path.name != run_id:
            remove_folder(path)
            discarded.append(run_id)
        elif not known:
            aside = home / (DISCARD + run_id)
            _place(path, aside)
            at("renamed")
            remove_folder(aside)
            discarded.append(run_id)
    return finished, sorted(set(discarded))


def _absent(home: Path, run_id: str | None) -> tuple[str, ...]:
    return () if run_id is None or (home / run_id).is_dir() else (run_id,)
