"""REST of commands and queries: `POST …/{id}/{verb}`, `POST …/{verb}` and `GET …/reports/{name}`."""

from __future__ import annotations

from typing import Any, cast

import msgspec
import sqlalchemy as sa

from nexus.core.message import Answer, Command, Handler
from nexus.core.problem import Forbidden, Invalid
from nexus.engines.oltp import DatabaseError
from nexus.surfaces.calling import Host, Outcome
from nexus.surfaces.kept import kept
from nexus.surfaces.refusals import problem_of
from nexus.surfaces.rest.message import JSON, Request, Response, stored, tag_of
from nexus.surfaces.rest.records import record_id
from nexus.surfaces.shapes import by_name
from nexus.surfaces.sql import call
from nexus.surfaces.wire import decode, field_error


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


class Report:
    """The endpoint of one query: its parameters are the query string, its answer is built by the database."""

    def __init__(self, host: Host, answer: Answer) -> None:
        self._host = host
        self.answer = answer

    async def __call__(self, request: Request, raw_id: str | None = None) -> Response:
        rights = request.caller.rights
        assert rights is not None, "a request always has rights"
        if not rights.allow(self.answer.needs):
            raise Forbidden(permission=self.answer.needs)
        question = self._question(request)
        inner = self.answer.select(question, rights).subquery("x")
        rows = sa.func.coalesce(sa.func.json_agg(sa.literal_column("x")), sa.literal_column("'[]'::json"))
        statement = call(sa.select(rows).select_from(inner), request.caller.values())
        try:
            (result,) = await self._host.oltp(request.caller.cell).run(request.caller.schema, statement, lane="slow")
        except DatabaseError as error:
            raise problem_of(error) or error from error
        body = b'{"items":' + (result.rows[0][0] or b"[]") + b"}"
        return Response(200, body, [JSON, tag_of(body)])

    def _question(self, request: Request) -> Any:
        given = request.parameters(*self.answer.query.__struct_fields__)
        try:
            return msgspec.convert(given, self.answer.query, strict=False)
        except msgspec.ValidationError as error:
            raise Invalid.of(field_error(error, self.answer.query)) from None
