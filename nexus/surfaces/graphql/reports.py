"""Reports as fields of the query: their parameters are arguments, the columns of their statement the fields of a row."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import sqlalchemy as sa

from nexus.core.message import Answer
from nexus.core.service import Service
from nexus.surfaces.graphql import names
from nexus.surfaces.graphql.model import Argument, Graph, Kind, Member
from nexus.surfaces.graphql.sources import Part, Report
from nexus.surfaces.graphql.values import Values, enumeration
from nexus.surfaces.openapi import examples
from nexus.surfaces.openapi.structs import field_docs, paragraphs
from nexus.surfaces.permissions import rights_of

_NOBODY: Final = rights_of(frozenset[str](), frozenset[str]())
_COLUMNS: Final[dict[type[Any], str]] = {
    sa.Uuid: "ID",
    sa.DateTime: "DateTime",
    sa.Date: "Date",
    sa.Boolean: "Boolean",
    sa.Integer: "BigInt",
    sa.Text: "String",
    sa.String: "String",
}


def add(graph: Graph, service: Service) -> None:
    """The reports of a service."""
    for answer in service.answers():
        _add(graph, service, answer)


def _add(graph: Graph, service: Service, answer: Answer) -> None:
    values, docs = Values(graph), field_docs(answer.query)
    arguments: list[Argument] = []
    for field in msgspec.structs.fields(answer.query):
        type_ = values.given(field.type)
        if not field.required:
            type_ = type_.removesuffix("!")
        arguments.append(Argument(name=names.camel(field.encode_name), type=type_, doc=docs.get(field.name, "")))
    name = names.camel(f"{service.name}_{answer.name}")
    row = _row(graph, names.pascal(name) + "Row", answer)
    source = Report(service.name, answer)
    graph.query.add(Member(name=name, type=f"[{row}!]", doc=paragraphs(answer.query.__doc__), source=source, arguments=tuple(arguments)))


def _row(graph: Graph, name: str, answer: Answer) -> str:
    """The type of a row; JSON where its columns cannot be known without its parameters."""
    columns = columns_of(answer)
    if not columns:
        return "JSON"
    origin = f"{answer.query.__module__}.{answer.query.__qualname__} (row)"
    kind = graph.add(Kind(name=name, kind="object", doc=paragraphs(answer.query.__doc__).split("\n\n")[0], origin=origin))
    for column, type_ in columns.items():
        kind.add(Member(name=names.camel(column), type=_type(graph, type_), source=Part(column)))
    return name


def columns_of(answer: Answer) -> dict[str, Any]:
    """The columns of a report with their types in SQL; nothing where they cannot be known without its parameters."""
    try:
        question = msgspec.convert(examples.of_type(answer.query), answer.query, strict=False)
        return {str(column.name): column.type for column in answer.select(question, _NOBODY).selected_columns}
    except (msgspec.ValidationError, LookupError, TypeError, ValueError):
        return {}


def _type(graph: Graph, kind: Any) -> str:
    if isinstance(kind, sa.Enum) and kind.enum_class is not None:
        return enumeration(graph, kind.enum_class)
    return next((name for known, name in _COLUMNS.items() if isinstance(kind, known)), "JSON")
