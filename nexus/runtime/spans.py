"""Spans: request, command, round trip to a database, event, reaction; each is the child of what caused it, also across processes."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncGenerator, Generator
from contextlib import AbstractAsyncContextManager, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from opentelemetry import trace as otel
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from nexus.core.message import HANDLERS, Command, Envelope, Reaction
from nexus.core.problem import Problem
from nexus.core.trace import TRACE
from nexus.engines.oltp import Call, Oltp, Result, Row, Transaction
from nexus.engines.oltp import Lane as LaneName
from nexus.runtime.app import Answer, Layer, Raw
from nexus.runtime.cells import Cells
from nexus.runtime.commands import Commands
from nexus.runtime.telemetry import Telemetry
from nexus.surfaces.calling import Caller
from nexus.surfaces.journal import Cause
from nexus.surfaces.rest.message import Response

if TYPE_CHECKING:
    from nexus.surfaces.grpc.calling import Incoming
    from nexus.surfaces.grpc.calls import Work

_CONTEXT: Final = TraceContextTextMapPropagator()
_LONGEST: Final = 500
"""Characters of a statement that are shown. Its arguments never are."""
_OURS: Final = frozenset({"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"})
"""Codes of gRPC that are errors of the server's (OpenTelemetry's semantic conventions)."""


class Spans:
    """Makes spans, and puts their `traceparent` where everything that hands a trace on looks for it."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    @contextmanager
    def span(self, name: str, kind: SpanKind, parent: str | None = None, **attributes: str | int) -> Generator[Span]:
        """What happens within is a part of this span. A refusal is not an error of ours."""
        given = {key.replace("__", "."): value for key, value in attributes.items()}
        context = _context(parent)
        with self._tracer.start_as_current_span(name, context, kind, given, record_exception=False, set_status_on_exception=False) as span:
            token = TRACE.set(_traceparent(span))
            try:
                yield span
            except Exception as error:
                span.set_attribute("error.type", type(error).__name__)
                if not isinstance(error, Problem):
                    span.set_status(StatusCode.ERROR, str(error)[:200])
                raise
            finally:
                TRACE.reset(token)

    def around(self, telemetry: Telemetry) -> Layer:
        """The layer of the application that makes a span of every request."""

        def layer(answer: Answer) -> Answer:
            async def respond(raw: Raw) -> Response:
                named, given = telemetry.routes.of(raw.path), raw.headers.get(b"traceparent", b"").decode("latin-1")
                about = {
                    "http__request__method": raw.method,
                    "http__route": named,
                    "url__path": raw.path,
                    "nexus__request": raw.correlation,
                }
                with self.span(f"{raw.method} {named}", SpanKind.SERVER, given, **about) as span:
                    mine = _traceparent(span).encode()
                    raw.headers[b"traceparent"] = mine  # a gateway hands the headers on
                    response = await answer(raw)
                    span.set_attribute("http.response.status_code", response.status)
                    if response.status >= 500:
                        span.set_status(StatusCode.ERROR)
                    response.headers = [*(one for one in response.headers if one[0] != b"traceparent"), (b"traceparent", mine)]
                    return response

            return respond

        return layer

    def call(self, method: str, work: Work) -> Work:
        """What a method of gRPC does, with a span for each call."""
        service, _, name = method[1:].rpartition("/")
        about = {"rpc__system": "grpc", "rpc__service": service, "rpc__method": name or method}

        async def run(incoming: Incoming, data: bytes) -> bytes:
            with self.span(method.lstrip("/"), SpanKind.SERVER, TRACE.get(), **about, nexus__request=incoming.correlation) as span:
                try:
                    return await work(incoming, data)
                except Exception as error:  # a refusal, told already: the code says whose fault it is
                    ended = error
                finally:
                    span.set_attribute("rpc.grpc.status_code", incoming.code.value[0])
                    if incoming.code.name in _OURS:
                        span.set_status(StatusCode.ERROR)
            raise ended

        return run

    def databases(self, cells: Cells) -> Cells:
        """The same cells, their round trips as spans."""
        return Cells([dataclasses.replace(cell, oltp=TracedOltp(cell.oltp, name, self)) for name, cell in cells.items()])

    def commands(self, inner: Commands) -> Commands:
        """The same commands, each with a span."""
        return TracedCommands(inner, self)

    def event(self, topic: str) -> str | None:
        """The `traceparent` of an event that is about to be told: a span of its own, of which the reactions are children."""
        span = self._tracer.start_span(topic, _context(None), kind=SpanKind.PRODUCER, attributes={"messaging.destination.name": topic})
        span.end()
        return _traceparent(span)


