"""What would move it: events move features as the tables would, and every way told stands when it is scored again."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import pandas as pd
import pytest

from exports import AS_OF, random_export, rewound
from exports import PLAN as LAW_PLAN
from tables import as_tables
from tierwise.config.policy import Policy
from tierwise.data import Warehouse
from tierwise.explain import Holds, Observed, observe, what_if
from tierwise.explain.whatif import MOST_EVENTS, Decide
from tierwise.features import build_matrix, catalogue
from tierwise.features.happening import Happening, able_to, counts_of, happened
from tierwise.features.matrix import Matrix
from tierwise.learning import Affine, PropensityModel, Scorecard, TwoSidedBooster
from tierwise.learning.model import PercentileMap, freeze
from tierwise.tiers import decide

PLAN = LAW_PLAN.model_copy(update={"cohort": LAW_PLAN.cohort.model_copy(update={"ended_by": ()})})
"""The plan of the laws, in which a meeting ends nothing."""
CONTACTS = {
    "c-champion": "champion",
    "c-exec": "exec_buyer",
    "c-user": None,
}
STEADY = datetime(2024, 1, 1, tzinfo=UTC)


def _tables(seed: int, events: tuple[Happening, ...] = ()) -> dict:
    """An export with an account of three known contacts, of whom one that bears no role acted the day before last."""
    tables = rewound(random_export(seed, AS_OF), AS_OF)
    tables["accounts"] = [*tables["accounts"], {
        "account_id": "mine", "name": "Mine", "domain": None, "parent_account_id": None, "industry": "software",
        "employee_count": 50.0, "country": "NL", "technologies": ["sap"], "created_at": STEADY, "owner_id": "o1",
        "deleted_at": None, "segment": "a",
    }]  # fmt: skip
    tables["contacts"] = [
        *tables["contacts"],
        *(
            {"contact_id": c, "account_id": "mine", "role": role, "created_at": STEADY, "linked_at": STEADY,
             "unlinked_at": None}
            for c, role in CONTACTS.items()
        ),
    ]  # fmt: skip
    blank = dict.fromkeys(("account_id", "contact_id", "lead_id", "identity_id", "domain", "recorded_at", "value"))
    own = [("email", "opened", 2, "c-user"), ("web", "page_view", 20, "c-user"), ("web", "page_view", 45, "c-user")]
    tables["activities"] = [
        *tables["activities"],
        *(
            blank | {"activity_id": f"own{n}", "contact_id": contact, "occurred_at": AS_OF - timedelta(days=days),
                     "channel": channel, "kind": kind, "initiator": "buyer"}
            for n, (channel, kind, days, contact) in enumerate(own)
        ),
        *(
            blank | {"activity_id": f"new{n}", "contact_id": _who(e), "occurred_at": AS_OF - timedelta(days=1),
                     "channel": e.channel, "kind": e.kind or "any", "initiator": "buyer"}
            for n, e in enumerate(events)
        ),
    ]  # fmt: skip
    return tables


def _who(event: Happening) -> str:
    return next(c for c, role in CONTACTS.items() if role == (event.role or None))


def _row(seed: int, events: tuple[Happening, ...] = ()) -> pd.DataFrame:
    with Warehouse.open(as_tables(_tables(seed, events)), threads=1) as warehouse:
        frame = build_matrix(warehouse, PLAN, (AS_OF,), only=["mine"]).frame
    return frame.drop(columns=[c for c in frame if c.startswith("value_as_of_")])


MEETING, WEB = Happening("meeting", "held"), Happening("web", "pricing_visit")


@pytest.mark.parametrize(
    "events",
    [
        (MEETING,),
        (WEB,),
        (Happening("meeting", "held", "exec_buyer"),),
        (Happening("web", "page_view", "champion"),),
        (Happening("email"),),
        (MEETING, MEETING),
        (Happening("meeting", "held", "exec_buyer"), Happening("email", "", "champion")),
        (Happening("meeting", "held", "exec_buyer"), Happening("meeting", "held", "exec_buyer"), WEB),
    ],
    ids=lambda events: "+".join(f"{e.channel}.{e.kind}.{e.role}" for e in events),
)
def test_an_event_moves_every_feature_as_the_tables_would(events: tuple[Happening, ...]) -> None:
    before, real = _row(5), _row(5, events)
    made = before
    for event in events:
        made = happened(made, PLAN, event)
    assert list(made.columns) == list(real.columns)
    for name in real.columns:
        mine, theirs = made[name].iloc[0], real[name].iloc[0]
        if isinstance(theirs, float):
            near = 0.011 if "decayed" in name else 1e-9
            assert mine == pytest.approx(theirs, abs=near, nan_ok=True), name
        else:
            assert mine == theirs or (pd.isna(mine) and pd.isna(theirs)), name
    assert {f.name for f in catalogue(PLAN) if before[f.name].iloc[0] != made[f.name].iloc[0]} > {"signals_7d"}
    pd.testing.assert_frame_equal(before, _row(5))


def test_the_rows_of_some_accounts_are_those_of_all() -> None:
    with Warehouse.open(as_tables(_tables(5)), threads=1) as warehouse:
        whole = build_matrix(warehouse, PLAN, (AS_OF,)).frame
        two = [str(whole["account_id"].iloc[0]), "mine"]
        some = build_matrix(warehouse, PLAN, (AS_OF,), only=two).frame
    expected = whole[whole["account_id"].isin(two)].reset_index(drop=True)
    pd.testing.assert_frame_equal(some, expected)
    assert len(some) == 2 < len(whole)


def test_only_what_people_can_bring_about_is_tried() -> None:
    assert {(e.channel, e.kind) for e in able_to(PLAN)} == {("meeting", "held")}
    assert {e.role for e in able_to(PLAN)} == {"", "champion", "exec_buyer"}
    assert able_to(LAW_PLAN) == (), "there a meeting ends an account's time in the cohort"
    signal = PLAN.features.signal
    channels = {"Events": {"kinds": ["Demo request", "page_view"]}, "phone": {"kinds": ["Calls", "voicemail"]},
                "web": {"kinds": ["pricing_visit", "webinars"]}, "3rd party": {}}  # fmt: skip
    other = signal.__class__.model_validate(signal.model_dump() | {"channels": channels})
    plan = PLAN.model_copy(update={"features": PLAN.features.model_copy(update={"signal": other})})
    assert {(e.channel, e.kind) for e in able_to(plan)} == {
        ("Events", "Demo request"), ("Events", "page_view"), ("phone", "Calls"), ("web", "webinars"),
    }  # fmt: skip
    assert Happening("meeting", "held", "exec_buyer").words == "a held with an executive buyer"
    assert Happening("meeting").words == "a meeting"


@cache
def _world(kind: str) -> tuple[PropensityModel, Matrix, Observed]:
    """A model that has learned from rows of the law's plan that meetings, and executives reached, tell."""
    with Warehouse.open(as_tables(_tables(5)), threads=1) as warehouse:
        row = build_matrix(warehouse, PLAN, (AS_OF,), only=["mine"]).frame
    r = np.random.default_rng(0)
    frame = row.iloc[np.zeros(3000, dtype=int)].reset_index(drop=True)
    frame["account_id"] = [f"t{k:05d}" for k in range(len(frame))]
    for feature in catalogue(PLAN):
        if feature.kind != "category":
            frame[feature.name] = r.poisson(1.2, len(frame)).astype(float)
    frame["industry"] = r.choice(["software", "retail"], len(frame)).astype(object)
    z = -2.5 + 0.6 * frame["meeting_held_30d"] + 0.8 * (frame["reached_exec_buyer"] > 0) + 0.3 * frame["web_30d"]
    frame["outcome"] = (r.random(len(frame)) < 1 / (1 + np.exp(-z))).astype(float)
    frame["status"] = "eligible"
    sample = Matrix(frame, catalogue(PLAN), 90)
    made = Scorecard(sample.features) if kind == "scorecard" else TwoSidedBooster(sample.features, rounds=40)
    fitted = made.fit(frame, frame["outcome"])
    model = freeze(kind, fitted, Affine(0.0, 1.0), frame, 90, AS_OF, 1)
    return model, sample, observe(sample, sample.features)


