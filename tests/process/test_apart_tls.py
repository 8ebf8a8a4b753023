"""Services that speak TLS with each other: GraphQL is planned over them all the same, by a process with a certificate of its own."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator

import pytest

from nexus.gateway.federation.toolbox import Toolbox
from nexus.runtime.identity import Identity
from tests.process.conftest import Nexus, place, until
from tests.process.test_apart import parts

LEADS = "{ crmLeads { nodes { name createdByUser { name } } } }"


@pytest.fixture(scope="module")
def secret(toolbox: Toolbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nexus]:
    with place(tmp_path_factory.mktemp("secret")) as made:
        made.start("up", "--apart", NEXUS_TLS="local")
        until(lambda: "Ctrl-C stops it" in made.said, "it says so")
        made.token = made.activate()
        assert made.ask("POST", "/api/v1/crm/leads", {"name": "Ngozi"}, token=made.token)[0] == 201
        yield made
        assert made.stop() == 0


def test_a_query_is_planned_over_services_that_speak_tls(secret: Nexus) -> None:
    assert "graphql" in parts(secret)
    assert "is answered by control" not in secret.said

    answer = secret.ask("POST", "/graphql", {"query": LEADS}, token=secret.token, headers={"content-type": "application/json"})

    assert answer == (200, {"data": {"crmLeads": {"nodes": [{"name": "Ngozi", "createdByUser": {"name": "Ade"}}]}}})


def test_the_planner_answers_nobody_without_a_certificate(secret: Nexus) -> None:
    apart = secret.folder / "data" / "apart"
    context = ssl.create_default_context(cafile=str(apart / "graphql" / "tls" / "ca.pem"))
    port = int(json.loads((apart / "graphql" / "running.json").read_text())["url"].rpartition(":")[2])

    def said(context: ssl.SSLContext) -> bytes:
        with socket.create_connection(("127.0.0.1", port)) as plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as asked:
            asked.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            return asked.recv(100)

    with pytest.raises(OSError, match=r"certificate required|reset"):
        said(context)
    assert b" 200 " in said(Identity(apart / "supervisor").client)
