"""The synthetic world: deterministic, exported consistently at any instant, and as true as it says."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy.special import logit

from tierwise.errors import UsageError
from tierwise.synthetic import TRAPS, World, WorldSpec, cycles, simulate, write_world
from tierwise.synthetic.accounts import make_accounts
from tierwise.synthetic.activity import KIND, old_rubric
from tierwise.synthetic.effects import NEWS
from tierwise.synthetic.evidence import WAITING

HORIZON = np.timedelta64(90, "D")
EARLY = datetime(2024, 6, 11, tzinfo=UTC)

REQUIRED = {
    "accounts": ["account_id"],
    "account_history": ["account_id", "field", "new_value", "changed_at"],
    "contacts": ["contact_id", "account_id"],
    "contact_history": ["contact_id", "field", "new_value", "changed_at"],
    "activities": ["activity_id", "occurred_at", "channel", "kind"],
    "leads": ["lead_id"],
    "identities": ["identity_id", "account_id", "linked_at"],
    "owners": ["owner_id"],
    "opportunities": ["opportunity_id", "account_id", "created_at"],
    "opportunity_stages": ["opportunity_id", "stage", "entered_at"],
    "exclusions": ["reason"],
    "account_merges": ["losing_id", "surviving_id", "merged_at"],
}
KEYS = {
    "accounts": "account_id",
    "contacts": "contact_id",
    "activities": "activity_id",
    "leads": "lead_id",
    "identities": "identity_id",
    "owners": "owner_id",
    "opportunities": "opportunity_id",
    "account_merges": "losing_id",
}
KNOWN = {
    "accounts": ["created_at"],
    "account_history": ["changed_at"],
    "contacts": ["created_at", "linked_at"],
    "contact_history": ["changed_at"],
    "activities": ["occurred_at", "recorded_at"],
    "leads": ["created_at"],
    "identities": ["linked_at"],
    "owners": ["active_from"],
    "opportunities": ["created_at"],
    "opportunity_stages": ["entered_at"],
    "exclusions": ["recorded_at"],
    "account_merges": ["merged_at"],
}
LATER_FILLED = {
    "accounts": ["deleted_at"],
    "contacts": ["unlinked_at"],
    "leads": ["converted_at"],
    "owners": ["active_to"],
    "opportunities": ["closed_at"],
}


@cache
def world(*traps: str, seed: int = 11, accounts: int = 400, months: int = 12) -> World:
    return simulate(WorldSpec(seed=seed, accounts=accounts, months=months, traps=frozenset(traps)))


@cache
def frames(*traps: str, at: datetime | None = None, accounts: int = 400) -> dict[str, pd.DataFrame]:
    return {name: table.to_pandas() for name, table in world(*traps, accounts=accounts).tables(at).items()}


def known_at(name: str, frame: pd.DataFrame) -> pd.Series:
    return frame[KNOWN[name]].max(axis=1)


def undone(values: pd.Series, history: pd.DataFrame, key: str, field: str, at: datetime) -> pd.Series:
    """Values (by id) as they were: the old_value of the first change not before `at`, where there is one."""
    stamp = pd.Timestamp(at).tz_localize(None)
    later = history[(history["field"] == field) & (history["changed_at"] >= stamp)]
    first = later.sort_values("changed_at", kind="stable").groupby(key)["old_value"].first()
    return values.where(~values.index.isin(first.index), first.reindex(values.index))


def rewound(tables: dict[str, pd.DataFrame], at: datetime) -> dict[str, pd.DataFrame]:
    """The later export rewound, from what it says itself."""
    stamp = pd.Timestamp(at).tz_localize(None)
    out = {}
    for name, frame in tables.items():
        rows = frame[known_at(name, frame) < stamp].reset_index(drop=True)
        for column in LATER_FILLED.get(name, []):
            rows[column] = rows[column].where(rows[column] < stamp)
        out[name] = rows
    accounts, contacts, leads, deals = (out[k] for k in ("accounts", "contacts", "leads", "opportunities"))
    for field in ("employee_count", "owner_id"):
        values = undone(accounts.set_index("account_id")[field], tables["account_history"], "account_id", field, at)
        accounts[field] = values.to_numpy()
    roles = undone(contacts.set_index("contact_id")["role"], tables["contact_history"], "contact_id", "role", at)
    contacts["role"] = roles.to_numpy()
    leads["converted_account_id"] = leads["converted_account_id"].where(leads["converted_at"].notna())
    stages = out["opportunity_stages"].groupby("opportunity_id")["stage"].last()
    deals["stage"] = stages.reindex(deals["opportunity_id"]).to_numpy()
    deals["is_closed"] = deals["closed_at"].notna()
    deals["is_won"] = deals["is_won"] & deals["is_closed"]
    return out


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_same_spec_same_bytes_and_another_seed_other_bytes(tmp_path: Path) -> None:
    spec = WorldSpec(seed=3, accounts=120, months=4, traps=frozenset(TRAPS))
    write_world(simulate(spec), tmp_path / "a")
    write_world(simulate(spec), tmp_path / "b")
    write_world(simulate(WorldSpec(seed=4, accounts=120, months=4, traps=frozenset(TRAPS))), tmp_path / "c")
    a, b, c = (files(tmp_path / name) for name in "abc")
    assert a == b
    assert set(a) == {f"tables/{name}.parquet" for name in REQUIRED} | {
        "truth/latent.parquet",
        "truth/utility.parquet",
        "truth/effects.json",
    }
    differing = {name for name in a if a[name] != c[name]}
    assert differing == set(a) - {"truth/effects.json"}


def test_truth_is_nowhere_in_the_tables() -> None:
    columns = {column for frame in frames().values() for column in frame.columns}
    assert not columns & {"latent_probability", "in_cycle", "utility", "headcount", "state", "legacy"}
    assert set(json.loads(json.dumps(world().effects))) >= {"industry", "employee_count", "country", "technologies"}


@pytest.mark.parametrize("at", [None, EARLY])
@pytest.mark.parametrize("traps", [(), TRAPS])
def test_tables_keep_the_contract(traps: tuple[str, ...], at: datetime | None) -> None:
    tables = world(*traps).tables(at)
    limit = pd.Timestamp(at or world().spec.ends_at).tz_localize(None)
    assert set(tables) == set(REQUIRED)
    for name, table in tables.items():
        assert table.num_rows > 0, name
        frame = table.to_pandas()
        for column in REQUIRED[name]:
            assert frame[column].notna().all(), (name, column)
        for column in table.column_names:
            if column.endswith("_id"):
                assert table.schema.field(column).type == pa.string(), (name, column)
        if name in KEYS:
            assert frame[KEYS[name]].is_unique, name
        assert (known_at(name, frame) < limit).all(), name
        for column in LATER_FILLED.get(name, []):
            assert not (frame[column] >= limit).any(), (name, column)
    activities = tables["activities"].to_pandas()
    refers = ["account_id", "contact_id", "lead_id", "identity_id", "domain"]
    assert (activities[refers].notna().sum(axis=1) == 1).all()
    assert set(activities["initiator"]) == {"buyer", "seller"}


@pytest.mark.parametrize("trap", [(), ("contacts_linked_at_conversion", "late_logged_meetings", "bots_on_misfits")])
def test_an_earlier_export_is_a_later_one_rewound(trap: tuple[str, ...]) -> None:
    back, early = rewound(frames(*trap), EARLY), frames(*trap, at=EARLY)
    for name in REQUIRED:
        expected, found = early[name], back[name]
        if name == "opportunities":
            # amount is of the instant: what is open holds its plan, and the later export overwrote it
            same = (
                expected["closed_at"].notna()
                | frames(*trap)[name]
                .set_index("opportunity_id")
                .reindex(expected["opportunity_id"])["closed_at"]
                .isna()
                .to_numpy()
            ).to_numpy()
            pd.testing.assert_series_equal(found["amount"][same], expected["amount"][same])
            found, expected = found.drop(columns="amount"), expected.drop(columns="amount")
        if name == "accounts":
            for side in (found, expected):
                side["employee_count"] = side["employee_count"].astype(float)
                side["technologies"] = [None if v is None else tuple(v) for v in side["technologies"]]
        pd.testing.assert_frame_equal(found, expected, check_dtype=False)


def test_what_an_export_holds_is_of_its_instant() -> None:
    late, early = frames()["opportunities"], frames(at=EARLY)["opportunities"]
    both = early.merge(late, on="opportunity_id", suffixes=("", "_later"))
    assert (~both["is_closed"] & both["is_closed_later"]).any()
    assert (both["stage"] != both["stage_later"]).any()
    closed_since = ~both["is_closed"] & both["is_closed_later"]
    assert (both["amount"] != both["amount_later"])[closed_since].mean() > 0.8
    deleted = frames()["accounts"]["deleted_at"].dropna()
    assert (deleted >= pd.Timestamp(EARLY).tz_localize(None)).any()
    assert (deleted < pd.Timestamp(EARLY).tz_localize(None)).any()
    history = frames()["account_history"]
    assert history["old_value"].notna().all()
    assert set(history["field"]) == {"employee_count", "owner_id"}


def outcomes(of: World, truth: pd.DataFrame) -> pd.DataFrame:
    """Eligible rows (no open opportunity, not a customer) with whether they opened one, read from the tables."""
    deals = of.tables()["opportunities"].to_pandas()
    won = deals[deals["is_won"]].groupby("account_id")["closed_at"].min()
    new = deals[deals["type"] == "New Business"]
    rows = truth.reset_index(drop=True).assign(row=np.arange(len(truth)))
    pairs = rows.merge(new, on="account_id")
    is_open = (pairs["created_at"] < pairs["as_of"]) & ~(pairs["closed_at"] < pairs["as_of"])
    opens = (pairs["created_at"] >= pairs["as_of"]) & (pairs["created_at"] < pairs["as_of"] + HORIZON)
    customer = rows["account_id"].map(won) < rows["as_of"]
    eligible = ~customer & ~rows["row"].isin(pairs["row"][is_open])
    return rows.assign(outcome=rows["row"].isin(pairs["row"][opens]))[eligible]


def auc(outcome: pd.Series, score: pd.Series) -> float:
    ranks, n = score.rank(), int(outcome.sum())
    return float((ranks[outcome].sum() - n * (n + 1) / 2) / (n * (len(outcome) - n)))


@cache
def judged() -> pd.DataFrame:
    of = world(accounts=6000, seed=5, months=12)
    return outcomes(of, of.truth(of.spec.as_ofs[::3]))


def test_latent_probability_is_calibrated() -> None:
    """Rows of one as_of are independent given their hidden states, so the binomial error is the right one."""
    rows = judged()
    for _, month in rows.groupby("as_of"):
        p, y = month["latent_probability"], month["outcome"]
        assert abs(y.sum() - p.sum()) < 4 * np.sqrt((p * (1 - p)).sum())
    one = rows[rows["as_of"] == rows["as_of"].min()]
    for _, part in one.groupby(pd.qcut(one["latent_probability"], 10, duplicates="drop"), observed=True):
        p, y = part["latent_probability"], part["outcome"]
        assert abs(y.sum() - p.sum()) < 4 * np.sqrt((p * (1 - p)).sum()) + 1
    assert one["latent_probability"].between(0, 1).all()


def test_latent_probability_is_that_of_the_whole_chain() -> None:
    """An oracle: the joint transition matrix of news and state, with an opening as the end, to the power of 90."""
    accounts = make_accounts(WorldSpec(accounts=50), 24)
    own, kinds = cycles.hazards(accounts), len(NEWS) + 1
    found = cycles.open_probability(accounts, 90)
    shares = [share for share, _ in NEWS.values()]
    for account in (0, 17, 49):
        news = np.zeros((kinds, kinds))
        news[0] = [1 - own.news[account], *(own.news[account] * np.array(shares))]
        for kind in range(1, kinds):
            news[kind, [0, kind]] = 1 / 35, 1 - 1 / 35
        opened = kinds * cycles.STATES
        whole = np.zeros((opened + 1, opened + 1))
        whole[opened, opened] = 1.0
        for now in range(kinds):
            for state in range(cycles.STATES):
                ways = dict.fromkeys(range(cycles.STATES), 0.0)
                first, second = cycles._MOVES.get(state, ((state, 0.0), (state, 0.0)))
                chances = [first[1], second[1]]
                if state == cycles.OUT:
                    chances[0] = own.entry[account, now]
                if state == cycles.NEGOTIATION:
                    chances = [own.win[account] / 12, (1 - own.win[account]) / 12]
                ways[first[0]] += chances[0]
                ways[second[0]] += chances[1]
                ways[state] += 1 - sum(chances)
                for then, chance in ways.items():
                    if state == cycles.EVALUATION and then == cycles.DISCOVERY:
                        whole[now * cycles.STATES + state, opened] += chance
                    else:
                        for later in range(kinds):
                            whole[now * cycles.STATES + state, later * cycles.STATES + then] += (
                                chance * news[now, later]
                            )
        expected = np.linalg.matrix_power(whole, 90)[:-1, opened].reshape(kinds, cycles.STATES)
        np.testing.assert_allclose(found[account], expected, atol=1e-12)


def test_the_base_rate_and_the_best_there_is_are_as_meant() -> None:
    rows = judged()
    assert 0.06 < rows["outcome"].mean() < 0.095
    assert 0.83 < auc(rows["outcome"], rows["latent_probability"]) < 0.90
    assert 0.03 < rows["in_cycle"].mean() < 0.15


def test_the_truth_follows_the_horizon() -> None:
    short = simulate(WorldSpec(seed=11, accounts=400, months=12, horizon_days=30))
    a, b = short.truth(), world().truth()
    assert (a["latent_probability"] <= b["latent_probability"]).all()
    assert a["latent_probability"].mean() < 0.6 * b["latent_probability"].mean()


def test_planted_effects_show() -> None:
    of = world(accounts=6000, seed=5, months=12)
    rows = judged().merge(of.utility.rename_axis("account_id").reset_index(), on="account_id")
    by_fifth = rows.groupby(pd.qcut(rows["utility"], 5), observed=True)["outcome"].mean()
    assert by_fifth.is_monotonic_increasing
    assert by_fifth.iloc[-1] > 4 * by_fifth.iloc[0]
    accounts = of.tables()["accounts"].to_pandas()
    rate = rows.merge(accounts[["account_id", "industry"]], on="account_id").groupby("industry")["outcome"].mean()
    effects = pd.Series(of.effects["industry"])
    assert rate.corr(effects.reindex(rate.index), method="spearman") > 0.7
    assert rate["Software"] > 2 * rate["Education"]


def test_signals_tell_cycles_but_volume_follows_size() -> None:
    of = world(accounts=6000, seed=5, months=12)
    as_of = of.spec.as_ofs[6]
    truth = of.truth([as_of]).set_index("account_id")
    tables = of.tables(as_of)
    rows = tables["activities"].to_pandas().dropna(subset=["account_id"])
    stamp = pd.Timestamp(as_of).tz_localize(None)
    rows = rows[(rows["occurred_at"] >= stamp - timedelta(days=30)) & (rows["initiator"] == "buyer")]
    pricing = rows[rows["kind"] == "pricing_visit"].groupby("account_id").size().reindex(truth.index).fillna(0)
    out = outcomes(of, truth.reset_index()).set_index("account_id")
    pricing = pricing[out.index]
    assert pricing[out["in_cycle"]].mean() > 3 * pricing[~out["in_cycle"]].mean()
    volume = rows.groupby("account_id").size().reindex(out.index).fillna(0)
    size = tables["accounts"].to_pandas().set_index("account_id")["employee_count"].reindex(out.index)
    quiet = ~out["in_cycle"] & size.notna()
    assert volume[quiet & (size >= 1000)].mean() > 1.5 * volume[quiet & (size < 200)].mean()


def test_what_an_activity_is_worth_is_what_the_states_behind_the_activities_say() -> None:
    """Bayes' rule by counting: in which state an account was whenever a kind was seen, over all days of a world."""
    of = world(accounts=6000, seed=5, months=12)
    as_of = of.spec.as_ofs[6]
    told, log = of.signal_effects(as_of), of.facts.log
    day = of.spec.day_of(log["occurred"].to_numpy())
    log = log.assign(day=day)[(day >= 0) & (day < of.spec.days)]
    state = of.paths.state[log["day"], log["account"]]
    waiting = np.isin(of.paths.state[of._day(as_of)], WAITING)
    opens = of._chances[waiting].mean(axis=0)[0, list(WAITING)]
    everywhere = np.array([(of.paths.state == s).sum() for s in WAITING])
    checked = []
    for name in set(told) - set(NEWS):
        seen = np.array([((log["kind"] == KIND[name]) & (state == s)).sum() for s in WAITING])
        if seen.sum() > 1000:
            worth = logit(seen @ opens / seen.sum()) - logit(everywhere @ opens / everywhere.sum())
            assert told[name] == pytest.approx(worth, abs=0.12), name
            checked.append(name)
    assert len(checked) >= 9
    assert told["unsubscribe"] == 0.0
    news = pd.Series(of.effects["news"])
    assert pd.Series(told)[news.index].corr(news, method="spearman") == 1.0
    with pytest.raises(UsageError, match="00:00 UTC"):
        of.signal_effects(as_of + timedelta(hours=3))


