"""What a policy may tell accounts apart by: attributes that hold one value each, and nothing of another meaning."""

from __future__ import annotations

import pytest

from tierwise.config import parse_plan
from tierwise.config.load import parse_policy
from tierwise.config.plan import SCORED
from tierwise.config.policy_check import DECIDED_ON
from tierwise.errors import ConfigError
from tierwise.features.matrix import OWN_COLUMNS
from tierwise.tiers import ACCOUNT_COLUMNS

MODEL = """\
plan: main
features:
  fit:
    - {attribute: country, kind: category, clock: fixed}
    - {attribute: technologies, kind: set, values: [erp], clock: fixed}
"""
SEGMENT = "segments:\n  - segment: some\n    where: {country: [FR]}\n    bands: {fit: {high: 80}}\n"
VERTICAL = "verticals:\n  - vertical: some\n    where:\n      country: [FR]\n    lower: {fit: 5}\n"
LEAST = "rows:\n  - {row: many, tier: tier_1, fit: high, least: {size: 5}}\n"
SET = "a set in model.yaml, and not one value: name a category, or a number with at_least or below"
OTHER = "accounts are decided on something else of that name; give the column another one in the tables"
UNKNOWN = "features.fit of model.yaml has no such attribute; "


def told(text: str, model: str = MODEL) -> str:
    parse_policy(SEGMENT + VERTICAL, plan=parse_plan(model))
    with pytest.raises(ConfigError) as refused:
        parse_policy(text, plan=parse_plan(model))
    assert refused.value.exit_code == 2
    (line,) = str(refused.value).splitlines()[1:-1]
    return line.strip()


def test_a_set_is_refused_where_it_is_told_apart_by() -> None:
    by_set = ("country: [FR]", "technologies: [erp]")
    assert told(SEGMENT.replace(*by_set)) == f"policy.yaml:3: segments[0].where.technologies: {SET}"
    assert told(VERTICAL.replace(*by_set)) == f"policy.yaml:4: verticals[0].where.technologies: {SET}"
    stretch = told(SEGMENT.replace("country: [FR]", "technologies: {at_least: 1}"))
    assert stretch.endswith("technologies: a set in model.yaml, which has no least value: name a number")
    assert told(LEAST.replace("size", "technologies")).endswith("which has no least value: name a number")


@pytest.mark.parametrize("name", sorted({*DECIDED_ON, "tier", "previous_tier", "model_version", "technologies_erp"}))
def test_what_is_no_attribute_is_refused_though_accounts_are_decided_on_it(name: str) -> None:
    for text, at in ((SEGMENT, "policy.yaml:3: segments[0]"), (VERTICAL, "policy.yaml:4: verticals[0]")):
        assert told(text.replace("country", name)).startswith(f"{at}.where.{name}: {UNKNOWN}")


@pytest.mark.parametrize("name", sorted(DECIDED_ON - SCORED))
@pytest.mark.parametrize("kind", ["category", "number"])
def test_an_attribute_that_would_be_read_as_something_else_is_refused(name: str, kind: str) -> None:
    model = f"{MODEL}    - {{attribute: {name}, kind: {kind}, clock: fixed}}\n"
    condition = "[FR]" if kind == "category" else "{at_least: 3}"
    for text, at in ((SEGMENT, "policy.yaml:3: segments[0]"), (VERTICAL, "policy.yaml:4: verticals[0]")):
        assert told(text.replace("country: [FR]", f"{name}: {condition}"), model) == f"{at}.where.{name}: {OTHER}"
    if kind == "number":
        assert told(LEAST.replace("size", name), model) == f"policy.yaml:2: rows[0].least.{name}: {OTHER}"


@pytest.mark.parametrize("name", sorted(SCORED))
def test_an_attribute_may_not_be_called_like_what_a_run_makes(name: str) -> None:
    model = f"{MODEL}    - {{attribute: {name}, kind: number, clock: fixed}}\n"
    with pytest.raises(ConfigError, match="what a run makes of an account is called so: give the column another name"):
        parse_plan(model)


def test_all_that_accounts_are_decided_on_is_known_on_load() -> None:
    assert {*OWN_COLUMNS, *ACCOUNT_COLUMNS, "owner_id", "merged_at", "expected_value"} == DECIDED_ON


def test_an_attribute_of_a_result_s_name_is_an_attribute() -> None:
    model = f"{MODEL}    - {{attribute: tier, kind: category, clock: fixed}}\n"
    policy = parse_policy(SEGMENT.replace("country: [FR]", "tier: [gold]"), plan=parse_plan(model))
    assert policy.attributes == ["tier"]
