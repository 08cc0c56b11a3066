"""Sinks: where letters go, one module a kind; each says of every letter what became of it, and nothing else."""

from __future__ import annotations

from tierwise.routing.sinks.sink import Letter, Outcome, Receipt, Sink

__all__ = ["Letter", "Outcome", "Receipt", "Sink"]
