"""How much one request may ask for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of an installation; each is a setting of the same name behind `graphql_`."""

    depth: int = 15
    aliases: int = 100
    fields: int = 1_000
    rows: int = 50_000
    page: int = 500
    document: int = 64 * 1024
    introspection: bool = True
    listed: Path | None = None
    """The file of the documents that the installation lists."""
    only_listed: bool = False
