"""Of the training page: what the chosen model was compared with, and whether its probability means what it says."""

from __future__ import annotations

from collections.abc import Mapping

from tierwise.governance import DEFAULT_RULES, fit_side_words
from tierwise.report.quality import in_words, named
from tierwise.report.reading import Figure, figure, mapping, real, records, whole
from tierwise.report.values import TrainingPage
from tierwise.report.words import Words, clean

Part = dict[str, object]
Z = 1.959964
"""Half a 95 % interval, in standard errors."""
SHOWN = 8
"""More trials than this are folded, but for the best ones."""
CALIBRATORS = {
    "none": "None: log-odds as they come",
    "affine": "Affine in log-odds",
    "beta": "Beta",
    "isotonic": "Isotonic",
    "venn_abers": "Venn-Abers",
}


def evaluation_of(values: TrainingPage) -> Mapping[str, object] | None:
    """The evaluation of a training, where a model was trained."""
    found = values.answer.get("evaluation")
    return found if isinstance(found, Mapping) else None


def candidates_part(values: TrainingPage, w: Words) -> Part | None:
    """How each candidate did out of time, which was chosen and why, what additivity costs, and the folds."""
    evaluation = evaluation_of(values)
    if evaluation is None:
        return None
    candidates = {str(k): mapping(v) for k, v in mapping(evaluation.get("candidates")).items()}
    chosen = str(evaluation.get("chosen") or "")
    rows: list[Part] = [
        {
            "words": named(name),
            "chosen": name == chosen,
            "log_loss": real(found.get("log_loss")),
            "more": _paired(found.get("less_best")),
            "slope": real(found.get("slope")),
            "intercept": real(found.get("intercept")),
            "usable": bool(found.get("usable", True)),
            "n": whole(found.get("n")),
        }
        for name, found in candidates.items()
    ]
    folds = [
        {
            "cut": str(f.get("cut"))[:10],
            "until": str(f.get("until"))[:10],
            "trained": (whole(f.get("trained_rows")), whole(f.get("trained_outcomes"))),
            "left_out": whole(f.get("left_out_rows")),
            "tested": (whole(f.get("tested_rows")), whole(f.get("tested_outcomes"))),
            "losses": [real(mapping(f.get("log_loss")).get(name)) for name in candidates],
        }
        for f in records(evaluation.get("folds"))
    ]
    because = in_words(w.sentence(evaluation.get("chosen_because"), 400), candidates)
    names = [named(name) for name in candidates]
    families = next((r["more"]["accounts"] for r in rows if r["more"] is not None), None)  # type: ignore[index]
    return {
        "rows": rows, "because": because, "names": names, "folds": folds, "families": families,
        "free": _free(evaluation, rows), "chosen": in_words(chosen, candidates), "apart": _apart(evaluation),
        "fit_side": w.sentence(_fit_side(values), 900),
        "season": w.sentence(mapping(evaluation.get("season")).get("words"), 400),
        "level": w.sentence(mapping(evaluation.get("level")).get("words"), 400),
    }  # fmt: skip


def _fit_side(values: TrainingPage) -> str:
    """Where the fit side of a usable model comes from, where the plan freezes it."""
    usable = values.answer.get("verdict") == "usable"
    return fit_side_words(mapping(values.answer.get("fit_side"))) if usable else ""


def _apart(evaluation: Mapping[str, object]) -> Part | None:
    """Into how many parts account families were dealt, so that none stands on both sides; None if it was not asked."""
    found = mapping(evaluation.get("families"))
    if not found:
        return None
    return {
        "parts": whole(found.get("parts")),
        "families": whole(found.get("families")),
        "dropped": whole(found.get("dropped_folds")),
    }


def _paired(found: object) -> Part | None:
    """A paired difference of losses: its mean, its standard error, whether it is within one, and by how many."""
    said = mapping(found)
    mean, error = real(said.get("mean")), real(said.get("standard_error"))
    if mean is None:
        return None
    within = error is not None and mean <= error
    return {"mean": mean, "error": error, "within": within, "accounts": whole(said.get("accounts"))}


