"""OpenTelemetry: traces and logs over OTLP/HTTP. Imported only where a setting asks for it: see runtime.tracing."""

from __future__ import annotations

import logging
import os
import socket
from typing import Final

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from nexus import __version__
from nexus.config import Settings
from nexus.runtime.spans import Spans

PAUSE: Final = 1000
"""Milliseconds after which what is finished is sent at the latest."""
_SEVERITIES: Final = {
    logging.DEBUG: SeverityNumber.DEBUG,
    logging.INFO: SeverityNumber.INFO,
    logging.WARNING: SeverityNumber.WARN,
    logging.ERROR: SeverityNumber.ERROR,
    logging.CRITICAL: SeverityNumber.FATAL,
}


class Otel:
    """The pipelines of one process: spans and log records, sent in batches by threads of the library's."""

    def __init__(self, settings: Settings, target: str) -> None:
        of = {"service.name": "nexus", "service.version": __version__, "nexus.target": target}
        resource = Resource.create(of | {"service.instance.id": f"{socket.gethostname()}:{os.getpid()}"})
        base, headers = settings.otlp_endpoint.rstrip("/"), settings.otlp_header()
        self._traces = TracerProvider(
            resource=resource, sampler=ParentBased(TraceIdRatioBased(settings.otlp_sample)), shutdown_on_exit=False
        )
        spans = OTLPSpanExporter(endpoint=f"{base}/v1/traces", headers=headers)
        self._traces.add_span_processor(BatchSpanProcessor(spans, schedule_delay_millis=PAUSE))
        self._logs = LoggerProvider(resource=resource, shutdown_on_exit=False)
        records = OTLPLogExporter(endpoint=f"{base}/v1/logs", headers=headers)
        self._logs.add_log_record_processor(BatchLogRecordProcessor(records, schedule_delay_millis=PAUSE))
        self._handler = _Handler(self._logs)
        self.spans = Spans(self._traces.get_tracer("nexus", __version__))

    def start(self) -> None:
        """Let what the process logs go with its traces."""
        logging.getLogger("nexus").addHandler(self._handler)

    def stop(self) -> None:
        """Send what is held. Waits for the receiver: call it in a thread."""
        logging.getLogger("nexus").removeHandler(self._handler)
        self._traces.shutdown()
        self._logs.shutdown()


class _Handler(logging.Handler):
    """Hands log records on, each with the span it was written in."""

    def __init__(self, provider: LoggerProvider) -> None:
        super().__init__()
        self._provider = provider

    def emit(self, record: logging.LogRecord) -> None:
        severity = _SEVERITIES.get(record.levelno, SeverityNumber.INFO)
        attributes = {"code.function.name": record.funcName, "log.logger": record.name}
        if record.exc_info and record.exc_info[0] is not None:
            attributes |= {"exception.type": record.exc_info[0].__name__, "exception.message": str(record.exc_info[1])[:500]}
        self._provider.get_logger(record.name).emit(
            LogRecord(
                timestamp=int(record.created * 1e9),
                severity_text=record.levelname,
                severity_number=severity,
                body=record.getMessage(),
                attributes=attributes,
            )
        )
