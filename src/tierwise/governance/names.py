"""What candidates and baselines are called, the same on every page, card and terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable

NAMES = {
    "icp_rubric": "ICP rubric",
    "rubric": "ICP rubric",
    "base_rate": "Base rate",
    "two_sided": "Two-sided boosting",
    "scorecard": "Scorecard",
    "additive": "Additive boosting",
    "staged": "Staged boosting",
    "largest": "Largest accounts first",
    "newest_activity": "Newest activity first",
}
WITH_ARTICLE = ("scorecard", "icp_rubric", "rubric", "base_rate", "largest", "newest_activity")


def named(name: str) -> str:
    """A candidate's or a baseline's name as words.

    >>> named("two_sided"), named("random_order")
    ('Two-sided boosting', 'Random order')
    """
    return NAMES.get(name, name.replace("_", " ").capitalize())


def in_text(name: str) -> str:
    """The same in running text.

    >>> in_text("largest"), in_text("icp_rubric"), in_text("two_sided")
    ('the largest accounts first', 'the ICP rubric', 'two-sided boosting')
    """
    said = named(name)
    said = said if said[:2].isupper() else said[:1].lower() + said[1:]
    return f"the {said}" if name in WITH_ARTICLE else said


def in_words(sentence: str, names: Iterable[str]) -> str:
    """A sentence in which these candidates and baselines stand by their words.

    >>> in_words("two_sided beats icp_rubric", ["rubric", "icp_rubric", "two_sided"])
    'two-sided boosting beats the ICP rubric'
    """
    longest_first = sorted(set(names), key=lambda name: (-len(name), name))
    if not longest_first:
        return sentence
    return re.sub(rf"\b(?:{'|'.join(map(re.escape, longest_first))})\b", lambda found: in_text(found[0]), sentence)
