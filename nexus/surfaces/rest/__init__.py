"""REST, derived: the table of routes under /api/v1/{service}/{entities}, made from the declarations of the services a process runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from nexus.core.problem import NotFound, Problem
from nexus.core.service import Service
from nexus.surfaces.calling import Host
from nexus.surfaces.rest.actions import Action, Report
from nexus.surfaces.rest.message import Request, Response
from nexus.surfaces.rest.records import Records

__all__ = ["MethodNotAllowed", "Request", "Response", "Rest"]


class MethodNotAllowed(Problem, status=405):
    """{method} is not possible here; {allowed} is."""

    method: str
    allowed: str


@dataclass(slots=True)
class Collection:
    """What hangs below one entity's path."""

    records: Records
    create: Action | None = None
    on_all: dict[str, Action] = field(default_factory=dict[str, Action])
    on_one: dict[str, Action] = field(default_factory=dict[str, Action])


class Rest:
    """Dispatches a request to the endpoint of its path."""

    def __init__(self, host: Host, services: Iterable[Service]) -> None:
        self._host = host
        self.collections: dict[tuple[str, str], Collection] = {}
        self.reports: dict[tuple[str, str], Report] = {}
        for service in services:
            self._add(service)

    def _add(self, service: Service) -> None:
        by_entity: dict[str, Collection] = {}
        for entity in service.entities():
            made = self.collections[service.name, entity.path()] = Collection(Records(self._host, entity))
            by_entity[entity.entity_name()] = made
        for handler in service.handlers():
            collection, action = by_entity[handler.entity], Action(self._host, handler)
            if handler.verb == "create":
                collection.create = action
            elif handler.target_field is not None:
                collection.on_one[handler.verb] = action
            else:
                collection.on_all[handler.verb] = action
        for answer in service.answers():
            self.reports[service.name, answer.name] = Report(self._host, answer)

    async def __call__(self, request: Request, service: str, rest: list[str]) -> Response:
        """Answer `/api/v1/{service}/{rest…}`. NotFound (404) for a path that is not there, MethodNotAllowed (405) for a verb that is not."""
        method = request.method
        if rest[0] == "reports" and len(rest) == 2 and (report := self.reports.get((service, rest[1]))) is not None:
            _allow(method, "GET")
            return await report(request)
        collection = self.collections.get((service, rest[0]))
        if collection is None or len(rest) > 3:
            raise NotFound(kind="path", id=request.path)
        if len(rest) == 1:
            return await self._all(collection, request, method)
        if len(rest) == 2:
            if (action := collection.on_all.get(rest[1])) is not None:
                _allow(method, "POST")
                return await action(request)
            return await self._one(collection, request, method, rest[1])
        return await self._verb(collection, request, rest[1], rest[2])

    async def _all(self, collection: Collection, request: Request, method: str) -> Response:
        records = collection.records
        if method == "GET":
            return await records.list(request)
        if method == "POST" and collection.create is not None:
            return await collection.create(request)
        if method == "POST" and records.entity.creatable:
            return await records.create(request)
        raise MethodNotAllowed(method=method, allowed="GET or POST" if collection.create or records.entity.creatable else "GET")

    async def _one(self, collection: Collection, request: Request, method: str, id: str) -> Response:
        records = collection.records
        if method == "GET":
            return await records.get(request, id)
        if method == "PATCH" and records.entity.editable:
            return await records.patch(request, id)
        if method == "DELETE" and records.entity.removal is not None:
            return await records.remove(request, id)
        possible = ["GET", *(["PATCH"] if records.entity.editable else []), *(["DELETE"] if records.entity.removal else [])]
        raise MethodNotAllowed(method=method, allowed=" or ".join(possible))

    async def _verb(self, collection: Collection, request: Request, id: str, verb: str) -> Response:
        if (action := collection.on_one.get(verb)) is not None:
            _allow(request.method, "POST")
            return await action(request, id)
        if verb == "restore" and collection.records.entity.removal == "archive":
            _allow(request.method, "POST")
            return await collection.records.restore(request, id)
        raise NotFound(kind="path", id=request.path)


def _allow(method: str, only: str) -> None:
    if method != only:
        raise MethodNotAllowed(method=method, allowed=only)
