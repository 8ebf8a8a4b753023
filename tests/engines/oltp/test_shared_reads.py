"""Reads that share a request: each has its own answer, an error is its own, and a tenant shares with nobody else."""

import asyncio
from collections.abc import Awaitable, Callable

import psycopg
import pytest

from nexus.engines.oltp import Call, InvalidText, NotAQuery, Statement, Unavailable
from nexus.engines.oltp.postgres import Postgres
from nexus.engines.oltp.request import MOST
from tests.engines.oltp.conftest import Server

Waits = Callable[[int], Awaitable[None]]
Owner = psycopg.AsyncConnection[tuple[object, ...]]

WHO = Statement("select current_user, $1::int, pg_backend_pid(), now()")
ROOT = Statement("select sqrt($1::float8)")
CONTACT: Call = (Statement("select name from {s}.contact where id = 1"), [])


def who(n: int) -> tuple[Statement, list[bytes | None]]:
    return WHO, [b"%d" % n]


async def test_what_comes_in_the_same_turn_is_one_round_trip(db: Postgres, ours: str) -> None:
    before = db.stats.round_trips

    done = await asyncio.gather(*(db.read(ours, who(n)) for n in range(10)))

    assert db.stats.round_trips == before + 1
    assert [one.rows[0][:2] for one in done] == [(ours.encode(), b"%d" % n) for n in range(10)]
    assert len({one.rows[0][3] for one in done}) == 1, "one transaction has one now()"


async def test_one_after_the_other_is_a_request_each(db: Postgres, ours: str) -> None:
    first, second = await db.read(ours, who(1)), await db.read(ours, who(2))

    assert first.rows[0][3] != second.rows[0][3]


async def test_tenants_never_share(db: Postgres, ours: str, theirs: str) -> None:
    before = db.stats.round_trips

    done = await asyncio.gather(*(db.read(schema, who(n)) for n in range(8) for schema in (ours, theirs)))

    assert db.stats.round_trips == before + 2
    assert [one.rows[0][0] for one in done] == [ours.encode(), theirs.encode()] * 8


async def test_a_request_has_its_limit(db: Postgres, ours: str) -> None:
    before = db.stats.round_trips

    done = await asyncio.gather(*(db.read(ours, who(n)) for n in range(2 * MOST + 1)))

    assert db.stats.round_trips == before + 3
    assert [one.rows[0][1] for one in done] == [b"%d" % n for n in range(2 * MOST + 1)]


async def test_an_error_is_its_own(db: Postgres, ours: str) -> None:
    reads = [(ROOT, [b"4"]), (ROOT, [b"-1"]), (ROOT, [b"nine"]), (ROOT, [b"9"])]

    done = await asyncio.gather(*(db.read(ours, (statement, list(args))) for statement, args in reads), return_exceptions=True)

    two, negative, word, three = done
    assert not isinstance(two, BaseException) and two.rows == [(b"2",)]
    assert not isinstance(three, BaseException) and three.rows == [(b"3",)]
    assert getattr(negative, "sqlstate", None) == "2201F"
    assert isinstance(word, InvalidText)
    assert negative is not word


async def test_a_lone_error_is_not_asked_for_twice(db: Postgres, ours: str) -> None:
    before = db.stats.round_trips

    with pytest.raises(InvalidText):
        await db.read(ours, (ROOT, [b"nine"]))

    assert db.stats.round_trips == before + 1


async def test_what_is_no_query_hurts_nobody_else(db: Postgres, ours: str) -> None:
    done = await asyncio.gather(
        db.read(ours, who(1)), db.read(ours, (Statement("reset role"), [])), db.read(ours, who(2)), return_exceptions=True
    )

    assert isinstance(done[1], NotAQuery)
    assert [one.rows[0][1] for one in done if not isinstance(one, BaseException)] == [b"1", b"2"]


async def test_a_reader_who_leaves_takes_nobody_along(db: Postgres, ours: str) -> None:
    staying, leaving = asyncio.ensure_future(db.read(ours, who(1))), asyncio.ensure_future(db.read(ours, who(2)))
    await asyncio.sleep(0)
    leaving.cancel()

    assert (await staying).rows[0][1] == b"1"
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert db.stats.cancels == 0


async def test_what_nobody_waits_for_is_stopped(db: Postgres, ours: str, owner: Owner, waits_for_lock: Waits) -> None:
    async with owner.transaction():
        await owner.execute(f"lock table {ours}.contact".encode())
        readers = [asyncio.ensure_future(db.read(ours, CONTACT)) for _ in range(3)]
        await waits_for_lock(1)
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)

        done = await asyncio.gather(*(db.read(ours, who(n)) for n in range(20)))

    assert [one.rows[0][1] for one in done] == [b"%d" % n for n in range(20)]
    assert (db.stats.cancels, db.stats.lost) == (1, 0)


async def test_a_lost_connection_is_told_to_all(db: Postgres, ours: str, owner: Owner, server: Server, waits_for_lock: Waits) -> None:
    (result,) = await db.run(ours, who(0))
    async with owner.transaction(), await psycopg.AsyncConnection.connect(server.superuser, autocommit=True) as superuser:
        await owner.execute(f"lock table {ours}.contact".encode())
        readers = [asyncio.ensure_future(db.read(ours, CONTACT)) for _ in range(3)]
        await waits_for_lock(1)
        await superuser.execute("select pg_terminate_backend(%s)", [int(result.rows[0][2] or b"0")])

        done = await asyncio.gather(*readers, return_exceptions=True)

    assert [type(one) for one in done] == [Unavailable] * 3
    assert len({id(one) for one in done}) == 3, "an error of its own for each"


async def test_a_changed_table_is_read_anew(db: Postgres, ours: str, owner: Owner) -> None:
    everything = (Statement("select * from {s}.contact where id = $1"), [b"1"])
    await asyncio.gather(*(db.read(ours, everything) for _ in range(3)))
    await owner.execute(f"alter table {ours}.contact add column seen int default 7".encode())
    try:
        done = await asyncio.gather(*(db.read(ours, everything) for _ in range(3)))
    finally:
        await owner.execute(f"alter table {ours}.contact drop column seen".encode())

    assert {one.rows[0][-1] for one in done} == {b"7"}
