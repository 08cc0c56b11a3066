# %% [markdown]
# # Will a wholesale customer order again within 30 days?
#
# 541,909 invoice lines of a gift wholesaler (Online Retail; Chen, Sain and Guo 2012), from raw file to report, with the
# same public verbs as any workspace. Customers are the accounts, invoices and cancellations their activities, and the
# outcome is an order within 30 days. Nobody is excluded for having bought: the cohort keeps customers.
#
# Run as `python notebooks/online_retail.py [FOLDER]`; the data are looked for in `../shared/data`.

# %%
import itertools
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import tierwise
from tierwise.clock import instant
from tierwise.features import training_grid

HERE = Path(__file__).resolve().parent
RAW = HERE.parents[1] / "shared" / "data" / "online_retail" / "online_retail.parquet"
if not RAW.is_file():
    print(f"skipped: {RAW.name} is not there (../shared/data/online_retail)")
    sys.exit(0)
FOLDER = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="online-retail-"))

# %% [markdown]
# ## Canonical tables
# A quarter of the lines name no customer, and are left out. An invoice is one activity, and its value its amount.
# The world of this table begins on 1 December 2010: `tracked_from` says so, and windows that reach before are missing.

# %%
lines = pd.read_parquet(RAW).drop_duplicates().dropna(subset=["CustomerID"])
lines = lines.assign(
    account_id=lines["CustomerID"].astype(int).astype(str),
    occurred_at=pd.to_datetime(lines["InvoiceDate"]),
    value=lines["Quantity"] * lines["UnitPrice"],
)
invoices = lines.groupby("InvoiceNo", as_index=False).agg(
    account_id=("account_id", "first"), occurred_at=("occurred_at", "min"), value=("value", "sum"), n=("value", "size")
)
cancelled = invoices["InvoiceNo"].str.startswith("C")
activities = invoices.rename(columns={"InvoiceNo": "activity_id"}).assign(
    channel=np.where(cancelled, "returns", "orders"),
    kind=np.where(cancelled, "cancellation", "order"),
    initiator="buyer",
)
accounts = lines.groupby("account_id", as_index=False).agg(country=("Country", "first"))
tables = FOLDER / "tables"
tables.mkdir(parents=True, exist_ok=True)
accounts.to_parquet(tables / "accounts.parquet")
activities.drop(columns="n").to_parquet(tables / "activities.parquet")

# %% [markdown]
# ## The plan
# Another outcome event (an activity), a cohort that keeps customers, a weekly grid. There are no contacts and no
# opportunities, so their features are left out by saying so.

# %%
(FOLDER / "tierwise.yaml").write_text("tables: tables\n")
models = FOLDER / "models" / "reorder"
models.mkdir(parents=True, exist_ok=True)
(models / "model.yaml").write_text("""\
plan: reorder
labels: {signal: orders, opportunity: order}
outcome: {event: activity, kinds: [order], horizon_days: 30}
cohort: {grid: {every: week}, customers: keep}
features:
  fit:
    - {attribute: country, kind: category, clock: fixed}
  signal:
    channels:
      orders: {tracked_from: 2010-12-01}
      returns: {tracked_from: 2010-12-01}
    value_of: [order, cancellation]
    opportunity_history: false
    buying_group: {roles: []}
model: {train_from: 2011-02-01}
""")
(models / "policy.yaml").write_text("""\
policy: v1
minimum_fit: low  # a country is all that is known of who they are
rows:
  - {row: focus, tier: tier_1, signal: high}
  - {row: growth, tier: tier_2, signal: moderate}
  - {row: scaled, tier: tier_3, signal: early}
stale: {after_days: 180, within_days: 365}
""")
workspace = tierwise.load_workspace(FOLDER)

# %% [markdown]
# ## Train as of October, score on 1 November, govern in December
# As-of dates to September stand in training: their horizons have closed by 1 October. November is read once.

