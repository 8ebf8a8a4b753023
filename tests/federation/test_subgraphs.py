"""The services' own schemas: one graph by the reference composer, or an error that names file and line; and the command that says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from nexus.cli import app
from nexus.core.service import Service, service_names
from nexus.gateway.federation.composition import CompositionFailed, compose
from nexus.gateway.federation.subgraphs import ROOT, declared, graphs, subgraphs
from nexus.gateway.federation.toolbox import Toolbox
from nexus.surfaces.graphql.model import Member

PARSED = """
import { text } from "node:stream/consumers";
import { buildSchema, validateSchema, parse } from "graphql";
const { whole, parts } = JSON.parse(await text(process.stdin));
for (const part of parts) parse(part);
console.log(JSON.stringify(validateSchema(buildSchema(whole)).map((error) => error.message)));
"""


def said_at(place: str | None) -> str:
    """What stands on the line that a place names."""
    assert place is not None
    file, _, line = place.rpartition(":")
    return (ROOT / file).read_text(encoding="utf-8").splitlines()[int(line) - 1].strip()


def test_the_reference_parser_takes_every_schema(toolbox: Toolbox, services: dict[str, Service]) -> None:
    whole = CliRunner().invoke(app, ["graphql", "sdl"])
    parts = [one.sdl for one in subgraphs(graphs(services), dict.fromkeys(services, "http://x"))]

    assert whole.exit_code == 0
    assert toolbox.evaluate(PARSED, {"whole": whole.output, "parts": parts}) == []


def test_the_services_are_one_graph(toolbox: Toolbox, services: dict[str, Service], tmp_path: Path) -> None:
    file = tmp_path / "supergraph.graphql"

    done = CliRunner().invoke(app, ["graphql", "compose", "--url", "http://{service}.internal:80", "-o", str(file)])

    assert done.exit_code == 0, done.output
    written = file.read_text(encoding="utf-8")
    assert 'CRM @join__graph(name: "crm", url: "http://crm.internal:80/graphql/crm")' in written
    assert "type CrmDeal" in written


def test_what_keeps_them_from_it_is_told_with_its_declaration(toolbox: Toolbox, services: dict[str, Service]) -> None:
    made = graphs(services)
    made["crm"]["AuthUser"].add(Member(name="email", type="Int"))

    with pytest.raises(CompositionFailed) as caught:
        compose(toolbox, subgraphs(made, dict.fromkeys(services, "http://x")), declared(made))

    told = next(one for one in caught.value.errors if one.code == "FIELD_TYPE_MISMATCH")
    place = next(one for one in told.declarations if one.endswith("(auth: AuthUser.email)"))
    assert said_at(place.partition(" ")[0]) == "email: Mapped[str] = f.email(unique=True, search=True)"


@pytest.mark.parametrize(
    ("coordinate", "line"),
    [
        ("CrmDeal", "class Deal(Owned):"),
        ("CrmDeal.owner", "owner_id: Mapped[UUID | None] = f.ref("),
        ("CrmDealFilter.ownerId", "owner_id: Mapped[UUID | None] = f.ref("),
        ("Mutation.crmConvertLead", "class ConvertLead("),
    ],
)
def test_a_type_or_a_field_is_found_where_it_is_declared(services: dict[str, Service], coordinate: str, line: str) -> None:
    assert said_at(declared(graphs(services))("crm", coordinate)).startswith(line)


def test_what_is_of_no_service_is_declared_nowhere(services: dict[str, Service]) -> None:
    where = declared(graphs(services))

    assert [where("crm", "PageInfo"), where("crm", "Nothing.x"), where("shop", "CrmDeal")] == [None, None, None]


def test_a_service_that_is_none_is_refused() -> None:
    done = CliRunner().invoke(app, ["graphql", "sdl", "shop"])

    assert done.exit_code == 2
    assert f"There is no service 'shop'; there are {', '.join(service_names())}." in done.output
