"""`nexus graphql`: the schemas of the services, and the one that a gateway plans over; no server is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from nexus.cli.output import say_document
from nexus.cli.up import fail, settings_or_exit
from nexus.core.service import Service, installed
from nexus.gateway.federation.composition import CompositionFailed, compose
from nexus.gateway.federation.toolbox import NodeFailed, NoNode, Toolbox

URL: Final = "http://{service}.localhost"
graphql: Final = typer.Typer(no_args_is_help=True, help="The services' GraphQL schemas, and the supergraph of them.")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(graphql, name="graphql")


@graphql.command("sdl")
def sdl_(
    service: Annotated[str | None, typer.Argument(help="One service's schema as a subgraph; by default the one of all.")] = None,
) -> None:
    """Print the schema of one service, with federation's directives, or the one that a single process serves for all."""
    from nexus.gateway.federation.subgraphs import graph_of_all, graphs
    from nexus.surfaces.graphql.sdl import sdl

    services = installed()
    if service is None:
        typer.echo(sdl(graph_of_all(services), directives=False), nl=False)
        return
    if service not in services:
        fail(f"There is no service {service!r}; there are {', '.join(services)}.", 2)
    typer.echo(sdl(graphs(services)[service]), nl=False)


@graphql.command("compose")
def compose_(
    url: Annotated[str, typer.Option(help="Where services are asked; {service} stands for each one's name.")] = URL,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file instead of stdout.")] = None,
) -> None:
    """Write the supergraph of all services; where they are not one graph, say why and which declarations cause it."""
    made = composed(installed(), url)
    say_document(made, output, f"the supergraph of {', '.join(installed())}")


def composed(services: dict[str, Service], url: str) -> str:
    """The supergraph, or a message and exit code 1."""
    from nexus.gateway.federation.subgraphs import declared, graphs, subgraphs

    try:
        made = graphs(services)
    except TypeError as error:  # two declarations have one name
        fail(str(error))
    try:
        toolbox = Toolbox.find(settings_or_exit().node)
        toolbox.install()
        addresses = {name: url.replace("{service}", name) for name in made}
        return compose(toolbox, subgraphs(made, addresses), declared(made))
    except (CompositionFailed, NodeFailed, NoNode) as error:
        fail(str(error))
