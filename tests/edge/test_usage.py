"""Quotas on a real control plane: they outlive the process, are shared by processes, and cost no write per request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from nexus.config import Settings
from nexus.engines.oltp import Unavailable
from nexus.gateway.edge.wiring import edge_of
from nexus.runtime.app import App
from nexus.runtime.telemetry import Telemetry
from nexus.runtime.usage import Usage
from tests.activation.conftest import Installation, Open, control_database, open_installation

__all__ = ["control_database", "open_installation"]
ME = "/api/v1/auth/reports/me"


@pytest.fixture
async def nexus(open_installation: Open) -> AsyncIterator[Installation]:
    async with open_installation() as installation:
        yield installation


async def _owner(nexus: Installation, slug: str) -> tuple[str, str]:
    status, answer = await nexus.activate(slug)
    assert status == 201, answer
    return answer["tenant"]["id"], answer["credentials"]["api_key"]


def _usage(nexus: Installation, **settings: Any) -> Usage:
    return Usage(Settings(**settings), nexus.node.directory, nexus.cells.control.oltp)


async def _ask(nexus: Installation, usage: Usage, key: str, times: int) -> list[int]:
    """The statuses of some requests to a process with these limits."""
    nexus.node.rates = usage.rates
    try:
        return [(await nexus.ask("GET", ME, token=key))[0] for _ in range(times)]
    finally:
        nexus.node.rates = None


async def test_a_quota_outlives_the_process(nexus: Installation) -> None:
    id, key = await _owner(nexus, "quota-outlives")
    first = _usage(nexus, tenant_day=5)
    assert await _ask(nexus, first, key, 3) == [200, 200, 200]
    await first.tell()

    second = _usage(nexus, tenant_day=5)

    assert await _ask(nexus, second, key, 4) == [200, 200, 429, 429]
    await second.tell()
    rows = await nexus.rows("SELECT requests FROM nexus_control.usage WHERE tenant_id = %s ORDER BY key_id", id)
    assert rows == [(5,), (5,)], "the tenant's and its key's"


async def test_processes_hear_of_each_other(nexus: Installation) -> None:
    _, key = await _owner(nexus, "quota-shared")
    one, other = _usage(nexus, tenant_day=10, key_rate=0), _usage(nexus, tenant_day=10, key_rate=0)
    assert await _ask(nexus, one, key, 4) == [200] * 4
    await one.tell()
    assert await _ask(nexus, other, key, 4) == [200] * 4
    await other.tell()
    assert await _ask(nexus, one, key, 1) == [200]
    await one.tell()

    (tenant,) = one.rates.tenants.values()
    assert (tenant.today, tenant.share) == (9, 1 / 5), "four of five came to the other"
    assert await _ask(nexus, one, key, 2) == [200, 429]


async def test_nothing_is_written_per_request(nexus: Installation) -> None:
    _, key = await _owner(nexus, "quota-cheap")
    usage = _usage(nexus, tenant_day=1000)
    await _ask(nexus, usage, key, 2)
    before = nexus.cells.control.oltp.stats.round_trips  # type: ignore[attr-defined]

    assert await _ask(nexus, usage, key, 20) == [200] * 20

    assert nexus.cells.control.oltp.stats.round_trips - before == 20, "one each, for what was asked"  # type: ignore[attr-defined]


async def test_what_could_not_be_told_is_told_later(nexus: Installation) -> None:
    id, key = await _owner(nexus, "quota-later")
    usage = _usage(nexus)
    assert await _ask(nexus, usage, key, 3) == [200] * 3
    control = usage._control
    usage._control = _Away()  # type: ignore[assignment]
    await usage.tell()
    usage._control = control

    await usage.tell()
    await usage.tell()

    assert await nexus.rows("SELECT sum(requests)::int FROM nexus_control.usage WHERE tenant_id = %s", id) == [(6,)]


class _Away:
    async def run(self, *calls: Any, **how: Any) -> Any:
        raise Unavailable("away")


async def test_a_tenant_is_given_limits_of_its_own(nexus: Installation) -> None:
    _, key = await _owner(nexus, "own-limits")
    usage = _usage(nexus, key_rate=1)
    path = "/api/v1/tenants/own-limits"

    status, tenant = await nexus.ask("POST", f"{path}/limits", {"per_day": 3, "key_per_second": 0, "reason": "The small plan"})

    assert (status, tenant["limits"]) == (200, {"per_second": None, "key_per_second": 0, "per_day": 3, "key_per_day": None})
    assert await _ask(nexus, usage, key, 4) == [200, 200, 200, 429]
    await usage.tell()
    assert (await nexus.ask("GET", path))[1]["requests_today"] == 3
    noted = await nexus.rows(
        "SELECT command, reason, became->'limits'->>'per_day' FROM nexus_control.tenant_change ORDER BY id DESC LIMIT 1"
    )
    assert noted == [("limits", "The small plan", "3")]

    status, tenant = await nexus.ask("POST", f"{path}/limits", {"reason": "The large plan"})

    assert (status, tenant["limits"]["per_day"]) == (200, None)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"per_day": 3}, "reason"),
        ({"reason": "x", "per_second": -1}, "per_second"),
        ({"reason": "x", "per_day": 1.5}, "per_day"),
        ({"reason": "x", "a_day": 1}, "a_day"),
    ],
)
async def test_limits_that_cannot_be_are_refused_and_nothing_changes(nexus: Installation, body: dict[str, Any], field: str) -> None:
    slug = f"bad-{field.replace('_', '-')}"
    await _owner(nexus, slug)

    status, problem = await nexus.ask("POST", f"/api/v1/tenants/{slug}/limits", body)

    assert (status, [error["field"] for error in problem["errors"]]) == (422, [field])
    assert (await nexus.ask("GET", f"/api/v1/tenants/{slug}"))[1]["limits"] is None


async def test_only_the_operator_gives_limits(nexus: Installation) -> None:
    _, key = await _owner(nexus, "not-yours")

    assert (await nexus.ask("POST", "/api/v1/tenants/not-yours/limits", {"reason": "more"}, token=key))[0] == 401
    assert (await nexus.ask("GET", "/api/v1/tenants/not-yours"))[1]["limits"] is None


async def test_answers_tell_the_limits_and_a_refusal_says_when_to_come_again(nexus: Installation) -> None:
    _, key = await _owner(nexus, "told-limits")
    settings, node = Settings(key_rate=0.2, tenant_rate=0), nexus.node
    async with edge_of(settings, Telemetry(), node) as edge:
        app = App(node.rest, node.authenticate, nexus.control.pages(), body_limit=1 << 20, host=node, layers=[edge.around])
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://nexus") as client:
            first, second, third = [await client.get(ME, headers={"authorization": f"Bearer {key}"}) for _ in range(3)]
            operator = await client.get("/api/v1/tenants", headers={"authorization": f"Bearer {nexus.operator}"})
    node.rates = None

    assert (first.status_code, second.status_code, third.status_code) == (200, 200, 429)
    assert first.headers["ratelimit-policy"] == '"key";q=2;w=10'
    assert first.headers["ratelimit"] == '"key";r=1;t=5'
    assert third.headers["ratelimit"].startswith('"key";r=0;')
    assert 1 <= int(third.headers["retry-after"]) <= 5
    assert third.json()["type"] == "/problems/too-many-requests"
    assert third.json()["limit"] == "key"
    assert "ratelimit" not in operator.headers
