"""`nexus migrate`: bring the tables of all tenants, or of one, to the versions that this code works with."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from nexus.cli.databases import left_out, opened, record_of
from nexus.cli.output import Json, err, out, progress, quiet_settings, run, say_json, say_table
from nexus.cli.up import fail
from nexus.config import Settings
from nexus.runtime.migrate import Group, Report
from nexus.runtime.node import Node

Tenant = Annotated[str | None, typer.Option("--tenant", help="Only this one, by slug or id.")]

group = typer.Typer(
    name="migrate", invoke_without_command=True, help="Bring the tables of tenants to the versions of this code; start it again to go on."
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(group)


@group.callback()
def migrate(context: typer.Context, tenant: Tenant = None, json: Json = False) -> None:
    """Bring the tables of tenants to the versions of this code; started again it goes on where it was."""
    if context.invoked_subcommand is not None:
        return
    report, unseen = run(_migrate(quiet_settings(), tenant, json), json)
    if json:
        failures = [asdict(one) for one in report.failures]
        say_json({"brought": report.brought, "current": report.current, "failures": failures, "left_out": unseen})
    else:
        out().print(f"{report.brought} brought to the latest version, {report.current} were there, {len(report.failures)} failed.")
    for one in report.failures:
        err().print(f"  {one.cell} {one.tenant} {one.service}: {one.error}", style="red", markup=False)
    faults = ["Some stay at an earlier version: mend what they say and start it again."] if report.failures else []
    if faults or unseen:
        fail("\n".join(faults + left_out(unseen, "its schemas")))


async def _unseen(node: Node, tenant: str | None) -> list[str]:
    """The cells whose schemas could not be looked at; one without tenants has none that matter."""
    return [] if tenant else [cell for cell, tenants in (await node.cells.unnamed()).items() if tenants]


async def _migrate(settings: Settings, tenant: str | None, quiet: bool) -> tuple[Report, list[str]]:
    async with opened(settings) as node:
        schema = (await record_of(node, tenant)).schema if tenant else None
        with progress("Migrating", quiet) as bar:
            task = bar.task_ids[0]
            report = await node.migrator.run(tenant=schema, progress=lambda done, of: bar.update(task, completed=done, total=of))
        return report, await _unseen(node, tenant)


@group.command()
def status(tenant: Tenant = None, json: Json = False) -> None:
    """Say at which version each service stands, for how many tenants, and what is behind."""
    groups, unseen = run(_status(quiet_settings(), tenant), json)
    if json:
        say_json({"behind": sum(len(one.behind) for one in groups), "groups": [_shown(one) for one in groups], "left_out": unseen})
    else:
        rows = ([one.cell, one.service, one.version, one.latest, one.tenants, len(one.behind), one.error or ""] for one in groups)
        say_table(("cell", "service", "version", "latest", "schemas", "behind", "last failure"), rows, "There are no tenants.")
    if unseen:
        fail("\n".join(left_out(unseen, "its schemas")))


async def _status(settings: Settings, tenant: str | None) -> tuple[list[Group], list[str]]:
    async with opened(settings) as node:
        schema = (await record_of(node, tenant)).schema if tenant else None
        return await node.migrator.status(schema), await _unseen(node, tenant)


def _shown(one: Group) -> dict[str, Any]:
    return asdict(one) | {"behind": list(one.behind)}
