"""What there is to compose: industries, modules, sizes, and the services a business can be made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec

from nexus.documents import Key, Name, Part, Sentence, Tree, mapping, read, things

FOLDER = Path(__file__).parent
BASE = "_base"
_NOT_INDUSTRIES = frozenset({"services", "modules", "sizes", "magnitudes"})
_HEAD = ("name", "summary", "version", "aliases")


class Service(Part, frozen=True, kw_only=True):
    """One service of the catalogue; `needs` are services it cannot do without."""

    key: Key
    name: Name
    summary: Sentence
    needs: tuple[Key, ...] = ()


class _Head(Part, frozen=True, kw_only=True):
    key: str
    name: Name
    summary: Sentence
    version: int
    aliases: tuple[Key, ...] = ()
    least: int = msgspec.field(default=0, name="from")


@dataclass(frozen=True, slots=True)
class Layered:
    """An industry, module or size as written: what it is called, and what it lays over a preset."""

    key: str
    name: str
    summary: str
    version: int
    aliases: tuple[str, ...]
    """Other names it is asked for by."""
    least: int
    """Of a size: the fewest employees."""
    lay: Tree


def _layered(document: Tree, lay: Tree) -> Layered:
    head = msgspec.convert(document, _Head)
    return Layered(head.key, head.name, head.summary, head.version, head.aliases, head.least, lay)


def _listed(file: str, what: str) -> dict[str, Layered]:
    document = read(FOLDER / file)
    found: dict[str, Layered] = {}
    for item in things(document[what]):
        rest: Tree = {name: value for name, value in item.items() if name != "lay"}
        layer = _layered(rest | {"version": document["version"]}, mapping(item["lay"]))
        found[layer.key] = layer
    return found


@cache
def services() -> dict[str, Service]:
    """The catalogue by key, in its order."""
    found = msgspec.convert(read(FOLDER / "services.yaml")["services"], tuple[Service, ...])
    return {service.key: service for service in found}


@cache
def industries() -> tuple[str, ...]:
    """The industry presets, by key."""
    names = (path.stem for path in FOLDER.glob("*.yaml"))
    return tuple(sorted(name for name in names if not name.startswith("_") and name not in _NOT_INDUSTRIES))


@cache
def industry_layer(key: str) -> Layered:
    """An industry by its key (or the base). FileNotFoundError where there is none."""
    document = read(FOLDER / f"{key}.yaml")
    head: Tree = {name: document[name] for name in _HEAD if name in document}
    layer: Tree = {name: value for name, value in document.items() if name not in ("version", "aliases")}
    return _layered(head | {"key": key}, layer)


@cache
def aliases() -> dict[str, str]:
    """Every name an industry goes by → its key."""
    return {name: key for key in industries() for name in (key, *industry_layer(key).aliases)}


@cache
def modules() -> dict[str, Layered]:
    """Everything that may be asked for as a module: the named ones, then each service of the catalogue by itself."""
    alone = (Layered(one.key, one.name, one.summary, 1, (), 0, {"services": [one.key]}) for one in services().values())
    return {layer.key: layer for layer in (*alone, *_listed("modules.yaml", "modules").values())}


@cache
def sizes() -> dict[str, Layered]:
    """The bands of employees, smallest first."""
    return _listed("sizes.yaml", "sizes")


def size_of(employees: int) -> str:
    """The band that a number of employees falls into; 0 counts as 1."""
    fitting = [size.key for size in sizes().values() if size.least <= max(employees, 1)]
    return fitting[-1]


def services_with_needs(wanted: Iterable[str]) -> list[str]:
    """The services and all that they need, in the order of the catalogue. KeyError for one that is not in it."""
    found: set[str] = set()
    waiting = list(wanted)
    while waiting:
        key = waiting.pop()
        if key not in found:
            found.add(key)
            waiting.extend(services()[key].needs)
    return [key for key in services() if key in found]
