"""What moved between two runs: net, with the cause and the words of the last step; counted by owner; and its pages."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import sqlite3
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import moved_sample
import nursery
import tierwise
from tierwise.config import TIERS, Workspace
from tierwise.errors import EnvironmentFault, UsageError
from tierwise.jobs import ReportResult, report
from tierwise.jobs.moved import GONE, MERGED, MOVEMENTS, by_group, counted, moved
from tierwise.publishing import read_current, read_replays, read_run
from tierwise.report import movements_pages
from tierwise.report.movements import SHOWN, lead
from tierwise.report.words import Words
from tierwise.store import Act, Store

PLAN = "new_business"
JAN, FEB = pd.Timestamp("2026-01-05"), pd.Timestamp("2026-02-05")


def tiers(*rows: tuple[str, str, float, str]) -> pd.DataFrame:
    found = pd.DataFrame(rows, columns=["account_id", "tier", "propensity", "guardrails"])
    return found.assign(why=[f"{account} stands." for account in found["account_id"]])


def steps(*rows: tuple[str, pd.Timestamp, str, str]) -> pd.DataFrame:
    found = pd.DataFrame(rows, columns=["account_id", "as_of", "cause", "why"])
    return found.assign(as_of=found["as_of"].astype("datetime64[us]"))


def known(**owners: str | None) -> pd.DataFrame:
    rows = [(a, a.upper(), o, o, o == "merged") for a, o in owners.items()]
    return pd.DataFrame(rows, columns=["account_id", "name", "owner_id", "group", "merged"])


def one(moves: pd.DataFrame, account: str) -> dict[str, Any]:
    return moves.set_index("account_id").loc[account].to_dict()


def test_a_movement_is_net_and_its_cause_and_sentence_are_of_the_last_step() -> None:
    then = tiers(
        ("a", "tier_3", 0.1, ""), ("b", "tier_1", 0.4, ""), ("c", "tier_2", 0.2, ""), ("d", "customer", 0.1, "")
    )
    now = tiers(
        ("a", "tier_2", 0.2, ""),
        ("b", "customer", 0.1, ""),
        ("c", "tier_2", 0.2, "owner_full"),
        ("d", "recycle", 0.0, ""),
    )
    walked = steps(
        ("a", JAN, "data", "a to tier 1."), ("c", JAN, "data", "c up."), ("b", JAN, "data", "b left."),
        ("a", FEB, "ageing", "a to tier 2."), ("c", FEB, "capacity", "c down."), ("d", FEB, "data", "d entered."),
    )  # fmt: skip
    found = moved(then, now, walked, known(a="o", b="o", c="o", d=None))
    a = one(found, "a")
    assert (a["movement"], a["cause"], a["why"], a["moved_on"], a["times"]) == ("up", "ageing", "a to tier 2.", FEB, 2)
    assert (a["propensity_then"], a["propensity_now"], a["name"]) == (0.1, 0.2, "A")
    assert one(found, "b")["movement"] == "left"
    c = one(found, "c")
    assert (c["movement"], c["cause"], c["why"], c["times"], c["waiting"]) == ("", "", "", 2, True)
    assert c["stands"] == "c stands."
    assert pd.isna(c["moved_on"])
    assert one(found, "d")["movement"] == "entered"
    assert counted(found)["came_back"] == 1


def test_accounts_that_come_go_or_are_merged_away_are_told_apart() -> None:
    then = tiers(("gone", "tier_3", 0.1, ""), ("lost", "tier_2", 0.1, ""), ("quiet", "not_eligible", 0.1, ""))
    now = tiers(("new", "tier_1", 0.5, ""), ("low", "recycle", 0.0, ""))
    found = moved(then, now, steps(), known(lost="merged", new="o", low="o"))
    assert found.set_index("account_id")["movement"].to_dict() == {
        "gone": "left", "lost": "left", "quiet": "", "new": "entered", "low": "",
    }  # fmt: skip
    assert (one(found, "gone")["cause"], one(found, "gone")["why"], one(found, "gone")["tier_now"]) == (
        "data",
        GONE,
        "",
    )
    assert (one(found, "lost")["cause"], one(found, "lost")["why"]) == ("merge", MERGED)
    assert (one(found, "new")["cause"], one(found, "new")["why"], one(found, "new")["times"]) == (
        "data",
        "new stands.",
        0,
    )
    assert one(found, "new")["new_in_tier_1"]
    assert one(found, "gone")["group"] == ""


def test_a_guardrail_is_read_by_its_whole_name() -> None:
    rails = {"a": "owner_full;stale", "b": "surge_ceiling;override", "c": "not_owner_full", "d": "overrides", "e": ""}
    now = tiers(*((account, "tier_2", 0.1, rail) for account, rail in rails.items()))
    found = moved(now, now, steps(), known(**dict.fromkeys(rails, "o")))
    assert found.loc[found["waiting"], "account_id"].tolist() == ["a"]
    assert found.loc[found["overridden"], "account_id"].tolist() == ["b"]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_counts_of_owners_add_up_to_those_of_all(seed: int) -> None:
    moves = moved(*moved_sample.runs(seed, n=80))
    total, parts = counted(moves), [counted(mine) for _, mine in by_group(moves)]
    for name in ("accounts", "moved", *MOVEMENTS, "new_in_tier_1", "waiting", "overridden", "came_back"):
        assert total[name] == sum(part[name] for part in parts), name
    assert total["moved"] == sum(total[kind] for kind in MOVEMENTS) == sum(c["n"] for c in total["causes"])
    for k, line in enumerate(total["tiers"]):
        assert line["then"] == sum(part["tiers"][k]["then"] for part in parts)
        assert line["now"] == sum(part["tiers"][k]["now"] for part in parts)
    assert total["accounts"] == sum(line["now"] for line in total["tiers"])


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_what_moved_is_the_difference_of_two_tables_whatever_the_order_of_rows(seed: int) -> None:
    then, now, walked, accounts = moved_sample.runs(seed, n=60)
    moves = moved(then, now, walked, accounts)
    was, stands = (dict(zip(f["account_id"], f["tier"], strict=True)) for f in (then, now))
    for row in moves.to_dict("records"):
        before, after = was.get(row["account_id"]), stands.get(row["account_id"])
        expected = ""
        if before in TIERS and after in TIERS:
            gap = TIERS.index(after) - TIERS.index(before)
            expected = "down" if gap > 0 else "up" if gap < 0 else ""
        elif before in TIERS:
            expected = "left"
        elif after in TIERS and (before is not None or after in TIERS[:3]):
            expected = "entered"
        assert row["movement"] == expected
        assert bool(row["cause"]) == bool(row["why"]) == bool(expected)
    mixed = [frame.sample(frac=1, random_state=seed) for frame in (then, now, accounts)]
    pd.testing.assert_frame_equal(moved(mixed[0], mixed[1], walked, mixed[2]), moves)


class Sections(HTMLParser):
    """The accounts (second line, or the name) in each section's table, the links, and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.rows: dict[str, int] = {}
        self.section = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if tag == "section":
            self.section = str(told["id"])
        if tag == "th" and told.get("class") == "name":
            self.rows[self.section] = self.rows.get(self.section, 0) + 1
        if tag == "a":
            self.links.append(str(told["href"]))


