"""Whether what happens here is traced: nothing of it is imported unless the setting names a receiver."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from nexus.config import Settings
from nexus.core import trace
from nexus.runtime.cells import Cells
from nexus.runtime.node import Node
from nexus.runtime.telemetry import Telemetry

if TYPE_CHECKING:
    from nexus.runtime.app import Layer
    from nexus.runtime.spans import Spans
    from nexus.surfaces.grpc.calls import Traced


class Tracing:
    """What a process asks to be traced; it does nothing where nobody receives it."""

    def __init__(self, spans: Spans | None = None) -> None:
        self._spans = spans

    def databases(self, cells: Cells) -> Cells:
        """The cells with round trips that are traced."""
        return cells if self._spans is None else self._spans.databases(cells)

    def commands(self, node: Node) -> None:
        """Trace the commands and reactions of a node, and what they tell."""
        if self._spans is not None:
            node.commands = self._spans.commands(node.commands)

    def layers(self, telemetry: Telemetry) -> list[Layer]:
        """What stands around an application, so that each request is a trace or a part of one."""
        if self._spans is None:
            return []
        telemetry.exemplars = True
        return [self._spans.around(telemetry)]

    def calls(self) -> Traced | None:
        """What makes each call over gRPC a trace or a part of one."""
        return None if self._spans is None else self._spans.call


@asynccontextmanager
async def tracing(settings: Settings, target: str) -> AsyncGenerator[Tracing]:
    """What the settings ask for, for as long as the context lasts; then what is held is sent."""
    if not settings.otlp_endpoint:
        yield Tracing()
        return
    from nexus.runtime.otel import Otel

    otel = Otel(settings, target)
    otel.start()
    trace.telling = otel.spans.event
    try:
        yield Tracing(otel.spans)
    finally:
        trace.telling = None
        await asyncio.to_thread(otel.stop)
