"""Raw exports of a CRM as parts of the contract's tables, by a mapping that is data."""

from __future__ import annotations

from tierwise.data.sources.mapping.loading import load_mapping, packaged
from tierwise.data.sources.mapping.parts import map_parts
from tierwise.data.sources.mapping.remarks import remarked

__all__ = ["load_mapping", "map_parts", "packaged", "remarked"]
