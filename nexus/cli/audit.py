"""`nexus audit`: prove that the record of who did what was not changed, and take it out so that others can prove it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, cast
from uuid import UUID

import msgspec
import typer
from rich.progress import Progress

from nexus.cli.databases import left_out, opened, record_of
from nexus.cli.output import Json, err, out, progress, quiet_settings, run, say_json
from nexus.cli.up import fail
from nexus.config import Settings
from nexus.engines.oltp import Oltp, Statement
from nexus.runtime.audit_chain import Finding, chains, check
from nexus.runtime.node import Node

PLATFORM: Final = "platform"
"""What stands for a tenant where the platform's own chain is meant."""
_BATCH: Final = 2_000
_PAGE: Final = Statement(
    "SELECT row_to_json(x) FROM (SELECT tenant, seq,"
    " to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS at, entry, encode(prev_hash, 'hex') AS prev_hash, encode(hash, 'hex') AS hash"
    " FROM nexus_cell.audit WHERE tenant = $1 AND seq > $2::bigint ORDER BY seq LIMIT $3::int) x"
)

group = typer.Typer(name="audit", no_args_is_help=True, help="Prove the record of who did what, and take it out.")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(group)


@group.command("verify")
def verify_(
    tenant: Annotated[str | None, typer.Argument(help="Only this one's, by slug or id; 'platform' is the platform's own.")] = None,
    newest: Annotated[int | None, typer.Option(min=1, help="Only so many of the newest entries of each chain.")] = None,
    json: Json = False,
) -> None:
    """Check every link of the audit chains; the first broken one of each chain is named, what could not be looked at too, and the exit code is 1."""
    checked, broken, unseen = run(_verify(quiet_settings(), tenant, newest, json), json)
    if json:
        said = [{"cell": one.cell, "slug": one.slug, **_shown(one.finding)} for one in broken]
        first = said[0] if said else None
        counts = {"chains": len(checked), "entries": sum(checked.values())}
        say_json({"ok": not said and not unseen, **counts, "broken": first, "all_broken": said, "left_out": unseen})
    if broken or unseen:
        fail("\n".join([f"Broken: {one.slug}: {one.finding}" for one in broken] + left_out(unseen, "its chains")))
    if not json:
        out().print(f"{sum(checked.values()):,} entries in {len(checked)} chains: every link holds.")


@dataclass(frozen=True, slots=True)
class Broken:
    """A chain that does not hold."""

    cell: str
    slug: str
    """The tenant as people call it; its schema where nobody knows it any more."""
    finding: Finding


async def _verify(
    settings: Settings, tenant: str | None, newest: int | None, quiet: bool
) -> tuple[dict[str, int], list[Broken], list[str]]:
    """How many entries of each chain are whole, what is not, and the cells whose chains could not be looked at."""
    checked: dict[str, int] = {}
    broken: list[Broken] = []
    async with opened(settings) as node:
        with progress("Checking", quiet) as bar:
            for cell, schema in await _chains(node, tenant):
                oltp = node.cells[cell].oltp
                for one in [name async for name in chains(oltp)] if schema is None else [schema]:
                    found = await check(oltp, one, progress=_teller(bar, checked, newest), newest=newest)
                    if found:
                        broken.append(Broken(cell, await _slug(node, one), found))
        unseen = list(await node.cells.unnamed()) if tenant in (None, PLATFORM) else []
    return checked, broken, unseen


async def _slug(node: Node, schema: str) -> str:
    if schema == "nexus_app":
        return PLATFORM
    record = await node.directory.get(UUID(schema.removeprefix("t_")))
    return schema if record is None else record.slug


def _teller(bar: Progress, checked: dict[str, int], newest: int | None) -> Any:
    def tell(tenant: str, seq: int, head: int) -> None:
        first = head - newest if newest is not None and head > newest else 0
        checked[tenant] = seq - first
        bar.update(bar.task_ids[0], description=f"Checking {tenant}", completed=seq - first, total=head - first)

    return tell


async def _chains(node: Node, tenant: str | None) -> list[tuple[str, str | None]]:
    """Cells and chains (None: all of the cell) to look at."""
    if tenant is None:
        return [(name, None) for name in node.cells]
    if tenant == PLATFORM:
        return [(name, "nexus_app") for name in node.cells]
    record = await record_of(node, tenant)
    return [(record.cell, record.schema)]


def _shown(one: Finding) -> dict[str, Any]:
    return {"tenant": one.tenant, "seq": one.seq, "fault": one.fault, "detail": one.detail}


@group.command()
def export(
    tenant: Annotated[str, typer.Argument(help="Whose, by slug or id; 'platform' is the platform's own.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file instead of stdout.")] = None,
) -> None:
    """Write an audit chain as NDJSON that anybody can prove without NEXUS: sha256(previous hash as 32 bytes || entry) is the hash."""
    with contextlib.ExitStack() as stack:
        try:
            sink = stack.enter_context(output.open("wb")) if output else sys.stdout.buffer
        except OSError as error:
            fail(f"{output} cannot be written: {error.strerror}", 2)
        written, last = run(_export(quiet_settings(), tenant, sink))
        sink.flush()
    err().print(f"{written:,} entries; the last hash is {last}. Keep it elsewhere: it proves that nothing was cut off.", style="dim")


async def _export(settings: Settings, tenant: str, sink: Any) -> tuple[int, str]:
    written, last = 0, "0" * 64
    async with opened(settings) as node:
        for cell, schema in await _chains(node, tenant):
            async for line in _entries(node.cells[cell].oltp, cast(str, schema)):
                sink.write(line + b"\n")
                written += 1
                last = msgspec.json.decode(line)["hash"]
    return written, last


async def _entries(oltp: Oltp, schema: str) -> AsyncIterator[bytes]:
    """The lines in order of seq; `entry` is the text that was hashed, verbatim, as a JSON string."""
    seq = 0
    while True:
        (page,) = await oltp.run(None, (_PAGE, [schema.encode(), b"%d" % seq, b"%d" % _BATCH]), lane="slow")
        for row in page.rows:
            yield row[0] or b""
        if len(page.rows) < _BATCH:
            return
        seq = msgspec.json.decode(page.rows[-1][0] or b"")["seq"]
