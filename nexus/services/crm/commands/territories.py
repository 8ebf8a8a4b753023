"""The tree of territories."""

from __future__ import annotations

import re
from typing import Final
from uuid import UUID

from nexus.core import FieldError, Invalid, Problem, Tx, case, func, handles, select, update
from nexus.services.crm.api import CreateTerritory, MoveTerritory, TerritoryCreated, TerritoryMoved
from nexus.services.crm.entities import Territory
from nexus.services.crm.rules.trees import OwnAncestor, hold

DEEPEST: Final = 50
"""Levels of the tree: what a lineage has room for."""
_LEVEL: Final = 37
"""Characters that one level adds to a lineage."""


class TooDeep(Problem, status=422):
    """Territories lie at most {levels} levels deep."""

    levels: int


@handles(CreateTerritory, needs="crm.territory:create")
async def create_territory(cmd: CreateTerritory, tx: Tx) -> TerritoryCreated:
    if len(cmd.name) > 120:
        raise Invalid.of(FieldError("name", "has more than 120 characters"))
    if cmd.key is not None and not re.fullmatch(r"[a-z][a-z0-9_]{0,47}", cmd.key):
        raise Invalid.of(FieldError("key", "is up to 48 lower-case letters, digits and underscores, and begins with a letter"))
    above = await _below_which(cmd.parent_id, tx)
    territory = Territory(key=cmd.key, name=cmd.name, parent_id=cmd.parent_id, lineage="", manager_id=cmd.manager_id)
    territory.lineage = f"{above}{territory.id}/"
    _fits(len(territory.lineage))
    tx.add(territory)
    return tx.emit(TerritoryCreated(territory_id=territory.id, name=territory.name, parent_id=territory.parent_id))


async def _below_which(parent_id: UUID | None, tx: Tx) -> str:
    """The lineage of the parent, which nobody moves meanwhile."""
    if parent_id is None:
        return ""
    await tx.get(Territory, parent_id)
    await hold(Territory, [parent_id], tx)
    return (await tx.get(Territory, parent_id, lock=True)).lineage


def _fits(length: int) -> None:
    if length > DEEPEST * _LEVEL:
        raise TooDeep(levels=DEEPEST)


@handles(MoveTerritory, needs="crm.territory:move")
async def move_territory(cmd: MoveTerritory, tx: Tx) -> TerritoryMoved:
    ends = [cmd.territory_id, *([cmd.parent_id] if cmd.parent_id else [])]
    for id in ends:
        await tx.get(Territory, id)
    await hold(Territory, ends, tx)
    territory = await tx.get(Territory, cmd.territory_id, lock=True)
    parent = await tx.get(Territory, cmd.parent_id, lock=True) if cmd.parent_id else None
    moved = TerritoryMoved(territory_id=territory.id, parent_id=cmd.parent_id)
    if territory.parent_id == cmd.parent_id:
        return moved
    if parent is not None and parent.lineage.startswith(territory.lineage):
        raise OwnAncestor(kind="territory", name=parent.name)
    await _rewrite(territory, parent, tx)
    return tx.emit(moved)


async def _rewrite(territory: Territory, parent: Territory | None, tx: Tx) -> None:
    """Give the territory and all below it their new lineage, in one statement."""
    old, new = territory.lineage, f"{parent.lineage if parent else ''}{territory.id}/"
    below = Territory.lineage.startswith(old)
    (deepest,) = await tx.rows(select(func.max(func.length(Territory.lineage)).label("length")).where(below))
    _fits(int(deepest["length"]) - len(old) + len(new))
    await tx.execute(
        update(Territory)
        .where(below)
        .values(
            parent_id=case((Territory.id == territory.id, parent.id if parent else None), else_=Territory.parent_id),
            lineage=func.concat(new, func.substr(Territory.lineage, len(old) + 1)),
            version=Territory.version + 1,
            updated_at=func.now(),
            updated_by=tx.actor.id,
        )
    )
