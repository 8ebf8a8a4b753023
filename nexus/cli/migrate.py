"""`nexus migrate`: bring the tables of all tenants, or of one, to the versions that this code works with."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from nexus.cli.databases import opened, record_of
from nexus.cli.output import Json, err, out, progress, quiet_settings, run, say_json, say_table
from nexus.cli.up import fail
from nexus.config import Settings
from nexus.runtime.migrate import Group, Report

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
    report = run(_migrate(quiet_settings(), tenant, json), json)
    if json:
        say_json({"brought": report.brought, "current": report.current, "failures": [asdict(one) for one in report.failures]})
    else:
        out().print(f"{report.brought} brought to the latest version, {report.current} were there, {len(report.failures)} failed.")
    if report.failures:
        for one in report.failures:
            err().print(f"  {one.cell} {one.tenant} {one.service}: {one.error}", style="red", markup=False)
        fail("Some stay at an earlier version: mend what they say and start it again.")


async def _migrate(settings: Settings, tenant: str | None, quiet: bool) -> Report:
    async with opened(settings) as node:
        schema = (await record_of(node, tenant)).schema if tenant else None
        with progress("Migrating", quiet) as bar:
            task = bar.task_ids[0]
            return await node.migrator.run(tenant=schema, progress=lambda done, of: bar.update(task, completed=done, total=of))


@group.command()
def status(tenant: Tenant = None, json: Json = False) -> None:
    """Say at which version each service stands, for how many tenants, and what is behind."""
    groups = run(_status(quiet_settings(), tenant), json)
    if json:
        say_json({"behind": sum(len(one.behind) for one in groups), "groups": [_shown(one) for one in groups]})
        return
    rows = ([one.cell, one.service, one.version, one.latest, one.tenants, len(one.behind), one.error or ""] for one in groups)
    say_table(("cell", "service", "version", "latest", "schemas", "behind", "last failure"), rows, "There are no tenants.")


async def _status(settings: Settings, tenant: str | None) -> list[Group]:
    async with opened(settings) as node:
        return await node.migrator.status((await record_of(node, tenant)).schema if tenant else None)


def _shown(one: Group) -> dict[str, Any]:
    return asdict(one) | {"behind": list(one.behind)}
