"""Trials: a write that is looked at before it may become true, because it is a dry run or because its session has a limit on amounts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import msgspec

from nexus.core.entity import Entity
from nexus.engines.oltp import Call, Result
from nexus.surfaces.calling import Host
from nexus.surfaces.effects import How
from nexus.surfaces.kept import kept
from nexus.surfaces.permissions import Rights
from nexus.surfaces.reads import Expand, get_statement
from nexus.surfaces.rest.message import Request
from nexus.surfaces.shapes import shape_of
from nexus.surfaces.sql import Compiled


@kept
def record_statement(entity: type[Entity], rights: Rights, fields: frozenset[str] | None, expand: Expand) -> Compiled:
    """`get_statement`, kept."""
    return get_statement(shape_of(entity), rights, fields, expand)


class Trial:
    """One write of one record. Most are no trial: `needed` says whether this one is."""

    __slots__ = ("_dry_run", "_entity", "_how", "_id", "_names", "_request")

    def __init__(
        self, entity: type[Entity], request: Request, dry_run: bool, how: How, names: Iterable[str], id: UUID | None = None
    ) -> None:
        self._entity = entity
        self._request = request
        self._dry_run = dry_run
        self._how: How = how
        self._names = names
        self._id = id

    @property
    def needed(self) -> bool:
        rights = self._request.caller.rights
        return self._dry_run or (rights is not None and rights.limits.most is not None)

    async def run(self, host: Host, write: Call) -> Result:
        """Write, look, and commit unless it is a dry run. Raises OverLimit (403), and what the database raises."""
        caller, rights = self._request.caller, self._request.caller.rights
        assert rights is not None, "a request always has rights"
        async with host.oltp(caller.cell).transaction(caller.schema) as transaction:
            first: list[Call] = []
            if self._id is not None and self._request.effects is not None:
                first.append(record_statement(self._entity, rights, None, ()).call({"id": self._id, **caller.values()}))
            *read, result = await transaction.run(*first, write)
            after = _written(result)
            if after is not None:
                rights.limits.check(shape_of(self._entity), after, self._names)
                self._tell(read, after, rights)
            if not self._dry_run:
                await transaction.commit()
        if not self._dry_run:
            host.wake(caller.cell)
        return result

    def _tell(self, read: list[Result], after: dict[str, Any], rights: Rights) -> None:
        """What a dry run says; the caller sees the record, or there would be nothing after it."""
        effects = self._request.effects
        if effects is None:
            return
        effects.clear()
        before: dict[str, Any] = msgspec.json.decode(read[0].rows[0][0] or b"{}") if read and read[0].rows else {}
        id = UUID(after["id"])
        effects.change(self._entity, id, self._how, before, {} if self._how == "deleted" else after, rights, True)
        effects.tell(f"{shape_of(self._entity).name}.{self._how}", id)


def _written(result: Result) -> dict[str, Any] | None:
    """The record as the statement answers it; None where it wrote nothing. A create answers it first, a change second."""
    if not result.rows:
        return None
    found: dict[str, Any]
    for column in result.rows[0][:2]:
        if column is not None and column.startswith(b"{"):
            found = msgspec.json.decode(column)
            return found
    return None
