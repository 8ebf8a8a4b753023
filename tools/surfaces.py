"""Write what every service promises: its `surfaces.lock`, and the .proto file of its gRPC.

python -m tools.surfaces                       writes what is stale, unless a promise would be broken
python -m tools.surfaces --accept crm.Lead.x   breaks this promise on purpose; its number stays reserved
python -m tools.surfaces --only crm            writes those of one service
python -m tools.surfaces --check               only compares
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from nexus.core.service import installed
from nexus.surfaces.grpc.asked import shared_now
from nexus.surfaces.grpc.descriptors import file_name, file_of
from nexus.surfaces.grpc.messages import Schema
from nexus.surfaces.grpc.proto import text_of
from nexus.surfaces.grpc.words import docs_of
from nexus.surfaces.lock import Lock, breaches, declared, lock_file, merged, read, written
from nexus.surfaces.lock.places import place

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "proto"


@dataclass(frozen=True)
class Surface:
    """What one service promises: as it is locked, as it is declared, and what its files should hold."""

    file: Path
    was: Lock
    now: Lock
    lock: Lock
    texts: dict[Path, str]

    def broken(self, accepted: set[str]) -> list[str]:
        """Every promise that is no longer kept and was not given up, with the line that does it."""
        return [
            f"{place(one.source, one.field, ROOT)}: {one.what} {one.why}"
            for one in breaches(self.was, self.now)
            if one.what not in accepted
        ]

    def stale(self) -> list[Path]:
        """The files that do not say what is declared."""
        return [path for path, text in self.texts.items() if not path.exists() or path.read_text(encoding="utf-8") != text]


def surfaces() -> Iterator[Surface]:
    """Of the messages that all share, and of every service."""
    yield _surface(lock_file("nexus.surfaces.grpc"), shared_now(), {})
    for service in installed().values():
        now = declared(service)
        yield _surface(lock_file(service.package), now, docs_of(now, service))


def _surface(file: Path, now: Lock, docs: dict[str, str]) -> Surface:
    was = read(file) or Lock(service=now.service)
    lock = merged(was, now)
    proto = text_of(file_of(lock), docs or docs_of(lock))
    return Surface(file, was, now, lock, {file: written(lock), PROTO / file_name(lock): proto})


def clash(locks: Iterable[Lock]) -> str | None:
    """What keeps the messages and services of all from being one schema, such as two of one name: no process would start."""
    try:
        Schema(locks)
    except TypeError as error:
        return str(error)
    return None


def orphans(found: list[Surface]) -> list[Path]:
    """Files of services that are gone."""
    wanted = {path for one in found for path in one.texts}
    return sorted(path for path in PROTO.rglob("*.proto") if path not in wanted)


def main(arguments: list[str]) -> int:
    """Write, or with `--check` say what is wrong."""
    asked = argparse.ArgumentParser(prog="python -m tools.surfaces", description="Write what every service promises.")
    asked.add_argument("--check", action="store_true", help="only compare")
    asked.add_argument(
        "--accept", action="append", default=[], metavar="NAME", help="a promise to break on purpose, as the refusal names it"
    )
    asked.add_argument("--only", metavar="SERVICE", help="the files of one service")
    given = asked.parse_args(arguments)
    everything = list(surfaces())
    found = [one for one in everything if given.only in (None, one.now.service)]
    if (why := clash(one.lock for one in everything)) is not None:
        print(f"No process could serve this over gRPC: {why}")
        return 1
    broken = [line for one in found for line in one.broken(set(given.accept))]
    if broken:
        print("\n".join(broken))
        print("What callers rely on would break. Keep it, or give it up on purpose: python -m tools.surfaces --accept NAME")
        return 1
    stale = [path for one in found for path in one.stale()]
    gone = [] if given.only else orphans(found)
    if given.check:
        for path in [*stale, *gone]:
            print(f"{path.relative_to(ROOT)} is stale: run make surfaces")
        return 1 if stale or gone else 0
    for one in found:
        for path in one.stale():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(one.texts[path], encoding="utf-8")
    for path in gone:
        path.unlink()
    for path in [*stale, *gone]:
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
