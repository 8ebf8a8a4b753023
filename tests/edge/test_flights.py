"""The time limit: who takes too long is given up with a problem, and nobody else."""

from __future__ import annotations

import asyncio

import httpx

from tests.edge.conftest import Make, Site


async def _begun(site: Site, path: str, count: int = 1) -> asyncio.Task[httpx.Response]:
    asked = asyncio.ensure_future(site.ask("GET", path))
    async with asyncio.timeout(10):
        while len(site.edge.flights.under_way) < count:
            await asyncio.sleep(0)
    return asked


def _begin(site: Site) -> float:
    return next(began for began, _ in site.edge.flights.under_way.values())


async def test_a_request_that_takes_too_long_is_given_up(make: Make) -> None:
    site = await make(request_seconds=30)
    asked = await _begun(site, "/slow")

    site.edge.flights.look(_begin(site) + 30.1)

    answer = await asked
    assert answer.status_code == 504
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "/problems/took-too-long"
    assert answer.json()["seconds"] == 30
    assert site.edge.flights.under_way == {}


async def test_one_in_time_is_not(make: Make) -> None:
    site = await make(request_seconds=30)
    asked = await _begun(site, "/slow")

    site.edge.flights.look(_begin(site) + 29.9)
    site.go.set()

    assert (await asked).status_code == 200


async def test_an_activation_takes_its_time(make: Make) -> None:
    site = await make(request_seconds=30)
    asked = await _begun(site, "/api/v1/activate")

    site.edge.flights.look(_begin(site) + 1000)
    site.go.set()

    assert (await asked).status_code == 200


async def test_no_limit_gives_nobody_up(make: Make) -> None:
    site = await make(request_seconds=0)
    asked = await _begun(site, "/slow")

    site.edge.flights.look(_begin(site) + 100_000)
    site.go.set()

    assert (await asked).status_code == 200


async def test_a_cancellation_by_somebody_else_is_one(make: Make) -> None:
    site = await make(request_seconds=30)
    asked = await _begun(site, "/slow")

    asked.cancel()

    assert isinstance((await asyncio.gather(asked, return_exceptions=True))[0], asyncio.CancelledError)
    assert site.edge.flights.under_way == {}


async def test_what_fails_is_not_under_way_any_more(make: Make) -> None:
    site = await make()

    assert (await site.ask("GET", "/broken")).status_code == 500
    assert site.edge.flights.under_way == {}
