"""Transactions of several round trips: few trips, all or nothing, and a connection that comes back clean."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import psycopg
import pytest

from nexus.engines.oltp import (
    DatabaseError,
    ForeignKeyViolation,
    InvalidText,
    NotAQuery,
    SerializationFailure,
    Statement,
    Timeout,
    Unavailable,
    UniqueViolation,
)
from nexus.engines.oltp.postgres import Postgres
from nexus.engines.oltp.settings import Settings

Names = Callable[[], Awaitable[list[bytes | None]]]
Owner = psycopg.AsyncConnection[tuple[object, ...]]

ADD = Statement("insert into {s}.contact (id, name) values ($1, $2)")
ADD_DEAL = Statement("insert into {s}.deal values ($1, $2)")
LOCK = Statement("select name from {s}.contact where id = $1 for update")
ME = Statement("select current_user, pg_current_xact_id_if_assigned() is null")
FAIL = Statement("select 1 / $1::integer")


class Server(Protocol):
    app: str


async def test_begin_and_commit_ride_with_the_calls(db: Postgres, ours: str, names: Names) -> None:
    async with db.transaction(ours) as tx:
        assert (await tx.run((LOCK, [b"1"])))[0].rows == [(b"Ann of " + ours.encode(),)]
        assert (await tx.commit((ADD, [b"2", b"Bob"]), (ME, [])))[1].rows == [(ours.encode(), b"f")]
        assert tx.round_trips == 2

    async with db.transaction(ours) as tx:
        await tx.commit((ADD, [b"3", b"Cid"]))
        assert tx.round_trips == 1

    assert await names() == [b"Ann of " + ours.encode(), b"Bob", b"Cid"]


async def test_leaving_without_commit_rolls_back_and_lets_go_of_locks(db: Postgres, ours: str, names: Names) -> None:
    with pytest.raises(ZeroDivisionError):
        async with db.transaction(ours) as tx:
            await tx.run((LOCK, [b"1"]), (ADD, [b"2", b"Bob"]))
            raise ZeroDivisionError
    async with db.transaction(ours) as tx:
        await tx.run((ADD, [b"3", b"Cid"]))

    assert await names() == [b"Ann of " + ours.encode()]
    assert (await db.run(ours, (LOCK, [b"1"]), timeout=5))[0].affected == 1
    assert db.stats.lost == 0


async def test_an_unused_transaction_costs_no_round_trip(db: Postgres, ours: str) -> None:
    before = db.stats.round_trips
    async with db.transaction(ours):
        pass
    async with db.transaction(ours) as tx:
        assert await tx.run() == []
        assert await tx.commit() == []

    assert db.stats.round_trips == before


async def test_an_error_makes_the_transaction_fail_as_a_whole(db: Postgres, ours: str, names: Names) -> None:
    async with db.transaction(ours) as tx:
        await tx.run((ADD, [b"2", b"Bob"]))
        with pytest.raises(UniqueViolation):
            await tx.run((ADD, [b"2", b"Bob"]))
        with pytest.raises(DatabaseError, match="only be rolled back"):
            await tx.commit()

    assert await names() == [b"Ann of " + ours.encode()]
    assert db.stats.lost == 0


async def test_an_error_in_the_round_trip_of_the_commit_undoes_all(db: Postgres, ours: str, names: Names) -> None:
    async with db.transaction(ours) as tx:
        await tx.run((ADD, [b"2", b"Bob"]))
        with pytest.raises(InvalidText):
            await tx.commit((ADD, [b"3", b"Cid"]), (FAIL, [b"0"]))

    assert await names() == [b"Ann of " + ours.encode()]


async def test_a_constraint_checked_at_commit_is_an_error_of_commit(db: Postgres, ours: str, names: Names) -> None:
    async with db.transaction(ours) as tx:
        await tx.run((ADD, [b"2", b"Bob"]), (ADD_DEAL, [b"1", b"99"]))
        with pytest.raises(ForeignKeyViolation):
            await tx.commit()

    assert await names() == [b"Ann of " + ours.encode()]
    assert db.stats.lost == 0


async def test_commands_to_the_session_are_refused(db: Postgres, ours: str) -> None:
    async with db.transaction(ours) as tx:
        with pytest.raises(NotAQuery):
            await tx.run((Statement("commit"), []))


async def test_a_finished_transaction_cannot_go_on(db: Postgres, ours: str) -> None:
    async with db.transaction(ours) as tx:
        await tx.commit((ADD, [b"2", b"Bob"]))
        with pytest.raises(RuntimeError, match="over"):
            await tx.run((ME, []))
    with pytest.raises(RuntimeError, match="over"):
        await tx.run((ME, []))


async def test_without_a_tenant_it_is_the_platform_itself(db: Postgres) -> None:
    async with db.transaction(None) as tx:
        assert (await tx.commit((ME, [])))[0].rows == [(b"nexus_app", b"t")]


@pytest.mark.parametrize("settings", [Settings(patience=0.5)])
async def test_leases_are_bounded_and_given_in_order(db: Postgres, ours: str) -> None:
    order: list[int] = []

    async def wait_in_line(number: int) -> None:
        async with db.transaction(ours, timeout=10) as tx:
            order.append(number)
            await tx.run((ME, []))

    async with db.transaction(ours) as first, db.transaction(ours) as second:
        await first.run((ME, []))
        await second.run((ME, []))
        line = [asyncio.create_task(wait_in_line(number)) for number in range(5)]
        with pytest.raises(Unavailable, match="nothing was sent"):
            async with db.transaction(ours):
                pytest.fail("a third lease of two")
        assert order == []
    await asyncio.gather(*line)

    assert order == [0, 1, 2, 3, 4]
    assert db.stats.connects == 3


async def test_a_round_trip_out_of_time_leaves_nothing_behind(db: Postgres, ours: str, owner: Owner, names: Names) -> None:
    async with db.transaction(ours) as tx:  # so that there is a connection, whatever it takes to make one
        await tx.run((ADD, [b"2", b"Bob"]))
    async with owner.transaction():
        await owner.execute(f"select 1 from {ours}.contact where id = 1 for update".encode())
        with pytest.raises(Timeout):
            async with db.transaction(ours, timeout=0.5) as tx:
                await tx.run((ADD, [b"2", b"Bob"]))
                await tx.run((LOCK, [b"1"]))

    assert await names() == [b"Ann of " + ours.encode()]
    async with db.transaction(ours) as tx:
        await tx.commit((ADD, [b"2", b"Bob"]))
    assert db.stats.in_flight == 0


async def test_a_cancelled_task_gives_its_connection_back(
    db: Postgres, ours: str, owner: Owner, names: Names, waits_for_lock: Callable[[int], Awaitable[None]]
) -> None:
    async def work() -> None:
        async with db.transaction(ours) as tx:
            await tx.run((ADD, [b"2", b"Bob"]))
            await tx.run((LOCK, [b"1"]))

    for _ in range(3):
        async with owner.transaction():
            await owner.execute(f"select 1 from {ours}.contact where id = 1 for update".encode())
            task = asyncio.create_task(work())
            await waits_for_lock(1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    assert await names() == [b"Ann of " + ours.encode()]
    async with db.transaction(ours), db.transaction(ours) as tx:
        await tx.commit((ADD, [b"2", b"Bob"]))
    assert db.stats.in_flight == 0


async def test_a_table_changed_under_prepared_statements(db: Postgres, ours: str, owner: Owner) -> None:
    """The first round trip begins again; later ones cannot, and say that the whole must."""
    everything = Statement("select * from {s}.contact where id = 1")
    async with db.transaction(ours) as tx:
        assert len((await tx.run((everything, [])))[0].rows[0]) == 4
    await owner.execute(f"alter table {ours}.contact add column colour text".encode())
    try:
        async with db.transaction(ours) as tx:
            assert len((await tx.run((ADD, [b"2", b"Bob"]), (everything, [])))[1].rows[0]) == 5
            await tx.commit()
    finally:
        await owner.execute(f"alter table {ours}.contact drop column colour".encode())

    async with db.transaction(ours) as tx:
        await tx.run((ME, []))
        with pytest.raises(SerializationFailure, match="run the transaction again"):
            await tx.run((everything, []))
    async with db.transaction(ours) as tx:
        assert [
            row[0] for row in (await tx.commit((everything, []), (Statement("select name from {s}.contact order by id"), [])))[1].rows
        ] == [
            b"Ann of " + ours.encode(),
            b"Bob",
        ]
