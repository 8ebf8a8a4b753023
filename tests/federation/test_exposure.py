"""What links say of single fields, seen in the supergraph of the reference composer."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from nexus.core.service import Service
from nexus.gateway.federation.composition import Subgraph, compose
from nexus.gateway.federation.subgraphs import graph_of_all, graphs, subgraphs
from nexus.gateway.federation.toolbox import Toolbox
from nexus.links import Exposure, Link
from nexus.surfaces.graphql.sdl import sdl

SALES = """extend schema @link(url: "https://specs.apollo.dev/federation/v2.7", import: ["@key"])
type CrmDeal @key(fields: "id") { id: ID! nextStep: String }
type Query { sales: [CrmDeal!] }
"""


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Say something of fields, and join by something."""

    def say(*exposures: dict[str, Any], links: tuple[Link, ...] = ()) -> None:
        made = msgspec.convert(exposures, tuple[Exposure, ...])
        monkeypatch.setattr("nexus.surfaces.graphql.graph.exposures", lambda: made)
        monkeypatch.setattr("nexus.surfaces.graphql.graph.links", lambda: links)

    return say


def field_of(supergraph: str, kind: str, name: str) -> str:
    """A field of a type, with what the composer says of it."""
    body = re.search(rf"^type {kind}\b.*?^}}", supergraph, re.M | re.S)
    assert body is not None
    found = re.search(rf"^  {name}(\(.*?\))?: .*$", body[0], re.M | re.S)
    assert found is not None, body[0]
    return found[0].partition('\n  """')[0]


def composed(toolbox: Toolbox, services: dict[str, Service], *more: Subgraph) -> str:
    return compose(toolbox, [*subgraphs(graphs(services), dict.fromkeys(services, "http://x")), *more])


def test_a_label_marks_a_field_for_those_who_choose_parts(toolbox: Toolbox, services: dict[str, Service], said: Any) -> None:
    said({"of": "crm.deal.amount", "labels": ["partner", "finance"]})

    field = field_of(composed(toolbox, services), "CrmDeal", "amount")

    assert '@tag(name: "partner")' in field
    assert '@tag(name: "finance")' in field


def test_what_is_internal_is_found_by_the_services_alone(toolbox: Toolbox, services: dict[str, Service], said: Any) -> None:
    said({"of": "crm.deal.probability", "internal": True})
    supergraph, alone = composed(toolbox, services), sdl(graph_of_all(services), directives=False)

    assert "@inaccessible" in field_of(supergraph, "CrmDeal", "probability")
    assert "PROBABILITY_ASC" not in re.search(r"^enum CrmDealSort\b.*?^}", supergraph, re.M | re.S)[0]  # type: ignore[index]
    assert "probability" not in re.search(r"^type CrmDeal \{.*?^}", alone, re.M | re.S)[0]  # type: ignore[index]
    assert "probability" not in re.search(r"^input CrmDealFilter \{.*?^}", alone, re.M | re.S)[0]  # type: ignore[index]


def test_a_field_that_has_moved_is_asked_of_its_new_service(toolbox: Toolbox, services: dict[str, Service], said: Any) -> None:
    said({"of": "crm.deal.next_step", "moved_from": "sales"})

    supergraph = composed(toolbox, services, Subgraph("sales", "http://x/sales", SALES))

    assert 'override: "sales"' in field_of(supergraph, "CrmDeal", "nextStep")


def test_copies_are_provided_with_a_reference_and_external_to_who_keeps_them(
    toolbox: Toolbox, services: dict[str, Service], said: Any
) -> None:
    said({"of": "crm.deal.owner_id", "copies": {"name": "name"}})

    supergraph = composed(toolbox, services)

    assert 'provides: "name"' in field_of(supergraph, "CrmDeal", "owner")
    assert "@join__field(graph: CRM, external: true)" in field_of(supergraph, "AuthUser", "name")


def test_a_link_by_another_field_requires_it(toolbox: Toolbox, services: dict[str, Service], said: Any) -> None:
    said(links=(Link(holder="crm.contact", key="email", to="auth.user", by="email", back="acquaintances"),))

    supergraph = composed(toolbox, services)

    assert 'requires: "email"' in field_of(supergraph, "AuthUser", "acquaintances")
    assert "@join__field(graph: CRM, external: true)" in field_of(supergraph, "AuthUser", "email")


def test_personal_data_is_marked_in_the_graph_of_all(toolbox: Toolbox, services: dict[str, Service]) -> None:
    supergraph = composed(toolbox, services)

    assert '@personal(kind: "contact")' in field_of(supergraph, "CrmContact", "email")
    assert "@personal" not in field_of(supergraph, "CrmDeal", "amount")


def test_one_type_stands_for_several_entities_of_another_service(toolbox: Toolbox, services: dict[str, Service], said: Any) -> None:
    parties = ("auth.user", "auth.team")
    said(links=(Link(holder="crm.lead", key="id", to="auth.party", among=parties, back="charges"),))

    supergraph = composed(toolbox, services)

    stands = re.search(r"^interface AuthParty\b.*?^}", supergraph, re.M | re.S)
    assert stands is not None
    assert "isInterfaceObject: true" in stands[0]
    for kind in ("AuthUser", "AuthTeam"):
        assert "charges" in field_of(supergraph, kind, "charges")
