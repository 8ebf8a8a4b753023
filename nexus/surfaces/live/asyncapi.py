"""AsyncAPI 3: every topic with its channel, its operation and its message, and the two ways to hear of them, from the declarations."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import urlsplit

from nexus.core.service import Service
from nexus.surfaces.live import messages
from nexus.surfaces.live.schemas import path_of, payload
from nexus.surfaces.live.topics import Topic, topics_of
from nexus.surfaces.openapi import structs
from nexus.surfaces.openapi.problems import SCHEMAS as PROBLEMS

__all__ = ["asyncapi"]

VERSION: Final = "1.0.0"
STREAM: Final = "stream"
SOCKET: Final = "ws"
INTRODUCTION: Final = """
What happens in a business, told as it happens: each change of a record, and each fact that a rule states. Every event is a CloudEvent in JSON.

Follow topics by pattern over server-sent events (`/api/v1/stream`) or a WebSocket (`/ws`). You hear what you could read at that moment: records
that are not for you are left out, fields that are hidden from you are null. Come back with the id of the last event and nothing is left out or told twice.
"""


def asyncapi(services: Iterable[Service], *, url: str = "http://127.0.0.1:8080") -> dict[str, Any]:
    """The document of some services, as an installation at this address tells it."""
    topics = topics_of(services)
    made = _Made()
    for topic in topics.values():
        made.topic(topic)
    made.socket()
    made.stream(topics)
    place = urlsplit(url)
    secure = place.scheme == "https"
    security = [{"$ref": "#/components/securitySchemes/tenantKey"}]
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "NEXUS", "version": VERSION, "description": structs.paragraphs(INTRODUCTION)},
        "defaultContentType": "application/json",
        "servers": {
            "http": {"host": place.netloc, "protocol": "https" if secure else "http", "security": security},
            "socket": {"host": place.netloc, "protocol": "wss" if secure else "ws", "security": security},
        },
        "channels": made.channels,
        "operations": made.operations,
        "components": {
            "messages": made.messages,
            "schemas": made.schemas,
            "securitySchemes": {"tenantKey": {"type": "http", "scheme": "bearer", "description": "An API key of the business."}},
        },
    }


class _Made:
    """The document as it grows."""

    def __init__(self) -> None:
        self.channels: dict[str, Any] = {}
        self.operations: dict[str, Any] = {}
        self.messages: dict[str, Any] = {}
        self.schemas: dict[str, Any] = {"Problem": PROBLEMS["Problem"]} if "Problem" in PROBLEMS else dict(PROBLEMS)

    def topic(self, topic: Topic) -> None:
        """A topic of the log: a channel that we send on."""
        service, rest = topic.name.split(".", 1)
        for version in topic.versions:
            schema, parts = payload(topic, version)
            self.schemas.update(parts)
            self.messages[f"{topic.name}.v{version}"] = {
                "name": topic.name,
                "title": topic.name,
                "summary": topic.summary,
                "contentType": "application/cloudevents+json",
                "payload": schema,
                "x-schema": path_of(topic, version),
            }
        self.channels[topic.name] = {
            "address": f"nexus.{service}.{{tenant}}.{rest}",
            "title": topic.name,
            "summary": topic.summary,
            "parameters": {"tenant": {"description": "The id of the business; a pattern has `*` there."}},
            "messages": {f"v{version}": {"$ref": f"#/components/messages/{topic.name}.v{version}"} for version in topic.versions},
            "x-permission": topic.needs,
        }
        self._operation(topic.name, "send", topic.name, topic.summary, [f"v{version}" for version in topic.versions])

    def stream(self, topics: Iterable[str]) -> None:
        """Server-sent events: all topics over one request."""
        names = {name: version for name in topics for version in self.channels[name]["messages"]}
        self.channels[STREAM] = {
            "address": "/api/v1/stream",
            "title": "Server-sent events",
            "summary": "GET with `topics` (patterns, separated by commas) and `Last-Event-ID` or `after`; `id` is the position, `data` the event.",
            "servers": [{"$ref": "#/servers/http"}],
            "messages": {name: {"$ref": f"#/components/messages/{name}.{version}"} for name, version in names.items()},
            "bindings": {"http": {"bindingVersion": "0.3.0"}},
        }
        self._operation("stream.tell", "send", STREAM, "Tell what happens, as server-sent events.", list(names))

    def socket(self) -> None:
        """The WebSocket: what it reads and what it writes."""
        kinds = (*messages.ASKED, *messages.TOLD)
        schemas, parts = structs.components("live", kinds)
        self.schemas.update(parts)
        for kind, schema in zip(kinds, schemas, strict=True):
            told = structs.paragraphs(kind.__doc__)
            self.messages[f"live.{kind.__name__}"] = {"name": kind.__name__, "title": kind.__name__, "summary": told, "payload": schema}
        self.channels[SOCKET] = {
            "address": "/ws",
            "title": "WebSocket",
            "summary": "Any number of subscriptions under names of the client's; text messages, each a JSON object with a type.",
            "servers": [{"$ref": "#/servers/socket"}],
            "messages": {kind.__name__: {"$ref": f"#/components/messages/live.{kind.__name__}"} for kind in kinds},
            "bindings": {"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
        }
        self._operation("ws.hear", "receive", SOCKET, "What a client may say.", [kind.__name__ for kind in messages.ASKED])
        self._operation("ws.tell", "send", SOCKET, "What a client is told.", [kind.__name__ for kind in messages.TOLD])

    def _operation(self, name: str, action: str, channel: str, summary: str, messages: list[str]) -> None:
        place = f"#/channels/{channel}"
        self.operations[name] = {
            "action": action,
            "channel": {"$ref": place},
            "summary": summary,
            "messages": [{"$ref": f"{place}/messages/{message}"} for message in messages],
        }
