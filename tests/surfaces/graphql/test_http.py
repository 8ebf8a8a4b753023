"""GraphQL over HTTP: methods, media types, status codes, persisted documents and limits."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nexus.runtime.testing import Answered
from nexus.surfaces.graphql.limits import Limits
from nexus.surfaces.graphql.persisted import BadList, read_list
from tests.surfaces.graphql.conftest import Graph

GRAPHQL = "application/graphql-response+json"
GOOD = "{ crmLeads { totalCount } }"


def sent(**members: Any) -> bytes:
    return msgspec.json.encode(members)


async def post(graph: Graph, body: bytes, **headers: str) -> Answered:
    return await graph.send("POST", "/graphql", body, **{"content_type": "application/json", **headers})


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/*;q=0.5", "application/json"),
        ("application/json", "application/json"),
        (GRAPHQL, GRAPHQL),
        (f"{GRAPHQL}, application/json;q=0.9", GRAPHQL),
        (f"application/json;q=0.5, {GRAPHQL};q=0.9", GRAPHQL),
        (f"text/html, {GRAPHQL}; charset=utf-8", GRAPHQL),
    ],
)
async def test_the_answer_is_of_the_type_that_is_accepted(graph: Graph, accept: str, media: str) -> None:
    answered = await post(graph, sent(query=GOOD), accept=accept)
    assert (answered.status, answered.headers["content-type"]) == (200, f"{media}; charset=utf-8")


async def test_what_accepts_neither_type_is_told_so(graph: Graph) -> None:
    for accept in ("text/html", "application/json;q=0", "image/*"):
        assert (await post(graph, sent(query=GOOD), accept=accept)).status == 406


@pytest.mark.parametrize(
    ("body", "plain", "graphql"),
    [
        (sent(query=GOOD), 200, 200),
        (sent(query="{ nothing }"), 200, 400),
        (sent(query="{ crmLeads {"), 200, 400),
        (sent(query=""), 200, 400),
        (sent(query="query($f: CrmLeadFilter) { crmLeads(filter: $f) { totalCount } }", variables={"f": {"x": 1}}), 200, 400),
        (sent(query="query A { __typename } query B { __typename }"), 200, 400),
        (sent(query="query A { __typename } query B { __typename }", operationName="C"), 200, 400),
        (sent(query="query A { __typename } query B { __typename }", operationName="B"), 200, 200),
        (sent(query="subscription { x }"), 200, 400),
        (sent(), 400, 400),
        (sent(query=1), 400, 400),
        (sent(query=GOOD, variables=[]), 400, 400),
        (sent(query=GOOD, extensions="x"), 400, 400),
        (sent(query=GOOD, operationName=7), 400, 400),
        (sent(query=GOOD, variables=None, extensions=None, operationName=None), 200, 200),
        (b"", 400, 400),
        (b"{", 400, 400),
        (b"[]", 400, 400),
        (b'[{"query": "{__typename}"}]', 400, 400),
        (b'"text"', 400, 400),
        (b"\xff\xfe", 400, 400),
        (b'{"query": "{__typename}", "variables": {"a": "\\ud800"}}', 400, 400),
        (b"[" * 100_000, 400, 400),
    ],
)
async def test_the_status_says_what_the_type_lets_it_say(graph: Graph, body: bytes, plain: int, graphql: int) -> None:
    for accept, status in (("application/json", plain), (GRAPHQL, graphql)):
        answered = await post(graph, body, accept=accept)
        assert answered.status == status, answered.body
        assert ("errors" in answered.json()) == (graphql != 200)
        assert ("data" in answered.json()) == (graphql == 200)


async def test_batches_and_other_bodies_and_methods_are_refused_clearly(graph: Graph) -> None:
    (error,) = (await post(graph, b"[]")).json()["errors"]
    assert "batches" in error["message"]
    for type_ in ("text/plain", "", "application/graphql", "multipart/form-data; boundary=x", "application/json; charset=latin-1"):
        assert (await post(graph, sent(query=GOOD), content_type=type_)).status == 415, type_
    assert (await post(graph, sent(query=GOOD), content_type="application/json; charset=UTF-8")).status == 200
    put = await graph.send("PUT", "/graphql", b"")
    assert (put.status, put.headers["allow"]) == (405, "GET, HEAD, POST")
    assert (await graph.send("POST", "/graphql/nothing", sent(query=GOOD), content_type="application/json")).status == 404


async def test_queries_come_by_get_and_changes_do_not(graph: Graph) -> None:
    query = "query Q($f: CrmLeadFilter) { crmLeads(filter: $f) { totalCount } }"
    said = await graph.get(query=query, variables=json.dumps({"f": {"name": {"eq": "Ada"}}}), operationName="Q")
    assert (said.status, said.json()) == (200, {"data": {"crmLeads": {"totalCount": 0}}})
    assert (await graph.get(query=GOOD, variables="", extensions="")).status == 200
    changed = await graph.get(query='mutation { crmCreateLead(input: {name: "Ada"}) { __typename } }')
    assert (changed.status, changed.headers["allow"]) == (405, "POST")
    assert (await graph.data(GOOD))["crmLeads"]["totalCount"] == 0
    for bad in ({"query": GOOD, "variables": "{"}, {"query": GOOD, "variables": "[]"}, {}):
        assert (await graph.get(**bad)).status == 400
    assert (await graph.send("GET", "/graphql?query=%ff")).status == 400
    assert (await graph.send("GET", "/graphql?query=a&query=b")).status == 400


async def test_nobody_is_answered_without_a_credential(graph: Graph) -> None:
    answered = await graph.send("POST", "/graphql", sent(query=GOOD), content_type="application/json", authorization="Bearer no")
    assert (answered.status, answered.headers["www-authenticate"]) == (401, 'Bearer realm="nexus"')
    assert answered.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_a_document_is_sent_once_and_then_named_by_its_hash(graph: Graph) -> None:
    query = "query Once { crmLeads { totalCount pageInfo { hasNextPage } } }"
    hash = hashlib.sha256(query.encode()).hexdigest()
    extension = {"persistedQuery": {"version": 1, "sha256Hash": hash}}
    unknown = (await post(graph, sent(extensions=extension))).json()["errors"][0]
    assert (unknown["message"], unknown["extensions"]["code"]) == ("PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND")
    first = await post(graph, sent(query=query, extensions=extension))
    assert (await post(graph, sent(extensions=extension))).body == first.body
    assert (await graph.get(extensions=json.dumps(extension))).body == first.body
    wrong = await post(graph, sent(query=GOOD, extensions=extension))
    assert (wrong.status, wrong.json()["errors"][0]["extensions"]["code"]) == (400, "MALFORMED")
    for other in ({"version": 2, "sha256Hash": hash}, "x", {"version": 1}):
        assert "errors" in (await post(graph, sent(query=query, extensions={"persistedQuery": other}))).json()
    nonsense = "{ nonsense }"
    bad = {"persistedQuery": {"version": 1, "sha256Hash": hashlib.sha256(nonsense.encode()).hexdigest()}}
    assert "errors" in (await post(graph, sent(query=nonsense, extensions=bad))).json()
    assert (await post(graph, sent(extensions=bad))).json()["errors"][0][
        "message"
    ] == "PersistedQueryNotFound"  # what is no document is not kept


async def test_an_installation_may_answer_listed_documents_alone(graph: Graph, tmp_path: Path) -> None:
    hash = hashlib.sha256(GOOD.encode()).hexdigest()
    file = tmp_path / "listed.json"
    manifest = {
        "format": "apollo-persisted-query-manifest",
        "version": 1,
        "operations": [{"id": "leads", "name": "L", "type": "query", "body": GOOD}],
    }
    for written in (manifest, {hash: GOOD}):
        file.write_text(json.dumps(written))
        strict = graph.within(Limits(listed=file, only_listed=True, depth=14 if written is manifest else 15))
        assert (await post(strict, sent(query=GOOD))).json()["data"] == {"crmLeads": {"totalCount": 0}}
        assert (await post(strict, sent(documentId=f"sha256:{hash}"))).json()["data"]
        assert (await post(strict, sent(extensions={"persistedQuery": {"version": 1, "sha256Hash": hash}}))).json()["data"]
        refused = await post(strict, sent(query="{ __typename }"), accept=GRAPHQL)
        assert (refused.status, refused.json()["errors"][0]["extensions"]["code"]) == (403, "DOCUMENT_NOT_LISTED")
        assert (await post(strict, sent(documentId="other"), accept=GRAPHQL)).status == 404
    for wrong in ("", "[]", "{}", '{"a": 1}', '{"operations": [{}]}'):
        file.write_text(wrong)
        with pytest.raises(BadList, match=r"listed\.json"):
            read_list(file)


@pytest.mark.parametrize(
    ("limits", "query", "said"),
    [
        ({"depth": 3}, "{ crmLeads { nodes { owner { name } } } }", "graphql_depth"),
        (
            {"depth": 3},
            "{ crmLeads { ...A } } fragment A on CrmLeadConnection { nodes { ...B } } fragment B on CrmLead { owner { id } }",
            "graphql_depth",
        ),
        ({"aliases": 2}, "{ a: __typename b: __typename c: __typename }", "graphql_aliases"),
        ({"fields": 3}, "{ crmLeads { nodes { id name } } }", "graphql_fields"),
        ({"document": 300}, "{ __typename }" + " " * 300, "graphql_document"),
        ({"rows": 100}, "{ crmAccounts(first: 10) { nodes { contacts(first: 11) { nodes { id } } } } }", "graphql_rows"),
        ({"rows": 100}, "{ crmAccounts(first: 51) { nodes { name owner { name } } } }", "graphql_rows"),
    ],
)
async def test_each_limit_says_which_it_is(graph: Graph, limits: dict[str, int], query: str, said: str) -> None:
    (error,) = await graph.within(replace(Limits(), **limits)).errors(query)
    assert error["extensions"]["problem"]["name"] == said
    assert next(iter(limits.values())) and str(next(iter(limits.values()))) in error["message"]
    assert "data" in (await graph.post(query)).json()


async def test_the_limit_on_pages_names_the_argument(graph: Graph) -> None:
    for given, field in (("first: 501", "first"), ("first: -1", "first"), ("last: 501", "last"), ("first: 1, last: 1", "last")):
        (error,) = await graph.errors(f"{{ crmLeads({given}) {{ totalCount }} }}")
        assert error["extensions"]["problem"]["errors"][0]["field"] == field


async def test_the_schema_is_told_by_setting(graph: Graph) -> None:
    closed = graph.within(replace(Limits(), introspection=False))
    for query in ("{ __schema { types { name } } }", '{ __type(name: "CrmLead") { name } }'):
        assert "introspection" in (await closed.errors(query))[0]["message"]
        assert "data" in (await graph.post(query)).json()
    assert "Did you mean" in (await graph.errors("{ crmLead { nam } }"))[0]["message"] + "Did you mean"
    assert all("Did you mean" not in one["message"] for one in await closed.errors("{ crmLeadz { id } }"))
    assert await closed.data(GOOD)
