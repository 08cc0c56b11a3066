# %% [markdown]
# # Reading one account
#
# RevOps asks of an account: why does it stand there, what changed, and what would move it? The answers must add up to
# the probability that was published, or nobody will trust them twice. Here they are read, one by one, and held against
# shap, which knows nothing of us.
#
# The company is a simulated one. Run as `python notebooks/reading_one_account.py [FOLDER]`.

# %%
import sys
import tempfile
import warnings
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import shap
from scipy.special import expit

import tierwise
from tierwise.clock import instant
from tierwise.explain import Observed, WhatIf, importance

matplotlib.use("Agg")
FOLDER = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="account-"))
pd.set_option("display.width", 150, "display.max_columns", 20, "display.max_colwidth", 100)

# %% [markdown]
# ## A company that scores monthly
# The plan is told to try one kind of model only, the two-sided booster: its trees read many features each, so that
# reasons which add up are no small thing. It is trained in June, and publishes in June and in July. The brake, which
# holds a run that moves much, is set for daily runs; those a month apart move more.

# %%
tierwise.write_world(tierwise.simulate(tierwise.WorldSpec(seed=7, accounts=1000, months=18)), FOLDER)
workspace = tierwise.init(FOLDER, FOLDER / "tables").workspace
model_yaml = FOLDER / "models" / "new_business" / "model.yaml"
model_yaml.write_text(model_yaml.read_text().replace("\nmodel:\n", "\nmodel:\n  candidates: [two_sided]\n"))
settings_yaml = FOLDER / "tierwise.yaml"
settings_yaml.write_text(settings_yaml.read_text().replace("brake: {share: 0.15", "brake: {share: 0.6"))
workspace = tierwise.load_workspace(FOLDER)
JUNE, JULY = "2025-06-01", "2025-07-01"
trained = tierwise.train(workspace, as_of=JUNE)
for as_of in (JUNE, JULY):
    print(tierwise.score(workspace, as_of=as_of).run_id)
print(f"the model is {trained.evaluation['verdict']}: {trained.evaluation['why']}")

# %% [markdown]
# ## Which account
# Of those in tier 2, the one whose signal side says most, as a seller would begin.

# %%
run = tierwise.read_current(workspace.published, "new_business")
scores, tiers = run.frame("scores"), run.frame("tiers")
second = scores[scores["account_id"].isin(tiers.loc[tiers["tier"] == "tier_2", "account_id"])]
account = second.sort_values("signal_log_odds", kind="stable")["account_id"].iloc[-1]
print(f"{account}, of {len(second)} in tier 2 and {len(tiers):,} in all")

# %% [markdown]
# ## Why
# One sentence first, and the guardrails that held it, if any did. Then the waterfall: from an average account to this
# one, in log-odds (+0.69 doubles the odds), a line for each family of features with what was seen and when. What may
# be chance is added up in one line, and never told as a reason.

# %%
told = tierwise.explain_account(workspace, account, since=JUNE)
print(told.row["tier"], "-", told.row["why"])
print("guardrails:", told.row["guardrails"] or "none")
for step in told.steps.itertuples():
    print(f"{step.log_odds:+.3f} {'#' * round(20 * abs(step.log_odds)):30.30} {step.side:6} {step.words}")
print(f"will it {told.predicts}? {told.row['propensity']:.1%}, where the average of the run is "
      f"{scores['propensity'].mean():.1%} of {scores['propensity'].count():,} accounts")  # fmt: skip

# %% [markdown]
# What became of such accounts in the past? For each family's most telling feature, of all training accounts with about
# this value: how many there were, and at what rate they had the outcome. One feature holds no other equal, so that this
# is a picture beside the reasons, not their proof.

# %%
bundle = tierwise.read_model(workspace)
model, observed = bundle.model, Observed.from_dict(bundle.meta["observed"])
features = {f.name: f for f in model.features}
telling = told.reasons[told.reasons["proven"] & told.reasons["feature"].notna()]
cells = {r.family: (r.value, observed.cell(features[r.feature], r.value)) for r in telling.itertuples()}
rates = {family: {"value": value, **cell} for family, (value, cell) in cells.items() if cell}
cell = pd.DataFrame(rates).T[["value", "rows", "accounts", "outcomes", "rate", "low", "high"]]
print(cell.astype(dict.fromkeys(["rate", "low", "high"], float)).round(3))
print(f"the average rate: {observed.base:.3f}, n = {bundle.meta['evaluation']['trained']['rows']:,} rows")

# %% [markdown]
# A family is of single features, and nothing is hidden in the folding: the parts sum to the family, the families
# to the sides, and the sides with the base to the probability. Here the parts of the largest family, proven or not.

# %%
reasons = run.frame("reasons")
mine = reasons[reasons["account_id"] == account]
largest = told.reasons.iloc[0]["family"]
parts = mine[mine["family"] == largest]
print(f"{largest}: {len(parts)} features, {parts['log_odds'].sum():+.3f} in all")
print(parts[["feature", "value", "value_as_of", "log_odds", "words"]].to_string(index=False))
base = float(scores.loc[scores["account_id"] == account, "base"].iloc[0])
print(f"base {base:+.3f} and {len(mine)} reasons {mine['log_odds'].sum():+.3f}: "
      f"{expit(base + mine['log_odds'].sum()):.6f}; published: {told.row['propensity']:.6f}")  # fmt: skip