def without(table: str, *traps: str, columns: tuple[str, ...] = ()) -> pd.DataFrame:
    frame = frames(*traps)[table].drop(columns=list(columns))
    if "technologies" in frame:
        frame = frame.assign(technologies=frame["technologies"].map(str))
    return frame


CHANGES = {
    "late_filled_attribute": {"accounts"},
    "todays_lifecycle_stage": {"accounts"},
    "contacts_linked_at_conversion": {"contacts", "activities"},
    "late_logged_meetings": {"activities"},
    "bots_on_misfits": {"activities"},
    "seller_effort_by_old_rubric": {"activities"},
    "tracking_change": {"activities"},
}


@pytest.mark.parametrize("trap", TRAPS)
def test_a_trap_changes_its_tables_only_and_never_the_truth(trap: str) -> None:
    changed = {name for name in REQUIRED if not without(name).equals(without(name, trap))}
    assert changed == CHANGES[trap]
    pd.testing.assert_frame_equal(world().truth(), world(trap).truth())


def first_opening(tables: dict[str, pd.DataFrame]) -> pd.Series:
    deals = tables["opportunities"]
    return deals[deals["type"] == "New Business"].groupby("account_id")["created_at"].min()


def test_trap_late_filled_attribute() -> None:
    assert "budget_range" not in frames()["accounts"]
    tables = frames("late_filled_attribute")
    accounts = tables["accounts"].set_index("account_id")
    opened = accounts.index.isin(first_opening(tables).index)
    assert accounts["budget_range"][opened].notna().mean() > 0.7
    assert accounts["budget_range"][~opened].notna().mean() < 0.06
    early = frames("late_filled_attribute", at=EARLY)["accounts"].set_index("account_id")["budget_range"]
    later = accounts["budget_range"].reindex(early.index)
    assert (early.isna() & later.notna()).sum() > 5
    assert (early[early.notna()] == later[early.notna()]).all()
    assert "budget_range" not in set(tables["account_history"]["field"])
    pd.testing.assert_frame_equal(
        without("accounts"), without("accounts", "late_filled_attribute", columns=("budget_range",))
    )


