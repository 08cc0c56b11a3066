"""The time-in-tier of a drafted policy holds tiers still on a simulated past, beside the same thresholds without it."""

from __future__ import annotations

from tierwise.tiers.replay import replay
from tuned_worlds import without_time, world_of

MOVEMENTS, PING_PONG = 0.6, 1 / 3
"""About half the movements, with room for a small world's noise; and at most a third of the ping-pong."""


def test_a_drafted_policy_halves_movements_and_takes_two_thirds_of_ping_pong_away() -> None:
    world = world_of(72, accounts=600, every="week")
    held, loose = (replay(world.dates, policy).figures for policy in (world.policy, without_time(world.policy)))
    assert len(held.dates) > 70
    for moves in (lambda m: m, lambda m: m[m["movement"].isin(["up", "down"])]):
        with_it, without = (int(moves(figures.movements)["n"].sum()) for figures in (held, loose))
        assert without > 1000
        assert with_it <= MOVEMENTS * without
    back, without_it = (figures.stable.iloc[0] for figures in (held, loose))
    assert without_it["came_back"] > 100
    assert back["ping_pong"] <= PING_PONG * without_it["ping_pong"]
