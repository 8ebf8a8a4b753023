"""The document says what the API does: valid, complete, and every example in it is sent and answered as it says."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import jsonschema
import msgspec
import pytest
from openapi_spec_validator import validate

from nexus.core.service import Service, installed
from nexus.runtime.testing import Answered, Harness
from nexus.services.crm.api import BulkReassign, LogActivity
from nexus.surfaces.openapi import document, examples, problems
from nexus.surfaces.shapes import shape_of

RULES_OVER_SEVERAL_FIELDS = {
    "/api/v1/crm/quotas": "a quota is of an owner, a team or a territory",
    "/api/v1/finance/assets": "a factor is of a declining balance",
}
"""Creates whose example cannot know what is asked of several fields together."""
METHODS = ("get", "post", "patch", "delete")


@functools.cache
def whole() -> dict[str, Any]:
    """The document as clients get it."""
    made: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(document(installed())))
    return made


def operations(*methods: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in whole()["paths"].items():
        for method in methods or METHODS:
            if method in item:
                yield path, method, item[method]


def resolved(said: dict[str, Any]) -> dict[str, Any]:
    """What a reference stands for."""
    if "$ref" not in said:
        return said
    found: Any = whole()
    for part in said["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return dict(found)


def check(value: Any, schema: dict[str, Any]) -> None:
    """The value fits the schema, whose references are into the document."""
    jsonschema.Draft202012Validator({**schema, "components": whole()["components"]}).validate(value)


def test_it_is_valid_openapi() -> None:
    validate(whole())  # type: ignore[arg-type]


def test_every_endpoint_of_every_service_is_in_it(services: dict[str, Service]) -> None:
    paths = whole()["paths"]
    for service in services.values():
        for entity in service.entities():
            shape = shape_of(entity)
            item, one = paths[f"/api/v1/{service.name}/{shape.path}"], paths[f"/api/v1/{service.name}/{shape.path}/{{id}}"]
            assert ("post" in item) >= entity.creatable
            assert ("patch" in paths.get(f"/api/v1/{service.name}/{shape.path}/bulk", {})) == entity.editable
            assert ("patch" in one) == entity.editable
            assert ("delete" in one) == (entity.removal is not None)
            place = f"/api/v1/{service.name}/{shape.path}"
            files = {name.removeprefix(place) for name in paths}
            assert paths[f"{place}/export"]["get"]["x-permission"] == f"{shape.name}:export"
            assert (
                {"/import", "/imports", "/imports/{id}", "/imports/{id}/rows", "/imports/{id}/resume", "/imports/{id}/undo"} <= files
            ) == (entity.editable or "post" in paths.get(f"{place}/bulk", {}))
        for handler in service.handlers():
            shape = next(shape_of(entity) for entity in service.entities() if entity.entity_name() == handler.entity)
            end = "" if handler.verb == "create" else f"/{{id}}/{handler.verb}" if handler.target_field else f"/{handler.verb}"
            operation = paths[f"/api/v1/{service.name}/{shape.path}{end}"]["post"]
            assert operation["x-permission"] == handler.needs
            assert (handler.command.__doc__ or "").split()[0] in operation["description"]
        for answer in service.answers():
            assert paths[f"/api/v1/{service.name}/reports/{answer.name}"]["get"]["x-permission"] == answer.needs


def test_operation_ids_are_unique_and_tags_are_described() -> None:
    ids = [operation["operationId"] for _, _, operation in operations()]
    assert len(ids) == len(set(ids))
    tags = {tag["name"]: tag["description"] for tag in whole()["tags"]}
    assert all(tags[tag] for _, _, operation in operations() for tag in operation["tags"])


def test_every_operation_has_words_and_says_its_refusals() -> None:
    for path, method, operation in operations():
        assert operation["summary"] and operation["description"], f"{method} {path}"
        assert {"401", "403"} <= set(operation["responses"]), f"{method} {path}"
        for status, response in operation["responses"].items():
            said = resolved(response)
            if status >= "400":
                assert list(said["content"]) == ["application/problem+json"], f"{method} {path} {status}"


def test_a_rule_tells_its_own_refusals_and_those_of_what_it_calls() -> None:
    paths = whole()["paths"]
    convert = paths["/api/v1/crm/leads/{id}/convert"]["post"]["responses"]
    assert {"illegal-move", "no-stage", "key-reused"} <= set(convert["409"]["content"]["application/problem+json"]["examples"])
    disqualify = paths["/api/v1/crm/leads/{id}/disqualify"]["post"]["responses"]["409"]
    told = disqualify["content"]["application/problem+json"]["examples"]["reason-of-another-kind"]
    assert told["value"]["type"] == "/problems/reason-of-another-kind"
    keys = paths["/api/v1/auth/api_keys"]["post"]["responses"]["422"]
    assert "A key must expire in the future." in keys["description"]


def test_fields_say_what_their_declarations_say() -> None:
    schemas = whole()["components"]["schemas"]
    lead = schemas["crm.Lead"]["properties"]
    assert lead["status"]["readOnly"] and "Moved by commands alone." in lead["status"]["description"]
    assert "status" not in schemas["crm.LeadCreate"]["properties"]
    assert lead["phone"]["type"] == ["string", "null"]
    assert lead["phone"]["x-pii"] == "contact"
    assert lead["title"]["title"] == "Job title"
    assert lead["estimated_amount"]["format"] == "decimal"
    assert schemas["crm.LeadCreate"]["required"] == ["name"]
    assert schemas["crm.LeadCreate"]["additionalProperties"] is False
    assert schemas["crm.LeadCreate"]["properties"]["priority"] == schemas["crm.LeadPatch"]["properties"]["priority"] | {"default": "normal"}
    assert lead["source"]["anyOf"][0] == {"$ref": "#/components/schemas/crm.LeadSource"}


def test_every_example_fits_its_schema() -> None:
    for path, method, operation in operations():
        for content in operation.get("requestBody", {"content": {}})["content"].values():
            if "example" not in content:
                continue
            try:
                check(content["example"], content["schema"])
            except jsonschema.ValidationError as error:
                pytest.fail(f"{method} {path}: {error.message} in {content['example']}")
        for status, response in operation["responses"].items():
            for media in resolved(response).get("content", {}).values():
                shown = [resolved(example)["value"] for example in media.get("examples", {}).values()]
                for example in [*shown, *([media["example"]] if "example" in media else [])]:
                    try:
                        check(example, media["schema"])
                    except jsonschema.ValidationError as error:
                        pytest.fail(f"{method} {path} {status}: {error.message}")


def answered_as_said(operation: dict[str, Any], answer: Answered, sent: Any) -> None:
    """The status is one that the operation names, and the body fits its schema there."""
    said = operation["responses"].get(str(answer.status))
    assert said is not None, f"{operation['operationId']} answers {answer.status}: {answer.body.decode()} to {sent}"
    if answer.body:
        kind = answer.headers["content-type"].partition(";")[0]
        schema = resolved(said)["content"][kind]["schema"]
        check(answer.json() if kind.endswith("json") and kind != "application/x-ndjson" else answer.body.decode(), schema)


async def test_every_example_of_a_create_is_taken_or_refused_only_for_what_it_refers_to(tenant: Harness) -> None:
    for path, _, operation in operations("post"):
        if "{id}" in path or not operation["operationId"].endswith(".create"):
            continue
        content = operation["requestBody"]["content"]["application/json"]
        answer = await tenant.api("POST", path, content["example"])
        answered_as_said(operation, answer, content["example"])
        refers = any(str(value).startswith("0197a3c2-") for value in content["example"].values())
        if answer.status == 404:
            assert refers or answer.json()["kind"] == "user", "the caller of a test is no user of the tenant"
        elif answer.status == 409:
            assert answer.json()["type"] not in ("/problems/already-exists", "/problems/key-reused"), answer.body
        elif answer.status != 201 and path not in RULES_OVER_SEVERAL_FIELDS:
            assert refers, f"{path}: {answer.body.decode()} to {content['example']}"
            for error in answer.json().get("errors", []):
                assert error["field"].endswith("_id"), f"{path}: {answer.body.decode()}"


async def test_every_other_example_is_answered_as_the_document_says(tenant: Harness) -> None:
    for path, method, operation in operations("get", "post", "patch", "delete"):
        if operation["operationId"].endswith(".create"):
            continue
        if any(part in path for part in ("/import", "/export")):
            continue  # files, and streams: see test_imports_and_exports_are_as_they_are_described
        sent = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
        wanted = [
            parameter for parameter in map(resolved, operation["parameters"]) if parameter.get("required") and parameter["in"] == "query"
        ]
        query = "&".join(f"{parameter['name']}={parameter['example']}" for parameter in wanted)
        named = path.replace("{id}", "0197a3c2-5d1e-7c3a-9b0f-2f6d8e4a1c77") + (f"?{query}" if query else "")
        headers = {"if_match": '"1"'} if method in ("patch", "delete") else {}
        answer = await tenant.api(method.upper(), named, sent, **headers)
        answered_as_said(operation, answer, sent)
        if answer.status == 422:
            assert not any("no such field" in error["message"] for error in answer.json().get("errors", [])), answer.body


async def test_a_record_is_as_its_schema_says(tenant: Harness) -> None:
    post = whole()["paths"]["/api/v1/crm/leads"]["post"]
    made = await tenant.api("POST", "/api/v1/crm/leads", post["requestBody"]["content"]["application/json"]["example"])
    assert made.status == 201
    answered_as_said(post, made, None)
    for query in ("", "?expand=source,owner", "?count=exact", "?name=Ada%20Obi&q=ada&sort=-name&limit=1", "?tags[contains]=vip"):
        page = await tenant.api("GET", f"/api/v1/crm/leads{query}")
        if query != "?expand=source,owner":
            answered_as_said(whole()["paths"]["/api/v1/crm/leads"]["get"], page, query)
    listed = {parameter["name"] for parameter in map(resolved, whole()["paths"]["/api/v1/crm/leads"]["get"]["parameters"])}
    assert {"where", "q", "sort", "cursor", "limit", "fields", "expand", "count", "archived", "status", "email", "tags[contains]"} <= listed


async def test_filter_parameters_of_every_kind_are_taken(tenant: Harness) -> None:
    tried: set[str] = set()
    for path, _, operation in operations("get"):
        if not operation["operationId"].endswith(".list"):
            continue
        for parameter in operation["parameters"]:
            kind = f"{path.split('/')[3]} {parameter.get('schema')}"
            if "x-operators" not in parameter or kind in tried:
                continue
            tried.add(kind)
            value = (
                str(parameter.get("example", "true")).lower()
                if parameter["schema"]["type"] == "boolean"
                else str(parameter.get("example", "vip"))
            )
            answer = await tenant.api("GET", f"{path}?{parameter['name']}={quote(value)}")
            assert answer.status == 200, f"{path} {parameter['name']}={value}: {answer.body.decode()}"


async def test_imports_and_exports_are_as_they_are_described(tenant: Harness) -> None:
    paths = whole()["paths"]
    start = paths["/api/v1/crm/leads/import"]["post"]
    for kind, media in start["requestBody"]["content"].items():
        taken = await tenant.api("POST", "/api/v1/crm/leads/import", media["example"].encode(), content_type=kind)
        assert taken.status == 200, taken.body
        answered_as_said(start, taken, media["example"])
    done = taken.json()["id"]
    one = "/api/v1/crm/leads/imports/{id}"
    for path in ("/api/v1/crm/leads/imports", one):
        answered_as_said(paths[path]["get"], await tenant.api("GET", path.replace("{id}", done)), None)
    undo = await tenant.api("POST", f"{one}/undo".replace("{id}", done))
    answered_as_said(paths[f"{one}/undo"]["post"], undo, None)
    for path, method in ((f"{one}/rows", "get"), ("/api/v1/crm/leads/export", "get")):
        lines = await tenant.api(method.upper(), path.replace("{id}", done))
        assert lines.status == 200
        assert lines.headers["content-type"] in paths[path][method]["responses"]["200"]["content"]
    named = {parameter["name"] for parameter in start["parameters"] if "name" in parameter}
    assert {"mode", "match", "dry_run", "map"} <= named


def test_problems_have_unique_codes_and_sentences() -> None:
    kinds = problems.every()
    assert {"not-found", "illegal-move", "worth-nothing", "key-reused"} & {kind.code() for kind in kinds} >= {
        "not-found",
        "illegal-move",
        "key-reused",
    }
    for kind in kinds:
        assert problems.sentence(kind)
        body = problems.example(kind)
        assert body["type"] == f"/problems/{kind.code()}" and 400 <= body["status"] < 600 and body["detail"]


def test_one_service_alone_is_a_document_too(services: dict[str, Service]) -> None:
    alone = document([services["auth"]])
    validate(alone)  # type: ignore[arg-type]
    assert all(path.startswith("/api/v1/auth/") for path in alone["paths"])


def test_an_example_goes_from_one_to_another_and_leaves_out_what_says_nothing_alone() -> None:
    moved, logged = examples.of_type(BulkReassign), examples.of_type(LogActivity)
    assert moved["from_owner_id"] != moved["to_owner_id"]
    assert "record_entity" not in logged
