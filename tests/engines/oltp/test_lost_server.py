"""A server that dies, restarts, is silent or talks nonsense: callers are told in time, and the pool heals itself."""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable

import psycopg
import pytest

from nexus.engines.oltp import Oltp, Statement, Unavailable
from nexus.engines.oltp.embedded import EmbeddedPostgres
from nexus.engines.oltp.postgres import Postgres
from nexus.engines.oltp.settings import Settings

Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]

ONE = Statement("select $1::text")
SLEEP = Statement("select pg_sleep(60)")
ADD = Statement("insert into mine values ($1)")
COUNT = Statement("select count(*) from mine")
PIDS = Statement("select pg_terminate_backend(pid) from pg_stat_activity where application_name ^@ 'nexus' and pid <> pg_backend_pid()")


@pytest.fixture(scope="module")
async def mortal(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedPostgres]:
    """A server of its own, to be killed; its keeper starts it again on the same port."""
    folder = tmp_path_factory.mktemp("mortal")
    for place in (folder, *folder.parents):
        if place.stat().st_mode & 0o005 != 0o005 and str(place).startswith("/tmp/"):
            place.chmod(0o755)
    postgres = EmbeddedPostgres(folder)
    await postgres.start()
    async with await psycopg.AsyncConnection.connect(postgres.superuser_url, autocommit=True) as connection:
        await connection.execute("create table mine (id integer primary key)")
    yield postgres
    await postgres.stop()


@pytest.fixture
async def db(mortal: EmbeddedPostgres) -> AsyncIterator[Postgres]:
    engine = await Postgres.open(mortal.superuser_url, fast=2, slow=1, transactions=2)
    await engine.run(None, (Statement("truncate mine"), []))
    yield engine
    await engine.close()


def kill(server: EmbeddedPostgres) -> None:
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)


async def answers(db: Oltp) -> bool:
    try:
        return (await db.run(None, (ONE, [b"1"])))[0].rows == [(b"1",)]
    except Unavailable:
        return False


