"""`tierwise policy`: what a policy would have been worth, and what a better one would say."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from tierwise.cli.context import context
from tierwise.cli.show import emit, line, percent, table
from tierwise.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from tierwise.clock import Every
    from tierwise.jobs import ReplayResult, TuneResult
    from tierwise.tiers.tally import Figures
    from tierwise.tiers.tune import Tuned

app = typer.Typer(
    name="policy", help="Try a policy on the past.", no_args_is_help=True, add_completion=False, rich_markup_mode=None
)
GRIDS = ("month", "week", "day")
Since = Annotated[str | None, typer.Option("--since", help="YYYY-MM-DD; default: the first date that can be scored.")]
Until = Annotated[str | None, typer.Option("--until", help="YYYY-MM-DD; default: the end of the data.")]
PolicyFile = Annotated[Path | None, typer.Option("--policy", help="A policy file; default: the plan's policy.yaml.")]
Grid = Annotated[
    str | None,
    typer.Option("--every", help="month, week or day; default: the plan's grid, or week for accounts' own ages."),
]
RefitMonths = Annotated[
    int, typer.Option("--refit-months", min=1, help="How often the model is learned again, in months.")
]


@app.callback()
def before() -> None:
    """Try a policy on the past."""


@app.command()
def replay(
    since: Since = None,
    until: Until = None,
    policy: PolicyFile = None,
    against: Annotated[Path | None, typer.Option(help="Another policy file, to set beside it.")] = None,
    every: Grid = None,
    refit_months: RefitMonths = 3,
) -> None:
    """Run a policy over past dates, scored by models that could not have seen what came of them."""
    from tierwise.jobs import replay as run_replay

    result = run_replay(
        context.workspace(), context.plan,
        since=since, until=until, every=_grid(every), policy=policy, against=against, refit_months=refit_months,
        now=context.now, say=context.say,
    )  # fmt: skip
    if context.as_json:
        emit(result.to_dict() | {"folder": result.folder})
    else:
        replayed(result)
        print(f"Replay: {result.folder / 'replay.html'}")
    context.close(0)


@app.command()
def tune(
    top: Annotated[str, typer.Option(help="Most accounts in tier_1 and tier_2 together: 20%, or a number of them.")],
    tier_1: Annotated[
        str | None, typer.Option("--tier-1", help="Most accounts in tier_1; default: a third of --top.")
    ] = None,
    precision: Annotated[str | None, typer.Option(help="Least share of tier_1 that has the outcome.")] = None,
    ping_pong: Annotated[str, typer.Option(help="Most accounts that come back to a tier in a month.")] = "2%",
    trials: Annotated[int, typer.Option(min=10, max=2000, help="How many policies are tried.")] = 100,
    since: Since = None,
    until: Until = None,
    judge_from: Annotated[
        str | None, typer.Option("--judge-from", help="YYYY-MM-DD; default: the newest quarter of the dates.")
    ] = None,
    policy: PolicyFile = None,
    every: Grid = None,
    refit_months: RefitMonths = 3,
    apply: Annotated[
        bool,
        typer.Option("--apply", help="Change the policy file to say what is proposed, if newer dates keep the aims."),
    ] = False,
) -> None:
    """Propose thresholds, hysteresis and dwell, found over past dates; nothing changes without --apply.

    Exit 3: --apply left the file alone, as on the newer dates the proposal misses an aim by more than a tenth of it, or
    is worth less than the present policy.
    """
    from tierwise.jobs import tune as run_tune

    result = run_tune(
        context.workspace(), context.plan,
        top=top, tier_1=tier_1, precision=precision, ping_pong=ping_pong, trials=trials,
        since=since, until=until, every=_grid(every), judge_from=judge_from, policy=policy, refit_months=refit_months,
        apply=apply,
        now=context.now, say=context.say,
    )  # fmt: skip
    if context.as_json:
        emit(result.to_dict() | {"folder": result.folder})
    else:
        proposed(result)
        print(f"Proposal: {result.folder / 'tune.html'}")
        print(f"Policy: {result.folder / 'policy.yaml'}" + (f" (applied to {result.file})" if result.applied else ""))
    if result.refused:
        context.close(3, following=shlex.join(["cp", str(result.folder / "policy.yaml"), str(result.file)]))
        raise typer.Exit(3)
    context.close(0)


def _grid(every: str | None) -> Every | None:
    if every is None or every in GRIDS:
        return cast("Every | None", every)
    raise UsageError(f"--every {every} was asked for", do=f"Say {', '.join(GRIDS[:-1])} or {GRIDS[-1]}")


AIMS = {
    "top_share": ("a share of tier_1 and tier_2", "the limit of tier_1 and tier_2", 1),
    "tier_1_share": ("a share of tier_1", "the limit of tier_1", 1),
    "precision": ("a share of tier_1 with the outcome", "the least share of tier_1 with the outcome", 1),
    "ping_pong": ("a share of accounts back in a month", "the limit of accounts back in a month", 2),
}
"""What an aim asks for, what it is called where it is missed, and the digits of its per cents."""


def proposed(result: TuneResult) -> None:
    """What the present policy and the proposed one are worth on newer dates, and the diff."""
    tuned = result.tuned
    rows = [
        (said, percent(getattr(tuned.before, name), digits), percent(getattr(tuned.after, name), digits))
        for name, said, digits in (
            ("held", "outcomes held by tier_1 and tier_2", 1),
            ("of_ranked", "of what as many by propensity would hold", 1),
            ("tier_3_share", "accounts in tier_3", 1),
            ("top_share", "accounts in tier_1 and tier_2, largest month", 1),
            ("ping_pong", "accounts that came back in a month", 2),
            ("moved", "accounts that moved in a month", 1),
        )
    ]
    title = f"{tuned.judged_on} dates from {tuned.judged_from.date()} on, which tuned nothing"
    table(title, ("figure", "now", "proposed"), rows, right=(1, 2))
    precise(tuned)
    for aim in tuned.aims_kept:
        line(_aim(aim))
    if tuned.worse:
        line("On these dates the proposal is worth less than the present policy: look twice before it is applied.")
    none = "" if tuned.any_kept else "; none of them, nor the present one, keeps all aims there"
    line(f"Tuned on {tuned.tuned_on} dates before, by {len(tuned.trials) - 1} policies tried{none}.")
    print(result.diff or "No policy that was tried is worth more than the present one.")
    if result.refused:
        line(
            f"Not applied: {result.file} stays as it is, as on the newer dates the proposal {_failings(tuned)}"
            f"{none.replace('there', 'on the dates before')}. To apply it by hand, copy over it the file named below."
        )


def precise(tuned: Tuned) -> None:
    """A line a tier: how many had the outcome, by the present policy and by the proposed one."""
    rows = [
        (tier, *(cell for found in (tuned.before, tuned.after)
                 for cell in (percent(found.precision[tier]), _interval(found.within[tier]), _n(found.within[tier]))))
        for tier in ("tier_1", "tier_2", "tier_3", "recycle")
    ]  # fmt: skip
    columns = ("tier", "now", "95%", "n", "proposed", "95%", "n")
    title = "Had the outcome, of the accounts of each of these dates"
    table(title, columns, rows, right=range(1, len(columns)), tight=True)


def _aim(aim: Mapping[str, Any]) -> str:
    """What was asked for, what there is, and by how much it is missed."""
    of, _, digits = AIMS[aim["aim"]]
    asked, found = (percent(aim[name], digits) for name in ("asked", "found"))
    within = "" if aim["n"] != aim["n"] else f" ({_interval(aim, digits)}, n {_n(aim)})"
    met = "met" if aim["met"] else f"missed{_short(aim)}"
    return f"Asked for {of} of at {aim['bound']} {asked}: {found}{within}, {met}."


def _short(aim: Mapping[str, Any]) -> str:
    """By how many points an aim is missed; nothing is said where nothing could be counted."""
    if aim["short"] != aim["short"]:
        return ", as there is nobody to count"
    digits, points = AIMS[aim["aim"]][2], 100 * aim["short"]
    least = 10**-digits
    return f" by less than {least:g} points" if points < least else f" by {points:.{digits}f} points"


def _failings(tuned: Tuned) -> str:
    missed = [f"{AIMS[aim['aim']][1]}{_short(aim)}" for aim in tuned.failed]
    said = [f"misses {' and '.join(missed)}"] if missed else []
    return " and ".join(said + (["is worth less than the present policy"] if tuned.worse else []))


def replayed(result: ReplayResult) -> None:
    """What each tier would have been worth, how accounts would have moved, what the rules cost; and side by side."""
    figures, past = result.replayed.figures, result.past
    first, last = past.dates[0].as_of.date(), past.dates[-1].as_of.date()
    worth(figures, f"{result.replayed.policy_version}: {len(past.dates)} dates, {first} to {last}")
    if past.learned.unscored:
        named = list(past.learned.unscored)
        line(
            f"{len(named)} dates before have no scores ({named[0].date()} to {named[-1].date()}): "
            f"{past.learned.unscored[named[-1]]}."
        )
    moves(figures)
    rules(figures)
    if result.compared is not None:
        paired(result.compared.paired, result.compared.second.policy_version)
    line("Settings are the live model's, chosen later; what was learned is of each date's own past.")


def worth(figures: Figures, title: str) -> None:
    """A line a tier."""
    rows = [
        (t["tier"], f"{t['size']:,.0f}", f"{t['n']:,}", f"{t['outcomes']:,}", percent(t["precision"]),
         _interval(t), percent(t["pipeline"]), percent(t["value"]))
        for t in figures.overall.to_dict("records")
    ]  # fmt: skip
    columns = ("tier", "size", "n", "had it", "precision", "95%", "of all", "of won")
    table(title, columns, rows, right=range(1, len(columns)), tight=True)
    base, judged = figures.overall["base"].iloc[0], int((figures.dates["judged"] > 0).sum())
    line(f"Base rate {percent(base)}; {judged} of {len(figures.dates)} dates are judged, as their horizon has closed.")


def moves(figures: Figures) -> None:
    """A line a month."""
    rows = [
        (m["month"], f"{m['accounts']:,}", f"{m['moved']:,}", percent(m["moved_share"]), f"{m['came_back']:,}",
         percent(m["ping_pong"], 2))
        for m in figures.stability.to_dict("records")
    ]  # fmt: skip
    columns = ("month", "accounts", "moved", "share", "came back", "share")
    table("Movements; back within 60 days to a tier left", columns, rows, right=range(1, len(columns)), tight=True)
    causes = figures.movements.groupby("cause")["n"].sum().sort_values(ascending=False, kind="stable")
    if len(causes):
        line(f"By cause: {', '.join(f'{cause} {n:,}' for cause, n in causes.items())}.")


def rules(figures: Figures) -> None:
    """A line a guardrail, and one a tier that surges lifted into."""
    rows = [
        (g["guardrail"], g["holds"], f"{g['n']:,}", f"{g['outcomes']:,}", f"{g['without']:,}", percent(g["rate"]),
         percent(g["others"]))
        for g in figures.guardrails.to_dict("records")
    ]  # fmt: skip
    rows += [
        (f"surge to {s['tier']}", "higher", f"{s['n']:,}", f"{s['paid']:,}", f"{s['n'] - s['paid']:,}",
         percent(s["rate"]), percent(s["others"]))
        for s in figures.surges.to_dict("records") if s["began"]
    ]  # fmt: skip
    columns = ("rule", "holds", "n", "had it", "had none", "rate", "others")
    table(
        "What rules cost and saved (others: same tier and date)",
        columns,
        rows,
        right=range(2, len(columns)),
        tight=True,
    )


def paired(lines: pd.DataFrame, version: str) -> None:
    """A line a figure and tier: the other policy's less the first's."""
    rows = [
        (p["figure"], p["tier"] or "all", percent(p["first"]), percent(p["second"]), f"{100 * p['difference']:+.1f}",
         f"{100 * p['low']:+.1f} to {100 * p['high']:+.1f}")
        for p in lines.to_dict("records") if p["difference"] == p["difference"]
    ]  # fmt: skip
    columns = ("figure", "tier", "first", "second", "points", "95%")
    table(f"Beside {version}", columns, rows, right=range(2, len(columns)), tight=True)


def _interval(row: Mapping[str, Any], digits: int = 1) -> str:
    return "-" if row["low"] != row["low"] else f"{100 * row['low']:.{digits}f} to {100 * row['high']:.{digits}f}"


def _n(row: Mapping[str, Any]) -> str:
    return f"{row['n']:,.0f}"
