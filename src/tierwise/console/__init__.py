"""The RevOps console: read-only pages over what is published, on the report's templates."""

from __future__ import annotations

from tierwise.console.app import create_app, serve
from tierwise.console.shown import Shown

__all__ = ["Shown", "create_app", "serve"]
