"""What is asked of an operation, from the message it is asked with."""

from __future__ import annotations

from typing import Any, Final, NamedTuple, cast

import msgspec

from nexus.core.problem import FieldError, Invalid
from nexus.surfaces.grpc.messages import Schema
from nexus.surfaces.lock import Lock
from nexus.surfaces.lock.model import Operation as Promised
from nexus.surfaces.operations import Operation

WHOLE: Final = "*"
"""A path of update_mask that stands for every field."""
Pairs = list[tuple[str, str]]


class Asked(NamedTuple):
    """What a message asks: of which record, with which parameters, with which body."""

    id: str | None = None
    query: Pairs = []
    body: bytes = b""
    version: int | None = None
    """That which a change expects, where the message says it."""


class Method:
    """One method of gRPC: an operation with the messages of its request and its answer."""

    def __init__(self, schema: Schema, lock: Lock, operation: Operation, promised: Promised) -> None:
        self.operation = operation
        self.name = f"/{lock.package}.{promised.grpc}"
        self.takes = schema.codec(lock.package, promised.takes)
        self.gives = schema.codec(lock.package, promised.gives)
        given = lock.messages[promised.gives]
        self._bare = given.kind == "answer" and given.source == getattr(lock.messages.get(promised.takes), "source", "")

    def ask(self, data: bytes) -> Asked:
        """What the bytes of a request ask. Malformed (400) where they are no such message, Invalid (422) where a field cannot be."""
        message = self.takes.parsed(data)
        if self.operation.kind == "get" and len(message.ListFields()) == 1 and (id := cast(Any, message).id):
            return Asked(id)  # the usual one
        values = self.takes.json(message)
        match self.operation.kind:
            case "get":
                return Asked(id=_taken(values, "id"), query=_joined(values, "fields", "expand"))
            case "list":
                return Asked(query=list_pairs(values))
            case "archive" | "restore" | "delete":
                return Asked(id=_taken(values, "id"))
            case "update":
                id, version = _taken(values, "id"), values.pop("version", None)
                return Asked(id=id, body=msgspec.json.encode(self._change(values)), version=version)
            case "report":
                return Asked(query=[(name, _text(value)) for name, value in values.items() if value is not None])
            case "create" | "command":
                return self._command(values)

    def _command(self, values: dict[str, Any]) -> Asked:
        handler = self.operation.handler
        target = handler.target_field if handler is not None and self.operation.on_one else None
        id = None if target is None else _taken(values, target)
        return Asked(id=id, body=msgspec.json.encode(values))

    def _change(self, values: dict[str, Any]) -> dict[str, Any]:
        """The fields to change: those of the mask, emptied where they are not set; without a mask those that are set."""
        mask: list[str] = values.pop("update_mask", [])
        fields = [name for name in self.takes.fields if name not in ("id", "update_mask", "version")]
        if not mask:
            return values
        for path in mask:
            if path not in fields and path != WHOLE:
                raise Invalid.of(FieldError("update_mask", f"{path!r} is not a field that can be changed; there are {', '.join(fields)}"))
        wanted = fields if WHOLE in mask else mask
        return {name: values.get(name, self.takes.empty(name)) for name in wanted}

    def answer(self, body: bytes) -> bytes:
        """The message that an operation's answer is."""
        if self._bare:
            body = b'{"value":' + body + b"}"
        return self.gives.message(body).SerializeToString()


def list_pairs(values: dict[str, Any]) -> Pairs:
    """A list's parameters as REST has them."""
    pairs = _joined(values, "fields", "expand")
    for place, one in enumerate(values.pop("filters", [])):
        field, value, operator = one.get("field", ""), one.get("value"), one.get("operator", "eq")
        if not field or value is None:
            raise Invalid.of(FieldError(f"filters[{place}].{'value' if field else 'field'}", "is required"))
        pairs.append((field if operator == "eq" else f"{field}[{operator}]", value))
    pairs += [(name, _text(value)) for name, value in values.items()]
    return pairs


def from_page(asked: Asked, cursor: str | None) -> Asked:
    """The same list from another place on."""
    return asked._replace(
        query=[*((name, value) for name, value in asked.query if name != "cursor"), *([("cursor", cursor)] if cursor else [])]
    )


def _taken(values: dict[str, Any], name: str) -> str:
    """The id that a message must have."""
    id: str = values.pop(name, "")
    if not id:
        raise Invalid.of(FieldError(name, "is required"))
    return id


def _joined(values: dict[str, Any], *names: str) -> Pairs:
    """Repeated names as REST has them: separated by commas."""
    return [(name, ",".join(given)) for name in names if (given := values.pop(name, []))]


def _text(value: Any) -> str:
    """A value in a query string."""
    match value:
        case bool():
            return "true" if value else "false"
        case msgspec.Raw():
            return bytes(value).decode()
        case list():
            return ",".join(_text(one) for one in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        case _:
            return str(value)
