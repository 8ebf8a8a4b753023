"""REST of commands: `POST …/{id}/{verb}` and `POST …/{verb}`."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from nexus.core.message import Command, Handler
from nexus.surfaces.calling import Host, Outcome
from nexus.surfaces.kept import kept
from nexus.surfaces.rest.message import Request, Response, stored
from nexus.surfaces.rest.records import record_id
from nexus.surfaces.shapes import by_name
from nexus.surfaces.wire import decode


class Action:
    """The endpoint of one command."""

    def __init__(self, host: Host, handler: Handler) -> None:
        self._host = host
        self.handler = handler
        self._decoder = msgspec.json.Decoder(body_type(handler))
        self._target = handler.target_field
        self._shape = by_name(handler.entity)

    async def __call__(self, request: Request, raw_id: str | None = None) -> Response:
        """Decode, run, and answer what the command answers; `?dry_run=true` does all of it and undoes it."""
        rights, key = request.caller.rights, request.key()
        if rights is not None:
            rights.need(self.handler.needs)
        dry_run = request.dry_run()
        fields = decode(self._decoder, request.body or b"{}")
        command = self._command(fields, raw_id)
        status = 201 if self.handler.verb == "create" else 200

        def encode(answer: Any) -> Outcome:
            return Outcome(status, {}, msgspec.json.encode(answer), kept=without_secrets(answer))

        cause = request.caller.cause(request.correlation)
        _, outcome = await self._host.run(
            request.caller, command, key=key, cause=cause, dry_run=dry_run, effects=request.effects, encode=encode
        )
        assert outcome is not None, "the command was run with an encoder"
        return stored(outcome, request.path, request.minimal)

    def _command(self, fields: Any, raw_id: str | None) -> Command[Any]:
        if self._target is None or raw_id is None or self._shape is None:
            return cast(Command[Any], fields)
        return self.handler.command(**{self._target: record_id(raw_id, self._shape)}, **_members(fields))


def without_secrets(answer: Any) -> bytes | None:
    """The answer without the fields that its type declares to be shown once (`once`); None where there are none."""
    once: frozenset[str] = getattr(cast(object, answer), "once", frozenset[str]())
    return msgspec.json.encode(msgspec.structs.replace(answer, **dict.fromkeys(once))) if once else None


def _members(fields: Any) -> dict[str, Any]:
    return {name: getattr(fields, name) for name in fields.__struct_fields__}


@kept
def body_type(handler: Handler) -> Any:
    """What the body of the command's request holds: its fields, without the one that the path gives."""
    command, target = handler.command, handler.target_field
    if target is None:
        return command
    members: list[Any] = []
    for field in msgspec.structs.fields(command):
        if field.name == target:
            continue
        if field.default is not msgspec.NODEFAULT:
            members.append((field.name, field.type, field.default))
        elif field.default_factory is not msgspec.NODEFAULT:
            members.append((field.name, field.type, msgspec.field(default_factory=field.default_factory)))
        else:
            members.append((field.name, field.type))
    return msgspec.defstruct(f"{command.__name__}Body", members, kw_only=True, forbid_unknown_fields=True, module=command.__module__)
