"""Raw exports of a CRM as parts of the contract's tables, by a mapping that is data."""

from __future__ import annotations

from tierwise.data.sources.mapping.loading import load_mapping, packaged
from tierwise.data.sources.mapping.parts import map_parts
from tierwise.data.sources.mapping.remarks import remarked
from tierwise.data.sources.mapping.wanted import WantedTable, wanted_table

__all__ = ["WantedTable", "load_mapping", "map_parts", "packaged", "remarked", "wanted_table"]
