"""The model card: what a model predicts, on what data, how well, what was refused, and where it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tierwise.governance.names import in_words, named
from tierwise.governance.words import better_unseen, calibration_words, choice_words, fit_side_words

FIGURES = ("log_loss", "brier", "auc", "average_precision", "capture_0.2")
LIMITS = (
    "A propensity is the calibrated probability of the outcome within the horizon, not what an action would change.",
    "Accounts in a high tier are worked more: their outcomes are in part the work's.",
    "Figures hold for the cohort and the period named above, and for no other.",
)


def model_card(meta: Mapping[str, Any], evaluation: Mapping[str, Any]) -> str:
    """A model card in Markdown: the same values give the same text, and what is not known is left out or said so.

    meta: `plan`, and where known `predicts`, `model_version`, `trained_as_of`, `data_through`, `features` (each a
    mapping with name, side, unit, and its words if known), `refused` (pairs of feature and reason), `accepted` (names),
    `fit_side` (where the plan freezes it), `notes`, `limits` (lists of sentences). evaluation: `Evaluation.to_dict()`.
    """
    parts = [
        [f"# Model card: {_cell(meta['plan'])}"],
        _about(meta, evaluation),
        _data(evaluation),
        _features(meta),
        _figures(evaluation),
        _calibration(evaluation),
        _checks(meta, evaluation),
        _lift(evaluation),
        _refused(meta),
        ["## Limits", "", *(f"- {_cell(line)}" for line in (*LIMITS, *meta.get("limits", ()), *meta.get("notes", ())))],
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _about(meta: Mapping[str, Any], evaluation: Mapping[str, Any]) -> list[str]:
    chosen, known = evaluation.get("chosen"), evaluation.get("metrics") or {}
    lines = [
        ("predicts", meta.get("predicts")),
        ("horizon", _days(evaluation.get("horizon_days"))),
        ("verdict", _joined(evaluation.get("verdict"), in_words(str(evaluation.get("why") or ""), known))),
        ("model", _joined(chosen and named(str(chosen)), in_words(_chosen(evaluation), known))),
        ("kept across trainings", fit_side_words(meta.get("fit_side"))),
        ("base by month of the year", (evaluation.get("season") or {}).get("words")),
        ("level of the base", _level(evaluation)),
        ("model version", meta.get("model_version")),
        ("trained as of", meta.get("trained_as_of")),
        ("data through", meta.get("data_through")),
    ]
    return [f"- {name}: {_cell(value)}" for name, value in lines if value]


def _level(evaluation: Mapping[str, Any]) -> object:
    """Why the newest level of the base is used; None where it is not."""
    found = evaluation.get("level") or {}
    return found.get("words") if found.get("adopted") else None


def _data(evaluation: Mapping[str, Any]) -> list[str]:
    rows = []
    for name, words in (("trained", "trained on"), ("test", "tested on, later than any row that chose the model")):
        found = evaluation.get(name)
        if found:
            counts = [_number(found.get(k)) for k in ("rows", "accounts", "outcomes")]
            base, first, last = found.get("base_rate"), found.get("first_as_of"), found.get("last_as_of")
            rows.append([words, *counts, _share(base), _day(first), _day(last)])
    head = ["rows", "n", "accounts", "outcomes", "base rate", "first as-of", "last as-of"]
    section = _section("Data", head, rows)
    if "trained" not in evaluation or "test" not in evaluation or not section:
        return section
    told = "The figures are of a model that had not seen the test rows; "
    return [*section, "", f"{told}the published model was then trained again on all rows."]


def _features(meta: Mapping[str, Any]) -> list[str]:
    features = list(meta.get("features", ()))
    rows = [[f.get("side"), f.get("name"), f.get("unit")] for f in features]
    if not any(f.get("words") for f in features):
        return _section("Features", ["side", "feature", "unit"], rows)
    said = [str(f.get("words") or "").replace("{value}", "…") for f in features]
    return _section(
        "Features", ["side", "feature", "unit", "words"], [[*r, w] for r, w in zip(rows, said, strict=True)]
    )


def _figures(evaluation: Mapping[str, Any]) -> list[str]:
    metrics = evaluation.get("metrics") or {}
    chosen, n = evaluation.get("chosen"), (evaluation.get("test") or {}).get("rows")
    names = [name for name in FIGURES if any(name in found for found in metrics.values())]
    rows = []
    for model in sorted(metrics, key=lambda m: (m != chosen, m)):
        figures = [_with_interval(metrics[model].get(name)) for name in names]
        rows.append([f"{named(model)} (chosen)" if model == chosen else named(model), *figures])
    section = _section("Figures on the test rows", ["model or baseline", *names], rows)
    if not section:
        return []
    notes = [f"n = {_number(n)} rows. In brackets: 95% intervals, by account."]
    for name in names:
        if name.startswith("capture_"):
            share = f"{100 * float(name.removeprefix('capture_')):g}%"
            notes.append(f"{name}: share of the outcomes among the {share} highest ranked.")
    return [*section, "", " ".join(notes)]


def _calibration(evaluation: Mapping[str, Any]) -> list[str]:
    found = evaluation.get("calibration") or {}
    rows = [
        [_number(d.get("n")), _share(d.get("predicted")), _share(d.get("observed")),
         f"{_share(d.get('observed_low'))} to {_share(d.get('observed_high'))}"]
        for d in found.get("deciles", ())
    ]  # fmt: skip
    section = _section("Calibration", ["n", "predicted", "observed", "95% interval"], rows)
    if not section:
        return []
    said = f"Slope 1 and intercept 0 are calibrated: slope {_decimal(found.get('slope'))}, "
    said += f"intercept {_decimal(found.get('intercept'))} (n = {_number(found.get('n'))})."
    words = calibration_words(found)
    return [*section, "", f"{words}. {said}" if words else said]


def _checks(meta: Mapping[str, Any], evaluation: Mapping[str, Any]) -> list[str]:
    """What the training checked besides, a line each; the training's page has more of it."""
    said = [line for line in (_free(evaluation), _random(evaluation), _ece(evaluation), *_views(meta)) if line]
    return ["## Checks", "", *(f"- {_cell(line)}" for line in said)] if said else []