def text(page: str) -> str:
    body = re.sub(r"<(style|svg).*?</\1>", " ", page, flags=re.S)
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def test_every_account_that_moved_stands_once_on_its_owner_s_page() -> None:
    values = moved_sample.page(n=90)
    pages = movements_pages(values)
    for line in values.values["groups"]:
        seen = Sections(pages[line["file"]])
        assert sum(seen.rows.get(part, 0) for part in ("new", "up", "down", "rest")) == line["moved"]
        assert seen.rows.get("new", 0) == line["new_in_tier_1"]
        assert seen.rows.get("down", 0) == line["down"]
        assert seen.rows.get("waiting", 0) == line["waiting"]
        assert seen.rows.get("overridden", 0) == line["overridden"]
        assert "index.html" in seen.links


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ((0, 0, 0, 0, 0), "No account moved."),
        ((1, 0, 0, 0, 1), "1 account new in Tier 1 · Focus. 1 waits for room, as the team is full."),
        ((0, 2, 1, 0, 3), "2 accounts went up or came in, 1 went down. 3 wait for room, as the team is full."),
        ((3, 1, 0, 2, 0), "3 accounts new in Tier 1 · Focus, 1 more went up or came in, 2 left the tiers or came into "
         "Recycle or Suppress."),
    ],
)  # fmt: skip
def test_the_lead_says_what_the_lists_hold(counts: tuple[int, ...], said: str) -> None:
    names = ("new", "up", "down", "rest", "waiting")
    assert lead(dict(zip(names, counts, strict=True)), "team", Words({})) == said


