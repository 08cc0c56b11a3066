"""Where tables come from."""

from __future__ import annotations
