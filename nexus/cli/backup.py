"""`nexus backup`, `nexus restore` and `nexus clone`: one tenant in a file, and out of it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.progress import Progress

from nexus.activation.slugs import slug_fault
from nexus.cli.databases import opened, record_of
from nexus.cli.output import Json, err, out, progress, run, say_json
from nexus.cli.up import fail, settings_or_exit
from nexus.config import Settings
from nexus.core.message import Command
from nexus.runtime.backup import Restored
from nexus.runtime.node import Node
from nexus.runtime.tenant_copy.archive import Manifest
from nexus.services.auth.api import CreateApiKey

Name = Annotated[str, typer.Argument(metavar="TENANT", help="Its slug or its id.")]
Masked = Annotated[bool, typer.Option("--masked", help="Replace personal data, and leave out what was written word for word.")]
Cell = Annotated[str | None, typer.Option(help="The cell it goes to; by default the least full one.")]
_OWNER = "SELECT id FROM {s}.auth_user WHERE roles @> '[\"auth.owner\"]' AND status = 'active' AND archived_at IS NULL ORDER BY id LIMIT 1"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (backup, restore, clone):
        app.command()(command)


def backup(
    tenant: Name,
    to: Annotated[Path | None, typer.Option(help="The file; by default the tenant's name and the time, here.")] = None,
    masked: Masked = False,
    json: Json = False,
) -> None:
    """Write all of a tenant, as it is at this moment, into one file."""
    path = to or Path(f"{tenant}-{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%SZ}.nexus.zip")
    try:
        manifest = run(_backup(settings_or_exit(), tenant, path, masked, json), json)
    except OSError as error:
        fail(f"The archive cannot be written: {error}")
    said = {"file": str(path), "tenant": manifest.slug, "rows": manifest.rows, "bytes": path.stat().st_size, "masked": manifest.masked}
    if json:
        say_json(said)
    else:
        out().print(f"{path}: {manifest.rows:,} rows of {manifest.slug}, {path.stat().st_size:,} bytes")


def restore(
    file: Annotated[Path, typer.Argument(help="An archive that nexus backup has written.")],
    slug: Annotated[str | None, typer.Option("--as", help="Make another tenant of it, beside the one it is of.")] = None,
    cell: Cell = None,
    json: Json = False,
) -> None:
    """Bring a tenant back from a file: the very one where it is gone, or with --as another one beside it."""
    _fit(slug)
    try:
        _restored(*run(_restore(settings_or_exit(), file, slug, cell, json), json), json)
    except OSError as error:
        fail(f"The archive cannot be read: {error}")


def clone(
    tenant: Name,
    slug: Annotated[str, typer.Argument(help="Of the new tenant.")],
    masked: Masked = False,
    cell: Cell = None,
    json: Json = False,
) -> None:
    """Make another tenant with the same records, to try things out; --masked replaces what is personal in it."""
    _fit(slug)
    _restored(*run(_clone(settings_or_exit(), tenant, slug, masked, cell, json), json), json)


def _fit(slug: str | None) -> None:
    """Say at once, before anything is read, that a tenant cannot be called so."""
    if slug is not None and (fault := slug_fault(slug)) is not None:
        fail(f"Refused: {fault}.", 2)


def _teller(bar: Progress) -> Any:
    """Shows the part that is being copied, and how many bytes have been."""
    task, sizes = bar.task_ids[0], dict[str, int]()

    def tell(name: str, size: int) -> None:
        sizes[name] = size
        bar.update(task, description=f"{name}", completed=sum(sizes.values()))

    return tell


async def _backup(settings: Settings, tenant: str, path: Path, masked: bool, quiet: bool) -> Manifest:
    async with opened(settings) as node:
        record = await record_of(node, tenant)
        with progress("Copying", quiet) as bar:
            return await node.backups.backup(record, path, masked=masked, tell=_teller(bar))


async def _restore(settings: Settings, file: Path, slug: str | None, cell: str | None, quiet: bool) -> tuple[Restored, str | None]:
    async with opened(settings) as node:
        with progress("Restoring", quiet) as bar:
            restored = await node.backups.restore(file, slug=slug, cell=cell, tell=_teller(bar))
        return restored, await _new_key(node, restored)


async def _clone(settings: Settings, tenant: str, slug: str, masked: bool, cell: str | None, quiet: bool) -> tuple[Restored, str | None]:
    async with opened(settings) as node:
        record = await record_of(node, tenant)
        with progress("Cloning", quiet) as bar:
            restored = await node.backups.clone(record, slug, masked=masked, cell=cell, tell=_teller(bar))
        return restored, await _new_key(node, restored)


async def _new_key(node: Node, restored: Restored) -> str | None:
    """A key for the owner of a tenant that is another one than before: all that are in it have been revoked."""
    if restored.same:
        return None
    record = restored.record
    async with await node.cells[record.cell].owner() as connection:
        row = await (await connection.execute(_OWNER.replace("{s}", record.schema).encode())).fetchone()
    if row is None:
        return None
    command: Command[Any] = CreateApiKey(name="After the restore", user_id=UUID(str(row[0])))
    answer, _ = await node.run(node.system(record), command)
    token: str = answer.token
    return token


def _restored(restored: Restored, key: str | None, json: bool) -> None:
    record = restored.record
    if json:
        shown = {"id": str(record.id), "slug": record.slug, "state": record.state, "cell": record.cell}
        say_json({"tenant": shown, "rows": restored.rows, "credentials": {"api_key": key} if key else None})
        return
    out().print(f"{record.slug} is {record.state} in {record.cell}: {restored.rows:,} rows")
    if key is not None:
        out().print(key, soft_wrap=True)
        err().print("is its owner's key, shown this once. The keys of the tenant it comes from do not open it.", style="dim")
    elif restored.same:
        err().print("Its keys work as before.", style="dim")
