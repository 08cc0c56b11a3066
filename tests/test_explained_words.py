"""What `tierwise explain` prints of one account: no promise, names as they are written, and what it lacks by name."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest

from tierwise.cli.explained import explained
from tierwise.explain import Stage, WhatIf, split_change, spoken_change
from tierwise.explain.whatif import Way
from tierwise.features.happening import Happening
from tierwise.jobs import Explained
from tierwise.jobs.changed import Changed
from tierwise.report.accounts import steps_of
from tierwise.report.words import Words

SINCE = datetime(2025, 6, 1, tzinfo=UTC)
FOUND = "the champion must be found: no contact of the account is known to be one"
STEPS = pd.DataFrame(
    [("base", "", "an average account", -2.0, 0.0, -2.0), ("total", "", "log-odds", -2.0, 0.0, -2.0)],
    columns=["step", "side", "words", "log_odds", "starts", "ends"],
)


def _row(**more: Any) -> dict[str, Any]:
    row = {"account_id": "a1", "tier": "tier_2", "tier_since": SINCE, "why": "Signal 60.", "guardrails": ""}
    return row | {"propensity": 0.12, "model_version": "1", "fit_score": 50.0, "signal_score": 60.0} | more


def _said(capsys: pytest.CaptureFixture[str], found: Explained) -> str:
    explained(found)
    return capsys.readouterr().out


def _way(p: float, *needs: str) -> Way:
    return Way((Happening("meeting", "", "champion"),), "tier_1", p, 90.0, "partial", needs)


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")


def _moved(moves: WhatIf, **more: Any) -> Explained:
    return Explained(_row(**more), STEPS, pd.DataFrame(), "r1", moves=moves)


def test_ways_are_what_the_model_would_have_scored_and_promise_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    said = _said(capsys, _moved(WhatIf("tier_2", "tier_1", (_way(0.3, FOUND), _way(0.2, FOUND)), tried=9)))
    assert "would have brought" not in said
    assert (
        "The model would have scored it tier_1, had these been seen; it is what accounts like that did, not what an "
        "act would cause:\n  - a meeting with a champion: tier_1, scored 30.0 %\n"
    ).replace(" %", "%") in said
    assert said.count("must be found") == 1
    assert said.endswith(
        "  Where asked for, the champion must be found: no contact of the account is known to be one.\n"
    )


def test_the_nearest_names_what_it_needs(capsys: pytest.CaptureFixture[str]) -> None:
    said = _said(capsys, _moved(WhatIf("tier_2", "tier_1", (), ("fit: low",), _way(0.3, FOUND), 9)))
    assert f"  Nearest: a meeting with a champion, scored 30.0%.\n  Where asked for, {FOUND}.\n" in said
    assert "must be found" not in _said(capsys, _moved(WhatIf("tier_2", "tier_1", (), ("fit: low",), _way(0.3), 9)))


def test_only_the_first_letter_of_a_sentence_is_raised(capsys: pytest.CaptureFixture[str]) -> None:
    barred = WhatIf("suppress", "", held="an exclusion (GDPR) suppresses it: nothing lifts that")
    said = _said(capsys, _moved(barred, tier="suppress"))
    assert "An exclusion (GDPR) suppresses it: nothing lifts that." in said
    assert "a1 is suppressed since 2025-06-01." in said


@pytest.mark.parametrize(
    ("tier", "guardrails", "words"),
    [
        ("suppress", "excluded", "It is suppressed by an exclusion, and has no propensity."),
        ("suppress", "negative_trigger", "It is suppressed by a negative trigger, and has no propensity."),
        (
            "suppress",
            "excluded;negative_trigger;stale",
            "It is suppressed by an exclusion and by a negative trigger, and has no propensity.",
        ),
        ("suppress", "inputs_late", "It is suppressed, and has no propensity."),
        ("customer", "", "It is out of the cohort, and has no propensity."),
    ],
)
def test_why_an_account_has_no_propensity_is_said(
    capsys: pytest.CaptureFixture[str], tier: str, guardrails: str, words: str
) -> None:
    row = _row(tier=tier, guardrails=guardrails, propensity=float("nan"))
    assert words in _said(capsys, Explained(row, pd.DataFrame(), pd.DataFrame(), "r1"))


@pytest.mark.parametrize(
    ("then", "now", "words"),
    [
        (float("nan"), float("nan"), "Neither has a propensity, so there are no log-odds to compare."),
        (0.2, float("nan"), "Now it has no propensity, so there are no log-odds to compare."),
        (float("nan"), 0.2, "Then it had no propensity, so there are no log-odds to compare."),
    ],
)
def test_which_of_two_runs_has_no_propensity_is_said(
    capsys: pytest.CaptureFixture[str], then: float, now: float, words: str
) -> None:
    found = Explained(
        _row(propensity=now), STEPS, pd.DataFrame(), "r1", "", _row(tier="tier_3", propensity=then), SINCE
    )
    assert words in _said(capsys, found)


def test_what_remains_has_one_name(capsys: pytest.CaptureFixture[str]) -> None:
    parts = [("moves", "signal", f"f{k}", name, v) for k in range(7) for name, v in (("x", 0.3), ("y", 0.01 * k))]
    change = split_change(Stage(0.0, {}), [("moves", Stage(0.0, {p[1:4]: p[4] for p in parts}))])
    told = spoken_change(change, {}, {})
    changed = Changed(-2.0, -2.0 + change["log_odds"].sum(), change, told, pd.DataFrame({"as_of": []}))
    found = Explained(_row(), STEPS, pd.DataFrame(), "r1", "", _row(tier="tier_3"), SINCE, changed)
    name = "3 small or unsure signs, raises"
    assert f"  {name}" in _said(capsys, found), "the two smallest of seven families, of one part and of two"
    reasons = pd.DataFrame(
        [("a1", "signal", f"f{k}", f"x{k}", 1.0 / (k + 1), f"words {k}", "part") for k in range(13)],
        columns=["account_id", "side", "family", "feature", "log_odds", "words", "proven"],
    )
    steps = steps_of({"account_id": "a1"}, reasons.assign(as_of=SINCE, value=None, value_as_of=pd.NaT), Words({}))
    assert steps[-1].words == f"Signal: {name}"
