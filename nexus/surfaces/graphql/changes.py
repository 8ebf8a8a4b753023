"""Commands and changes of records as mutations: each answers a union of what it makes and of the refusals that it may meet."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from nexus.core.service import Service
from nexus.surfaces.graphql import names, problems, told
from nexus.surfaces.graphql.model import Argument, Graph, Kind, Member
from nexus.surfaces.graphql.records import Records, doc_of, shown
from nexus.surfaces.graphql.sources import Change, Part
from nexus.surfaces.graphql.values import Values, enumeration
from nexus.surfaces.openapi.problems import raised_by
from nexus.surfaces.openapi.structs import paragraphs
from nexus.surfaces.operations import Operation, Operations
from nexus.surfaces.rest.actions import body_type
from nexus.surfaces.shapes import Field, Shape, shape_of

_KEY: Final = Argument(
    name="idempotencyKey", type="String", doc="Sent again with the same key it is done once, and answers what it answered the first time."
)
_DRY: Final = Argument(name="dryRun", type="Boolean", default="false", doc="Do all of it, answer, and undo it.")
_ID: Final = Argument(name="id", type="ID!")
_VERSION: Final = (
    Argument(name="version", type="Int", doc="The version that was read: where the record has another one, nothing is done."),
    Argument(name="ifMatch", type="String", doc='The same as an ETag, or "*" for whatever is there.'),
)
_VERBS: Final = {
    "create": "Make a record.",
    "update": "Change the fields that are given.",
    "archive": "Put a record out of sight.",
    "restore": "Bring an archived record back.",
    "delete": "Remove a record for good.",
}


def add(graph: Graph, records: Records, service: Service, operations: Operations) -> None:
    """The mutations of a service."""
    for operation in operations:
        if operation.service != service.name or operation.reads or operation.entity is None:
            continue
        if operation.handler is not None:
            _command(graph, records, operation)
        else:
            _change(graph, operation, shape_of(operation.entity))


def _change(graph: Graph, operation: Operation, shape: Shape) -> None:
    of = names.of_entity(shape)
    name = names.camel(f"{shape.service}_{operation.kind}") + shape.entity.__name__
    arguments: list[Argument] = [_ID] if operation.on_one else []
    if operation.kind in ("create", "update"):
        arguments.append(Argument(name="input", type=_input(graph, shape, operation.kind) + "!"))
    if operation.kind in ("update", "archive", "delete"):
        arguments += _VERSION
    arguments.append(_KEY)
    doc = f"{_VERBS[operation.kind]} {paragraphs(shape.entity.__doc__)}"
    _mutation(graph, operation, name, f"{of}Result", of, doc, arguments, [])


def _mutation(
    graph: Graph, operation: Operation, name: str, union: str, success: str, doc: str, arguments: list[Argument], own: list[str]
) -> None:
    shared = [problems.of(graph, kind) for kind in problems.SHARED]
    members = dict.fromkeys([success, *own, *shared, problems.OTHER])
    origin = f"{operation.name if operation.handler else operation.entity} (result)"
    graph.add(Kind(name=union, kind="union", doc="What was made, or why nothing was.", of=tuple(members), origin=origin))
    graph.mutation.add(Member(name=name, type=union, doc=doc, source=Change(operation), arguments=tuple(arguments)))


def _input(graph: Graph, shape: Shape, kind: str) -> str:
    creates = kind == "create"
    name = names.of_entity(shape) + ("Create" if creates else "Patch")
    doc = f"{'A new' if creates else 'Changes of a'} {shape.title}."
    made = graph.add(Kind(name=name, kind="input", doc=doc, origin=f"{shape.name} ({kind})"))
    for field in shape.writable if creates else shape.patchable:
        bang = "!" if creates and field.default is ... and not field.nullable else ""
        made.add(Member(name=names.camel(field.name), type=_given(graph, field) + bang, doc=doc_of(field), source=Part(field.name)))
    return name


def _given(graph: Graph, field: Field) -> str:
    if field.facts.kind == "enum":
        return enumeration(graph, field.facts.of)
    if field.facts.kind == "json":
        return "JSON" if field.facts.of is None else Values(graph).given(field.facts.of).removesuffix("!")
    return shown(graph, field)


def _command(graph: Graph, records: Records, operation: Operation) -> None:
    handler = operation.handler
    assert handler is not None
    command, body, values = handler.command, body_type(handler), Values(graph)
    name = names.camel(operation.service) + command.__name__
    arguments: list[Argument] = [_ID] if operation.on_one else []
    fields = msgspec.structs.fields(body)
    if fields:
        type_ = values.input(body, f"{name[:1].upper()}{name[1:]}Input")
        arguments.append(Argument(name="input", type=type_ + ("!" if any(field.required for field in fields) else "")))
    arguments += [_KEY, _DRY]
    success = _answer(values, command.answer_type())
    told.lead(records, graph[success], command.answer_type())
    own = [problems.of(graph, kind) for kind in raised_by(handler.run)]
    union = f"{name[:1].upper()}{name[1:]}Result"
    _mutation(graph, operation, name, union, success, paragraphs(command.__doc__), arguments, own)


def _answer(values: Values, kind: Any) -> str:
    """The type of what a command answers; always an object."""
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        raise TypeError(f"a command answers a struct, not {kind!r}")
    return values.object(kind)
