"""Commands as calls between processes: any declared command as the bytes of its request, its answer from theirs, and a refusal as the problem it was.

    wire = Wire(services.values())
    answer = await channel.unary_unary(wire.method(command))(wire.request(command), metadata=[("authorization", f"Bearer {token}")])
    converted = wire.answer(command, answer)

On a refusal `wire.problem(details)` is what the handler raised: `details` is the trailing metadata's `grpc-status-details-bin`.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeVar, cast

import msgspec

from nexus.core.message import Command
from nexus.core.problem import FieldError, Problem
from nexus.core.service import Service
from nexus.surfaces.grpc.asked import shared
from nexus.surfaces.grpc.messages import Schema
from nexus.surfaces.grpc.refusals import body_of
from nexus.surfaces.lock import promised
from nexus.surfaces.lock.model import NULLS, Lock, Operation
from nexus.surfaces.lock.spelling import source_of

R = TypeVar("R")
_BODY: Final = {"type", "title", "status", "detail", "instance"}


class Wire:
    """How the commands of some services travel."""

    def __init__(self, services: Iterable[Service]) -> None:
        locks = [promised(service) for service in services]
        self.schema = Schema([shared(), *locks])
        self._commands = {
            lock.messages[operation.takes].source: (lock, operation)
            for lock in locks
            for operation in lock.operations.values()
            if operation.takes in lock.messages
        }

    def method(self, command: Command[Any]) -> str:
        """The name of its method: `/nexus.crm.v1.Leads/Convert`. LookupError where no service that is known here has such a command."""
        lock, operation = self._promised(command)
        return f"/{lock.package}.{operation.grpc}"

    def request(self, command: Command[Any]) -> bytes:
        """The bytes of a command: what differs from its defaults, so that an older process takes it as long as nothing new is said."""
        lock, operation = self._promised(command)
        codec = self.schema.codec(lock.package, operation.takes)
        given = _given(command)
        message = codec.message(msgspec.json.encode(given))
        nulls = [name for name, value in given.items() if value is None and codec.fields[name].kept]
        if nulls:
            getattr(message, NULLS).paths.extend(nulls)
        return message.SerializeToString()

    def answer(self, command: Command[R], data: bytes) -> R:
        """What a command answered. msgspec.ValidationError where the bytes are no such answer."""
        lock, operation = self._promised(command)
        codec = self.schema.codec(lock.package, operation.gives)
        values: Any = codec.json(codec.parsed(data))
        type_ = command.answer_type()
        if lock.messages[operation.gives].source == lock.messages[operation.takes].source:
            values = values.get("value")
        return cast(R, msgspec.json.decode(msgspec.json.encode(values), type=type_))

    def problem(self, details: bytes | None) -> Problem | None:
        """The refusal that the details of a status tell; None where they tell none, as when the connection was lost."""
        body = body_of(details, self.schema)
        return None if body is None else problem_of(body)

    def _promised(self, command: Command[Any]) -> tuple[Lock, Operation]:
        return self._commands[source_of(type(command))]


def _given(command: Command[Any]) -> dict[str, Any]:
    """The fields that say something else than their defaults."""
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(type(command)):
        value = getattr(command, field.name)
        default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
        if value is not msgspec.UNSET and (field.required or value != default):
            found[field.encode_name] = value
    return found


def problem_of(body: dict[str, Any]) -> Problem:
    """The problem that a body of RFC 9457 was made of: of the same class where it is known here, else one that says the same."""
    code, detail = str(body["type"]).removeprefix("/problems/"), str(body["detail"])
    known = next((kind for kind in _below(Problem) if kind.code() == code), None)
    facts = {name: value for name, value in body.items() if name not in _BODY}
    if known is not None:
        names = {name for one in known.__mro__ for name in getattr(one, "__annotations__", {})}
        facts |= {name: detail for name in ("reason", "summary") if name in names}
        if "errors" in facts:
            facts["errors"] = msgspec.convert(facts["errors"], list[FieldError])
        try:
            return known(**facts)
        except LookupError:  # its sentence needs what the other process did not say
            pass
    return _stranger(code, int(body["status"]))(**facts, reason=detail)


@functools.lru_cache(maxsize=256)
def _stranger(code: str, status: int) -> type[Problem]:
    """A problem that only the other process knows the class of."""
    name = "".join(part.capitalize() for part in code.split("-"))
    return types.new_class(name, (Problem,), {"status": status}, lambda members: members.update(__doc__="{reason}"))


def _below(kind: type[Problem]) -> Iterator[type[Problem]]:
    for one in kind.__subclasses__():
        yield one
        yield from _below(one)
