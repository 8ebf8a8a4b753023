"""What is mounted where."""

from __future__ import annotations

from nexus.activation.control import Control
from nexus.gateway.pages.answers import asset, only
from nexus.gateway.pages.documents import Documents
from nexus.gateway.pages.reference import Reference
from nexus.gateway.pages.start import Start
from nexus.runtime.app import Mounted, Raw
from nexus.runtime.node import Node
from nexus.surfaces.rest.message import Response


def site_pages(node: Node, control: Control) -> Mounted:
    """The pages of this installation; a path that ends in `/*` is a prefix."""
    url = control.platform.site.url
    documents = Documents(node.services, url)
    reference = Reference(documents, url)

    async def assets(raw: Raw) -> Response:
        only(raw.method, "GET", "HEAD")
        return asset(raw.path.removeprefix("/assets/"), raw.headers)

    return [
        ("/", Start(control.api.activate)),
        ("/docs", reference),
        ("/docs/*", reference),
        ("/openapi.json", documents.openapi),
        ("/asyncapi.json", documents.asyncapi),
        ("/schemas/events/*", documents.event_schema),
        ("/problems", documents.problem),
        ("/problems/*", documents.problem),
        ("/assets/*", assets),
    ]
