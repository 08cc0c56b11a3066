"""The picture of a dependence: a bar a value, left or right of zero."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tierwise.report.charts import WIDE
from tierwise.report.svg import FIT, INK, MUTED, SIGNAL, line, picture, rect, shorten, text
from tierwise.report.words import number, signed


@dataclass(frozen=True)
class Bar:
    """A value's words, the mean, least and most of what it adds to the log-odds, and of how many accounts."""

    words: str
    mean: float
    least: float
    most: float
    n: int


def bars(lines: Sequence[Bar], *, side: str, title: str) -> str:
    """A row a value: its words, a bar from zero to its mean, a thin line from least to most, then mean and n."""
    left, right, top, pitch = 128.0, 278.0, 20.0, 22.0
    least = min([0.0, *(bar.least for bar in lines)])
    most = max([0.0, *(bar.most for bar in lines)])
    wide = (most - least) or 1.0

    def x(value: float) -> float:
        return left + (right - left) * (value - least) / wide

    bottom = top + pitch * len(lines)
    colour = SIGNAL if side == "signal" else FIT
    body = [
        text(WIDE - 62, 12, "log-odds", size=11, fill=MUTED, anchor="end"),
        text(WIDE - 4, 12, "n", size=11, fill=MUTED, anchor="end"),
        line(x(0), top - 4, x(0), bottom, stroke=MUTED),
    ]
    said = []
    for i, bar in enumerate(lines):
        y = top + pitch * i
        tip = f"{bar.words}: {signed(bar.mean)} log-odds, n {number(bar.n)}"
        if bar.most - bar.least > 0.005:
            tip += f", from {signed(bar.least)} to {signed(bar.most)}"
        body.append(text(4, y + 14, shorten(bar.words, 20), size=12))
        body.append(rect(min(x(0), x(bar.mean)), y + 4, max(abs(x(bar.mean) - x(0)), 1.0), 13, colour, tip, radius=1.5))
        if bar.most - bar.least > 0.005:
            body.append(line(x(bar.least), y + 10.5, x(bar.most), y + 10.5, stroke=INK, width=1.2))
        body.append(text(WIDE - 62, y + 14, signed(bar.mean), size=12, anchor="end"))
        body.append(text(WIDE - 4, y + 14, number(bar.n), size=12, fill=MUTED, anchor="end"))
        said.append(tip)
    return picture(WIDE, bottom + 6, title, "; ".join(said) + ".", body)