# %%
trained = tierwise.train(workspace, as_of="2011-10-01", say=print)
scored = tierwise.score(workspace, as_of="2011-11-01", say=print)
governed = tierwise.govern(workspace, as_of="2011-12-09", say=print)
print(scored.tiers["tier"].value_counts().to_string())
print(governed.review.precision.by_tier.to_string(index=False))
print(f"report: {scored.folder / 'report.html'}\nreview: {governed.folder / 'review.html'}")

# %% [markdown]
# ## A policy tuned on the past
# For a team that can work three customers in ten: cuts found over past weeks, scored by models that could not have seen
# what came, and judged on the last month whose 30 days have passed. Nothing is changed: it is a proposal.

# %%
tuned = tierwise.tune_policy(
    workspace, top="30%", tier_1="10%", ping_pong="10%", trials=40, since="2011-04-01", judge_from="2011-10-09",
    say=print,
).tuned  # fmt: skip
print(
    f"judged on {tuned.judged_on} weeks from {tuned.judged_from.date()} on; held {tuned.after.held:.1%} of the orders"
)
within = pd.DataFrame(tuned.after.within).T.drop(index=["suppress", "ping_pong"])
print(within.assign(ordered_again=pd.Series(tuned.after.precision))[["ordered_again", "low", "high", "n"]].to_string())
print(pd.DataFrame(tuned.aims_kept).to_string(index=False))
rates = [tuned.after.precision[tier] for tier in ("tier_1", "tier_2", "tier_3", "recycle")]
assert all(above > below for above, below in itertools.pairwise(rates)), rates

# %% [markdown]
# ## Beside a plain logistic regression on the same rows
# The same matrix, standardised, missing values at their median, the country one-hot; trained on the same rows.

# %%
plan = workspace.plan().plan
with tierwise.read_tables(workspace.tables, workspace.settings).warehouse as warehouse:
    grid = training_grid(plan, instant("2010-12-01"), instant("2011-10-01"))
    past = tierwise.build_matrix(warehouse, plan, grid, outcomes_through=instant("2011-10-01")).eligible().mature()
    test = tierwise.build_matrix(warehouse, plan, (instant("2011-11-01"),), outcomes_through=instant("2011-12-09"))
    test = test.eligible().mature()
numbers = [f.name for f in test.features if f.kind != "category" and past.frame[f.name].notna().any()]
plain = make_pipeline(
    make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
        (OneHotEncoder(handle_unknown="ignore"), ["country"]),
    ),
    LogisticRegression(max_iter=2000),
).fit(past.frame[[*numbers, "country"]], past.frame["outcome"])

y = test.frame["outcome"].to_numpy()
ours = test.frame[["account_id"]].merge(scored.tiers[["account_id", "propensity"]])["propensity"].to_numpy()
theirs = plain.predict_proba(test.frame[[*numbers, "country"]])[:, 1]
base = np.full(len(y), past.frame["outcome"].mean())


def row_loss(p: np.ndarray) -> np.ndarray:
    """The log-loss of each row."""
    p = np.clip(p, 1e-12, 1 - 1e-12)
    return -(y * np.log(p) + (1 - y) * np.log1p(-p))


def auc_difference_error(draws: int = 500) -> float:
    """The standard error of the difference in AUC, paired, resampling accounts (each stands here once)."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(draws):
        rows = rng.integers(0, len(y), len(y))
        found.append(roc_auc_score(y[rows], ours[rows]) - roc_auc_score(y[rows], theirs[rows]))
    return float(np.std(found, ddof=1))


loss_error = float(np.std(row_loss(ours) - row_loss(theirs), ddof=1) / np.sqrt(len(y)))
result = {
    "rows": len(y),
    "outcomes": int(y.sum()),
    "auc": roc_auc_score(y, ours),
    "auc_plain": roc_auc_score(y, theirs),
    "auc_paired_error": auc_difference_error(),
    "log_loss": log_loss(y, ours),
    "log_loss_plain": log_loss(y, theirs),
    "log_loss_paired_error": loss_error,
    "log_loss_base_rate": log_loss(y, base),
}
print(pd.Series(result).to_string())
