"""The control plane's tests use the installation of the activation tests."""

from tests.activation.conftest import control_database, nexus, open_installation

__all__ = ["control_database", "nexus", "open_installation"]