def _policy(**more: object) -> Policy:
    bands = {"fit": {"moderate": 5, "high": 10}, "signal": {"early": 20, "moderate": 45, "high": 70}}
    return Policy.model_validate({"bands": bands, "surge": None, **more})


def _engine(model: PropensityModel, policy: Policy) -> Decide:
    def decided(frame: pd.DataFrame) -> pd.DataFrame:
        scores = model.score(frame).assign(beyond=model.beyond(frame))
        facts = frame.drop(columns="as_of").merge(scores.drop(columns="as_of"), on="account_id")
        found = decide(facts, pd.DataFrame(), policy, AS_OF)
        return found.merge(scores[["account_id", "propensity", "fit_score", "signal_score", "beyond"]], on="account_id")

    return decided


def _mine() -> pd.DataFrame:
    return _row(5).assign(status="eligible", fit_side=0.0)


@pytest.mark.parametrize("kind", ["scorecard", "two_sided"])
def test_every_way_told_stands_when_it_is_scored_and_decided_again(kind: str) -> None:
    model, _, observed = _world(kind)
    policy = _policy()
    engine, row = _engine(model, policy), _mine()
    tier = str(engine(row)["tier"].iloc[0])
    found = what_if(row, tier, PLAN, policy, engine, observed=observed, contacts={"champion": 1, "exec_buyer": 0})
    assert found.wanted
    assert found.ways, (tier, found)
    for way in found.ways:
        frame = row
        for event in way.events:
            frame = happened(frame, PLAN, event)
            for name in counts_of(PLAN, event):
                assert frame[name].iloc[0] <= max(observed.seen_up_to(name), row[name].iloc[0])
        again = engine(frame).iloc[0]
        assert again["tier"] == way.tier
        assert again["tier"] <= found.wanted, "tier_1 is higher than tier_2"
        assert again["propensity"] == pytest.approx(way.propensity, abs=1e-12)
        if "exec_buyer" in {e.role for e in way.events}:
            assert way.needs == ("the executive buyer must be found: no contact of the account is known to be one",)
        else:
            assert way.needs == ()
    fewest = len(found.ways[0].events)
    for fewer in able_to(PLAN) if fewest > 1 else ():
        assert engine(happened(row, PLAN, fewer))["tier"].iloc[0] > found.wanted, "no single event would have done"


