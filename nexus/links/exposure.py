"""How a field is part of the graph that the services make together, beyond what its declaration says of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from nexus.core.entity import Entity, facts, table_of

Label = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]*$")]


class Exposure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is said of one field or reference."""

    of: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$")]
    labels: tuple[Label, ...] = ()
    internal: bool = False
    moved_from: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*$")] | None = None
    copies: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])

    @property
    def entity(self) -> str:
        return self.of.rpartition(".")[0]

    @property
    def field(self) -> str:
        return self.of.rpartition(".")[2]

    def wrong(self, entities: Mapping[str, type[Entity]]) -> Iterator[str]:
        """What keeps it from being so."""
        if self.entity not in entities:
            yield f"there is no entity {self.entity}"
        columns = table_of(entities[self.entity]).c
        if self.field not in columns:
            yield f"{self.entity} has no field {self.field}; it has {', '.join(sorted(columns.keys()))}"
        if self.field == "id" and (self.internal or self.moved_from):
            yield "by its id a record is known to all"
        refers_to = facts(columns[self.field]).refers_to or ""
        if self.copies and (refers_to not in entities or refers_to.partition(".")[0] == self.entity.partition(".")[0]):
            yield f"{self.field} is no reference to a record of another service, of which there could be copies"
        for name, own in self.copies.items():
            if name not in table_of(entities[refers_to]).c:
                yield f"{refers_to} has no field {name}"
            if own not in columns:
                yield f"{self.entity} has no field {own}"
