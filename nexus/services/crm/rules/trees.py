"""Trees of accounts and of territories: nothing is ever part of itself, whoever else moves something at the same time.

Whoever changes a tree first locks its root. Two changes that could make a circle together concern the same trees, so one of them waits and then reads what
the other one has done.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final
from uuid import UUID

from nexus.core import Conflict, Problem, Tx, among, select
from nexus.core.entity import table_of
from nexus.services.crm.entities import Account, Territory

Parents = Mapping[UUID, UUID | None]
"""The parent of each record, for some records and all above them."""

_ATTEMPTS: Final = 5


class OwnAncestor(Problem, status=409):
    """The {kind} would be part of itself: {name} lies below it."""

    kind: str
    name: str


class TreeChanges(Conflict):
    """Others keep moving this part of the tree: try again."""

    reason: str = ""


async def parents(kind: type[Account] | type[Territory], ids: Iterable[UUID], tx: Tx) -> Parents:
    """The parents of some records, of those, and so on to the top."""
    table = table_of(kind)
    name = "parent_account_id" if kind is Account else "parent_id"
    start = select(table.c.id, table.c[name].label("parent")).where(among(table.c.id, ids)).cte("line", recursive=True)
    over = table.alias()
    line = start.union(select(over.c.id, over.c[name]).where(over.c.id == start.c.parent))
    rows = await tx.rows(select(line.c.id, line.c.parent))
    return {UUID(row["id"]): UUID(row["parent"]) if row["parent"] else None for row in rows}


def above(id: UUID | None, known: Parents) -> list[UUID]:
    """A record and all above it, from below."""
    line: list[UUID] = []
    while id is not None and id not in line:
        line.append(id)
        id = known.get(id)
    return line


async def hold(kind: type[Account] | type[Territory], ids: Iterable[UUID], tx: Tx) -> Parents:
    """Keep the trees of some records as they are until the end, and say how they are. The records themselves are locked too.

    TreeChanges (409) where they never stand still.
    """
    wanted, held = set(ids), set[UUID]()
    known = await parents(kind, wanted, tx)
    for _ in range(_ATTEMPTS):
        needed = wanted | {above(id, known)[-1] for id in wanted}
        if needed <= held:
            return known
        held |= needed
        await tx.rows(select(kind.id).where(among(kind.id, held)).order_by(kind.id).with_for_update())
        known = await parents(kind, wanted, tx)
    raise TreeChanges()
