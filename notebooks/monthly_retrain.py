# %% [markdown]
# # The monthly retrain
#
# A company scores its accounts with a model that was trained in June. It is July now: one more month of outcomes is
# known. Is a new model better? Does its probability mean what it says? And if so, how does it go live, and how do we
# go back?
#
# The company is a simulated one, of 1,000 accounts, so that the notebook runs anywhere: what is done to it is what you
# would do to your own workspace. Run as `python notebooks/monthly_retrain.py [FOLDER]`.

# %%
import sys
import tempfile
from pathlib import Path

import pandas as pd

import tierwise
from tierwise.errors import GateRefused
from tierwise.governance import paired_loss

FOLDER = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="retrain-"))
pd.set_option("display.width", 150, "display.max_columns", 20, "display.max_colwidth", 90)

# %% [markdown]
# ## A workspace
# `init` reads the tables (accounts, contacts, activities, opportunities, ...) and drafts a plan: which outcome is
# predicted, for whom, from which features. The draft is a file with comments, and yours to change.

# %%
tierwise.write_world(tierwise.simulate(tierwise.WorldSpec(seed=7, accounts=1000, months=18)), FOLDER)
workspace = tierwise.init(FOLDER, FOLDER / "tables").workspace
question = workspace.plan().plan
print(f"plan '{question.plan}': {question.outcome.event} within {question.outcome.horizon_days} days")

# %% [markdown]
# ## June: the model that is live
# Training stands on a date and reads nothing that was known later. An outcome counts only once its whole horizon has
# passed, so the newest rows of a June training are those of March. The first model goes live by itself.

# %%
JUNE, JULY, OCTOBER = "2025-06-01", "2025-07-01", "2025-10-01"
june = tierwise.train(workspace, as_of=JUNE)
print(f"version {june.number}, live: {june.live}; rows to {june.evaluation['trained']['last_as_of'][:10]}")

# %% [markdown]
# ## July: train again, with a small budget for tuning
# The plan says how much is tried. With a number of trials and a seed the result is the same on every run. What is
# trained while another model is live waits as the *challenger*.

# %%
model_yaml = FOLDER / "models" / question.plan / "model.yaml"
model_yaml.write_text(model_yaml.read_text().replace("\nmodel:\n", "\nmodel:\n  tuning: {trials: 6}\n"))
workspace = tierwise.load_workspace(FOLDER)
july = tierwise.train(workspace, as_of=JULY, say=lambda words: print(f"  {words}") if "trial" in words else None)
found = july.evaluation
print(f"version {july.number}, live: {july.live}; rows to {found['trained']['last_as_of'][:10]}; page: {july.page}")

# %% [markdown]
# ## Is there anything to learn?
# The newest outcomes were kept apart and chose nothing. On them the model must beat three rankings that need no
# model: by the base rate (a coin), the largest first, the newest activity first. Intervals are 95 %, by resampling
# accounts, not rows, because an account's rows are alike.

# %%
print(f"{found['verdict']}: {found['why']}")
test = found["test"]
print(f"test slice: {test['rows']:,} rows, {test['outcomes']} outcomes of {test['outcome_accounts']} accounts")


def spoken(figure: dict) -> str:
    """A figure with its interval."""
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"


shown = ["auc", "average_precision", "capture_0.2", "log_loss"]
print(pd.DataFrame({n: {k: spoken(m[k]) for k in shown if k in m} for n, m in found["metrics"].items()}).T.fillna(""))

# %% [markdown]
# ## Which candidate, and what did the choice cost?
# Candidates were compared forward in time on older folds. The simplest one within one standard error of the best is
# taken. The yardstick is one free booster, which may mix the two sides and so gives no reasons that add up: above 0,
# what is chosen is worse than that.

# %%
above = pd.DataFrame({name: c["less_best"] for name, c in found["candidates"].items()}).T
tried = pd.DataFrame(found["candidates"]).T[["log_loss", "n", "slope"]].assign(above_best=above["mean"])
print(tried.assign(standard_error=above["standard_error"]).astype(float).round(4).astype({"n": int}))
print(found["chosen_because"])
cost = found["yardstick"]["chosen_less_free"]
print(f"chosen less free booster: {cost['mean']:+.4f}, standard error {cost['standard_error']:.4f}, "
      f"{cost['accounts']:,} accounts")  # fmt: skip

# %% [markdown]
# ## How much does random cross-validation flatter?
# The same model, judged on rows drawn at random, has seen the same accounts a month before and a month after. Only the
# second line is what next month will be like; the third is the difference, with its interval.

