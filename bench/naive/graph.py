"""The naive peer's GraphQL: Strawberry over the ORM, with data loaders so that each level is one query."""

from collections import defaultdict
from collections.abc import AsyncGenerator
from decimal import Decimal
from typing import Any
from uuid import UUID

import strawberry
from fastapi import Header
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import aliased
from strawberry.dataloader import DataLoader
from strawberry.fastapi import BaseContext, GraphQLRouter
from strawberry.types import Info

from bench.naive import models


class Context(BaseContext):
    """The session of a request, and its loaders."""

    def __init__(self, session: AsyncSession) -> None:
        super().__init__()
        self.session = session
        self.contacts = DataLoader(load_fn=self._below(models.Contact, "account_id"))
        self.deals = DataLoader(load_fn=self._below(models.Deal, "contact_id"))

    def _below(self, kind: Any, column: str) -> Any:
        async def load(keys: list[tuple[UUID, int]]) -> list[list[Any]]:
            by = getattr(kind, column)
            place = func.row_number().over(partition_by=by, order_by=kind.id).label("place")
            inner = select(kind, place).where(by.in_([id for id, _ in keys]), kind.archived_at.is_(None)).subquery()
            one = aliased(kind, inner)
            wanted = select(one).where(inner.c.place <= max(first for _, first in keys)).order_by(one.id)
            found: dict[UUID, list[Any]] = defaultdict(list)
            for row in await self.session.scalars(wanted):
                found[getattr(row, column)].append(row)
            return [found[id][:first] for id, first in keys]

        return load


@strawberry.type
class Deal:
    id: strawberry.ID
    name: str
    amount: Decimal
    currency: str


@strawberry.type
class DealEdge:
    node: Deal


@strawberry.type
class DealConnection:
    edges: list[DealEdge]


@strawberry.type
class Contact:
    id: strawberry.ID
    name: str
    email: str | None
    title: str | None
    key: strawberry.Private[UUID]

    @strawberry.field
    async def deals(self, info: Info[Context, None], first: int = 20) -> DealConnection:
        found = await info.context.deals.load((self.key, first))
        nodes = [Deal(id=strawberry.ID(str(one.id)), name=one.name, amount=one.amount, currency=one.currency) for one in found]
        return DealConnection(edges=[DealEdge(node=node) for node in nodes])


@strawberry.type
class ContactEdge:
    node: Contact


@strawberry.type
class ContactConnection:
    edges: list[ContactEdge]


@strawberry.type
class Account:
    id: strawberry.ID
    name: str
    city: str | None
    country: str | None
    key: strawberry.Private[UUID]

    @strawberry.field
    async def contacts(self, info: Info[Context, None], first: int = 20) -> ContactConnection:
        found = await info.context.contacts.load((self.key, first))
        nodes = [Contact(id=strawberry.ID(str(one.id)), name=one.name, email=one.email, title=one.title, key=one.id) for one in found]
        return ContactConnection(edges=[ContactEdge(node=node) for node in nodes])


@strawberry.type
class AccountEdge:
    node: Account


@strawberry.type
class AccountConnection:
    edges: list[AccountEdge]


@strawberry.type
class Query:
    @strawberry.field
    async def accounts(self, info: Info[Context, None], first: int = 20, after: str | None = None) -> AccountConnection:
        wanted = select(models.Account).where(models.Account.archived_at.is_(None)).order_by(models.Account.id).limit(first)
        if after is not None:
            wanted = wanted.where(models.Account.id > UUID(after))
        found = await info.context.session.scalars(wanted)
        nodes = [Account(id=strawberry.ID(str(one.id)), name=one.name, city=one.city, country=one.country, key=one.id) for one in found]
        return AccountConnection(edges=[AccountEdge(node=node) for node in nodes])


def graph_of(sessions: async_sessionmaker[AsyncSession]) -> GraphQLRouter[Any, None]:
    """The endpoint."""

    async def context(x_tenant: str = Header()) -> AsyncGenerator[Context]:
        async with sessions() as made, made.begin():
            await made.execute(text("SELECT set_config('search_path', :schema, true)"), {"schema": x_tenant})
            yield Context(made)

    return GraphQLRouter(strawberry.Schema(Query), context_getter=context, graphql_ide=None)
