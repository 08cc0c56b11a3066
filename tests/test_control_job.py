"""The control group in a real workspace: months scored, a revision, a merge, explained and reviewed."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

import nursery
import tierwise
from tierwise.clock import instant
from tierwise.config import Workspace
from tierwise.jobs import ScoreResult, deliver
from tierwise.publishing import PublishedRun, read_run
from tierwise.routing import default_plays
from tierwise.routing.control import CONTROL, TREATED
from tierwise.store import Store, draws, withheld

PLAN = "new_business"
DATES = ("2025-07-01", "2025-08-01", "2025-10-01")
SELLERS = {play.play for play in default_plays().plays if play.by_seller}
IN_TIERS = {play.play for play in default_plays().plays if play.by_seller and play.tiers}
OPEN = ("tier_1", "tier_2")


def anew(small_demo: Path, folder: Path, control: str = "") -> Workspace:
    """The small demo with its model, as if nothing had been scored yet."""
    shutil.copytree(small_demo, folder)
    shutil.rmtree(folder / "published")
    (folder / "state" / "tierwise.db").unlink()
    return group_of(folder, control)


def group_of(folder: Path, control: str) -> Workspace:
    plays = folder / "models" / PLAN / "plays.yaml"
    kept = [line for line in plays.read_text("utf-8").splitlines() if not line.startswith("control:")]
    plays.write_text("\n".join([*kept, *([f"control: {control}"] if control else []), ""]), "utf-8")
    return tierwise.load_workspace(folder)


@dataclass(frozen=True)
class Told:
    """A workspace without a group and one with, each scored on DATES."""

    without: Workspace
    bare: list[ScoreResult]
    workspace: Workspace
    runs: list[ScoreResult]
    named: list[str]


def published(workspace: Workspace, result: ScoreResult) -> PublishedRun:
    return read_run(workspace.published, PLAN, result.run_id)


@pytest.fixture(scope="module")
def told(small_demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Told:
    home = tmp_path_factory.mktemp("control")
    without = anew(small_demo, home / "without")
    bare = [tierwise.score(without, as_of=as_of) for as_of in DATES]
    first = bare[0].tiers
    named = first.loc[first["tier"].isin(OPEN), "account_id"].head(5).tolist()
    workspace = anew(small_demo, home / "with", f"{{share: 0.25, salt: s, never: [{', '.join(named)}]}}")
    return Told(without, bare, workspace, [tierwise.score(workspace, as_of=as_of) for as_of in DATES], named)


def log_of(workspace: Workspace) -> pd.DataFrame:
    with Store.open(workspace.store) as store:
        return draws(store, PLAN)


def test_a_share_of_none_publishes_the_same_bytes_under_the_same_run(
    told: Told, small_demo: Path, tmp_path: Path
) -> None:
    none = anew(small_demo, tmp_path / "none", "{share: 0, salt: other, never: [A1]}")
    result = tierwise.score(none, as_of=DATES[0])
    one, other = published(told.without, told.bare[0]), published(none, result)
    assert one.run_id == other.run_id
    for file in ("actions.jsonl", "report.html", "tiers.parquet"):
        assert one.content(file) == other.content(file), file
    assert one.meta == other.meta
    assert "control" not in one.meta
    assert log_of(none).empty


def test_runs_owe_what_they_owed_less_the_sellers_actions_of_the_group(told: Told) -> None:
    log = log_of(told.workspace)
    assert log["account_id"].is_unique
    assert not set(told.named) & set(log["account_id"])
    for tier, rows in log.groupby("tier"):
        assert abs((rows["arm"] == CONTROL).sum() - 0.25 * len(rows)) < 1, tier
    held = dict(zip(log.loc[log["arm"] == CONTROL, "account_id"], log["drawn_as_of"], strict=False))
    with Store.open(told.workspace.store) as store:
        off, outbox = withheld(store, PLAN), store.outbox(PLAN, None)
    every = 0
    for bare, result in zip(told.bare, told.runs, strict=True):
        one, other = published(told.without, bare), published(told.workspace, result)
        before = {a["action_id"]: {k: v for k, v in a.items() if k != "run_id"} for a in one.actions()}
        after = {a["action_id"]: {k: v for k, v in a.items() if k != "run_id"} for a in other.actions()}
        assert after.items() <= before.items()
        gone = {i: before[i] for i in before.keys() - after.keys()}
        watching = {i for i, a in gone.items() if a["overdue_of"]}
        assert all(gone[i]["overdue_of"] in gone for i in watching), "nothing is overdue that was never owed"
        gone = {i: a for i, a in gone.items() if i not in watching}
        assert gone.keys() == set(off.loc[off["run_id"] == result.run_id, "action_id"])
        assert all(a["account_id"] in held and a["play"] in IN_TIERS for a in gone.values())
        left = [a for a in after.values() if a["account_id"] in held and a["play"] in SELLERS]
        assert {a["tier"] for a in left} <= {"in_pipeline", "customer"}, "an open deal is helped"
        assert other.meta["control"]["withheld"] == len(gone)
        assert other.meta["control"]["share"] == 0.25
        pd.testing.assert_frame_equal(
            one.frame("tiers").drop(columns="run_id"), other.frame("tiers").drop(columns="run_id")
        )
        page = other.content("report.html").decode()
        assert (
            "held back from seller action in the tiers, and were never owed any, so that the review can say what"
            in page
        )
        every += len(gone)
    assert every > 20
    assert not set(off["action_id"]) & set(outbox["action_id"])
    first = published(told.workspace, told.runs[0]).meta["control"]
    assert sum(n for arms in first["drawn"].values() for n in arms.values()) == (log["drawn_as_of"] == DATES[0]).sum()


def test_a_run_that_is_repeated_draws_nothing_and_a_revision_and_a_backfill_keep_the_arms(
    told: Told, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(told.workspace.folder, tmp_path / "ws"))
    workspace = tierwise.load_workspace(folder)
    log = log_of(workspace)
    again = tierwise.score(workspace, as_of=DATES[-1])
    assert (again.new, again.run_id) == (False, told.runs[-1].run_id)
    pd.testing.assert_frame_equal(log_of(workspace), log)
    backfill = tierwise.score(workspace, as_of="2025-09-01")
    assert (backfill.kind, backfill.actions) == ("backfill", 0)
    pd.testing.assert_frame_equal(log_of(workspace), log)
    half = group_of(folder, f"{{share: 0.5, salt: s, never: [{', '.join(told.named)}]}}")
    revision = tierwise.score(half, as_of=DATES[-1])
    assert revision.kind == "revision"
    pd.testing.assert_frame_equal(log_of(workspace), log)
    other = group_of(folder, "{share: 0.25, salt: t}")
    run = tierwise.score(other, as_of="2025-10-02")
    both = log_of(other)
    entered = run.movements[run.movements["tier"].isin(OPEN)]["account_id"]
    assert set(both.loc[both["salt"] == "t", "account_id"]) <= set(entered), "nobody is drawn who stands there"
    pd.testing.assert_frame_equal(both[both["salt"] == "s"].reset_index(drop=True), log)
    stood = run.tiers.set_index("account_id")
    with Store.open(other.store) as store:
        off = withheld(store, PLAN)
    begun = off[off["play"].isin(["focus", "growth"])]
    begun = begun.sort_values("as_of").drop_duplicates("account_id", keep="last")
    wanted = {
        (a, p)
        for a, p, at in begun[["account_id", "play", "as_of"]].itertuples(index=False, name=None)
        if stood.loc[a, "tier"] == {"focus": "tier_1", "growth": "tier_2"}[p] and stood.loc[a, "tier_since"] <= at
    }
    acts = [a for a in published(other, run).actions() if not a["overdue_of"]]
    assert wanted
    assert {(a["account_id"], a["play"]) for a in acts} >= wanted, "another salt: those of before get their actions"
    assert published(other, run).meta["control"]["owed_after_all"] == len(wanted)


def explained(folder: Path, account_id: str) -> str:
    return nursery.tierwise("-C", folder, "explain", account_id, columns=400).stdout


def test_a_merge_and_an_override_are_followed_and_explain_says_so(told: Told, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(told.workspace.folder, tmp_path / "ws"))
    workspace = tierwise.load_workspace(folder)
    log, tiers = log_of(workspace), told.runs[-1].tiers.set_index("account_id")["tier"]
    since = told.runs[-1].tiers.set_index("account_id")["tier_since"]
    arm, drawn = (log.set_index("account_id")[name] for name in ("arm", "drawn_as_of"))
    held = [a for a in arm.index if tiers[a] in OPEN and arm[a] == CONTROL and since[a] <= drawn[a]]
    worked = [a for a in arm.index if tiers[a] in OPEN and arm[a] == TREATED and drawn[a] == pd.Timestamp(DATES[0])]
    with Store.open(workspace.store) as store:
        owed = {a for a, p in store.outbox(PLAN, None)[["account_id", "payload"]].to_numpy() if p["play"] in SELLERS}
    plain = next(a for a in tiers.index if tiers[a] == "tier_3" and a not in arm.index and a not in owed)
    lost, freed, still = held[:3]
    late = next(a for a in held[3:] if drawn[a] > pd.Timestamp(DATES[0]))
    pairs = {lost: plain, worked[0]: late}
    merges = pd.DataFrame({"losing_id": list(pairs), "surviving_id": list(pairs.values()),
                           "merged_at": pd.Timestamp("2025-10-05")})  # fmt: skip
    merges.to_parquet(folder / "tables" / "account_merges.parquet")
    tierwise.override(
        workspace, freed, tier=tiers[freed], until="2026-03-01", reason="strategic", by="Jo Doe",
        made_at=instant("2025-10-03"),
    )  # fmt: skip
    run = tierwise.score(workspace, as_of="2025-10-12")
    new = log_of(workspace)
    over = new[new["via"] != ""].set_index("account_id")
    assert over[["via", "arm"]].to_dict("index") == {
        plain: {"via": lost, "arm": CONTROL}, late: {"via": worked[0], "arm": TREATED},
    }  # fmt: skip
    begins = {"tier_1": "focus", "tier_2": "growth"}
    acts = pd.DataFrame([a for a in published(workspace, run).actions() if not a["overdue_of"]])
    stood = run.tiers.set_index("account_id")
    given = {(a, p) for a, p, c in acts[["account_id", "play", "cause"]].to_numpy() if p in IN_TIERS}
    for account, cause in ((freed, "override"), (late, "policy")):
        assert stood.loc[account, "tier"] == tiers[account]
        mine = acts[(acts["account_id"] == account) & (acts["play"] == begins[tiers[account]])]
        assert mine["cause"].tolist() == [cause], account
        assert mine["due_at"].notna().all()
    assert not any(account == plain for account, _ in given)
    assert not any(account == still for account, _ in given)
    assert (
        f"It is in the control group, drawn as of 2025-07-01, with {lost}, which was merged into it: it is owed no"
        in (explained(folder, plain))
    )
    said = explained(folder, still)
    assert f"It is in the control group, drawn as of {drawn[still]:%Y-%m-%d} in tier_" in said
    assert "it is owed no seller action. Withheld: " in said
    assert (
        f"in tier_{tiers[freed][-1]}, and gets seller actions again since 2025-10-12, as a person's override is in "
        "force. Withheld until then: "
    ) in explained(folder, freed)
    assert "control group" not in explained(folder, worked[1])
    told_json = json.loads(nursery.tierwise("-C", folder, "--json", "explain", still).stdout)
    assert told_json["control"].startswith("It is in the control group")
    page = published(workspace, run).content("report.html").decode()
    assert "control group" not in json.dumps([*published(workspace, run).actions()]).lower()
    assert page.count("Control group") == 1, "the page names no account of it"


def sellers_owed(workspace: Workspace) -> pd.DataFrame:
    """Every action by a seller in a tier that was ever owed: account_id, play, as_of, status."""
    with Store.open(workspace.store) as store:
        every = store.outbox(PLAN, None)
    every = every.assign(play=[p["play"] for p in every["payload"]])
    return every[every["play"].isin(IN_TIERS)].reset_index(drop=True)


def test_a_group_that_is_switched_on_draws_who_enters_and_nobody_who_stands_and_switched_off_owes_what_it_withheld(
    told: Told, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(told.without.folder, tmp_path / "ws"))
    with (folder / "tierwise.yaml").open("a", encoding="utf-8") as file:
        file.write("sinks: [{name: archive, kind: files, at: outgoing}]\n")
    workspace = group_of(folder, "{share: 0.4, salt: s}")
    before = sellers_owed(workspace)
    standing = told.bare[-1].tiers.set_index("account_id")["tier"]
    same = tierwise.score(workspace, as_of=DATES[-1])
    assert same.kind == "revision"
    assert log_of(workspace).empty, "a revision draws nobody"
    pd.testing.assert_frame_equal(sellers_owed(workspace), before)
    assert "0 accounts are held back" in published(workspace, same).content("report.html").decode()
    runs = [tierwise.score(workspace, as_of=as_of) for as_of in ("2025-11-01", "2025-12-01", "2026-01-01")]
    log = log_of(workspace)
    assert len(log) > 10
    owed_by_then = before["account_id"]
    for account, tier, at in log[["account_id", "tier", "drawn_as_of"]].itertuples(index=False, name=None):
        run = next(r for r in runs if pd.Timestamp(r.as_of.replace(tzinfo=None)) == at)
        assert account not in set(owed_by_then)
        assert account not in standing.index or standing[account] != tier or at > pd.Timestamp("2025-11-01")
        assert run.tiers.set_index("account_id").loc[account, "tier_since"] == at, "it entered"
    held = set(log.loc[log["arm"] == CONTROL, "account_id"])
    assert len(held) >= 3
    assert not held & set(sellers_owed(workspace)["account_id"]), "no seller action for the control group"
    deliver(workspace, clock=lambda: datetime(2026, 1, 1, 12, tzinfo=UTC))
    out = [
        json.loads(line) for file in (folder / "outgoing").rglob("*.jsonl") for line in file.read_text().splitlines()
    ]
    sent = [one.get("data", one) for one in out]
    assert sent
    assert not [a for a in sent if a["account_id"] in held and a["play"] in IN_TIERS]
    with Store.open(workspace.store) as store:
        off = withheld(store, PLAN)
    stood = runs[-1].tiers.set_index("account_id")
    begun = [
        (a, p)
        for a, p, at in off[["account_id", "play", "as_of"]].itertuples(index=False, name=None)
        if stood.loc[a, "tier"] == {"focus": "tier_1", "growth": "tier_2"}.get(p) and stood.loc[a, "tier_since"] == at
    ]
    assert len(begun) >= 2
    named = begun[0][0]
    for control, owed in (
        (f"{{share: 0.4, salt: s, never: [{named}]}}", {begun[0]}),
        (f"{{share: 0.4, salt: s, never: [{named}], detect: 0.9}}", set()),
        ("", set(begun[1:])),
        ("{share: 0.4, salt: s}", set()),
    ):
        was = sellers_owed(workspace)
        again = tierwise.score(group_of(folder, control), as_of="2026-01-01")
        new = sellers_owed(workspace)
        new = new[~new["action_id"].isin(was["action_id"])]
        assert sorted(zip(new["account_id"], new["play"], strict=True)) == sorted(owed), control
        assert (new["status"] == "owed").all()
    assert again.kind == "revision"
    later = tierwise.score(group_of(folder, "{share: 0.4, salt: s}"), as_of="2026-01-07")
    mine = sellers_owed(workspace)
    mine = mine[mine["account_id"].isin([a for a, _ in begun])]
    assert not mine[mine["as_of"] <= "2026-01-01"].duplicated(["account_id", "play"]).any(), "no second time"
    entered = mine[(mine["as_of"] > "2026-01-01") & mine["play"].isin(["focus", "growth"])]["account_id"]
    assert set(entered) <= set(later.movements["account_id"]), "only who moved since"


def test_near_a_cut_an_account_is_held_back_only_in_the_tier_of_its_draw(
    told: Told, small_demo: Path, tmp_path: Path
) -> None:
    workspace = anew(small_demo, tmp_path / "near", "{near: 20, salt: s}")
    runs = [tierwise.score(workspace, as_of=as_of) for as_of in DATES]
    log = log_of(workspace)
    assert set(log["near"]) == {20.0}
    assert len(log) < (told.runs[0].tiers["tier"].isin(OPEN)).sum() + 30
    drawn = log[log["arm"] == CONTROL].set_index("account_id")
    with Store.open(workspace.store) as store:
        off = withheld(store, PLAN)
    assert {"focus", "growth"} & set(off["play"])
    moved = 0
    for bare, run in zip(told.bare[1:], runs[1:], strict=True):
        rows = run.tiers.set_index("account_id")
        before = {(a["account_id"], a["play"]) for a in published(told.without, bare).actions()}
        after = {(a["account_id"], a["play"]) for a in published(workspace, run).actions()}
        gone = off[off["run_id"] == run.run_id]
        for account, draw in drawn[drawn["drawn_as_of"] < run.as_of.replace(tzinfo=None)].iterrows():
            stays = rows.loc[account, "tier"] == draw["tier"] and rows.loc[account, "tier_since"] <= draw["drawn_as_of"]
            mine = {play for who, play in before if who == account and play in IN_TIERS}
            kept = {play for who, play in after if who == account and play in IN_TIERS}
            ended = {"tier_1": "focus_ended", "tier_2": "growth_ended"}[draw["tier"]]
            if stays:
                assert not kept
            else:
                assert mine - {ended} <= kept, "what its new tier calls for"
                assert ended not in kept, "what never began is not ended"
                moved += 1
        assert set(gone["account_id"]) <= set(drawn.index)
    assert moved > 3


def test_the_review_shows_both_sides_and_when_it_can_be_read(told: Told, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(told.workspace.folder, tmp_path / "ws"))
    workspace = tierwise.load_workspace(folder)
    found = tierwise.govern(workspace, as_of="2026-01-01")
    control = found.review.control
    assert control is not None
    log = log_of(workspace)
    assert control.drawn == {arm: int((log["arm"] == arm).sum()) for arm in (TREATED, CONTROL)}
    arm = dict(zip(log["account_id"], log["arm"], strict=True))
    since = dict(zip(log["account_id"], log["drawn_as_of"], strict=True))
    deals = pd.read_parquet(workspace.tables / "opportunities.parquet")
    new = deals[deals["type"] == "New Business"]
    opened = new.groupby("account_id")["created_at"].agg(lambda s: sorted(s.dt.tz_localize(None)))
    counts = {name: [0, 0] for name in (TREATED, CONTROL)}
    for result in told.runs:
        at = pd.Timestamp(result.as_of.replace(tzinfo=None))
        for account in result.tiers["account_id"]:
            if account in arm and since[account] == at:
                had = any(at <= t < at + timedelta(days=90) for t in opened.get(account, []))
                counts[arm[account]][0] += 1
                counts[arm[account]][1] += had
    line = control.line()
    for name, (n, outcomes) in counts.items():
        assert (line[f"{name}_n"], line[f"{name}_outcomes"]) == (n, outcomes), name
    assert line["lift_low"] < line["lift"] < line["lift_high"]
    page = (found.folder / "review.html").read_text("utf-8")
    said = json.loads((found.folder / "review.json").read_text("utf-8"))["control"]
    assert "With seller action, and without" in page
    assert f"of {line['control_n']:,} accounts" in page
    assert "who looks each month errs oftener" in page
    assert said["words"] == control.words
    assert control.words in [reason.words for reason in found.review.reasons]
    print(f"\n{control.words}")
    none = tierwise.govern(told.without, as_of="2026-01-01")
    assert none.review.control is None
    assert "seller action" not in (none.folder / "review.html").read_text("utf-8")
    ended = tierwise.govern(group_of(folder, ""), as_of="2026-01-01").review.control
    assert ended is not None
    assert ended.line()["control_n"] == line["control_n"], "a group that has ended is still read"
