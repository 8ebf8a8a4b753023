"""The supergraph: composed by the reference composer, or refused with the declarations that keep it from being one."""

from __future__ import annotations

import pytest

from nexus.gateway.federation.composition import CompositionFailed, Subgraph, compose
from nexus.gateway.federation.toolbox import Toolbox
from tests.federation.subgraphs import AUTH, CRM, LINK

PLACES = {("auth", "User.name"): "auth/entities.py:3", ("crm", "User.name"): "crm/entities.py:9", ("crm", "Deal"): "crm/entities.py:20"}


def refused(toolbox: Toolbox, auth: str = AUTH, crm: str = CRM) -> CompositionFailed:
    subgraphs = [Subgraph("auth", "http://a/graphql", LINK + auth), Subgraph("crm", "http://c/graphql", LINK + crm)]
    with pytest.raises(CompositionFailed) as caught:
        compose(toolbox, subgraphs, lambda service, coordinate: PLACES.get((service, coordinate)))
    return caught.value


def test_the_supergraph_knows_who_answers_what_and_where(toolbox: Toolbox) -> None:
    made = compose(toolbox, [Subgraph("auth", "http://a/graphql", LINK + AUTH), Subgraph("crm", "http://c/graphql", LINK + CRM)])

    assert 'CRM @join__graph(name: "crm", url: "http://c/graphql")' in made
    assert 'type User @join__type(graph: AUTH, key: "id") @join__type(graph: CRM, key: "id", resolvable: false)' in " ".join(made.split())


def test_fields_that_disagree_are_told_with_both_declarations(toolbox: Toolbox) -> None:
    error = refused(
        toolbox,
        crm=CRM.replace(
            'type User @key(fields: "id", resolvable: false) { id: ID! }', 'type User @key(fields: "id") { id: ID! name: Int }'
        ),
    )

    told = next(one for one in error.errors if one.code == "FIELD_TYPE_MISMATCH")
    assert told.declarations == ("auth/entities.py:3 (auth: User.name)", "crm/entities.py:9 (crm: User.name)")
    assert "\n    auth/entities.py:3 (auth: User.name)\n" in str(error)


def test_a_schema_that_cannot_be_read_is_told_with_its_service(toolbox: Toolbox) -> None:
    error = refused(toolbox, crm="type Deal {")

    assert [(one.code, one.message.startswith("[crm] Syntax Error")) for one in error.errors] == [("INVALID_GRAPHQL", True)]


def test_an_unknown_type_is_told_with_the_service_alone(toolbox: Toolbox) -> None:
    error = refused(toolbox, crm=CRM.replace("owner: User", "owner: Person"))

    assert any("Person" in one.message for one in error.errors)
    assert all("auth" not in place for one in error.errors for place in one.declarations)
