"""GraphQL on this process's port: `/graphql` for all services, `/graphql/{service}` for each as a subgraph."""

from __future__ import annotations

from collections.abc import Collection

from nexus.config import Settings
from nexus.gateway.pages.answers import only
from nexus.gateway.pages.explorer import ASSETS, Explorer, opens
from nexus.runtime.app import Mounted, Raw
from nexus.runtime.node import Node
from nexus.surfaces.graphql.http import Parts, Web
from nexus.surfaces.graphql.limits import Limits
from nexus.surfaces.rest.message import Response

__all__ = ["graphql_of", "graphql_pages", "limits_of"]


def limits_of(settings: Settings) -> Limits:
    """The limits that an installation sets."""
    return Limits(
        depth=settings.graphql_depth,
        aliases=settings.graphql_aliases,
        fields=settings.graphql_fields,
        rows=settings.graphql_rows,
        page=settings.graphql_page,
        document=settings.graphql_document,
        introspection=settings.graphql_introspection,
        listed=settings.graphql_listed_file,
        only_listed=settings.graphql_only_listed,
    )


def graphql_of(node: Node, services: Collection[str]) -> Web:
    """The endpoints of GraphQL for those services that run here."""
    parts = Parts(
        services={name: service for name, service in node.services.items() if name in services},
        operations=node.operations,
        host=node,
        gate=node,
        authenticate=node.authenticate,
        limits=limits_of(node.settings),
        live=node.live,
        heartbeat=node.settings.heartbeat,
    )
    return Web(parts)


def graphql_pages(web: Web, explorer: Explorer | None = None) -> Mounted:
    """The pages of GraphQL; with an explorer, a browser that opens `/graphql` gets that."""
    if explorer is None:
        return [("/graphql", web), ("/graphql/*", web)]

    async def asked(raw: Raw) -> Response:
        return explorer.page() if opens(raw) else await web(raw)

    async def part(raw: Raw) -> Response:
        only(raw.method, "GET", "HEAD")
        return explorer.part(raw.path.removeprefix(ASSETS), raw.headers)

    return [("/graphql", asked), ("/graphql/*", web), (f"{ASSETS}*", part)]
