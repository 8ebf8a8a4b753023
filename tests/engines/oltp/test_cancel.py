"""Time limits and cancelled tasks: the answer is dropped, the server stops, nobody else notices."""

import asyncio
from collections.abc import Awaitable, Callable

import psycopg
import pytest

from nexus.engines.oltp import Cancelled, Statement, Timeout, Unavailable
from nexus.engines.oltp.postgres import Postgres
from nexus.engines.oltp.settings import Settings

Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]
Owner = psycopg.AsyncConnection[tuple[object, ...]]

SLEEP = Statement("select pg_sleep($1::float8)")
ONE = Statement("select $1::text")
ADD = Statement("insert into {s}.contact (id, name) values ($1, 'Bob')")
LOCK = Statement("select 1 from {s}.contact where id = 1 for update")


async def asleep(owner: Owner) -> int:
    """How many statements sleep in the server."""
    row = await (
        await owner.execute("select count(*) from pg_locks join pg_stat_activity using (pid) where wait_event = 'PgSleep'")
    ).fetchone()
    assert row is not None
    return int(str(row[0]))


async def test_a_call_out_of_time_is_stopped_in_the_server(db: Postgres, server: object, until: Until) -> None:
    with pytest.raises(Timeout):
        await db.run(None, (SLEEP, [b"60"]), timeout=0.02)

    assert (await db.run(None, (ONE, [b"next"])))[0].rows == [(b"next",)]
    assert (db.stats.timeouts, db.stats.cancels, db.stats.lost) == (1, 1, 0)


async def test_a_cancelled_task_is_stopped_in_the_server(db: Postgres) -> None:
    task = asyncio.create_task(db.run(None, (SLEEP, [b"60"])))
    while db.stats.in_flight == 0:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (await db.run(None, (ONE, [b"next"])))[0].rows == [(b"next",)]
    assert db.stats.cancels == 1


async def test_a_short_statement_nobody_waits_for_costs_no_cancel(db: Postgres) -> None:
    tasks = [asyncio.create_task(db.run(None, (ONE, [b"%d" % number]))) for number in range(20)]
    while db.stats.in_flight == 0:
        await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()

    answers = await asyncio.gather(*tasks, return_exceptions=True)

    assert [answer[0].rows for answer in answers if isinstance(answer, list)] == [[(b"%d" % number,)] for number in range(1, 20, 2)]
    assert db.stats.cancels == 0


@pytest.mark.parametrize("settings", [Settings(grace=0.0)])
async def test_neighbours_of_a_cancelled_statement_get_their_answers(db: Postgres) -> None:
    slow = [asyncio.create_task(db.run(None, (SLEEP, [b"60"]), timeout=0.05 * turn)) for turn in (1, 2, 3)]
    quick = [asyncio.create_task(db.run(None, (ONE, [b"%d" % number]))) for number in range(30)]

    outcomes = await asyncio.gather(*slow, return_exceptions=True)
    answers = await asyncio.gather(*quick)

    assert [type(outcome) for outcome in outcomes] == [Timeout] * 3
    assert [answer[0].rows[0][0] for answer in answers] == [b"%d" % number for number in range(30)]
    assert db.stats.in_flight == 0


@pytest.mark.parametrize("settings", [Settings(grace=0.0)])
async def test_a_neighbour_hit_by_the_cancel_of_another_is_sent_again(db: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cancel names a connection, not a statement: it may arrive when the next one runs already."""
    late = asyncio.Event()
    cancel = psycopg.AsyncConnection.cancel_safe

    async def cancel_late(self: psycopg.AsyncConnection[object], *, timeout: float = 30.0) -> None:
        await late.wait()
        await cancel(self, timeout=timeout)

    monkeypatch.setattr(psycopg.AsyncConnection, "cancel_safe", cancel_late)
    first = asyncio.create_task(db.run(None, (SLEEP, [b"0.1"]), timeout=0.01))
    second = asyncio.create_task(db.run(None, (SLEEP, [b"0.2"])))
    with pytest.raises(Timeout):
        await first
    while db.stats.in_flight == 2:
        await asyncio.sleep(0.001)
    late.set()

    assert (await second)[0].rows == [(b"",)]
    assert db.stats.retries == 1


@pytest.mark.parametrize("settings", [Settings(fast_limit=0.05, slow_limit=60.0)])
async def test_each_lane_has_its_own_limit_in_the_server(db: Postgres) -> None:
    slow = await db.run(None, (SLEEP, [b"0.2"]), lane="slow")
    with pytest.raises(Cancelled):
        await db.run(None, (SLEEP, [b"60"]))

    assert slow[0].rows == [(b"",)]


async def test_a_long_query_on_the_slow_lane_holds_nobody_up(db: Postgres) -> None:
    long = asyncio.create_task(db.run(None, (SLEEP, [b"60"]), lane="slow"))
    while db.stats.in_flight == 0:
        await asyncio.sleep(0.001)

    assert (await db.run(None, (ONE, [b"quick"]), timeout=5))[0].rows == [(b"quick",)]

    long.cancel()
    with pytest.raises(asyncio.CancelledError):
        await long
    assert (await db.run(None, (ONE, [b"free again"]), lane="slow"))[0].rows == [(b"free again",)]


@pytest.mark.parametrize("settings", [Settings(depth=1, patience=0.5)])
async def test_callers_wait_for_room_but_not_for_ever(db: Postgres, ours: str, owner: Owner) -> None:
    async with owner.transaction():
        await owner.execute(f"select 1 from {ours}.contact where id = 1 for update".encode())
        blocked = asyncio.create_task(db.run(ours, (LOCK, [])))
        while db.stats.in_flight == 0:
            await asyncio.sleep(0)

        with pytest.raises(Unavailable, match="nothing was sent"):
            await db.run(ours, (ONE, [b"too late"]))
        with pytest.raises(Timeout, match="nothing was sent"):
            await db.run(ours, (ONE, [b"too late"]), timeout=0.01)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(db.run(ours, (ONE, [b"too late"])), 0.01)

    assert (await blocked)[0].rows == [(b"1",)]
    assert (await db.run(ours, (ONE, [b"in time"])))[0].rows == [(b"in time",)]


@pytest.mark.parametrize("settings", [Settings(depth=2)])
async def test_many_callers_take_turns_on_few_places(db: Postgres) -> None:
    answers = await asyncio.gather(*(db.run(None, (ONE, [b"%d" % number])) for number in range(200)))

    assert [answer[0].rows[0][0] for answer in answers] == [b"%d" % number for number in range(200)]


async def test_a_closed_engine_refuses(db: Postgres) -> None:
    asleep = asyncio.create_task(db.run(None, (SLEEP, [b"60"])))
    while db.stats.in_flight == 0:
        await asyncio.sleep(0)

    await db.close()

    with pytest.raises(Unavailable, match="the pool is closed"):
        await asleep
    with pytest.raises(Unavailable, match="the pool is closed"):
        await db.run(None, (ONE, [b"1"]))
    with pytest.raises(Unavailable, match="the pool is closed"):
        async with db.transaction(None):
            pytest.fail("a closed engine gave a lease")
