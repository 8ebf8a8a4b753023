"""The chaos tests start NEXUS as the process tests do."""

from tests.process.conftest import apart, nexus

__all__ = ["apart", "nexus"]
