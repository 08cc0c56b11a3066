# %% [markdown]
# # Comparing candidates on a table of your own
#
# You have one table: a line for each account, a column that says whether it bought, and no workspace yet. Which kind of
# model suits it, what do the points look like that it gives, and what would you lose by insisting that they add up?
#
# The table is made here, so that the truth is known: size and sector say who an account is, visits and days since the
# newest visit what it does. Run as `python notebooks/comparing_candidates.py`.

# %%
import numpy as np
import pandas as pd

from tierwise.config import Learning, Plan
from tierwise.learning import (
    KINDS,
    AdditiveBooster,
    Interval,
    PropensityModel,
    Rows,
    compare_calibrators,
    declared,
    divide,
    point_table,
    train_rows,
)

pd.set_option("display.width", 150, "display.max_columns", 20)

# %% [markdown]
# ## A table with known truth
# Log-odds rise with the size up to the middle and fall again, rise with every visit, and fall with the days since. In
# `bought` the two sides add up. In `bought_mixed` visits count only for large accounts: a term that reads both sides,
# which no model of two sides can hold.

# %%
rng = np.random.default_rng(7)
n = 6000
table = pd.DataFrame(
    {
        "line": np.arange(n),
        "employees": np.exp(rng.normal(5, 1.5, n)).round() + 1,
        "sector": rng.choice(["software", "retail", "public"], n, p=[0.5, 0.3, 0.2]),
        "visits": rng.poisson(2, n),
        "days_since": rng.integers(0, 180, n),
        "noise": rng.normal(size=n),
    }
)
size = (np.log(table["employees"]) - 5) / 1.5
who = 1.2 - 0.6 * size**2 - 0.8 * (table["sector"] == "public")
does = 0.35 * (table["visits"] - 2) - 0.008 * (table["days_since"] - 90)
mixed = np.where(size > 0, 1.2, -1.2) * (table["visits"] - 2)
for outcome, log_odds in (("bought", -2.2 + who + does), ("bought_mixed", -2.2 + who + mixed)):
    table[outcome] = (rng.random(n) < 1 / (1 + np.exp(-log_odds))).astype(int)
print(table[["bought", "bought_mixed"]].agg(["size", "sum", "mean"]).round(3))

# %% [markdown]
# ## The kinds there are
# A candidate is a kind, its settings, and what may be tuned of it. The order is that of simplicity, in which the
# one-standard-error rule prefers them. Another kind is one more line in this registry.

# %%
for name, kind in KINDS.items():
    tuned = ", ".join(f"{setting} {r.low:g} to {r.high:g}" for setting, r in kind.space.items())
    print(f"{name} ({kind.estimator.__name__}): {tuned}")

# %% [markdown]
# ## Declare the sides
# Fit is who they are, signal is what they do. The serial number tells earlier from later: the lines are cut into blocks
# in its order, and each fold is later than what it is learned from.

# %%
SIDES = {"fit": ["employees", "sector", "noise"], "signal": ["visits", "days_since"]}
rows = declared(table, "bought", **SIDES, order="line")
plan = Plan(plan="buys", model=Learning(candidates=("scorecard", "additive", "two_sided", "staged")))
division = divide(rows, plan)
print(f"{len(rows.y):,} rows; {division.earlier.sum():,} to choose on in {len(division.folds)} folds, "
      f"{division.test.sum():,} kept for the report")  # fmt: skip

# %% [markdown]
# ## Candidates, forward in time
# `above best` is how far a candidate's log-loss lies above the best one's, paired by row, and `standard_error` how sure
# that is. The simplest candidate within one standard error is chosen.


# %%
def candidates(evaluation: dict) -> pd.DataFrame:
    """Each candidate out of time: log-loss, its distance to the best, rows."""
    found = pd.DataFrame(
        {name: c["less_best"] | {k: c[k] for k in ("log_loss", "n")} for name, c in evaluation.items()}
    )
    found = found.T.rename(columns={"mean": "above best"})[["log_loss", "above best", "standard_error", "n"]]
    return found.round(5).astype({"n": int})


plain = train_rows(rows, division, plan.model, threads=1)
print(candidates(plain.evaluation.candidates))
print(plain.evaluation.chosen_because)
ours = plain.evaluation.metrics[plain.evaluation.chosen]
for figure in ("auc", "log_loss"):
    print(f"{figure} of the test slice: {ours[figure]['value']:.3f} ({ours[figure]['low']:.3f} to "
          f"{ours[figure]['high']:.3f}), n = {plain.evaluation.test['rows']:,}")  # fmt: skip

# %% [markdown]
# ## What additivity costs
# The yardstick is one free booster that may mix the sides. Where the sides truly add up it has nothing to offer. Where
# they do not, the cost is there to be read, before anybody signs off a scorecard.

# %%
both = declared(table, "bought_mixed", **SIDES, order="line")
mix = train_rows(both, divide(both, plan), plan.model, threads=1)
costs = {name: t.evaluation.yardstick["chosen_less_free"] for name, t in (("sides add up", plain), ("sides mix", mix))}
print(pd.DataFrame(costs).T.rename(columns={"mean": "chosen less free"}).round(5))

# %% [markdown]
# ## Points that a person can read
# Every feature of a scorecard has a table: so much for this bin, 0 on average, 20 points double the odds. Beside each
# line stands how many it was learned from, and at what rate they bought. It can be exported, read in a meeting, and
# signed off. Below it, what visits add by the scorecard, and what was planted.


