"""Answering subscriptions: each event of a topic that the caller may know of is a response of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import graphql as lib
import msgspec

from nexus.core.problem import Unavailable
from nexus.surfaces.calling import Caller
from nexus.surfaces.graphql.compiling import Compiler
from nexus.surfaces.graphql.documents import Document
from nexus.surfaces.graphql.given import arguments, text_of
from nexus.surfaces.graphql.limits import Limits
from nexus.surfaces.graphql.model import Graph, Kind, inner
from nexus.surfaces.graphql.plans import Disclosed, Gap
from nexus.surfaces.graphql.projecting import Projector
from nexus.surfaces.graphql.queries import Queries, check
from nexus.surfaces.graphql.sources import Listen, Now
from nexus.surfaces.graphql.told import Telling
from nexus.surfaces.live import Live, LiveEvent, Subscription

Renew = Callable[[], Awaitable[Caller]]


@dataclass(slots=True)
class Listening:
    """A subscription that has begun."""

    subscription: Subscription
    _answer: Callable[[LiveEvent], Awaitable[bytes]]

    async def take(self, within: float) -> list[bytes] | None:
        """The responses to what has happened; None where nothing has for so many seconds. Raises the Problem that ends it."""
        events = await self.subscription.take(within)
        return [await self._answer(event) for event in events] if events else None

    async def responses(self) -> AsyncIterator[bytes]:
        """The responses, one after the other."""
        async for event in self.subscription:
            yield await self._answer(event)


class Listener:
    """Begins the subscriptions of one endpoint."""

    def __init__(self, graph: Graph, schema: lib.GraphQLSchema, queries: Queries, live: Live | None, limits: Limits) -> None:
        self._graph = graph
        self._schema = schema
        self._queries = queries
        self._live = live
        self._limits = limits

    async def begin(
        self, caller: Caller, document: Document, node: lib.OperationDefinitionNode, variables: Mapping[str, Any], renew: Renew | None
    ) -> Listening:
        """Follow what a document asks for. Raises what refuses it."""
        if node.variable_definitions:
            check(self._schema, node, variables)
        if self._live is None or caller.rights is None:
            raise Unavailable(what="The event log")
        compiler = Compiler(self._graph, document, self._limits, caller.rights, variables)
        ((key, nodes),) = compiler.selections.of("Subscription", [node.selection_set]).items()
        member = self._graph.subscription.members[nodes[0].name.value]
        kind, topic = self._graph[inner(member.type)], cast(Listen, member.source).topic
        given = arguments(nodes[0], variables).get("after")
        after = None if given is None or given.value is None else text_of(given, "after")
        records, tellings = self._records(compiler, kind, nodes), self._tellings(compiler, kind, nodes)
        subscription = await self._live.subscribe(caller, [topic.pattern], after, renew, field="after")
        projector = Projector(self._graph, compiler.selections)

        async def answer(event: LiveEvent) -> bytes:
            said: dict[str, Any] = msgspec.json.decode(event.envelope)
            found = projector.object(kind, nodes, {**said, "position": event.id})
            for name, gap in records.items():
                rows = await self._queries.records(subscription.caller, gap, [str(event.subject)], variables, said.get("correlationid", ""))
                found[name] = msgspec.Raw(next(iter(rows.values()), b"null"))
            for name, telling in tellings.items():
                cause = said.get("correlationid", "")
                seen = await telling.read(self._queries, subscription.caller, said.get("data") or {}, variables, cause)
                found[name] |= {key: msgspec.Raw(one) for key, one in seen.items()}
            return b'{"data":' + msgspec.json.encode({key: found}) + b"}"

        return Listening(subscription, answer)

    def _records(self, compiler: Compiler, kind: Kind, nodes: list[lib.FieldNode]) -> dict[str, Gap]:
        """The plans for the record itself, by response key."""
        found: dict[str, Gap] = {}
        for key, inside in compiler.selections.below(kind.name, nodes).items():
            member = kind.members.get(inside[0].name.value)
            if member is not None and isinstance(member.source, Now):
                apart, shape = compiler.apart(), member.source.shape
                gap = found[key] = apart.by_ids(shape, compiler.selections.below(inner(member.type), inside), 1)
                if apart.draft.sensitive:
                    asked = lib.print_ast(inside[0])[:2_000]
                    gap.plan.disclosed.append(Disclosed(shape.name, tuple(dict.fromkeys(apart.draft.sensitive)), asked))
        return found

    def _tellings(self, compiler: Compiler, kind: Kind, nodes: list[lib.FieldNode]) -> dict[str, Telling]:
        """What is asked of the records behind what the event tells, by response key. Forbidden (403) where the caller may not read them."""
        found: dict[str, Telling] = {}
        for key, inside in compiler.selections.below(kind.name, nodes).items():
            data = self._graph[inner(kind.members["data"].type)] if inside[0].name.value == "data" else None
            telling = Telling.of(compiler, data, inside) if data is not None else None
            if telling is not None:
                for error in telling.refused.values():
                    raise error
                found[key] = telling
        return found