# %%
random_cv = found["random_cv"]
for name in ("random", "forward"):
    drawn = random_cv[name]
    print(f"{name:8} AUC {drawn['auc']:.3f}, log-loss {drawn['log_loss']:.3f}, n = {drawn['n']:,}")
flatters = random_cv["flatters"]
print(f"apart by AUC {spoken(flatters['auc'])}, log-loss {spoken(flatters['log_loss'])}")

# %% [markdown]
# ## Does the probability mean what it says?
# Of accounts that are told 10 %, one in ten should have the outcome. A slope of 1 and an intercept of 0 are perfect,
# and the p-value asks whether what we see could come from a perfect model. ECE, the mean gap between told and seen, is
# never 0 even then: beside it stands what a perfect model would show on as many accounts in 95 of 100 cases. A slope
# below 1 with a small p-value says that the model is too bold: its high probabilities are too high, its low ones too
# low, and the worth of a ranking is not touched by it.

# %%
calibration, ece = found["calibration"], found["calibration"]["ece"]
print(pd.DataFrame(calibration["deciles"])[["n", "predicted", "observed", "observed_low", "observed_high"]].round(3))
print(f"slope {calibration['slope']:.2f}, intercept {calibration['intercept']:.2f}, p = {calibration['p_value']:.4f}, "
      f"n = {calibration['n']:,}")  # fmt: skip
print(f"ECE {ece['value']:.4f}; a perfect model's: {ece['null_mean']:.4f}, at most {ece['null_high']:.4f}")
print(calibration["constant"]["words"])

# %% [markdown]
# ## What was learned, and where it is weaker
# `among_top` is the share of accounts among whose five reasons a family is, `mean_size` how large it is, in log-odds. A
# segment is named where the model is wrong by more than chance, among so many segments, would make it; the three most
# striking are shown, named or not. The training's page draws these views, and the registered model keeps them. With two
# years of history the base may vary by month of the year.

# %%
views = tierwise.read_model(workspace, model="challenger").meta["views"]
print(f"what counts, for {views['accounts']:,} accounts:")
counts = ["side", "family", "among_top", "mean_size", "proven"]
print(pd.DataFrame(views["importance"])[counts].head(6).round(3).to_string(index=False))
weak = views["segments"]
print(f"{weak['judged']} segments of {weak['rows']:,} unseen rows were judged:")
striking = ["feature", "segment", "rows", "accounts", "outcomes", "predicted", "observed", "p_value", "named"]
print(pd.DataFrame(weak["segments"]).nsmallest(3, "p_value")[striking].round(4).to_string(index=False))
print("season:", found["season"]["words"])

# %% [markdown]
# ## The canaries
# Four things that must come to nothing, on every training: labels shuffled (AUC must stay in its band around 0.5), pure
# noise as a feature (never shown as a reason), the date as a feature (if it helps, the world drifts), and a planted
# copy of the outcome, which the audit must name. Then what the audit found; what changed in the midst of history and
# the plan does not date would stand here as `blocks`, and there would be no training.

# %%
canaries = found["canaries"]
labels, drift = canaries["permuted_labels"], canaries["time_index"]
print(f"shuffled labels: AUC {labels['auc']:.3f}, in {labels['low']:.3f} to {labels['high']:.3f}: {labels['inside']}; "
      f"{labels['test_rows']:,} rows, {labels['test_outcomes']} outcomes")  # fmt: skip
print(pd.DataFrame(canaries["noise"]["lines"])[["feature", "share", "rank", "shown"]])
print(f"the date as a feature gains {drift['gain']:.4f} ({drift['low']:.4f} to {drift['high']:.4f}): {drift['drifts']}")
print("planted copies were named:", *sorted(canaries["planted_label"]["named"]))
said = pd.DataFrame([(f.severity, f.code, f.subject) for f in july.findings], columns=["severity", "finding", "of"])
print(said.groupby(["severity", "finding"])["of"].agg(", ".join).reset_index())

# %% [markdown]
# ## The alternative: recalibrate
# When only the base rate has moved, there is nothing to learn again: two numbers of the live model are fitted on rows
# that it has not seen. In July there are none yet: its newest rows are of March, and what shares no outcome with them
# has not had its 90 days. The answer is an error that says so, not a guess.

# %%
try:
    tierwise.recalibrate(workspace, as_of=JULY)
    too_early = ""
except tierwise.TierwiseError as error:
    too_early = str(error)
print(too_early)

# %% [markdown]
# ## Challenger beside the live model
# A dry run publishes nothing. How many accounts would move, and where to?

