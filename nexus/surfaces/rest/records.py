"""REST of one entity's records: get, list, create, patch, archive, restore, delete."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from nexus.core.entity import Entity
from nexus.core.problem import Conflict, Forbidden, NotFound, PreconditionFailed, Problem
from nexus.engines.oltp import Call, DatabaseError, Result, UniqueViolation
from nexus.surfaces import journal
from nexus.surfaces.calling import Caller, Host, Key, Outcome, replayed
from nexus.surfaces.effects import How
from nexus.surfaces.permissions import Rights
from nexus.surfaces.reads import (
    COUNT_CAP,
    Expand,
    ListRequest,
    Page,
    Pairs,
    disclosed,
    expansion,
    list_request,
    list_statement,
    names_of_fields,
)
from nexus.surfaces.redirects import Merged, survivor_statement
from nexus.surfaces.refusals import problem_of
from nexus.surfaces.rest.message import JSON, Request, Response, stored, tag_of
from nexus.surfaces.rest.trial import Trial, record_statement
from nexus.surfaces.shapes import Shape, shape_of
from nexus.surfaces.sql import Compiled, encode
from nexus.surfaces.verdicts import change_verdicts, create_verdicts, read, refusal
from nexus.surfaces.wire import decode, wire_of
from nexus.surfaces.writes import create_statement, patch_statement, remove_statement

KEPT_STATEMENTS: Final = 2000
_DONE: Final[dict[Literal["archive", "restore", "delete"], How]] = {"archive": "archived", "restore": "restored", "delete": "deleted"}


def record_id(raw: str, shape: Shape) -> UUID:
    """The id in a path; what is not a UUID names no record."""
    try:
        return UUID(raw)
    except ValueError:
        raise NotFound(kind=shape.title, id=raw) from None


class Records:
    """The endpoints of one entity."""

    def __init__(self, host: Host, entity: type[Entity]) -> None:
        self._host = host
        self.entity = entity
        self.shape = shape_of(entity)
        self.wire = wire_of(entity)
        self._lists: dict[Any, Compiled] = {}
        self._asked: dict[Any, ListRequest] = {}
        self.location = f"/api/v1/{self.shape.service}/{self.shape.path}"

    def rights(self, request: Request, verb: str) -> Rights:
        """What the caller may see; Forbidden (403) unless it may do this at all."""
        rights = request.caller.rights
        assert rights is not None, "a request always has rights"
        rights.need(f"{self.shape.name}:{verb}")
        return rights

    async def get(self, request: Request, raw_id: str) -> Response:
        """One record, as JSON that the database built."""
        rights = self.rights(request, "read")
        id = record_id(raw_id, self.shape)
        fields: frozenset[str] | None = None
        expand: Expand = ()
        if request.query:
            given = request.parameters("fields", "expand")
            fields, expand = names_of_fields(self.shape, given.get("fields")), expansion(self.shape, rights, given.get("expand"))
        one = record_statement(self.entity, rights, fields, expand)
        call = one.call({"id": id, **request.caller.values()})
        shown = disclosed(self.shape, rights, fields, expand)
        result = await self._read(request.caller, call, self._disclosed(request, shown, id), short=True)
        if not result.rows:
            return await self._elsewhere(request, id)
        body, version = result.rows[0]
        tag = b'"' + (version or b"") + b'"'
        if request.headers.get(b"if-none-match") == tag:
            return Response(304, b"", [(b"etag", tag)])
        return Response(200, body or b"", [JSON, (b"etag", tag)])

    async def _elsewhere(self, request: Request, id: UUID) -> Response:
        """Lead the id of a merged record to its survivor (301, for good); NotFound (404) where there is none that the caller sees."""
        survivor = await self._survivor(request.caller, id)
        if survivor is None:
            raise NotFound(kind=self.shape.title, id=str(id))
        query = b"?" + request.query if request.query else b""
        return Response(301, b"", [(b"location", f"{self.location}/{survivor}".encode() + query)])

    async def _survivor(self, caller: Caller, id: UUID) -> str | None:
        one = survivor_statement(self.entity, caller.rights)
        if one is None:
            return None
        result = await self._read(caller, one.call({**caller.values(), "id": id}), [])
        return (result.rows[0][0] or b"").decode() if result.rows else None

    async def _missing(self, caller: Caller, raw_id: str, verb: str) -> Problem:
        """Why a record cannot be changed: it was merged into another one, it is only to be read, or it is not there for this caller."""
        id, needs = record_id(raw_id, self.shape), f"{self.shape.name}:{verb}"
        if (survivor := await self._survivor(caller, id)) is not None:
            return Merged(kind=self.shape.title, into=survivor, reason="")
        if caller.rights is not None and caller.rights.sight(self.entity) is not caller.rights.sight(self.entity, needs):
            one = record_statement(self.entity, caller.rights, frozenset({"id"}), ())
            if (await self._read(caller, one.call({"id": id, **caller.values()}), [])).rows:
                return Forbidden(permission=needs)
        return NotFound(kind=self.shape.title, id=raw_id)

    def _disclosed(self, request: Request, shown: list[str], id: UUID | None) -> list[Call]:
        """The journal row of a read that shows sensitive fields, in the same round trip."""
        if not shown:
            return []
        head = request.caller.cause(request.correlation).audit_head(f"{self.shape.name}:read", self.shape.name)
        about = b'"fields":' + (encode(shown) or b"[]") + b"}"
        said = (
            b'"entity_id":"' + str(id).encode() + b'",'
            if id
            else b'"query":' + (encode([request.query.decode("ascii", "replace")]) or b"") + b","
        )
        return [(journal.INSERT, [head + said + about, None])]

    async def _read(self, caller: Caller, call: Call, told: list[Call], fields: Sequence[str] = (), short: bool = False) -> Result:
        """`short`: others may wait until it is done."""
        oltp = self._host.oltp(caller.cell)
        try:
            return await oltp.read(caller.schema, call) if short and not told else (await oltp.run(caller.schema, call, *told))[0]
        except DatabaseError as error:
            raise problem_of(error, fields) or error from error

    async def list(self, request: Request) -> Response:
        """One page: `{"items": […], "next_cursor": …}`."""
        rights = self.rights(request, "read")
        wanted = self._wanted(rights, request.pairs())
        one = self.page(rights, wanted)
        call = one.call({**wanted.values, **request.caller.values()})
        told = self._disclosed(request, disclosed(self.shape, rights, wanted.fields, wanted.expand), None)
        result = await self._read(request.caller, call, told, wanted.given_as(one.names))
        page = Page.of(result.rows[0], wanted)
        parts = [b'{"items":', page.items, b',"next_cursor":']
        parts.append(b"null" if page.cursor is None else b'"' + page.cursor + b'"')
        if page.found is not None:
            whole = wanted.count == "exact" or page.found <= COUNT_CAP
            parts.append(b',"count":%d,"count_is":"%b"' % (page.found if whole else COUNT_CAP, b"exact" if whole else b"at_least"))
        parts.append(b"}")
        body = b"".join(parts)
        return Response(200, body, [JSON, tag_of(body)])

    def _wanted(self, rights: Rights, pairs: Pairs) -> ListRequest:
        """What a list asks for: pages of one list differ by their cursors alone, the rest is read once."""
        cursors = [value for name, value in pairs if name == "cursor"]
        if len(cursors) > 1:
            return list_request(self.shape, rights, pairs)  # which refuses it
        key = (rights.key, *(pair for pair in pairs if pair[0] != "cursor"))
        wanted = self._asked.get(key)
        if wanted is None:
            wanted = list_request(self.shape, rights, [pair for pair in pairs if pair[0] != "cursor"])
            if len(self._asked) >= KEPT_STATEMENTS:
                self._asked.clear()
            self._asked[key] = wanted
        return wanted.behind(cursors[0]) if cursors else wanted

    def page(self, rights: Rights, wanted: ListRequest) -> Compiled:
        """The compiled statement of a list's shape."""
        found = self._lists.get(wanted.key)
        if found is None:
            if len(self._lists) >= KEPT_STATEMENTS:
                self._lists.clear()
            found = self._lists[wanted.key] = list_statement(self.shape, rights, wanted)
        return found

    async def create(self, request: Request) -> Response:
        """Insert a record with its journal and idempotency rows: one statement, one round trip."""
        dry_run = request.dry_run()
        rights = self.rights(request, "create")
        caller, key = request.caller, request.key()
        record = decode(self.wire.create, request.body)
        self.wire.refuse_hidden(rights, record)
        self.wire.normalise(record, caller.tenant.country)
        id, row = self.wire.row(record)
        one = create_statement(self.entity, rights, keyed=key is not None)
        values = {"rows": b"[" + row + b"]", **self.circumstances(request, "create", "created", key, id)}
        values["audit"] += b'"entity_id":"%b","after":%b}' % (id.encode(), self.wire.audited(record))
        trial = Trial(self.entity, request, dry_run, "created", [field.name for field in self.shape.fields.values()])
        done = await self.write(caller, one.call(values), key, trial, locks=False)
        if isinstance(done, Outcome):
            return stored(done, self.location, request.minimal)
        if not done.rows:
            raise await self._unseen(request, create_verdicts(self.entity, rights), values["rows"])
        body, version, made = done.rows[0]
        outcome = Outcome(201, {"etag": (version or b"").decode(), "id": (made or b"").decode()}, body or b"")
        return stored(outcome, self.location, request.minimal)

    def circumstances(self, request: Request, verb: str, event: str, key: Key | None, subject: str | None = None) -> dict[str, Any]:
        """The parameters that every write has: the caller, the beginnings of its journal row (of the event up to its data, where the subject is known), and its key."""
        cause, topic = request.caller.cause(request.correlation), f"{self.shape.name}.{event}"
        values: dict[str, Any] = {
            "audit": cause.audit_head(f"{self.shape.name}:{verb}", self.shape.name),
            "event": cause.event_head(topic) if subject is None else cause.envelope_head(topic, subject),
            **request.caller.values(),
        }
        if key is not None:
            values["key"], _, values["hash"] = key.arguments(request.caller.actor)
        return values

    async def write(self, caller: Caller, call: Call, key: Key | None, trial: Trial, *, locks: bool = True) -> Result | Outcome:
        """Run a write; a key that has been used answers what it answered the first time. One that `locks` records has its transaction to itself."""
        database = self._host.oltp(caller.cell)
        try:
            if trial.needed:
                return await trial.run(self._host, call)
            if locks:
                (result,) = await database.run(caller.schema, call, lane="write")
            else:
                result = await database.write(caller.schema, call)
        except DatabaseError as error:
            # a repetition may meet the first request's record before its key: either way the key decides
            if key is not None and isinstance(error, UniqueViolation) and (done := await replayed(self._host, caller, key)):
                return done
            raise problem_of(error) or error from error
        self._host.wake(caller.cell)
        return result

    async def patch(self, request: Request, raw_id: str) -> Response:
        """Change the fields that are given, if the record is still at the version of If-Match."""
        dry_run = request.dry_run()
        rights = self.rights(request, "update")
        key, version = request.key(), request.version(self.shape.title)
        change = decode(self.wire.patch, request.body)
        self.wire.refuse_hidden(rights, change)
        self.wire.normalise(change, request.caller.tenant.country)
        names = self.wire.given(change)
        one = patch_statement(self.entity, rights, names, keyed=key is not None)
        id = record_id(raw_id, self.shape)
        values = {"row": encode(change), "version": version, "id": id}
        call = one.call(values | self.circumstances(request, "update", "updated", key))
        done = await self.write(request.caller, call, key, Trial(self.entity, request, dry_run, "updated", names, id))

        def explain() -> Awaitable[Problem]:
            row = {"id": values["id"], **{name: getattr(change, name) for name in names}}
            return self._unseen(request, change_verdicts(self.entity, rights, names), msgspec.json.encode([row]))

        return await self._changed(request, "update", raw_id, done, key, explain)

    async def _unseen(self, request: Request, one: Compiled, rows: bytes) -> Problem:
        """Why nothing was written: a reference leads to what the caller does not see."""
        (verdict,) = read((await self._read(request.caller, one.call({"rows": rows, **request.caller.values()}), [])).rows)
        return (
            refusal(self.shape, verdict.wrong[0]) if verdict.wrong else Conflict(reason="What this refers to changed meanwhile; try again.")
        )

    async def _changed(
        self,
        request: Request,
        verb: str,
        raw_id: str,
        done: Result | Outcome,
        key: Key | None,
        explain: Callable[[], Awaitable[Problem]] | None = None,
    ) -> Response:
        if isinstance(done, Outcome):
            return stored(done, self.location, request.minimal)
        before, body, after = done.rows[0]
        # a repetition meets the version that the first request made, or nothing where that removed the record: its key decides
        if after is None and key is not None and (first := await replayed(self._host, request.caller, key)):
            return stored(first, self.location, request.minimal)
        if before is None:
            raise await self._missing(request.caller, raw_id, verb)
        if after is None and explain is not None and request.version(self.shape.title) in (None, before):
            raise await explain()
        if after is None:
            raise PreconditionFailed(kind=self.shape.title, now=int(before), expected=request.headers.get(b"if-match", b"").decode())
        return stored(Outcome(200, {"etag": after.decode(), "id": raw_id}, body or b""), self.location, request.minimal)

    async def remove(self, request: Request, raw_id: str) -> Response:
        """DELETE: archive or delete, as the entity declares."""
        how: Literal["archive", "delete"] = "archive" if self.entity.removal == "archive" else "delete"
        return await self._remove(request, raw_id, how)

    async def restore(self, request: Request, raw_id: str) -> Response:
        """Bring an archived record back."""
        return await self._remove(request, raw_id, "restore")

    async def _remove(self, request: Request, raw_id: str, how: Literal["archive", "restore", "delete"]) -> Response:
        dry_run = request.dry_run()
        verb = "delete" if how == "delete" else "archive"
        rights = self.rights(request, verb)
        key = request.key()
        version = request.version(self.shape.title) if how != "restore" else None
        one = remove_statement(self.entity, rights, how, keyed=key is not None)
        event: How = _DONE[how]
        id = record_id(raw_id, self.shape)
        values = {"version": version, "id": id}
        trial = Trial(self.entity, request, dry_run, event, (), id)
        done = await self.write(request.caller, one.call(values | self.circumstances(request, how, event, key)), key, trial)
        return await self._changed(request, verb, raw_id, done, key)
