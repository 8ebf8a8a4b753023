"""Answering mutations: each field is asked through the door that every surface has, and answers its result or the refusal as an object."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final, cast

import graphql as lib
import msgspec

from nexus.core.problem import FieldError, Invalid, Problem, Unavailable
from nexus.engines.oltp import Timeout
from nexus.engines.oltp import Unavailable as Away
from nexus.surfaces.calling import Caller
from nexus.surfaces.graphql import names, problems
from nexus.surfaces.graphql.compiling import Compiler
from nexus.surfaces.graphql.documents import Document
from nexus.surfaces.graphql.given import Given, arguments, several
from nexus.surfaces.graphql.limits import Limits
from nexus.surfaces.graphql.model import Graph, Kind, Member, inner
from nexus.surfaces.graphql.plans import Disclosed
from nexus.surfaces.graphql.projecting import Projector
from nexus.surfaces.graphql.queries import Queries, check
from nexus.surfaces.graphql.sources import Change, Column, Part
from nexus.surfaces.graphql.told import Telling
from nexus.surfaces.operations import Ask, Operations
from nexus.surfaces.permissions import Rights
from nexus.surfaces.shapes import Shape

_log: Final = logging.getLogger("nexus.graphql")
_ARGUMENTS: Final = {"If-Match": "version", "Idempotency-Key": "idempotencyKey"}


class Mutations:
    """Answers the mutations of one endpoint."""

    def __init__(self, graph: Graph, schema: lib.GraphQLSchema, queries: Queries, operations: Operations, limits: Limits) -> None:
        self._graph = graph
        self._schema = schema
        self._queries = queries
        self._operations = operations
        self._limits = limits

    async def answer(
        self,
        caller: Caller,
        document: Document,
        node: lib.OperationDefinitionNode,
        variables: Mapping[str, Any],
        key: str | None,
        correlation: str,
    ) -> tuple[list[bytes], list[dict[str, Any]]]:
        """What came of each field, one after the other; what failed by a mistake of ours is null, and what was done before it stays told."""
        if node.variable_definitions:
            check(self._schema, node, variables)
        assert caller.rights is not None, "a request always has rights"
        compiler = Compiler(self._graph, document, self._limits, caller.rights, variables)
        fields = compiler.selections.of("Mutation", [node.selection_set])
        pieces: list[bytes] = []
        errors: list[dict[str, Any]] = []
        for name, nodes in fields.items():
            own = key if key is None or len(fields) == 1 else f"{key}:{name}"
            try:
                value = await self._field(caller, compiler, nodes, own, correlation, errors)
            except Exception:
                _log.exception("request %s failed at %s", correlation, name)
                value = b"null"
                errors.append({"message": "Internal error", "path": [name], "extensions": {"code": "INTERNAL_SERVER_ERROR"}})
            pieces += (b',"%b":' if pieces else b'"%b":') % name.encode(), value
        return pieces, errors

    async def _field(
        self,
        caller: Caller,
        compiler: Compiler,
        nodes: list[lib.FieldNode],
        key: str | None,
        correlation: str,
        errors: list[dict[str, Any]],
    ) -> bytes:
        name = nodes[0].name.value
        if name == "__typename":
            return b'"Mutation"'
        member = self._graph.mutation.members[name]
        operation = cast(Change, member.source).operation
        union = self._graph[inner(member.type)]
        try:
            ask = self._ask(member, arguments(nodes[0], compiler.variables), key, correlation)
            response = await self._operations.ask(caller, operation, ask)
        except Problem as error:
            return self._refused(compiler, union, nodes, error, member)
        except (Away, Timeout):
            return self._refused(compiler, union, nodes, Unavailable(what="The database"), member)
        success, said = self._graph[union.of[0]], msgspec.json.decode(response.body or b"{}")
        if (telling := None if ask.dry_run else Telling.of(compiler, success, nodes)) is None:
            return await self._made(caller, compiler, success, nodes, said, correlation)
        path = nodes[0].alias or nodes[0].name
        records = await telling.after(self._queries, caller, said, compiler.variables, correlation, path.value, errors)
        found = Projector(self._graph, compiler.selections).object(success, nodes, said)
        return msgspec.json.encode(found | {key: msgspec.Raw(one) for key, one in records.items()}, enc_hook=str)

    def _ask(self, member: Member, given: dict[str, Given], key: str | None, correlation: str) -> Ask:
        plain = {name: one.plain() for name, one in given.items()}
        body = b"{}"
        if plain.get("input") is not None:
            types = {one.name: one.type for one in member.arguments}
            body = msgspec.json.encode(self._input(plain["input"], types["input"]))
        return Ask(
            id=plain.get("id"),
            body=body,
            key=plain.get("idempotencyKey") or key,
            version=_version(plain),
            dry_run=bool(plain.get("dryRun")),
            correlation=correlation or None,
        )

    def _input(self, value: Any, type_: str) -> Any:
        """A value as REST takes it: the names and words of the declaration in place of GraphQL's."""
        if value is None:
            return None
        type_ = type_.removesuffix("!")
        if type_.startswith("["):
            return [self._input(one, type_[1:-1]) for one in several(value)]
        kind = self._graph.get(type_)
        if kind is not None and kind.kind == "enum":
            return kind.words[value]
        if kind is not None and kind.kind == "input":
            members = cast(dict[str, Any], value).items()
            return {cast(Part, kind.members[name].source).name: self._input(one, kind.members[name].type) for name, one in members}
        return value

    def _refused(self, compiler: Compiler, union: Kind, nodes: list[lib.FieldNode], error: Problem, member: Member) -> bytes:
        kind = self._graph[problems.named(union.of, error)]
        body: dict[str, Any] = {"errors": [], **error.body()}
        if isinstance(error, Invalid):
            body["errors"] = [{"field": self._argument(one.field, member), "message": one.message} for one in error.errors]
            first = body["errors"][0]
            body["detail"] = f"{first['field']}: {first['message']}" if first["field"] else first["message"]
        return msgspec.json.encode(Projector(self._graph, compiler.selections).object(kind, nodes, body), enc_hook=str)

    def _argument(self, field: str, member: Member) -> str:
        """The path of a refused field, from the mutation's arguments on."""
        known = {one.name for one in member.arguments}
        path = _ARGUMENTS.get(field, names.of_path(field))
        return path if not path or path in known or "input" not in known else f"input.{path}"

    async def _made(
        self, caller: Caller, compiler: Compiler, success: Kind, nodes: list[lib.FieldNode], record: Any, correlation: str
    ) -> bytes:
        fields = compiler.selections.below(success.name, nodes)
        beyond = [one for inside in fields.values() if (one := success.members.get(inside[0].name.value)) and _leads(one)]
        if beyond and isinstance(shape := success.source, Shape) and _readable(shape, compiler):
            apart = compiler.apart()
            gap = apart.by_ids(shape, fields, 1)
            if apart.draft.sensitive:
                gap.plan.disclosed.append(
                    Disclosed(shape.name, tuple(dict.fromkeys(apart.draft.sensitive)), lib.print_ast(nodes[0])[:2_000])
                )
            found = await self._queries.records(caller, gap, [record["id"]], compiler.variables, correlation)
            if found:
                return next(iter(found.values()))
        return msgspec.json.encode(Projector(self._graph, compiler.selections).object(success, nodes, record), enc_hook=str)


def _leads(member: Member) -> bool:
    """Whether a field of a record leads beyond it."""
    return not isinstance(member.source, (Column, Part))


def _readable(shape: Shape, compiler: Compiler) -> bool:
    rights: Rights = compiler.draft.rights
    return rights.allow(f"{shape.name}:read")


def _version(plain: Mapping[str, Any]) -> Any:
    version, tag = plain.get("version"), plain.get("ifMatch")
    if version is not None and tag is not None:
        raise Invalid.of(FieldError("ifMatch", "says the same as version: give one of them"))
    if tag is None:
        return version
    bare = tag.strip().removeprefix("W/").strip('"')
    if bare == "*":
        return "*"
    if not bare.isascii() or not bare.isdigit() or len(bare) > 9:
        raise Invalid.of(FieldError("ifMatch", 'is the ETag of a record, such as "3", or *'))
    return int(bare)
