"""The relay moves what has committed: everything, once, in order, whatever was written."""

import asyncio
import json
from uuid import UUID, uuid4

import psycopg
import pytest

from nexus.engines.event_log.embedded import EmbeddedEventLog
from nexus.engines.oltp import DatabaseError, Statement, Transaction
from nexus.runtime.audit_chain import verify
from nexus.runtime.cell_schema import install
from nexus.runtime.journal import Batch
from nexus.runtime.relay import Floor, Relay
from tests.events.shop import JOURNAL, Shop, audit, envelope, schema_of

JOURNAL_ROWS = Statement("select count(*) from nexus_cell.journal")
ENTRIES = Statement("select tenant, seq, entry from nexus_cell.audit order by tenant, seq")


async def waiting(shop: Shop) -> int:
    """Rows still in the journal."""
    return int((await shop.oltp.run(None, (JOURNAL_ROWS, ())))[0].rows[0][0] or b"0")


async def entries(shop: Shop) -> list[tuple[str, int, dict[str, object]]]:
    """Every audit entry: tenant, seq, what it holds."""
    rows = (await shop.oltp.run(None, (ENTRIES, ())))[0].rows
    return [((tenant or b"").decode(), int(seq or b"0"), json.loads(entry or b"")) for tenant, seq, entry in rows]


async def test_installing_twice_changes_nothing(owner: psycopg.AsyncConnection[tuple[object, ...]]) -> None:
    assert [await install(owner), await install(owner)] == [3, 3]


async def test_moves_a_command_into_the_log_and_the_chain(shop: Shop) -> None:
    tenant, subject = shop.tenants[0], uuid4()
    written = envelope(tenant, subject)
    await shop.write(tenant, written, audit=audit(subject))

    assert await shop.relay.move() == 1

    (event,) = (await shop.log.read(0)).events
    assert (event.position, event.tenant, event.subject) == (1, schema_of(tenant), subject)
    assert event.topic == f"nexus.shop.{tenant}.thing.changed"
    assert event.type == "shop.thing.changed"
    assert event.envelope.decode() == written
    ((whose, seq, entry),) = await entries(shop)
    assert (whose, seq, entry["tenant"], entry["seq"]) == (schema_of(tenant), 1, schema_of(tenant), 1)
    assert entry["act"] == json.loads(audit(subject))
    assert await waiting(shop) == 0
    assert await shop.relay.move() == 0


async def test_moves_nothing_that_was_rolled_back(shop: Shop) -> None:
    async with shop.oltp.transaction(schema_of(shop.tenants[0])) as tx:
        await tx.run((JOURNAL, [b"{}", f"[{envelope(shop.tenants[0], uuid4())}]".encode()]))

    assert await shop.relay.move() == 0
    assert await shop.log.head() == 0


async def test_a_late_commit_is_not_passed_by(shop: Shop) -> None:
    tenant, early, late = shop.tenants[0], uuid4(), uuid4()
    async with shop.oltp.transaction(schema_of(tenant)) as tx:
        await tx.run((JOURNAL, [None, f"[{envelope(tenant, late)}]".encode()]))
        for _ in range(5):
            await shop.change(tenant, early)
            assert await shop.relay.move() == 1
        seen = (await shop.log.read(0)).upto
        await tx.commit()
    await shop.relay.drain()

    assert [event.subject for event in (await shop.log.read(seen)).events] == [late]
    assert [position for position, _, _ in await shop.logged()] == [1, 2, 3, 4, 5, 6]


async def test_looks_past_dead_rows_but_never_past_a_transaction(shop: Shop, database: str) -> None:
    """With a snapshot open that keeps dead rows, the floor rises; with a writer open, it stays below what the writer may still show."""
    tenant, late = shop.tenants[0], uuid4()
    async with await psycopg.AsyncConnection.connect(database) as reader:
        await reader.execute("set transaction isolation level repeatable read")
        await reader.execute("select count(*) from nexus_cell.event")
        for _ in range(3):
            await shop.change(tenant, uuid4())
            await shop.relay.move()
        raised = shop.relay.floor.seq
        assert raised == 2
        async with shop.oltp.transaction(schema_of(tenant)) as tx:
            await tx.run((JOURNAL, [None, f"[{envelope(tenant, late)}]".encode()]))
            for _ in range(70):
                await shop.change(tenant, uuid4())
                await shop.relay.move()
            assert raised <= shop.relay.floor.seq < 4
            await tx.commit()
        assert await shop.relay.move() == 1
        for _ in range(2):
            await shop.change(tenant, uuid4())
            await shop.relay.move()
    assert shop.relay.floor.seq > 60
    assert (await shop.logged())[73][1] == late


