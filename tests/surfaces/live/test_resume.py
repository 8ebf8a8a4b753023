"""Resuming: nothing is told twice and nothing is left out, however often and whenever somebody leaves and comes back."""

from __future__ import annotations

import asyncio
import datetime as dt
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexus.core.ids import uuid7
from nexus.core.problem import Invalid
from nexus.engines.oltp import Unavailable as Away
from nexus.runtime.testing import Harness
from nexus.surfaces.live import Gap, LiveEvent, Subscription, hub
from tests.surfaces.live.conftest import PATIENCE, World, got, nothing_more, said

COUNTED = ["nexus.crm.*.competitor.updated"]
OTHERS = "crm.competitor.created"

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(1, 12)),
        st.tuples(st.just("noise"), st.integers(1, 6)),
        st.tuples(st.just("move"), st.just(0)),
        st.tuples(st.just("take"), st.integers(1, 4)),
        st.tuples(st.just("leave"), st.just(0)),
        st.tuples(st.just("come"), st.just(0)),
        st.tuples(st.just("neighbour"), st.just(0)),
    ),
    max_size=40,
)


class Listener:
    """Somebody who writes down what it hears, and comes back after the last thing that it wrote down."""

    def __init__(self, world: World, who: Harness) -> None:
        self.world = world
        self.who = who
        self.heard: list[tuple[int, UUID, int]] = []
        self.at: str | None = None
        self.ear: Subscription | None = None

    async def come(self) -> None:
        if self.ear is None:
            self.ear = await self.world.live.subscribe(self.who.caller, COUNTED, self.at)
            self.at = self.at or self.ear.position

    async def take(self, most: int) -> None:
        for _ in range(most if self.ear is not None else 0):
            assert self.ear is not None
            self.write_down(await self.ear.take(0))

    def write_down(self, events: list[LiveEvent]) -> None:
        for event in events:
            self.heard.append((event.position, event.subject, said(event)["n"]))
            self.at = event.id

    def leave(self) -> None:
        if self.ear is not None:
            self.at = self.ear.position
            self.ear.close()
            self.ear = None


async def write(world: World, who: Harness, things: list[UUID], counts: dict[UUID, int], times: int) -> None:
    for n in range(times):
        thing = things[n % len(things)]
        counts[thing] += 1
        await world.tell(who, "crm.competitor.updated", thing, {"n": counts[thing]})


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
async def test_everything_once_and_in_order_whatever_happens_between(
    world: World, tenant: Harness, other: Harness, steps: list[tuple[str, int]]
) -> None:
    things = [uuid7() for _ in range(3)]
    counts = dict.fromkeys(things, 0)
    listener = Listener(world, tenant)
    neighbours: list[Subscription] = []
    await listener.come()
    for step, n in steps:
        match step:
            case "write":
                await write(world, tenant, things, counts, n)
            case "noise":
                for _ in range(n):
                    await world.tell(tenant, OTHERS, uuid7(), {})
                    await world.tell(other, "crm.competitor.updated", uuid7(), {"n": -1})
            case "move":
                await world.relay.move()
            case "take":
                await listener.take(n)
            case "leave":
                listener.leave()
            case "come":
                await listener.come()
            case _:
                neighbours.append(await world.live.subscribe(other.caller, [">"]))
                await neighbours[-1].take(0)
    await listener.come()
    await world.settled()
    assert listener.ear is not None
    async with asyncio.timeout(PATIENCE):
        while len(listener.heard) < sum(counts.values()):
            listener.write_down(await listener.ear.take())
    await nothing_more(listener.ear)
    assert [one[0] for one in listener.heard] == sorted({one[0] for one in listener.heard})
    for thing in things:
        assert [n for _, subject, n in listener.heard if subject == thing] == list(range(1, counts[thing] + 1))
    for one in (listener.ear, *neighbours):
        one.close()


