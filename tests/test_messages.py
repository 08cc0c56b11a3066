"""Messages of plays: pains and jobs by persona, the dynamic signal that moved an account, and nothing of a contact."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierwise.clock import instant
from tierwise.config import Icp, Plays, parse_plan
from tierwise.config.load import parse_file, parse_icp
from tierwise.config.messages import MESSAGE_FIELDS, message_fault
from tierwise.errors import ConfigError
from tierwise.routing import dynamic_signals, owed, to_jsonl
from tierwise.routing.messages import fill

PLAYS = """\
plays:
  - play: focus
    tiers: [tier_1]
    motion: "1:1"
    owner: account_owner
    channel: email
    budget_share: 0.4
    message: "{name}: plan its programme. Open with its {signal}. {why}"
    personas:
      exec_buyer: "To executives of {name}: {job}. It shows {signal}! Ask for a meeting."
      champion: "You know {pain}? We help to {job}."
    kpi: win rate
  - play: rest
    tiers: [tier_2]
    motion: nurture
    owner: revops
    budget_share: 0.6
    message: "{name}. {why}"
    kpi: engagement
"""
ICP = """\
job_to_be_done: "see what sells.  "
personas:
  champion: {pain: reports that disagree, job: trust one number}
"""
PLAN = parse_plan("plan: p\nfeatures: {signal: {triggers: [leadership_change, product_launch, strategy_shift]}}\n")


def action(icp: str = ICP, signal: str = "", text: str = PLAYS, **facts: Any) -> dict[str, Any]:
    row = {"account_id": "a", "tier": "tier_1", "previous_tier": "", "movement": "entered", "cause": "data"}
    row |= {"row": "r", "why": "Fit is high.", "owner_id": "o", "surge_began": False, "name": "Acme", **facts}
    plays, profile = parse_file(Plays, text, "plays.yaml"), parse_icp(icp)
    signals = {"a": signal} if signal else {}
    got = owed(
        pd.DataFrame([row]), plays, pd.DataFrame(), "p", instant("2026-03-02"), "r", icp=profile, signals=signals
    )
    [said] = [json.loads(line) for line in to_jsonl(got).decode().split("\n") if line]
    return said


def test_messages_say_the_pain_the_job_and_the_signal_of_each() -> None:
    got = action(signal="funding in 30 days")
    assert got["message"] == "Acme: plan its programme. Open with its funding in 30 days. Fit is high."
    assert got["messages"] == {
        "exec_buyer": "To executives of Acme: see what sells. It shows funding in 30 days! Ask for a meeting.",
        "champion": "You know reports that disagree? We help to trust one number.",
    }
    assert (got["channel"], got["signal"]) == ("email", "funding in 30 days")
    other = action(tier="tier_2")
    assert (other["messages"], other["channel"], other["signal"]) == ({}, "", "")


def test_a_sentence_with_nothing_to_say_is_left_out_whole() -> None:
    got = action()
    assert got["message"] == "Acme: plan its programme. Fit is high."
    assert got["messages"]["exec_buyer"] == "To executives of Acme: see what sells. Ask for a meeting."
    bare = action("personas: {champion: {job: trust one number}}")["messages"]
    assert bare == {"exec_buyer": "Ask for a meeting.", "champion": "We help to trust one number."}
    assert action("")["messages"] == {"exec_buyer": "Ask for a meeting."}


def test_braces_that_are_to_be_read_are_no_fields() -> None:
    assert fill("Say {{signal}}. Use {signal}.", {"signal": ""}) == "Say {signal}."


@given(
    parts=st.lists(st.sampled_from(["{name} rose", "use {signal}", "say {pain}", "now"]), min_size=1, max_size=6),
    ends=st.lists(st.sampled_from([". ", "! ", "? "]), min_size=6, max_size=6),
    signal=st.sampled_from(["", "a launch"]),
)
def test_what_is_left_is_whole_sentences_in_their_order(parts: list[str], ends: list[str], signal: str) -> None:
    template = "".join(part + end for part, end in zip(parts, ends, strict=False)).strip()
    kept = [
        (part + end).format(name="Acme", signal=signal, pain="")
        for part, end in zip(parts, ends, strict=False)
        if "{pain}" not in part and (signal or "{signal}" not in part)
    ]
    words = {"name": "Acme", "signal": signal, "pain": "", "job": ""}
    assert fill(template, words) == "".join(kept).strip()


@given(st.text(max_size=60))
def test_words_that_look_like_templates_stay_words(words: str) -> None:
    said = action("", signal="{name} {0} {why!r} " + words.replace("\ud800", ""))
    assert "Open with its {name} {0} {why!r}" in said["message"]


def test_pains_are_one_line_and_hold_no_address() -> None:
    with pytest.raises(ConfigError, match="here stands an e-mail address"):
        parse_icp("personas: {champion: {pain: write to jo@example.com}}")
    said = action("job_to_be_done: |\n  write to jo@example.com\n  or call +44 20 7946 0958\n")["messages"]
    assert said["exec_buyer"].startswith("To executives of Acme: write to [removed] or call [removed]. Ask")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("{name}. {why}", "{pain}. {why}", "18: plays[1].message: a pain is a persona's, and not in message: say"),
        ("{name}. {why}", "{contact}. {why}", "18: plays[1].message: a message may say {account_id}, {name},"),
        ("{name}. {why}", "{name. {why}", "18: plays[1].message: its braces do not match: write {{ and }}"),
        ("know {pain}", "know {first_name}", "11: plays[0].personas.champion: a message may say {account_id},"),
        ("budget_share: 0.6", "budget_share: 0.7", "17: plays[1].budget_share: the shares up to this one add up to"),
        ("budget_share: 0.6", "budget_share: 60", "17: plays[1].budget_share: at most 1 is wanted"),
        ("channel: email", "channel: e-mail", "6: plays[0].channel: a name of small letters"),
    ],
)  # fmt: skip
def test_broken_messages_are_refused_with_their_line(old: str, new: str, says: str) -> None:
    assert PLAYS.count(old) == 1
    with pytest.raises(ConfigError) as caught:
        parse_file(Plays, PLAYS.replace(old, new), "plays.yaml")
    found = [line.strip() for line in str(caught.value).splitlines()[1:-1]]
    assert len(found) == 1, found
    assert found[0].startswith(f"plays.yaml:{says}"), found[0]


def signals(*reasons: tuple[str, str, str, float, str], **facts: Any) -> dict[str, str]:
    row = {"account_id": "a", "movement": "up", "cause": "data", "surge_began": False, **facts}
    said = pd.DataFrame(reasons, columns=["account_id", "feature", "value", "log_odds", "proven"])
    return dynamic_signals(pd.DataFrame([row]), said, PLAN)


LAUNCH = ("a", "trigger_product_launch_30d", "1", 0.2, "part")
LEADER = ("a", "trigger_leadership_change_90d", "2", 0.5, "family")


def test_the_signal_is_the_one_that_speaks_most_for_an_account_that_rose() -> None:
    assert signals(LAUNCH) == {"a": "product launch in the last 30 days"}
    assert signals(LAUNCH, LEADER, ("a", "web_events_30d", "9", 3.0, "part")) == {
        "a": "leadership change in the last 90 days"
    }
    assert signals(LAUNCH, movement="", surge_began=True) == {"a": "product launch in the last 30 days"}
    assert signals(LAUNCH, movement="entered") == {"a": "product launch in the last 30 days"}


@pytest.mark.parametrize(
    ("reason", "facts"),
    [
        (LAUNCH, {"movement": "down"}),
        (LAUNCH, {"movement": ""}),
        (LAUNCH, {"cause": "model"}),
        (LAUNCH, {"account_id": "b"}),
        (("a", "trigger_product_launch_30d", "0", 0.2, "part"), {}),  # it did not happen, and that speaks for it
        (("a", "trigger_product_launch_30d", "1", -0.2, "part"), {}),
        (("a", "trigger_product_launch_30d", "1", 0.2, ""), {}),  # nothing shows that it tells
        (("a", "web_events_30d", "4", 0.2, "part"), {}),
    ],
)
def test_no_signal_is_named_that_did_not_move_the_account(reason: Any, facts: dict[str, Any]) -> None:
    assert signals(reason, **facts) == {}


def test_profiles_without_personas_are_as_they_were() -> None:
    assert Icp().personas == {}
    assert "personas" not in Icp().model_dump(exclude_defaults=True)


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{name}: call. {why} Open with its {signal}.", "Acme: call. Fit is high."),
        ("Talk of news, e.g. {signal}. {why}", "Fit is high."),
        ("(Open with its {signal}.) {why}", "Fit is high."),
        ("- news: {signal}\n- why: {why}", "- why: Fit is high."),
    ],
)
def test_an_empty_signal_takes_no_reason_with_it(template: str, said: str) -> None:
    assert fill(template, {"name": "Acme", "why": "Fit is high.", "signal": ""}) == said


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("Open with its {signal}; {why}", "say {why} in a sentence of its own"),
        ("Open with its {signal}.", "every sentence may be left out"),
        ("Write to jane.doe@acme.com. {why}", "no address and no number of a person"),
        ("Call +49 170 1234567. {why}", "no address and no number of a person"),
    ],
)
def test_templates_that_would_say_nothing_or_name_a_person_are_refused(template: str, says: str) -> None:
    assert says in message_fault(template, MESSAGE_FIELDS)
