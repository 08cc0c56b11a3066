"""The model card's checks: each figure as the training holds it, and silence where there is none."""

from __future__ import annotations

from tierwise.governance import model_card
from training_sample import usable


def checks(card: str) -> list[str]:
    _, found, rest = card.partition("## Checks\n\n")
    return rest.partition("\n\n")[0].splitlines() if found else []


def test_the_card_says_what_was_checked() -> None:
    answer = usable()
    evaluation, views = answer["evaluation"], answer["views"]
    lines = checks(model_card({"plan": "p", "views": views}, evaluation))
    less, drawn = evaluation["yardstick"]["chosen_less_free"], evaluation["random_cv"]
    assert lines[0].startswith(f"- additivity: out-of-time log-loss {less['mean']:+.4f} against one free booster")
    assert f"by {less['accounts']} account families" in lines[0]
    assert f"AUC {drawn['random']['auc']:.3f} (n = {drawn['random']['n']:,})" in lines[1]
    assert f"a difference of {drawn['flatters']['auc']['value']:+.3f} (" in lines[1]
    ece = evaluation["calibration"]["ece"]
    assert f"{ece['value']:.2%}, no more than noise (up to {ece['null_high']:.2%}" in lines[2]
    assert f"of {views['segments']['judged']} judged" in lines[3]
    assert lines[4] == "- points: points.csv, beside the training's page"


def test_a_weak_segment_is_told_with_its_n_and_cannot_break_the_card() -> None:
    line = {"feature": "industry", "segment": "a|b<c\n# d", "predicted": 0.2, "observed": 0.1, "rows": 1234}
    views = {"segments": {"judged": 9, "segments": [line | {"named": True}, line | {"named": False}]}, "points": None}
    (said,) = checks(model_card({"plan": "p", "views": views}, {"verdict": "usable"}))
    assert said == (
        "- segments worse than elsewhere: industry a\\|b&lt;c # d (predicted 20.0%, observed 10.0%, n = 1,234), of 9 "
        "judged"
    )


def test_a_card_of_before_has_no_checks() -> None:
    assert checks(model_card({"plan": "p"}, {"verdict": "usable"})) == []