def test_guardrails_in_between_are_named() -> None:
    model, _, observed = _world("scorecard")
    row = _mine()

    def asked(policy: Policy, tier: str, **more: object):
        return what_if(row, tier, PLAN, policy, _engine(model, policy), observed=observed, **more)  # type: ignore[arg-type]

    unfit = _policy(bands={"fit": {"moderate": 99.8, "high": 99.9}})
    found = asked(unfit, "recycle")
    assert (found.ways, found.wanted) == ((), "tier_3")
    assert found.between[0].startswith("minimum fit: it has ")
    assert found.between[0].endswith("and below 99.8 it is recycled; nothing people do changes who the account is")
    assert found.nearest is not None
    hard = _policy(bands={"fit": {"moderate": 1, "high": 99.9}, "signal": {"early": 10, "moderate": 20, "high": 30}})
    (words,) = asked(hard, "tier_3").between
    assert words.startswith("fit: tier_2 asks for 99.9, and it has ")
    steep = _policy(
        bands={"fit": {"moderate": 1, "high": 2}, "signal": {"early": 99, "moderate": 99.5, "high": 99.99}},
        rows=[{"row": "focus", "tier": "tier_1", "signal": "high", "fit": "moderate"},
              {"row": "growth", "tier": "tier_2", "signal": "moderate"}],
    )  # fmt: skip
    (words,) = asked(steep, "recycle").between
    assert words == "the policy has no row for tier_3"
    (words,) = asked(steep, "tier_3").between
    assert words.startswith("signal: tier_2 asks for 99.5, and it would come to ")
    barred = what_if(row.assign(excluded_by="legal_hold"), "suppress", PLAN, hard, _engine(model, hard))
    assert barred.held == "an exclusion (legal hold) suppresses it: nothing that people do with it lifts that"
    assert asked(hard, "customer").held == "it has the status customer, and tiers do not apply to it"
    assert asked(hard, "tier_1").wanted == ""


