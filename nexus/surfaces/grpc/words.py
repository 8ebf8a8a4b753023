"""What the comments of a .proto file say: the sentences of the declarations."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

from nexus.core.entity import Entity
from nexus.core.service import Service
from nexus.surfaces.grpc.descriptors import inner
from nexus.surfaces.lock.model import NULLS, Lock, Member, Message
from nexus.surfaces.openapi.schemas import words_of
from nexus.surfaces.openapi.structs import field_docs, paragraphs, summary
from nexus.surfaces.shapes import shape_of

_KINDS = {
    "create": "What makes one {title}.",
    "patch": "A change of one {title}: the fields that update_mask names, or without one those that are set. A named field that is not set is emptied.",
    "page": "One page of {plural}.",
    "row": "One row of {name}.",
    "rows": "The rows of {name}.",
}
_MANY = {
    "create": "Make up to 10,000, all of them or, with the metadata bulk-mode: each, those that are right.",
    "patch": "Change up to 10,000, each at the version that it names; all of them or, with the metadata bulk-mode: each, those that are right.",
}
_TYPES = {"decimal": "An exact number.", "date": "A day: 2026-03-31."}
_PLAIN = {"text", "uuid", "int", "float", "bool", "instant", "bytes", "mask", "any", *_TYPES}


def docs_of(lock: Lock, service: Service | None = None) -> dict[str, str]:
    """What is said of everything in a lock, by its name in the file."""
    found = dict(_of_messages(lock))
    for name, words in lock.enums.items():
        found[name] = paragraphs(_declaration(words.source).__doc__)
    if service is not None:
        found |= dict(_of_services(lock, service))
    else:
        found |= {"Events": "What happens, told to whoever may know of it.", "Events.Subscribe": "Follow topics until the call ends."}
    return {name: text for name, text in found.items() if text}


def _of_messages(lock: Lock) -> Iterator[tuple[str, str]]:
    for name, message in lock.messages.items():
        kind = _declaration(message.source)
        yield name, _of_message(kind, message)
        said = _of_fields(kind, message)
        if NULLS in message.fields:
            kept = " and ".join(field for field, member in message.fields.items() if member.kept)
            said[NULLS] = f"Which of {kept} are null; one that is neither set nor named here is left out."
        for field, member in message.fields.items():
            more = _of_type(lock, member)
            yield (
                f"{name}.{field}",
                said[field] if more == _TYPES["decimal"] and said.get(field) else f"{said.get(field, '')} {more}".strip(),
            )


def _of_message(kind: type[Any], message: Message) -> str:
    if message.kind not in _KINDS:
        return paragraphs(kind.__doc__)
    named = {"name": kind.__name__}
    if issubclass(kind, Entity):
        shape = shape_of(kind)
        named |= {"title": shape.title, "plural": shape.path.replace("_", " ")}
    return _KINDS[message.kind].format(**named)


def _of_fields(kind: type[Any], message: Message) -> dict[str, str]:
    if message.kind in ("page", "row", "rows"):
        return {}
    return {field.name: words_of(field) for field in shape_of(kind).fields.values()} if issubclass(kind, Entity) else field_docs(kind)


def _of_type(lock: Lock, member: Member) -> str:
    """What protobuf's own type does not say."""
    if member.type.startswith("words("):
        return f"One of {member.type[6:-1].replace(' ', ', ')}."
    held = inner(member.type) or member.type
    known = held in _PLAIN or held in lock.messages or held in lock.enums
    return _TYPES.get(held, "") if known else "JSON."


def _of_services(lock: Lock, service: Service) -> Iterator[tuple[str, str]]:
    entities = {entity.entity_name(): shape_of(entity) for entity in service.entities()}
    for name, operation in lock.operations.items():
        group, _, method = operation.grpc.partition("/")
        shape = entities.get(name.rpartition(".")[0])
        yield group, shape.summary if shape is not None else f"Questions to {service.title}, each answered by one statement."
        if lock.messages.get(operation.takes) is not None and lock.messages[operation.takes].kind in ("command", "query"):
            yield f"{group}.{method}", summary(_declaration(lock.messages[operation.takes].source).__doc__) + "."
        if operation.takes == "nexus.List":
            yield f"{group}.Stream", "Every record of the list, in its order."
        if (said := _MANY.get(lock.messages[operation.takes].kind if operation.takes in lock.messages else "")) is not None:
            yield f"{group}.{method}Many", said


def _declaration(source: str) -> Any:
    module, _, name = source.rpartition(".")
    return getattr(importlib.import_module(module), name)
