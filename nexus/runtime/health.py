"""Health: whether the process lives, and whether it can do its work."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec

from nexus.engines.oltp import DatabaseError, Statement, Timeout, Unavailable
from nexus.runtime.app import Page, Raw
from nexus.runtime.node import Node
from nexus.surfaces.rest.message import JSON, Response

_ONE: Final = Statement("SELECT 1")
_PATIENCE: Final = 2.0
"""Seconds within which a database that is well answers."""


def health_pages(node: Node) -> list[tuple[str, Page]]:
    """`/healthz`: the process lives (200). `/readyz`: its databases answer, its work goes on and it is not about to end (200), else 503."""

    async def healthz(raw: Raw) -> Response:
        return Response(200, b'{"status":"ok"}', [JSON])

    async def readyz(raw: Raw) -> Response:
        databases = dict(zip(node.cells, await asyncio.gather(*(_answers(node, name) for name in node.cells)), strict=True))
        ended = node.ended()
        well = not any(databases.values()) and not ended and not node.draining
        said: dict[str, Any] = {
            "status": "draining" if node.draining else "ready" if well else "not ready",
            "databases": {name: trouble or "ok" for name, trouble in databases.items()},
            "ended": ended,
        }
        return Response(200 if well else 503, msgspec.json.encode(said), [JSON])

    return [("/healthz", healthz), ("/readyz", readyz)]


async def _answers(node: Node, cell: str) -> str | None:
    """What is amiss with the database of a cell, or None."""
    try:
        await node.oltp(cell).run(None, (_ONE, []), timeout=_PATIENCE)
    except (Unavailable, Timeout) as away:
        return str(away)
    except DatabaseError as error:
        return f"it refuses: {error}"
    return None
