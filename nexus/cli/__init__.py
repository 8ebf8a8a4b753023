"""The command line: `nexus up`, and everything an operator does from a terminal.

Each file is one family of commands and adds them in `register`. Exit codes: 0 done, 1 refused or failed, 2 wrong usage or settings.
"""

from __future__ import annotations

from typing import Annotated

import typer

from nexus import __version__
from nexus.cli import activate, asyncapi, audit, backup, doctor, events, graphql, migrate, move, new, openapi, tenants, up

app = typer.Typer(
    name="nexus", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="NEXUS Business Operating System."
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"nexus {__version__}")
        raise typer.Exit


@app.callback()
def nexus(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version and exit.")] = False,
) -> None:
    """NEXUS Business Operating System: one call turns a business into a running system."""


up.register(app)
activate.register(app)
tenants.register(app)
migrate.register(app)
doctor.register(app)
new.register(app)
openapi.register(app)
graphql.register(app)
asyncapi.register(app)
audit.register(app)
backup.register(app)
move.register(app)
events.register(app)
