"""The graph: its types and fields as data, with what each field stands for; the SDL, the library's schema and the compiler all read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

__all__ = ["SHAREABLE", "Argument", "Directive", "Graph", "Kind", "Member", "inner"]


@dataclass(frozen=True, slots=True)
class Directive:
    """A directive applied to a type or a field; its arguments as JSON has them."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])


SHAREABLE: Final = Directive("shareable")
"""On values, which have no key: several services may answer the same one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """An argument of a field."""

    name: str
    type: str
    doc: str = ""
    default: str | None = None
    """As SDL writes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A field of an object, an interface or an input."""

    name: str
    type: str
    doc: str = ""
    source: Any = None
    """What it stands for: see `sources`."""
    arguments: tuple[Argument, ...] = ()
    directives: tuple[Directive, ...] = ()


@dataclass(slots=True, kw_only=True)
class Kind:
    """A named type."""

    name: str
    kind: Literal["object", "interface", "union", "enum", "input", "scalar"]
    doc: str = ""
    members: dict[str, Member] = field(default_factory=dict[str, Member])
    words: dict[str, str] = field(default_factory=dict[str, str])
    """Of an enumeration: what each of its values stands for."""
    of: tuple[str, ...] = ()
    """Of a union: its types. Of an object: the interfaces it has."""
    directives: tuple[Directive, ...] = ()
    origin: str = ""
    """The declaration it is derived from: `nexus.services.crm.entities.deals.Deal`."""
    source: Any = None
    elsewhere: bool = False
    """Of a record: it is another service's, and its id is all that is known of it here."""

    def add(self, member: Member) -> None:
        """Add a field; TypeError where the name is taken."""
        if member.name in self.members:
            raise TypeError(f"{self.name} ({self.origin}) has two fields named {member.name}")
        self.members[member.name] = member


class Graph:
    """All types of an endpoint."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.kinds: dict[str, Kind] = {}
        self.query = self.add(Kind(name="Query", kind="object", doc="What can be asked."))
        self.mutation = self.add(Kind(name="Mutation", kind="object", doc="What can be done. Fields are done one after the other."))
        self.subscription = self.add(Kind(name="Subscription", kind="object", doc="What can be listened to."))
        self.federated = False
        """Whether it is a subgraph that a gateway composes with others."""

    def add(self, kind: Kind) -> Kind:
        """Add a type; TypeError where another declaration has its name."""
        known = self.kinds.setdefault(kind.name, kind)
        if known is not kind and known.origin != kind.origin:
            raise TypeError(f"{kind.origin} and {known.origin} are both called {kind.name} in GraphQL: rename one of them")
        return known

    def __getitem__(self, name: str) -> Kind:
        return self.kinds[name]

    def get(self, name: str) -> Kind | None:
        """A type by its name; None for GraphQL's own scalars."""
        return self.kinds.get(name)

    def __contains__(self, name: str) -> bool:
        return name in self.kinds

    def __iter__(self) -> Iterator[Kind]:
        """The types that are not empty."""
        return (kind for kind in self.kinds.values() if kind.members or kind.kind not in ("object", "input"))

    def possible(self, name: str) -> frozenset[str]:
        """The object types that a type condition holds for."""
        kind = self.kinds.get(name)
        if kind is None:
            return frozenset()
        if kind.kind == "union":
            return frozenset(kind.of)
        if kind.kind == "interface":
            return frozenset(one.name for one in self.kinds.values() if one.kind == "object" and name in one.of)
        return frozenset((name,))


def inner(type_: str) -> str:
    """The name in a type: `CrmDeal` of `[CrmDeal!]!`."""
    return type_.strip("[]!")
