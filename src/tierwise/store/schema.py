"""The tables of the store, and the one number that says which shape they have."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

VERSION = 1
"""Raise this when a table that is there changes; a store of another version is refused by name. A table that is new is
made in the stores that lack it, and is no other version."""

metadata = MetaData()

meta = Table("meta", metadata, Column("one", Integer, primary_key=True), Column("version", Integer, nullable=False))

runs = Table(
    "runs",
    metadata,
    Column("run_id", String(80), primary_key=True),
    Column("plan", String(60), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("as_of", DateTime, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("model_version", Text, nullable=False),
    Column("policy_version", Text, nullable=False),
    Column("inputs", Text, nullable=False),
    Column("prior_state", Text, nullable=False),
    Column("counts", Text, nullable=False),
    UniqueConstraint("plan", "sequence", name="runs_in_order"),
)

policies = Table(
    "policies",
    metadata,
    Column("plan", String(60), primary_key=True),
    Column("version", Text, primary_key=True),
    Column("rules", Text, nullable=False),
)
"""The rules by which runs decided, as JSON, by the version that their states name."""

tier_state = Table(
    "tier_state",
    metadata,
    Column("plan", String(60), primary_key=True),
    Column("account_id", Text, primary_key=True),
    Column("as_of", DateTime, primary_key=True),
    Column("run_id", String(80), ForeignKey("runs.run_id"), nullable=False),
    Column("tier", Text, nullable=False),
    Column("tier_since", DateTime),
    Column("row", Text),
    Column("surge_until", DateTime),
    Column("surge_ended", DateTime),
    Column("model_version", Text),
    Column("policy_version", Text),
    Column("days_since_signal", Float),
    Column("further", Text, nullable=False),
    Index("tier_state_by_date", "plan", "as_of"),
)

movements = Table(
    "movements",
    metadata,
    Column("run_id", String(80), ForeignKey("runs.run_id"), primary_key=True),
    Column("account_id", Text, primary_key=True),
    Column("plan", String(60), nullable=False),
    Column("as_of", DateTime, nullable=False),
    Column("previous_tier", Text),
    Column("tier", Text),
    Column("movement", Text),
    Column("cause", Text),
    Column("further", Text, nullable=False),
    Index("movements_by_account", "plan", "account_id"),
)

stages_seen = Table(
    "stages_seen",
    metadata,
    Column("plan", String(60), primary_key=True),
    Column("account_id", Text, primary_key=True),
    Column("as_of", DateTime, primary_key=True),
    Column("opportunity_id", Text, primary_key=True),
    Column("stage", Text, primary_key=True),
    Column("entered_at", DateTime, nullable=True),
    Index("stages_seen_by_opportunity", "plan", "opportunity_id", "as_of"),
)
"""In which stage, and since when, a run saw each open opportunity of accounts in the statuses of plays by stage;
opportunity_id "": it saw none of the account in a stage. What a run saw stands beside what a revision of it saw. Only
of runs of plans that have such plays."""

outbox = Table(
    "outbox",
    metadata,
    Column("action_id", String(80), primary_key=True),
    Column("plan", String(60), nullable=False),
    Column("account_id", Text, nullable=False),
    Column("as_of", DateTime, nullable=False),
    Column("run_id", String(80), ForeignKey("runs.run_id"), nullable=False),
    Column("status", String(20), nullable=False),
    Column("withdrawn_by", String(80), nullable=True),
    Column("payload", Text, nullable=False),
    Index("outbox_by_status", "plan", "status"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("plan", String(60), primary_key=True),
    Column("sink", String(60), primary_key=True),
    Column("action_id", String(80), primary_key=True),
    Column("status", String(20), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("said", Text, nullable=False),
    Column("answered_at", DateTime, nullable=False),
    Column("next_at", DateTime, nullable=True),
    Index("deliveries_by_status", "plan", "sink", "status"),
)
"""What became of each action at each sink that was asked; one that was never offered has no row."""

watches = Table(
    "watches",
    metadata,
    Column("action_id", String(80), primary_key=True),
    Column("overdue_of", String(80), nullable=False),
    Column("due_at", DateTime, nullable=False),
    Column("not_before", DateTime, nullable=False),
    Column("terms", Text, nullable=False),
)
"""Of each action that is owed only where another is overdue: which, when that was due, from when on it counts, and by
what that is counted anew, as the run said it."""

told_accounts = Table(
    "told_accounts",
    metadata,
    Column("plan", String(60), primary_key=True),
    Column("sink", String(60), primary_key=True),
    Column("account_id", Text, primary_key=True),
    Column("told", Text, nullable=True),
    Column("tried", Text, nullable=False),
    Column("offered", String(80), nullable=False),
    Column("status", String(20), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("said", Text, nullable=False),
    Column("answered_at", DateTime, nullable=False),
    Column("next_at", DateTime, nullable=True),
)
"""What a CRM was last told of each account (null: nothing yet), what it was offered since without a known answer (a
JSON list), and what became of the newest offer."""

sinks = Table(
    "sinks",
    metadata,
    Column("plan", String(60), primary_key=True),
    Column("sink", String(60), primary_key=True),
    Column("begins_at", DateTime, nullable=True),
    Column("rests_until", DateTime, nullable=True),
)
"""From which as_of on a sink is offered actions (that of the newest run when it was first delivered to; null: nothing
says), and until when its receiver asked to be left alone (null: it never did)."""

promotions = Table(
    "promotions",
    metadata,
    Column("plan", String(60), primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("version", Text, nullable=False),
    Column("alias", String(60), nullable=False),
    Column("as_of", DateTime, nullable=False),
)

acts = Table(
    "acts",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("act_id", String(80), nullable=False, unique=True),
    Column("plan", String(60), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("account_id", Text, nullable=True),
    Column("made_at", DateTime, nullable=False),
    Column("payload", Text, nullable=False),
    Index("acts_by_kind", "plan", "kind"),
)
"""What people did, only ever added to."""

held_runs = Table(
    "held_runs",
    metadata,
    Column("run_id", String(80), primary_key=True),
    Column("plan", String(60), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("as_of", DateTime, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("payload", Text, nullable=False),
    UniqueConstraint("plan", "sequence", name="held_in_order"),
)
"""Runs that were held, with what they would have moved; one that was published since stands in runs too."""

control_draws = Table(
    "control_draws",
    metadata,
    Column("plan", String(60), primary_key=True),
    Column("salt", String(60), primary_key=True),
    Column("account_id", Text, primary_key=True),
    Column("via", Text, primary_key=True),
    Column("tier", Text, nullable=False),
    Column("share", Float, nullable=False),
    Column("near", Float, nullable=True),
    Column("arm", String(20), nullable=False),
    Column("drawn_as_of", DateTime, nullable=False),
    Column("row_as_of", DateTime, nullable=False),
    Column("run_id", String(80), ForeignKey("runs.run_id"), nullable=False),
)
"""Who was drawn into the control group or not, by a salt; only ever added to. via: "" of an account's own draw, else
the account that was merged into it and whose draw it took over."""

withheld = Table(
    "withheld",
    metadata,
    Column("run_id", String(80), ForeignKey("runs.run_id"), primary_key=True),
    Column("action_id", String(80), primary_key=True),
    Column("plan", String(60), nullable=False),
    Column("account_id", Text, nullable=False),
    Column("as_of", DateTime, nullable=False),
    Column("play", Text, nullable=False),
    Index("withheld_by_account", "plan", "account_id"),
)
"""The actions that a run would have owed, had their accounts not been in the control group."""
