"""The page of a training: the answer first, then the evidence, section by section.

A section is three things: a function from the values to a dict, a template `training/<name>.html.j2` that shows it as
`part`, and a line in SECTIONS.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import tierwise.report.words as words
from tierwise.governance.names import in_text
from tierwise.report.compared import (
    candidates_part,
    capacity_part,
    evaluation_of,
    gate_part,
    probability_part,
    random_part,
    trials_part,
)
from tierwise.report.overview import dependence_part, importance_part, points_part, segments_part
from tierwise.report.page import render
from tierwise.report.quality import in_words, named, quality_part
from tierwise.report.reading import figure, mapping, real, records, whole
from tierwise.report.values import TrainingPage
from tierwise.report.words import Words, clean

Part = dict[str, object]
CAPTURE = "capture_0.2"


def training_page(values: TrainingPage) -> str:
    """What a training came to, as one self-contained HTML text; the same values give the same bytes."""
    return render("training.html.j2", training_dict(values), values.labels)


def training_dict(values: TrainingPage) -> Part:
    """What the page shows: its head, and each section that has something to show."""
    w, said = Words(values.labels), values.answer
    usable = said.get("verdict") == "usable"
    parts = [(name, title(w), part(values, w)) for name, title, part in SECTIONS]
    return {
        "console": False,
        "page_title": f"{clean(said.get('plan'))}: training of {words.day(values.as_of.date())}",
        "v": values,
        "title": clean(str(said.get("plan") or "").replace("_", " ").capitalize(), 100),
        "outcome": w.sentence(said.get("predicts")),
        "horizon_days": whole(said.get("horizon_days")),
        "data_through": clean(said.get("data_through"), 20),
        "usable": usable,
        "why": _in_words(said.get("why"), values, w, 600),
        "published": w.sentence(mapping(said.get("published")).get("words"), 300),
        "warned": _warned(said, w),
        "sections": [{"name": n, "title": t, "part": p} for n, t, p in parts if p is not None],
    }


def _warned(said: Mapping[str, object], w: Words) -> list[str]:
    """What the gate holds against a first model that it let pass: all that it says after why it passed."""
    gate, beside = mapping(said.get("gate")), mapping(said.get("beside_live"))
    if not gate.get("passed") or beside.get("live") is not None:
        return []
    return [w.sentence(reason, 400) for reason in _list(gate.get("reasons"))[1:]]


def _in_words(text: object, values: TrainingPage, w: Words, most: int = 400) -> str:
    evaluation = evaluation_of(values) or {}
    return in_words(w.sentence(text, most), [*mapping(evaluation.get("metrics")), "rubric"])


def needs_part(values: TrainingPage, w: Words) -> Part | None:
    """What it would take: how many more outcomes and from when, and which baseline stands by how much."""
    if values.answer.get("verdict") == "usable":
        return None
    found = mapping(values.answer.get("needs"))
    return {
        "accounts": whole(found.get("accounts")),
        "needed": whole(found.get("needed")),
        "lacking": whole(found.get("lacking")) or 0,
        "pace": real(found.get("pace")),
        "possible": bool(found.get("possible")),
        "possible_from": found.get("possible_from"),
        "words": w.sentence(found.get("words"), 600),
        "do": w.sentence(values.answer.get("do"), 400),
        "unbeaten": [_baseline(line) for line in records(values.answer.get("unbeaten"))],
    }


def _baseline(line: Mapping[str, object]) -> Part:
    name = str(line["baseline"])
    return {
        "words": named(name),
        "in_text": in_text(clean(name, 60)),
        "figures": [figure(line.get(key)) for key in ("average_precision", CAPTURE)],
        "n": whole(line.get("n")),
        "needed": whole(line.get("needed")),
        "from": line.get("from"),
    }


def helps_part(values: TrainingPage, w: Words) -> Part | None:
    """Which tables and fields are missing or refused that usually help, and what to do."""
    if values.answer.get("verdict") == "usable":
        return None
    rows = [
        {
            "subjects": [clean(s, 80) for s in _list(line.get("subjects"))],
            "found": w.sentence(words.sentences(str(line.get("found") or "")), 400),
            "do": w.sentence(line.get("do"), 300),
        }
        for line in records(values.answer.get("helps"))
    ]
    return {"rows": rows}


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else []


def evidence_part(values: TrainingPage, w: Words) -> Part | None:
    """The figures on the unseen rows beside the base rate and the baselines, calibration and capture."""
    evaluation = evaluation_of(values)
    return None if evaluation is None else {"quality": quality_part(evaluation, {}, w, in_use=False)}


def canaries_part(values: TrainingPage, w: Words) -> Part | None:
    """What must come to nothing, and whether it did."""
    found = mapping((evaluation_of(values) or {}).get("canaries"))
    if not found:
        return None
    labels, noise, time, copies = (
        mapping(found.get(name)) for name in ("permuted_labels", "noise", "time_index", "planted_label")
    )
    lines = [
        {
            "words": f"{'Fit' if line.get('side') == 'fit' else 'Signal'} side, drawn by {clean(line.get('by'), 20)}",
            "share": real(line.get("share")),
            "rank": whole(line.get("rank")),
            "z": real(line.get("z")),
            "shown": bool(line.get("shown")),
        }
        for line in records(noise.get("lines"))
    ]
    return {
        "labels": _measured(labels, w) | {"inside": bool(labels.get("inside")), "kind": clean(labels.get("kind"), 40)}
        | {name: real(labels.get(name)) for name in ("auc", "low", "high")}
        | {name: whole(labels.get(name)) for name in ("rows", "test_rows", "test_outcomes")},
        "noise": _measured(noise, w) | {"lines": lines, "judged": bool(noise.get("judged"))}
        | {name: whole(noise.get(name)) for name in ("rows", "features")},
        "time": {"drifts": bool(time.get("drifts"))}
        | {name: real(time.get(name)) for name in ("gain", "low", "high", "base_rate_before", "base_rate_newest")}
        | {name: whole(time.get(name)) for name in ("rows", "accounts")},
        "copies": _measured(copies, w) | {name: whole(copies.get(name)) for name in ("rows", "accounts")},
    }  # fmt: skip


def _measured(found: Mapping[str, object], w: Words) -> Part:
    return {"measured": bool(found.get("measured")), "why": w.sentence(found.get("why"), 300)}


def value_part(values: TrainingPage, w: Words) -> Part | None:
    """What a won deal brings and how many of the opened are won: learned of what, and how it did on later deals."""
    found = mapping(values.answer.get("value"))
    if not found:
        return None
    rows = [_expectation(key, mapping(found[key]), w) for key in ("amount", "win_rate") if found.get(key)]
    return {"why": w.sentence(found.get("why"), 300), "currency": clean(found.get("currency"), 10), "rows": rows}


KINDS_OF_MEAN = {"mean": "one mean of all", "segments": "means by segment", "gamma": "gamma regression"}


def _expectation(key: str, found: Mapping[str, object], w: Words) -> Part:
    """One of the two: its kind, n, mean, the age from which a deal counts, and the unseen deals."""
    unseen = mapping(found.get("unseen"))
    numbers = {name: real(unseen.get(name)) for name in ("loss", "loss_of_mean", "predicted", "low", "high", "actual")}
    names = [clean(str(name).replace("_", " "), 60) for name in _list(found.get("features"))]
    return numbers | {
        "amounts": key == "amount",
        "words": "Amount of a won deal" if key == "amount" else "Win rate of opened deals",
        "kind": KINDS_OF_MEAN[str(found["kind"])],
        "features": ", ".join(names),
        "because": w.sentence(found.get("because"), 300),
        "n": whole(found.get("n")),
        "companies": whole(found.get("companies")),
        "mean": real(found.get("mean")),
        "days": whole(found.get("old_enough_days")),
        "open": whole(found.get("still_open")),
        "young": whole(found.get("too_young")),
        "less": figure(unseen.get("less")),
        "unseen": whole(unseen.get("n")) or 0,
        "from": clean(unseen.get("from"), 10),
    }


def rubric_part(values: TrainingPage, w: Words) -> Part:
    """The lines of icp.yaml's rubric, and which of them the baseline could not read."""
    found = mapping(values.answer.get("rubric"))
    lines = [
        {
            "words": w.sentence(words.upfirst(str(line.get("words") or "")), 200),
            "points": whole(line.get("points")),
            "unread": w.sentence(line.get("unread"), 300),
        }
        for line in records(found.get("lines"))
    ]
    return {"lines": lines, "cannot": w.sentence(found.get("cannot_be_formed"), 200)}


