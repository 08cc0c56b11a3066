"""The control group on the page of a review: each tier with seller action beside it without, and the lift."""

from __future__ import annotations

from tierwise.governance import DEFAULT_RULES
from tierwise.governance.control import ALL, points, reading_words
from tierwise.report.reading import real, records, whole
from tierwise.report.values import ReviewPage
from tierwise.report.words import Words
from tierwise.routing.control import CONTROL, TREATED


def control_part(values: ReviewPage, w: Words) -> dict[str, object] | None:
    """What the control group shows, by tier and together; None where there is none."""
    found = values.control
    if found is None:
        return None
    rows = []
    for line in records(found.lines):
        tier = str(line["tier"])
        lift, low, high = (real(line[name]) for name in ("lift", "lift_low", "lift_high"))
        rows.append(
            {
                "tier": tier,
                "label": w.title("all tiers") if tier == ALL else w.tier(tier),
                "arms": [_arm(line, arm) for arm in (TREATED, CONTROL)],
                "lift": "" if lift is None else points(lift),
                "ends": "" if low is None or high is None else f"{100 * low:+.1f} to {points(high)}",
                "reading": reading_words(line, found.detect),
            }
        )
    return {
        "rows": rows,
        "since": "" if found.since is None else found.since.date().isoformat(),
        "drawn": found.drawn,
        "mixed": found.mixed,
        "lost": found.lost,
        "alone": whole(found.line()["alone"]),
        "idle": [w.tier(tier) for tier in found.idle],
        "detect": found.detect,
        "power": DEFAULT_RULES.control_power,
    }


def _arm(line: dict[str, object], arm: str) -> dict[str, object]:
    return {
        "value": real(line[arm]),
        "low": real(line[f"{arm}_low"]),
        "high": real(line[f"{arm}_high"]),
        "n": whole(line[f"{arm}_n"]),
        "outcomes": whole(line[f"{arm}_outcomes"]),
    }
