"""`nexus up` and `nexus serve`: start, say where to go, stop on Ctrl-C."""

from __future__ import annotations

import logging
from typing import NoReturn

import psycopg
import typer
import uvloop
from rich.console import Console
from rich.table import Table

from nexus.config import BadSettings, Settings, load
from nexus.engines.oltp.embedded import AlreadyRunning as PostgresRunning
from nexus.engines.oltp.embedded import NoPostgres
from nexus.process import AlreadyRunning, PortTaken, Ready, serve
from nexus.runtime.operator import BadOperatorKey
from nexus.targets import TARGETS


def register(app: typer.Typer) -> None:
    """Add the commands."""

    @app.command()
    def up() -> None:
        """Start everything on embedded engines and serve on one port."""
        run(settings_or_exit())

    @app.command("serve")
    def serve_(
        target: str = typer.Option(
            "all", help="What this process runs: " + ", ".join(f"{name} ({one.summary.lower()})" for name, one in TARGETS.items()) + "."
        ),
    ) -> None:
        """Serve against the databases of the settings (NEXUS_DATABASE_URL), or embedded ones where none is given."""
        if target not in TARGETS:
            raise typer.BadParameter(f"there is no target {target!r}; there are {', '.join(TARGETS)}", param_hint="--target")
        run(settings_or_exit(), target)


def settings_or_exit() -> Settings:
    """The settings, or a clear message and exit code 2."""
    try:
        settings = load()
    except BadSettings as error:
        fail(str(error), 2)
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    return settings


def fail(message: str, code: int = 1) -> NoReturn:
    """Say what is wrong and end."""
    Console(stderr=True).print(message, style="bold red", highlight=False, markup=False, soft_wrap=True)
    raise typer.Exit(code)


def run(settings: Settings, target: str = "all") -> None:
    """Serve until stopped."""
    try:
        uvloop.run(serve(settings, welcome, target))
    except KeyboardInterrupt:
        pass
    except (AlreadyRunning, PortTaken, NoPostgres, PostgresRunning, BadOperatorKey) as error:
        fail(str(error))
    except psycopg.OperationalError as error:
        fail(f"The database cannot be reached: {error}")


def welcome(ready: Ready) -> None:
    """A few lines that say where to go."""
    out = Console(highlight=False)
    out.print(f"\n[bold]NEXUS is running[/] [dim](ready in {ready.seconds:.1f} s; Ctrl-C stops it)[/]\n")
    table = Table.grid(padding=(0, 3))
    served = [("Activate a business", f"{ready.url}/"), ("API", f"{ready.url}/api/v1"), ("API reference", f"{ready.url}/docs")]
    kept = [("Operator key", str(ready.key_file))] if ready.key_file else []
    for name, where in [*(served if ready.serves else []), ("Health", f"{ready.url}/readyz"), *kept]:
        table.add_row(f"  {name}", f"[cyan]{where}[/]")
    out.print(table)
    if ready.new_key:
        out.print(f"\n  [bold]{ready.new_key}[/]\n  [dim]is the operator key. It is kept in that file and not shown again.[/]")
    for finding in ready.findings:
        out.print(f"  [yellow]not as safe as it could be:[/] {finding}")
    out.print()
