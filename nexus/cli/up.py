"""`nexus up` and `nexus serve`: start, say where to go, stop on Ctrl-C."""

from __future__ import annotations

import logging
import sys
from collections.abc import Coroutine
from typing import Annotated, Any, NoReturn

import psycopg
import typer
import uvloop
from rich.console import Console
from rich.table import Table

from nexus.apart import PartFailed, serve_apart
from nexus.config import BadSettings, Settings, load
from nexus.core.service import service_names
from nexus.engines.oltp.embedded import AlreadyRunning as PostgresRunning
from nexus.engines.oltp.embedded import NoPostgres
from nexus.engines.oltp.roles import RolesTaken
from nexus.gateway.federation.composition import CompositionFailed
from nexus.gateway.federation.gateway import NoGateway
from nexus.gateway.federation.toolbox import NoNode
from nexus.process import AlreadyRunning, Ready, serve
from nexus.runtime.identity import BadIdentity
from nexus.runtime.operator import BadOperatorKey
from nexus.runtime.rpc import PortTaken
from nexus.targets import TARGETS


def register(app: typer.Typer) -> None:
    """Add the commands."""

    @app.command()
    def up(
        apart: Annotated[
            bool, typer.Option("--apart", help="Each service in a process of its own behind a gateway, as in a cluster.")
        ] = False,
    ) -> None:
        """Start everything on embedded engines and serve on one port."""
        settings = settings_or_exit()
        run(serve_apart(settings, welcome, _say) if apart else serve(settings, welcome))

    @app.command("serve")
    def serve_(
        target: str = typer.Option(
            "all",
            help="What this process runs: "
            + ", ".join(f"{name} ({one.summary.lower()})" for name, one in TARGETS.items())
            + f", or one service ({', '.join(service_names())}).",
        ),
        quiet: Annotated[bool, typer.Option("--quiet", help="Do not say where to go.")] = False,
    ) -> None:
        """Serve against the databases of the settings (NEXUS_DATABASE_URL), or embedded ones where none is given."""
        known = (*TARGETS, *service_names())
        if target not in known:
            raise typer.BadParameter(f"there is no target {target!r}; there are {', '.join(known)}", param_hint="--target")
        settings = settings_or_exit()
        run(serve(settings, (lambda ready: None) if quiet else welcome, target))


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


def run(serving: Coroutine[Any, Any, None]) -> None:
    """Serve until stopped."""
    try:
        uvloop.run(serving)
    except KeyboardInterrupt:
        pass
    except (
        AlreadyRunning,
        BadIdentity,
        CompositionFailed,
        NoGateway,
        NoNode,
        PartFailed,
        PortTaken,
        NoPostgres,
        PostgresRunning,
        BadOperatorKey,
        RolesTaken,
    ) as error:
        fail(str(error))
    except psycopg.OperationalError as error:
        fail(f"The database cannot be reached: {error}")


def _say(name: str, line: str) -> None:
    """A line of one of several processes."""
    sys.stdout.write(f"{name:<8}| {line}\n")
    sys.stdout.flush()


def welcome(ready: Ready) -> None:
    """A few lines that say where to go."""
    out = Console(highlight=False)
    out.print(f"\n[bold]NEXUS is running[/] [dim](ready in {ready.seconds:.1f} s; Ctrl-C stops it)[/]\n")
    table = Table.grid(padding=(0, 3))
    served = [("Activate a business", f"{ready.url}/"), ("API", f"{ready.url}/api/v1"), ("API reference", f"{ready.url}/docs")]
    kept = [("Operator key", str(ready.key_file))] if ready.key_file else []
    served += [("gRPC", ready.grpc)] if ready.grpc else []
    for name, where in [*(served if ready.serves else []), ("Health", f"{ready.url}/readyz"), *kept]:
        table.add_row(f"  {name}", f"[cyan]{where}[/]")
    out.print(table)
    if ready.new_key:
        out.print(f"\n  [bold]{ready.new_key}[/]\n  [dim]is the operator key. It is kept in that file and not shown again.[/]")
    for finding in ready.findings:
        out.print(f"  [yellow]not as safe as it could be:[/] {finding}")
    out.print()
