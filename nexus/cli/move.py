"""`nexus tenants move`: a tenant goes to another cell."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Annotated

import typer

from nexus.cli.databases import opened, record_of
from nexus.cli.output import Json, err, out, run, say_json
from nexus.cli.tenants import group
from nexus.cli.up import settings_or_exit
from nexus.config import Settings
from nexus.process import running
from nexus.runtime.directory import TenantRecord

_SAID = {
    "preparing": "Making its schema there",
    "closing": "Reads go on, writes wait; what was told is settled",
    "closed": "Nobody writes",
    "copied": "Copying and comparing",
    "switched": "Switching",
    "cleaning": "It works there; the old copy is dropped in a moment",
}


def register(app: typer.Typer) -> None:
    """Add the command to the group of tenants."""

    @group.command("move")
    def move(
        tenant: Annotated[str, typer.Argument(metavar="TENANT", help="Its slug or its id.")],
        cell: Annotated[str, typer.Argument(help="The name of the cell it goes to.")],
        json: Json = False,
    ) -> None:
        """Move a tenant to another cell; it is read all the time, and not written for the moment of the copy."""
        record = run(_move(settings_or_exit(), tenant, cell, json), json)
        if json:
            say_json({"id": str(record.id), "slug": record.slug, "state": record.state, "cell": record.cell})
        else:
            out().print(f"{record.slug} is {record.state} in {record.cell}.")


async def _move(settings: Settings, tenant: str, cell: str, quiet: bool) -> TenantRecord:
    async with opened(settings) as node:
        if running(settings) is None and not settings.database_url:
            await node.start()  # nobody else reacts to what the tenant was told
        record = await record_of(node, tenant)
        status = nullcontext() if quiet else err().status("Moving")
        with status as shown:
            return await node.moves.move(record, cell, lambda phase: shown.update(_SAID[phase]) if shown is not None else None)
