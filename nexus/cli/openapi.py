"""`nexus openapi`: the document of the API, from the declarations of this code; no server is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nexus.activation.openapi import control_part
from nexus.cli.output import as_text, say_document
from nexus.cli.up import fail
from nexus.core.service import installed
from nexus.surfaces.openapi import document


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def openapi(
        service: Annotated[str | None, typer.Option(help="Only this one's part.")] = None,
        url: Annotated[str, typer.Option(help="The address that the document names.")] = "/",
        output: Annotated[Path | None, typer.Option("--output", "-o", help="A file instead of stdout.")] = None,
    ) -> None:
        """Print the OpenAPI 3.1 document of everything this code can be asked."""
        services = installed()
        if service is not None and service not in services:
            fail(f"There is no service {service!r}; there are {', '.join(services)}.", 2)
        if service is None:
            made = document(services, control_part(), url=url)
        else:
            made = document([services[service]], url=url)
        say_document(as_text(made), output, f"{len(made['paths'])} paths")
