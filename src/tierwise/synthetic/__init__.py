"""A B2B world with known truth, for tests, benchmarks and the demo."""

from tierwise.synthetic.spec import TRAPS, WorldSpec
from tierwise.synthetic.world import World, simulate, write_world

__all__ = ["TRAPS", "World", "WorldSpec", "simulate", "write_world"]
