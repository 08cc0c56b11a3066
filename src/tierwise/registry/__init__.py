"""The model bundle, and the registry that keeps its versions."""

from tierwise.registry.bundle import Bundle, read_bundle, write_bundle
from tierwise.registry.mlflow_registry import CHALLENGER, Registry

__all__ = ["CHALLENGER", "Bundle", "Registry", "read_bundle", "write_bundle"]
