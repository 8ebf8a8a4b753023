"""First use: a service's tables are made, or brought to their version, by the first request that needs them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from nexus.core.service import Service
from nexus.engines.oltp.embedded import EmbeddedPostgres
from nexus.runtime.directory import schema_of
from tests.activation.conftest import Installation, new_database, opened

Urls = tuple[str, str]
SERVICES = "SELECT service, version FROM nexus_cell.tenant_service WHERE tenant = %s ORDER BY service"


@pytest.fixture(scope="module")
async def first_use_database(postgres: EmbeddedPostgres) -> Urls:
    return await new_database(postgres, "first_use_tests")


@pytest.fixture
async def nexus(first_use_database: Urls, services: dict[str, Service]) -> AsyncIterator[Installation]:
    async with opened([first_use_database], services) as installation:
        yield installation


async def before_crm(database: Urls, services: dict[str, Service], slug: str) -> dict[str, Any]:
    """A tenant made when only the service of access was installed."""
    async with opened([database], {"auth": services["auth"]}) as nexus:
        status, answer = await nexus.activate(slug)
        assert status == 201
        return answer


async def services_of(nexus: Installation, answer: dict[str, Any]) -> list[tuple[Any, ...]]:
    return await nexus.rows(SERVICES, schema_of(UUID(answer["tenant"]["id"])))


async def set_state(nexus: Installation, answer: dict[str, Any], state: str) -> None:
    await nexus.rows("UPDATE nexus_control.tenant SET state = %s WHERE id = %s RETURNING 1", state, answer["tenant"]["id"])
    nexus.node.directory.forget(UUID(answer["tenant"]["id"]))


async def test_the_first_request_makes_the_tables_once(
    first_use_database: Urls, services: dict[str, Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = await before_crm(first_use_database, services, "first-use")
    token = answer["credentials"]["api_key"]
    async with opened([first_use_database], services) as nexus:
        assert await services_of(nexus, answer) == [("auth", 1)]
        made: list[str] = []
        bring = nexus.node.migrator._bring

        async def counted(connection: Any, tenant: str, service: Service) -> None:
            made.append(service.name)
            await bring(connection, tenant, service)

        monkeypatch.setattr(nexus.node.migrator, "_bring", counted)

        answers = await asyncio.gather(
            *(nexus.ask("POST", "/api/v1/crm/contacts", {"name": f"Contact {n}"}, token=token) for n in range(4)),
            *(nexus.ask("GET", "/api/v1/crm/contacts", token=token) for _ in range(4)),
        )

        assert [status for status, _ in answers] == [201] * 4 + [200] * 4
        assert made == ["crm"]
        assert await services_of(nexus, answer) == [("auth", 1), ("crm", 1)]


async def test_who_may_do_nothing_in_a_service_does_not_make_its_tables(first_use_database: Urls, services: dict[str, Service]) -> None:
    answer = await before_crm(first_use_database, services, "no-right")
    async with opened([first_use_database], services) as nexus:
        owner = answer["credentials"]["api_key"]
        _, me = await nexus.ask("GET", "/api/v1/auth/users", token=owner)
        body = {"name": "Only access", "user_id": me["items"][0]["id"], "scopes": ["auth:*"]}
        status, key = await nexus.ask("POST", "/api/v1/auth/api_keys", body, token=owner)
        assert status == 201, key

        status, problem = await nexus.ask("GET", "/api/v1/crm/contacts", token=key["token"])

        assert (status, problem["type"]) == (403, "/problems/forbidden")
        assert await services_of(nexus, answer) == [("auth", 1)]


async def test_a_hot_request_asks_nothing_more(nexus: Installation) -> None:
    _, answer = await nexus.activate("hot")
    token = answer["credentials"]["api_key"]
    assert (await nexus.ask("GET", "/api/v1/crm/contacts", token=token))[0] == 200
    stats: Any = nexus.cells.control.oltp.stats  # type: ignore[attr-defined]
    before = stats.round_trips

    assert (await nexus.ask("GET", "/api/v1/crm/contacts", token=token))[0] == 200

    assert stats.round_trips - before == 1


async def test_a_moving_tenant_is_read_and_not_written(nexus: Installation) -> None:
    _, answer = await nexus.activate("moving")
    token = answer["credentials"]["api_key"]
    status, contact = await nexus.ask("POST", "/api/v1/crm/contacts", {"name": "Before"}, token=token)
    assert status == 201
    await set_state(nexus, answer, "moving")
    path = f"/api/v1/crm/contacts/{contact['id']}"

    refused = [
        await nexus.ask("POST", "/api/v1/crm/contacts", {"name": "During"}, token=token),
        await nexus.ask("DELETE", path, token=token),
        await nexus.ask("POST", f"{path}/restore", token=token),
    ]

    assert {(status, problem["type"]) for status, problem in refused} == {(503, "/problems/tenant-moving")}
    assert (await nexus.ask("GET", path, token=token))[1]["name"] == "Before"
    assert len((await nexus.ask("GET", "/api/v1/crm/contacts?name=During", token=token))[1]["items"]) == 0
    await set_state(nexus, answer, "active")
    assert (await nexus.ask("POST", "/api/v1/crm/contacts", {"name": "After"}, token=token))[0] == 201


async def test_a_moving_tenant_gets_no_new_tables(first_use_database: Urls, services: dict[str, Service]) -> None:
    answer = await before_crm(first_use_database, services, "moving-first-use")
    async with opened([first_use_database], services) as nexus:
        await set_state(nexus, answer, "moving")

        status, problem = await nexus.ask("GET", "/api/v1/crm/contacts", token=answer["credentials"]["api_key"])

        assert (status, problem["type"]) == (503, "/problems/tenant-moving")
        assert await services_of(nexus, answer) == [("auth", 1)]


async def test_a_process_that_does_not_know_yet_is_stopped_by_the_database(nexus: Installation) -> None:
    _, answer = await nexus.activate("stale")
    token, id = answer["credentials"]["api_key"], UUID(answer["tenant"]["id"])
    assert (await nexus.ask("GET", "/api/v1/crm/contacts", token=token))[0] == 200
    await nexus.rows("UPDATE nexus_control.tenant SET state = 'moving' WHERE id = %s RETURNING 1", id)
    async with await nexus.cells.control.owner() as owner:
        await owner.execute(f"REVOKE INSERT ON {schema_of(id)}.crm_contact FROM {schema_of(id)}".encode())

    status, problem = await nexus.ask("POST", "/api/v1/crm/contacts", {"name": "Late"}, token=token)

    assert (status, problem["type"]) == (503, "/problems/tenant-moving")
    assert (await nexus.ask("GET", "/api/v1/crm/contacts", token=token))[1]["items"] == []
