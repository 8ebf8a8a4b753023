"""Whatever is sent, the answer names what is wrong; never an internal error, never longer than a moment."""

from __future__ import annotations

import os
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexus.services.crm.entities import Lead
from tests.surfaces.graphql.conftest import Graph

EXAMPLES = int(os.environ.get("NEXUS_FUZZ", "12")) * 10
MANY = 2_000

DOCUMENTS = {
    "deep": "{ crmLeads { nodes " + "{ owner " * 500 + "{ id }" + "}" * 500 + " } }",
    "deeper than the parser": "{" + "a{" * 30_000,
    "deep lists": "{ crmLeads(sort: " + "[" * 20_000,
    "deep values": "{ crmLeads(filter: " + "{not: " * 9_000 + "{}" + "}" * 9_000 + ") { totalCount } }",
    "deep filter": "{ crmLeads(filter: " + "{not: " * 20 + '{name: {eq: "x"}}' + "}" * 20 + ") { totalCount } }",
    "aliases": "{ " + " ".join(f"a{n}: __typename" for n in range(MANY)) + " }",
    "the same field again": "{ crmLeads { nodes { " + "id " * 10_000 + "} } }",
    "the same alias again": "{ " + "x: crmLeads { totalCount } " * 1_500 + "}",
    "fragments in a circle": "{ crmLeads { ...A } } fragment A on CrmLeadConnection { ...B } fragment B on CrmLeadConnection { ...A }",
    "fragments that double": "{ crmLeads { nodes { ...F0 } } } "
    + " ".join(f"fragment F{n} on CrmLead {{ a{n}: createdByUser {{ id }} b{n}: id ...F{n + 1} ...F{n + 1} }}" for n in range(40))
    + " fragment F40 on CrmLead { id }",
    "fragments that multiply": "{ crmAccounts { nodes { ...F0 } } } "
    + " ".join(
        f"fragment F{n} on CrmAccount {{ a: parentAccount {{ ...F{n + 1} }} b: parentAccount {{ ...F{n + 1} }} }}" for n in range(12)
    )
    + " fragment F12 on CrmAccount { id }",
    "directives": "{ __typename " + "@skip(if: false) " * 3_000 + "}",
    "variables": "query(" + " ".join(f"$v{n}: Int" for n in range(3_000)) + ") { __typename }",
    "conditions": "{ crmLeads(filter: {or: [" + '{name: {eq: "x"}}' * 500 + "]}) { totalCount } }",
    "operations": " ".join(f"query Q{n} {{ __typename }}" for n in range(2_000)),
    "introspection in a circle": "{ __schema { types { fields { type { fields { type { fields { type { name } } } } } } } } }",
    "comments": "#" + "x" * 60_000 + "\n{ __typename }",
    "nothing": "",
    "not text": "\ud800",
    "NUL": '{ crmLeads(search: "a\0b") { totalCount } }',
    "a schema": "type Query { a: Int }",
    "rows": "{ crmAccounts(first: 500) { nodes { contacts(first: 500) { nodes { deals(first: 500) { nodes { id } } } } } } }",
}


def refused(answered: Any) -> list[dict[str, Any]]:
    """The errors of a request; each says something, and none is a mistake of ours."""
    assert answered.status in (200, 400, 413), answered.body
    said = answered.json()
    for one in said.get("errors", []):
        assert one["message"] and one["message"] != "Internal error", said
    return list(said.get("errors", []))


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_a_hostile_document_is_refused_before_anything_is_asked(graph: Graph, name: str) -> None:
    body = b'{"query": ' + msgspec.json.encode(DOCUMENTS[name].encode("utf-8", "replace").decode()) + b"}"
    with graph.counted() as spent:
        answered = await graph.send("POST", "/graphql", body, content_type="application/json")
    assert refused(answered) or name in ("comments", "NUL", "directives"), answered.body[:500]
    assert spent.statements <= 1


SQL = (
    "'; DROP TABLE crm_lead; --",
    "$1",
    "{s}",
    ":me_id",
    "\\",
    "%",
    "_",
    "a\u2028b",
    "🦊",
    "' OR '1'='1",
    "%(x)s",
    '"',
    "$$",
    "/*",
    "E'\\''",
)


