"""Who is joined to whom across services, as data: neither service knows the other, and both sides lead to each other.

Each `*.toml` here is one joint, of any number of links:

    [[link]]
    from = "crm.deal"           the entity that holds the key
    key = "owner_id"            its field with the id
    to = "auth.user"            the entity whose id that is
    one = "owner"               what a record of `from` calls it; left out where the field is a declared reference, which has a name
    back = "deals"              what a record of `to` calls those that hold its id
    cardinality = "many"        how many those are: "many" (pages of them), or "one" (the field is unique)
    help = "…"                  what is said of `back`

GraphQL has both sides as fields, in one process and apart: the service that holds the key answers them, by the other's id.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from nexus.core.entity import Entity, facts, table_of
from nexus.core.fields import Facts

__all__ = ["BadLink", "Link", "checked", "links", "read"]

FOLDER: Final = Path(__file__).parent
Word = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*$")]
Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$")]


class BadLink(Exception):
    """A link joins what is not there, or cannot be joined so; the message names the file and what is wrong in it."""

    def __init__(self, file: str, what: str) -> None:
        super().__init__(f"nexus/links/{file}: {what}")


class Link(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An entity of one service holds the id of an entity of another one."""

    holder: Name = msgspec.field(name="from")
    key: Word
    to: Name
    back: Word
    one: Word | None = None
    cardinality: Literal["many", "one"] = "many"
    help: str = ""

    def __str__(self) -> str:
        return f"{self.holder}.{self.key} → {self.to}"

    @property
    def forward(self) -> str:
        """What a record of `from` calls the other."""
        return self.one or self.key.removesuffix("_id")


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    link: tuple[Link, ...]


@functools.lru_cache(maxsize=1)
def links() -> tuple[Link, ...]:
    """The links between the services that are installed. Raises BadLink."""
    known: dict[str, type[Entity]] = {mapper.class_.entity_name(): mapper.class_ for mapper in Entity.registry.mappers}
    return checked(read(FOLDER), known)


def read(folder: Path) -> Iterator[tuple[str, Link]]:
    """The links of a folder with the names of their files. Raises BadLink where one cannot be read."""
    for file in sorted(folder.glob("*.toml")):
        try:
            found = msgspec.convert(tomllib.loads(file.read_text(encoding="utf-8")), _File)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
            raise BadLink(file.name, str(error)) from None
        for link in found.link:
            yield file.name, link


def checked(given: Iterable[tuple[str, Link]], entities: Mapping[str, type[Entity]]) -> tuple[Link, ...]:
    """The links, each of which joins what is there. Raises BadLink."""
    taken: dict[tuple[str, str], str] = {}
    found: list[Link] = []
    for file, link in given:
        for wrong in _wrong(link, entities):
            raise BadLink(file, f"{link}: {wrong}")
        for side in ((link.to, link.back), *([(link.holder, link.one)] if link.one else [])):
            if side in taken:
                raise BadLink(file, f"{link}: {side[0]} has the name {side[1]} from {taken[side]} already")
            taken[side] = str(link)
        found.append(link)
    return tuple(found)


def _wrong(link: Link, entities: Mapping[str, type[Entity]]) -> Iterator[str]:
    """What keeps a link from joining."""
    for name in (link.holder, link.to):
        if name not in entities:
            yield f"there is no entity {name}; there are {', '.join(sorted(entities))}"
    holder, target = entities[link.holder], entities[link.to]
    if holder.service() == target.service():
        yield "both are of one service: declare a reference there"
    columns = table_of(holder).c
    if link.key not in columns:
        yield f"{link.holder} has no field {link.key}; it has {', '.join(sorted(columns.keys()))}"
    known = facts(columns[link.key])
    yield from _wrong_key(link, known)
    names = _names(target)
    if link.back in names:
        yield f"{link.to} has a field {link.back} of its own"
    if link.one in _names(holder):
        yield f"{link.holder} has a field {link.one} of its own"


def _wrong_key(link: Link, known: Facts) -> Iterator[str]:
    if known.kind not in ("uuid", "ref"):
        yield f"{link.key} is {known.kind}, not an id"
    if known.kind == "ref" and known.refers_to != link.to:
        yield f"{link.key} refers to {known.refers_to}, not to {link.to}"
    if known.kind == "ref" and link.one:
        yield f"{link.key} is a declared reference and has its name: leave out one"
    if known.kind == "uuid" and not link.one:
        yield f"say with one what {link.holder} calls it"
    if link.cardinality == "one" and not known.unique:
        yield f"{link.key} is not unique, so that many may hold one id"


def _names(entity: type[Entity]) -> set[str]:
    """The fields of an entity and its references."""
    fields = [column.name for column in table_of(entity).c]
    return {*fields, *(name.removesuffix("_id") for name in fields)}