async def test_calls_in_flight_when_the_server_dies_are_told_and_the_pool_heals(
    db: Postgres, mortal: EmbeddedPostgres, until: Until
) -> None:
    asleep = [asyncio.create_task(db.run(None, (SLEEP, []))) for _ in range(8)]
    while db.stats.in_flight < 8:
        await asyncio.sleep(0.001)

    kill(mortal)
    outcomes = await asyncio.gather(*asleep, return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 8
    assert all("unknown" in str(outcome) for outcome in outcomes)
    await until(lambda: answers(db))
    assert db.stats.in_flight == 0


async def test_what_was_acknowledged_is_there_after_every_death(db: Postgres, mortal: EmbeddedPostgres, until: Until) -> None:
    acknowledged: list[int] = []
    stop = asyncio.Event()

    async def write(first: int) -> None:
        number = first
        while not stop.is_set():
            number += 10
            try:
                await db.run(None, (ADD, [b"%d" % number]))
                acknowledged.append(number)
            except Unavailable:
                pass

    writers = [asyncio.create_task(write(first)) for first in range(8)]
    for _ in range(2):
        reached = len(acknowledged) + 50
        while len(acknowledged) < reached:
            await asyncio.sleep(0.001)
        kill(mortal)
    await until(lambda: answers(db))
    stop.set()
    await asyncio.gather(*writers)

    rows: list[tuple[bytes | None, ...]] = []

    async def read() -> bool:
        nonlocal rows
        try:  # the other connection may not have noticed yet that its server is gone
            rows = (await db.run(None, (Statement("select id from mine"), [])))[0].rows
        except Unavailable:
            return False
        return True

    await until(read)
    assert set(acknowledged) <= {int(row[0] or 0) for row in rows}


async def test_a_transaction_whose_server_dies_is_over_and_the_next_one_works(db: Postgres, mortal: EmbeddedPostgres, until: Until) -> None:
    async with db.transaction(None) as tx:
        await tx.run((ADD, [b"1"]))
        kill(mortal)
        with pytest.raises(Unavailable):
            await tx.run((SLEEP, []))

    async def commits() -> bool:
        try:
            async with db.transaction(None) as again:
                await again.commit((ADD, [b"2"]))
        except Unavailable:
            return False
        return True

    await until(commits)
    assert (await db.run(None, (Statement("select id from mine"), [])))[0].rows == [(b"2",)]


async def test_sessions_ended_by_an_administrator_are_replaced(db: Postgres, until: Until) -> None:
    asleep = asyncio.create_task(db.run(None, (SLEEP, []), lane="slow"))
    while db.stats.in_flight == 0:
        await asyncio.sleep(0.001)

    await db.run(None, (PIDS, []))

    with pytest.raises(Unavailable, match="administrator command"):
        await asleep
    for _ in range(20):
        await until(lambda: answers(db))
    assert db.stats.in_flight == 0


async def test_no_server_is_said_in_time(mortal: EmbeddedPostgres) -> None:
    with pytest.raises(Unavailable, match="nothing was sent"):
        await Postgres.open("postgresql://nobody@127.0.0.1:1/none", settings=Settings(patience=0.05))
    lazy = Postgres("postgresql://nobody@127.0.0.1:1/none", settings=Settings(patience=0.05))
    with pytest.raises(Unavailable, match="nothing was sent"):
        async with lazy.transaction(None):
            pytest.fail("a lease without a server")
    await lazy.close()


async def test_a_wrong_password_is_said(mortal: EmbeddedPostgres) -> None:
    wrong = f"postgresql://nexus:wrong@127.0.0.1:{mortal.port}/postgres"
    with pytest.raises(Unavailable, match="password authentication failed"):
        await Postgres.open(wrong, settings=Settings(patience=0.2))


class Line(asyncio.Protocol):
    """One end of a connection of the test's own: hands on what it receives, remembers its transport."""

    def __init__(self, lines: "list[Line]", received: "Callable[[Line, bytes], None]", greeting: bytes = b"") -> None:
        self.lines = lines
        self.received = received
        self.greeting = greeting
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.lines.append(self)
        transport.write(self.greeting)

    def data_received(self, data: bytes) -> None:
        self.received(self, data)

    def connection_lost(self, error: Exception | None) -> None:
        self.closed.set_result(None)


async def hang_up(server: asyncio.Server, lines: list[Line]) -> None:
    server.close()
    for line in lines:
        line.transport.abort()
    await asyncio.gather(*(line.closed for line in lines))


@pytest.mark.parametrize("say", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", random.Random(7).randbytes(4000)])
async def test_what_is_no_postgres_is_unavailable(say: bytes) -> None:
    lines: list[Line] = []
    stranger = await asyncio.get_running_loop().create_server(lambda: Line(lines, lambda line, data: None, say), "127.0.0.1", 0)
    port = stranger.sockets[0].getsockname()[1]
    try:
        with pytest.raises(Unavailable, match="nothing was sent"):
            await Postgres.open(f"postgresql://x:y@127.0.0.1:{port}/z", settings=Settings(patience=0.2))
    finally:
        await hang_up(stranger, lines)


class Meddler:
    """A proxy before the server that changes bytes of what it sends (or cuts the line) after so many bytes."""

    def __init__(self, port: int, after: int, change: bytes | None) -> None:
        self.port = port
        self.after = after
        self.change = change
        self.lines: list[Line] = []
        self.joining: list[asyncio.Task[None]] = []

    async def start(self) -> int:
        """The port it listens on."""
        self.server = await asyncio.get_running_loop().create_server(self.answer, "127.0.0.1", 0)
        return int(self.server.sockets[0].getsockname()[1])

    def answer(self) -> Line:
        early: list[bytes] = []
        line = Line(self.lines, lambda _, data: early.append(data))
        self.joining.append(asyncio.create_task(self.join(line, early)))
        return line

    async def join(self, near: Line, early: list[bytes]) -> None:
        left = self.after

        def back(_: Line, data: bytes) -> None:
            nonlocal left
            at, left = left, left - len(data)
            if 0 < at <= len(data):
                if self.change is None:
                    near.transport.abort()
                    return
                data = data[:at] + self.change + data[at + len(self.change) :]
            near.transport.write(data)

        _, far = await asyncio.get_running_loop().create_connection(lambda: Line(self.lines, back), "127.0.0.1", self.port)
        far.transport.write(b"".join(early))
        near.received = lambda _, data: far.transport.write(data)

    async def close(self) -> None:
        self.server.close()
        await asyncio.gather(*self.joining)
        await hang_up(self.server, self.lines)


@pytest.mark.parametrize("seed", range(12))
async def test_a_line_that_breaks_or_garbles_anywhere_hangs_nobody(mortal: EmbeddedPostgres, seed: int) -> None:
    """Bytes of the answers are changed or cut at random; every call ends with an answer or an error, in bounded time."""
    chance = random.Random(seed)
    meddler = Meddler(mortal.port, chance.randrange(700, 6000), None if seed % 3 == 0 else chance.randbytes(chance.choice([1, 5, 40])))
    url = mortal.superuser_url.replace(f":{mortal.port}/", f":{await meddler.start()}/")
    db = Postgres(url, fast=2, settings=Settings(patience=0.5))
    try:
        async with asyncio.timeout(20):
            calls = [db.run(None, (ONE, [b"x" * size]), timeout=1) for size in range(200)]
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(outcome, list | Exception) for outcome in outcomes)
    finally:
        await db.close()
        await meddler.close()
    assert (db.stats.in_flight, db.stats.connections) == (0, 0)
