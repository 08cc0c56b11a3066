"""A published run as the console shows it: read once, then filtered, searched and paged without changing anything."""

from __future__ import annotations

import io
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pandas as pd

from tierwise.clock import instant
from tierwise.errors import UsageError
from tierwise.explain import told_disputed
from tierwise.publishing import PublishedRun, read_current
from tierwise.report import AccountPage, AccountsPage

PAGE = 50
ORDER = ("tier_1", "tier_2", "tier_3", "recycle", "suppress", "in_pipeline", "customer", "not_eligible")


@dataclass(frozen=True)
class Shown:
    """One run's accounts (tiers joined with scores, ranked by tier and propensity), reasons, names and labels."""

    run: PublishedRun
    plan: str
    as_of: datetime
    model_version: str
    accounts: pd.DataFrame
    reasons: pd.DataFrame
    names: Mapping[str, str]
    labels: Mapping[str, str]
    counts: Mapping[str, int]

    def listed(self, tier: str = "", query: str = "", page: int = 1) -> AccountsPage:
        """The accounts of a tier ("" for all) whose name or id holds the query, one page of them."""
        found = self.accounts
        if tier:
            found = found[found["tier"] == tier]
        if query:
            found = found[found["sought"].str.contains(query.casefold(), regex=False)]
        pages = max(1, -(-len(found) // PAGE))
        page = min(max(page, 1), pages)
        return AccountsPage(
            plan=self.plan,
            as_of=self.as_of,
            run_id=self.run.run_id,
            model_version=self.model_version,
            rows=found.iloc[(page - 1) * PAGE : page * PAGE],
            matched=len(found),
            counts=self.counts,
            tier=tier,
            query=query,
            page=page,
            pages=pages,
            labels=self.labels,
            names=self.names,
        )

    def account(self, account_id: str) -> AccountPage | None:
        """One account with its reasons, or None where the run has no such account."""
        found = self.accounts[self.accounts["account_id"] == account_id]
        if found.empty:
            return None
        start, end = (int(self.reasons["account_id"].searchsorted(account_id, side)) for side in ("left", "right"))
        return AccountPage(
            plan=self.plan,
            as_of=self.as_of,
            run_id=self.run.run_id,
            model_version=self.model_version,
            row={str(k): v for k, v in found.iloc[0].to_dict().items()},
            reasons=self.reasons.iloc[start:end],
            currency=str(self.run.meta.get("expected_value", {}).get("currency", "")),
            no_value=str(self.run.meta.get("expected_value", {}).get("why", "")),
            disputed=[told_disputed(f) for f in self.run.meta.get("disputed", ()) if f["account_id"] == account_id],
            labels=self.labels,
            names=self.names,
        )


class Current:
    """The run that CURRENT names, read again when CURRENT moves."""

    def __init__(self, root: Path, plan: str) -> None:
        self.root, self.plan = Path(root), plan
        self._lock = threading.Lock()
        self._shown: Shown | None = None

    def run(self) -> PublishedRun:
        """The run CURRENT names now; its frames are not read.

        Raises
        ------
        UsageError : nothing is published yet.
        EnvironmentFault : what is published is damaged.
        """
        return read_current(self.root, self.plan)

    def shown(self) -> Shown:
        """The same, read; one reading a run, whoever asks first."""
        run = self.run()
        with self._lock:
            if self._shown is None or self._shown.run.run_id != run.run_id:
                self._shown = shown_of(run, self.plan)
            return self._shown


def shown_of(run: PublishedRun, plan: str) -> Shown:
    """Read a published run's frames for the console."""
    names = _names(run)
    tiers, scores = run.frame("tiers"), run.frame("scores")
    extra = ["account_id", *[c for c in scores.columns if c not in tiers.columns]]
    accounts = tiers.merge(scores[extra], on="account_id", how="left", validate="one_to_one")
    causes = run.frame("movements")[["account_id", "cause"]].drop_duplicates("account_id")
    accounts = accounts.merge(causes, on="account_id", how="left")
    rank = {tier: i for i, tier in enumerate(ORDER)}
    sought = [f"{names.get(a, '')}\n{a}".casefold() for a in accounts["account_id"]]
    accounts = accounts.assign(rank=accounts["tier"].map(rank).fillna(len(ORDER)), sought=sought)
    by = ["rank", "propensity", "account_id"]
    accounts = accounts.sort_values(by, ascending=[True, False, True], kind="stable").reset_index(drop=True)
    version = accounts["model_version"].iloc[0] if len(accounts) else ""
    labels = run.meta.get("labels") or {}
    return Shown(
        run=run,
        plan=plan,
        as_of=instant(str(run.meta["as_of"])),
        model_version=str(version or ""),
        accounts=accounts,
        reasons=run.frame("reasons").sort_values("account_id", kind="stable").reset_index(drop=True),
        names=names,
        labels={str(k): str(v) for k, v in labels.items()},
        counts={str(k): int(v) for k, v in accounts["tier"].value_counts().items()},
    )


def _names(run: PublishedRun) -> dict[str, str]:
    """Names by account, where accounts.csv has them."""
    try:
        text = run.content("accounts.csv").decode("utf-8-sig")
    except UsageError:
        return {}
    sheet = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    if not {"account_id", "name"} <= set(sheet.columns):
        return {}
    return {a: n for a, n in zip(sheet["account_id"], sheet["name"], strict=True) if n}