def test_trap_todays_lifecycle_stage() -> None:
    assert "lifecycle_stage" not in frames()["accounts"]
    tables = frames("todays_lifecycle_stage")
    stage = tables["accounts"].set_index("account_id")["lifecycle_stage"]
    deals = tables["opportunities"]
    assert (stage[deals["account_id"][deals["is_won"]].unique()] == "customer").mean() > 0.9
    opened = stage.index.isin(first_opening(tables).index)
    assert stage[opened].isin(["customer", "opportunity", "recycled"]).all()
    assert not stage[~opened].isin(["customer", "opportunity", "recycled"]).any()
    early = frames("todays_lifecycle_stage", at=EARLY)["accounts"].set_index("account_id")["lifecycle_stage"]
    assert (early != stage.reindex(early.index)).any()


def test_trap_contacts_linked_at_conversion() -> None:
    def at_opening(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
        deals = tables["opportunities"]
        new = deals[deals["type"] == "New Business"][["account_id", "created_at"]]
        return tables["contacts"].merge(
            new, left_on=["account_id", "linked_at"], right_on=["account_id", "created_at"], suffixes=("", "_deal")
        )

    assert len(at_opening(frames())) == 0
    tables = frames("contacts_linked_at_conversion")
    late = at_opening(tables)
    assert len(late) > 50
    assert (late["linked_at"] - late["created_at"]).median() > pd.Timedelta(days=30)
    seen = tables["activities"].merge(late[["contact_id", "linked_at"]], on="contact_id")
    assert len(seen) > 0
    assert (seen["occurred_at"] < seen["linked_at"]).all()


def test_trap_late_logged_meetings() -> None:
    def lags(tables: dict[str, pd.DataFrame]) -> pd.Series:
        rows = tables["activities"][tables["activities"]["kind"] == "meeting_held"]
        return rows["recorded_at"] - rows["occurred_at"]

    assert lags(frames()).max() <= pd.Timedelta(days=2)
    tables = frames("late_logged_meetings")
    assert (lags(tables) >= pd.Timedelta(days=14)).mean() > 0.25
    opened = first_opening(tables)
    rows = tables["activities"][tables["activities"]["kind"] == "meeting_held"].dropna(subset=["account_id"])
    at = rows["account_id"].map(opened)
    backdated = (rows["occurred_at"] < at) & (rows["recorded_at"] > at)
    assert backdated.sum() > 20


def test_trap_bots_on_misfits() -> None:
    def web(tables: dict[str, pd.DataFrame]) -> pd.Series:
        rows = tables["activities"][(tables["activities"]["channel"] == "web")]
        return rows.groupby("account_id").size().reindex(world().utility.index).fillna(0)

    more = web(frames("bots_on_misfits")) - web(frames())
    flooded = more[more > 0].index
    assert more.sum() > 1000
    assert (world().utility[flooded] <= world().utility.quantile(0.25)).all()


def test_trap_seller_effort_by_old_rubric() -> None:
    def effort(tables: dict[str, pd.DataFrame]) -> pd.Series:
        rows = tables["activities"][tables["activities"]["initiator"] == "seller"]
        owner = tables["contacts"].set_index("contact_id")["account_id"]
        who = rows["account_id"].fillna(rows["contact_id"].map(owner))
        return who.value_counts().reindex(world().utility.index).fillna(0)

    rubric = pd.Series(old_rubric(world().facts.accounts), index=world().utility.index)
    trap = "seller_effort_by_old_rubric"
    assert effort(frames(trap)).corr(rubric, method="spearman") > 0.5
    assert abs(effort(frames()).corr(rubric, method="spearman")) < 0.25

    def buyers(*traps: str) -> pd.DataFrame:
        rows = frames(*traps)["activities"].drop(columns="activity_id")
        rows = rows[rows["initiator"] == "buyer"]
        return rows.sort_values(list(rows.columns)).reset_index(drop=True)

    pd.testing.assert_frame_equal(buyers(), buyers(trap))


def test_trap_tracking_change() -> None:
    since = world("tracking_change").tracked_from["intent"]
    stamp = pd.Timestamp(since).tz_localize(None)
    kept = frames("tracking_change")["activities"]
    intent = kept[kept["channel"] == "intent"]
    assert len(intent) > 0
    assert (intent["occurred_at"] >= stamp).all()
    before = frames()["activities"]
    assert ((before["channel"] == "intent") & (before["occurred_at"] < stamp)).sum() > 100
    assert world().tracked_from == {}


def test_no_person_is_named() -> None:
    for frame in frames(*TRAPS).values():
        assert not set(frame.columns) & {"first_name", "last_name", "email", "phone"}
        for column in frame.select_dtypes(include=["str", "object"]).columns:
            assert not frame[column].astype(str).str.contains("@").any()


def test_calendar() -> None:
    spec = WorldSpec(start=date(2025, 3, 1), months=6)
    assert [d.date().isoformat() for d in spec.as_ofs[::5]] == ["2025-03-01", "2025-08-01"]
    assert spec.ends_at.date().isoformat() == "2025-12-01"
    assert spec.history_from < spec.as_ofs[0]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"traps": frozenset({"snares"})}, "The trap 'snares' was asked for"),
        ({"accounts": 3}, "accounts is at least 50"),
        ({"months": 0}, "months is at least 1"),
    ],
)
def test_a_spec_that_cannot_be_is_refused(values: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=f"(?i){words}"):
        WorldSpec(**values)  # type: ignore[arg-type]


def test_instants_outside_the_world_are_refused() -> None:
    with pytest.raises(UsageError, match="this world runs from"):
        world().tables(datetime(2031, 1, 1, tzinfo=UTC))
    with pytest.raises(UsageError, match="at 00:00 UTC"):
        world().truth([EARLY + timedelta(hours=3)])
    with pytest.raises(UsageError, match="no as_of"):
        world().truth([])
