"""Who is joined to whom across services, as data: neither service knows the other, and both sides lead to each other.

Each `*.toml` here is one joint, of any number of links:

    [[link]]
    from = "crm.deal"           the entity that holds the key
    key = "owner_id"            its field with the id
    to = "auth.user"            the entity whose id that is
    one = "owner"               what a record of `from` calls it; left out where the field is a declared reference, which has a name
    back = "deals"              what a record of `to` calls those that hold its id
    cardinality = "many"        how many those are: "many" (pages of them), or "one" (the field is unique)
    by = "email"                where the key holds no id but another unique field of `to`: that one; then `back` alone is there
    among = ["crm.lead"]        where the id may be of several entities of one service: these, and `to` is what they are called together
    help = "…"                  what is said of `back`

A file may say besides, any number of times, how a field is part of the graph that the services make together (see `exposure`):

    [[expose]]
    of = "crm.deal.amount"      a field or a reference of an entity
    labels = ["partner"]        words by which those who share the graph choose parts of it
    internal = true             for the services among themselves: whoever asks the graph does not find it
    moved_from = "sales"        the service that has answered it before, from whom this one takes it over
    copies = {name = "owner_name"}  of a reference to another service's record: its fields of which this entity keeps a copy, and in which field

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
from nexus.links.exposure import Exposure

__all__ = ["BadLink", "Exposure", "Link", "checked", "exposures", "links", "read"]

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
    by: Word = "id"
    among: tuple[Name, ...] = ()
    help: str = ""

    def __str__(self) -> str:
        return f"{self.holder}.{self.key} → {self.to}"

    @property
    def targets(self) -> tuple[str, ...]:
        """The entities that lead back."""
        return self.among or (self.to,)

    @property
    def forward(self) -> str:
        """What a record of `from` calls the other."""
        return self.one or self.key.removesuffix("_id")


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    link: tuple[Link, ...] = ()
    expose: tuple[Exposure, ...] = ()


@functools.lru_cache(maxsize=1)
def links() -> tuple[Link, ...]:
    """The links between the services that are installed. Raises BadLink."""
    known: dict[str, type[Entity]] = {mapper.class_.entity_name(): mapper.class_ for mapper in Entity.registry.mappers}
    return checked(read(FOLDER), known)


@functools.lru_cache(maxsize=1)
def exposures() -> tuple[Exposure, ...]:
    """What is said of fields of the services that are installed. Raises BadLink."""
    known: dict[str, type[Entity]] = {mapper.class_.entity_name(): mapper.class_ for mapper in Entity.registry.mappers}
    found: list[Exposure] = []
    for file, one in _files(FOLDER):
        for exposure in one.expose:
            for wrong in exposure.wrong(known):
                raise BadLink(file, f"{exposure.of}: {wrong}")
            found.append(exposure)
    return tuple(found)


def read(folder: Path) -> Iterator[tuple[str, Link]]:
    """The links of a folder with the names of their files. Raises BadLink where one cannot be read."""
    for file, found in _files(folder):
        for link in found.link:
            yield file, link


def _files(folder: Path) -> Iterator[tuple[str, _File]]:
    for file in sorted(folder.glob("*.toml")):
        try:
            yield file.name, msgspec.convert(tomllib.loads(file.read_text(encoding="utf-8")), _File)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
            raise BadLink(file.name, str(error)) from None


def checked(given: Iterable[tuple[str, Link]], entities: Mapping[str, type[Entity]]) -> tuple[Link, ...]:
    """The links, each of which joins what is there. Raises BadLink."""
    taken: dict[tuple[str, str], str] = {}
    found: list[Link] = []
    for file, link in given:
        for wrong in _wrong(link, entities):
            raise BadLink(file, f"{link}: {wrong}")
        for side in (*((name, link.back) for name in link.targets), *([(link.holder, link.one)] if link.one else [])):
            if side in taken:
                raise BadLink(file, f"{link}: {side[0]} has the name {side[1]} from {taken[side]} already")
            taken[side] = str(link)
        found.append(link)
    return tuple(found)


def _wrong(link: Link, entities: Mapping[str, type[Entity]]) -> Iterator[str]:
    """What keeps a link from joining."""
    for name in (link.holder, *link.targets):
        if name not in entities:
            yield f"there is no entity {name}; there are {', '.join(sorted(entities))}"
    holder, targets = entities[link.holder], [entities[name] for name in link.targets]
    if holder.service() in {target.service() for target in targets}:
        yield "both are of one service: declare a reference there"
    columns = table_of(holder).c
    if link.key not in columns:
        yield f"{link.holder} has no field {link.key}; it has {', '.join(sorted(columns.keys()))}"
    known = facts(columns[link.key])
    if link.among:
        yield from _wrong_among(link, known, entities)
    else:
        yield from _wrong_key(link, known) if link.by == "id" else _wrong_by(link, known, targets[0])
    if link.cardinality == "one" and not known.unique:
        yield f"{link.key} is not unique, so that many may hold one {link.by}"
    for target in targets:
        if link.back in _names(target):
            yield f"{target.entity_name()} has a field {link.back} of its own"
    if link.one in _names(holder):
        yield f"{link.holder} has a field {link.one} of its own"


def _wrong_among(link: Link, known: Facts, entities: Mapping[str, type[Entity]]) -> Iterator[str]:
    if link.to in entities:
        yield f"{link.to} is an entity: several together have a name of their own"
    if {name.partition(".")[0] for name in link.among} != {link.to.partition(".")[0]}:
        yield f"what is called {link.to} together is of that service"
    if known.kind != "uuid":
        yield f"{link.key} is {known.kind}, and no id that could be of several entities"
    if link.one or link.by != "id":
        yield "what leads to several entities leads back alone, by the id"


def _wrong_key(link: Link, known: Facts) -> Iterator[str]:
    if known.kind not in ("uuid", "ref"):
        yield f"{link.key} is {known.kind}, not an id"
    if known.kind == "ref" and known.refers_to != link.to:
        yield f"{link.key} refers to {known.refers_to}, not to {link.to}"
    if known.kind == "ref" and link.one:
        yield f"{link.key} is a declared reference and has its name: leave out one"
    if known.kind == "uuid" and not link.one:
        yield f"say with one what {link.holder} calls it"


def _wrong_by(link: Link, known: Facts, target: type[Entity]) -> Iterator[str]:
    columns = table_of(target).c
    if link.by not in columns:
        yield f"{link.to} has no field {link.by}; it has {', '.join(sorted(columns.keys()))}"
    by = facts(columns[link.by])
    if by.kind not in ("text", "email", "phone", "url"):
        yield f"{link.by} is {by.kind}, and no text by which a record can be found"
    if not by.unique:
        yield f"{link.by} of {link.to} is not unique, so that it names no one record"
    if by.kind != known.kind:
        yield f"{link.key} is {known.kind}, and {link.by} of {link.to} is {by.kind}"
    if link.one:
        yield f"a link by {link.by} leads back alone: leave out one"


def _names(entity: type[Entity]) -> set[str]:
    """The fields of an entity and its references."""
    fields = [column.name for column in table_of(entity).c]
    return {*fields, *(name.removesuffix("_id") for name in fields)}
