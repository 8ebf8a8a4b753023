"""Tenants made in advance: claimed without DDL, kept at their number, dropped when they no longer fit."""

from __future__ import annotations

import asyncio

import pytest

from nexus.core.service import Service
from nexus.engines.oltp.embedded import EmbeddedPostgres
from tests.activation.conftest import new_database, opened


@pytest.fixture(scope="module")
async def standby_database(postgres: EmbeddedPostgres) -> tuple[str, str]:
    return await new_database(postgres, "standby_tests")


@pytest.fixture(autouse=True)
async def emptied(standby_database: tuple[str, str], services: dict[str, Service]) -> None:
    async with opened([standby_database], {"auth": services["auth"]}) as nexus:
        await nexus.control.standby.fill()  # none is wanted, so all are dropped


async def test_the_pool_is_filled_to_its_number_and_no_further(standby_database: tuple[str, str], services: dict[str, Service]) -> None:
    async with opened([standby_database], {"auth": services["auth"]}, standby=2) as nexus:
        assert await nexus.control.standby.fill() == 2
        assert await nexus.control.standby.fill() == 0
        assert await nexus.control.standby.ready("c0") == 2


async def test_claiming_is_no_ddl(standby_database: tuple[str, str], services: dict[str, Service]) -> None:
    async with opened([standby_database], {"auth": services["auth"]}, standby=1) as nexus:
        await nexus.control.standby.fill()
        (prepared,) = (await nexus.rows("SELECT tenant_id FROM nexus_control.standby"))[0]
        schemas = (await nexus.traces())["schemas"]

        status, answer = await nexus.activate("claimed")

        assert (status, answer["tenant"]["id"]) == (201, str(prepared))
        assert (await nexus.traces())["schemas"] == schemas
        assert await nexus.control.standby.ready("c0") == 0
        (output,) = (
            await nexus.rows(
                "SELECT s.output ->> 'from' FROM nexus_control.activation_step s JOIN nexus_control.activation a ON a.id = s.activation_id"
                " WHERE a.slug = 'claimed' AND s.name = 'allocate'"
            )
        )[0]
        assert output == "standby"


async def test_two_activations_never_claim_the_same_one(standby_database: tuple[str, str], services: dict[str, Service]) -> None:
    async with opened([standby_database], {"auth": services["auth"]}, standby=3) as nexus:
        await nexus.control.standby.fill()

        answers = await asyncio.gather(*(nexus.activate(f"claims-{n}") for n in range(4)))

        assert [status for status, _ in answers] == [201] * 4
        assert len({answer["tenant"]["id"] for _, answer in answers}) == 4
        assert await nexus.control.standby.ready("c0") == 0


async def test_two_processes_that_fill_one_pool_make_no_more_than_wanted(
    standby_database: tuple[str, str], services: dict[str, Service]
) -> None:
    auth = {"auth": services["auth"]}
    async with opened([standby_database], auth, standby=2) as one, opened([standby_database], auth, standby=2) as other:
        await asyncio.gather(one.control.standby.fill(), other.control.standby.fill())
        await asyncio.gather(one.control.standby.fill(), other.control.standby.fill())

        assert await one.control.standby.ready("c0") == 2
        assert await one.rows("SELECT count(*) FROM nexus_control.standby") == [(2,)]


async def test_what_does_not_fit_is_dropped(standby_database: tuple[str, str], services: dict[str, Service]) -> None:
    async with opened([standby_database], {"auth": services["auth"]}, standby=1) as nexus:
        before = (await nexus.traces())["schemas"]
        await nexus.control.standby.fill()
        await nexus.rows("UPDATE nexus_control.standby SET versions = 'auth:0' RETURNING 1")

        assert await nexus.control.standby.ready("c0") == 0
        status, answer = await nexus.activate("no-old-one")
        assert status == 201
        assert await nexus.control.standby.fill() == 1

        assert (await nexus.traces())["schemas"] == before + 2  # the tenant's own, and the fresh one
        assert answer["tenant"]["services"] == {"auth": 1}
