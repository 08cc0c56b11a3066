"""The charts: pure functions from plain numbers to one SVG text each; the same numbers give the same bytes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tierwise.report.svg import (
    FIT,
    INK,
    LINE_COLOURS,
    MUTED,
    REST,
    SERIES,
    SIGNAL,
    TIER_COLOURS,
    dot,
    line,
    num,
    path,
    picture,
    rect,
    shorten,
    text,
)
from tierwise.report.words import number, percent, signed

WIDE = 400.0
_CHANCES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995)


@dataclass(frozen=True)
class Step:
    """One bar of a waterfall: its words, the side it belongs to ("fit", "signal" or "rest") and its log-odds."""

    words: str
    side: str
    log_odds: float


@dataclass(frozen=True)
class Point:
    """A share with its interval and its n; low and high may be None where there are too few cases."""

    label: str
    value: float | None
    low: float | None
    high: float | None
    n: int


def chance(log_odds: float) -> float:
    """The probability of a log-odds.

    >>> chance(0.0)
    0.5
    """
    return 1 / (1 + math.exp(-log_odds)) if log_odds >= 0 else math.exp(log_odds) / (1 + math.exp(log_odds))


def ceiling(value: float) -> float:
    """The least round number at or above a positive value whose quarters are round too.

    >>> ceiling(0.37), ceiling(0.081), ceiling(276)
    (0.4, 0.1, 320.0)
    """
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return round(next(k * power for k in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10) if k * power >= value * 0.999), 10)


def share_ceiling(value: float) -> float:
    """`ceiling`, and never above 1."""
    return min(1.0, ceiling(value))


def _marks(most: float, *, counts: bool = False) -> list[str]:
    """The words of a scale's five marks, with as many decimals as they need."""
    if counts:
        return [number(most * k / 4, 0 if most >= 4 else 2) for k in range(5)]
    digits = next((d for d in (0, 1) if abs(most * 25 * 10**d - round(most * 25 * 10**d)) < 1e-6), 2)
    return [percent(most * k / 4, digits) for k in range(5)]


def waterfall(
    base: float, steps: Sequence[Step], *, title: str, base_words: str, total_words: str, sides: Mapping[str, str]
) -> str:
    """From the base through each step to the total, in log-odds, over an axis that reads as probability.

    The total is base + the sum of the steps: what does not fit on the page must come as steps of its own.
    `sides` names the fit and the signal side for the legend.
    """
    colours = {"fit": FIT, "signal": SIGNAL}
    run = [base]
    for step in steps:
        run.append(run[-1] + step.log_odds)
    total = run[-1]
    least, most = min(run), max(run)
    pad = max(0.15, 0.06 * (most - least))
    left, width = 8.0, WIDE - 16

    def x(value: float) -> float:
        return left + width * (value - least + pad) / (most - least + 2 * pad)

    top, pitch = 30.0, 36.0
    bottom = top + pitch * (len(steps) + 2)
    body = [rect(left, 6, 11, 11, FIT, radius=2), text(left + 17, 16, sides.get("fit", "fit"), fill=MUTED)]
    second = left + 38 + 7 * len(sides.get("fit", "fit"))
    body += [
        rect(second, 6, 11, 11, SIGNAL, radius=2),
        text(second + 17, 16, sides.get("signal", "signal"), fill=MUTED),
    ]
    for mark in _CHANCES:
        at = math.log(mark / (1 - mark))
        if least - pad < at < most + pad:
            body.append(line(x(at), top, x(at), bottom))
    body += _ticks(x, least - pad, most + pad, bottom)
    body += _end_row(top, x(base), base_words, f"{signed(base)} ({percent(chance(base))})", REST)
    for i, step in enumerate(steps):
        y, start, end = top + pitch * (i + 1), x(run[i]), x(run[i + 1])
        tip = f"{step.words}: {signed(step.log_odds)} log-odds"
        body.append(line(start, y - 3, start, y + 31, stroke=REST, dash="2 2"))
        body.append(text(left, y + 13, shorten(step.words, 50), size=12.5, halo=True))
        body.append(text(WIDE - 8, y + 13, signed(step.log_odds), size=12.5, anchor="end", halo=True))
        bar = max(abs(end - start), 1.5)
        body.append(rect(min(start, end), y + 19, bar, 11, colours.get(step.side, REST), tip, radius=1.5))
    last = top + pitch * (len(steps) + 1)
    body.append(line(x(total), last - 3, x(total), last + 17, stroke=REST, dash="2 2"))
    body += _end_row(last, x(total), total_words, f"{signed(total)} ({percent(chance(total))})", INK)
    desc = f"{base_words} {signed(base)}; " + "; ".join(f"{s.words} {signed(s.log_odds)}" for s in steps)
    desc += f"; {total_words} {signed(total)} log-odds, a probability of {percent(chance(total))}."
    return picture(WIDE, bottom + 26, title, desc, body)


