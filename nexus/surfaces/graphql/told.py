"""The records behind the ids that commands and events tell: read when somebody asks for them, all of one answer in one statement."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import graphql as lib

from nexus.core.message import Event
from nexus.core.problem import Forbidden, Problem, Unavailable
from nexus.engines.oltp import Timeout
from nexus.engines.oltp import Unavailable as Away
from nexus.surfaces.calling import Caller
from nexus.surfaces.graphql import names
from nexus.surfaces.graphql.compiling import Compiler
from nexus.surfaces.graphql.model import Kind, Member
from nexus.surfaces.graphql.plans import Disclosed, Plan
from nexus.surfaces.graphql.queries import Queries
from nexus.surfaces.graphql.records import Records
from nexus.surfaces.graphql.refusals import error_of
from nexus.surfaces.graphql.sources import Told
from nexus.surfaces.shapes import Shape, by_name

_log: Final = logging.getLogger("nexus.graphql")
_ID: Final = "_id"


def lead(records: Records, kind: Kind, event: type[Any]) -> None:
    """Let the ids that an event tells lead to their records: `lead` beside `leadId`."""
    if not issubclass(event, Event):
        return
    for part in event.__struct_fields__:
        target = target_of(event, part)
        name = names.camel(part.removesuffix(_ID))
        if target is not None and name not in kind.members:
            source = Told(part, target, here=event.topic.startswith(f"{target.service}."))
            kind.add(Member(name=name, type=records.known(target).name, doc="The record as it is now, for whom sees it.", source=source))


def target_of(event: type[Event], part: str) -> Shape | None:
    """What the id is of: an entity of the event's service that is called so, or what the event's own entity refers to under that name."""
    noun, _, _ = event.topic.rpartition(".")
    if not part.endswith(_ID) or not noun:
        return None
    service, own = noun.partition(".")[0], by_name(noun)
    words = part.removesuffix(_ID).split("_")
    for begin in range(len(words)):  # from_stage_id is a stage_id
        name = "_".join(words[begin:])
        if (found := by_name(f"{service}.{name}")) is not None:
            return found
        if own is not None and name in own.references:
            return by_name(own.references[name][1])
    return None


@dataclass(slots=True)
class Telling:
    """What is asked of the records behind an answer: one statement that takes their ids."""

    plan: Plan
    keys: dict[str, Told]
    """By key of the response, in the order of the statement's columns."""
    refused: dict[str, Forbidden]

    @classmethod
    def of(cls, compiler: Compiler, kind: Kind, nodes: list[lib.FieldNode]) -> Telling | None:
        """None where nothing of the kind is selected."""
        apart = compiler.apart()
        columns: list[str] = []
        keys: dict[str, Told] = {}
        refused: dict[str, Forbidden] = {}
        for key, inside in compiler.selections.below(kind.name, nodes).items():
            member = kind.members.get(inside[0].name.value)
            if member is None or not isinstance(told := member.source, Told):
                continue
            try:
                columns.append(_column(apart, told, member, inside))
                keys[key] = told
            except Forbidden as error:
                refused[key] = error
        if not keys and not refused:
            return None
        if columns:
            apart.draft.finish(f"SELECT {', '.join(columns)}")
        return cls(apart.draft.plan, keys, refused)

    async def read(
        self, queries: Queries, caller: Caller, told: Mapping[str, Any], variables: Mapping[str, Any], correlation: str
    ) -> dict[str, bytes]:
        """The records by key; null where the answer names none, and where the caller sees none."""
        if not any(told.get(one.part) for one in self.keys.values()):
            return dict.fromkeys([*self.keys, *self.refused], b"null")
        ids = {_parameter(one): told.get(one.part) for one in self.keys.values()}
        found = await queries.row(caller, self.plan, ids, variables, correlation)
        return dict.fromkeys(self.refused, b"null") | dict(zip(self.keys, found, strict=True))

    async def after(
        self,
        queries: Queries,
        caller: Caller,
        told: Mapping[str, Any],
        variables: Mapping[str, Any],
        correlation: str,
        path: str,
        errors: list[dict[str, Any]],
    ) -> dict[str, bytes]:
        """The same behind what is done already: whatever keeps it from being read is told, and takes nothing back."""
        errors += [error_of(error, [path, key]) for key, error in self.refused.items()]
        try:
            return await self.read(queries, caller, told, variables, correlation)
        except Problem as error:
            said = error_of(error)
        except (Away, Timeout):
            said = error_of(Unavailable(what="The database"))
        except Exception:
            _log.exception("request %s: what was changed cannot be read", correlation)
            said = {"message": "Internal error", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}
        errors += [said | {"path": [path, key]} for key in self.keys]
        return dict.fromkeys([*self.keys, *self.refused], b"null")


def _parameter(told: Told) -> str:
    return f"told_{told.part}"


def _column(compiler: Compiler, told: Told, member: Member, nodes: list[lib.FieldNode]) -> str:
    """The JSON of one record; what of it is sensitive is noted for the journal."""
    draft, id = compiler.draft, f"CAST(:{_parameter(told)} AS uuid)"
    if not told.here:
        return compiler.elsewhere(told.target, member, nodes, id, 1)
    draft.sensitive = []
    column = compiler.one(told.target, member, nodes, id, 1)
    if draft.sensitive:
        asked = lib.print_ast(nodes[0])[:2_000]
        draft.plan.disclosed.append(Disclosed(told.target.name, tuple(dict.fromkeys(draft.sensitive)), asked))
    return column