# %%
challenger = tierwise.score(workspace, as_of=JULY, dry_run=True, model="challenger").tiers.set_index("account_id")
live = tierwise.score(workspace, as_of=JULY, dry_run=True).tiers.set_index("account_id")
both = live.join(challenger.add_suffix("_then"))
print(pd.crosstab(both["tier"].rename("live model"), both["tier_then"].rename("challenger")))
scored = both.dropna(subset=["propensity", "propensity_then"])
agreement = scored["propensity"].corr(scored["propensity_then"], method="spearman")
print(f"rank agreement {agreement:.3f} of {len(scored):,} accounts; mean probability "
      f"{scored['propensity'].mean():.3f} live, {scored['propensity_then'].mean():.3f} challenger")  # fmt: skip

# %% [markdown]
# ## Promote, through the gate, and score
# Training has compared challenger and live model on rows that neither side has learned from. The gate reads that: one
# that is worse by more than a paired standard error raises `GateRefused`. `promote(workspace, by=..., because=...)`
# overrules it: name and reason are kept. What passes is the live model from now on.
#
# Nothing is published here before July, and a first run is held by nothing. Where tiers stand, accounts that the new
# model lowers wait for a release, unless its promotion states limits for its first run: `promote(workspace,
# share=0.3, least=50)` lets it go as long as no more than 30 % of a tier, or fewer than 50 accounts of it, move.

# %%
try:
    promoted = tierwise.promote(workspace)
except GateRefused as refused:
    print(refused)
    promoted = tierwise.promote(workspace, by="Ada", because="October is to tell whether the gate was right")
print(f"live: version {promoted.number}; the gate said", *promoted.gate.reasons, sep="\n  ")
run = tierwise.score(workspace, as_of=JULY)
print(f"published {run.run_id}, {len(run.tiers):,} accounts")

# %% [markdown]
# ## October: who was right?
# The 90 days of July have closed. Both models said something of the same accounts before; now we know. The difference
# is paired by account, so that it is far surer than either log-loss alone. If it lies within two standard errors of 0,
# the month was too short to tell the two apart, and that is an answer.

# %%
with tierwise.read_tables(workspace.tables, workspace.settings).warehouse as warehouse:
    (stand, known) = (pd.Timestamp(day, tz="UTC").to_pydatetime() for day in (JULY, OCTOBER))
    rows_of_july = tierwise.build_matrix(warehouse, question, (stand,), outcomes_through=known).eligible().mature()
after = rows_of_july.frame[["account_id", "outcome"]].merge(scored, on="account_id")
after = after.rename(columns={"propensity": "champion", "propensity_then": "challenger"})
gap = paired_loss(after)
print(f"log-loss of July's {gap.n:,} rows with {int(after['outcome'].sum())} outcomes: "
      f"June's model {gap.champion:.4f}, July's {gap.challenger:.4f}")  # fmt: skip
print(f"July's less June's: {gap.difference:+.4f}, standard error {gap.standard_error:.4f}, {gap.accounts:,} accounts")

# %% [markdown]
# ## Back again
# Rolling back is one call, and does not forget: June's model is live, July's waits as the challenger. And now that
# there are outcomes it has not seen, June's model can be recalibrated; that makes a challenger too.

# %%
rolled_back = tierwise.rollback(workspace)
print(f"live: version {rolled_back.number}; waiting: {tierwise.read_model(workspace, model='challenger').version[:12]}")
recalibrated = tierwise.recalibrate(workspace, as_of=OCTOBER)
print(f"version {recalibrated.number}:", *recalibrated.words, sep="\n  ")

# %% [markdown]
# ## What this notebook claims

# %%
assert june.live
assert not july.live
assert found["verdict"] == "usable"
assert found["trained"]["rows"] > june.evaluation["trained"]["rows"], "a month later, a month more to learn from"
assert len(found["trials"]) >= 6, "the budget was spent"
assert flatters["auc"]["low"] > 0, "random cross-validation flatters"
assert labels["inside"]
assert not any(line["shown"] for line in canaries["noise"]["lines"])
assert "tierwise_planted_copy" in canaries["planted_label"]["named"]
assert too_early, "a month is too short to recalibrate on"
assert promoted.gate.passed or promoted.overruled
assert promoted.gate.paired.n == test["rows"], "on rows that neither side has learned from"
assert promoted.number == july.number
assert set(run.tiers["model_version"]) == {july.model_version}
assert rolled_back.number == june.number
assert tierwise.read_model(workspace).version == june.model_version
ranks = [
    tierwise.read_model(workspace, model=which).model.score(rows_of_july.frame) for which in ("champion", "challenger")
]
assert (ranks[0]["account_score"] == ranks[1]["account_score"]).all(), "recalibrating moves no rank"
