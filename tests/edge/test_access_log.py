"""The access log: a line of JSON a request, and no secret in it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.edge.conftest import LONG, Make, site_of

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def test_a_line_says_what_was_asked_and_answered(make: Make, tmp_path: Path) -> None:
    site = await make(access_log=str(tmp_path / "access.jsonl"))

    await site.ask(
        "GET",
        "/long?q=Ngozi%20Okafor&limit=5",
        authorization="Bearer nx_secret",
        x_request_id="r-1",
        traceparent=TRACE,
        user_agent="test",
        accept_encoding="identity",
    )
    await site.ask("DELETE", "/nowhere/at/all")
    await site.ask("GET", "/table")
    site.edge.log.flush()  # type: ignore[union-attr]

    text = (tmp_path / "access.jsonl").read_text()
    first, second, third = (json.loads(line) for line in text.splitlines())
    assert first.pop("ms") > 0
    assert first.pop("at")
    assert first == {
        "method": "GET",
        "path": "/long",
        "route": "/long",
        "status": 200,
        "bytes": len(LONG),
        "request": "r-1",
        "trace": TRACE[3:35],
        "parameters": ["q", "limit"],
        "agent": "test",
    }
    assert (second["route"], second["status"], "parameters" in second) == ("other", 404, False)
    assert third["bytes"] is None, "a stream's end is not known when it begins"
    assert "secret" not in text
    assert "Ngozi" not in text


async def test_what_is_held_is_written_at_the_end(make: Make, tmp_path: Path) -> None:
    async with site_of(access_log=str(tmp_path / "access.jsonl")) as site:
        for _ in range(3):
            await site.ask("GET", "/short")

    assert len((tmp_path / "access.jsonl").read_text().splitlines()) == 3