def test_a_long_list_is_cut_and_says_where_the_rest_is() -> None:
    values = moved_sample.page(n=900)
    line = max(values.values["groups"], key=lambda g: g["down"])
    page = movements_pages(values)[line["file"]]
    assert line["down"] > SHOWN
    assert Sections(page).rows["down"] == SHOWN
    assert f"{SHOWN} of {line['down']}; all of them are in movements.csv." in text(page)


def test_the_best_stand_first() -> None:
    values = moved_sample.page(n=300)
    moves = values.moves
    fell = moves[(moves["movement"] == "down") & (moves["group"] == "o-1")]
    rank = fell.assign(place=fell["tier_then"].map(TIERS.index)).sort_values(
        ["place", "propensity_now"], ascending=[True, False]
    )
    page = movements_pages(values)[next(g["file"] for g in values.values["groups"] if g["name"] == "o-1")]
    part = page.split('<section id="down">')[1].split("</section>")[0]
    found = re.findall(r'<th class="name">.*?(a\d{4})(?:<|\b)', part)
    assert found == rank["account_id"].head(SHOWN).tolist()


def test_the_index_links_every_page_and_says_totals_causes_policy_and_replay() -> None:
    values = moved_sample.page(signal="engagement")
    pages = movements_pages(values)
    index, said = pages["index.html"], text(pages["index.html"])
    assert {g["file"] for g in values.values["groups"]} | {"index.html"} == set(pages)
    assert {g["file"] for g in values.values["groups"]} <= set(Sections(index).links)
    total = values.values["total"]
    assert f"{total['moved']} accounts stand elsewhere than on 1 January 2026, of {total['accounts']} now: " in said
    cells = " ".join(str(total[n]) for n in ("accounts", "new_in_tier_1", *MOVEMENTS, "moved", "waiting", "overridden"))
    assert f"All {cells}" in said
    for cause in total["causes"]:
        assert f"{cause['cause'].capitalize()} {' '.join(str(cause[k]) for k in (*MOVEMENTS, 'n'))}" in said
    assert "Engagement is high from 90, moderate from 75, early from 50" in said
    assert "What guardrails cost and saved" in said
    for rail in values.values["replay"]["guardrails"]:
        assert f"{rail['guardrail'].replace('_', ' ')} {rail['holds']} {rail['n']:,} of {rail['rows']:,}" in said
    assert "../../replays/2025-12-22_v1/replay.html" in Sections(index).links


def test_without_a_replay_it_says_so_and_which_command_makes_one() -> None:
    said = text(movements_pages(moved_sample.page(replayed=False))["index.html"])
    assert "no replay of this plan has been made. Run tierwise policy replay , then this report again." in said


def test_a_replay_of_another_policy_is_named_as_such() -> None:
    values = moved_sample.page()
    values.values["replay"]["policy_version"] = "old-1234"  # type: ignore[index]
    said = text(movements_pages(values)["index.html"])
    assert f"This replay is of old-1234, and policy.yaml is {values.values['policy_version']}" in said


def test_nothing_from_outside_becomes_markup_or_a_formula() -> None:
    values = moved_sample.page(n=60)
    values.moves["name"] = "<b>=1+1</b> jo@example.com"
    values.moves["why"] = '<script>x</script>"'
    made = movements_pages(values)
    assert not any("<script" in page or "jo@example.com" in page or "<b>=1" in page for page in made.values())
    assert any("&lt;b&gt;" in page for page in made.values())


def test_the_same_values_give_the_same_pages() -> None:
    assert movements_pages(moved_sample.page()) == movements_pages(moved_sample.page())


# --- end to end