async def test_sql_in_any_argument_is_only_text(graph: Graph) -> None:
    for hostile in SQL:
        lead = await graph.tenant.given(Lead(name=hostile))
        for op in ("eq", "contains", "starts", "in"):
            value = [hostile] if op == "in" else hostile
            said = await graph.data("query($f: CrmLeadFilter) { crmLeads(filter: $f) { nodes { id name } } }", f={"name": {op: value}})
            assert {"id": str(lead.id), "name": hostile} in said["crmLeads"]["nodes"], (hostile, op)
        literal = msgspec.json.encode(hostile).decode()
        said = await graph.data(f"{{ crmLeads(filter: {{name: {{eq: {literal}}}}}) {{ totalCount }} }}")
        assert said["crmLeads"]["totalCount"] == 1
        for argument in ("after", "before"):
            last = "last: 1, " if argument == "before" else ""
            (error,) = await graph.errors(f"query($c: String) {{ crmLeads({last}{argument}: $c) {{ totalCount }} }}", c=hostile)
            assert error["extensions"]["problem"]["errors"][0]["field"] == argument


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.floats(allow_nan=False, allow_infinity=False),
        st.sampled_from(["", "x", "NEW", "new", "\0", "9" * 400, "1e999", "NaN", "2026-02-30", "0001-01-01T00:00:00Z", "é" * 300, *SQL]),
    ),
    lambda one: st.one_of(
        st.lists(one, max_size=3), st.dictionaries(st.sampled_from(["eq", "in", "null", "name", "or", "and", "x"]), one, max_size=3)
    ),
    max_leaves=6,
)
FIELDS = {
    "name": "String", "status": "CrmLeadStatus", "id": "ID", "ownerId": "ID", "createdAt": "DateTime", "version": "Int", "tags": "Tags",
    "estimatedAmount": "Decimal", "custom": "JSON", "learned": "JSON",
}  # fmt: skip
OPERATORS = ("eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "null", "contains", "starts")
LISTED = """query($f: CrmLeadFilter, $n: Int, $c: String, $s: [CrmLeadSort!], $q: String) {
  crmLeads(filter: $f, first: $n, after: $c, sort: $s, search: $q) { totalCount } }"""
CREATED = "mutation($i: CrmLeadCreate!) { crmCreateLead(input: $i) { __typename ... on Problem { detail errors { field } } } }"


@settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(field=st.sampled_from(list(FIELDS)), op=st.sampled_from(OPERATORS), value=VALUES)
async def test_no_condition_is_an_internal_error(graph: Graph, field: str, op: str, value: Any) -> None:
    answered = await graph.post(LISTED, {"f": {field: {op: value}}})
    for error in refused(answered):
        problem = error["extensions"].get("problem")
        where = problem["errors"][0]["field"] if problem else error["message"]
        assert "f" in where


@settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(name=st.sampled_from(["f", "n", "c", "s", "q", "x"]), value=VALUES)
async def test_no_variable_is_an_internal_error(graph: Graph, name: str, value: Any) -> None:
    refused(await graph.post(LISTED, {name: value}))


@settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    given=st.dictionaries(
        st.sampled_from(["name", "email", "estimatedAmount", "currency", "sourceId", "tags", "custom", "externalRefs"]), VALUES
    )
)
async def test_no_input_is_an_internal_error(graph: Graph, given: dict[str, Any]) -> None:
    refused(await graph.post(CREATED, {"i": given}))


@settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(body=st.one_of(st.binary(max_size=200), st.text(max_size=60).map(lambda text: msgspec.json.encode({"query": text}))))
async def test_no_body_is_an_internal_error(graph: Graph, body: bytes) -> None:
    refused(await graph.send("POST", "/graphql", body, content_type="application/json"))


TOKENS = st.sampled_from(
    ["{", "}", "(", ")", "[", "]", ":", "!", "...", "$x", "@skip", "query", "mutation", "fragment A on CrmLead", "crmLeads", "nodes", "id", "name",
     "first: 1", "filter: {name: {eq: \"x\"}}", "__typename", "__schema", "\"", "\"\"\"", "#", "1e9", "0xff", "null", "true", "&", "|", "=", ","]
)  # fmt: skip


@settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(tokens=st.lists(TOKENS, max_size=20))
async def test_no_document_is_an_internal_error(graph: Graph, tokens: list[str]) -> None:
    refused(await graph.post(" ".join(tokens)))


async def test_deep_variables_are_refused(graph: Graph) -> None:
    deep = b'{"not": ' * 400 + b"{}" + b"}" * 400
    body = b'{"query": ' + msgspec.json.encode(LISTED) + b', "variables": {"f": ' + deep + b"}}"
    assert refused(await graph.send("POST", "/graphql", body, content_type="application/json"))
