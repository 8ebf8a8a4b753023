"""What one process runs: a table of targets, and the pages that each serves.

A service's name is a target as well: that service alone, its API and its reactions. Any number of processes of any target may share the databases.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from nexus.activation.control import Control
from nexus.gateway.agents import PATH as AGENTS
from nexus.gateway.agents import AgentsPage
from nexus.gateway.graphql import graphql_of, graphql_pages
from nexus.gateway.pages import site_pages
from nexus.gateway.pages.explorer import Explorer
from nexus.runtime.app import Mounted
from nexus.runtime.databases import passwords
from nexus.runtime.health import health_pages
from nexus.runtime.node import Node
from nexus.runtime.telemetry import Telemetry, metrics_page
from nexus.surfaces.graphql.http import Web
from nexus.surfaces.graphql.sockets import GraphSockets
from nexus.surfaces.live.sockets import LiveSockets
from nexus.surfaces.live.sse import Stream
from nexus.surfaces.sockets import SocketEndpoint

EVERY: Final = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A kind of process. Each answers about its health and its metrics."""

    summary: str
    services: str = ""
    """Whose commands run here and whose API is answered: a service's name, every one's (`*`), or none's."""
    controls: bool = False
    """Answers the control plane and the pages, and looks after tenants."""
    reacts: bool = False
    """Follows the log for its services (for every one where it has none), and keeps their time."""
    relays: bool = False
    """Moves the journal into the log, and tidies up."""
    routes: bool = False
    """Hands requests on to the processes that answer them, and needs no database."""

    plans: bool = False
    """Plans GraphQL over the processes that answer it, and needs no database."""

    @property
    def tends(self) -> bool:
        """Whether it goes on with activations and keeps the pool of prepared tenants filled."""
        return self.controls or (self.reacts and self.relays)

    @property
    def serves(self) -> bool:
        """Whether it answers more than its health."""
        return bool(self.services) or self.controls or self.routes or self.plans

    def runs(self, services: Iterable[str]) -> frozenset[str]:
        """Of these services, those whose rules run here."""
        return frozenset(name for name in services if self.services in (EVERY, name) or (self.reacts and not self.services))


TARGETS: Final[Mapping[str, Target]] = {
    "all": Target(summary="Everything in one process", services=EVERY, controls=True, reacts=True, relays=True),
    "api": Target(summary="Answers requests; needs a worker beside it", services=EVERY, controls=True),
    "worker": Target(summary="Moves events, reacts, keeps time, fills the pool of prepared tenants", reacts=True, relays=True),
    "control": Target(summary="The control plane and the pages; services run apart", controls=True),
    "relay": Target(summary="Moves events and tidies up", relays=True),
    "gateway": Target(summary="Hands requests on to the other processes", routes=True),
    "graphql": Target(summary="Plans GraphQL over the services; needs Node", plans=True),
}


def target_of(name: str, services: Iterable[str]) -> Target:
    """The target of this name; a service's is its own. KeyError where there is none."""
    if name not in TARGETS and name in services:
        return Target(summary=f"The service {name}: its API and its reactions", services=name, reacts=True)
    return TARGETS[name]


STREAM: Final = "/api/v1/stream"


def _graphql(target: Target, node: Node) -> Web:
    """The graph of the services that run here; where no process plans over the services apart, it is read where they are controlled."""
    return graphql_of(node, target.runs(node.services) if target.services else node.services)


def sockets(target: Target, node: Node) -> Mapping[str, SocketEndpoint]:
    """Every WebSocket, by its path."""
    found: dict[str, SocketEndpoint] = {}
    if target.services or target.controls:
        found["/graphql"] = GraphSockets(_graphql(target, node))
    if target.controls:
        found["/ws"] = LiveSockets(node.live, node.authenticate, node.settings.heartbeat)
    return found


def agents_page(node: Node) -> AgentsPage:
    """Tools for agents. What clients keep for us is sealed with the password that every process logs in to the databases with."""
    settings = node.settings
    return AgentsPage(node.operations, node.services, node.authenticate, passwords(settings).app.encode(), settings.origins(), node.live)


def pages(target: Target, node: Node, control: Control, telemetry: Telemetry) -> Mounted:
    """Every endpoint of a process that has databases, outside the derived API; a path that ends in `/*` is a prefix."""
    served: Mounted = [*health_pages(node), ("/metrics", metrics_page(telemetry, node))]
    if target.services or target.controls:
        explorer = Explorer() if target.controls and node.settings.graphql_explorer else None
        served += graphql_pages(_graphql(target, node), explorer)
    if target.controls:
        served += [*control.pages(), *site_pages(node, control)]
        served.append((STREAM, Stream(node.live, node.authenticate, node.settings.heartbeat)))
        served.append((AGENTS, agents_page(node)))
    return served
