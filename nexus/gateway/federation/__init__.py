"""GraphQL across processes: one graph composed from the services' schemas, planned over by a gateway that others wrote.

toolbox.py      Node, and the packages that its lock file pins
composition.py  the services' schemas as one supergraph, or the errors with the declarations that cause them
gateway.py      the gateway process: started, kept alive, stopped

Who runs services apart asks `federate(settings, {"crm": "http://127.0.0.1:9001/graphql", …})` for a Federation, starts it before traffic is
let in, sends what comes for /graphql (GET, POST, server-sent events and WebSockets alike, with the headers as they came) to `url`, and stops it.
A Federation whose process dies starts it again on the same port; meanwhile `answers` is False and /graphql is a 503.
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
