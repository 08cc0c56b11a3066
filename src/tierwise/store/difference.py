"""The movements of a revision: what it changes against the earlier run of the same as_of."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import pandas as pd

from tierwise.config.policy import TIERS
from tierwise.store.frames import cell

COLUMNS = ("account_id", "as_of", "previous_tier", "tier", "movement", "cause")


def movements_difference(old: pd.DataFrame, new: pd.DataFrame, alike: Collection[str] = ()) -> pd.DataFrame:
    """The movements between two runs of one as_of, an account each, in account_id order; pure.

    Parameters
    ----------
    old, new : decisions or states (account_id, as_of, tier, and if there model_version and policy_version).
    alike : accounts whose new tier is known to be the same by the old policy, which it therefore is no cause of.

    Returns
    -------
    account_id, as_of, previous_tier (old's), tier (new's; null if the account is gone), movement, cause, and the
    further columns of `new`. movement is `entered` (a tier from a status or from nothing), `left` (a tier lost for
    a status or for nothing), `up`, `down`, or `status` (from one status to another). cause is what differs between
    the two runs: `model`, else `policy` (not of `alike`), else `data`.
    """
    before = _by_account(old)
    after = _by_account(new)
    passed = [c for c in new.columns if c not in COLUMNS]
    rows: list[dict[str, Any]] = []
    for account in sorted(before.keys() | after.keys()):
        was, now = before.get(account, {}), after.get(account, {})
        if was.get("tier") == now.get("tier"):
            continue
        either = now or was
        row = {
            "account_id": account,
            "as_of": either.get("as_of"),
            "previous_tier": was.get("tier"),
            "tier": now.get("tier"),
            "movement": _movement(was.get("tier"), now.get("tier")),
            "cause": _cause(was, now, ("model",) if account in alike else ("model", "policy")),
        }
        rows.append(row | {c: now.get(c) for c in passed})
    result = pd.DataFrame(rows, columns=[*COLUMNS, *passed])
    for name in COLUMNS:
        result[name] = result[name].astype("datetime64[us]" if name == "as_of" else "str")
    for name in passed:
        if len(result) and new[name].dtype != object:
            result[name] = result[name].astype(_nullable(new[name].dtype))
    return result


def _by_account(frame: pd.DataFrame) -> dict[str, dict[str, Any]]:
    return {str(r["account_id"]): {str(k): cell(v) for k, v in r.items()} for r in frame.to_dict("records")}


def _nullable(dtype: Any) -> Any:
    return "float64" if dtype.kind in "iu" else "object" if dtype.kind == "b" else dtype


def _movement(was: str | None, now: str | None) -> str:
    if was in TIERS and now in TIERS:
        return "up" if TIERS.index(now) < TIERS.index(was) else "down"
    if now in TIERS:
        return "entered"
    return "left" if was in TIERS else "status"


def _cause(was: dict[str, Any], now: dict[str, Any], versions_of: Sequence[str]) -> str:
    for cause in versions_of:
        versions = [row.get(f"{cause}_version") for row in (was, now)]
        if None not in versions and versions[0] != versions[1]:
            return cause
    return "data"