def test_the_floor_waits_for_every_older_transaction() -> None:
    floor = Floor()
    floor.moved(xmin=10, xmax=10, last=100, upto=None)
    assert floor.seq == 0
    floor.moved(xmin=11, xmax=14, last=120, upto=None)
    assert floor.seq == 0, "the number 100 was read before the snapshot whose next id was 14, and 11 still runs"
    floor.moved(xmin=13, xmax=15, last=130, upto=None)
    assert floor.seq == 0
    floor.moved(xmin=14, xmax=16, last=140, upto=None)
    assert floor.seq == 100
    floor.moved(xmin=17, xmax=17, last=150, upto=110)
    assert floor.seq == 110, "rows above what was taken are still there"


async def test_two_relays_share_the_work(shop: Shop) -> None:
    other = Relay(shop.oltp, EmbeddedEventLog(shop.oltp), batch=3)
    shop.relay.batch = 2
    for _ in range(20):
        await shop.change(shop.tenants[0], UUID(int=1))

    moved = await asyncio.gather(shop.relay.drain(), other.drain())

    assert sum(moved) == 20
    assert [(position, n) for position, _, n in await shop.logged()] == [(n, n) for n in range(1, 21)]
    assert [seq for _, seq, _ in await entries(shop)] == list(range(1, 21))
    assert await verify(shop.oltp) is None


async def test_a_move_is_bounded_in_bytes_and_says_that_more_is_waiting(
    shop: Shop, owner: psycopg.AsyncConnection[tuple[object, ...]]
) -> None:
    await owner.execute("alter table nexus_cell.journal alter column events set storage external")
    tenant = shop.tenants[0]
    for _ in range(3):
        await shop.write(tenant, envelope(tenant, uuid4(), more="x" * 3_000_000))

    assert [await shop.relay.move() for _ in range(3)] == [2, 1, 0]
    assert await shop.log.head() == 3


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ("{", "not a list of envelopes"),
        ('{"id":1}', "not a list of envelopes"),
        ('[{"id":"no"}]', "not an envelope"),
        ("[7]", "not an envelope"),
    ],
)
async def test_what_is_no_envelope_is_a_dead_letter_of_the_relay(shop: Shop, events: str, reason: str) -> None:
    tenant = shop.tenants[0]
    await shop.journal(tenant, None, events)
    await shop.write(tenant, envelope(tenant, uuid4()))

    assert await shop.relay.move() == 2

    (letter,) = await shop.letters.list()
    assert (letter.group, letter.position, letter.tenant) == ("relay", None, schema_of(tenant))
    assert letter.reason.startswith(reason)
    assert await shop.log.head() == 1


@pytest.mark.parametrize("type_", ["shop", "shop.thing", "shop..changed", "shop.thing.Changed", "shop.thing.*", "shop.thing.changed\n"])
async def test_a_type_that_is_no_type_is_a_dead_letter(shop: Shop, type_: str) -> None:
    await shop.write(shop.tenants[0], envelope(shop.tenants[0], uuid4(), type_=type_))

    await shop.relay.move()

    assert [letter.reason for letter in await shop.letters.list()] == [f"not an envelope: {type_!r} is not service.entity.event"]


async def test_a_tenant_cannot_speak_for_another(shop: Shop) -> None:
    mine, other = shop.tenants
    await shop.write(mine, envelope(other, uuid4()))

    await shop.relay.move()

    assert [(letter.tenant, letter.reason) for letter in await shop.letters.list()] == [(schema_of(mine), "an envelope of another tenant")]
    assert await shop.log.head() == 0


async def test_the_control_plane_speaks_for_a_tenant_and_has_a_chain_of_its_own(shop: Shop) -> None:
    tenant = shop.tenants[1]
    told = envelope(tenant, tenant, type_="control.tenant.activated")
    await shop.oltp.run(None, (JOURNAL, [b'{"command":"activate"}', f"[{told}]".encode()]))

    await shop.relay.move()

    assert [(event.tenant, event.topic) for event in (await shop.log.read(0)).events] == [
        (schema_of(tenant), f"nexus.control.{tenant}.tenant.activated")
    ]
    assert [(whose, seq, entry["act"]) for whose, seq, entry in await entries(shop)] == [("nexus_app", 1, {"command": "activate"})]


