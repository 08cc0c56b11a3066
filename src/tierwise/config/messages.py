"""What the templates of messages may say: a closed list of words, never a contact's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from string import Formatter

MESSAGE_FIELDS = ("account_id", "name", "tier", "tier_words", "why", "signal", "job")
PERSONA_FIELDS = (*MESSAGE_FIELDS, "pain")
OVERDUE_FIELD = "overdue"
"""In the messages of overdue plays alone: the motion of what was not done in time."""
MAY_BE_EMPTY = ("signal", "pain", "job")
"""A sentence that says one of these is left out where there is none."""

_SENTENCE_ENDS = re.compile(r"((?:(?<=[.!?])|(?<=[.!?][)\"])|(?<=\{why\}))(?<!\be\.g\.)(?<!\bi\.e\.)\s+|\n+)")
_CONTACT = re.compile(r"@|\+?\d[\d ()/.-]{7,}\d")


def sentences(template: str) -> list[tuple[str, str]]:
    """The sentences of a template, each after the space before it; {why} ends one, as do line breaks.

    >>> sentences("{name}: call. {why} Open with its {signal}.")
    [('', '{name}: call.'), (' ', '{why}'), (' ', 'Open with its {signal}.')]
    """
    pieces = ["", *_SENTENCE_ENDS.split(template)]
    return list(zip(pieces[::2], pieces[1::2], strict=True))


def fields_of(template: str) -> frozenset[str]:
    """The fields that a sound template says.

    >>> sorted(fields_of("{name} has {{no}} {signal}"))
    ['name', 'signal']
    """
    return frozenset(field for _, field, _, _ in Formatter().parse(template) if field is not None)


def message_fault(template: str, fields: Sequence[str]) -> str:
    """What is wrong with a template that may say some fields; `""` where nothing is.

    >>> message_fault("{name}: {contact}", ("name",))
    'a message may say {name} only, not {contact}'
    """
    try:
        parts = list(Formatter().parse(template))
    except ValueError:
        return "its braces do not match: write {{ and }} for braces that are to be read"
    for _, field, spec, conversion in parts:
        if field == "pain" and field not in fields:
            return "a pain is a persona's, and not in message: say {pain} under personas"
        if field is not None and (field not in fields or spec or conversion):
            known = ", ".join(f"{{{name}}}" for name in fields)
            return f"a message may say {known} only, not {{{field}}}"
    if _CONTACT.search(template):
        return "a message holds no address and no number of a person (law 10)"
    optional = [fields & {*MAY_BE_EMPTY} for fields in map(fields_of, (text for _, text in sentences(template)))]
    if any("why" in fields_of(text) and fields_of(text) & {*MAY_BE_EMPTY} for _, text in sentences(template)):
        return "say {why} in a sentence of its own: one that says {signal}, {pain} or {job} may be left out"
    if "pain" not in fields and all(optional):
        return "every sentence may be left out, where there is no signal and no job: say one that always stands"
    return ""
