"""NEXUS Business Operating System: one call turns a business into a running system."""

__version__ = "0.1.0"
