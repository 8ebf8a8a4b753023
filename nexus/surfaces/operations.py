"""Everything a service can be asked, free of any protocol: the operations by name, and one door to ask them through.

REST has them as paths. Every other surface (GraphQL, gRPC, tools for agents) names an operation and asks it here, so that admission,
permissions, idempotency, journal and refusals are the same on all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlencode
from uuid import UUID

from nexus.core.entity import Entity
from nexus.core.ids import uuid7_text
from nexus.core.message import Answer, Handler
from nexus.core.problem import NotFound
from nexus.core.service import Service
from nexus.engines.oltp import PermissionDenied
from nexus.surfaces.calling import Caller, Gate
from nexus.surfaces.effects import Effects
from nexus.surfaces.rest import Request, Response, Rest
from nexus.surfaces.rest.message import Progress
from nexus.surfaces.rest.records import record_id
from nexus.surfaces.shapes import shape_of

__all__ = ["Ask", "Kind", "Operation", "Operations"]

Kind = Literal["get", "list", "create", "update", "archive", "restore", "delete", "command", "report"]

_NEEDS: Final[Mapping[Kind, str]] = {
    "get": "read",
    "list": "read",
    "create": "create",
    "update": "update",
    "archive": "archive",
    "restore": "archive",
    "delete": "delete",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One thing that can be asked of a service."""

    service: str
    kind: Kind
    name: str
    """`crm.lead.get`, `crm.lead.convert`, `crm.report.pipeline`."""
    needs: str
    """The permission it takes at least: `crm.lead:convert`."""
    method: str
    path: str
    """As REST has it below `/api/v1/{service}/`, with `{id}` where it is about one record."""
    entity: type[Entity] | None = None
    """Whose records it is about; None for a report."""
    handler: Handler | None = None
    """Of a command, also of one that makes the records: `crm.deal.create` may be one."""
    answer: Answer | None = None
    """Of a report."""

    @property
    def reads(self) -> bool:
        """Whether it changes nothing."""
        return self.method == "GET"

    @property
    def on_one(self) -> bool:
        """Whether it is about one record, so that an id goes with it."""
        return "{id}" in self.path


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What goes with an operation; everything is text or JSON as REST takes it."""

    id: UUID | str | None = None
    query: Sequence[tuple[str, str]] = ()
    """Parameters of a list, a get (`fields`, `expand`) or a report."""
    body: bytes = b""
    key: str | None = None
    """An idempotency key."""
    version: int | Literal["*"] | None = None
    """The version a change expects, `*` for whatever is there; PreconditionRequired where one is needed and None is given."""
    dry_run: bool = False
    """Of a write: do all of it and undo it."""
    effects: Effects | None = None
    """Where a dry run says what it would do."""
    correlation: str | None = None
    many: bool = False
    """Of a create or an update that no command makes: `body` is a batch, as `…/bulk` takes it."""
    progress: Progress | None = None


class Operations:
    """All operations of the services of a process."""

    def __init__(self, rest: Rest, gate: Gate | None, services: Iterable[Service]) -> None:
        self._rest = rest
        self._gate = gate
        self._by_name: dict[str, Operation] = {}
        for service in services:
            for operation in (*_of_records(service, rest), *_of_commands(service), *_of_reports(service)):
                self._by_name[operation.name] = operation

    def __iter__(self) -> Iterator[Operation]:
        return iter(self._by_name.values())

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def __getitem__(self, name: str) -> Operation:
        return self._by_name[name]

    def of(self, caller: Caller) -> list[Operation]:
        """Those that the caller's rights allow at all; which records they reach is another matter."""
        return [one for one in self if caller.rights is None or caller.rights.allow(one.needs)]

    async def ask(self, caller: Caller, operation: Operation, ask: Ask) -> Response:
        """The response, as REST would answer it. Raises the Problem that refuses it, or what the database raises.

        The id of a merged record leads a get to its survivor.
        """
        service = operation.service
        admitted = await self._gate.admit(caller, service, not operation.reads) if self._gate else caller
        try:
            response = await self._answer(admitted, operation, ask, ask.id)
            if response.status == 301:
                location = dict(response.headers)[b"location"].decode().partition("?")[0]
                response = await self._answer(admitted, operation, ask, location.rpartition("/")[2])
            return response
        except PermissionDenied as error:
            raise (error if self._gate is None else await self._gate.refusal(admitted, error)) from error

    async def _answer(self, caller: Caller, operation: Operation, ask: Ask, id: UUID | str | None) -> Response:
        if operation.kind == "get" and operation.entity is not None:
            records = self._rest.collections[operation.service, shape_of(operation.entity).path].records
            return await records.get(_request(operation, f"{records.location}/{id}", ask, caller), str(id or ""))
        if operation.on_one and operation.entity is not None and not ask.many:
            if caller.rights is not None:
                caller.rights.need(operation.needs)
            id = record_id(str(id or ""), shape_of(operation.entity))  # `export` or `bulk` would lead to another endpoint
        rest = [operation.path.partition("/")[0], "bulk"] if ask.many else operation.path.replace("{id}", str(id)).split("/")
        path = f"/api/v1/{operation.service}/{'/'.join(rest)}"
        endpoint = self._rest.methods(operation.service, rest).get(operation.method)
        if endpoint is None:  # an id that reads as something else: no record is called so
            raise NotFound(kind=shape_of(operation.entity).title if operation.entity else "report", id=str(id))
        return await endpoint(_request(operation, path, ask, caller))


