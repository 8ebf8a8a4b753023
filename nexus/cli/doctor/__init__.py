"""`nexus doctor`: what is in force, what is odd and why, and what to do about it. It changes nothing."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from typing import Any

import psycopg
import typer
from rich.markup import escape

from nexus.cli.databases import main_url
from nexus.cli.doctor import cells, control, here
from nexus.cli.doctor.findings import Finding, Tell, odd, wrong
from nexus.cli.output import Json, err, out, quiet_settings, run, say_json, table
from nexus.cli.up import fail
from nexus.config import Settings
from nexus.engines.oltp import Unavailable
from nexus.engines.oltp.embedded import AlreadyRunning as FolderTaken
from nexus.engines.oltp.embedded import NoPostgres
from nexus.process import running
from nexus.runtime.cells import Cell, Cells
from nexus.runtime.databases import MAIN, attach
from nexus.runtime.node import Node

_MARKS = {"ok": "[green]✓[/]", "odd": "[yellow]![/]", "wrong": "[red]✗[/]"}


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def doctor(json: Json = False) -> None:
        """Look at settings, data folder, databases, cells, events and audit, and say what is odd and what to do; exit code 1 if something is wrong."""
        settings = quiet_settings()
        found = run(examined(settings), json)
        wrongs = sum(one.state == "wrong" for one in found)
        if json:
            said = [asdict(one) for one in found]
            say_json({"well": not wrongs, "findings": said, "settings": here.in_force(settings)})
        else:
            _show(found, here.in_force(settings))
        if wrongs:
            fail(f"{wrongs} wrong." if wrongs > 1 else "One thing is wrong.")


async def examined(settings: Settings) -> list[Finding]:
    """All findings."""
    found: list[Finding] = []
    console = err()
    with console.status("Looking …") as status:

        def tell(finding: Finding) -> None:
            found.append(finding)
            status.update(f"{finding.about} …")

        here.look(settings, tell)
        serves = running(settings) is not None
        async with _node(settings, tell) as node:
            if node is not None:
                await control.look(node, settings, tell, serves)
                for cell in node.cells.values():
                    await cells.look(cell, tell, serves)
    return found


@asynccontextmanager
async def _node(settings: Settings, tell: Tell) -> AsyncGenerator[Node | None]:
    """A node on the databases as they are, without preparing them; None where the first one cannot be reached."""
    if (fault := _nothing_there(settings)) is not None:
        tell(odd("databases", fault, "nexus up prepares them"))
        yield None
        return
    async with AsyncExitStack() as stack:
        try:
            url = await stack.enter_async_context(main_url(settings))
        except (NoPostgres, FolderTaken, psycopg.Error) as error:
            tell(wrong("databases", str(error).strip(), "start NEXUS, or end what has the folder"))
            yield None
            return
        reached: list[Cell] = []
        for name, where in {MAIN: url, **settings.extra_cells()}.items():
            try:
                reached.append(await attach(name, where, settings))
                stack.push_async_callback(reached[-1].oltp.close)
            except (Unavailable, psycopg.Error) as error:
                tell(wrong(f"database of {name}", f"cannot be reached: {str(error).strip()}", "start it, or mend its URL in the settings"))
        yield Node(settings, Cells(reached)) if reached and reached[0].name == MAIN else None


def _nothing_there(settings: Settings) -> str | None:
    if settings.database_url:
        known = (settings.folder / "roles.json").exists() or (settings.owner_password and settings.app_password)
        return None if known else "the passwords of its roles are not known here: not in the settings, not in the data folder"
    there = (settings.folder / "postgres" / "data").exists() and (settings.folder / "roles.json").exists()
    return None if there else "there are none yet in this data folder"


def _show(found: list[Finding], settings: list[dict[str, Any]]) -> None:
    console = out()
    shown = table("", "", "")
    for one in found:
        shown.add_row(_MARKS[one.state], escape(one.about), escape(one.says) + (f"\n[bold]→ {escape(one.do)}[/]" if one.do else ""))
    console.print(shown)
    console.print("\n[bold]Settings in force[/]")
    values = table("", "", "")
    for setting in settings:
        values.add_row(f"  {setting['name']}", escape(str(setting["value"])), f"[dim]{setting['from']}[/]")
    console.print(values)
    console.print()