def _end_row(y: float, at: float, words: str, figure: str, fill: str) -> list[str]:
    return [
        text(8, y + 13, shorten(words, 34), size=12.5, weight=600, halo=True),
        text(WIDE - 8, y + 13, figure, size=12.5, anchor="end", weight=600, halo=True),
        rect(at - 2.5, y + 18, 5, 14, fill, radius=1),
    ]


def _ticks(x: Callable[[float], float], least: float, most: float, y: float) -> list[str]:
    shown: list[str] = []
    edge = -100.0
    for mark in _CHANCES:
        at = math.log(mark / (1 - mark))
        if least < at < most and x(at) - edge > 34 and 14 < x(at) < WIDE - 14:
            shown.append(text(x(at), y + 14, f"{100 * mark:g}%", size=11, fill=MUTED, anchor="middle"))
            edge = x(at)
    return shown


def square(side: float, x_most: float, y_most: float, x_words: str, y_words: str) -> tuple[list[str], float, float]:
    """The frame of a square plot over `[0, x_most]` and `[0, y_most]`: body, left, top."""
    left, top = 56.0, 12.0
    body: list[str] = []
    for k, (x_mark, y_mark) in enumerate(zip(_marks(x_most), _marks(y_most), strict=True)):
        at = k / 4
        body.append(line(left, top + side * (1 - at), left + side, top + side * (1 - at)))
        body.append(text(left - 6, top + side * (1 - at) + 4, y_mark, size=11, fill=MUTED, anchor="end"))
        body.append(text(left + side * at, top + side + 16, x_mark, size=11, fill=MUTED, anchor="middle"))
    body.append(text(left + side / 2, top + side + 34, x_words, size=12, fill=MUTED, anchor="middle"))
    turned = text(14, top + side / 2, y_words, size=12, fill=MUTED, anchor="middle")
    body.append(f'<g transform="rotate(-90 14 {num(top + side / 2)})">{turned}</g>')
    return body, left, top


def calibration(points: Sequence[tuple[float, Point]], *, title: str, x_words: str, y_words: str) -> str:
    """Mean predicted against observed, with intervals and the diagonal; each point is (mean predicted, observed)."""
    side = 260.0
    reach = [p.high if p.high is not None else (p.value or 0.0) for _, p in points] + [at for at, _ in points]
    most = share_ceiling(max(reach, default=1.0))
    body, left, top = square(side, most, most, x_words, y_words)

    def place(px: float, py: float) -> tuple[float, float]:
        return left + side * min(px / most, 1), top + side * (1 - min(py / most, 1))

    body.append(line(*place(0, 0), *place(most, most), stroke=MUTED, dash="4 4"))
    said: list[str] = []
    for at, point in points:
        if point.value is None:
            continue
        if point.low is not None and point.high is not None:
            body.append(line(*place(at, point.low), *place(at, point.high), stroke=FIT, width=1.5))
        tip = f"predicted {percent(at)}, observed {percent(point.value)}, n {number(point.n)}"
        body.append(dot(*place(at, point.value), 4, FIT, tip))
        said.append(tip)
    return picture(left + side + 22, top + side + 44, title, "; ".join(said) + ".", body)


