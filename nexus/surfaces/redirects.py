"""Where merged records went: the id of one that is gone leads to its survivor, for whoever may see that one."""

from __future__ import annotations

import sqlalchemy as sa

from nexus.core.entity import Entity
from nexus.core.problem import Conflict
from nexus.surfaces.kept import kept
from nexus.surfaces.permissions import Rights
from nexus.surfaces.shapes import by_name, shape_of
from nexus.surfaces.sql import Compiled, compiled


class Merged(Conflict):
    """This {kind} was merged into {into}: use that id."""

    kind: str
    into: str
    reason: str = ""


@kept
def survivor_statement(entity: type[Entity], rights: Rights | None) -> Compiled | None:
    """The id that `:id` leads to, if the caller sees the record there; None where the entity does not merge."""
    trace = by_name(f"{entity.service()}.redirect") if entity.merges else None
    if trace is None:
        return None
    went, shape = trace.table, shape_of(entity)
    seen = None if rights is None else rights.sight(entity)
    statement = (
        sa.select(went.c.to_id)
        .select_from(went.join(shape.table, shape.table.c.id == went.c.to_id))
        .where(went.c.from_id == sa.bindparam("id", type_=sa.Uuid()), went.c.entity == shape.name)
    )
    return compiled(statement if seen is None else statement.where(seen))
