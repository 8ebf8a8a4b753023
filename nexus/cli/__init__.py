"""The command line: `nexus up`, and everything an operator does from a terminal."""

from __future__ import annotations

import typer

from nexus.cli import up

app = typer.Typer(
    name="nexus", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="NEXUS Business Operating System."
)
up.register(app)
