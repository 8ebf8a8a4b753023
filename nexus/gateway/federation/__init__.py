"""GraphQL across processes: one graph composed from the services' schemas, planned over by a gateway that others wrote.

toolbox.py      Node, and the packages that its lock file pins
subgraphs.py    the services' own schemas, and where each of their types and fields is declared
composition.py  these schemas as one supergraph, or the errors with the declarations that cause them
gateway.py      the gateway process: started, kept alive, stopped
apart.py        both together: what `nexus serve --target=graphql` runs, at the addresses that NEXUS_SERVICES gives

It answers /graphql (GET, POST, server-sent events and WebSockets), /healthz and /readyz. A process that dies is started again on the same port.
"""

from __future__ import annotations

from typing import Protocol

__all__ = ["Federation"]


class Federation(Protocol):
    """One graph over services that run apart."""

    @property
    def url(self) -> str:
        """Where the graph is asked, once it has been started."""
        ...

    @property
    def answers(self) -> bool:
        """Whether it serves now."""
        ...

    async def start(self) -> None:
        """Compose the graph and serve it. Raises NoNode, CompositionFailed or NoGateway."""
        ...

    async def stop(self) -> None:
        """End it: requests under way have a few seconds."""
        ...
