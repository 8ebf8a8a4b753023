"""The documents of what can be heard, held against others' validators and against what is really told."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from nexus.cli import app
from nexus.core.problem import Invalid, NotFound
from nexus.core.service import Service
from nexus.engines.oltp.embedded import EmbeddedPostgres
from nexus.gateway.federation.toolbox import Toolbox
from nexus.gateway.pages.documents import Documents
from nexus.surfaces.live import messages
from nexus.surfaces.live.asyncapi import asyncapi
from nexus.surfaces.live.schemas import event_schema
from nexus.surfaces.live.topics import Topic, topics_of
from nexus.surfaces.rest.message import Response
from tests.activation.conftest import new_database, opened

PARSE = """
import { Parser } from "@asyncapi/parser";
const parts = [];
for await (const part of process.stdin) parts.push(part);
const { document, diagnostics } = await new Parser().parse(JSON.stringify(JSON.parse(Buffer.concat(parts).toString("utf8"))));
const found = diagnostics.filter((one) => one.severity <= 1).map((one) => `${one.code} ${one.path.join(".")}: ${one.message}`);
const named = (all) => all.map((one) => one.id()).sort();
process.stdout.write(JSON.stringify({
  found, version: document?.version(), channels: named(document?.channels().all() ?? []), operations: named(document?.operations().all() ?? []),
}));
"""


@pytest.fixture(scope="module")
def topics(services: dict[str, Service]) -> dict[str, Topic]:
    return topics_of(services.values())


def test_the_reference_parser_has_nothing_to_say(services: dict[str, Service], toolbox: Toolbox) -> None:
    document = asyncapi(services.values(), url="https://nexus.example")
    told: Any = toolbox.evaluate(PARSE, json.loads(msgspec.json.encode(document)))
    assert told["found"] == []
    assert told["version"] == "3.0.0"
    assert told["channels"] == sorted(document["channels"])
    assert told["operations"] == sorted(document["operations"])


def test_every_topic_has_a_channel_an_operation_and_a_message_for_each_version(
    services: dict[str, Service], topics: dict[str, Topic]
) -> None:
    document = asyncapi(services.values())
    assert {"crm.deal.won", "crm.lead.created", "crm.owner.changed", "auth.user.invited"} <= topics.keys()
    for name, topic in topics.items():
        channel, operation = document["channels"][name], document["operations"][name]
        assert channel["address"] == topic.pattern.replace("*", "{tenant}")
        assert operation["action"] == "send"
        assert topic.versions
        for version in topic.versions:
            assert document["components"]["messages"][f"{name}.v{version}"]["x-schema"] == f"/schemas/events/{name}/{version}.json"
    said = document["channels"]["ws"]["messages"]
    assert set(said) == {kind.__name__ for kind in (*messages.ASKED, *messages.TOLD)}


def test_every_version_of_every_event_has_a_schema_that_stands_alone(topics: dict[str, Topic]) -> None:
    for topic in topics.values():
        for version in topic.versions:
            schema = json.loads(msgspec.json.encode(event_schema(topic, version)))
            Draft202012Validator.check_schema(schema)
            wanted = set(_references(schema))
            assert wanted <= {f"#/$defs/{name}" for name in schema["$defs"]}, topic.name
        with pytest.raises(KeyError):
            event_schema(topic, 99)


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [one for inner in value.values() for one in _references(inner)]
    return [one for inner in value for one in _references(inner)] if isinstance(value, list) else []


async def test_what_is_told_fits_its_schema(postgres: EmbeddedPostgres, services: dict[str, Service], topics: dict[str, Topic]) -> None:
    """Everything that an activation with its proof and its seeds tells."""
    async with opened([await new_database(postgres, f"told_{uuid4().hex[:8]}")], services) as nexus:
        status, answer = await nexus.activate("told")
        assert status == 201, answer
        log = nexus.node.logs["c0"]
        await nexus.node.relays["c0"].drain()
        page = await log.read(0, (">",), 10_000)
    validators: dict[str, Draft202012Validator] = {}
    for event in page.events:
        if event.type not in validators:
            schema = json.loads(msgspec.json.encode(event_schema(topics[event.type], 1)))
            validators[event.type] = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
        envelope = json.loads(event.envelope)
        assert [error.message for error in validators[event.type].iter_errors(envelope)] == [], envelope
        assert list(validators[event.type].iter_errors(envelope | {"data": {"id": 7}})) != []
    assert {
        "crm.lead.created",
        "crm.lead.converted",
        "crm.deal.created",
        "crm.lead_source.created",
        "auth.api_key.created",
    } <= validators.keys()


class Asked:
    """A request for a document."""

    def __init__(self, path: str, method: str = "GET", query: bytes = b"", **headers: str) -> None:
        self.method, self.path, self.query = method, path, query
        self.headers = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}

    async def body(self, limit: int | None = None) -> bytes:
        return b""


async def test_the_documents_are_served_and_kept(services: dict[str, Service]) -> None:
    documents = Documents(services, "https://nexus.example")

    async def twice(path: str) -> Response:
        find = documents.asyncapi if path == "/asyncapi.json" else documents.event_schema
        first = await find(Asked(path))
        tag = dict(first.headers)[b"etag"].decode()
        assert (await find(Asked(path, if_none_match=tag))).status == 304
        return first

    document = json.loads((await twice("/asyncapi.json")).body)
    assert document["servers"]["socket"] == {
        "host": "nexus.example",
        "protocol": "wss",
        "security": [{"$ref": "#/components/securitySchemes/tenantKey"}],
    }
    schema = json.loads((await twice("/schemas/events/crm.deal.won/1.json")).body)
    assert schema["$id"] == "/schemas/events/crm.deal.won/1.json"
    for path in ("crm.deal.won/2.json", "crm.deal.won/1", "crm.deel.won/1.json", "crm.deal.won/01.json", "", "../1.json"):
        with pytest.raises(NotFound):
            await documents.event_schema(Asked(f"/schemas/events/{path}"))
    with pytest.raises(Invalid, match="service: is not a parameter here"):
        await documents.asyncapi(Asked("/asyncapi.json", query=b"service=crm"))


def test_the_command_writes_the_document(tmp_path: Any) -> None:
    done = CliRunner().invoke(app, ["asyncapi", "--service", "crm", "--url", "https://nexus.example", "-o", str(tmp_path / "events.json")])
    assert done.exit_code == 0, done.output
    channels = json.loads((tmp_path / "events.json").read_text())["channels"]
    assert "crm.deal.won" in channels
    assert not any(name.startswith("auth.") for name in channels)
    assert CliRunner().invoke(app, ["asyncapi", "--service", "nothing"]).exit_code == 2
    assert CliRunner().invoke(app, ["asyncapi", "--url", "nexus.example"]).exit_code == 2
