"""Answering queries: compiled once for a shape of variables and a set of rights, then one statement a request."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

import graphql as lib
import msgspec

from nexus.core.problem import Forbidden
from nexus.engines.oltp import Call, DatabaseError, Lane, Result
from nexus.surfaces import journal
from nexus.surfaces.calling import Caller, Host
from nexus.surfaces.graphql.compiling import Compiler
from nexus.surfaces.graphql.documents import Document
from nexus.surfaces.graphql.draft import Draft
from nexus.surfaces.graphql.entities import ByType, Keys, by_type, given_for
from nexus.surfaces.graphql.given import shape_of_value
from nexus.surfaces.graphql.limits import Limits
from nexus.surfaces.graphql.model import Graph
from nexus.surfaces.graphql.plans import NONCE, Disclosed, Gap, Part, Plan, Query
from nexus.surfaces.graphql.refusals import Refused, error_of
from nexus.surfaces.graphql.sources import Entities, Report, Sdl
from nexus.surfaces.permissions import Rights
from nexus.surfaces.refusals import problem_of
from nexus.surfaces.sql import encode

_KEPT: Final = 2_000
_HEAVY: Final = 5_000
"""Records from which on a query goes where reports go, so that no short request stands behind it."""
_GAP: Final = re.compile(rb'"' + NONCE.encode() + rb':(\d+):([0-9a-f-]*)"')


class Queries:
    """Answers the queries of one endpoint."""

    def __init__(self, graph: Graph, schema: lib.GraphQLSchema, host: Host, limits: Limits, sdl: str) -> None:
        self._graph = graph
        self._schema = schema
        self._host = host
        self._limits = limits
        self._sdl = sdl
        self._kept: OrderedDict[Any, Query] = OrderedDict()

    def compiled(self, document: Document, node: lib.OperationDefinitionNode, rights: Rights, variables: Mapping[str, Any]) -> Query:
        """The query as it is compiled for these rights and variables of this shape."""
        values = tuple(
            (name, msgspec.json.encode(value) if name in document.by_value else shape_of_value(value)) for name, value in variables.items()
        )
        key = (document.text, node.name.value if node.name else None, rights.key, values)
        found = self._kept.get(key)
        if found is None:
            if node.variable_definitions:
                check(self._schema, node, variables)
            found = self._kept[key] = self._compile(document, node, rights, variables)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(key)
        return found

    def _compile(self, document: Document, node: lib.OperationDefinitionNode, rights: Rights, variables: Mapping[str, Any]) -> Query:
        draft = Draft(rights, self._limits)
        compiler = Compiler(self._graph, document, self._limits, rights, variables, draft)
        query = Query(node, draft.plan, [], [])
        columns: list[str] = []
        for key, nodes in compiler.selections.of("Query", [node.selection_set]).items():
            name = nodes[0].name.value
            if name == "__typename":
                query.parts.append(Part(key, constant=b'"Query"'))
            elif name.startswith("__"):
                query.introspects = True
                query.parts.append(Part(key))
            else:
                self._root(query, compiler, columns, key, nodes)
        if columns:
            draft.finish(f"SELECT {', '.join(columns)}")
        return query

    def _root(self, query: Query, compiler: Compiler, columns: list[str], key: str, nodes: list[lib.FieldNode]) -> None:
        member, draft = self._graph.query.members[nodes[0].name.value], compiler.draft
        if isinstance(member.source, Sdl):
            said = compiler.selections.below("_Service", nodes).items()
            shown = {one: self._sdl if inside[0].name.value == "sdl" else "_Service" for one, inside in said}
            query.parts.append(Part(key, constant=msgspec.json.encode(shown)))
            return
        if isinstance(member.source, Entities):
            query.parts.append(Part(key, entities=by_type(compiler, nodes, self._limits.rows)))
            return
        gaps, draft.sensitive, draft.about = len(draft.plan.gaps), [], None
        try:
            columns.append(compiler.root(member, nodes))
        except Forbidden as error:
            del draft.plan.gaps[gaps:]
            query.errors.append(error_of(error, [key]))
            query.parts.append(Part(key))
            return
        query.parts.append(Part(key, column=len(columns) - 1))
        query.reports |= isinstance(member.source, Report)
        if draft.sensitive and not isinstance(member.source, Report):
            fields, asked = tuple(dict.fromkeys(draft.sensitive)), lib.print_ast(nodes[0])[:2_000]
            query.plan.disclosed.append(Disclosed(member.source.shape.name, fields, asked, draft.about))

    async def answer(
        self, caller: Caller, query: Query, document: Document, variables: Mapping[str, Any], correlation: str
    ) -> tuple[list[bytes], list[dict[str, Any]]]:
        """The members of a query's data as pieces of JSON, and what was refused of it. Raises what refuses all of it.

        Pieces, because data is large: it is put together once, by whoever writes the response.
        """
        data: list[bytes] = []
        if query.plan.compiled is not None:
            lane: Lane = "slow" if query.reports or query.plan.rows > _HEAVY else "fast"
            results = await self._run(caller, [(query.plan, {})], variables, correlation, lane)
            data = await self.filled([one or b"null" for one in results[0].rows[0]], query.plan, caller, variables)
        introspected = self._introspected(document, query, variables) if query.introspects else {}
        pieces: list[bytes] = []
        errors = list(query.errors)
        for part in query.parts:
            if part.column is not None:
                value = data[part.column]
            elif part.entities is not None:
                value = await self._entities(part.key, part.entities, caller, variables, correlation, errors)
            else:
                value = introspected.get(part.key, part.constant)
            pieces += (b',"%b":' if pieces else b'"%b":') % part.key.encode(), value
        return pieces, errors

    async def _entities(
        self, key: str, asked: ByType, caller: Caller, variables: Mapping[str, Any], correlation: str, errors: list[dict[str, Any]]
    ) -> bytes:
        """Records in the order of their keys, null where there is none that the caller sees: one statement for each type."""
        keys: Keys = asked.keys.value(variables)
        wanted: list[tuple[str, Gap]] = []
        for name in dict.fromkeys(key.type for key in keys):
            try:
                wanted.append((name, asked.of(name)))
            except Forbidden as error:
                errors += [error_of(error, [key, place]) for place, one in enumerate(keys) if one.type == name]
        calls = [(gap.plan, given_for(gap, [one for one in keys if one.type == name])) for name, gap in wanted]
        found: dict[tuple[str, str], bytes] = {}
        if calls:
            results = await self._run(caller, calls, variables, correlation, "fast")
            for (name, gap), result in zip(wanted, results, strict=True):
                rows = await self.filled([row[1] or b"null" for row in result.rows], gap.plan, caller, variables)
                found |= {(name, (row[0] or b"").decode()): one for row, one in zip(result.rows, rows, strict=True)}
        return b"[" + b",".join(found.get((key.type, str(key.id)), b"null") for key in keys) + b"]"

    async def records(
        self, caller: Caller, gap: Gap, ids: Iterable[str], variables: Mapping[str, Any], correlation: str
    ) -> dict[str, bytes]:
        """Records of one kind by their ids."""
        (result,) = await self._run(caller, [(gap.plan, {"ids": tuple(ids)})], variables, correlation, "fast")
        rows = await self.filled([row[1] or b"null" for row in result.rows], gap.plan, caller, variables)
        return {(row[0] or b"").decode(): one for row, one in zip(result.rows, rows, strict=True)}

    async def row(
        self, caller: Caller, plan: Plan, given: Mapping[str, Any], variables: Mapping[str, Any], correlation: str
    ) -> list[bytes]:
        """The columns of a plan that answers one row."""
        (result,) = await self._run(caller, [(plan, dict(given))], variables, correlation, "fast")
        return await self.filled([one or b"null" for one in result.rows[0]], plan, caller, variables)

    async def filled(self, data: list[bytes], plan: Plan, caller: Caller, variables: Mapping[str, Any]) -> list[bytes]:
        """JSON whose gaps are filled with the records that they name, all of a kind by one statement."""
        if not plan.gaps:
            return data
        ids: dict[int, dict[str, None]] = {}
        for one in data:
            for match in _GAP.finditer(one):
                ids.setdefault(int(match[1]), {})[match[2].decode()] = None
        wanted = [(number, plan.gaps[number]) for number in ids]
        calls = [(gap.plan, {"ids": tuple(ids[number])}) for number, gap in wanted]
        records: dict[tuple[int, bytes], bytes] = {}
        if calls:
            results = await self._run(caller, calls, variables, "", "fast")
            for (number, gap), result in zip(wanted, results, strict=True):
                rows = await self.filled([row[1] or b"null" for row in result.rows], gap.plan, caller, variables)
                records |= {(number, row[0] or b""): one for row, one in zip(result.rows, rows, strict=True)}
        return [_GAP.sub(lambda match: records.get((int(match[1]), match[2]), b"null"), one) for one in data]

    async def _run(
        self, caller: Caller, plans: list[tuple[Plan, dict[str, Any]]], variables: Mapping[str, Any], correlation: str, lane: Lane
    ) -> list[Result]:
        values = caller.values()
        calls = [plan.call(variables, {**values, **more}) for plan, more in plans]
        told = [self._told(caller, one, variables, correlation) for plan, _ in plans for one in plan.disclosed]
        try:
            results = await self._host.oltp(caller.cell).run(caller.schema, *calls, *told, lane=lane)
        except DatabaseError as error:
            raise problem_of(error, plans[0][0].given_as() if len(plans) == 1 else ()) or error from error
        return results[: len(calls)]

    def _told(self, caller: Caller, one: Disclosed, variables: Mapping[str, Any], correlation: str) -> Call:
        """The journal row of a read that shows sensitive fields, in the same round trip."""
        head = caller.cause(correlation).audit_head(f"{one.entity}:read", one.entity)
        if one.id is not None:
            about = b'"entity_id":"%b",' % str(one.id.value(variables)).encode()
        else:
            about = b'"query":%b,' % msgspec.json.encode([one.asked, msgspec.json.encode(dict(variables)).decode()[:2_000]])
        return journal.INSERT, [head + about + b'"fields":' + (encode(list(one.fields)) or b"[]") + b"}", None]

    def _introspected(self, document: Document, query: Query, variables: Mapping[str, Any]) -> dict[str, bytes]:
        """What the library says of the schema; its other fields are null, and not looked at."""
        name = query.operation.name.value if query.operation.name else None
        data: dict[str, Any] = (
            cast(Any, lib).execute_sync(self._schema, document.ast, variable_values=dict(variables), operation_name=name).data or {}
        )
        return {part.key: msgspec.json.encode(data[part.key]) for part in query.parts if part.key in data and data[part.key] is not None}


def check(schema: lib.GraphQLSchema, node: lib.OperationDefinitionNode, variables: Mapping[str, Any]) -> None:
    """Refused where the variables are not of their types; each is named."""
    read = lib.get_variable_values(schema, node.variable_definitions or (), dict(variables), max_errors=20)
    if isinstance(read, list):
        raise Refused.of(read, "BAD_USER_INPUT")
