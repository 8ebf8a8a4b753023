"""Timers: what a rule schedules runs once, at its time, as the system, however often processes die or refuse meanwhile."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import psycopg
import pytest

from conftest import Database
from nexus.core import Command, Event, Tx, handles
from nexus.core.message import HANDLERS
from nexus.core.problem import Conflict
from nexus.core.trace import TRACE
from nexus.engines.oltp import Statement
from nexus.engines.oltp.postgres import Postgres
from nexus.runtime.node import Node
from nexus.runtime.testing import Harness
from nexus.runtime.timers import ATTEMPTS, Postponed, Timekeeper, Timer, command_of
from nexus.services.auth.entities import Team

LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


class Rung(Event, frozen=True, kw_only=True):
    """It has rung."""

    topic = "auth.team.rung"
    team_id: UUID


class Ring(Command[Rung], frozen=True, kw_only=True):
    """Ring now, or set the clock."""

    team_id: UUID
    at: dt.datetime | None = None
    fail: bool = False


class TooLate(Conflict):
    """It is too late to set a clock."""

    reason: str = ""


async def ring(cmd: Ring, tx: Tx) -> Rung:
    team = await tx.get(Team, cmd.team_id, lock=True)
    if cmd.at is not None:
        tx.schedule(Ring(team_id=cmd.team_id), cmd.at)
        if cmd.fail:
            raise TooLate()
        return Rung(team_id=team.id)
    team.tags = [*team.tags, f"rung by {tx.actor.name}"]
    return tx.emit(Rung(team_id=team.id))


@pytest.fixture(autouse=True)
def _bell() -> Iterator[None]:
    handles(Ring, needs="auth.team:ring")(ring)
    yield
    del HANDLERS[Ring]


@pytest.fixture
async def team(tenant: Harness) -> Team:
    return await tenant.given(Team(name="Sales", key="sales"))


def keeper(tenant: Harness, oltp: Postgres, *, failure: Exception | None = None) -> Timekeeper:
    """A timekeeper of this tenant alone."""

    async def run(timer: Timer, command: Command[Any]) -> None:
        if timer.tenant != tenant.caller.schema:
            raise Postponed(3600.0)
        if failure is not None:
            raise failure
        await tenant.fire(timer)

    return Timekeeper(oltp, run, batch=100)


async def test_it_runs_once_at_its_time_as_the_system(tenant: Harness, team: Team) -> None:
    soon = tenant.caller.cause().now + dt.timedelta(hours=1)
    await tenant.run(Ring(team_id=team.id, at=soon))

    assert [timer.due_at for timer in await tenant.scheduled()] == [soon]
    assert await tenant.pass_time(soon - dt.timedelta(seconds=1)) == 0
    assert await tenant.pass_time(soon) == 1
    assert await tenant.pass_time(soon + dt.timedelta(days=1)) == 0
    assert (await tenant.get(Team, team.id)).tags == ["rung by system"]
    assert tenant.emitted == [Rung(team_id=team.id)]


async def test_nothing_is_scheduled_by_what_was_refused_or_only_tried(tenant: Harness, team: Team) -> None:
    with pytest.raises(TooLate):
        await tenant.run(Ring(team_id=team.id, at=LONG_AGO, fail=True))
    await tenant.run(Ring(team_id=team.id, at=LONG_AGO), dry_run=True)

    assert await tenant.scheduled() == []


async def test_the_keeper_runs_what_is_due_and_forgets_it(tenant: Harness, oltp: Postgres, team: Team) -> None:
    await tenant.run(Ring(team_id=team.id, at=LONG_AGO))
    await tenant.run(Ring(team_id=team.id, at=LONG_AGO + dt.timedelta(days=36_500)))

    await keeper(tenant, oltp).fire()

    assert len(await tenant.scheduled()) == 1
    assert (await tenant.get(Team, team.id)).tags == ["rung by system"]


async def test_killed_after_the_command_and_before_the_timer_went_it_has_no_second_effect(
    tenant: Harness, oltp: Postgres, database: Database, team: Team
) -> None:
    await tenant.run(Ring(team_id=team.id, at=LONG_AGO))
    (timer,) = await tenant.scheduled()
    await tenant.fire(timer)

    await keeper(tenant, oltp).fire()

    assert (await tenant.get(Team, team.id)).tags == ["rung by system"]
    assert await tenant.scheduled() == []


async def test_two_keepers_ring_each_bell_once(tenant: Harness, oltp: Postgres, team: Team) -> None:
    for _ in range(20):
        await tenant.run(Ring(team_id=team.id, at=LONG_AGO))

    await asyncio.gather(*(keeper(tenant, oltp).fire() for _ in range(4)))

    assert (await tenant.get(Team, team.id)).tags == ["rung by system"] * 20
    assert await tenant.scheduled() == []


async def test_what_is_postponed_costs_no_attempt(tenant: Harness, oltp: Postgres, team: Team) -> None:
    await tenant.run(Ring(team_id=team.id, at=LONG_AGO))

    await keeper(tenant, oltp, failure=Postponed(60.0)).fire()

    (timer,) = await tenant.scheduled()
    assert timer.attempts == 0
    assert timer.due_at > dt.datetime.now(dt.UTC)


async def test_what_is_refused_again_and_again_is_given_up_with_its_reason(
    tenant: Harness, oltp: Postgres, database: Database, team: Team
) -> None:
    await tenant.run(Ring(team_id=team.id, at=LONG_AGO))
    mine = [tenant.caller.schema.encode()]
    for attempt in range(1, ATTEMPTS + 1):
        await keeper(tenant, oltp, failure=TooLate()).fire()
        if attempt < ATTEMPTS:
            (timer,) = await tenant.scheduled()
            assert timer.attempts == attempt
            await oltp.run(None, (Statement("UPDATE nexus_cell.timer SET due_at = now() WHERE tenant = $1"), mine))

    (result,) = await oltp.run(None, (Statement("SELECT due_at, error FROM nexus_cell.timer WHERE tenant = $1"), mine))
    assert result.rows == [(b"infinity", b"too-late: It is too late to set a clock.")]
    await oltp.run(None, (Statement("DELETE FROM nexus_cell.timer WHERE tenant = $1"), mine))


async def test_a_command_that_no_longer_exists_is_given_up_at_once(tenant: Harness, oltp: Postgres, team: Team) -> None:
    await tenant.run(Ring(team_id=team.id, at=LONG_AGO))
    await oltp.run(
        None, (Statement("UPDATE nexus_cell.timer SET command = 'auth.team:gone' WHERE tenant = $1"), [tenant.caller.schema.encode()])
    )

    await keeper(tenant, oltp).fire()

    (result,) = await oltp.run(None, (Statement("SELECT error FROM nexus_cell.timer WHERE tenant = $1"), [tenant.caller.schema.encode()]))
    assert result.rows == [(b"LookupError: nobody handles auth.team:gone",)]


async def test_a_tenant_can_neither_read_nor_forge_the_timers_of_another(tenant: Harness, database: Database, oltp: Postgres) -> None:
    schema = tenant.caller.schema
    insert = "INSERT INTO nexus_cell.timer (id, tenant, command, arguments, correlation, due_at) VALUES (gen_random_uuid(), 't_x', '', '', '', now())"
    async with await psycopg.AsyncConnection.connect(database.app, autocommit=True) as connection:
        await connection.execute(f"SET ROLE {schema}".encode())
        for hostile in (
            "SELECT * FROM nexus_cell.timer",
            "UPDATE nexus_cell.timer SET due_at = now()",
            "DELETE FROM nexus_cell.timer",
            insert,
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await connection.execute(hostile.encode())


def test_a_timer_names_its_command() -> None:
    timer = Timer(
        id=UUID(int=1),
        tenant="t_x",
        command="auth.team:ring",
        arguments='{"team_id":"00000000-0000-0000-0000-000000000002"}',
        correlation="",
        due_at=LONG_AGO,
        attempts=0,
    )
    assert command_of(timer) == Ring(team_id=UUID(int=2))


async def test_it_belongs_to_the_trace_that_scheduled_it(tenant: Harness, oltp: Postgres, team: Team) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    token = TRACE.set(trace)
    await tenant.run(Ring(team_id=team.id, at=LONG_AGO))
    TRACE.reset(token)
    (timer,) = await tenant.scheduled()
    assert timer.trace == trace

    nobody = SimpleNamespace(directory=SimpleNamespace(get=lambda id: asyncio.sleep(0)))
    await asyncio.create_task(_in_trace(nobody, timer, trace))
    assert TRACE.get() is None
    await tenant.fire(timer)


async def _in_trace(node: Any, timer: Timer, trace: str) -> None:
    """A node takes the trace up before it does anything else."""
    await Node.at_its_time(node, timer, command_of(timer))
    assert TRACE.get() == trace
