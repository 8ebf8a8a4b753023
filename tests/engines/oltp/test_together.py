"""Writes that share a transaction: each has its own answer, and nobody hears of success before it is true."""

import asyncio
from collections.abc import Awaitable, Callable

import psycopg
import pytest

from nexus.engines.oltp import Call, CheckViolation, ForeignKeyViolation, Result, Statement, Unavailable, UniqueViolation
from nexus.engines.oltp.postgres import Postgres
from nexus.engines.oltp.together import MOST, Together

Names = Callable[[], Awaitable[list[bytes | None]]]
Waits = Callable[[int], Awaitable[None]]
Owner = psycopg.AsyncConnection[tuple[object, ...]]

ADD = Statement("insert into {s}.contact (id, name, email, age) values ($1, $2, $3, $4) returning current_user, pg_current_xact_id()")
ADD_DEAL = Statement("insert into {s}.deal values ($1, $2) returning id")
AGE = Statement("update {s}.contact set age = $2 where id = $1")
LIMIT = Statement("select current_setting('lock_timeout')")


def add(n: int, *, email: bytes | None = None, age: bytes | None = None) -> tuple[Statement, list[bytes | None]]:
    return ADD, [b"%d" % n, b"No. %d" % n, email, age]


@pytest.fixture(autouse=True)
async def connected(db: Postgres, ours: str) -> None:
    """Writes share only where they can be sent at once."""
    await db.run(ours, (LIMIT, []), lane="write")


async def test_what_comes_at_the_same_time_is_one_round_trip_and_one_transaction(db: Postgres, ours: str, names: Names) -> None:
    before = db.stats.round_trips

    done = await asyncio.gather(*(db.write(ours, add(n)) for n in range(2, 12)))

    assert db.stats.round_trips == before + 1
    assert len({one.rows[0] for one in done}) == 1
    assert done[0].rows[0][0] == ours.encode()
    assert await names() == [b"Ann of " + ours.encode(), *(b"No. %d" % n for n in range(2, 12))]


async def test_one_after_the_other_is_a_transaction_each(db: Postgres, ours: str) -> None:
    first, second = await db.write(ours, add(2)), await db.write(ours, add(3))

    assert first.rows != second.rows


async def test_a_group_has_its_limit(db: Postgres, ours: str) -> None:
    done = await asyncio.gather(*(db.write(ours, add(n)) for n in range(2, 2 + 3 * MOST)))

    sizes = [one.rows[0] for one in done]
    assert all(sizes.count(one) <= MOST for one in set(sizes))


async def test_what_is_refused_leaves_the_others_alone(db: Postgres, ours: str, names: Names) -> None:
    writes = [add(2), add(3, age=b"-1"), add(4), add(1), add(5)]

    done = await asyncio.gather(*(db.write(ours, one) for one in writes), return_exceptions=True)

    assert [type(one) for one in done if isinstance(one, Exception)] == [CheckViolation, UniqueViolation]
    assert isinstance(done[1], CheckViolation)
    assert isinstance(done[3], UniqueViolation)
    assert await names() == [b"Ann of " + ours.encode(), b"No. 2", b"No. 4", b"No. 5"]


async def test_of_two_that_exclude_each_other_one_is_done(db: Postgres, ours: str, names: Names) -> None:
    writes = [db.write(ours, add(n, email=b"same@example.com")) for n in (2, 3)]

    done = await asyncio.gather(*writes, return_exceptions=True)

    (refused,) = [one for one in done if isinstance(one, Exception)]
    assert isinstance(refused, UniqueViolation)
    assert refused.constraint == "contact_email"
    assert len(await names()) == 2


async def test_what_only_the_commit_refuses_is_told_to_its_own_caller(db: Postgres, ours: str, names: Names) -> None:
    writes = [db.write(ours, add(2)), db.write(ours, (ADD_DEAL, [b"1", b"99"])), db.write(ours, (ADD_DEAL, [b"2", b"1"]))]

    first, second, third = await asyncio.gather(*writes, return_exceptions=True)

    assert isinstance(second, ForeignKeyViolation)
    assert not isinstance(first, BaseException)
    assert not isinstance(third, BaseException)
    assert await names() == [b"Ann of " + ours.encode(), b"No. 2"]


async def test_tenants_never_share(db: Postgres, ours: str, theirs: str) -> None:
    mine, other = await asyncio.gather(db.write(ours, add(2)), db.write(theirs, add(2)))

    assert (mine.rows[0][0], other.rows[0][0]) == (ours.encode(), theirs.encode())
    assert mine.rows[0][1] != other.rows[0][1]


