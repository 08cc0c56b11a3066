"""The contest as text."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np

from contest.case import Case
from contest.judging import BASE_RATE, Judged
from tierwise.learning.metrics import Interval, paired_difference

WIDTH = 132
OURS, AUTOML, LIGHTGBM = "tierwise", "automl", "lightgbm"


def heading(case: Case) -> str:
    """What the set is, what is left out and why."""
    train, unseen = (sum(len(getattr(p, which)) for p in case.parts) for which in ("train", "unseen"))
    rate = np.concatenate([p.unseen["outcome"] for p in case.parts]).mean()
    past = np.concatenate([p.train["outcome"] for p in case.parts]).mean()
    fit = sum(f.side == "fit" for f in case.features)
    lines = [
        f"== {case.name}: {case.question}",
        case.split,
        f"{train // len(case.parts):,} rows to learn from ({past:.1%} have the outcome), {unseen:,} unseen "
        f"({rate:.1%}); {fit} features of the fit side, {len(case.features) - fit} of the signal side",
        *(f"left out: {columns}: {why}" for columns, why in case.left_out),
        *case.notes,
    ]
    return "\n".join(textwrap.fill(line, WIDTH, subsequent_indent="   ") for line in lines)


def table(found: Sequence[Judged]) -> str:
    """One line an entrant."""
    head = (
        f"{'entrant':17}{'AUC':>6} {'95 %':^13}{'avg. prec.':>11} {'95 %':^13}{'log-loss':>9} {'95 %':^15}"
        f"{'slope':>6}{'to best':>9} {'(SE)':8}{'seconds':>8}{'MB':>6}  verdict"
    )
    return "\n".join([head, *map(_line, found)])


def _line(judged: Judged) -> str:
    entry = judged.entry
    if judged.measured is None:
        return f"{entry.name:17}{judged.verdict}"
    behind, auc, precision = judged.behind, judged.figure("auc"), judged.figure("average_precision")
    gap = f"{'':18}" if behind is None else f"{behind.mean:+9.4f} ({behind.standard_error:.4f})"
    return (
        f"{entry.name:17}{_figure(auc, 3, 6, 13)}{_figure(precision, 3, 11, 13)}"
        f"{_figure(judged.figure('log_loss'), 4, 9, 15)}{_number(judged.slope, 2, 6)}{gap}"
        f"{_number(entry.seconds, 1, 8)}{_number(entry.megabytes, 0, 6)}  {judged.verdict}"
        + (f" ({entry.said})" if entry.said else "")
    )


def _figure(found: Interval | None, digits: int, width: int, span: int) -> str:
    if found is None:
        return " " * (width + span + 1)
    return f"{found.value:{width}.{digits}f} {f'{found.low:.{digits}f}-{found.high:.{digits}f}':^{span}}"


def _number(value: float, digits: int, width: int) -> str:
    return " " * width if np.isnan(value) else f"{value:{width}.{digits}f}"


def summary(sets: Mapping[str, tuple[Sequence[Judged], np.ndarray]]) -> str:
    """What the sets say together; a set -> its entries, and the families of its unseen rows."""
    named = {name: ({j.entry.name: j for j in found}, families) for name, (found, families) in sets.items()}
    within = [name for name, (by, _) in named.items() if by[OURS].within]
    lines = [
        "== Summary",
        f"{OURS} is best or within one standard error of the best log-loss on {len(within)} of {len(named)} sets"
        f"{_but(set(named) - set(within))}",
        *(_against(other, named) for other in (LIGHTGBM, AUTOML, "logistic")),
        _constant(named),
    ]
    unusable = [name for name, (by, _) in named.items() if by[OURS].entry.said.startswith("no usable model")]
    lines.append(
        f"no usable model, by {OURS}'s own verdict on rows before the unseen: {', '.join(unusable) or 'on no set'}"
    )
    return "\n".join(lines)


def _but(names: set[str]) -> str:
    return f"; behind on {', '.join(sorted(names))}" if names else ""


def _against(other: str, named: Mapping[str, tuple[Mapping[str, Judged], np.ndarray]]) -> str:
    """The mean over sets of tierwise's log-loss less another's, and set by set with standard errors."""
    gaps = {}
    for name, (by, families) in named.items():
        ours, theirs = by[OURS].losses, by[other].losses if other in by else None
        if ours is not None and theirs is not None:
            gaps[name] = paired_difference(ours, theirs, families)
    if not gaps:
        return f"log-loss less {other}'s: it ran on no set"
    mean = float(np.mean([gap.mean for gap in gaps.values()]))
    error = float(np.sqrt(np.sum([gap.standard_error**2 for gap in gaps.values()])) / len(gaps))
    each = ", ".join(f"{name} {gap.mean:+.4f} ({gap.standard_error:.4f})" for name, gap in gaps.items())
    return f"log-loss less {other}'s, mean of {len(gaps)} sets: {mean:+.4f} (SE {error:.4f}): {each}"


def _constant(named: Mapping[str, tuple[Mapping[str, Judged], np.ndarray]]) -> str:
    worse = [name for name, (by, _) in named.items() if by[OURS].log_loss > by[BASE_RATE].log_loss]
    return (
        f"log-loss worse than the constant (the base rate of the rows learned from): {', '.join(worse) or 'on no set'}"
    )
