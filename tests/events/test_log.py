"""The log can be read from anywhere, followed live, asked by time, and trimmed behind its readers."""

import asyncio
import datetime as dt
from uuid import UUID, uuid4

import psycopg
import pytest

from nexus.engines.event_log import GroupLost
from nexus.engines.event_log import embedded as module
from nexus.engines.event_log.embedded import EmbeddedEventLog
from tests.events.shop import Shop, envelope

Owner = psycopg.AsyncConnection[tuple[object, ...]]


async def fill(shop: Shop, count: int) -> None:
    """`count` events: odd positions are leads of the first tenant, even ones deals of the second."""
    for n in range(1, count + 1):
        tenant = shop.tenants[(n + 1) % 2]
        await shop.write(tenant, envelope(tenant, UUID(int=n), n, "crm.lead.created" if n % 2 else "crm.deal.created"))
    await shop.relay.drain()


async def test_reads_by_pattern_from_a_position(shop: Shop) -> None:
    await fill(shop, 10)
    for log in (shop.log, EmbeddedEventLog(shop.oltp)):
        assert [event.position for event in (await log.read(4)).events] == [5, 6, 7, 8, 9, 10]
        assert [event.position for event in (await log.read(4, ["nexus.crm.*.lead.*"])).events] == [5, 7, 9]
        assert [event.position for event in (await log.read(0, [f"nexus.*.{shop.tenants[1]}.>"])).events] == [2, 4, 6, 8, 10]
        page = await log.read(1, ["nexus.crm.*.lead.*"], limit=2)
        assert ([event.position for event in page.events], page.upto) == ([3, 5], 5)
        page = await log.read(5, ["nexus.nothing.>"])
        assert (list(page.events), page.upto) == ([], 10)
        page = await log.read(10)
        assert (list(page.events), page.upto) == ([], 10)


async def test_memory_and_table_tell_the_same(shop: Shop) -> None:
    small = shop.relay._events = shop.log = EmbeddedEventLog(shop.oltp, keep=7)
    await fill(shop, 20)
    for after in range(21):
        for limit in (1, 3, 100):
            assert await small.read(after, ["nexus.crm.*.lead.*"], limit) == await EmbeddedEventLog(shop.oltp).read(
                after, ["nexus.crm.*.lead.*"], limit
            )


