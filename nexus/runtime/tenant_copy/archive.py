"""The file that a copy of a tenant is kept in: a zip of CSVs that any tool opens, with a manifest that says what must be in it.

manifest.json       what it is of and when, the versions of its tables, and for every other member its rows, bytes and SHA-256
crm_lead.csv …      one member per part, as PostgreSQL writes CSV with a header
"""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import os
import zipfile
import zlib
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import msgspec

from nexus.core.problem import Problem
from nexus.runtime.tenant_copy.reading import BLOCK, Reader

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"

Progress = Callable[[str, int], None]
"""Told the name of a part and the bytes of it that are done, again and again."""


class ArchiveDamaged(Problem, status=422):
    """The archive cannot be used: {reason}"""

    reason: str


class Member(msgspec.Struct, frozen=True):
    """What one member of the archive must be."""

    name: str
    rows: int
    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What an archive says of itself."""

    format: int
    tenant_id: UUID
    slug: str
    exported_at: dt.datetime
    services: dict[str, int]
    """The version of each service's tables."""
    control: dict[str, Any]
    """The tenant's record in the control plane, with its preset, names and features."""
    masked: bool
    handled_events: int
    """How many of the events, in their order, every service had behind it: nobody reacts to them again."""
    members: list[Member]

    @property
    def rows(self) -> int:
        return sum(member.rows for member in self.members)


class ArchiveWriter:
    """Writes members one after the other, then the manifest. Memory is that of one block."""

    def __init__(self, file: zipfile.ZipFile, tell: Progress) -> None:
        self._file = file
        self._tell = tell
        self.members: list[Member] = []

    async def add(self, name: str, reader: Reader) -> None:
        """Write one member."""
        digest, size = hashlib.sha256(), 0
        with self._file.open(f"{name}.csv", "w", force_zip64=True) as out:
            async for block in reader.blocks():
                digest.update(block)
                await asyncio.to_thread(out.write, block)
                size += len(block)
                self._tell(name, size)
        self.members.append(Member(name, reader.rows, size, digest.hexdigest()))

    def finish(self, manifest: Manifest) -> None:
        """The manifest is the last member: without it an archive is none."""
        self._file.writestr(MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=1))


@contextmanager
def written(path: Path, tell: Progress = lambda name, size: None) -> Generator[ArchiveWriter]:
    """A new archive, readable by its owner only, that appears under its name when it is whole. Raises FileExistsError."""
    if path.exists():
        raise FileExistsError(f"{path} is there already")
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as out:
            with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as file:
                yield ArchiveWriter(file, tell)
            out.flush()
            os.fsync(out.fileno())
        os.link(draft, path)
    finally:
        draft.unlink()


class ArchiveReader:
    """An archive that is being read. Raises ArchiveDamaged from everything that finds it so."""

    def __init__(self, file: zipfile.ZipFile) -> None:
        self._file = file
        self.manifest = self._manifest()
        self.members = {member.name: member for member in self.manifest.members}

    def _manifest(self) -> Manifest:
        try:
            manifest = msgspec.json.decode(self._file.read(MANIFEST), type=Manifest)
        except KeyError:
            raise ArchiveDamaged(reason="it has no manifest, so it was never finished.") from None
        except (msgspec.DecodeError, zipfile.BadZipFile) as error:
            raise ArchiveDamaged(reason=f"its manifest cannot be read: {error}") from None
        if manifest.format != FORMAT:
            raise ArchiveDamaged(reason=f"it has format {manifest.format}; this NEXUS reads format {FORMAT}.")
        return manifest

    async def verify(self, tell: Progress = lambda name, size: None) -> None:
        """Read all of it and compare with the manifest, before anybody acts on it."""
        for name in self.members:
            async for _ in self.blocks(name, tell):
                pass

    async def blocks(self, name: str, tell: Progress = lambda name, size: None) -> AsyncIterator[bytes]:
        """A member's content in blocks; after the last one it has been compared with the manifest."""
        member, digest, size = self.members[name], hashlib.sha256(), 0
        try:
            with self._file.open(f"{name}.csv") as source:
                while block := await asyncio.to_thread(source.read, BLOCK):
                    digest.update(block)
                    size += len(block)
                    tell(name, size)
                    yield block
        except (KeyError, zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise ArchiveDamaged(reason=f"{name} cannot be read: {error}") from None
        if digest.hexdigest() != member.sha256:
            raise ArchiveDamaged(reason=f"{name} is not what the manifest says (SHA-256 {digest.hexdigest()}, should be {member.sha256}).")


@contextmanager
def opened(path: Path) -> Generator[ArchiveReader]:
    """An archive to read. Raises ArchiveDamaged, FileNotFoundError."""
    try:
        file = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ArchiveDamaged(reason=f"{path.name} is not a whole zip file: {error}") from None
    with file:
        yield ArchiveReader(file)
