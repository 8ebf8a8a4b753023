"""What accounts, contacts, leads and deals share: somebody is responsible, and that decides who sees the record."""

from __future__ import annotations

from uuid import UUID

from nexus.core import Entity, Index, Mapped, f, sql


def sparse(table: str, *columns: str) -> tuple[Index, ...]:
    """Indexes of references that are mostly empty: only rows that have a value are in them, so that imports stay fast."""
    return tuple(Index(f"ix_{table}_{column}", sql(column), postgresql_where=sql(f"{column} IS NOT NULL")) for column in columns)


class Owned(Entity):
    """A record for which somebody is responsible."""

    __abstract__ = True

    owner_id: Mapped[UUID | None] = f.ref(
        "auth.user", default=None, index=False, once=True, help="The person responsible; changed by assign."
    )
    team_id: Mapped[UUID | None] = f.ref(
        "auth.team", default=None, index=False, once=True, help="The team that sees it; changed by assign."
    )
    territory_id: Mapped[UUID | None] = f.ref(
        "crm.territory", default=None, index=False, once=True, help="The part of the market it lies in; changed by assign."
    )
