"""The jobs on a real workspace: revisions, backfills, going back, what is withdrawn, and what is refused."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import tierwise
from tierwise.config import Workspace
from tierwise.errors import ContractError, EnvironmentFault, RunHeld, UsageError
from tierwise.publishing import read_current
from tierwise.store import Store

PLAN = "new_business"


@pytest.fixture
def workspace(small_demo: Path, tmp_path: Path) -> Workspace:
    """A copy of the small demo that a test may change."""
    return tierwise.load_workspace(shutil.copytree(small_demo, tmp_path / "ws"))


def exclude(workspace: Workspace, accounts: list[str]) -> bytes:
    """Exclude accounts from now on; gives the table's bytes of before."""
    path = workspace.tables / "exclusions.parquet"
    before = path.read_bytes()
    table = pq.read_table(path)
    rows = [{"account_id": a, "reason": "partner_conflict"} for a in accounts]
    pq.write_table(pa.concat_tables([table, pa.Table.from_pylist(rows, schema=table.schema)]), path)
    return before


def outbox(workspace: Workspace) -> dict[str, list[dict]]:
    """What is in the outbox, by status."""
    with Store.open(workspace.store) as store:
        frame = store.outbox(PLAN, None)
    return {status: rows.to_dict("records") for status, rows in frame.groupby("status")}


def test_changed_inputs_make_a_revision_whose_movements_are_the_difference(workspace: Workspace) -> None:
    first = read_current(workspace.published, PLAN)
    working = first.frame("tiers").query("tier == 'tier_2'")["account_id"].head(3).tolist()
    before = exclude(workspace, working)
    revised = tierwise.score(workspace, as_of="2026-01-01")
    assert (revised.kind, revised.new) == ("revision", True)
    assert sorted(revised.movements["account_id"]) == sorted(working)
    assert set(revised.movements["previous_tier"]) == {"tier_2"}
    assert set(revised.movements["tier"]) == {"suppress"}
    assert set(revised.movements["why"]) == {"Revised: tier_2 to suppress, as data changed."}
    assert read_current(workspace.published, PLAN).run_id == revised.run_id
    assert not tierwise.score(workspace, as_of="2026-01-01").new

    (workspace.tables / "exclusions.parquet").write_bytes(before)
    back = tierwise.score(workspace, as_of="2026-01-01")
    assert back.new, "going back to earlier inputs is a run of its own"
    assert back.run_id not in (first.run_id, revised.run_id)
    assert sorted(back.movements["account_id"]) == sorted(working)
    assert read_current(workspace.published, PLAN).run_id == back.run_id
    same = read_current(workspace.published, PLAN).frame("tiers").drop(columns=["run_id"])
    assert same.equals(first.frame("tiers").drop(columns=["run_id"]))


def test_a_backfill_owes_nothing_and_moves_neither_current_nor_later_states(workspace: Workspace) -> None:
    current = read_current(workspace.published, PLAN).run_id
    before = outbox(workspace)
    with Store.open(workspace.store) as store:
        state = store.prior_state(PLAN, datetime(2027, 1, 1, tzinfo=UTC))
    filled = tierwise.score(workspace, as_of="2025-09-15")
    assert (filled.kind, filled.new, filled.actions) == ("backfill", True, 0)
    assert read_current(workspace.published, PLAN).run_id == current
    assert outbox(workspace) == before
    with Store.open(workspace.store) as store:
        assert store.prior_state(PLAN, datetime(2027, 1, 1, tzinfo=UTC)).equals(state)
    review = tierwise.govern(workspace, as_of="2026-01-01").review
    assert int(review.precision.judged.excluded.set_index("reason")["n"].filter(like="backfill").sum()) == len(
        filled.tiers
    )


