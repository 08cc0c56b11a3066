"""The door to Jinja2: a dict and a template name give one HTML text; everything is escaped but our own SVG."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

import tierwise.report.words as words
from tierwise.governance import p_words
from tierwise.report.words import Words

_TEMPLATES = Path(__file__).parent / "templates"


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {
        "number": words.number,
        "score": words.score,
        "percent": words.percent,
        "points": words.points,
        "p_words": p_words,
        "signed": words.signed,
        "day": words.day,
        "clean": words.clean,
        "plural": words.plural,
        "stop": words.stop,
        "upfirst": words.upfirst,
        "path": lambda text: quote(str(text), safe=""),
    }
    made.globals["dash"] = words.DASH
    return made


ENVIRONMENT = _environment()


def drawn(svg: str) -> Markup:
    """A picture made by `charts`, which escapes its own texts: the one thing a template does not escape."""
    return Markup(svg)


def render(template: str, values: Mapping[str, object], labels: Mapping[str, str]) -> str:
    """The page, as one text that ends in a newline; `w` in a template is the reader's words."""
    return ENVIRONMENT.get_template(template).render(**values, w=Words(labels))
