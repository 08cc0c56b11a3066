"""A finding of the audit: what it is about, how grave it is, its words and its figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from tierwise.audit.people import PEOPLE, PHONES
from tierwise.plain import plain

if TYPE_CHECKING:
    from tierwise.config.plan import Acceptance

Severity = Literal["blocks", "warns", "notes"]
SEVERITIES: tuple[Severity, ...] = ("blocks", "warns", "notes")
"""Gravest first."""


@dataclass(frozen=True)
class Finding:
    """One finding: `asked`, `found` and `do` as an error says them, and figures that are plain JSON values.

    subject: the attribute, channel or table it is about. refuses: whether the subject may not be a feature.
    """

    code: str
    severity: Severity
    subject: str
    asked: str
    found: str
    do: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)
    refuses: bool = False

    @property
    def words(self) -> str:
        """The finding in one line."""
        return ". ".join(part for part in (self.asked, self.found, self.do) if part) + "."

    def to_dict(self) -> dict[str, Any]:
        """The finding as plain JSON values; a figure that is not a number is null."""
        named = ("code", "severity", "subject", "asked", "found", "do", "refuses")
        return {**{name: getattr(self, name) for name in named}, "figures": plain(self.figures)}


@dataclass(frozen=True)
class AuditRules:
    """The thresholds of the audit; shares are in [0, 1]."""

    missing_difference: float = 0.10
    """Being missing tells the outcome if its share differs by more than this between accounts with and without one,"""
    missing_p: float = 0.01
    """and a two-proportion z test puts less than this probability on chance."""
    missing_auc: float = 0.65
    """Beyond this AUC of being missing, in either direction, the attribute is refused."""
    blank_first_changes: float = 0.05
    """A history is unsafe if more than this share of first changes carry no old value,"""
    held_untouched: float = 0.05
    """while more than this share of the accounts without a change hold a value."""
    creation_days: int = 1
    """A first change within so many days of the account's creation is its first value, not a change."""
    late_channel_days: int = 60
    """A channel whose first activity is so much later than the first of all looks like a change of tracking."""
    chance: float = 0.01
    """The chance of a false alarm, shared among all columns that are tested."""
    least_rows: int = 20
    """Fewer filled rows say nothing of whether a column is an identifier."""
    unique_text: float = 0.9
    """Texts of which more than this share differ name the row;"""
    unique_number: float = 0.98
    """and so do whole numbers."""
    copy_auc: float = 0.98
    """A column that surely ranks better than this alone is a copy of the outcome."""
    certain_rate: float = 0.9
    """Values say the outcome if at least this share of their rows has it, or of others has not,"""
    certain_share: float = 0.05
    """and they hold at least this share of all outcomes, and of all without one;"""
    sure_rate: float = 0.95
    """or if at least this share has it"""
    sure_share: float = 0.10
    """among values that hold at least this share of all outcomes."""
    notable_auc: float = 0.70
    """A column that surely ranks better than this alone is compared with the rest."""
    auc_margin: float = 0.05
    """It is out of line if it is better by more than this than all that rank below it together,"""
    alone_auc: float = 0.85
    """and refused if it surely ranks better than this alone."""
    coincidence_ratio: float = 3.0
    """Things coincide with outcomes if they do so many times as often as by chance,"""
    coincidence_share: float = 0.05
    """and at least this share of the outcomes has them."""
    outcome_days: int = 14
    """So many days from an outcome on are "at the outcome"."""
    late_days: int = 7
    """An activity written down more than so many days after it happened is late."""
    effort_share: float = 0.10
    """Effort follows an attribute that explains more than this share of its variance."""
    drift: float = 0.3
    """A feature changes with time if its rank correlation with as_of is beyond this."""
    load_share: float = 0.5
    """One instant that more than this share of rows bear is when they were loaded, not when they came to be."""


DEFAULT_AUDIT_RULES = AuditRules()


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings, gravest first, then by code and subject."""
    return tuple(sorted(findings, key=lambda f: (SEVERITIES.index(f.severity), f.code, f.subject)))


def refused(findings: Iterable[Finding]) -> list[tuple[str, str]]:
    """The attributes that may not be features, each with why, by name."""
    return sorted({(f.subject, f.found) for f in findings if f.refuses})


def of_contract(findings: Iterable[str]) -> tuple[Finding, ...]:
    """What refuses the tables ("file:line: what is wrong; what to do") as findings; none can be accepted.

    >>> [(f.subject, f.found, f.do) for f in of_contract(["a.csv:7: a quote is never closed; export it anew"])]
    [('a.csv:7', 'a quote is never closed', 'Export it anew')]
    """
    found = []
    for said in findings:
        subject, _, rest = said.partition(": ")
        what, _, do = rest.partition("; ")
        found.append(Finding("contract", "blocks", subject, f"{subject} was read", what, do[:1].upper() + do[1:]))
    return tuple(found)


NEVER_ACCEPTED = frozenset({"absent_attribute", "no_outcomes", "nothing_matured", "personal_values"})
"""Findings that no acceptance can mend."""


def acceptable(finding: Finding) -> bool:
    """Whether a plan can accept a finding by name: of personal data only what a pattern of values made us think so.

    An e-mail address is one beyond doubt; what looks like a phone number or a name may be a code or a place.
    """
    if finding.code == "personal_values":
        return finding.figures.get("kind") in (PHONES, PEOPLE)
    return finding.code not in NEVER_ACCEPTED


def accepted(findings: Iterable[Finding], acceptances: Iterable[Acceptance]) -> tuple[Finding, ...]:
    """The findings in the light of what the plan accepts by name: what blocked warns, and says who accepted it.

    An acceptance of nothing that was found is a finding of its own.
    """
    open_ = {(a.finding, a.subject): a.because for a in acceptances}
    told, used = [], set()
    for finding in findings:
        key = (finding.code, finding.subject)
        if key not in open_:
            told.append(finding)
            continue
        used.add(key)
        if not acceptable(finding):
            told.append(replace(finding, do=f"{finding.do}; it cannot be accepted"))
        else:
            severity: Severity = "warns" if finding.severity == "blocks" else finding.severity
            words = f"{finding.found}; the plan accepts it: {open_[key]}"
            told.append(replace(finding, severity=severity, found=words, do="Every report says so", refuses=False))
    told += [_idle(code, subject) for code, subject in sorted(open_.keys() - used)]
    return ordered(told)


def _idle(code: str, subject: str) -> Finding:
    return Finding(
        "idle_acceptance", "notes", subject, f"the plan accepts {code} of {subject}", "there is no such finding",
        "Take it out of audit.accept",
    )  # fmt: skip


def in_words(findings: Iterable[Finding]) -> list[str]:
    """A sentence for each thing that is said, once for all that it is said of."""
    same: dict[tuple[str, ...], list[Finding]] = {}
    for f in findings:
        same.setdefault((f.code, f.severity, f.asked.replace(f.subject, ""), f.found, f.do), []).append(f)
    told = []
    for first, *others in same.values():
        names = ", ".join([first.subject, *(f.subject for f in others[:-1])])
        names += f" and {others[-1].subject}" if others else ""
        told.append(replace(first, asked=first.asked.replace(first.subject, names, 1)).words)
    return told