def _free(evaluation: Mapping[str, object], rows: list[Part]) -> Part | None:
    """What it costs that no term reads both sides: the chosen losses less those of one free booster."""
    found = mapping(evaluation.get("yardstick"))
    less = _paired(found.get("chosen_less_free"))
    if less is None or less["error"] is None:
        return None
    mean, error = float(str(less["mean"])), float(str(less["error"]))
    low, high = mean - Z * error, mean + Z * error
    said = "costs" if low > 0 else "gains" if high < 0 else "neither"
    own = next((r["log_loss"] for r in rows if r["chosen"]), None)
    n = next((r["n"] for r in rows if r["chosen"]), None)
    return less | {"low": low, "high": high, "said": said, "log_loss": real(found.get("log_loss")), "own": own, "n": n}


def gate_part(values: TrainingPage, w: Words) -> Part | None:
    """Whether the gate lets the model pass and why, beside the live model where there is one."""
    said, beside = mapping(values.answer.get("gate")), mapping(values.answer.get("beside_live"))
    if not said:
        return None
    found = mapping(beside.get("paired"))
    mean, error = real(found.get("difference")), real(found.get("standard_error"))
    reasons = said.get("reasons")
    return {
        "passed": bool(said.get("passed")),
        "reasons": [w.sentence(r, 600) for r in reasons] if isinstance(reasons, list | tuple) else [],
        "live": clean(str(beside.get("live") or "")[:12], 12),
        "losses": [real(found.get(key)) for key in ("challenger", "champion")],
        "less": None if mean is None or error is None else Figure(mean, mean - Z * error, mean + Z * error),
        "error": error,
        "n": whole(found.get("n")),
        "accounts": whole(found.get("accounts")),
        "why": w.sentence(beside.get("why"), 300),
    }


def capacity_part(values: TrainingPage, w: Words) -> Part | None:
    """What the best accounts of each date held, as many as the team can work, beside the best one-line baseline."""
    found = (evaluation_of(values) or {}).get("capacity")
    if not isinstance(found, Mapping):
        return None
    lines = records(found.get("lines"))
    tiers = [w.short(line.get("name")) for line in lines]
    rows, outcomes = whole(found.get("rows")) or 0, whole(found.get("outcomes")) or 0
    return {
        "lines": [_worked(line) | {"tiers": " and ".join(tiers[: n + 1])} for n, line in enumerate(lines)],
        "plan": clean(values.answer.get("plan"), 60),
        "rows": rows,
        "outcomes": outcomes,
        "base_rate": outcomes / rows if rows else None,
        "dates": whole(found.get("as_ofs")),
        "fewest": whole(found.get("fewest")),
        "most": whole(found.get("most")),
    }


def _worked(line: Mapping[str, object]) -> Part:
    """One capacity: the model's figures, the best baseline's, and the model's less those."""
    best = str(line.get("best") or "")
    rankings = (line.get("model"), mapping(line.get("baselines")).get(best), line.get("less"))
    model, baseline, less = (
        {key: figure(mapping(found).get(key)) for key in ("precision", "lift", "capture")} for found in rankings
    )
    return {
        "room": whole(line.get("room")),
        "n": whole(line.get("n")),
        "full": whole(line.get("full")),
        "model": model,
        "best": named(best),
        "baseline": baseline,
        "less": less,
    }


def random_part(values: TrainingPage, w: Words) -> Part | None:
    """The same model judged on rows drawn at random and forward in time: how much the former flatters."""
    found = mapping((evaluation_of(values) or {}).get("random_cv"))
    if not found:
        return None
    drawn, later, less = (mapping(found.get(key)) for key in ("random", "forward", "flatters"))
    rows = [
        {
            "words": words,
            "auc": real(said.get("auc")),
            "log_loss": real(said.get("log_loss")),
            "n": whole(said.get("n")),
        }
        for words, said in (("Rows drawn at random", drawn), ("Forward in time", later))
    ]
    auc, loss = figure(less.get("auc")), figure(less.get("log_loss"))
    return {
        "rows": rows,
        "folds": whole(found.get("folds")),
        "auc": auc,
        "log_loss": loss,
        "said": _flatters(auc, loss),
    }


