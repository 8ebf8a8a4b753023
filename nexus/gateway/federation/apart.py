"""The federation of services that run apart: composed from their schemas when it starts, served by the gateway process."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterable
from pathlib import Path

from nexus.config import BadSettings, Settings
from nexus.core.service import installed
from nexus.gateway.federation.composition import Subgraph, Where, compose
from nexus.gateway.federation.gateway import FederationGateway
from nexus.gateway.federation.toolbox import NoNode, Toolbox
from nexus.gateway.graphql import limits_of
from nexus.runtime.identity import Identity


class ComposedFederation:
    """A Federation over subgraphs. `port` 0 takes a free one, which is then kept."""

    def __init__(
        self,
        settings: Settings,
        subgraphs: Iterable[Subgraph],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        identity: Identity | None = None,
        where: Where = lambda service, coordinate: None,
    ) -> None:
        self._settings = settings
        self._subgraphs = list(subgraphs)
        self._host = host
        self._port = port
        self._identity = identity
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
        limits = limits_of(self._settings)
        self.gateway = FederationGateway(
            toolbox,
            supergraph,
            host=self._host,
            port=self._port,
            introspection=limits.introspection,
            limits=limits,
            identity=self._identity,
        )
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


def missing(settings: Settings) -> str | None:
    """Why no process can plan over the services here, or None. Installs the packages for Node where that is all that is missing."""
    try:
        Toolbox.find(settings.node).install()
    except NoNode as why:
        return str(why)
    return None


async def serve_federation(settings: Settings, ready: Callable[[], None], identity: Identity | None = None) -> None:
    """Plan over the services at the addresses of the settings until a signal ends it; with an identity, over TLS.

    Raises NoNode, CompositionFailed, NoGateway and BadSettings.
    """
    from nexus.gateway.federation.subgraphs import declared, graphs, subgraphs

    services = installed()
    addresses = settings.addresses()
    if away := [name for name in services if name not in addresses]:
        raise BadSettings(f"NEXUS_SERVICES gives no address of {', '.join(away)}, over which the graph is to be planned")
    made = await asyncio.to_thread(graphs, services)
    federation = ComposedFederation(
        settings,
        subgraphs(made, addresses),
        host=settings.host,
        port=settings.port,
        identity=identity,
        where=declared(made),
    )
    signalled, loop = asyncio.Event(), asyncio.get_running_loop()
    for sign in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sign, signalled.set)
    try:
        await federation.start()
        ready()
        await signalled.wait()
    finally:
        await federation.stop()