async def test_one_that_waits_for_a_lock_does_not_hold_up_the_others(db: Postgres, ours: str, owner: Owner, waits_for_lock: Waits) -> None:
    async with owner.transaction():
        await owner.execute(f"select from {ours}.contact where id = 1 for update".encode())
        waiting = asyncio.ensure_future(db.write(ours, (AGE, [b"1", b"30"])))
        others = await asyncio.gather(*(db.write(ours, add(n)) for n in (2, 3)))
        await waits_for_lock(1)
        assert not waiting.done()
    async with asyncio.timeout(10):
        assert (await waiting).affected == 1
    assert [one.affected for one in others] == [1, 1]


async def test_the_limit_to_waiting_ends_with_the_transaction(db: Postgres, ours: str) -> None:
    within = await db.write(ours, (LIMIT, []))
    after = await asyncio.gather(*(db.run(ours, (LIMIT, []), lane="write") for _ in range(16)))

    assert within.rows == [(b"100ms",)]
    assert {one[0].rows[0] for one in after} == {(b"0",)}


async def test_who_goes_away_takes_nobody_along(db: Postgres, ours: str, names: Names) -> None:
    writes = [asyncio.ensure_future(db.write(ours, add(n))) for n in (2, 3, 4)]
    await asyncio.sleep(0)
    writes[1].cancel()

    done = await asyncio.gather(*writes, return_exceptions=True)

    assert isinstance(done[1], asyncio.CancelledError)
    assert not any(isinstance(one, BaseException) for one in (done[0], done[2]))
    assert {b"No. 2", b"No. 4"} <= set(await names())


async def test_after_a_refusal_each_goes_alone_for_a_while(db: Postgres, ours: str) -> None:
    await asyncio.gather(*(db.write(ours, one) for one in (add(1), add(2))), return_exceptions=True)

    third, fourth = await asyncio.gather(*(db.write(ours, add(n)) for n in (3, 4)))

    assert third.rows != fourth.rows


async def test_those_that_wait_for_a_lock_do_not_hold_up_what_comes_later(
    db: Postgres, ours: str, owner: Owner, waits_for_lock: Waits
) -> None:
    async with owner.transaction():
        await owner.execute(f"select from {ours}.contact where id = 1 for update".encode())
        waiting = [asyncio.ensure_future(db.write(ours, (AGE, [b"1", b"30"]))) for _ in range(4)]
        await waits_for_lock(4)
        async with asyncio.timeout(5):
            for n in range(2, 5):
                assert (await db.write(ours, add(n))).affected == 1
    async with asyncio.timeout(10):
        assert [one.affected for one in await asyncio.gather(*waiting)] == [1] * 4


async def test_where_there_is_no_connection_everybody_waits_at_the_same_time(ours: str) -> None:
    """None behind another: all hear of it when the first one does."""
    asked: list[int] = []
    away = asyncio.Event()

    async def run(schema: str, calls: list[Call], waits: bool) -> list[Result]:
        asked.append(len(calls))
        if len(asked) == 10:
            away.set()
        await away.wait()
        raise Unavailable("away")

    together = Together(run, lambda schema: False)
    async with asyncio.timeout(10):
        done = await asyncio.gather(*(together.write(ours, add(n)) for n in range(10)), return_exceptions=True)

    assert {type(one) for one in done} == {Unavailable}
    assert asked == [1] * 10


async def test_what_gathered_while_the_connection_was_lost_does_not_wait_for_one_in_turns(ours: str) -> None:
    asked: list[tuple[int, bool]] = []
    away, all_asked = asyncio.Event(), asyncio.Event()

    async def run(schema: str, calls: list[Call], waits: bool) -> list[Result]:
        asked.append((len(calls), waits))
        if len(asked) == 6:
            all_asked.set()
        await (all_asked if away.is_set() else away).wait()
        raise Unavailable("lost")

    together = Together(run, lambda schema: not away.is_set())
    writes: list[asyncio.Future[Result]] = []
    for n in range(6):
        writes.append(asyncio.ensure_future(together.write(ours, add(n))))
        for _ in range(3):
            await asyncio.sleep(0)
    away.set()
    async with asyncio.timeout(10):
        done = await asyncio.gather(*writes, return_exceptions=True)

    assert {type(one) for one in done} == {Unavailable}
    assert asked == [(1, False)] * 2 + [(1, True)] * 4


async def test_a_pool_that_closes_tells_everybody(db: Postgres, ours: str, owner: Owner, waits_for_lock: Waits) -> None:
    async with owner.transaction():
        await owner.execute(f"select from {ours}.contact where id = 1 for update".encode())
        writes = [asyncio.ensure_future(db.write(ours, (AGE, [b"1", b"30"]))) for _ in range(3 * MOST)]
        await waits_for_lock(8)
        await db.close()
        done = await asyncio.gather(*writes, return_exceptions=True)

    assert {type(one) for one in done} == {Unavailable}
