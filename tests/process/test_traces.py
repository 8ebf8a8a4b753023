"""Traces and logs over OTLP: a receiver reads the official messages, and one request is one trace through two processes."""

from __future__ import annotations

import gzip
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.trace import SpanKind
from psycopg.conninfo import make_conninfo

from nexus.config import Settings
from nexus.core.trace import TRACE
from nexus.engines.oltp.embedded import EmbeddedPostgres
from nexus.runtime.otel import Otel
from tests.process.conftest import Nexus, free_port, until

MINE = "4bf92f3577b34da6a3ce929d0e0e4736"
LEAD = {"name": "Ngozi", "email": "ngozi@example.com", "company": "Secret Ltd"}


@dataclass
class Receiver:
    """A collector: takes what is sent, and keeps it."""

    url: str = ""
    spans: list[tuple[str, Any]] = field(default_factory=list)
    """Each with the target of the process it came from."""
    logs: list[Any] = field(default_factory=list)
    tokens: set[str | None] = field(default_factory=set)

    def take(self, path: str, body: bytes, token: str | None) -> None:
        self.tokens.add(token)
        if path == "/v1/traces":
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                told = {one.key: one.value.string_value for one in resource.resource.attributes}
                assert told["service.name"] == "nexus"
                self.spans += [(told["nexus.target"], span) for scope in resource.scope_spans for span in scope.spans]
        elif path == "/v1/logs":
            for resource in ExportLogsServiceRequest.FromString(body).resource_logs:
                self.logs += [record for scope in resource.scope_logs for record in scope.log_records]

    def of(self, trace: str) -> list[tuple[str, Any]]:
        return [(target, span) for target, span in self.spans if span.trace_id.hex() == trace]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            made.take(
                self.path, gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body, self.headers.get("x-token")
            )
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def pair(postgres: EmbeddedPostgres, tmp_path: Path, receiver: Receiver) -> Iterator[tuple[Nexus, Nexus]]:
    """A process that answers and one that works, on one database, both traced."""
    with psycopg.connect(postgres.superuser_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE traced")
    shared = {
        "NEXUS_DATABASE_URL": make_conninfo(postgres.superuser_url, dbname="traced"),
        "NEXUS_OWNER_PASSWORD": "owner's",
        "NEXUS_APP_PASSWORD": "app's",
        "NEXUS_OTLP_ENDPOINT": receiver.url,
        "NEXUS_OTLP_HEADERS": "x-token=let-me-in",
    }
    both: list[Nexus] = []
    for target in ("api", "worker"):
        (tmp_path / target).mkdir()
        both.append(Nexus(tmp_path / target, free_port()).start("serve", f"--target={target}", **shared))
    yield both[0], both[1]
    for one in both:
        if one.process is not None and one.process.poll() is None:
            one.stop()


def _chain(spans: list[tuple[str, Any]], span: Any) -> list[Any]:
    """A span and what it is a part of, the innermost first."""
    by_id = {one.span_id: one for _, one in spans}
    found = [span]
    while found[-1].parent_span_id in by_id:
        found.append(by_id[found[-1].parent_span_id])
    return found


def test_one_request_is_one_trace_through_two_processes(pair: tuple[Nexus, Nexus], receiver: Receiver) -> None:
    api, _ = pair
    key = api.activate()

    status, _ = api.ask("POST", "/api/v1/crm/leads", LEAD, token=key, headers={"traceparent": f"00-{MINE}-00f067aa0ba902b7-01"})

    assert status == 201
    until(lambda: any(span.kind == Span.SPAN_KIND_CONSUMER for _, span in receiver.of(MINE)), "a reaction has been traced")
    until(lambda: any(span.kind == Span.SPAN_KIND_SERVER for _, span in receiver.of(MINE)), "and so has the request")
    spans = receiver.of(MINE)
    request = next(span for _, span in spans if span.kind == Span.SPAN_KIND_SERVER)
    assert (request.name, request.parent_span_id.hex()) == ("POST /api/v1/crm/leads", "00f067aa0ba902b7")
    assert {one.key: one.value.int_value for one in request.attributes}["http.response.status_code"] == 201
    target, reaction = next((target, span) for target, span in spans if span.kind == Span.SPAN_KIND_CONSUMER)
    assert target == "worker"
    inner, *outer = _chain(spans, reaction)
    assert inner is reaction
    assert outer[0].kind == Span.SPAN_KIND_PRODUCER
    assert outer[-1] is request
    trips = [span for _, span in spans if span.kind == Span.SPAN_KIND_CLIENT]
    assert {trip.parent_span_id for trip in trips} <= {span.span_id for _, span in spans}
    assert trips
    assert "Secret Ltd" not in str(spans), "no span shows what was sent"
    assert receiver.tokens == {"let-me-in"}


def test_what_is_logged_goes_with_its_trace(receiver: Receiver) -> None:
    otel = Otel(Settings(otlp_endpoint=receiver.url), "all")
    otel.start()
    with otel.spans.span("work", SpanKind.INTERNAL, f"00-{MINE}-00f067aa0ba902b7-01"):
        try:
            raise RuntimeError("a bug")
        except RuntimeError:
            logging.getLogger("nexus.app").exception("request %s failed", "r-1")
    otel.stop()
    logging.getLogger("nexus.app").error("nobody takes this any more")

    (record,) = receiver.logs
    assert (record.body.string_value, record.severity_text, record.trace_id.hex()) == ("request r-1 failed", "ERROR", MINE)
    assert {one.key: one.value.string_value for one in record.attributes}["exception.message"] == "a bug"
    ((_, span),) = receiver.spans
    assert record.span_id == span.span_id


def test_a_trace_that_is_not_to_be_sent_is_not_and_goes_on_all_the_same(receiver: Receiver) -> None:
    otel = Otel(Settings(otlp_endpoint=receiver.url), "all")
    with otel.spans.span("work", SpanKind.INTERNAL, f"00-{MINE}-00f067aa0ba902b7-00"):
        here = TRACE.get()
    otel.stop()

    assert here is not None
    assert (here[3:35], here[-2:]) == (MINE, "00")
    assert receiver.spans == []


def test_a_receiver_that_is_away_stops_nothing(nexus: Nexus) -> None:
    key = nexus.start(NEXUS_OTLP_ENDPOINT=f"http://127.0.0.1:{free_port()}").activate()

    assert nexus.ask("GET", "/api/v1/crm/leads", token=key)[0] == 200
    assert nexus.stop() == 0


def test_nothing_of_it_is_loaded_unless_it_is_asked_for() -> None:
    code = "import nexus.process, sys; sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
