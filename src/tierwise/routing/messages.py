"""Messages: templates filled with an account's own words, without sentences that would have nothing to say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

from tierwise.config.icp import Icp
from tierwise.config.messages import MAY_BE_EMPTY, fields_of, sentences
from tierwise.config.plays import Play
from tierwise.tiers.words import safe_text

LONGEST = 300
"""Characters of a pain or a job at most."""


@dataclass(frozen=True)
class Messages:
    """The messages of a play: one for whoever acts, and one for each persona that it names."""

    play: Play
    icp: Icp
    overdue: str = ""
    """The motion of what was not done, where the play is overdue."""

    def message(self, words: Mapping[str, str]) -> str:
        """The play's message; words: account_id, name, tier, tier_words, why and signal of an account."""
        return fill(self.play.message, {**words, "job": self._job, "overdue": self.overdue})

    def by_persona(self, words: Mapping[str, str]) -> dict[str, str]:
        """Persona -> its message, in the play's order, of those for whom there is something to say."""
        said = {role: fill(text, {**words, **self._own[role]}) for role, text in self.play.personas.items()}
        return {role: text for role, text in said.items() if text.strip()}

    @property
    def _job(self) -> str:
        return _phrase(self.icp.job_to_be_done or "")

    @cached_property
    def _own(self) -> dict[str, dict[str, str]]:
        """What icp.yaml says of each persona; without a job of its own it has the profile's."""
        own = {}
        for role in self.play.personas:
            said = self.icp.personas.get(role)
            pain, job = (said.pain, said.job) if said else ("", "")
            own[role] = {"pain": _phrase(pain), "job": _phrase(job) or self._job, "overdue": self.overdue}
        return own


def _phrase(text: str) -> str:
    """A pain or a job as part of a sentence."""
    return safe_text(text, LONGEST).rstrip(".?! ")


def fill(template: str, words: Mapping[str, str]) -> str:
    """A template with its words; a sentence that says an empty signal, pain or job is left out whole.

    >>> fill("{name} moved. Open with its {signal}. {why}", {"name": "Acme", "signal": "", "why": "Fit is high."})
    'Acme moved. Fit is high.'
    """
    sentences = _sentences(template)
    empty = {field for field in MAY_BE_EMPTY if not words.get(field)}
    if not any(fields & empty for _, _, fields in sentences):
        return template.format(**words)
    kept = [(gap, sentence) for gap, sentence, fields in sentences if not fields & empty]
    text = "".join((gap if n else "") + sentence for n, (gap, sentence) in enumerate(kept))
    return text.format(**words)


@lru_cache(maxsize=1024)
def _sentences(template: str) -> tuple[tuple[str, str, frozenset[str]], ...]:
    """Each sentence: the space before it, its text, and the fields that it says."""
    return tuple((gap, sentence, fields_of(sentence)) for gap, sentence in sentences(template))