def test_outreach_to_an_account_is_withdrawn_once_it_is_suppressed_and_what_stops_it_stands(
    workspace: Workspace,
) -> None:
    owed = [row for row in outbox(workspace)["owed"] if row["payload"]["tier"] == "tier_2"]
    account = owed[0]["account_id"]
    before = exclude(workspace, [account])
    tierwise.score(workspace, as_of="2026-01-05")

    def left() -> set[str]:
        return {row["payload"]["motion"] for row in outbox(workspace)["owed"] if row["account_id"] == account}

    assert account in {row["account_id"] for row in outbox(workspace)["withdrawn"]}
    assert left() == {"none"}
    tierwise.score(workspace, as_of="2026-01-06")
    assert left() == {"none"}, "the next run leaves the stop owed"

    (workspace.tables / "exclusions.parquet").write_bytes(before)
    tierwise.score(workspace, as_of="2026-01-06")
    tiers = read_current(workspace.published, PLAN).frame("tiers").set_index("account_id")["tier"]
    plays = [p.motion for p in workspace.plan(PLAN).plays.plays if tiers[account] in p.tiers]
    assert "none" not in left(), "back in a tier, it is owed no stop"
    assert left() & set(plays), "but its tier's play"


def test_a_revision_owes_again_what_the_run_it_revises_withdrew_by_mistake(workspace: Workspace) -> None:
    owed = [row for row in outbox(workspace)["owed"] if row["payload"]["tier"] == "tier_2"]
    account = owed[0]["account_id"]
    mine = sorted(row["action_id"] for row in outbox(workspace)["owed"] if row["account_id"] == account)
    before = exclude(workspace, [account])
    tierwise.score(workspace, as_of="2026-01-05")
    (workspace.tables / "exclusions.parquet").write_bytes(before)
    assert tierwise.score(workspace, as_of="2026-01-05").kind == "revision"
    assert sorted(row["action_id"] for row in outbox(workspace)["owed"] if row["account_id"] == account) == mine


@pytest.mark.long
def test_a_changed_plan_is_trained_promoted_scored_and_rolled_back(workspace: Workspace) -> None:
    model = workspace.folder / "models" / PLAN / "model.yaml"
    old = model.read_text()
    model.write_text(old.replace("window_days: 90", "window_days: 60"))
    changed = tierwise.load_workspace(workspace.folder)
    challenger = tierwise.train(changed, as_of="2025-10-01")
    assert not challenger.live
    with pytest.raises(UsageError, match="tierwise promote"):
        tierwise.score(changed, as_of="2026-01-05")
    assert tierwise.promote(changed, share=1.0).model_version == challenger.model_version
    assert tierwise.score(changed, as_of="2026-01-05").new
    assert tierwise.rollback(changed).number == 1
    model.write_text(old)
    back = tierwise.load_workspace(workspace.folder)
    with pytest.raises(RunHeld, match="under the new model ") as held:
        tierwise.score(back, as_of="2026-01-06")
    tierwise.release(back, held.value.run_id, reason="rolled back", by="Ada", made_at=datetime(2030, 1, 1, tzinfo=UTC))
    assert tierwise.score(back, as_of="2026-01-06").new


def test_a_review_in_which_only_backfills_stand_says_so(workspace: Workspace) -> None:
    assert tierwise.score(workspace, as_of="2025-06-15").kind == "backfill"
    review = tierwise.govern(workspace, as_of="2025-06-20").review
    assert "drift was not reviewed" in " ".join(reason.words for reason in review.reasons)


def test_roles_that_the_history_does_not_bear_out_block_training(workspace: Workspace) -> None:
    (workspace.tables / "contact_history.parquet").unlink()
    result = tierwise.check(workspace)
    assert result.blocked
    assert [f.subject for f in result.findings if f.severity == "blocks"] == ["contacts' roles"]


def test_a_plan_that_has_changed_since_training_is_not_scored_with(workspace: Workspace) -> None:
    model = workspace.folder / "models" / PLAN / "model.yaml"
    model.write_text(model.read_text().replace("horizon_days: 90", "horizon_days: 30"))
    with pytest.raises(UsageError, match=r"outcome, cohort or features in model\.yaml have changed"):
        tierwise.score(tierwise.load_workspace(workspace.folder), as_of="2026-01-05")


