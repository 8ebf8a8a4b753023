"""Migrations: what takes the tables of a service from one version to the next, compiled once for all tenants.

A service's versions are the files `migrations/NNNN_<name>.sql` of its folder, `{s}` standing for the tenant's schema and for its role,
which has the same name. Version 1 is made from the declarations (`initial`); a service without the folder has only that one. A file has up
to three parts:

    -- expand      adds what the next code needs; the code before it must go on working
    -- backfill    one UPDATE, INSERT or DELETE that changes a bounded number of rows: run again and again, each time in a
                   transaction of its own, until it changes none
    -- enforce     what may hold only now: NOT NULL, checks, dropping what nobody reads any more

A line `-- leaves crm_lead.nickname` before the first heading says what the code of the version before still reads: a later version drops it.

Each part is one transaction together with the row in nexus_cell.tenant_service that says it is done. A new tenant has no rows: it gets
everything but the backfills in the transaction that makes it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Final, Literal, cast

from nexus.core.service import Service
from nexus.surfaces.tables import grants, script, table_names

Kind = Literal["expand", "backfill", "enforce"]

_FILE: Final = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_HEADING: Final = re.compile(r"^-- (expand|backfill|enforce)[ \t]*$", re.MULTILINE)
_ORDER: Final = ("expand", "backfill", "enforce")


class MigrationError(Exception):
    """The files of a service's migrations contradict each other or the rules above."""


@dataclass(frozen=True, slots=True)
class Part:
    """One transaction on the way to `version`; `number` counts from 0 within it."""

    version: int
    number: int
    kind: Kind
    sql: str
    last: bool
    """After it the service is at `version`."""


def initial(service: Service) -> str:
    """Version 1 of a service as its declarations have it: tables, indexes, and one grant per table."""
    names = table_names(service)
    text = script(service) + (grants(names) if names else "")
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


@functools.cache
def parts(service: Service) -> tuple[Part, ...]:
    """All parts of all versions, in order. Raises MigrationError."""
    files = _files(service)
    if not files:
        return (Part(1, 0, "expand", initial(service), True),)
    if sorted(files) != list(range(1, len(files) + 1)):
        raise MigrationError(f"{service.name}: the versions {sorted(files)} are not 1, 2, 3 …")
    return tuple(part for version in sorted(files) for part in parse(version, files[version]))


def _files(service: Service) -> dict[int, str]:
    folder = resources.files(service.package).joinpath("migrations")
    if not folder.is_dir():
        return {}
    found: dict[int, str] = {}
    for file in folder.iterdir():
        if (named := _FILE.fullmatch(file.name)) is None:
            continue
        if int(named[1]) in found:
            raise MigrationError(f"{service.name}: there are two files of version {int(named[1])}")
        found[int(named[1])] = file.read_text(encoding="utf-8")
    return found


def parse(version: int, text: str) -> list[Part]:
    """The parts of one file; a file without headings is one `expand`. Raises MigrationError."""
    pieces = _HEADING.split(text)
    if pieces[0].strip() and len(pieces) > 1 and not all(line.startswith("--") or not line.strip() for line in pieces[0].splitlines()):
        raise MigrationError(f"version {version}: there is SQL before the first heading")
    named = list(zip(pieces[1::2], pieces[2::2], strict=True)) or [("expand", text)]
    kinds = [kind for kind, _ in named]
    if sorted(kinds, key=_ORDER.index) != kinds or len(set(kinds)) != len(kinds):
        raise MigrationError(f"version {version}: the parts are {', '.join(_ORDER)}, each once and in this order")
    for kind, sql in named:
        if kind == "backfill" and all(line.startswith("--") or not line.strip() for line in sql.splitlines()):
            raise MigrationError(f"version {version}: its backfill is not written yet")
    filled = [(kind, sql) for kind, sql in named if sql.strip()]
    return [Part(version, at, cast(Kind, kind), sql, at == len(filled) - 1) for at, (kind, sql) in enumerate(filled)]


def latest(service: Service) -> int:
    """The version that this code works with."""
    return parts(service)[-1].version


def following(service: Service, version: int, done: int) -> Part | None:
    """The part that comes next for tables at `version` with `done` parts of the next one behind them; None at the end."""
    return next((part for part in parts(service) if part.version == version + 1 and part.number == done), None)


@functools.cache
def from_nothing(service: Service, version: int | None = None) -> str:
    """Everything that makes the tables of a service at a version (by default the latest) where there are no rows, and says so in its row."""
    version = latest(service) if version is None else version
    made = "".join(f"{part.sql}\n" for part in parts(service) if part.kind != "backfill" and part.version <= version)
    return made + (
        f"INSERT INTO nexus_cell.tenant_service (tenant, service, version) VALUES ('{{s}}', '{service.name}', {version})"
        " ON CONFLICT (tenant, service) DO UPDATE SET version = excluded.version, part = 0, at = clock_timestamp(), error = NULL,"
        " error_at = NULL;\n"
    )


def versions_key(services: Iterable[Service]) -> str:
    """Which services at which versions, as text: what a tenant made in advance is matched by."""
    return " ".join(f"{service.name}:{latest(service)}" for service in sorted(services, key=lambda one: one.name))


def with_needs(names: Iterable[str], services: Mapping[str, Service]) -> list[Service]:
    """The installed services among `names` with those they need, in the order in which their tables can be made."""
    wanted: set[str] = set()
    waiting = [name for name in names if name in services]
    while waiting:
        name = waiting.pop()
        if name not in wanted:
            wanted.add(name)
            waiting.extend(services[name].needs)
    return [service for name, service in services.items() if name in wanted]