# %%
def learned(kind: str, rows: Rows) -> PropensityModel:
    """The calibrated model of one kind of candidate."""
    return train_rows(rows, divide(rows, plan), Learning(candidates=(kind,)), threads=1).model


X = rows.frame
models = {kind: learned(kind, rows) for kind in ("scorecard", "additive")}
tables = {kind: point_table(model, X) for kind, model in models.items()}
shown = ["feature", "side", "bin", "log_odds", "points", "accounts", "outcomes", "rate", "low", "high"]
print(tables["scorecard"].query("feature in ['base', 'visits', 'sector']")[shown].round(3).to_string(index=False))
visits = pd.DataFrame({"learned": models["scorecard"].contributions(X)["visits"],
                       "planted": 0.35 * (X["visits"] - X["visits"].mean())})  # fmt: skip
by_visits = visits.groupby(X["visits"]).mean().assign(rows=X["visits"].value_counts())
print(by_visits.round(2))

# %% [markdown]
# An additive booster reads one feature a tree, so that it has exact tables too, of as many steps as it found. Of either
# table, the base and the one line a feature that a row falls in sum to the calibrated log-odds: no reader needs the
# model to check a score.


# %%
def summed(table: pd.DataFrame, frame: pd.DataFrame) -> pd.Series:
    """Each row's log-odds, read off a table line by line."""
    total = pd.Series(table.loc[table["feature"] == "base", "log_odds"].item(), frame.index)
    for line in table[table["feature"] != "base"].itertuples():
        column = frame[line.feature]
        number = pd.api.types.is_numeric_dtype(column)
        inside = (column >= line.at_least) & (column < line.below) if number else column == line.level
        total += np.where(inside, line.log_odds, 0.0)
    return total


print(tables["additive"].query("feature in ['visits', 'sector']")[shown].round(3).to_string(index=False))
print(pd.DataFrame({kind: t["feature"].value_counts() for kind, t in tables.items()}).rename_axis("lines of the table"))
apart = [np.abs(summed(tables[kind], X) - models[kind].log_odds(X)).max() for kind in models]
print(f"largest difference between the sum of a row's lines and its log-odds: {max(apart):.0e}, n = {len(X):,}")

# %% [markdown]
# ## Only ever falling
# The longer ago the newest visit, the lower the score, whatever chance says in a thin bin. Declared so, no step has the
# wrong sign, in any kind of model. Where the world is like that, next to nothing is lost by saying it.

# %%
MONOTONE = {"visits": 1, "days_since": -1}
told = declared(table, "bought", **SIDES, order="line", monotone=MONOTONE)
tamed = train_rows(told, divide(told, plan), plan.model, threads=1)
print(candidates(tamed.evaluation.candidates))


def rises(table: pd.DataFrame) -> int:
    """How many steps of `days_since` go up."""
    steps = table[(table["feature"] == "days_since") & table["at_least"].notna()]
    return int((np.diff(steps["log_odds"]) > 1e-12).sum())


wrong, right = rises(tables["additive"]), rises(point_table(learned("additive", told), told.frame))
print(f"steps up along days_since: {wrong} in an additive booster as it comes, {right} where it is declared")

# %% [markdown]
# ## Calibrators
# The log-odds of a model too bold are turned into probabilities by an affine map, which keeps sums. Others can bend
# more, and need more rows for it. All are fitted on earlier rows and judged on later ones; `less_affine` below 0 would
# be better than the affine map. ECE stands beside what a perfect model would show.

# %%
newer = rows.as_of > np.quantile(rows.as_of, 0.3)
early, late = rows.where(~newer), rows.where(newer)
bold = AdditiveBooster(features=rows.features, rounds=400, learning_rate=0.2, num_leaves=8, lambda_l2=0.0)
bold.fit(early.frame, early.y)
judged = compare_calibrators(bold.decision_function(late.frame), late.y, late.families, late.as_of)


def spoken(figure: Interval, sign: str = "") -> str:
    """A figure with its interval."""
    return f"{figure.value:{sign}.4f} ({figure.low:{sign}.4f} to {figure.high:{sign}.4f})"


print(f"n = {judged.n:,}, {judged.outcomes} outcomes")
print(pd.DataFrame({name: {"log_loss": spoken(s.log_loss), "less_affine": spoken(s.less_affine, "+"),
                           "ECE": f"{s.ece.value:.4f}", "a perfect one's, at most": f"{s.ece.null_high:.4f}"}
                    for name, s in judged.scores.items()}).T)  # fmt: skip

# %% [markdown]
# ## What this notebook claims

# %%
tried = plain.evaluation.candidates
behind = tried[plain.evaluation.chosen]["less_best"]
assert behind["mean"] <= behind["standard_error"], "what is chosen is within one standard error of the best"
assert plain.evaluation.verdict == "usable"
assert costs["sides add up"]["mean"] < 2 * costs["sides add up"]["standard_error"], "nothing is lost where sides add up"
assert costs["sides mix"]["mean"] > 5 * costs["sides mix"]["standard_error"], "and something where they do not"
assert max(apart) < 1e-9
assert by_visits.query("rows >= 100").corr("spearman").loc["learned", "planted"] >= 0.8, "the planted effect is found"
assert wrong > 0
assert right == 0
scores = judged.scores
assert scores["none"].ece.more_than_noise, "a bold model is found out"
assert scores["affine"].log_loss.value < scores["none"].log_loss.value, "and the affine map mends it"