def test_what_a_run_set_beside_the_bands_is_said_in_their_place_or_in_between() -> None:
    model, _, observed = _world("scorecard")
    policy = _policy()
    engine, row = _engine(model, policy), _mine()
    tier = str(engine(row)["tier"].iloc[0])
    held = what_if(row, tier, PLAN, policy, engine, observed=observed, holds=Holds("a person's override"))
    assert (held.held, held.ways, held.between, held.tried) == ("a person's override", (), (), 0)
    assert held.to_dict()["held"] == "a person's override"
    free = what_if(row, tier, PLAN, policy, engine, observed=observed)
    waits = what_if(row, tier, PLAN, policy, engine, observed=observed, holds=Holds("", ("tier_2 is full",)))
    assert (waits.ways, waits.between) == (free.ways, ("tier_2 is full",))
    assert free.ways


def test_a_tier_that_what_is_known_since_reaches_already_is_said() -> None:
    model, _, observed = _world("scorecard")
    low = {"fit": {"moderate": 0.1, "high": 0.2}, "signal": {"early": 0.1, "moderate": 0.2, "high": 99.99}}
    policy = _policy(bands=low)
    found = what_if(_mine(), "tier_3", PLAN, policy, _engine(model, policy), observed=observed)
    assert re.fullmatch(
        "by what is known today of that date it is in tier_[12] already: score that date again", found.held
    )


def test_counts_stay_within_what_training_has_seen() -> None:
    model, sample, _ = _world("scorecard")
    seen = observe(sample, sample.features).to_dict()
    for name in counts_of(PLAN, MEETING):
        seen["features"][name]["seen"] = 0.0
    policy = _policy(bands={"fit": {"moderate": 1, "high": 2}, "signal": {"early": 97, "moderate": 98, "high": 99.9}})
    row = _mine().assign(coverage="none")
    found = what_if(row, "tier_2", PLAN, policy, _engine(model, policy), observed=Observed.from_dict(seen))
    assert (found.tried, found.ways, found.nearest) == (0, (), None)
    assert MOST_EVENTS == 3


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"status": "in_pipeline"}, "in pipeline"),
        ({"status": "customer"}, "customer"),
        ({"status": "not_eligible"}, "not eligible"),
        ({"excluded_by": "legal_hold"}, "suppressed"),
    ],
)
def test_what_became_known_late_of_the_date_is_said_and_not_scored_over(facts: dict[str, str], words: str) -> None:
    model, _, observed = _world("scorecard")
    policy = _policy()
    found = what_if(_mine().assign(**facts), "tier_3", PLAN, policy, _engine(model, policy), observed=observed)
    assert (found.wanted, found.ways, found.nearest, found.tried) == ("tier_2", (), None, 0)
    said = {"customer": "a customer"}.get(words, words)
    assert found.held == f"by what is known today of that date it is {said}: score that date again"


def test_a_scenario_that_leaves_the_tiers_is_no_way() -> None:
    model, _, observed = _world("scorecard")
    policy = _policy()
    engine = _engine(model, policy)

    def leaving(frame: pd.DataFrame) -> pd.DataFrame:
        made = engine(frame)
        return made if len(frame) == 1 else made.assign(tier="in_pipeline")

    row = _mine()
    tier = str(engine(row)["tier"].iloc[0])
    found = what_if(row, tier, PLAN, policy, leaving, observed=observed)
    assert (found.ways, found.tried > 0) == ((), True)


def test_nothing_is_promised_above_what_the_model_has_given_in_training() -> None:
    model, sample, observed = _world("scorecard")
    assert not model.beyond(sample.frame).any(), "these are the rows that it was frozen on"
    row, policy = _mine(), _policy()
    engine = _engine(model, policy)
    tier = str(engine(row)["tier"].iloc[0])
    free = what_if(row, tier, PLAN, policy, engine, observed=observed)
    assert free.ways
    assert all(way.propensity <= model.score(sample.frame)["propensity"].max() for way in free.ways)
    here = model.log_odds(row)[0]
    low = replace(model, percentiles=model.percentiles | {"account": PercentileMap((here - 9, here), (1.0, 99.0))})
    assert not low.beyond(row).any()
    assert low.beyond(happened(row, PLAN, MEETING)).all()
    found = what_if(row, tier, PLAN, policy, _engine(low, policy), observed=observed)
    assert (found.ways, found.nearest) == ((), None)
    assert found.between == ("what reaches it scores above all that the model has given in training, and is not told",)
