"""What pydantic refuses, as faults of a file: each with its line, its path of keys, and words that say what to do."""

from __future__ import annotations

import difflib
import re
import types
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from tierwise.config.hours import CLOCK_PATTERN
from tierwise.config.plan import NAME_PATTERN
from tierwise.config.yaml_lines import Document, Fault, Faults, Path

_WANTED = {
    "dict": "a mapping of keys",
    "model": "a mapping of keys",
    "tuple": "a list",
    "list": "a list",
    "int": "a whole number",
    "int_from_float": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "date": "a date (YYYY-MM-DD)",
    "date_from_datetime": "a date (YYYY-MM-DD)",
    "date_from_datetime_inexact": "a date (YYYY-MM-DD)",
}
"""What is wanted, by the stem of pydantic's error type."""
_BOUNDS = {
    "greater_than": "a number above {gt:g} is wanted",
    "greater_than_equal": "at least {ge:g} is wanted",
    "less_than": "a number below {lt:g} is wanted",
    "less_than_equal": "at most {le:g} is wanted",
    "finite_number": "a finite number is wanted",
    "too_short": "at least {min_length} entry is wanted; here stand {actual_length}",
    "string_too_short": "text of at least {min_length} characters is wanted",
    "string_too_long": "text of at most {max_length} characters is wanted",
}
"""What is wanted of a value of the right kind, by pydantic's error type and in its numbers."""
_NOT_IN_THE_FILE = re.compile(r"\[\w+\]")
"""A part of a path that pydantic, or the tag of a union, adds."""


def faults_of(
    model: type[BaseModel], document: Document, errors: Iterable[ErrorDetails], prefix: Path = ()
) -> list[Fault]:
    """The faults of one validation's errors; `prefix` is where the validated value stands in the document.

    A list is not called too short because of items that are faults themselves.
    """
    errors = list(errors)
    inside = {error["loc"][:-1] for error in errors}
    told = [e for e in errors if e["type"] != "too_short" or e["loc"] not in inside]
    return [fault for error in told for fault in _faults(model, document, error, prefix)]


def _faults(model: type[BaseModel], document: Document, error: ErrorDetails, prefix: Path) -> list[Fault]:
    """One pydantic error as faults; a message never repeats the value, which may come from a secret."""
    loc = tuple(p for p in error["loc"] if isinstance(p, int) or not _NOT_IN_THE_FILE.fullmatch(p))
    raised = error.get("ctx", {}).get("error")
    found = raised.found if isinstance(raised, Faults) else [((), _words(model, error, loc))]
    places = [((*prefix, *loc, *below), says) for below, says in found]
    return [Fault(document.line(path), path, says) for path, says in places]


def _words(model: type[BaseModel], error: ErrorDetails, loc: Path) -> str:
    says, kind, context = str(error["msg"]), error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return f"unknown key{did_you_mean(str(loc[-1]), _keys_at(model, loc[:-1]))}"
    if kind == "missing":
        return "this key is missing"
    if kind == "value_error":
        return says.removeprefix("Value error, ")
    if kind == "literal_error":
        words = re.findall(r"'([^']*)'", str(context.get("expected", "")))
        return f"one of {', '.join(words)} is wanted{did_you_mean(str(error['input']), words)}"
    if kind == "string_pattern_mismatch" and context.get("pattern") == NAME_PATTERN:
        return "a name of small letters, digits and _ is wanted, with a letter first"
    if kind == "string_pattern_mismatch" and context.get("pattern") == CLOCK_PATTERN:
        return "a time of the day is wanted, as 09:00, at most 24:00"
    if kind in _BOUNDS:
        return _BOUNDS[kind].format(**context)
    if wanted := _WANTED.get(kind.removesuffix("_type").removesuffix("_parsing")):
        return f"{wanted} is wanted; here stands {kind_of(error['input'])}"
    return f"{says[0].lower()}{says[1:]}"


def kind_of(value: object) -> str:
    """What a value is, in plain words.

    >>> kind_of([1])
    'a list'
    """
    if value is None:
        return "nothing"
    kinds = {dict: "a mapping", list: "a list", str: "text", bool: "a flag", int: "a number", float: "a number"}
    return kinds.get(type(value), f"a {type(value).__name__}")


def _keys_at(model: Any, loc: Path) -> list[str]:
    """The keys that may stand at a path of a model."""
    for part in loc:
        model = _inner(model)
        if isinstance(model, type) and issubclass(model, BaseModel):
            field = {f.alias or name: f for name, f in model.model_fields.items()}.get(str(part))
            model = field.annotation if field else None
        elif get_origin(model) in (tuple, dict):
            model = get_args(model)[0 if get_origin(model) is tuple else 1]
    model = _inner(model)
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return []
    return [field.alias or name for name, field in model.model_fields.items()]


def _inner(annotation: Any) -> Any:
    """The annotation without Annotated and None."""
    while get_origin(annotation) in (Annotated, Union, types.UnionType):
        annotation = next(arg for arg in get_args(annotation) if arg is not types.NoneType)
    return annotation


def did_you_mean(word: str, words: Sequence[str]) -> str:
    """The nearest of some words, where one is near enough, as the end of a message; else nothing.

    >>> did_you_mean("clok", ["clock", "kind"])
    "; did you mean 'clock'?"
    """
    near = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    return f"; did you mean '{near[0]}'?" if near else ""
