"""The federation of services that run apart: composed from their schemas when it starts, served by the gateway process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

from nexus.config import Settings
from nexus.gateway.federation.composition import Subgraph, Where, compose
from nexus.gateway.federation.gateway import FederationGateway
from nexus.gateway.federation.toolbox import Toolbox


class ComposedFederation:
    """A Federation over subgraphs. `port` 0 takes a free one, which is then kept."""

    def __init__(
        self,
        settings: Settings,
        subgraphs: Iterable[Subgraph],
        *,
        port: int = 0,
        introspection: bool = True,
        where: Where = lambda service, coordinate: None,
    ) -> None:
        self._settings = settings
        self._subgraphs = list(subgraphs)
        self._port = port
        self._introspection = introspection
        self._where = where
        self.gateway: FederationGateway | None = None

    @property
    def url(self) -> str:
        """Where the graph is asked, once it has been started."""
        assert self.gateway is not None, "the federation has not been started"
        return self.gateway.url

    @property
    def answers(self) -> bool:
        """Whether it serves now."""
        return self.gateway is not None and self.gateway.answers

    async def start(self) -> None:
        """Compose the graph and serve it. Raises NoNode, CompositionFailed or NoGateway."""
        toolbox, supergraph = await asyncio.to_thread(self._prepare)
        self.gateway = FederationGateway(toolbox, supergraph, port=self._port, introspection=self._introspection)
        await self.gateway.start()

    async def stop(self) -> None:
        """End it: requests under way have a few seconds."""
        if self.gateway is not None:
            await self.gateway.stop()

    def _prepare(self) -> tuple[Toolbox, Path]:
        """Node with its packages, and the supergraph in a file of the data folder."""
        toolbox = Toolbox.find(self._settings.node)
        toolbox.install()
        file = self._settings.folder / "federation" / "supergraph.graphql"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(compose(toolbox, self._subgraphs, self._where), encoding="utf-8")
        return toolbox, file
