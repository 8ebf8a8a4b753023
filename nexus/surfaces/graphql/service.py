"""The door: a request in GraphQL in, its response out; whoever carries them is HTTP or a stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import graphql as lib
import msgspec

from nexus.core.problem import Malformed, Problem
from nexus.core.service import Service
from nexus.engines.oltp import PermissionDenied
from nexus.surfaces.calling import Caller, Gate, Host
from nexus.surfaces.graphql.documents import Document, Documents
from nexus.surfaces.graphql.graph import graph_of
from nexus.surfaces.graphql.limits import Limits
from nexus.surfaces.graphql.listening import Listener, Listening, Renew
from nexus.surfaces.graphql.model import Graph
from nexus.surfaces.graphql.mutations import Mutations
from nexus.surfaces.graphql.queries import Queries
from nexus.surfaces.graphql.refusals import Limit, Refused
from nexus.surfaces.graphql.schema import schema_of
from nexus.surfaces.graphql.sdl import sdl
from nexus.surfaces.live import Live
from nexus.surfaces.operations import Operations
from nexus.surfaces.permissions import Rights

__all__ = ["Answered", "Asked", "Endpoint"]


@dataclass(slots=True, kw_only=True)
class Asked:
    """A request."""

    query: str
    operation: str | None = None
    variables: dict[str, Any] = field(default_factory=dict[str, Any])
    key: str | None = None
    """An idempotency key that came beside the document."""
    correlation: str = ""


@dataclass(slots=True)
class Answered:
    """A response; `status` is that of HTTP where it can be told."""

    body: bytes
    status: int = 200
    understood: bool = True
    """Whether its document was one."""


class Endpoint:
    """All that some services can be asked in GraphQL."""

    def __init__(
        self,
        services: Sequence[Service],
        operations: Operations,
        host: Host,
        gate: Gate | None,
        limits: Limits,
        *,
        federated: bool,
        live: Live | None = None,
    ) -> None:
        self.graph: Graph = graph_of(services, operations, federated=federated)
        self.schema: lib.GraphQLSchema = schema_of(self.graph)
        self.documents = Documents(self.graph, self.schema, limits)
        self._gate = gate
        self._queries = Queries(self.graph, self.schema, host, limits, sdl(self.graph) if federated else "")
        self._listener = Listener(self.graph, self.schema, self._queries, live, limits)
        self._mutations = Mutations(self.graph, self.schema, self._queries, operations, limits)

    def document(self, asked: Asked) -> tuple[Document, lib.OperationDefinitionNode]:
        """The document of a request and the operation that it asks for. Refused, Malformed."""
        document = self.documents.read(asked.query)
        return document, document.operation(asked.operation)

    async def answer(self, caller: Caller, asked: Asked, *, reads: bool = False) -> Answered:
        """The response to a request. `reads`: it came where nothing may be changed. Raises what is a bug, or an engine that is away."""
        try:
            document, operation = self.document(asked)
            variables = variables_of(operation, asked.variables)
            if operation.operation is lib.OperationType.SUBSCRIPTION:
                raise Malformed(reason="Subscriptions are listened to over WebSocket or server-sent events.")
            if operation.operation is lib.OperationType.MUTATION:
                if reads:
                    raise NotByGet(operation="mutation")
                return _done(*await self._mutations.answer(caller, document, operation, variables, asked.key, asked.correlation))
            return _done(*await self._query(caller, document, operation, variables, asked))
        except Refused as refused:
            return refusal(refused)
        except Problem as error:
            return refusal(Refused.by(error))
        except RecursionError:
            return refusal(Refused.by(Limit(what="The variables nest too deeply", limit="the parser's", name="graphql_depth")))

    async def listen(self, caller: Caller, asked: Asked, renew: Renew | None) -> Listening | None:
        """The subscription that a request asks for; None where it asks for something else. Raises what refuses it."""
        document, operation = self.document(asked)
        if operation.operation is not lib.OperationType.SUBSCRIPTION:
            return None
        return await self._listener.begin(caller, document, operation, variables_of(operation, asked.variables), renew)

    async def _query(
        self, caller: Caller, document: Document, operation: lib.OperationDefinitionNode, variables: Mapping[str, Any], asked: Asked
    ) -> tuple[list[bytes], list[dict[str, Any]]]:
        query = self._queries.compiled(document, operation, rights_of(caller), variables)
        for service in query.plan.services:
            caller = await self._gate.admit(caller, service, False) if self._gate else caller
        try:
            return await self._queries.answer(caller, query, document, variables, asked.correlation)
        except PermissionDenied as error:
            raise (error if self._gate is None else await self._gate.refusal(caller, error)) from error


class NotByGet(Problem, status=405):
    """A {operation} changes something, so it is sent by POST; by GET only queries are."""

    operation: str


def rights_of(caller: Caller) -> Rights:
    """The rights of a caller."""
    assert caller.rights is not None, "a request always has rights"
    return caller.rights


def variables_of(operation: lib.OperationDefinitionNode, given: Mapping[str, Any]) -> dict[str, Any]:
    """The variables that the operation knows, with its defaults where none is given."""
    found: dict[str, Any] = {}
    for node in operation.variable_definitions or ():
        name = node.variable.name.value
        if name in given:
            found[name] = given[name]
        elif node.default_value is not None:
            found[name] = lib.value_from_ast_untyped(node.default_value)
    return found


def _done(pieces: list[bytes], errors: list[dict[str, Any]]) -> Answered:
    said = b',"errors":' + msgspec.json.encode(errors, enc_hook=str) if errors else b""
    return Answered(b"".join((b'{"data":{', *pieces, b"}", said, b"}")))


def refusal(refused: Refused) -> Answered:
    """The response to a request that was not executed: errors without data."""
    return Answered(msgspec.json.encode({"errors": refused.errors}, enc_hook=str), refused.status, understood=False)