def _context(parent: str | None) -> Context | None:
    """What a new span is a part of: what it is said to be, else the span at hand, else the trace that somebody else has begun."""
    if not parent and not otel.get_current_span().get_span_context().is_valid:
        parent = TRACE.get()
    return _CONTEXT.extract({"traceparent": parent}, Context()) if parent else None


def _traceparent(span: Span) -> str:
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"


class TracedCommands(Commands):
    """Commands with a span each, and reactions that continue the trace of their event."""

    def __init__(self, inner: Commands, spans: Spans) -> None:
        super().__init__(inner._host, inner._committed)
        self._spans = spans

    async def run(self, caller: Caller, command: Command[Any], **how: Any) -> Any:
        """Run a command: see Commands."""
        with self._spans.span(HANDLERS[type(command)].needs, SpanKind.INTERNAL, nexus__tenant=caller.tenant.slug):
            return await super().run(caller, command, **how)

    async def at_its_time(self, caller: Caller, command: Command[Any], timer: UUID, cause: Cause) -> bool:
        """Run a scheduled command: see Commands."""
        with self._spans.span(f"{HANDLERS[type(command)].needs} at its time", SpanKind.INTERNAL, nexus__tenant=caller.tenant.slug):
            return await super().at_its_time(caller, command, timer, cause)

    async def react(self, caller: Caller, reaction: Reaction, envelope: Envelope) -> bool:
        """Run a reaction: see Commands."""
        about = {
            "messaging__destination__name": envelope.type,
            "messaging__message__id": str(envelope.id),
            "nexus__tenant": caller.tenant.slug,
        }
        with self._spans.span(reaction.name, SpanKind.CONSUMER, envelope.traceparent, **about):
            return await super().react(caller, reaction, envelope)


class TracedOltp(Oltp):
    """A database whose round trips are spans, where they belong to something: what looks whether there is work makes none."""

    def __init__(self, inner: Oltp, cell: str, spans: Spans) -> None:
        self._inner = inner
        self._cell = cell
        self._spans = spans
        self.stats: Any = getattr(inner, "stats", None)

    async def run(self, schema: str | None, *calls: Call, lane: LaneName = "fast", timeout: float | None = None) -> list[Result]:
        """One round trip: see Oltp."""
        if not otel.get_current_span().is_recording():
            return await self._inner.run(schema, *calls, lane=lane, timeout=timeout)
        with self.span(f"postgresql {lane}", calls):
            return await self._inner.run(schema, *calls, lane=lane, timeout=timeout)

    async def read(self, schema: str, call: Call) -> Result:
        """A read that may share a request: see Oltp."""
        if not otel.get_current_span().is_recording():
            return await self._inner.read(schema, call)
        with self.span("postgresql read", (call,)):
            return await self._inner.read(schema, call)

    async def write(self, schema: str, call: Call) -> Result:
        """A write that may share a transaction: see Oltp."""
        if not otel.get_current_span().is_recording():
            return await self._inner.write(schema, call)
        with self.span("postgresql write", (call,)):
            return await self._inner.write(schema, call)

    def stream(self, schema: str | None, call: Call, *, rows: int = 1_000) -> AsyncGenerator[list[Row]]:
        """The rows of one query: see Oltp."""
        return self._inner.stream(schema, call, rows=rows)

    def transaction(self, schema: str | None, *, timeout: float | None = None) -> AbstractAsyncContextManager[Transaction]:
        """A transaction of several round trips: see Oltp."""
        inner = self._inner.transaction(schema, timeout=timeout)
        return _Traced(inner, self) if otel.get_current_span().is_recording() else inner

    async def close(self) -> None:
        """End the connections."""
        await self._inner.close()

    def span(self, name: str, calls: tuple[Call, ...]) -> Any:
        """The span of a round trip."""
        text = "; ".join(statement.text for statement, _ in calls)[:_LONGEST]
        about: dict[str, str] = {"db__system__name": "postgresql", "db__namespace": self._cell, "db__query__text": text}
        return self._spans.span(name, SpanKind.CLIENT, None, nexus__statements=len(calls), **about)


class _Traced(Transaction):
    """A transaction whose round trips are spans."""

    def __init__(self, context: AbstractAsyncContextManager[Transaction], oltp: TracedOltp) -> None:
        self._context = context
        self._oltp = oltp
        self._inner: Transaction

    async def __aenter__(self) -> Transaction:
        self._inner = await self._context.__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool | None:
        return await self._context.__aexit__(kind, error, trace)

    @property
    def round_trips(self) -> int:  # type: ignore[override]
        return self._inner.round_trips

    async def run(self, *calls: Call) -> list[Result]:
        with self._oltp.span("postgresql transaction", calls):
            return await self._inner.run(*calls)

    async def commit(self, *calls: Call) -> list[Result]:
        with self._oltp.span("postgresql commit", calls):
            return await self._inner.commit(*calls)