def _flatters(auc: Figure, loss: Figure) -> str:
    """`flatters`, `hides` or `neither`, where both ends of an interval say so; empty where there is none."""
    if auc.low is None or auc.high is None or loss.low is None or loss.high is None:
        return ""
    if auc.low > 0 or loss.high < 0:
        return "flatters"
    return "hides" if auc.high < 0 or loss.low > 0 else "neither"


def probability_part(values: TrainingPage, w: Words) -> Part | None:
    """The test of slope and intercept, the ECE beside its null, the constants; and the calibrators side by side."""
    evaluation = evaluation_of(values) or {}
    found, compared = mapping(evaluation.get("calibration")), mapping(evaluation.get("calibrators"))
    if not found and not compared:
        return None
    ece, constant = mapping(found.get("ece")), mapping(found.get("constant"))
    p_value = real(found.get("p_value"))
    used = str(values.answer.get("calibrator") or "affine")
    rows = [
        {"words": CALIBRATORS.get(name, clean(name, 40)), "used": name == used}
        | {key: figure(mapping(said).get(key)) for key in ("log_loss", "less_affine", "brier")}
        | _ece(mapping(mapping(said).get("ece")))
        for name, said in mapping(compared.get("scores")).items()
    ]
    rows.sort(key=lambda row: list(CALIBRATORS.values()).index(str(row["words"])))
    return {
        "off": p_value is not None and p_value < DEFAULT_RULES.gate_calibration_alpha,
        "slope": real(found.get("slope")),
        "intercept": real(found.get("intercept")),
        "p_value": p_value,
        "alpha": DEFAULT_RULES.gate_calibration_alpha,
        "statistic": real(found.get("statistic")),
        "n": whole(found.get("n")),
        "ece": _ece(ece) if ece else None,
        "constant": w.sentence(constant.get("words"), 400),
        "constant_n": whole(constant.get("n")),
        "rows": rows,
        "compared_n": whole(compared.get("n")),
        "compared_outcomes": whole(compared.get("outcomes")),
        "why": w.sentence(compared.get("why"), 300),
    }


def _ece(found: Mapping[str, object]) -> Part:
    return {
        "ece": real(found.get("value")),
        "null": real(found.get("null_high")),
        "null_mean": real(found.get("null_mean")),
        "more": bool(found.get("more_than_noise")),
        "bins": whole(found.get("bins")),
        "by": clean(found.get("by"), 20),
    }


def trials_part(values: TrainingPage, w: Words) -> Part | None:
    """Every trial of the search; of many, the best ones first and the whole list folded."""
    evaluation = evaluation_of(values) or {}
    trials = [
        {
            "trial": whole(line.get("trial")),
            "words": named(str(line.get("candidate") or "")),
            "settings": _settings(mapping(line.get("settings"))),
            "log_loss": real(line.get("log_loss")),
            "state": clean(line.get("state"), 20),
        }
        for line in records(evaluation.get("trials"))
    ]
    if not trials:
        return None
    known = [t for t in trials if t["log_loss"] is not None]
    best = sorted(known, key=lambda t: (t["log_loss"], t["trial"]))  # type: ignore[arg-type,return-value]
    for trial in trials:
        trial["best"] = trial is best[0] if best else False
    return {
        "rows": trials if len(trials) <= SHOWN else best[:SHOWN],
        "all": trials if len(trials) > SHOWN else [],
        "n": len(trials),
        "pruned": sum(t["state"] == "pruned" for t in trials),
        "rows_judged": max((whole(mapping(c).get("n")) or 0 for c in _candidates(evaluation)), default=0),
    }


def _candidates(evaluation: Mapping[str, object]) -> list[object]:
    return list(mapping(evaluation.get("candidates")).values())


def _settings(found: Mapping[str, object]) -> str:
    return ", ".join(f"{clean(name, 40).replace('_', ' ')} {_short(value)}" for name, value in found.items())


def _short(value: object) -> str:
    number = real(value)
    return clean(value, 20) if number is None else f"{number:,.4g}"
