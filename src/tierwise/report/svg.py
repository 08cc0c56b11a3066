"""SVG in a few words: numbers as short text, text escaped, every picture with a title and a description."""

from __future__ import annotations

from html import escape

INK, MUTED, LINE, PAPER = "#1b2733", "#55616e", "#d5dbe1", "#ffffff"
FIT, SIGNAL, TOTAL, REST = "#2c5f8a", "#b8561b", "#1b2733", "#8a95a1"
TIER_COLOURS = {
    "tier_1": "#123f5c",
    "tier_2": "#2f7d92",
    "tier_3": "#8fc1c6",
    "recycle": "#c9b58f",
    "suppress": "#9aa3ad",
}
LINE_COLOURS = TIER_COLOURS | {"tier_3": "#7a4f86"}
"""A line needs more contrast than an area."""
SERIES = ("#123f5c", "#b8561b", "#5b7f3b", "#7a4f86", "#55616e")
FONT = "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif"


def num(value: float) -> str:
    """A coordinate with at most two decimals.

    >>> num(3.0), num(2.345678), num(-0.001)
    ('3', '2.35', '0')
    """
    short = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if short in ("-0", "") else short


def shorten(text: str, most: int) -> str:
    """At most so many characters, cut at a word where one ends near."""
    if len(text) <= most:
        return text
    head = text[: most - 1]
    cut = head.rfind(" ")
    return (head[:cut] if cut > most * 2 // 3 else head).rstrip(" ,;:") + "…"


def text(
    x: float, y: float, words: str, *, size: float = 12, fill: str = INK, anchor: str = "start", weight: int = 400,
    halo: bool = False,
) -> str:  # fmt: skip
    """One line of text; a halo keeps it readable where lines run behind it."""
    extra = "" if anchor == "start" else f' text-anchor="{anchor}"'
    extra += "" if weight == 400 else f' font-weight="{weight}"'
    extra += f' paint-order="stroke" stroke="{PAPER}" stroke-width="4" stroke-linejoin="round"' if halo else ""
    return f'<text x="{num(x)}" y="{num(y)}" font-size="{num(size)}" fill="{fill}"{extra}>{escape(words)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, *, stroke: str = LINE, width: float = 1, dash: str = "") -> str:
    """One straight line."""
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    where = f'x1="{num(x1)}" y1="{num(y1)}" x2="{num(x2)}" y2="{num(y2)}"'
    return f'<line {where} stroke="{stroke}" stroke-width="{num(width)}"{dashes}/>'


def rect(x: float, y: float, width: float, height: float, fill: str, tip: str = "", *, radius: float = 0) -> str:
    """One rectangle, with a tooltip if there is one."""
    where = f'x="{num(x)}" y="{num(y)}" width="{num(max(width, 0))}" height="{num(height)}"'
    round_ = f' rx="{num(radius)}"' if radius else ""
    body = f"<title>{escape(tip)}</title>" if tip else ""
    return f'<rect {where}{round_} fill="{fill}">{body}</rect>'


def dot(x: float, y: float, radius: float, fill: str, tip: str = "") -> str:
    """One filled circle, with a tooltip if there is one."""
    body = f"<title>{escape(tip)}</title>" if tip else ""
    where = f'cx="{num(x)}" cy="{num(y)}" r="{num(radius)}"'
    return f'<circle {where} fill="{fill}" stroke="{PAPER}" stroke-width="1">{body}</circle>'


def path(points: list[tuple[float, float]], stroke: str, *, width: float = 2, dash: str = "") -> str:
    """One open line through the points."""
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    through = " ".join(f"{num(x)},{num(y)}" for x, y in points)
    shape = f'fill="none" stroke="{stroke}" stroke-width="{num(width)}" stroke-linejoin="round"{dashes}'
    return f'<polyline points="{through}" {shape}/>'


def picture(width: float, height: float, title: str, desc: str, body: list[str]) -> str:
    """The whole picture: it scales with its box, and says in words what it shows."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {num(width)} {num(height)}" role="img" '
        f'aria-label="{escape(title)}" font-family="{escape(FONT)}" class="chart">'
        f"<title>{escape(title)}</title><desc>{escape(desc)}</desc>{''.join(body)}</svg>"
    )
