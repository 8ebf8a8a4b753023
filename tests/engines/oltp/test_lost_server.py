"""A server that dies, restarts, is silent or talks nonsense: callers are told in time, and the pool heals itself."""

import asyncio
import contextlib
import os
import random
import signal
import socket
import struct
import threading
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


def alive(server: EmbeddedPostgres) -> bool:
    """Whether the server's process is there: not while the last one's end has not been noticed yet."""
    try:
        os.kill(server.pid or 0, 0)
    except ProcessLookupError:
        return False
    return server.pid is not None


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
    try:
        for _ in range(2):
            reached = len(acknowledged) + 50
            while len(acknowledged) < reached or not alive(mortal):  # what the dead one had taken in is acknowledged after its end
                await asyncio.sleep(0.001)
            kill(mortal)
        await until(lambda: answers(db))
    finally:
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


class Proxy:
    """Stands before the server in threads of its own, for each connection; what the server sends goes through `back`."""

    def __init__(self, port: int | None, back: Callable[[socket.socket, bytes], bool], greeting: bytes = b"") -> None:
        self._port = port
        self._back = back
        self._greeting = greeting
        self._open: list[socket.socket] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._begin(self._accept)

    def close(self) -> None:
        """End every connection and every thread."""
        for one in [self._listening, *self._open]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for one in [self._listening, *self._open]:
            one.close()

    def _begin(self, work: Callable[..., None], *arguments: socket.socket) -> None:
        thread = threading.Thread(target=work, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                self._open.append(near)
                near.sendall(self._greeting)
                if self._port is not None:
                    far = socket.create_connection(("127.0.0.1", self._port))
                    self._open.append(far)
                    self._begin(self._forth, near, far)
                    self._begin(self._return, near, far)

    def _forth(self, near: socket.socket, far: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := near.recv(65_536):
                far.sendall(data)
            far.shutdown(socket.SHUT_RDWR)

    def _return(self, near: socket.socket, far: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while (data := far.recv(65_536)) and self._back(near, data):
                pass
            near.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("say", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", random.Random(7).randbytes(4000)])
async def test_what_is_no_postgres_is_unavailable(say: bytes) -> None:
    stranger = Proxy(None, lambda near, data: True, say)
    try:
        with pytest.raises(Unavailable, match="nothing was sent"):
            await Postgres.open(f"postgresql://x:y@127.0.0.1:{stranger.port}/z", settings=Settings(patience=0.2))
    finally:
        await asyncio.to_thread(stranger.close)


def meddler(port: int, after: int, change: bytes | None, *, reset: bool = False) -> Proxy:
    """Changes bytes of what the server sends (or cuts the line) after so many bytes; `reset` hands on what comes before, and resets the line."""
    left = after

    def back(near: socket.socket, data: bytes) -> bool:
        nonlocal left
        at, left = left, left - len(data)
        if 0 < at <= len(data):
            if reset:
                near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closing sends RST instead of FIN
                near.sendall(data[:at])
                near.shutdown(socket.SHUT_RD)  # wakes the thread that reads from it: only then does closing send anything
                near.close()
            if change is None:
                return False
            data = data[:at] + change + data[at + len(change) :]
        near.sendall(data)
        return True

    return Proxy(port, back)


@pytest.mark.parametrize("seed", range(12))
async def test_a_line_that_breaks_or_garbles_anywhere_hangs_nobody(mortal: EmbeddedPostgres, seed: int) -> None:
    """Bytes of the answers are changed or cut at random; every call ends with an answer or an error, in bounded time."""
    chance = random.Random(seed)
    proxy = meddler(mortal.port, chance.randrange(700, 6000), None if seed % 3 == 0 else chance.randbytes(chance.choice([1, 5, 40])))
    url = mortal.superuser_url.replace(f":{mortal.port}/", f":{proxy.port}/")
    db = Postgres(url, fast=2, settings=Settings(patience=0.5))
    try:
        async with asyncio.timeout(20):
            calls = [db.run(None, (ONE, [b"x" * size]), timeout=1) for size in range(200)]
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(outcome, list | Exception) for outcome in outcomes)
    finally:
        await db.close()
        await asyncio.to_thread(proxy.close)
    assert (db.stats.in_flight, db.stats.connections) == (0, 0)


@pytest.mark.parametrize("after", range(1000, 3000, 250))
async def test_a_reset_behind_a_part_of_an_answer_hangs_nobody(mortal: EmbeddedPostgres, after: int) -> None:
    """The part and the reset are seen at once. Callers that wait without a limit are told all the same."""
    proxy = meddler(mortal.port, after, None, reset=True)
    url = mortal.superuser_url.replace(f":{mortal.port}/", f":{proxy.port}/")
    db = Postgres(url, fast=1, settings=Settings(patience=0.5))
    try:
        async with asyncio.timeout(20):
            outcomes = await asyncio.gather(*(db.run(None, (ONE, [b"x" * size])) for size in range(200)), return_exceptions=True)
        assert any(isinstance(outcome, Unavailable) for outcome in outcomes)
        assert all(isinstance(outcome, list | Unavailable) for outcome in outcomes)
    finally:
        await db.close()
        await asyncio.to_thread(proxy.close)
    assert (db.stats.in_flight, db.stats.connections) == (0, 0)


async def test_a_pool_that_is_closed_while_it_connects_lets_go_of_the_server() -> None:
    """PostgreSQL waits a minute for somebody who does not log in, and whoever drops a database waits with it."""
    there, gone = asyncio.Event(), asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there.set()
        while await reader.read(1000):
            pass
        writer.close()
        gone.set()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    db = Postgres(f"postgresql://nobody@127.0.0.1:{server.sockets[0].getsockname()[1]}/nothing", fast=1)
    call = asyncio.create_task(db.run(None, (ONE, [b"x"])))
    async with server, asyncio.timeout(20):
        await there.wait()
        await db.close()
        await gone.wait()
        with pytest.raises(Unavailable):
            await call