def _free(evaluation: Mapping[str, Any]) -> str:
    less = (evaluation.get("yardstick") or {}).get("chosen_less_free") or {}
    if less.get("mean") is None:
        return ""
    error = "not known" if less.get("standard_error") is None else f"{less['standard_error']:.4f}"
    n = (evaluation.get("candidates") or {}).get(evaluation.get("chosen"), {}).get("n")
    return (
        f"additivity: out-of-time log-loss {less['mean']:+.4f} against one free booster (standard error {error}, by "
        f"{_number(less.get('accounts'))} account families; n = {_number(n)} rows)"
    )


def _random(evaluation: Mapping[str, Any]) -> str:
    found = evaluation.get("random_cv") or {}
    auc = {key: (found.get(key) or {}).get("auc") for key in ("random", "forward")}
    less = (found.get("flatters") or {}).get("auc") or {}
    if None in auc.values() or less.get("value") is None:
        return ""
    return (
        f"random cross-validation: AUC {auc['random']:.3f} (n = {_number(found['random']['n'])}) against "
        f"{auc['forward']:.3f} forward in time (n = {_number(found['forward']['n'])}), a difference of "
        f"{less['value']:+.3f} ({_decimal(less.get('low'))} to {_decimal(less.get('high'))})"
    )


def _ece(evaluation: Mapping[str, Any]) -> str:
    found = (evaluation.get("calibration") or {}).get("ece") or {}
    if found.get("value") is None:
        return ""
    noise = "more than" if found.get("more_than_noise") else "no more than"
    return (
        f"calibration error (ECE): {found['value']:.2%}, {noise} noise (up to {found['null_high']:.2%} in 95 of 100 "
        f"samples of a calibrated model; n = {_number(found.get('n'))} rows)"
    )


def _views(meta: Mapping[str, Any]) -> list[str]:
    """The weak segments, and where the points stand."""
    found = meta.get("views") or {}
    judged = (found.get("segments") or {}).get("judged")
    named = [line for line in (found.get("segments") or {}).get("segments", ()) if line.get("named")]
    listed = "; ".join(
        f"{line['feature']} {line['segment']} (predicted {_share(line['predicted'])}, observed "
        f"{_share(line['observed'])}, n = {_number(line['rows'])})"
        for line in named
    )
    said = [] if judged is None else [f"segments worse than elsewhere: {listed or 'none'}, of {judged} judged"]
    return [*said, "points: points.csv, beside the training's page"] if found.get("points") else said


def _lift(evaluation: Mapping[str, Any]) -> list[str]:
    figures, ends = (("capture", _share), ("lift", _decimal)), ("", "_low", "_high")
    rows = [
        [
            _share(line.get("share")),
            *(_range(words, *(line.get(f"{key}{end}") for end in ends)) for key, words in figures),
        ]
        for line in evaluation.get("lift") or ()
    ]
    for line in (evaluation.get("capacity") or {}).get("lines") or ():
        head = f"{_number(line['room'])} on each as-of date (the capacity down to {line['name']})"
        model = [_range(words, *(line["model"][key][e] for e in ("value", "low", "high"))) for key, words in figures]
        rows.append([head, *model])
    return _section("Capture and lift", ["best share of accounts", "capture of outcomes", "lift"], rows)


def _range(words: Callable[[Any], str], value: Any, low: Any, high: Any) -> str:
    return f"{words(value)} ({words(low)} to {words(high)})"


def _refused(meta: Mapping[str, Any]) -> list[str]:
    lines = [[name, reason] for name, reason in meta.get("refused", ())]
    section = _section("Refused as features", ["attribute", "why"], lines)
    accepted: Iterable[str] = meta.get("accepted", ())
    return (
        [*section, "", *(f"Accepted by name, without history: {_cell(a)}." for a in accepted)] if accepted else section
    )


def _section(title: str, head: list[str], rows: list[list[Any]]) -> list[str]:
    if not rows:
        return []
    lines = [head, ["---"] * len(head), *rows]
    return [f"## {title}", "", *("| " + " | ".join(_cell(c) for c in line) + " |" for line in lines)]


def _cell(value: Any) -> str:
    """Text that stays within its cell and line, and is not read as markup."""
    text = "" if value is None else " ".join(str(value).split())
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")


def _joined(head: Any, tail: Any) -> str | None:
    return None if head is None else f"{head}: {tail}" if tail else str(head)


def _chosen(evaluation: Mapping[str, Any]) -> str:
    return ". ".join(
        said for said in (choice_words(evaluation, "the unseen months"), better_unseen(evaluation)) if said
    )


def _days(value: Any) -> str | None:
    return None if value is None else f"{value} days"


def _day(value: Any) -> str:
    return str(value)[:10] if value else ""


def _number(value: Any) -> str:
    return "not known" if value is None else f"{value:,}"


def _share(value: Any) -> str:
    return "not known" if value is None or value != value else f"{value:.1%}"


def _decimal(value: Any) -> str:
    return "not known" if value is None or value != value else f"{value:.3g}"


def _with_interval(found: Mapping[str, Any] | None) -> str:
    if not found or found.get("value") is None:
        return ""
    return f"{found['value']:.3f} ({_decimal(found.get('low'))} to {_decimal(found.get('high'))})"