def _request(operation: Operation, path: str, ask: Ask, caller: Caller) -> Request:
    query = [*ask.query, ("dry_run", "true")] if ask.dry_run else ask.query
    return Request(
        operation.method,
        path,
        urlencode(query).encode() if query else b"",
        _headers(ask),
        ask.body,
        caller,
        ask.correlation or uuid7_text(),
        effects=ask.effects,
        progress=ask.progress,
    )


def _headers(ask: Ask) -> dict[bytes, bytes]:
    headers: dict[bytes, bytes] = {}
    if ask.key is not None:
        headers[b"idempotency-key"] = ask.key.encode("utf-8", "surrogateescape")
    if ask.version is not None:
        headers[b"if-match"] = b"*" if ask.version == "*" else b'"%d"' % ask.version
    return headers


def _of_records(service: Service, rest: Rest) -> Iterator[Operation]:
    for entity in service.entities():
        shape = shape_of(entity)
        collection, one = rest.methods(service.name, [shape.path]), rest.methods(service.name, [shape.path, str(_ANY)])
        offered: list[tuple[Kind, str, str]] = [("get", "GET", "/{id}"), ("list", "GET", "")]
        if "POST" in collection and rest.collections[service.name, shape.path].create is None:
            offered.append(("create", "POST", ""))
        if "PATCH" in one:
            offered.append(("update", "PATCH", "/{id}"))
        if entity.removal == "archive":
            offered.append(("archive", "DELETE", "/{id}"))
            offered.append(("restore", "POST", "/{id}/restore"))
        elif "DELETE" in one:
            offered.append(("delete", "DELETE", "/{id}"))
        for kind, method, tail in offered:
            yield Operation(
                service=service.name,
                kind=kind,
                name=f"{shape.name}.{kind}",
                needs=f"{shape.name}:{_NEEDS[kind]}",
                method=method,
                path=shape.path + tail,
                entity=entity,
            )


def _of_commands(service: Service) -> Iterator[Operation]:
    entities = {entity.entity_name(): entity for entity in service.entities()}
    for handler in service.handlers():
        entity = entities[handler.entity]
        verb = "" if handler.verb == "create" else f"/{handler.verb}"
        yield Operation(
            service=service.name,
            kind="command",
            name=f"{handler.entity}.{handler.verb}",
            needs=handler.needs,
            method="POST",
            path=entity.path() + ("/{id}" if handler.target_field is not None and verb else "") + verb,
            entity=entity,
            handler=handler,
        )


def _of_reports(service: Service) -> Iterator[Operation]:
    for answer in service.answers():
        yield Operation(
            service=service.name,
            kind="report",
            name=f"{service.name}.report.{answer.name}",
            needs=answer.needs,
            method="GET",
            path=f"reports/{answer.name}",
            answer=answer,
        )


_ANY: Final = UUID(int=0)