@pytest.mark.parametrize("written", ["nonsense", "[1]", '{"a":1}{"b":2}', '"text"', "", '{"a":"\\', "{}}"])
async def test_audit_that_is_no_object_is_kept_as_text(shop: Shop, written: str) -> None:
    await shop.journal(shop.tenants[0], written, None)

    await shop.relay.move()

    assert [entry["act"] for _, _, entry in await entries(shop)] == [{"malformed": written}]
    assert await verify(shop.oltp) is None


@pytest.mark.parametrize("frame", ["[ {0} ,\n{0}]", "[{0}]", "[ {0}]", "[{0}\n]", "[{0},{0}]"])
async def test_text_survives_as_it_was_written(shop: Shop, frame: str) -> None:
    tenant = shop.tenants[0]
    odd = 'Zoë "quoted" \\u0000 \\\\ \n\t 日本 \U0001f35e'
    act = json.dumps({"said": odd}, ensure_ascii=False)
    told = envelope(tenant, uuid4(), said=odd)
    await shop.journal(tenant, act, frame.replace("{0}", told))

    await shop.relay.move()

    kept = [event.envelope.decode() for event in (await EmbeddedEventLog(shop.oltp).read(0)).events]
    assert kept == [told] * frame.count("{0}")
    assert [entry["act"] for _, _, entry in await entries(shop)] == [{"said": odd}]
    assert await verify(shop.oltp) is None


async def test_what_goes_away_while_it_is_moved_fails_the_move_and_the_next_one_is_whole(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, stays = shop.tenants[:2]
    await shop.change(gone, uuid4())
    await shop.change(stays, uuid4())
    write = shop.relay._write

    async def too_late(tx: Transaction, batch: Batch) -> None:
        monkeypatch.undo()
        await shop.oltp.run(None, (Statement("delete from nexus_cell.journal where tenant = $1"), [schema_of(gone).encode()]))
        await write(tx, batch)

    monkeypatch.setattr(shop.relay, "_write", too_late)
    with pytest.raises(DatabaseError):
        await shop.relay.move()
    assert await shop.logged() == []
    assert await entries(shop) == []

    assert await shop.relay.move() == 1

    assert [event.tenant for event in (await shop.log.read(0)).events] == [schema_of(stays)]
    assert [event.position for event in (await shop.log.read(0)).events] == [1]
    assert await verify(shop.oltp) is None


async def test_runs_without_being_woken_for_what_others_wrote(shop: Shop) -> None:
    running = asyncio.create_task(shop.relay.run())
    try:
        await shop.change(shop.tenants[0], uuid4())
        await asyncio.wait_for(shop.log.wait(0, 30), 30)
        assert [event.position for event in (await shop.log.read(0)).events] == [1]
    finally:
        running.cancel()


async def test_a_woken_relay_moves_at_once(shop: Shop) -> None:
    relay = Relay(shop.oltp, shop.log, look=(3600, 3600))
    running = asyncio.create_task(relay.run())
    try:
        for expected in (1, 2):
            await shop.change(shop.tenants[0], uuid4())
            relay.wake()
            await asyncio.wait_for(shop.log.wait(expected - 1, 30), 30)
            assert await shop.log.head() == expected
    finally:
        running.cancel()


async def test_goes_on_after_its_connections_were_lost(shop: Shop, superuser: psycopg.AsyncConnection[tuple[object, ...]]) -> None:
    running = asyncio.create_task(shop.relay.run())
    try:
        for expected in (1, 2, 3):
            await superuser.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'nexus_app' and datname = current_database()"
            )
            await _write_as_another_process(superuser, shop.tenants[0])
            await asyncio.wait_for(shop.log.wait(expected - 1, 30), 30)
    finally:
        running.cancel()
    assert [event.position for event in (await shop.log.read(0)).events] == [1, 2, 3]


async def _write_as_another_process(superuser: psycopg.AsyncConnection[tuple[object, ...]], tenant: UUID) -> None:
    async with superuser.transaction():
        await superuser.execute(f"set local role {schema_of(tenant)}".encode())
        events = f"[{envelope(tenant, uuid4())}]"
        await superuser.execute("insert into nexus_cell.journal (audit, events) values ('{}', %s)", [events])
