"""One graph made of the services' own: composed by the reference composer, whose errors are told with the declarations that cause them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from nexus.gateway.federation.toolbox import Toolbox

_COORDINATE: Final = re.compile(r'"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)?)')
_SUBGRAPH: Final = re.compile(r'^\[([\w-]+)\]|subgraphs? ((?:"[\w-]+"(?:, | and | or )?)+)')

Where: TypeAlias = Callable[[str, str], str | None]
"""Where a service declares a type or a field (`Deal`, `Deal.owner`) of its schema, as file:line."""


@dataclass(frozen=True, slots=True)
class Subgraph:
    """What one service adds to the graph, and where it is asked."""

    name: str
    url: str
    sdl: str


@dataclass(frozen=True, slots=True)
class CompositionError:
    """What keeps the schemas from being one."""

    code: str
    message: str
    declarations: tuple[str, ...] = ()
    """Where what it is about is declared: `nexus/services/crm/entities/deals.py:12 (crm: Deal.owner)`."""

    def __str__(self) -> str:
        return "\n".join([f"{self.code}: {self.message}", *(f"    {one}" for one in self.declarations)])


class CompositionFailed(Exception):
    """The services' schemas are not one graph; the message has every error with its declarations."""

    def __init__(self, errors: Sequence[CompositionError]) -> None:
        super().__init__("\n".join(map(str, errors)))
        self.errors = list(errors)


def compose(toolbox: Toolbox, subgraphs: Iterable[Subgraph], where: Where = lambda service, coordinate: None) -> str:
    """The supergraph. Raises CompositionFailed, and NodeFailed where the composer itself fails."""
    given = list(subgraphs)
    answer = toolbox.ask("compose.mjs", [{"name": one.name, "url": one.url, "sdl": one.sdl} for one in given])
    if "errors" in answer:
        names = [one.name for one in given]
        raise CompositionFailed([_told(one["code"], one["message"], names, where) for one in answer["errors"]])
    supergraph: str = answer["supergraph"]
    return supergraph


def _told(code: str, message: str, services: Sequence[str], where: Where) -> CompositionError:
    """The error with the declarations of what it names, in the services that it names; in all of them where it names none."""
    named = [name for name in services if name in _services_in(message)]
    found: list[str] = []
    for coordinate in dict.fromkeys(_COORDINATE.findall(message)):
        for service in named or services:
            place = where(service, coordinate)
            if place is not None:
                found.append(f"{place} ({service}: {coordinate})")
    return CompositionError(code, message, tuple(found))


def _services_in(message: str) -> set[str]:
    found: set[str] = set()
    for bracketed, quoted in _SUBGRAPH.findall(message):
        found |= {bracketed} if bracketed else set(re.findall(r'"([\w-]+)"', quoted))
    return found
