"""Ending: first `/readyz` says so, then nobody new is let in, and what is under way is answered."""

from __future__ import annotations

import json
import signal
import socket
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

from tests.process.conftest import PATIENCE, Nexus, free_port, until


def test_a_process_that_is_to_end_says_so_and_still_answers(nexus: Nexus, tmp_path: Path) -> None:
    log = tmp_path / "access.jsonl"
    key = nexus.start(NEXUS_DRAIN_SECONDS="600", NEXUS_ACCESS_LOG=str(log)).activate()
    with socket.create_connection(("127.0.0.1", nexus.port), PATIENCE) as late:
        body = b'{"name":"Ngozi"}'
        head = f"POST /api/v1/crm/contacts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Length: {len(body)}\r\n\r\n"
        assert nexus.process is not None
        nexus.process.send_signal(signal.SIGTERM)
        until(lambda: nexus.ask("GET", "/readyz")[0] == 503, "it says that it is about to end")

        assert nexus.ask("GET", "/readyz")[1]["status"] == "draining"
        assert nexus.ask("GET", "/healthz")[0] == 200
        assert nexus.ask("GET", "/api/v1/crm/contacts", token=key)[0] == 200
        late.sendall(head.encode() + body)
        assert late.recv(100).startswith(b"HTTP/1.1 201")

    assert nexus.stop() == 0, "a second signal hurries the end"
    said = log.read_text()
    lines = [json.loads(line) for line in said.splitlines()]
    assert [line["status"] for line in lines if line["route"] == "/api/v1/crm/contacts"] == [200, 201]
    assert key not in said
    assert nexus.key not in said


def test_an_import_that_streams_in_is_taken_to_its_end(nexus: Nexus) -> None:
    key = nexus.start(NEXUS_DRAIN_SECONDS="600").activate()
    rows = [f"Ngozi {n},ngozi.{n}@example.com,{'Met at the fair. ' * 12}\r\n" for n in range(4_500)]
    contacts = "/api/v1/crm/contacts"

    def there() -> int:
        return int(nexus.ask("GET", f"{contacts}?count=exact&limit=1", token=key)[1]["count"])

    with closing(HTTPConnection("127.0.0.1", nexus.port, timeout=PATIENCE)) as sender:
        sender.putrequest("POST", f"{contacts}/import")
        for name, value in (("authorization", f"Bearer {key}"), ("content-type", "text/csv"), ("transfer-encoding", "chunked")):
            sender.putheader(name, value)
        sender.endheaders()

        def send(text: str) -> None:
            sender.send(b"%x\r\n%b\r\n" % (len(text), text.encode()))

        send("name,email,description\r\n" + "".join(rows[:3_500]))
        until(lambda: there() > 0, "the first rows are there")
        assert nexus.process is not None
        nexus.process.send_signal(signal.SIGTERM)
        until(lambda: nexus.ask("GET", "/readyz")[0] == 503, "it says that it is about to end")
        send("".join(rows[3_500:]))
        sender.send(b"0\r\n\r\n")
        answer = sender.getresponse()
        told = answer.read()

    assert answer.status in (200, 201), told
    assert there() == len(rows)
    assert nexus.stop() == 0


def test_a_gateway_says_so_too_and_tells_which_services_answer(nexus: Nexus, tmp_path: Path) -> None:
    key = nexus.start().activate()
    gateway = Nexus(tmp_path / "gateway", free_port())
    gateway.folder.mkdir(mode=0o755)
    behind = f"control={nexus.url},crm={nexus.url}"
    try:
        gateway.start("serve", "--target=gateway", NEXUS_DRAIN_SECONDS="600", NEXUS_SERVICES=behind)
        assert gateway.ask("GET", "/api/v1/crm/contacts", token=key)[0] == 200
        _, said = gateway.text("/metrics")
        assert 'nexus_gateway_service_up{service="crm"} 1.0' in said
        assert 'nexus_http_request_seconds_count{method="GET",route="/api/v1/crm/*",status="200"} 1.0' in said
        assert gateway.process is not None

        gateway.process.send_signal(signal.SIGTERM)

        until(lambda: gateway.ask("GET", "/readyz")[0] == 503, "it says that it is about to end")
        assert gateway.ask("GET", "/readyz")[1] == {"status": "draining"}
        assert gateway.ask("GET", "/api/v1/crm/contacts", token=key)[0] == 200
    finally:
        assert gateway.stop() == 0
