"""The edge as a caller meets it, over a real connection: known answers, compression, limits, CORS, traces."""

from __future__ import annotations

import gzip
import json
import re
import urllib.error
import urllib.request
from email.message import Message

from tests.process.conftest import PATIENCE, Nexus

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
ORIGIN = "https://shop.example.com"


def ask(nexus: Nexus, method: str, path: str, **headers: str) -> tuple[int, Message, bytes]:
    """A request whose headers matter."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{nexus.url}{path}", headers=named, method=method), timeout=PATIENCE) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def test_what_an_answer_says_of_itself(nexus: Nexus) -> None:
    token = f"Bearer {nexus.start(NEXUS_CORS_ORIGINS=ORIGIN).activate()}"
    for at in range(30):
        assert nexus.ask("POST", "/api/v1/crm/contacts", {"name": f"Contact {at}"}, token=token[7:])[0] == 201
    path = "/api/v1/crm/contacts"

    status, headers, plain = ask(nexus, "GET", path, authorization=token, origin=ORIGIN, traceparent=TRACE)
    assert (status, headers["access-control-allow-origin"], headers["traceparent"]) == (200, ORIGIN, TRACE)
    assert headers["ratelimit-policy"] == '"key";q=10000;w=10, "tenant";q=20000;w=10'
    assert re.fullmatch(r'"key";r=(10000|9\d{3});t=1', headers["ratelimit"])
    tag = headers["etag"]

    status, headers, body = ask(nexus, "GET", path, authorization=token, if_none_match=tag)
    assert (status, headers["etag"], body) == (304, tag, b"")

    status, headers, body = ask(nexus, "GET", path, authorization=token, accept_encoding="gzip")
    assert (status, headers["content-encoding"], headers["etag"]) == (200, "gzip", tag)
    assert gzip.decompress(body) == plain

    status, headers, body = ask(nexus, "GET", f"{path}/export", authorization=token, accept_encoding="gzip")
    assert (status, headers["content-encoding"]) == (200, "gzip")
    assert len(gzip.decompress(body).splitlines()) == 30

    assert nexus.ask("POST", path, {"name": "One more"}, token=token[7:])[0] == 201
    assert ask(nexus, "GET", path, authorization=token, if_none_match=tag)[0] == 200, "it has changed"

    status, headers, _ = ask(nexus, "OPTIONS", path, origin=ORIGIN, access_control_request_method="POST")
    assert (status, headers["access-control-allow-origin"]) == (204, ORIGIN)


def test_a_limit_holds_on_every_surface_and_is_the_same(nexus: Nexus) -> None:
    token = f"Bearer {nexus.start(NEXUS_KEY_DAY='20', NEXUS_KEY_RATE='0').activate()}"
    used = 0
    while ask(nexus, "GET", "/api/v1/auth/reports/me", authorization=token)[0] == 200:
        used += 1
        assert used < 30

    status, headers, body = ask(nexus, "GET", "/api/v1/crm/contacts", authorization=token)

    problem = json.loads(body)
    assert (status, problem["limit"], problem["type"]) == (429, "key-day", "/problems/too-many-requests")
    assert int(headers["retry-after"]) == problem["retry_after"]
    assert '"key-day";q=20;w=86400' in headers["ratelimit-policy"]
    query = json.dumps({"query": "{ __typename }"})
    sent = urllib.request.Request(
        f"{nexus.url}/graphql", query.encode(), {"authorization": token, "content-type": "application/json"}, method="POST"
    )
    try:
        with urllib.request.urlopen(sent, timeout=PATIENCE) as answer:
            raise AssertionError(answer.read())
    except urllib.error.HTTPError as error:
        assert error.code == 429
        assert error.headers["ratelimit"].startswith('"key-day";r=0;')
        error.read()