def test_a_dry_run_leaves_every_file_as_it_was(workspace: Workspace) -> None:
    def files() -> dict[str, bytes]:
        found = (p for p in workspace.folder.rglob("*") if p.is_file() and p.name != ".lock")
        return {str(p): p.read_bytes() for p in found if not p.name.endswith(("-wal", "-shm"))}

    before = files()
    result = tierwise.score(workspace, as_of="2026-01-05", dry_run=True)
    assert result.folder is None
    assert not result.new
    assert files() == before


def test_a_folder_that_has_gone_is_said(workspace: Workspace) -> None:
    shutil.rmtree(read_current(workspace.published, PLAN).folder)
    with pytest.raises(EnvironmentFault, match="its folder is gone"):
        tierwise.score(workspace, as_of="2026-01-05")


def test_facts_after_now_do_not_make_rows_mature(workspace: Workspace) -> None:
    path = workspace.tables / "opportunities.parquet"
    table = pq.read_table(path)
    row = table.slice(0, 1).to_pylist()[0] | {"opportunity_id": "typo", "created_at": datetime(2062, 1, 1)}
    pq.write_table(pa.concat_tables([table, pa.Table.from_pylist([row], schema=table.schema)]), path)
    found = tierwise.check(workspace, now=datetime(2026, 1, 2, tzinfo=UTC)).intake.data_through["opportunities"]
    assert found < datetime(2026, 1, 2, tzinfo=UTC)


def test_a_person_s_data_are_no_feature(workspace: Workspace) -> None:
    path = workspace.tables / "accounts.parquet"
    table = pq.read_table(path)
    mails = pa.array(["zelda@secretmail.example"] * table.num_rows)
    pq.write_table(table.append_column("billing", mails).append_column("primary_contact", mails), path)
    drafted = tierwise.init(workspace.folder.parent / "other", workspace.tables)
    assert {"billing", "primary_contact"} <= {name for name, _ in drafted.left_out}
    model = workspace.folder / "models" / PLAN / "model.yaml"
    line = "    - {attribute: billing, kind: category, clock: accepted}\n  signal:"
    model.write_text(model.read_text().replace("  signal:", line, 1))
    with pytest.raises(ContractError, match=r"billing: .*look like e-mail addresses"):
        tierwise.train(tierwise.load_workspace(workspace.folder))


def test_every_published_row_sums_and_names_its_versions(small_demo: Path) -> None:
    import numpy as np

    run = read_current(small_demo / "published", PLAN)
    scores, reasons, tiers = run.frame("scores"), run.frame("reasons"), run.frame("tiers")
    cohort = scores.dropna(subset=["propensity"]).set_index("account_id")
    sides = reasons.pivot_table(index="account_id", columns="side", values="log_odds", aggfunc="sum").reindex(
        cohort.index
    )
    np.testing.assert_allclose(sides["fit"].fillna(0), cohort["fit_log_odds"], atol=1e-6)
    np.testing.assert_allclose(sides["signal"].fillna(0), cohort["signal_log_odds"], atol=1e-6)
    total = cohort["base"] + cohort["fit_log_odds"] + cohort["signal_log_odds"]
    np.testing.assert_allclose(np.log(cohort["propensity"] / (1 - cohort["propensity"])), total, atol=1e-6)
    assert set(reasons["account_id"]) <= set(cohort.index)
    assert (tiers["why"].str.len() <= 200).all()
    assert tiers["tier"].value_counts().to_dict() == json.loads((run.folder / "run.json").read_text())["counts"]
    assert (
        tiers.loc[tiers["propensity"].isna(), "tier"]
        .isin(["in_pipeline", "customer", "not_eligible", "suppress"])
        .all()
    )
