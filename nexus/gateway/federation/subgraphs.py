"""The subgraphs of the services that are installed, from their declarations, and where each of their types and fields is declared."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

from nexus.core.service import Service
from nexus.gateway.federation.composition import Subgraph, Where
from nexus.surfaces.calling import Host
from nexus.surfaces.graphql import names
from nexus.surfaces.graphql.graph import graph_of
from nexus.surfaces.graphql.model import Graph
from nexus.surfaces.graphql.sdl import sdl
from nexus.surfaces.graphql.sources import Change, Report
from nexus.surfaces.operations import Operations
from nexus.surfaces.rest import Rest

ROOT: Final = Path(__file__).resolve().parents[3]


def graphs(services: Mapping[str, Service]) -> dict[str, Graph]:
    """The graph of each service by itself. TypeError where two declarations would have one name."""
    operations = _operations(services)
    return {name: graph_of([service], operations, federated=True) for name, service in services.items()}


def graph_of_all(services: Mapping[str, Service]) -> Graph:
    """The graph that a single process serves. TypeError where two declarations would have one name."""
    return graph_of(list(services.values()), _operations(services), federated=False)


def _operations(services: Mapping[str, Service]) -> Operations:
    rest = Rest(cast(Host, None), services.values())  # nothing is asked: the shapes of operations are all that is read
    return Operations(rest, None, services.values())


def subgraphs(made: Mapping[str, Graph], addresses: Mapping[str, str]) -> list[Subgraph]:
    """What a gateway composes; `addresses` are base URLs by service."""
    return [Subgraph(name, f"{addresses[name].rstrip('/')}/graphql/{name}", sdl(graph)) for name, graph in made.items()]


def declared(made: Mapping[str, Graph]) -> Where:
    """Where a service declares a type or a field of its schema."""

    def where(service: str, coordinate: str) -> str | None:
        name, _, field = coordinate.partition(".")
        kind = made[service].get(name) if service in made else None
        if kind is None:
            return None
        source = kind.members[field].source if field in kind.members else None
        found = _class(_origin_of(source) or kind.origin)
        return None if found is None else _place(found, field)

    return where


def _origin_of(source: object) -> str:
    """The declaration behind a field of the query or of the mutation."""
    kind: type[Any] | None = None
    if isinstance(source, Change):
        kind = source.operation.handler.command if source.operation.handler is not None else source.operation.entity
    elif isinstance(source, Report):
        kind = source.answer.query
    return "" if kind is None else f"{kind.__module__}.{kind.__qualname__}"


def _class(origin: str) -> type | None:
    """A class by its full name, which words in brackets may follow; None for what is the platform's own."""
    module, _, name = origin.partition(" ")[0].rpartition(".")
    if not module:
        return None
    found = getattr(importlib.import_module(module), name, None)
    return found if isinstance(found, type) else None


def _place(kind: type, field: str) -> str | None:
    """The line of a class, or of the field of it or of what it derives from that has this name in GraphQL."""
    for one in kind.__mro__ if field else (kind,):
        if not one.__module__.startswith("nexus."):
            continue
        lines, first = inspect.getsourcelines(one)
        file = Path(inspect.getsourcefile(one) or "").resolve().relative_to(ROOT)
        if not field:
            return f"{file}:{first}"
        if (at := _line(lines, field)) is not None:
            return f"{file}:{first + at}"
    return _place(kind, "") if field else None


def _line(lines: list[str], field: str) -> int | None:
    """The line of a field within its class, counted from the class's own."""
    body = cast(ast.ClassDef, ast.parse(inspect.cleandoc("".join(lines)) if lines[0][:1] == " " else "".join(lines)).body[0]).body
    for one in body:
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name):
            called = names.camel(one.target.id)
            if field in (called, names.camel(one.target.id.removesuffix("_id"))):
                return one.lineno - 1
    return None
