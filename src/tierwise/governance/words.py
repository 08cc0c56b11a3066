"""What the figures of a training say, in words: the test of calibration, and how the model was chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tierwise.governance.rules import DEFAULT_RULES, ReviewRules

UNSEEN = "on the unseen months"
FIGURE_WORDS = {"log_loss": ("log-loss", 4, -1), "auc": ("AUC", 3, 1), "average_precision": ("average precision", 3, 1)}
"""Of a figure its words, its digits, and whether more or less of it is better."""
NEAR = 1.05
"""A mean this near to what was observed is not what a rejected calibration is about."""


def p_words(p_value: float | None) -> str:
    """A p-value in words, never as 0; "p is not known" where there is none.

    >>> p_words(0.26), p_words(0.00004)
    ('p = 0.26', 'p < 0.001')
    """
    if p_value is None or p_value != p_value:
        return "p is not known"
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.2g}"


def calibration_words(
    calibration: Mapping[str, Any] | None, where: str = UNSEEN, rules: ReviewRules = DEFAULT_RULES
) -> str:
    """Whether the propensities came true, in one sentence without its stop; "" where the test could not be made.

    calibration: p_value, slope, n and deciles (predicted, observed, n), as an evaluation and a review hold them.
    """
    found = calibration or {}
    deciles = [d for d in found.get("deciles") or () if d.get("n")]
    p_value = found.get("p_value")
    if not deciles or p_value is None or p_value != p_value:
        return ""
    predicted, observed = _mean(deciles, "predicted"), _mean(deciles, "observed")
    n = int(found.get("n") or sum(d["n"] for d in deciles))
    told = f"{where}: predicted {predicted:.1%}, observed {observed:.1%} (n = {n:,}, {p_words(p_value)})"
    if p_value >= rules.calibration_alpha:
        return f"Calibration holds {told}"
    return f"Calibration is rejected {told}; {_off(predicted, observed, found.get('slope'), rules)}"


def _mean(deciles: Sequence[Mapping[str, Any]], key: str) -> float:
    return float(sum(d[key] * d["n"] for d in deciles) / sum(d["n"] for d in deciles))


def _off(predicted: float, observed: float, slope: Any, rules: ReviewRules) -> str:
    """How a rejected calibration was off: in its spread, where the slope is far from 1, and in the mean."""
    if observed <= 0:
        return "none of what was predicted came"
    level, known = _level(predicted / observed), slope is not None and slope == slope
    if not known:
        return level or "their mean is right, their spread is not"
    wide = "too far apart" if slope < 1 else "too close together"
    spread = f"low and high propensities lie {wide} (slope {slope:.2f})"
    if not level:
        return f"their mean is right, but {spread}"
    return f"{spread}, and {level}" if abs(slope - 1) > rules.gate_slope_off else level


def _level(ratio: float) -> str:
    """How far the mean was off, from predicted / observed; "" where it is near."""
    if ratio >= NEAR:
        return f"propensities ran about {_times(ratio)} times too high"
    if ratio <= 1 / NEAR:
        return f"propensities ran about {_times(1 / ratio)} times too low"
    return ""


def _times(ratio: float) -> str:
    return f"{ratio:.1f}" if ratio >= 1.1 else f"{ratio:.2f}"


def choice_words(evaluation: Mapping[str, Any], months: str = "these months") -> str:
    """How the model was chosen: by its out-of-time log-loss on folds older than the unseen months; no stop."""
    chosen, candidates = str(evaluation.get("chosen") or ""), evaluation.get("candidates") or {}
    losses = {str(k): v["log_loss"] for k, v in candidates.items() if v.get("log_loss") is not None}
    if chosen not in losses:
        return str(evaluation.get("chosen_because") or "")
    others = sorted((n for n in losses if n != chosen), key=lambda n: (losses[n], n))
    told = f"on the folds older than {months} its out-of-time log-loss is {losses[chosen]:.4f}"
    if not others:
        return told
    told += f" against {' and '.join(f'{_own(n)} {losses[n]:.4f}' for n in others)}"
    if losses[others[0]] < losses[chosen]:
        told += "; the simpler of two that lie within one standard error"
    return told


def _own(name: str) -> str:
    return f"{name}'s"


def better_unseen(evaluation: Mapping[str, Any]) -> str:
    """By which figures the next candidate did better on the unseen months, without a stop; "" where by none.

    The next candidate is the one of the others with the lowest log-loss there.
    """
    metrics, chosen = evaluation.get("metrics") or {}, str(evaluation.get("chosen") or "")
    found = {
        name: {key: (metrics[name].get(key) or {}).get("value") for key in FIGURE_WORDS}
        for name in evaluation.get("candidates") or {}
        if name in metrics
    }
    others = [name for name in found if name != chosen and found[name]["log_loss"] is not None]
    if chosen not in found or not others:
        return ""
    other = min(others, key=lambda name: (found[name]["log_loss"], name))
    ahead = [
        f"{words} ({there:.{digits}f} against {here:.{digits}f})"
        for key, (words, digits, sign) in FIGURE_WORDS.items()
        if (there := found[other][key]) is not None
        and (here := found[chosen][key]) is not None
        and sign * (round(there, digits) - round(here, digits)) > 0
    ]
    if not ahead:
        return ""
    by = " and ".join([", ".join(ahead[:-1]), ahead[-1]] if len(ahead) > 1 else ahead)
    return f"On the unseen months {other} did better by {by}, but they choose nothing"


def fit_side_words(found: Mapping[str, Any] | None) -> str:
    """Where the fit side comes from and how long it is frozen, without a stop; "" where the plan does not freeze it.

    found: `model_version` (None where it was learned in this training), `trained_as_of`, `frozen_until`, `thawed`, and
    of one that is kept what `kept_words` reads.

    >>> said = {"trained_as_of": "2026-01-31", "frozen_until": "2027-06-30", "thawed": False}
    >>> fit_side_words(said | {"model_version": None})
    'fit side of 2026-01-31, frozen until 2027-06-30'
    """
    if not found:
        return ""
    of, since, until = found.get("model_version"), found["trained_as_of"], found["frozen_until"]
    if found.get("thawed"):
        return f"fit side of {since}, learned anew, as the date that it was to be frozen until, {until}, has come"
    if not of:
        return f"fit side of {since}, frozen until {until}"
    told = kept_words(found)
    return f"fit side of {since} (model {str(of)[:12]}), frozen until {until}. {told[0].upper()}{told[1:]}"


def kept_words(found: Mapping[str, Any]) -> str:
    """Whether a kept fit side was judged, and on what, without a stop.

    found: `trained_as_of`, and `learning.kept.reported`: `judged`, and `why` not, or the rows and both log-losses.
    """
    since = found["trained_as_of"]
    if not found.get("judged"):
        why = found.get("why")
        return (
            f"all figures, and what is compared, are of the model as it is learned with a fit side of its own: the "
            f"probabilities of that of {since}, which it keeps, were not tested{f', as {why}' if why else ''}"
        )
    error = found["standard_error"]
    sure = "" if error is None else f"standard error {error:.4f}, "
    where = "the unseen months" if found.get("whole") else f"the unseen months from {found['from']} on, new to it"
    return (
        f"figures and comparison are of a model with the fit side of {since} that it keeps, on {where}: log-loss "
        f"{found['log_loss']:.4f} against {found['log_loss_anew']:.4f} with a fit side learned anew, a difference of "
        f"{found['difference']:+.4f} ({sure}n = {found['rows']:,}). The folds "
        "that choose and calibrate learn theirs anew"
    )


def capacity_words(evaluation: Mapping[str, Any]) -> list[str]:
    """What the best accounts held, as many as the team can work; a sentence for each stated capacity, without stops."""
    found = evaluation.get("capacity") or {}
    lines = found.get("lines") or []
    return [_at_capacity(line, [other["name"] for other in lines[: n + 1]], found) for n, line in enumerate(lines)]


def _at_capacity(line: Mapping[str, Any], tiers: Sequence[str], found: Mapping[str, Any]) -> str:
    head = f"At the capacity of {' and '.join(tiers)}, {line['room']:,} accounts on each as-of date (n = {line['n']:,})"
    told = f"{head}: {_held(line['model'])}; {line['best']} has {_held(line['baselines'][line['best']])}"
    if not line["full"]:
        return told
    dates = "every date" if line["full"] == found["as_ofs"] else f"{line['full']:,} of {found['as_ofs']:,} dates"
    return f"{told}; on {dates} that is room for every account, and no order is better than another"


def _held(figures: Mapping[str, Mapping[str, Any]]) -> str:
    """Lift and capture with their intervals."""
    lift, capture = figures["lift"], figures["capture"]
    ends = ("value", "low", "high")
    if None in [figure[end] for figure in (lift, capture) for end in ends]:
        return "a lift that is not known"
    of, low, high = (f"{lift[end]:.2f}" for end in ends)
    share, least, most = (f"{capture[end]:.1%}" for end in ends)
    return f"lift {of} ({low} to {high}), capture {share} ({least} to {most})"