def capture_curve(
    series: Mapping[str, Sequence[tuple[float, float]]], *, title: str, x_words: str, y_words: str, random_words: str
) -> str:
    """Share of outcomes captured by the share of accounts worked, best first; the first series is the model."""
    side = 260.0
    reach = max((a for points in series.values() for a, _ in points), default=1.0) or 1.0
    body, left, top = square(side, reach, 1.0, x_words, y_words)
    body.append(line(left, top + side, left + side, top + side * (1 - reach), stroke=MUTED, dash="4 4"))
    said: list[str] = []
    styles = [(SERIES[0], 2.5, ""), (SERIES[1], 1.6, "6 3"), (SERIES[2], 1.6, "2 3"), (SERIES[3], 1.6, "8 3 2 3")]
    for (name, points), (colour, width, dash) in zip(series.items(), styles, strict=False):
        whole = sorted({(0.0, 0.0), *points})
        placed = [(left + side * a / reach, top + side * (1 - b)) for a, b in whole]
        body.append(path(placed, colour, width=width, dash=dash))
        said.append(f"{name}: " + ", ".join(f"{percent(b, 0)} in the first {percent(a, 0)}" for a, b in points))
    legend = top + side + 52
    rows: list[str] = []
    for (name, _), (colour, width, dash) in zip(series.items(), styles, strict=False):
        rows += [line(left, legend - 4, left + 24, legend - 4, stroke=colour, width=width, dash=dash)]
        rows += [text(left + 32, legend, shorten(name, 36), size=12)]
        legend += 18
    rows += [line(left, legend - 4, left + 24, legend - 4, stroke=MUTED, dash="4 4")]
    rows += [text(left + 32, legend, random_words, size=12, fill=MUTED)]
    return picture(left + side + 22, legend + 8, title, "; ".join(said) + ".", body + rows)


def interval_dots(points: Sequence[Point], base: float | None, *, title: str, base_words: str) -> str:
    """One row a share: a dot in its interval, its figure and n at the right, the base rate as a line through all."""
    reach = [p.high for p in points if p.high is not None] + [p.value for p in points if p.value is not None]
    most = share_ceiling(max([*reach, (base or 0) * 1.2], default=1.0))
    left, width, top, pitch = 8.0, WIDE - 16, 26.0, 42.0
    bottom = top + pitch * len(points)
    body: list[str] = []
    for k, mark in enumerate(_marks(most)):
        at = left + width * k / 4
        anchor = "start" if k == 0 else "end" if k == 4 else "middle"
        body.append(line(at, top, at, bottom))
        body.append(text(at, bottom + 15, mark, size=11, fill=MUTED, anchor=anchor))
    if base is not None:
        at = left + width * base / most
        body.append(line(at, top - 6, at, bottom, stroke=SIGNAL, width=1.5, dash="4 3"))
        anchor = "start" if at < WIDE / 2 else "end"
        body.append(text(at, top - 11, f"{base_words} {percent(base)}", size=12, fill=SIGNAL, anchor=anchor))
    said: list[str] = []
    for i, point in enumerate(points):
        y = top + pitch * i
        figure = f"{percent(point.value)} ({percent(point.low)}–{percent(point.high)}, n {number(point.n)})"
        if point.value is None or point.low is None or point.high is None:
            figure = f"too few cases (n {number(point.n)})"
        body.append(text(left, y + 15, shorten(point.label, 22), size=12.5, weight=600, halo=True))
        body.append(text(WIDE - 8, y + 15, figure, size=12.5, anchor="end", halo=True))
        if point.value is not None and point.low is not None and point.high is not None:
            x1, x2 = (left + width * v / most for v in (point.low, point.high))
            body.append(line(x1, y + 28, x2, y + 28, stroke=FIT, width=3))
            body.append(dot(left + width * point.value / most, y + 28, 5.5, FIT, f"{point.label}: {figure}"))
        said.append(f"{point.label}: {figure}")
    if base is not None:
        said.append(f"{base_words} {percent(base)}")
    return picture(WIDE, bottom + 22, title, "; ".join(said) + ".", body)


