"""REST, derived: the table of routes under /api/v1/{service}/{entities}, made from the declarations of the services a process runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial

from nexus.core.entity import Entity
from nexus.core.problem import NotFound, Problem
from nexus.core.service import Service
from nexus.surfaces.calling import Host
from nexus.surfaces.rest.actions import Action
from nexus.surfaces.rest.bulk import Bulk
from nexus.surfaces.rest.documents import Papers
from nexus.surfaces.rest.exports import Exports
from nexus.surfaces.rest.imports import Imports
from nexus.surfaces.rest.message import Endpoint, Request, Response
from nexus.surfaces.rest.records import Records
from nexus.surfaces.rest.reports import Report

__all__ = ["MethodNotAllowed", "Methods", "Request", "Response", "Rest"]

Methods = dict[str, Endpoint]
"""The endpoints of one path. HEAD is answered as GET, and OPTIONS says what there is."""


class MethodNotAllowed(Problem, status=405):
    """{method} is not possible here; there are {allowed}."""

    method: str
    allowed: str


@dataclass(slots=True)
class Collection:
    """What hangs below one entity's path."""

    records: Records
    bulk: Bulk
    exports: Exports
    imports: Imports
    create: Action | None = None
    on_all: dict[str, Action] = field(default_factory=dict[str, Action])
    on_one: dict[str, Action] = field(default_factory=dict[str, Action])
    papers: dict[str, Papers] = field(default_factory=dict[str, Papers])


def _collection(host: Host, entity: type[Entity], derived: bool) -> Collection:
    """`derived`: no command of the service makes the records."""
    records = Records(host, entity)
    return Collection(records, Bulk(host, records), Exports(host, entity), Imports(host, entity, creatable=derived and entity.creatable))


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
        made_by_command = {handler.entity for handler in service.handlers() if handler.verb == "create"}
        for entity in service.entities():
            made = self.collections[service.name, entity.path()] = _collection(
                self._host, entity, entity.entity_name() not in made_by_command
            )
            by_entity[entity.entity_name()] = made
        for handler in service.handlers():
            collection, action = by_entity[handler.entity], Action(self._host, handler)
            if handler.verb == "create":
                collection.create = action
            elif handler.target_field is not None:
                collection.on_one[handler.verb] = action
            else:
                collection.on_all[handler.verb] = action
        for document in service.documents():
            by_entity[document.entity.entity_name()].papers[document.name] = Papers(self._host, document)
        for answer in service.answers():
            self.reports[service.name, answer.name] = Report(self._host, answer, service.name)

    async def __call__(self, request: Request, service: str, rest: list[str]) -> Response:
        """Answer `/api/v1/{service}/{rest…}`. NotFound (404) for a path that is not there, MethodNotAllowed (405) for a method that is not."""
        methods = self.methods(service, rest)
        if not methods:
            raise NotFound(kind="path", id=request.path)
        endpoint = methods.get("GET" if request.method == "HEAD" else request.method)
        if endpoint is not None:
            return await endpoint(request)
        allowed = ", ".join((*methods, *(["HEAD"] if "GET" in methods else []), "OPTIONS"))
        if request.method == "OPTIONS":
            return Response(204, b"", [(b"allow", allowed.encode())])
        raise MethodNotAllowed(method=request.method, allowed=allowed)

    def methods(self, service: str, rest: list[str]) -> Methods:
        """What can be asked of `/api/v1/{service}/{rest…}`, by HTTP method; nothing where no such path is."""
        if rest[0] == "reports" and len(rest) == 2:
            report = self.reports.get((service, rest[1]))
            return {"GET": report} if report else {}
        collection = self.collections.get((service, rest[0]))
        if collection is None:
            return {}
        if len(rest) == 1:
            return self._all(collection)
        if len(rest) == 2:
            if (action := collection.on_all.get(rest[1])) is not None:
                return {"POST": action}
            if rest[1] == "bulk":
                return self._bulk(collection)
            return self._files(collection, rest[1]) or self._one(collection.records, rest[1])
        if rest[1] == "imports":
            return self._import(collection.imports, rest[2:])
        return self._verb(collection, rest[1], rest[2]) if len(rest) == 3 else {}

    def streams(self, method: str, rest: list[str]) -> bool:
        """Whether the body of a request is read piece by piece by its endpoint: that of an import."""
        return method == "POST" and (rest[1:] == ["import"] or (len(rest) == 4 and rest[1] == "imports" and rest[3] == "resume"))

    def _files(self, collection: Collection, name: str) -> Methods:
        if name == "export":
            return {"GET": collection.exports}
        if name == "import":
            return {"POST": collection.imports.start}
        return {"GET": collection.imports.list} if name == "imports" else {}

    def _import(self, imports: Imports, rest: list[str]) -> Methods:
        if len(rest) == 1:
            return {"GET": partial(imports.get, raw_id=rest[0])}
        if rest[1:] == ["rows"]:
            return {"GET": partial(imports.rows, raw_id=rest[0])}
        verbs = {"resume": imports.resume, "undo": imports.undo}
        return {"POST": partial(verbs[rest[1]], raw_id=rest[0])} if len(rest) == 2 and rest[1] in verbs else {}

    def _all(self, collection: Collection) -> Methods:
        records = collection.records
        methods: Methods = {"GET": records.list}
        if collection.create is not None:
            methods["POST"] = collection.create
        elif records.entity.creatable:
            methods["POST"] = records.create
        return methods

    def _bulk(self, collection: Collection) -> Methods:
        methods: Methods = {}
        if collection.records.entity.creatable and collection.create is None:
            methods["POST"] = collection.bulk.create
        if collection.records.entity.editable:
            methods["PATCH"] = collection.bulk.update
        return methods

    def _one(self, records: Records, id: str) -> Methods:
        methods: Methods = {"GET": partial(records.get, raw_id=id)}
        if records.entity.editable:
            methods["PATCH"] = partial(records.patch, raw_id=id)
        if records.entity.removal is not None:
            methods["DELETE"] = partial(records.remove, raw_id=id)
        return methods

    def _verb(self, collection: Collection, id: str, verb: str) -> Methods:
        if (action := collection.on_one.get(verb)) is not None:
            return {"POST": partial(action, raw_id=id)}
        if verb == "restore" and collection.records.entity.removal == "archive":
            return {"POST": partial(collection.records.restore, raw_id=id)}
        papers = collection.papers.get(verb)
        return {"GET": partial(papers, raw_id=id)} if papers else {}
