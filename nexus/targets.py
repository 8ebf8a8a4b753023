"""What one process runs: the pages and services of each target."""

from __future__ import annotations

from nexus.runtime.app import Page, Raw
from nexus.runtime.node import Node
from nexus.surfaces.rest.message import JSON, Response


async def pages(node: Node, url: str) -> list[tuple[str, Page]]:
    """Every endpoint outside the derived API."""

    async def healthz(raw: Raw) -> Response:
        return Response(200, b'{"status":"ok"}', [JSON])

    return [("/healthz", healthz)]