@pytest.fixture(scope="module")
def folder(small_demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the small demo; tests of this module add reports, and nothing that is live."""
    return Path(shutil.copytree(small_demo, tmp_path_factory.mktemp("moved") / "ws"))


@pytest.fixture(scope="module")
def workspace(folder: Path) -> Workspace:
    return tierwise.load_workspace(folder)


@pytest.fixture(scope="module")
def since(workspace: Workspace) -> ReportResult:
    return report(workspace, since="2025-10-15")


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def test_a_report_is_of_the_newest_run_by_the_date_and_of_current(workspace: Workspace, since: ReportResult) -> None:
    assert since.folder == workspace.published / PLAN / "reports" / "2025-10-15_2026-01-01"
    now = read_current(workspace.published, PLAN)
    assert since.values["now"]["run_id"] == now.run_id
    assert since.values["then"]["as_of"] == "2025-10-01"
    then = read_run(workspace.published, PLAN, since.values["then"]["run_id"])
    was, stands = (dict(f.frame("tiers")[["account_id", "tier"]].itertuples(index=False)) for f in (then, now))
    higher = {
        a
        for a in stands
        if a in was and {was[a], stands[a]} <= set(TIERS) and TIERS.index(stands[a]) < TIERS.index(was[a])
    }
    assert set(since.moves.loc[since.moves["movement"] == "up", "account_id"]) == higher
    assert since.values["total"]["accounts"] == len(stands)


def test_causes_and_sentences_are_those_of_the_store(workspace: Workspace, since: ReportResult) -> None:
    with Store.open(workspace.store, create=False) as store:
        told = store.movements(PLAN)
    between = told[(told["as_of"] > pd.Timestamp("2025-10-01")) & (told["as_of"] <= pd.Timestamp("2026-01-01"))]
    last = between.drop_duplicates("account_id", keep="last").set_index("account_id")
    moved_ = since.moves[since.moves["movement"] != ""].set_index("account_id")
    told_of = moved_[moved_["times"] > 0]
    assert len(told_of) > 50
    assert told_of["cause"].tolist() == last.loc[told_of.index, "cause"].tolist()
    assert told_of["why"].tolist() == last.loc[told_of.index, "why"].tolist()
    assert (moved_.loc[moved_["times"] == 0, "tier_then"] == "").all()
    assert between["account_id"].value_counts().loc[told_of.index].tolist() == told_of["times"].tolist()


def test_the_accounts_that_moved_are_those_of_owners_json_csv_and_pages(since: ReportResult) -> None:
    files = contents(since.folder)
    said = json.loads(files["report.json"])
    assert said == since.to_dict()
    moved_ = said["total"]["moved"]
    assert moved_ == sum(g["moved"] for g in said["groups"]) == len(said["movements"])
    rows = list(csv.DictReader(io.StringIO(files["movements.csv"].decode("utf-8-sig"))))
    assert [r["account_id"] for r in rows] == [m["account_id"] for m in said["movements"]]
    for group in said["groups"]:
        seen = Sections(files[group["file"]].decode())
        assert sum(seen.rows.get(part, 0) for part in ("new", "up", "down", "rest")) == group["moved"]
        assert sum((r["owner_id"] or "") == group["name"] for r in rows) == group["moved"]
    assert said["groups"][-1]["name"] == ""
    assert set(files) == {"index.html", "movements.csv", "report.json", *(g["file"] for g in said["groups"])}


def test_owners_are_what_the_tables_say_now(workspace: Workspace, since: ReportResult) -> None:
    accounts = pd.read_parquet(workspace.folder / "tables" / "accounts.parquet").set_index("account_id")
    mine = since.moves[since.moves["account_id"].isin(accounts.index)].set_index("account_id")
    assert len(mine) > 600
    assert (mine["group"] == accounts.loc[mine.index, "owner_id"].fillna("")).all()


def test_the_same_report_is_the_same_bytes_and_whatever_is_live_stays(
    workspace: Workspace, since: ReportResult
) -> None:
    first = contents(since.folder)
    current = (workspace.published / PLAN / "CURRENT").read_bytes()
    again = report(workspace, since="2025-10-15")
    assert contents(again.folder) == first
    assert (workspace.published / PLAN / "CURRENT").read_bytes() == current


def test_until_a_date_and_by_team(workspace: Workspace) -> None:
    found = report(workspace, since="2025-08-20", until="2025-11-20", by="team")
    assert found.folder.name == "2025-08-20_2025-11-01_by_team"
    assert (found.values["then"]["as_of"], found.values["now"]["as_of"]) == ("2025-08-01", "2025-11-01")
    owners = pd.read_parquet(workspace.folder / "tables" / "owners.parquet")
    assert {g["name"] for g in found.values["groups"]} - {""} <= set(owners["team"].dropna())
    assert sum(g["moved"] for g in found.values["groups"]) == found.values["total"]["moved"] > 0
    assert list(found.values["movements"][0])[:2] == ["team", "account_id"]
    assert found.values["groups"][0]["file"] == "team_001.html"


def test_no_contact_is_on_any_page(workspace: Workspace, since: ReportResult) -> None:
    contacts = pd.read_parquet(workspace.folder / "tables" / "contacts.parquet")
    names = set(contacts["contact_id"].astype(str))
    assert len(names) > 500
    written = b" ".join(contents(since.folder).values()).decode()
    assert not names & set(re.findall(r"[\w-]+", written))
    assert "@" not in re.sub(r"@(media|page)", "", written)


def test_a_replay_of_the_policy_in_force_goes_before_a_newer_one_of_another(
    workspace: Workspace, since: ReportResult
) -> None:
    assert since.values["replay"] is None
    sample, home = moved_sample.page().values["replay"], workspace.published / PLAN / "replays"
    versions = {"a": (workspace.plan().policy.version(), "2025-10-01"), "b": ("other", "2025-12-01")}
    versions |= {"c": (versions["a"][0], "2025-11-01")}
    for name, (version, last) in versions.items():
        (home / name).mkdir(parents=True)
        (home / name / "replay.json").write_text(json.dumps(sample | {"policy_version": version, "last": last}))
    try:
        (home / ".staging-d").mkdir()
        assert [name for name, _ in read_replays(workspace.published, PLAN)] == ["a", "b", "c"]
        found = report(workspace, since="2025-10-16")
        assert found.values["replay"]["folder"] == "c"
        assert "../../replays/c/replay.html" in (found.folder / "index.html").read_text(encoding="utf-8")
        (home / "b" / "replay.json").write_text("{}")
        with pytest.raises(
            EnvironmentFault, match=r"b/replay\.json was read: it is not what a replay holds\. Remove its"
        ):
            report(workspace, since="2025-10-16")
    finally:
        shutil.rmtree(home)


def test_what_cannot_be_reported_is_refused_in_words(workspace: Workspace) -> None:
    with pytest.raises(
        UsageError, match=r"the change since 2025-06-01 was asked for: no run was published by then\. Giv"
    ):
        report(workspace, since="2025-06-01")
    with pytest.raises(
        UsageError, match=r"since 2026-01-01 was asked for: the run in hand, .*, is of 2026-01-01: nothin"
    ):
        report(workspace, since="2026-01-01")
    with pytest.raises(
        UsageError, match=r"since 2025-11-02 was asked for: the run in hand, .*, is of 2025-11-01: nothin"
    ):
        report(workspace, since="2025-11-02", until="2025-11-20")
    with pytest.raises(UsageError, match=r"what had moved by 2025-06-01 was asked for: no run was published by then"):
        report(workspace, since="2025-05-01", until="2025-06-01")
    with pytest.raises(UsageError, match=r"^--by region was asked for\. Say owner, team or territory\.$"):
        report(workspace, since="2025-10-15", by="region")


def test_teams_that_the_tables_do_not_name_are_refused_in_words(workspace: Workspace, tmp_path: Path) -> None:
    made = Path(shutil.copytree(workspace.folder, tmp_path / "ws"))
    owners = made / "tables" / "owners.parquet"
    pd.read_parquet(owners).drop(columns="team").to_parquet(owners)
    with pytest.raises(
        UsageError, match=r"--by team was asked for: the table owners names no team for the owner of any"
    ):
        report(tierwise.load_workspace(made), since="2025-10-15", by="team")
    owners.unlink()
    found = report(tierwise.load_workspace(made), since="2025-10-15")
    assert len(found.values["groups"]) > 5


def test_a_store_that_does_not_know_the_current_run_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    made = Path(shutil.copytree(workspace.folder, tmp_path / "ws"))
    run = read_current(workspace.published, PLAN).run_id
    with sqlite3.connect(made / "state" / "tierwise.db") as database:
        database.execute("DELETE FROM runs WHERE run_id = ?", (run,))
    database.close()
    with pytest.raises(
        EnvironmentFault, match=r"CURRENT names it, and the store knows no such run\. Restore the store"
    ):
        report(tierwise.load_workspace(made), since="2025-10-15")


def test_a_change_of_the_policy_file_since_the_run_is_said(workspace: Workspace, tmp_path: Path) -> None:
    made = Path(shutil.copytree(workspace.folder, tmp_path / "ws"))
    path = made / "models" / PLAN / "policy.yaml"
    path.write_text(path.read_text().replace("after_days: 120", "after_days: 119"))
    found = report(tierwise.load_workspace(made), since="2025-10-15")
    page = text((found.folder / "index.html").read_text(encoding="utf-8"))
    assert f"The words are those of policy.yaml as it is now ({found.values['policy_version']})" in page
    assert "more than 119 days old" in page


def test_the_verb_prints_tables_within_80_columns_and_ends_as_the_others_do(folder: Path) -> None:
    done = nursery.tierwise("-C", folder, "report", "--since", "2025-10-15")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert all(len(line) <= 80 for line in lines if not line.startswith("Report: "))
    assert lines[0] == "Moved since 2025-10-01, by 2026-01-01"
    assert lines[-1].startswith("Report: ")
    assert lines[-1].endswith("reports/2025-10-15_2026-01-01/index.html")
    assert re.search(r"^ own-02 +\d+ ", done.stdout, re.M)
    run = read_current(folder / "published", PLAN).run_id
    assert done.stderr.splitlines()[-1] == f"exit 0 · run {run}"
    machine = nursery.tierwise("-C", folder, "--json", "report", "--since", "2025-10-15")
    values = json.loads(machine.stdout)
    assert values["total"]["moved"] == len(values["movements"])
    assert json.loads(machine.stderr.splitlines()[-1]) == {"code": 0, "run": run, "next": None}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--since", "soon"], "'soon' was given as a date: it is not an ISO date"),
        (["--since", "2025-01-01"], "no run was published by then. Give a later date"),
        (["--since", "2026-02-01"], "nothing has been scored after it. Give a date before 2026-01-01"),
        (["--since", "2025-10-15", "--by", "city"], "--by city was asked for. Say owner, team or territory."),
    ],
)
def test_the_verb_refuses_in_words(folder: Path, words: list[str], says: str) -> None:
    done = nursery.tierwise("-C", folder, "report", *words)
    assert done.returncode == 2, done.stderr
    assert says in " ".join(done.stderr.split())
    assert done.stderr.splitlines()[-1] == "exit 2"
    assert "Traceback" not in done.stderr


def test_a_backfill_moves_nothing_and_what_a_person_set_is_listed(workspace: Workspace, tmp_path: Path) -> None:
    made = Path(shutil.copytree(workspace.folder, tmp_path / "ws"))
    mine = tierwise.load_workspace(made)
    tiers_now = read_current(mine.published, PLAN).frame("tiers")
    account = tiers_now.loc[tiers_now["tier"] == "tier_3", "account_id"].iloc[0]
    said = {"tier": "tier_1", "reason": "asked for by the board", "author": "Ada", "expires_at": "2026-03-01T00:00:00"}
    with Store.open(mine.store) as store:
        store.add_act(Act(PLAN, "override", tierwise.clock.instant("2025-12-20"), said, account))
    tierwise.score(mine, as_of="2025-12-15")
    revised = tierwise.score(mine, as_of="2026-01-01")
    assert revised.kind == "revision"
    found = report(mine, since="2025-12-15")
    assert found.values["then"]["as_of"] == "2025-12-01", "a backfill stands for no date"
    assert found.values["now"]["run_id"] == revised.run_id
    row = one(found.moves, account)
    assert row["overridden"]
    assert "asked for by the board" in row["why"], "a revision's sentence is what it published of the account"
    assert row["new_in_tier_1"] == (row["tier_then"] != "tier_1")
    assert found.values["total"]["overridden"] == 1
    page = text(
        (found.folder / next(g["file"] for g in found.values["groups"] if g["name"] == row["group"])).read_text("utf-8")
    )
    assert "Set by a person" in page
    assert "asked for by the board" in page
