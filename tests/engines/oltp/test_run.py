"""One round trip is one transaction, its values are raw, its errors are told apart."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import psycopg
import pytest

from nexus.engines.oltp import (
    CheckViolation,
    DatabaseError,
    ForeignKeyViolation,
    InvalidText,
    NotAQuery,
    NotNullViolation,
    PermissionDenied,
    SerializationFailure,
    Statement,
    UniqueViolation,
)
from nexus.engines.oltp.postgres import Postgres
from nexus.engines.oltp.settings import Settings

Names = Callable[[], Awaitable[list[bytes | None]]]
Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]
Owner = psycopg.AsyncConnection[tuple[object, ...]]


class Server(Protocol):
    superuser: str
    owner: str
    app: str


NAME = Statement("select name from {s}.contact where id = $1")
ADD = Statement("insert into {s}.contact (id, name, email, age) values ($1, $2, $3, $4) returning id, email")
ADD_DEAL = Statement("insert into {s}.deal values ($1, $2)")
ECHO = Statement("select $1::text, $2::text, $3::text")
LENGTH = Statement("select length($1::text), md5($1::text)")
ME = Statement("select current_user, session_user")
FAIL = Statement("select 1 / $1::integer")


async def test_runs_all_calls_in_one_round_trip_and_answers_each(db: Postgres, ours: str) -> None:
    before = db.stats.round_trips

    found, added, gone = await db.run(
        ours, (NAME, [b"1"]), (ADD, [b"2", b"Bob", None, b"7"]), (Statement("delete from {s}.contact where id > 1"), [])
    )

    assert found.rows == [(b"Ann of " + ours.encode(),)]
    assert (added.rows, added.affected) == ([(b"2", None)], 1)
    assert (gone.rows, gone.affected) == ([], 1)
    assert db.stats.round_trips == before + 1


async def test_runs_under_the_tenants_role_and_leaves_nothing_of_it_behind(db: Postgres, ours: str) -> None:
    assert (await db.run(ours, (ME, [])))[0].rows == [(ours.encode(), b"nexus_app")]
    assert (await db.run(None, (ME, [])))[0].rows == [(b"nexus_app", b"nexus_app")]


async def test_nothing_to_do_is_no_round_trip(db: Postgres, ours: str) -> None:
    before = db.stats.round_trips

    assert await db.run(ours) == []

    assert db.stats.round_trips == before


@pytest.mark.parametrize("at", [0, 1, 2])
async def test_an_error_anywhere_undoes_everything(db: Postgres, ours: str, names: Names, at: int) -> None:
    calls = [(ADD, [b"2", b"Bob", None, None]), (ADD, [b"3", b"Cid", None, None])]
    calls.insert(at, (FAIL, [b"0"]))

    with pytest.raises(InvalidText, match="division by zero"):
        await db.run(ours, *calls)

    assert await names() == [b"Ann of " + ours.encode()]
    assert (await db.run(ours, *calls[:at], *calls[at + 1 :]))[1].rows == [(b"3", None)]


async def test_a_constraint_checked_at_the_end_is_an_error_of_the_round_trip(db: Postgres, ours: str) -> None:
    with pytest.raises(ForeignKeyViolation) as caught:
        await db.run(ours, (ADD_DEAL, [b"1", b"99"]))

    assert caught.value.constraint == "deal_contact_id_fkey"
    assert (await db.run(ours, (Statement("select count(*) from {s}.deal"), [])))[0].rows == [(b"0",)]


@pytest.mark.parametrize(
    ("args", "kind", "sqlstate", "constraint", "column"),
    [
        ([b"2", b"Bob", b"ann@example.com", None], UniqueViolation, "23505", "contact_email", None),
        ([b"2", b"Bob", None, b"0"], CheckViolation, "23514", "contact_age_check", None),
        ([b"2", None, None, None], NotNullViolation, "23502", None, "name"),
        ([b"two", b"Bob", None, None], InvalidText, "22P02", None, None),
        ([b"99999999999", b"Bob", None, None], InvalidText, "22003", None, None),
        ([b"2", b"\xff\xfe", None, None], InvalidText, "22021", None, None),
        ([b"2", b"B\0b", None, None], InvalidText, "22021", None, None),
    ],
)
async def test_errors_say_what_is_wrong_and_change_nothing(
    db: Postgres,
    ours: str,
    names: Names,
    args: list[bytes | None],
    kind: type[DatabaseError],
    sqlstate: str,
    constraint: str | None,
    column: str | None,
) -> None:
    with pytest.raises(kind) as caught:
        await db.run(ours, (ADD, args))

    assert (caught.value.sqlstate, caught.value.constraint, caught.value.column) == (sqlstate, constraint, column)
    assert await names() == [b"Ann of " + ours.encode()]


async def test_a_conflict_is_told_from_other_errors(db: Postgres, ours: str, server: object) -> None:
    raise_it = Statement("with t as (select 1) select * from t where exists (select from nowhere)")

    with pytest.raises(DatabaseError) as caught:
        await db.run(ours, (raise_it, []))

    assert type(caught.value) is DatabaseError
    assert caught.value.sqlstate == "42P01"


async def test_deadlocked_transactions_are_told_to_run_again(
    db: Postgres, ours: str, waits_for_lock: Callable[[int], Awaitable[None]]
) -> None:
    await db.run(ours, (ADD, [b"2", b"Bob", None, None]))
    touch = Statement("update {s}.contact set age = 9 where id = $1")

    async def run(first: bytes, second: bytes, locked: asyncio.Event, go: asyncio.Event) -> str:
        async with db.transaction(ours) as tx:
            await tx.run((touch, [first]))
            locked.set()
            await go.wait()
            try:
                await tx.run((touch, [second]))
            except SerializationFailure as failure:
                return failure.sqlstate
            return "done"

    left, right, both = asyncio.Event(), asyncio.Event(), asyncio.Event()
    tasks = [asyncio.create_task(run(b"1", b"2", left, both)), asyncio.create_task(run(b"2", b"1", right, both))]
    await left.wait()
    await right.wait()
    both.set()

    assert sorted(await asyncio.gather(*tasks)) == ["40P01", "done"]


async def test_null_and_empty_are_not_the_same(db: Postgres, ours: str) -> None:
    assert (await db.run(ours, (ECHO, [None, b"", "ä€😀".encode()])))[0].rows == [(None, b"", "ä€😀".encode())]


async def test_ten_megabytes_go_in_and_out(db: Postgres, ours: str) -> None:
    big = b"0123456789" * 1_000_000

    echo, neighbour = await asyncio.gather(db.run(ours, (ECHO, [big, b"", None])), db.run(ours, (NAME, [b"1"])))

    assert echo[0].rows[0] == (big, b"", None)
    assert neighbour[0].rows == [(b"Ann of " + ours.encode(),)]


async def test_a_result_larger_than_every_buffer_arrives_whole(db: Postgres, ours: str) -> None:
    rows = (await db.run(ours, (Statement("select i, repeat('x', 1000) from generate_series(1, 20000) i"), [])))[0].rows

    assert len(rows) == 20_000
    assert rows[19_999] == (b"20000", b"x" * 1000)


@pytest.mark.parametrize("schema", ["none", "nexus_app", "t_A", "t_x; drop", 't_"', "", "t_" + "a" * 61])
async def test_only_a_tenants_schema_can_be_switched_to(db: Postgres, schema: str) -> None:
    before = db.stats.round_trips

    with pytest.raises(NotAQuery):
        await db.run(schema, (ME, []))
    with pytest.raises(NotAQuery):
        db.transaction(schema)

    assert db.stats.round_trips == before


async def test_a_tenant_that_does_not_exist_is_refused_by_the_database(db: Postgres) -> None:
    with pytest.raises(InvalidText, match="does not exist"):
        await db.run("t_" + "0" * 32, (ME, []))


async def test_chained_statements_do_not_run(db: Postgres, ours: str, names: Names) -> None:
    with pytest.raises(DatabaseError, match="multiple commands"):
        await db.run(ours, (Statement("select 1; delete from {s}.contact"), []))

    assert await names() == [b"Ann of " + ours.encode()]


async def test_too_many_arguments_are_refused_before_they_are_sent(db: Postgres, ours: str) -> None:
    before = db.stats.round_trips

    with pytest.raises(InvalidText, match="65536 arguments"):
        await db.run(ours, (NAME, [b"1"] * 65_536))

    assert db.stats.round_trips == before


async def test_wrong_number_of_arguments_hurts_nobody_else(db: Postgres, ours: str) -> None:
    with pytest.raises(DatabaseError) as caught:
        await db.run(ours, (NAME, []))

    assert caught.value.sqlstate == "08P01"
    assert (await db.run(ours, (NAME, [b"1"])))[0].rows == [(b"Ann of " + ours.encode(),)]
    assert db.stats.lost == 0


async def test_statements_prepared_before_a_table_changed_are_prepared_again(db: Postgres, ours: str, owner: Owner) -> None:
    everything = Statement("select * from {s}.contact where id = 1")
    assert len((await db.run(ours, (everything, [])))[0].rows[0]) == 4
    await owner.execute(f"alter table {ours}.contact add column colour text default 'red'".encode())
    try:
        added, row = await db.run(ours, (ADD, [b"2", b"Bob", None, None]), (everything, []))

        assert added.affected == 1
        assert row.rows == [(b"1", b"Ann of " + ours.encode(), b"ann@example.com", b"30", b"red")]
        assert db.stats.retries == 1
    finally:
        await owner.execute(f"alter table {ours}.contact drop column colour".encode())


async def test_statements_the_server_forgot_are_prepared_again(db: Postgres, ours: str) -> None:
    await db.run(ours, (NAME, [b"1"]))
    await db.run(None, (Statement("deallocate s1"), []))

    assert (await db.run(ours, (NAME, [b"1"])))[0].rows == [(b"Ann of " + ours.encode(),)]
    assert db.stats.retries == 1


async def test_statements_behind_a_failed_preparation_still_run(db: Postgres, ours: str) -> None:
    """A statement whose preparation was skipped with the rest of a failed request is prepared by those who counted on it."""
    fresh = Statement("select name, 'fresh' from {s}.contact where id = 1")

    failed, *others = await asyncio.gather(
        db.run(ours, (FAIL, [b"0"]), (fresh, [])), *(db.run(ours, (fresh, [])) for _ in range(5)), return_exceptions=True
    )

    assert isinstance(failed, InvalidText)
    assert [result[0].rows for result in others if isinstance(result, list)] == [[(b"Ann of " + ours.encode(), b"fresh")]] * 5


@pytest.mark.parametrize("settings", [Settings(statements=5)])
async def test_prepared_statements_are_bounded(db: Postgres, ours: str) -> None:
    many = [Statement(f"select {number}::text, name from {{s}}.contact where id = 1") for number in range(40)]
    for _ in range(2):
        for number, one in enumerate(many):
            assert (await db.run(ours, (one, [])))[0].rows[0][0] == str(number).encode()

    assert (await db.run(ours, *((one, []) for one in many)))[39].rows[0][0] == b"39"
    kept = (await db.run(None, (Statement("select count(*) from pg_prepared_statements"), [])))[0].rows
    assert kept == [
        (b"12",)
    ]  # role, hasty, begin, snapshot, commit, rollback, five in use, and the evicted one that the next request closes


async def test_a_connection_that_has_seen_many_tenants_is_replaced(server: Server, ours: str, theirs: str, until: Until) -> None:
    db = await Postgres.open(server.app, fast=1, settings=Settings(tenants=1))
    try:

        async def replaced() -> bool:
            calls = [db.run(schema, (NAME, [b"1"])) for schema in (ours, theirs) * 20]
            answers = [result[0].rows for result in await asyncio.gather(*calls)]
            assert answers == [[(b"Ann of " + schema.encode(),)] for schema in (ours, theirs) * 20]
            return db.stats.connects >= 4

        await until(replaced)
        assert db.stats.lost == 0
        assert db.stats.connections <= 2
    finally:
        await db.close()


async def test_copy_is_not_for_this_pool_and_harms_only_its_own_connection(db: Postgres, ours: str) -> None:
    with pytest.raises(Exception, match="the pipeline cannot take"):
        await db.run(None, (Statement("copy (select 1) to stdout"), []))

    assert (await db.run(ours, (NAME, [b"1"])))[0].rows == [(b"Ann of " + ours.encode(),)]


async def test_a_connection_that_was_left_as_another_role_is_not_used_again(db: Postgres, ours: str, theirs: str) -> None:
    """The guard refuses SET ROLE from tenants; should a session change its role all the same, it must not serve anybody."""
    await db.run(None, (Statement(f"set role {theirs}"), []))

    found = await asyncio.gather(*(db.run(ours, (ME, [])) for _ in range(4)))

    assert [one[0].rows for one in found] == [[(ours.encode(), b"nexus_app")]] * 4
    assert db.stats.connects == 2


async def test_a_tenant_cannot_touch_the_platforms_own_tables(db: Postgres, ours: str, theirs: str) -> None:
    with pytest.raises(PermissionDenied):
        await db.run(ours, (Statement(f"select * from {theirs}.contact"), []))
