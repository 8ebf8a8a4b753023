"""What one process runs: a table of targets, and the pages that each serves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from nexus.activation.control import Control
from nexus.gateway.pages import site_pages
from nexus.runtime.app import Mounted
from nexus.runtime.health import health_pages
from nexus.runtime.node import Node
from nexus.runtime.telemetry import Telemetry, metrics_page


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A kind of process. Any number of processes of any target may share the databases."""

    summary: str
    serves: bool = True
    """Answers the API, the control plane and the pages; every target answers health and metrics."""
    works: bool = True
    """Moves the journal into the log, reacts to events, keeps time, and looks after tenants."""


TARGETS: Final[Mapping[str, Target]] = {
    "all": Target(summary="Everything in one process"),
    "api": Target(summary="Answers requests; needs a worker beside it", works=False),
    "worker": Target(summary="Moves events, reacts, keeps time, fills the pool of prepared tenants", serves=False),
}


def pages(target: Target, node: Node, control: Control, telemetry: Telemetry) -> Mounted:
    """Every endpoint outside the derived API; a path that ends in `/*` is a prefix."""
    served: Mounted = [*health_pages(node), ("/metrics", metrics_page(telemetry, node))]
    if target.serves:
        served += [*control.pages(), *site_pages(node, control)]
    return served