async def test_a_rare_event_in_a_long_log_is_found_in_short_steps(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SPAN", 4)
    await fill(shop, 13)
    await shop.write(shop.tenants[0], envelope(shop.tenants[0], UUID(int=14), 14, "crm.note.added"))
    await shop.relay.drain()
    log, after, steps = EmbeddedEventLog(shop.oltp), 0, list[int]()
    while not (page := await log.read(after, ["nexus.crm.*.note.added"])).events:
        after = page.upto
        steps.append(after)
    assert (steps, [event.position for event in page.events], page.upto) == ([4, 8, 12], [14], 14)


async def test_a_subscriber_gets_what_was_and_what_comes(shop: Shop) -> None:
    await fill(shop, 4)
    got: asyncio.Queue[int] = asyncio.Queue()

    async def follow(after: int | None, patterns: list[str]) -> None:
        async for event in shop.log.subscribe(patterns, after):
            got.put_nowait(event.position)

    following = asyncio.create_task(follow(1, ["nexus.crm.*.lead.created"]))
    assert await asyncio.wait_for(got.get(), 30) == 3
    await fill(shop, 2)
    assert await asyncio.wait_for(got.get(), 30) == 5
    following.cancel()
    assert got.empty()


async def test_a_subscriber_in_another_process_learns_from_its_own_relay(shop: Shop) -> None:
    other = Shop(shop.oltp, shop.tenants)
    subscription = other.log.subscribe([">"], 0)
    looking = asyncio.create_task(other.relay.run())
    first = asyncio.create_task(anext(subscription))
    await fill(shop, 1)
    assert (await asyncio.wait_for(first, 30)).position == 1
    looking.cancel()


async def test_a_moment_is_a_position(shop: Shop, superuser: Owner) -> None:
    await fill(shop, 9)
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    await superuser.execute("update nexus_cell.event set at = '2026-01-01Z'::timestamptz + (position / 3) * interval '1 hour'")

    async def after(hours: float) -> int:
        return await shop.log.position_at(start + dt.timedelta(hours=hours))

    assert [await after(hours) for hours in (-1, 0, 0.5, 1, 2, 2.5, 3, 3.5)] == [0, 0, 2, 2, 5, 8, 8, 9]


async def test_an_empty_log_has_no_moments(shop: Shop) -> None:
    assert await shop.log.position_at(dt.datetime(2026, 1, 1, tzinfo=dt.UTC)) == 0
    assert await shop.log.trim(dt.datetime(2027, 1, 1, tzinfo=dt.UTC)) == 0


async def test_time_in_the_log_never_goes_back(shop: Shop, superuser: Owner) -> None:
    await fill(shop, 1)
    await superuser.execute("update nexus_cell.log_head set at = '2099-01-01Z'")
    await fill(shop, 1)
    log = EmbeddedEventLog(shop.oltp)
    assert (await log.read(1)).events[0].at == dt.datetime(2099, 1, 1, tzinfo=dt.UTC)


async def test_retention_keeps_what_a_group_has_not_read(shop: Shop) -> None:
    await fill(shop, 10)
    later = dt.datetime(2099, 1, 1, tzinfo=dt.UTC)
    await shop.log.register(["slow", "fast"])
    slow, fast = shop.log.group("slow"), shop.log.group("fast")
    await slow.seek(4)

    assert await shop.log.trim(dt.datetime(2020, 1, 1, tzinfo=dt.UTC)) == 0
    assert await shop.log.trim(later, batch=3) == 4
    fresh = EmbeddedEventLog(shop.oltp)
    assert [event.position for event in (await fresh.read(0)).events] == [5, 6, 7, 8, 9, 10]
    assert await fresh.position_at(dt.datetime(2020, 1, 1, tzinfo=dt.UTC)) == 4

    await slow.forget()
    assert await shop.log.trim(later) == 6
    assert (await fresh.read(0), await fresh.head(), await fast.lag()) == (module.Page([], 10), 10, 0)
    await fill(shop, 1)
    assert [event.position for event in (await EmbeddedEventLog(shop.oltp).read(0)).events] == [11]


async def test_a_group_has_one_owner_until_its_lease_ends(shop: Shop, superuser: Owner) -> None:
    mine, other = shop.log.group("g"), shop.log.group("g")
    assert await mine.claim("mine", 60) == 0
    assert await other.claim("other", 60) is None
    await mine.save(0, 60)

    await superuser.execute("update nexus_cell.consumer set lease_until = now() - interval '1 second'")
    assert await other.claim("other", 60) == 0
    with pytest.raises(GroupLost):
        await mine.save(5, 60)

    await other.release()
    assert await mine.claim("mine", 60) == 0
    again = shop.log.group("g")
    assert await again.claim("mine", 60) == 0, "a restart under the same name need not wait"
    with pytest.raises(GroupLost):
        await mine.save(5, 60)


async def test_a_group_begins_at_the_end_and_goes_where_it_is_told(shop: Shop) -> None:
    await fill(shop, 3)
    group = shop.log.group("g")
    assert await group.lag() == 0
    assert await group.claim("me", 60) == 3
    await fill(shop, 2)
    assert await group.lag() == 2
    await group.save(5, 60)
    await group.save(4, 60)
    assert await group.lag() == 0, "a position never goes back by saving"

    await shop.log.group("g").seek(1)
    with pytest.raises(GroupLost):
        await group.save(5, 60)
    assert await group.claim("me", 60) == 1


async def test_registering_keeps_what_is_there(shop: Shop) -> None:
    await shop.log.register(["a"])
    await fill(shop, 2)
    await shop.log.register(["a", "b"])
    assert [await shop.log.group(name).lag() for name in ("a", "b")] == [2, 0]
    await shop.log.register([])


async def test_a_followed_position_in_the_future_waits(shop: Shop) -> None:
    await fill(shop, 1)
    page = await shop.log.read(uuid4().int % 1_000 + 10)
    assert list(page.events) == []
