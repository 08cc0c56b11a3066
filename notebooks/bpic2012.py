# %% [markdown]
# # Will an application that is still open after a week be approved within 30 days?
#
# 262,200 events of 13,087 loan applications with sales calls (BPI Challenge 2012, a Dutch lender). An application is an
# account, its events are activities, approval within 30 days is the outcome, and we stand 7 days after each
# application appeared: an instant of its own. What the lender does is part of the process here, so both initiators
# count as signal.
#
# Run as `python notebooks/bpic2012.py [FOLDER]`; the data are looked for in `../shared/data`.

# %%
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import tierwise
from tierwise.clock import instant

HERE = Path(__file__).resolve().parent
RAW = HERE.parents[1] / "shared" / "data" / "bpic2012"
if not RAW.is_dir():
    print(f"skipped: {RAW.name} is not there (../shared/data/bpic2012)")
    sys.exit(0)
FOLDER = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="bpic2012-"))

# %% [markdown]
# ## Canonical tables
# The event's first letter says what it belongs to: A the application, O an offer, W work by an employee.

# %%
cases = pd.read_parquet(RAW / "cases.parquet")
events = pd.read_parquet(RAW / "events.parquet").reset_index(drop=True)
accounts = cases.rename(columns={"reg_date": "created_at", "amount_req": "requested"})
accounts = accounts.assign(account_id=accounts["case_id"].astype(str))
activities = pd.DataFrame(
    {
        "activity_id": events.index.astype(str),
        "account_id": events["case_id"].astype(str),
        "occurred_at": events["timestamp"],
        "channel": events["activity"].str[0].map({"A": "application", "O": "offer", "W": "work"}),
        "kind": events["activity"].str.lower().str.replace(" ", "_"),
        "initiator": np.where(events["activity"].str.startswith("W"), "seller", "buyer"),
    }
)
tables = FOLDER / "tables"
tables.mkdir(parents=True, exist_ok=True)
accounts[["account_id", "created_at", "requested"]].to_parquet(tables / "accounts.parquet")
activities.to_parquet(tables / "activities.parquet")

# %% [markdown]
# ## The plan
# `account_age_days` makes each as_of the application's own; `ended_by` leaves out what was decided before it.

# %%
(FOLDER / "tierwise.yaml").write_text("tables: tables\n")
models = FOLDER / "models" / "approval"
models.mkdir(parents=True, exist_ok=True)
kinds = {c: sorted(k) for c, k in activities.groupby("channel")["kind"].unique().items()}
ends = ["a_approved", "a_declined", "a_cancelled"]
accompany = {*ends, "a_registered", "a_activated", "o_accepted"}
listed = "\n".join(f"      {c}: {{kinds: [{', '.join(k for k in kinds[c] if k not in accompany)}]}}" for c in kinds)
(models / "model.yaml").write_text(f"""\
plan: approval
outcome: {{event: activity, kinds: [a_approved], horizon_days: 30}}
cohort: {{grid: {{account_age_days: [7]}}, customers: keep, ended_by: [{", ".join(ends)}]}}
features:
  fit:
    - {{attribute: requested, kind: number, clock: fixed, words: amount requested}}
  signal:
    initiators: [buyer, seller]
    channels:
{listed}
    windows_days: [1, 2, 7]
    half_lives_days: [1, 3]
    opportunity_history: false
    buying_group: {{roles: []}}
model: {{test_from: 2012-01-01}}
audit:
  accept:
    - {{finding: seller_effort, subject: work, because: "the bank's steps on an application are the process itself"}}
""")
(models / "policy.yaml").write_text("policy: v1\nminimum_fit: low\nrows:\n"
                                    "  - {row: focus, tier: tier_1, signal: high}\n"
                                    "  - {row: growth, tier: tier_2, signal: moderate}\n"
                                    "  - {row: scaled, tier: tier_3, signal: early}\n"
                                    "stale:\n")  # fmt: skip
workspace = tierwise.load_workspace(FOLDER)

# %% [markdown]
# ## Train, score, govern
# The test slice is the plan's own (`test_from`): applications that turned a week old from 1 January 2012 on, and whose
# 30 days have closed in the data. What was trained for it had closed by then; the live model is refitted on all.

# %%
trained = tierwise.train(workspace, as_of="2012-03-14", say=print)
scored = tierwise.score(workspace, as_of="2012-03-14", say=print)
governed = tierwise.govern(workspace, as_of="2012-03-14", say=print)
print(scored.tiers["tier"].value_counts().to_string())
print(*(f"{governed.review.verdict}: {reason.words}" for reason in governed.review.reasons), sep="\n")
print(f"report: {scored.folder / 'report.html'}\nreview: {governed.folder / 'review.html'}")

# %% [markdown]
# ## Beside a plain logistic regression on the same rows

# %%
plan = workspace.plan().plan
start, cut, through = instant("2011-10-01"), instant("2012-01-01"), instant("2012-03-14")
with tierwise.read_tables(workspace.tables, workspace.settings).warehouse as warehouse:
    past = tierwise.build_matrix(warehouse, plan, (start, cut), outcomes_through=cut).eligible().mature()
    test = tierwise.build_matrix(warehouse, plan, (cut, through), outcomes_through=through).eligible().mature()
numbers = [f.name for f in test.features if past.frame[f.name].nunique() > 1]
plain = make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), LogisticRegression(max_iter=2000)).fit(
    past.frame[numbers], past.frame["outcome"]
)

y = test.frame["outcome"].to_numpy()
ours = test.frame[["account_id", "as_of"]].merge(trained.unseen)["propensity"].to_numpy()
theirs = plain.predict_proba(test.frame[numbers])[:, 1]
base = np.full(len(y), past.frame["outcome"].mean())


def row_loss(p: np.ndarray) -> np.ndarray:
    """The log-loss of each row."""
    p = np.clip(p, 1e-12, 1 - 1e-12)
    return -(y * np.log(p) + (1 - y) * np.log1p(-p))


def auc_difference_error(draws: int = 500) -> float:
    """The standard error of the difference in AUC, paired, resampling applications (each stands here once)."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(draws):
        rows = rng.integers(0, len(y), len(y))
        found.append(roc_auc_score(y[rows], ours[rows]) - roc_auc_score(y[rows], theirs[rows]))
    return float(np.std(found, ddof=1))


result = {
    "rows": len(y),
    "outcomes": int(y.sum()),
    "auc": roc_auc_score(y, ours),
    "auc_plain": roc_auc_score(y, theirs),
    "auc_paired_error": auc_difference_error(),
    "log_loss": log_loss(y, ours),
    "log_loss_plain": log_loss(y, theirs),
    "log_loss_paired_error": float(np.std(row_loss(ours) - row_loss(theirs), ddof=1) / np.sqrt(len(y))),
    "log_loss_base_rate": log_loss(y, base),
}
print(pd.Series(result).to_string())
