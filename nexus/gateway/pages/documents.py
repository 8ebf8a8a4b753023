"""`/openapi.json`, whole and by service, and `/problems/{code}`, where the type of every refusal leads."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Mapping
from html import escape
from typing import Any, Protocol
from urllib.parse import parse_qsl

import msgspec

from nexus.activation.openapi import control_part
from nexus.core.problem import FieldError, Invalid, NotFound, Problem
from nexus.core.service import Service
from nexus.gateway.pages.answers import html, json, kept, only, wants_html
from nexus.gateway.pages.frame import page
from nexus.surfaces.live.asyncapi import asyncapi
from nexus.surfaces.live.schemas import event_schema
from nexus.surfaces.live.topics import Topic, topics_of
from nexus.surfaces.openapi import document, problems
from nexus.surfaces.rest.message import Response

CONTROL = "control"
_EVENTS = "\0events"


class Asked(Protocol):
    """What is read of a request: see `nexus.runtime.app.Raw`."""

    method: str
    path: str
    query: bytes
    headers: dict[bytes, bytes]

    async def body(self, limit: int | None = None) -> bytes: ...


def api_document(services: Mapping[str, Service], name: str | None = None) -> dict[str, Any]:
    """The OpenAPI document of everything, of one service by its name, or of the control plane as `control`. KeyError for another name."""
    if name is None:
        return document(services.values(), control_part())
    return document([], control_part()) if name == CONTROL else document([services[name]])


class Documents:
    """The machine's side of the documentation; each document is made when it is first asked for, and kept."""

    def __init__(self, services: Mapping[str, Service], url: str = "http://127.0.0.1:8080") -> None:
        """`url` is where callers reach this installation."""
        self._services = services
        self._url = url
        self._made: dict[str | None, bytes] = {}
        self._making = asyncio.Lock()

    async def openapi(self, raw: Asked) -> Response:
        """`/openapi.json`, `/openapi.json?service=crm`."""
        only(raw.method, "GET", "HEAD")
        return json(await self.encoded(_service(raw.query)), raw.headers)

    async def encoded(self, name: str | None) -> bytes:
        """A document as JSON, made beside the requests that go on. Invalid (422) for a service that is not here."""
        if name is not None and name != CONTROL and name not in self._services:
            raise Invalid.of(FieldError("service", f"is one of {', '.join([CONTROL, *self._services])}"))
        async with self._making:
            if name not in self._made:
                self._made[name] = await asyncio.to_thread(lambda: msgspec.json.encode(api_document(self._services, name)))
        return self._made[name]

    async def asyncapi(self, raw: Asked) -> Response:
        """`/asyncapi.json`: what can be heard."""
        only(raw.method, "GET", "HEAD")
        if raw.query:
            raise Invalid.of(
                FieldError(raw.query.partition(b"=")[0].decode("ascii", "replace")[:80], "is not a parameter here; there are none")
            )
        async with self._making:
            if _EVENTS not in self._made:
                made = await asyncio.to_thread(lambda: msgspec.json.encode(asyncapi(self._services.values(), url=self._url)))
                self._made[_EVENTS] = made
        return json(self._made[_EVENTS], raw.headers)

    async def event_schema(self, raw: Asked) -> Response:
        """`/schemas/events/{topic}/{version}.json`, such as `/schemas/events/crm.deal.won/1.json`. NotFound (404)."""
        only(raw.method, "GET", "HEAD")
        name, _, version = raw.path.removeprefix("/schemas/events/").removesuffix(".json").partition("/")
        topic = self._topics.get(name)
        if topic is None or not raw.path.endswith(".json") or version not in map(str, topic.versions):
            raise NotFound(kind="schema of an event", id=raw.path.removeprefix("/schemas/events/"))
        return kept(msgspec.json.encode(event_schema(topic, int(version))), b"application/schema+json", raw.headers)

    @functools.cached_property
    def _topics(self) -> dict[str, Topic]:
        return topics_of(self._services.values())

    async def problem(self, raw: Asked) -> Response:
        """`/problems/{code}`: what a refusal means; `/problems` has all of them."""
        only(raw.method, "GET", "HEAD")
        code = raw.path.removeprefix("/problems").strip("/")
        kinds = {kind.code(): kind for kind in problems.every()}
        if code and code not in kinds:
            raise NotFound(kind="problem", id=code)
        shown = [kinds[code]] if code else list(kinds.values())
        if wants_html(raw.headers):
            return html(_explained(shown, code))
        told = [_told(kind) for kind in shown]
        return json(msgspec.json.encode(told[0] if code else {"items": told}), raw.headers)


def _service(query: bytes) -> str | None:
    given = dict(parse_qsl(query.decode("ascii", "replace"), keep_blank_values=True, max_num_fields=20))
    for name in given:
        if name != "service":
            raise Invalid.of(FieldError(name, "is not a parameter here; there is service"))
    return given.get("service")


def _told(kind: type[Problem]) -> dict[str, Any]:
    return {"type": f"/problems/{kind.code()}", "title": kind.title(), "status": kind.status, "detail": problems.sentence(kind)}


def _explained(kinds: list[type[Problem]], code: str) -> str:
    title = kinds[0].title() if code else "Problems"
    rows = "".join(
        f'<tr><td><a href="/problems/{kind.code()}">{escape(kind.title())}</a></td><td>{kind.status}</td>'
        f"<td>{escape(problems.sentence(kind))}</td></tr>"
        for kind in kinds
    )
    table = f"<table><thead><tr><th>Problem</th><th>Status</th><th>What it says</th></tr></thead><tbody>{rows}</tbody></table>"
    more = "" if not code else '<p>Words in braces stand for the facts of the case. <a href="/problems">All problems</a></p>'
    return page(f"{title} · NEXUS", f'<main class="plain"><h1>{escape(title)}</h1>{table}{more}</main>', styles=("page.css",))
