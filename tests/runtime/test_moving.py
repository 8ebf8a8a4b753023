"""Moving between cells: nothing acknowledged is lost, reads stay up, and whatever dies on the way is undone or completed."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from nexus.core.service import Service
from nexus.engines.oltp.embedded import EmbeddedPostgres
from nexus.runtime import moving
from nexus.runtime.moving import CopyDiffers, Patience, StillAtWork
from nexus.runtime.relocations import AlreadyUnderWay
from tests.activation.conftest import Installation, opened
from tests.runtime.copies import (
    QUICK,
    Business,
    Urls,
    ask,
    business,
    chain_holds,
    contents,
    left_behind,
    moves,
    record_of,
    relayed,
    two_cells,
    working,
)

PHASES = ("preparing", "closing", "closed", "copied", "switched", "cleaning")


@pytest.fixture(scope="module")
async def urls(postgres: EmbeddedPostgres) -> list[Urls]:
    return await two_cells(postgres, "moving_tests")


@pytest.fixture
async def nexus(urls: list[Urls], services: dict[str, Service]) -> AsyncIterator[Installation]:
    async with working(urls, services) as installation:
        yield installation


def other(cell: str) -> str:
    return {"c0": "c1", "c1": "c0"}[cell]


def tables(parts: dict[str, bytes]) -> dict[str, bytes]:
    """What must be the same wherever the tenant is; the inbox and the chain go on."""
    return {name: content for name, content in parts.items() if name not in ("cell.audit", "nexus_inbox")}


async def can_write(nexus: Installation, one: Business) -> bool:
    status, answer = await nexus.ask("POST", "/api/v1/crm/contacts", {"name": "One more"}, token=one.token)
    assert status in (201, 503), answer
    return status == 201


async def test_new_tenants_go_to_the_least_full_cell(nexus: Installation) -> None:
    await business(nexus, "fills-a")
    await business(nexus, "fills-b")

    rows = await nexus.rows("SELECT cell, count(*) FROM nexus_control.tenant WHERE slug ~ '^fills-' GROUP BY cell ORDER BY cell")

    assert rows == [("c0", 1), ("c1", 1)]


async def test_there_and_back_again(nexus: Installation) -> None:
    one = await business(nexus, "there-and-back")
    home = (await record_of(nexus, one.id)).cell
    await relayed(nexus)
    before = await contents(nexus, one.id)
    phases: list[str] = []

    moved = await moves(nexus).move(await record_of(nexus, one.id), other(home), phases.append)

    assert phases == list(PHASES)
    assert (moved.cell, moved.state) == (other(home), "active")
    after = await contents(nexus, one.id)
    assert tables(after) == tables(before)
    assert after["cell.audit"].startswith(before["cell.audit"])
    assert await left_behind(nexus, home, one.schema) == {}
    assert await nexus.rows("SELECT count(*) FROM nexus_control.relocation") == [(0,)]
    assert (await ask(nexus, one, "GET", f"crm/contacts/{one.contacts[0]}"))["name"] == "Adé Ọlá"
    assert await can_write(nexus, one)
    back = await moves(nexus).move(await record_of(nexus, one.id), home)
    assert back.cell == home
    assert await can_write(nexus, one)
    assert await chain_holds(nexus, one.id)
    assert await left_behind(nexus, other(home), one.schema) == {}
    changes = (
        "SELECT was ->> 'cell', became ->> 'cell' FROM nexus_control.tenant_change WHERE tenant_id = %s AND command = 'move' ORDER BY id"
    )
    assert await nexus.rows(changes, one.id) == [(home, other(home)), (other(home), home)]


async def test_moving_to_where_it_is_does_nothing(nexus: Installation) -> None:
    one = await business(nexus, "stays")
    record = await record_of(nexus, one.id)
    phases: list[str] = []

    assert (await moves(nexus).move(record, record.cell, phases.append)).cell == record.cell

    assert phases == []


async def test_under_load_a_writer_gets_success_or_a_clean_503_and_nothing_is_lost(nexus: Installation) -> None:
    one = await business(nexus, "under-load")
    acknowledged: list[str] = []
    answers: set[int] = set()
    done = asyncio.Event()

    async def write(n: int) -> None:
        for at in range(5_000):
            if done.is_set():
                return
            status, answer = await nexus.ask("POST", "/api/v1/crm/contacts", {"name": f"Writer {n} {at}"}, token=one.token)
            answers.add(status)
            if status == 201:
                acknowledged.append(answer["id"])
            else:
                assert (status, answer["type"]) == (503, "/problems/tenant-moving"), answer

    async def read() -> None:
        for _ in range(5_000):
            if done.is_set():
                return
            status, answer = await nexus.ask("GET", f"/api/v1/crm/contacts/{one.contacts[0]}", token=one.token)
            assert (status, answer["name"]) == (200, "Adé Ọlá")

    work = [asyncio.create_task(write(n)) for n in range(3)] + [asyncio.create_task(read())]
    for _ in range(3):
        record = await record_of(nexus, one.id)
        await moves(nexus).move(record, other(record.cell))
    done.set()
    await asyncio.gather(*work)

    assert answers == {201, 503}
    await nothing_lost(nexus, one, set(acknowledged))


async def nothing_lost(nexus: Installation, one: Business, acknowledged: set[str]) -> None:
    """What was acknowledged is there, nothing else is, and all of it was told."""
    cell = (await record_of(nexus, one.id)).cell
    there = {str(row[0]) for row in await nexus.rows(f"SELECT id FROM {one.schema}.crm_contact", cell=cell)}
    assert acknowledged <= there
    assert len(there) == len(acknowledged) + len(one.contacts)
    await relayed(nexus)
    events = "SELECT DISTINCT subject FROM nexus_cell.event WHERE tenant = %s AND topic ~ 'contact.created$'"
    assert there <= {str(row[0]) for row in await nexus.rows(events, one.schema, cell=cell)}  # and what proved the activation
    assert await chain_holds(nexus, one.id)


async def test_another_process_that_does_not_know_yet_is_held_by_the_database(
    nexus: Installation, urls: list[Urls], services: dict[str, Service]
) -> None:
    one = await business(nexus, "two-processes")
    home = (await record_of(nexus, one.id)).cell
    async with opened(urls, services) as unaware:
        token = one.token
        assert (await unaware.ask("GET", "/api/v1/crm/contacts", token=token))[0] == 200
        seen: list[tuple[int, str]] = []

        def told(phase: str) -> None:
            if phase in ("copied", "switched"):
                # what it believes for some seconds more
                known = unaware.node.directory._known[one.id][1]
                assert (known.state, known.cell) == ("active", home)

        async def write() -> None:
            for _ in range(200):
                status, answer = await unaware.ask("POST", "/api/v1/crm/contacts", {"name": "Unaware"}, token=token)
                seen.append((status, answer.get("id") or answer["type"]))

        unaware.node.directory._ttl = 60.0
        unaware.node.directory.forget(one.id)
        assert (await unaware.ask("GET", "/api/v1/crm/contacts", token=token))[0] == 200
        writing = asyncio.create_task(write())
        await moves(nexus).move(await record_of(nexus, one.id), other(home), told if not seen else lambda phase: None)
        await writing

        assert {status for status, _ in seen} <= {201, 503}
        made = {id for status, id in seen if status == 201}
        there = {str(row[0]) for row in await nexus.rows(f"SELECT id FROM {one.schema}.crm_contact", cell=other(home))}
        assert made <= there
        assert await chain_holds(nexus, one.id)


@pytest.mark.parametrize("phase", PHASES)
async def test_killed_in_any_phase_it_is_undone_or_completed(urls: list[Urls], services: dict[str, Service], phase: str) -> None:
    async with working(urls, services) as nexus:
        one = await business(nexus, f"killed-{phase}")
        await relayed(nexus)
        home = (await record_of(nexus, one.id)).cell
        before = await contents(nexus, one.id)

        await killed(urls, one, other(home), phase)

        assert await moves(nexus).recover() == 1
        record = await record_of(nexus, one.id)
        assert record.state == "active"
        assert record.cell == (other(home) if phase == "cleaning" else home)
        assert tables(await contents(nexus, one.id)) == tables(before)
        assert await left_behind(nexus, other(record.cell), one.schema) == {}
        assert await can_write(nexus, one)
        assert await chain_holds(nexus, one.id)
        again = await moves(nexus).move(await record_of(nexus, one.id), other(record.cell))
        assert again.cell == other(record.cell)
        assert await can_write(nexus, one)


async def killed(urls: list[Urls], one: Business, target: str, phase: str) -> None:
    """Let another process move it and kill itself with SIGKILL as this phase begins."""
    arguments = [*(part for pair in urls for part in pair), str(one.id), target, phase]
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.runtime.mover", *arguments, stderr=asyncio.subprocess.PIPE)
    _, errors = await process.communicate()
    assert process.returncode == -9, errors.decode()


async def test_a_new_move_settles_what_a_dead_one_left(nexus: Installation, urls: list[Urls]) -> None:
    one = await business(nexus, "again-after-death")
    home = (await record_of(nexus, one.id)).cell
    await killed(urls, one, other(home), "copied")
    assert (await nexus.ask("POST", "/api/v1/crm/contacts", {"name": "No"}, token=one.token))[0] == 503

    moved = await moves(nexus).move(await record_of(nexus, one.id), other(home))

    assert moved.cell == other(home)
    assert await can_write(nexus, one)


async def test_only_one_moves_at_a_time(nexus: Installation) -> None:
    one = await business(nexus, "one-at-a-time")
    record = await record_of(nexus, one.id)
    first = moves(nexus)

    async with first._relocations.held(one.id):
        with pytest.raises(AlreadyUnderWay):
            await moves(nexus).move(record, other(record.cell))
        assert await moves(nexus).recover() == 0

    assert (await record_of(nexus, one.id)).state == "active"


async def test_a_copy_that_differs_is_not_used(nexus: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    one = await business(nexus, "differs")
    record = await record_of(nexus, one.id)
    fill = moving.writing.fill

    async def spoiled(connection: Any, schema: str, name: str, blocks: Any) -> int:
        rows = await fill(connection, schema, name, blocks)
        if name == "crm_contact":
            await connection.execute(f"UPDATE {schema}.crm_contact SET name = 'Spoiled' WHERE name = 'Plain'".encode())
        return rows

    monkeypatch.setattr(moving.writing, "fill", spoiled)
    with pytest.raises(CopyDiffers, match="crm_contact"):
        await moves(nexus).move(record, other(record.cell))

    assert (await record_of(nexus, one.id)).cell == record.cell
    assert await left_behind(nexus, other(record.cell), one.schema) == {}
    assert await can_write(nexus, one)


async def test_somebody_who_does_not_stop_writing_is_not_cut_off(nexus: Installation) -> None:
    one = await business(nexus, "long-writer")
    record = await record_of(nexus, one.id)
    async with await nexus.cells[record.cell].owner() as writer, writer.transaction(force_rollback=True):
        await writer.execute(f"UPDATE {one.schema}.crm_contact SET name = name".encode())

        with pytest.raises(StillAtWork, match="somebody does not stop writing"):
            await moves(nexus, Patience(settle=20.0, writers=0.05, grace=0.0)).move(record, other(record.cell))

    assert (await record_of(nexus, one.id)).state == "active"
    assert await can_write(nexus, one)
    assert await left_behind(nexus, other(record.cell), one.schema) == {}


async def test_reactions_that_lag_behind_keep_it_where_it_is(urls: list[Urls], services: dict[str, Service]) -> None:
    async with opened(urls, services) as nexus:  # nobody follows the log here
        one = await business(nexus, "lagging")
        record = await record_of(nexus, one.id)
        await relayed(nexus)
        async with await nexus.cells[record.cell].owner() as owner:
            await owner.execute("UPDATE nexus_cell.consumer SET position = 0 WHERE consumer_group = 'crm'")

        patience = Patience(settle=0.1, writers=5.0, grace=0.0)
        registered = await nexus.rows("SELECT count(*) FROM nexus_cell.consumer WHERE consumer_group = 'crm'", cell=record.cell)
        if registered == [(0,)]:
            await moves(nexus, patience).move(record, other(record.cell))
            return
        with pytest.raises(StillAtWork, match="the reactions of crm are not done"):
            await moves(nexus, patience).move(record, other(record.cell))
        assert await can_write(nexus, one)


@pytest.mark.parametrize("state", ["suspend", "archive"])
async def test_a_tenant_at_rest_stays_at_rest(nexus: Installation, state: str) -> None:
    one = await business(nexus, f"rests-{state}")
    assert (await nexus.ask("POST", f"/api/v1/tenants/{one.slug}/{state}", {"reason": "rest"}))[0] == 200
    record = await record_of(nexus, one.id)
    seen: list[int] = []

    def told(phase: str) -> None:
        nexus.node.directory.forget(one.id)
        nexus.node.principals.evict(one.id)
        asking.append(asyncio.ensure_future(nexus.ask("GET", "/api/v1/crm/contacts", token=one.token)))

    asking: list[asyncio.Future[tuple[int, Any]]] = []
    moved = await moves(nexus).move(record, other(record.cell), told)
    seen = [(await answer)[0] for answer in asking]

    assert moved.state == record.state
    assert set(seen) == {403}


async def test_what_was_read_during_the_move_stays_in_the_audit(nexus: Installation) -> None:
    one = await business(nexus, "late-reads")
    record = await record_of(nexus, one.id)
    late = '{"command":"crm.contact:read","actor":"late"}'

    async def read() -> None:
        async with await psycopg.AsyncConnection.connect(nexus.cells[record.cell].owner_url, autocommit=True) as connection:
            await connection.execute("INSERT INTO nexus_cell.journal (tenant, audit) VALUES (%s, %s)", (one.schema, late))

    reading: list[asyncio.Task[None]] = []

    def told(phase: str) -> None:
        if phase == "switched":
            reading.append(asyncio.create_task(read()))

    await moves(nexus, Patience(settle=20.0, writers=5.0, grace=0.3)).move(record, other(record.cell), told)
    await asyncio.gather(*reading)

    assert await chain_holds(nexus, one.id)
    entries = 'SELECT count(*) FROM nexus_cell.audit WHERE tenant = %s AND entry ~ \'"actor":"late"\''
    assert await nexus.rows(entries, one.schema, cell=other(record.cell)) == [(1,)]
    assert QUICK.grace == 0.0
