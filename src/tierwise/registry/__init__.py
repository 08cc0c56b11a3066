"""The model bundle, and the registry that keeps its versions."""

from tierwise.registry.bundle import Bundle, read_bundle, write_bundle
from tierwise.registry.mlflow_registry import Registry

__all__ = ["Bundle", "Registry", "read_bundle", "write_bundle"]