async def test_nothing_is_lost_between_reading_what_was_and_hearing_what_is(world: World, tenant: Harness) -> None:
    """Writers, the relay and forty who come, each from another place, all at once."""
    things = [uuid7() for _ in range(4)]
    counts = dict.fromkeys(things, 0)
    start = f"test:{await world.settled()}"
    done = asyncio.Event()

    async def writing(thing: UUID) -> None:
        for _ in range(100):
            await write(world, tenant, [thing], counts, 1)

    async def moving() -> None:
        while not done.is_set():
            await world.relay.move()
            await asyncio.sleep(0)

    async def hearing(at: str | None, stops: int) -> list[tuple[int, UUID, int]]:
        listener = Listener(world, tenant)
        listener.at = at
        while len(listener.heard) < 400:
            await listener.come()
            assert listener.ear is not None
            listener.write_down(await listener.ear.take(1.0))
            if len(listener.heard) % stops == 0:
                listener.leave()
        listener.leave()
        return listener.heard

    mover = asyncio.create_task(moving())
    listeners = [asyncio.create_task(hearing(start, 1 + n % 7)) for n in range(40)]
    await asyncio.gather(*(writing(thing) for thing in things))
    async with asyncio.timeout(60):
        heard = await asyncio.gather(*listeners)
    done.set()
    await mover
    assert all(one == heard[0] for one in heard)
    for thing in things:
        assert [n for _, subject, n in heard[0] if subject == thing] == list(range(1, 101))


async def test_a_process_that_moves_no_events_hears_of_them_all_the_same(world: World, tenant: Harness) -> None:
    world.pushes = False
    elsewhere = type(world.log)(world.oltp._inner)
    async with await world.live.subscribe(tenant.caller, COUNTED) as told:
        assert await told.take(0) == []
        world.relay._events = elsewhere  # another process's log
        await world.tell(tenant, "crm.competitor.updated", uuid7(), {"n": 1})
        await world.relay.drain()
        assert [said(event)["n"] for event in await got(told, 1)] == [1]


async def test_what_is_kept_no_more_is_told(world: World, tenant: Harness) -> None:
    start = await world.settled()
    for n in range(3):
        await world.tell(tenant, "crm.competitor.updated", uuid7(), {"n": n})
    await world.settled()
    async with await world.live.subscribe(tenant.caller, COUNTED, f"test:{start}") as told:
        assert await world.log.trim(dt.datetime.now(dt.UTC) + dt.timedelta(days=1)) >= 3
        with pytest.raises(Gap, match=f"What came after test:{start} is not all kept here any more"):
            await told.take()
    with pytest.raises(Gap):
        await world.live.subscribe(tenant.caller, COUNTED, f"test:{start + 2}")
    assert await world.live.subscribe(tenant.caller, COUNTED, f"test:{start + 3}")
    assert world.live.ends == {"gap": 1}


@pytest.mark.parametrize("after", ["test:99999999", "elsewhere:1"])
async def test_a_position_of_another_log_is_a_gap(world: World, tenant: Harness, after: str) -> None:
    with pytest.raises(Gap):
        await world.live.subscribe(tenant.caller, COUNTED, after)


@pytest.mark.parametrize(
    "after", ["", "12", "test:", "test:-1", "test:01", "test:1 ", "test:1:2", "test:9999999999999999999", "x" * 10_000, "a\0:1"]
)
async def test_what_is_no_position_is_refused(world: World, tenant: Harness, after: str) -> None:
    with pytest.raises(Invalid) as refused:
        await world.live.subscribe(tenant.caller, COUNTED, after, field="Last-Event-ID")
    assert refused.value.errors[0].field == "Last-Event-ID"
    assert len(refused.value.errors[0].message) < 200


async def test_a_database_that_is_away_for_a_while_loses_nothing(world: World, tenant: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nexus.surfaces.live.tail._FIRST_PAUSE", 0.01)
    rep = tenant.as_("crm.rep")
    async with await world.live.subscribe(rep.caller, ["nexus.crm.*.competitor.>"]) as told:
        await told.take(0)
        whole, times = hub.Tail._hand_out, [0]

        async def away(tail: hub.Tail, events: object) -> None:
            times[0] += 1
            if times[0] <= 3:
                raise Away("gone")
            await whole(tail, events)  # type: ignore[arg-type]

        monkeypatch.setattr(hub.Tail, "_hand_out", away)
        for n in range(5):
            await world.tell(tenant, "crm.competitor.updated", uuid7(), {"n": n})
            await world.relay.drain()
        assert [said(event)["n"] for event in await got(told, 5)] == list(range(5))
        await nothing_more(told)
