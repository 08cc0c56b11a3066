"""The model's quality on months it had not seen: metrics beside baselines, calibration, capture."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import tierwise.governance.names as names
import tierwise.report.charts as charts
import tierwise.report.words as words
from tierwise.governance import better_unseen, calibration_words, choice_words
from tierwise.report.page import drawn
from tierwise.report.reading import METRICS, Calibration, Figure, Quality, read_quality
from tierwise.report.words import Words, clean

METRIC_WORDS = {"auc": "AUC", "average_precision": "Average precision", "log_loss": "Log-loss", "brier": "Brier score"}

UNSEEN = "on the unseen months"
HELD_BACK = "on the months held back in training"


def quality_part(
    evaluation: Mapping[str, object] | None,
    unavailable: Mapping[str, str],
    w: Words,
    *,
    look_back: bool = False,
    in_use: bool = True,
) -> dict[str, object]:
    """The evaluation as the page shows it, or why there is none; a look back claims no unseen months for itself.

    in_use: whether the page is of what the chosen model does, where it is usable.
    """
    if evaluation is None:
        return {"missing": clean(unavailable.get("evaluation") or "the run did not provide it", 400)}
    found = read_quality(evaluation)
    known = [*found.candidates, *found.baselines]
    where = HELD_BACK if look_back else UNSEEN
    calibrated = calibration_words(_mapping(evaluation.get("calibration")), where)
    because, better = choice_words(evaluation), better_unseen(evaluation)
    if look_back:
        better = better.replace("On the unseen months", "On the months held back")
    return {
        "missing": "",
        "usable": found.usable,
        "why": in_words(w.sentence(found.why, 400), known),
        "chosen": named(found.chosen),
        "in_use": in_use and found.usable,
        "because": in_words(w.sentence(because, 400), known),
        "better": in_words(w.sentence(better, 400), known),
        "ranks": ranks_words(found),
        "unformed": [
            f"{named(str(name))}: {w.sentence(why, 200)}"
            for name, why in sorted((_mapping(evaluation.get("unformed")) or {}).items())
        ],
        "rows": found.rows,
        "outcomes": found.outcomes,
        "accounts": found.accounts,
        "base_rate": found.base_rate,
        "first": found.first,
        "last": found.last,
        "metrics": [METRIC_WORDS[m] for m in METRICS],
        "table": metric_rows(found, in_use=in_use and found.usable),
        "calibration": calibration_part(found.calibration, unavailable, w, calibrated),
        "capture": capture_part(found, unavailable, w),
    }


def _mapping(value: object) -> Mapping[str, object] | None:
    return value if isinstance(value, Mapping) else None


def ranks_words(found: Quality) -> str:
    """Which one-line rankings the model beat, in plain words; "" where nothing was compared or it is not usable."""
    beaten = [names.in_text(clean(name, 60)) for name in sorted(found.beaten, key=_last) if found.beaten[name]]
    if not beaten or not found.usable:
        return ""
    than = ", ".join(f"than {name}" for name in beaten[:-1])
    than = f"{than} and than {beaten[-1]}" if than else f"than {beaten[-1]}"
    return f"It ranks better {than}, by average precision and by AUC."


def _last(name: str) -> tuple[bool, str]:
    """By name, and the base rate last."""
    return name == "base_rate", name


def named(candidate: str) -> str:
    """A candidate's or a baseline's name as words, made fit to show."""
    return names.named(clean(candidate, 60))


def in_words(sentence: str, known: Iterable[str]) -> str:
    """A sentence in which candidates and baselines stand by their words."""
    return names.in_words(sentence, (name for name in known if clean(name, 60) == name))


def metric_rows(found: Quality, *, in_use: bool = True) -> list[dict[str, object]]:
    """The chosen candidate, the other candidates, the baselines, and last what always saying the base rate scores."""
    order = sorted(found.candidates, key=lambda name: (name != found.chosen, name))
    rows = [_row(named(n), found.candidates[n], "live" if n == found.chosen else "candidate") for n in order]
    if not in_use:
        rows = [row | {"said": "chosen"} if row["kind"] == "live" else row for row in rows]
    for name, figures in sorted(found.baselines.items(), key=lambda item: _last(item[0])):
        beaten = "" if name not in found.beaten else f"baseline, {'' if found.beaten[name] else 'not '}beaten"
        rows.append(_row(named(name), figures, "baseline", beaten))
    p = found.base_rate
    if p is not None and 0 < p < 1 and "base_rate" not in found.baselines:
        log_loss = -p * math.log(p) - (1 - p) * math.log(1 - p)
        constant = {"auc": 0.5, "average_precision": p, "log_loss": log_loss, "brier": p * (1 - p)}
        rows.append(_row(named("base_rate"), {m: Figure(v) for m, v in constant.items()}, "baseline"))
    return rows


KINDS = {"live": "the model in use", "candidate": "candidate", "baseline": "baseline"}


def _row(name: str, figures: Mapping[str, Figure], kind: str, said: str = "") -> dict[str, object]:
    cells = [figures.get(m, Figure(None)) for m in METRICS]
    return {"words": name, "kind": kind, "said": said or KINDS[kind], "cells": cells}


def calibration_part(
    found: Calibration | None, unavailable: Mapping[str, str], w: Words, said: str = ""
) -> dict[str, object]:
    """Predicted against observed: the picture, the test in words (`said`) and the table behind it."""
    if found is None:
        return {"missing": clean(unavailable.get("calibration") or "the evaluation holds no calibration table", 400)}
    svg = charts.calibration(
        found.points,
        title="Predicted against observed",
        x_words=f"Predicted {w('propensity')}",
        y_words="Observed share",
    )
    return {
        "missing": "",
        "said": w.sentence(said, 400),
        "svg": drawn(svg),
        "n": found.n,
        "slope": found.slope,
        "intercept": found.intercept,
        "p_value": found.p_value,
        "points": found.points,
    }


def capture_part(found: Quality, unavailable: Mapping[str, str], w: Words) -> dict[str, object]:
    """Outcomes captured by the share of accounts worked, beside the one-line baselines."""
    if "model" not in found.lift:
        return {"missing": clean(unavailable.get("lift") or "the evaluation holds no lift table", 400)}
    series = {("This model" if name == "model" else named(name)): rows for name, rows in found.lift.items()}
    svg = charts.capture_curve(
        series,
        title="Outcomes captured by accounts worked",
        x_words=f"{w.title('accounts')} worked, best first",
        y_words="Outcomes captured",
        random_words="In any order",
    )
    share, held = min(found.lift["model"], key=lambda pair: (abs(pair[0] - 0.2), pair[0]))
    said = f"The best {words.percent(share, 0)} of {w('accounts')} held {words.percent(held, 0)} of the outcomes"
    if share in found.captured:
        low, high = found.captured[share]
        said += f" ({words.percent(low, 0)} to {words.percent(high, 0)})"
    said += "."
    return {"missing": "", "svg": drawn(svg), "said": said, "n": found.rows, "outcomes": found.outcomes}