def columns_part(values: TrainingPage, w: Words) -> Part:
    """The columns refused and why, those accepted by name, and what else the audit said."""
    said = values.answer
    return {
        "refused": [(clean(pair[0], 80), w.sentence(pair[1], 300)) for pair in _pairs(said.get("refused"))],
        "accepted": [clean(name, 80) for name in _list(said.get("accepted"))],
        "overruled": [w.sentence(words.sentences(str(s)), 600) for s in _list(said.get("accepted_findings"))],
        "notes": [w.sentence(words.sentences(str(s)), 600) for s in _list(said.get("notes"))],
    }


def _pairs(value: object) -> list[tuple[object, object]]:
    return [(p[0], p[1]) for p in _list(value) if isinstance(p, list | tuple) and len(p) == 2]


SECTIONS: tuple[tuple[str, Callable[[Words], str], Callable[[TrainingPage, Words], Part | None]], ...] = (
    ("needs", lambda w: "What it would take", needs_part),
    ("helps", lambda w: "What would help", helps_part),
    ("evidence", lambda w: "How good it is, on months it had not seen", evidence_part),
    ("capacity", lambda w: "At the team's capacity", capacity_part),
    ("gate", lambda w: "The gate, and the live model", gate_part),
    ("candidates", lambda w: "How it was chosen", candidates_part),
    ("trials", lambda w: "What was tried", trials_part),
    ("random", lambda w: "Random cross-validation", random_part),
    ("probability", lambda w: "Calibration", probability_part),
    ("importance", lambda w: "What counts", importance_part),
    ("dependence", lambda w: "How features count", dependence_part),
    ("points", lambda w: "The points", points_part),
    ("segments", lambda w: "Weak segments", segments_part),
    ("canaries", lambda w: "What must come to nothing, and whether it did", canaries_part),
    ("value", lambda w: w.title("expected_value"), value_part),
    ("rubric", lambda w: "The rubric", rubric_part),
    ("columns", lambda w: "Columns refused and accepted", columns_part),
)
"""name (of the anchor and of the template), title, and what it shows; None shows nothing."""
