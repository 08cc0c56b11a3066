"""tierwise beside its rivals, on the same rows of real and synthetic data, without known leaks.

    python benchmarks/candidates.py [--minutes M] [--only SET ...] [--threads N] [--automl-venv FOLDER]
                                    [--evidence FILE]

Each entrant learns from the same training rows in a process of its own, and is judged on the same unseen rows: base
rate, three baselines (newest activity first, largest first, the ICP rubric), logistic regression, LightGBM as it comes,
FLAML and tierwise. FLAML and tierwise are given the same minutes a set to search in; what tierwise does after its
search counts in its seconds. FLAML runs in an environment of its own, made in FOLDER (by default a temporary one) from
benchmarks/contest/automl-requirements.txt. Intervals resample families of rows; `to best` is the paired difference of
log-loss to the lowest, with its standard error by family. Data are read from ../shared/data; a set whose data are not
there is skipped by name. No set's unseen rows choose anything.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from contest import automl, forward, undated
from contest.case import BASELINES, Absent, Case, write
from contest.judging import BASE_RATE, Entry, Judged, judge
from contest.printing import AUTOML, LIGHTGBM, OURS, heading, summary, table

HERE = Path(__file__).resolve().parent
DATA = HERE.parents[1] / "shared" / "data"
SEED = 7
SETS: Mapping[str, Callable[[Path], Case]] = {
    "online_retail": forward.online_retail,
    "bpic2012": forward.bpic2012,
    "maven_crm": forward.maven_crm,
    "synthetic": forward.synthetic,
    "ibm_win_loss": undated.ibm_win_loss,
    "x_education": undated.x_education,
    "salvirt": undated.salvirt,
}


def main(given: argparse.Namespace) -> None:
    """Run and print."""
    print(f"{given.minutes:g} minutes a set for {AUTOML} (FLAML) and for {OURS}'s search, {given.threads} threads each")
    with tempfile.TemporaryDirectory(prefix="contest-") as folder:
        python = _automl(Path(given.automl_venv or Path(folder) / "automl"))
        judged, evidence = {}, {}
        for name in given.only or SETS:
            try:
                case = SETS[name](DATA)
            except Absent as absent:
                print(f"\n== {name}: skipped: {absent} (../shared/data)", flush=True)
                continue
            print(f"\n{heading(case)}", flush=True)
            found, families = _contest(case, Path(folder) / name, python, given)
            print(table(found), flush=True)
            judged[name] = (found, families)
            evidence[name] = {j.entry.name: dict(j.entry.evidence) for j in found if j.entry.evidence}
    if judged:
        print(f"\n{summary(judged)}")
    if given.evidence:
        given.evidence.write_text(json.dumps(evidence, indent=1))


def _automl(folder: Path) -> Path | str:
    """The interpreter of the AutoML's environment, or why there is none."""
    try:
        return automl.environment(folder)
    except automl.NotThere as error:
        print(f"{AUTOML}: {error}")
        return str(error)


def _contest(
    case: Case, folder: Path, python: Path | str, given: argparse.Namespace
) -> tuple[list[Judged], np.ndarray]:
    """Every entry of a case, judged on its unseen rows, all parts together; and the rows' families."""
    folders = [folder / str(number) for number in range(len(case.parts))]
    for part, place in zip(case.parts, folders, strict=True):
        write(case, part, place, SEED)
    minutes = given.minutes / len(folders)
    entries = [_base_rate(case), *(_baseline(case, name) for name in BASELINES)]
    entries += [_entry(name, folders, minutes, given.threads) for name in ("logistic", LIGHTGBM)]
    entries += [_rival(python, folders, minutes, given.threads), _entry(OURS, folders, minutes, given.threads)]
    y = np.concatenate([part.unseen["outcome"].to_numpy(dtype=np.float64) for part in case.parts])
    families = np.concatenate([part.unseen["family_id"].to_numpy() for part in case.parts])
    return judge(entries, y, families, SEED), families


def _base_rate(case: Case) -> Entry:
    rates = [np.full(len(part.unseen), part.train["outcome"].mean()) for part in case.parts]
    return Entry(BASE_RATE, np.concatenate(rates))


def _baseline(case: Case, name: str) -> Entry:
    """A one-line ranking, or why it cannot be formed."""
    shown = name.replace("_", " ")
    if name in case.unformed:
        return Entry(shown, None, why=case.unformed[name])
    score = np.concatenate([part.rankings[name] for part in case.parts])
    if len(np.unique(score)) == 1:
        return Entry(shown, None, why="it is the same for every unseen row")
    return Entry(shown, score, probability=False)


def _entry(name: str, folders: list[Path], minutes: float, threads: int) -> Entry:
    """One of our own entrants, fitted to each part in a process of its own."""
    for folder in folders:
        command = [str(HERE / "contest" / "entrant.py"), name, str(folder), str(minutes), str(threads)]
        subprocess.run([sys.executable, *command], check=True)
    return _read(name, folders)


def _rival(python: Path | str, folders: list[Path], minutes: float, threads: int) -> Entry:
    """The AutoML, or why it did not run."""
    if isinstance(python, str):
        return Entry(AUTOML, None, why=python)
    try:
        for folder in folders:
            automl.run(python, folder, minutes, threads)
    except automl.NotThere as error:
        return Entry(AUTOML, None, why=str(error))
    return _read(AUTOML, folders)


def _read(name: str, folders: list[Path]) -> Entry:
    """What an entrant wrote of each part: seconds added up, the most memory."""
    said = [json.loads((folder / f"{name}.json").read_text()) for folder in folders]
    return Entry(
        name,
        np.concatenate([part["probabilities"] for part in said]),
        seconds=sum(part["seconds"] for part in said),
        megabytes=max(part["megabytes"] for part in said),
        said="; ".join(dict.fromkeys(part["said"] for part in said)),
        evidence={str(number): part["evidence"] for number, part in enumerate(said) if "evidence" in part},
    )


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=0.5, help="to search in, for each set")
    parser.add_argument("--only", nargs="+", choices=SETS, metavar="SET", help=f"of {', '.join(SETS)}")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--automl-venv", type=Path, help="where the AutoML's environment is kept; made if not there")
    parser.add_argument("--evidence", type=Path, help="a JSON file for what tierwise's training says of itself")
    return parser.parse_args()


if __name__ == "__main__":
    main(arguments())
