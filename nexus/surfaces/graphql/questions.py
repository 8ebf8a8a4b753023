"""The question that the arguments of a report's field ask."""

from __future__ import annotations

from typing import Any

import msgspec

from nexus.core.message import Answer
from nexus.core.problem import FieldError, Invalid
from nexus.surfaces.graphql import names
from nexus.surfaces.graphql.given import Given
from nexus.surfaces.graphql.model import Graph, Member, inner
from nexus.surfaces.wire import field_error


def question_of(graph: Graph, answer: Answer, member: Member, given: dict[str, Given]) -> Any:
    """The question that a report's arguments ask. Invalid names the argument that does not fit."""
    types = {one.name: inner(one.type) for one in member.arguments}
    fields = {names.camel(field.encode_name): field.encode_name for field in msgspec.structs.fields(answer.query)}
    raw: dict[str, Any] = {}
    for name, one in given.items():
        value, kind = one.plain(), graph.get(types[name])
        raw[fields[name]] = kind.words.get(value, value) if kind is not None and isinstance(value, str) else value
    try:
        return msgspec.convert(raw, answer.query, strict=False)
    except msgspec.ValidationError as error:
        wrong = field_error(error, answer.query)
        raise Invalid.of(FieldError(names.of_path(wrong.field), wrong.message)) from None
