"""The chaos tests start NEXUS as the process tests do."""

from tests.process.conftest import nexus

__all__ = ["nexus"]
