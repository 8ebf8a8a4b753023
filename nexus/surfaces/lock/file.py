"""Reading and writing `surfaces.lock`: JSON with one field, word, operation or topic a line, so that a change shows as the lines it is."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from nexus.core.service import Service
from nexus.surfaces.kept import kept
from nexus.surfaces.lock.declared import declared
from nexus.surfaces.lock.merging import merged
from nexus.surfaces.lock.model import Lock

NAME: Final = "surfaces.lock"
_FLAT: Final = {"operations", "topics", "fields"}
"""Members whose values are written on one line each."""


class BadLock(Exception):
    """A lock cannot be read; the message says which and why."""


def lock_file(package: str) -> Path:
    """Where the lock of a package lies: in its folder."""
    spec = importlib.util.find_spec(package)
    assert spec is not None and spec.submodule_search_locations, f"{package} is a package"
    return Path(next(iter(spec.submodule_search_locations))) / NAME


def read(file: Path) -> Lock | None:
    """The lock in a file, None where there is none. Raises BadLock."""
    if not file.exists():
        return None
    try:
        return msgspec.json.decode(file.read_bytes(), type=Lock)
    except msgspec.MsgspecError as error:
        raise BadLock(f"{file} is no lock: {error}") from None


@kept
def promised(service: Service) -> Lock:
    """What a service promises: its lock, or for one without a lock, such as a test's, what it declares."""
    return read(lock_file(service.package)) or fresh(declared(service))


def fresh(now: Lock) -> Lock:
    """The first lock of some shapes."""
    return merged(Lock(service=now.service), now)


def written(lock: Lock) -> str:
    """A lock as its file holds it."""
    return "".join(_object(cast(dict[str, Any], msgspec.to_builtins(lock)), "")) + "\n"


def _object(value: dict[str, Any], indent: str, flat: bool = False) -> Iterator[str]:
    inner = indent + "  "
    yield "{"
    for place, (name, one) in enumerate(value.items()):
        yield f"{',' if place else ''}\n{inner}{_line(name)}: "
        if isinstance(one, dict) and one and not flat:
            yield from _object(cast(dict[str, Any], one), inner, name in _FLAT)
        else:
            yield _line(one)
    yield f"\n{indent}}}"


def _line(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=0).decode()