def trend(
    months: Sequence[str], series: Mapping[str, tuple[str, Sequence[Point | None]]], base: float | None, *, title: str,
    base_words: str,
) -> str:  # fmt: skip
    """A line a tier over the months, each point with its interval; series: key -> (words, a point or None a month)."""
    left, top, width, height = 44.0, 12.0, WIDE - 58, 190.0
    points = [p for _, row in series.values() for p in row if p is not None and p.value is not None]
    most = share_ceiling(max([*(p.high or p.value or 0.0 for p in points), base or 0.0], default=1.0))
    body = _levels(left, top, width, height, most)
    gap = width / max(len(months), 1)
    body += _months(months, left, gap, top + height + 16)
    if base is not None:
        at = top + height * (1 - base / most)
        body.append(line(left, at, left + width, at, stroke=SIGNAL, width=1.5, dash="4 3"))
    said: list[str] = []
    for s, (key, (words, row)) in enumerate(series.items()):
        colour = LINE_COLOURS.get(key, SERIES[s % len(SERIES)])
        shift = (s - (len(series) - 1) / 2) * min(6, gap / 6)
        placed: list[tuple[float, float]] = []
        marks: list[str] = []
        for m, point in enumerate(row):
            if point is None or point.value is None:
                continue
            at = left + gap * (m + 0.5) + shift
            if point.low is not None and point.high is not None:
                ends = [top + height * (1 - min(v / most, 1)) for v in (point.low, point.high)]
                marks.append(line(at, ends[0], at, ends[1], stroke=colour, width=1.2))
            tip = f"{words}, {months[m]}: {percent(point.value)}, n {number(point.n)}"
            placed.append((at, top + height * (1 - point.value / most)))
            marks.append(dot(*placed[-1], 3.5, colour, tip))
            said.append(tip)
        body += [path(placed, colour, width=1.6), *marks]
    legend = [
        (words, LINE_COLOURS.get(key, SERIES[s % len(SERIES)])) for s, (key, (words, _)) in enumerate(series.items())
    ]
    if base is not None:
        legend.append((f"{base_words} {percent(base)}", SIGNAL))
    keys, y = _legend(legend, left, top + height + 40)
    return picture(WIDE, y + 10, title, "; ".join(said) + ".", body + keys)


def stacked_months(
    months: Sequence[str], series: Mapping[str, tuple[str, Sequence[float]]], *, title: str, share: bool = True
) -> str:
    """A stacked bar a month; series: key -> (words, a count a month), the first at the bottom.

    With `share`, each bar is 100% of its month; else bars share one scale of counts.
    """
    left, top, width, height = 44.0, 12.0, WIDE - 58, 190.0
    sums = [sum(row[m] for _, row in series.values()) for m in range(len(months))]
    most = ceiling(max([*sums, 1.0]))
    body = _levels(left, top, width, height, 1.0 if share else most, counts=not share)
    gap = width / max(len(months), 1)
    body += _months(months, left, gap, top + height + 16)
    said: list[str] = []
    base = [top + height] * len(months)
    for s, (key, (words, row)) in enumerate(series.items()):
        colour = TIER_COLOURS.get(key, SERIES[s % len(SERIES)])
        for m, count in enumerate(row):
            whole = (sums[m] or 1.0) if share else most
            tall = height * count / whole
            base[m] -= tall
            tip = f"{words}, {months[m]}: {number(count)} of {number(sums[m])}"
            if tall > 0:
                body.append(rect(left + gap * (m + 0.14), base[m], gap * 0.72, tall, colour, tip))
            said.append(tip)
    legend = [
        (words, TIER_COLOURS.get(key, SERIES[s % len(SERIES)])) for s, (key, (words, _)) in enumerate(series.items())
    ]
    keys, y = _legend(legend, left, top + height + 40)
    return picture(WIDE, y + 10, title, "; ".join(said) + ".", body + keys)


def _levels(left: float, top: float, width: float, height: float, most: float, *, counts: bool = False) -> list[str]:
    body: list[str] = []
    for k, mark in enumerate(_marks(most, counts=counts)):
        y = top + height * (1 - k / 4)
        body += [line(left, y, left + width, y), text(left - 6, y + 4, mark, size=11, fill=MUTED, anchor="end")]
    return body


def _months(months: Sequence[str], left: float, gap: float, y: float) -> list[str]:
    every = max(1, math.ceil(48 / gap)) if gap else 1
    newest = len(months) - 1
    return [
        text(left + gap * (m + 0.5), y, name.replace(" 20", " ’"), size=11, fill=MUTED, anchor="middle")
        for m, name in enumerate(months)
        if (newest - m) % every == 0
    ]


def _legend(entries: Sequence[tuple[str, str]], left: float, y: float) -> tuple[list[str], float]:
    body: list[str] = []
    x = left
    for words, colour in entries:
        wide = 26 + 6.6 * len(words)
        if x + wide > WIDE and x > left:
            x, y = left, y + 18
        body += [rect(x, y - 10, 11, 11, colour, radius=2), text(x + 17, y, words, size=12)]
        x += wide
    return body, y
