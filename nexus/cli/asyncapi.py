"""`nexus asyncapi`: the document of what can be heard, from the declarations of this code; no server is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nexus.cli.output import as_text, say_document
from nexus.cli.up import fail
from nexus.core.service import installed
from nexus.surfaces.live.asyncapi import asyncapi as document


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def asyncapi(
        service: Annotated[str | None, typer.Option(help="Only this one's part.")] = None,
        url: Annotated[str, typer.Option(help="The address that the document names.")] = "http://127.0.0.1:8080",
        output: Annotated[Path | None, typer.Option("--output", "-o", help="A file instead of stdout.")] = None,
    ) -> None:
        """Print the AsyncAPI 3 document of every event this code tells, and of the ways to hear of them."""
        services = installed()
        if service is not None and service not in services:
            fail(f"There is no service {service!r}; there are {', '.join(services)}.", 2)
        if not url.startswith(("http://", "https://")):
            fail(f"{url!r} is no address of a server: it begins with http:// or https://.", 2)
        made = document([services[service]] if service is not None else services.values(), url=url)
        say_document(as_text(made), output, f"{len(made['channels'])} channels")