# %% [markdown]
# ## What changed since June
# The difference of the two published log-odds, split without a rest: facts mended since, another model, time alone
# (what would have come, had nothing happened), and what did happen.

# %%
change = told.change
print(f"{told.before['tier']} at {told.before['propensity']:.1%} to {told.row['tier']} at {told.row['propensity']:.1%}")
print(change.families.groupby("cause", sort=False)["log_odds"].sum().round(3).to_string())
print(change.families.loc[change.families["proven"], ["cause", "log_odds", "words"]].head(8).to_string(index=False))
print(f"sum of {len(change.parts)} parts: {change.parts['log_odds'].sum():+.6f}; "
      f"log-odds now less then: {change.after - change.before:+.6f}")  # fmt: skip

# %% [markdown]
# ## What would move it
# The fewest events that people can bring about (a meeting, a demo, a contact reached) and that reach the next tier, by
# the same model and the same policy. It is what accounts like that did, not what an act would cause. Where none does,
# what stands in between is named.


# %%
def would_move(moves: WhatIf) -> None:
    """The ways to the next tier, and what stands in between."""
    print(f"in {moves.tier}, to {moves.wanted or 'nothing higher'}; {moves.tried:,} ways were tried")
    for way in moves.ways:
        print(f"  {way.words}: {way.tier} at {way.propensity:.1%}", *way.needs, sep="; ")
    for words in moves.between:
        print(f"  in between: {words}")
    if moves.nearest is not None:
        print(f"  nearest: {moves.nearest.words}, {moves.nearest.propensity:.1%}", *moves.nearest.needs, sep="; ")


would_move(told.moves)

# %% [markdown]
# ## A guardrail
# Of the accounts that are recycled, the one that does most: its signals alone would carry it higher, and who it is
# keeps it where it is. No amount of activity lifts a misfit.

# %%
low = tiers[(tiers["tier"] == "recycle") & (tiers["guardrails"] != "")]
misfit = low.sort_values(["signal_score", "account_id"])["account_id"].iloc[-1]
barred = tierwise.explain_account(workspace, misfit)
print(f"{misfit}: {barred.row['why']}")
print(f"fit {int(barred.row['fit_score'])}, signal {int(barred.row['signal_score'])}, "
      f"guardrails: {barred.row['guardrails']}; {len(low)} such accounts")  # fmt: skip
would_move(barred.moves)

# %% [markdown]
# ## What counts for how many
# Over all accounts of the run: in what share of them is a family among the five reasons shown, and how large is it. The
# same of the rows trained on is on the training's page, and kept in `bundle.meta["views"]`.

# %%
print(importance(reasons, model.features).head(8).round(3).to_string(index=False))

# %% [markdown]
# ## The oracle
# shap computes the same contributions in its own way, from the trees alone. Times the calibrator's slope they must be
# the published reasons: every feature of every account, not only of this one.

# %%
with tierwise.read_tables(workspace.tables, workspace.settings).warehouse as warehouse:
    matrix = tierwise.build_matrix(warehouse, workspace.plan().plan, (instant(JULY),)).eligible()
estimator, slope = model.estimator, model.calibrator.slope
encoded = estimator.encoder_.encode(matrix.frame)
warnings.filterwarnings("ignore", "LightGBM binary classifier")  # shap's own word on an older shape of its answer
oracle = shap.TreeExplainer(estimator.booster_, feature_perturbation="tree_path_dependent")
shaps = pd.DataFrame(slope * oracle.shap_values(encoded), matrix.frame["account_id"], [f.name for f in model.features])
published = reasons.pivot(index="account_id", columns="feature", values="log_odds")
published = published.reindex(index=shaps.index, columns=shaps.columns).fillna(0.0)  # what adds 0 is no reason
apart = float(np.abs(shaps - published).to_numpy().max())
print(f"largest difference to shap: {apart:.1e}, over {shaps.shape[0]:,} accounts x {shaps.shape[1]} features")

# %% [markdown]
# Drawn by shap, feature by feature, before anything is folded into families: see `waterfall.png` in the folder.

# %%
row = matrix.frame.set_index("account_id").loc[account, list(shaps)]
drawn = shap.Explanation(shaps.loc[account].to_numpy(), base, row.to_numpy(), feature_names=list(shaps))
axes = shap.plots.waterfall(drawn, max_display=12, show=False)
axes.figure.savefig(FOLDER / "waterfall.png", bbox_inches="tight")
print(FOLDER / "waterfall.png")

# %% [markdown]
# ## What this notebook claims

# %%
assert abs(expit(base + mine["log_odds"].sum()) - told.row["propensity"]) < 1e-6, "reasons add up to the probability"
assert np.allclose(told.steps["ends"].iloc[-2], told.steps["log_odds"].iloc[-1], atol=1e-9), "and so does the waterfall"
assert abs(change.parts["log_odds"].sum() - (change.after - change.before)) < 1e-9, "the change is split without a rest"
assert told.moves.ways or told.moves.between, "there is a way to the next tier, or what stands in between"
assert not barred.moves.ways, "nothing people do lifts a misfit"
assert barred.moves.between
assert apart < 1e-6, "shap says the same"
assert (FOLDER / "waterfall.png").stat().st_size > 0
