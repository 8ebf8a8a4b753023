"""`kill -9` of the process or of its database, again and again while clients write: nothing acknowledged is lost, nothing is done twice or out of order."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import msgspec
import psycopg

from nexus.engines.oltp.postgres import Postgres
from nexus.runtime.audit_chain import verify
from tests.process.conftest import Nexus, alive, until

ROUNDS = 12
CLIENTS = 4
WRITES = 15
"""How many acknowledged writes each round sees at least before the next kill."""


@dataclass
class Client:
    """Somebody who makes contacts and changes them, with a key for each write, and sends again what got no answer."""

    nexus: Nexus
    token: str
    stop: threading.Event
    versions: dict[str, int] = field(default_factory=dict)
    """The version that was acknowledged last, by id."""
    answered: int = 0

    def run(self) -> None:
        mine: list[str] = []
        while not self.stop.is_set():
            if len(mine) < 3 or random.random() < 0.2:
                made = self.insist("POST", "/api/v1/crm/contacts", {"name": f"Chaos {uuid4().hex}"}, {})
                if made is not None:
                    mine.append(made["id"])
                    self.versions[made["id"]] = made["version"]
            else:
                id = random.choice(mine)
                changed = self.insist("PATCH", f"/api/v1/crm/contacts/{id}", {"title": uuid4().hex}, {"If-Match": f'"{self.versions[id]}"'})
                if changed is not None:
                    assert changed["version"] == self.versions[id] + 1, "a change was made twice, or by nobody"
                    self.versions[id] = changed["version"]

    def insist(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
        """Send until there is an answer; the same key each time, so that it happens once. None where the test ends first."""
        key = uuid4().hex
        while True:
            try:
                status, answer = self.nexus.ask(method, path, body, token=self.token, headers={**headers, "Idempotency-Key": key})
            except OSError:
                if self.stop.wait(0.02):
                    return None
                continue
            if status == 503:
                if self.stop.wait(0.02):
                    return None
                continue
            assert status in (200, 201), answer
            self.answered += 1
            return answer


def test_nothing_acknowledged_is_lost_and_the_log_has_everything_once_and_in_order(nexus: Nexus) -> None:
    token = nexus.start().activate()
    stop = threading.Event()
    clients = [Client(nexus, token, stop) for _ in range(CLIENTS)]
    failures: list[BaseException] = []

    def working(client: Client) -> None:
        try:
            client.run()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=working, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    try:
        for round in range(ROUNDS):
            goal = sum(client.answered for client in clients) + CLIENTS * WRITES
            until(lambda: bool(failures) or sum(client.answered for client in clients) >= goal, "the clients get on")  # noqa: B023
            assert not failures, failures
            kill(nexus, process=round % 2 == 0)
        until(nexus.ready, "it is ready at last")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures, failures

    expected = {id: version for client in clients for id, version in client.versions.items()}
    until(lambda: _lag(nexus) == 0, "everything has been moved into the log")
    _kept(nexus, expected)
    _told(nexus, expected)


def kill(nexus: Nexus, *, process: bool) -> None:
    server = _server(nexus)
    if process:
        nexus.stop(signal.SIGKILL)
        until(lambda: not alive(server), "the database has followed its parent")
        nexus.start()
    else:
        os.kill(server, signal.SIGKILL)
        until(lambda: _server(nexus) not in (0, server), "another one has taken its place")


def _server(nexus: Nexus) -> int:
    """The process id of its database; 0 while there is none."""
    try:
        return int((nexus.folder / "data" / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
    except (FileNotFoundError, IndexError):
        return 0


def connect(nexus: Nexus) -> psycopg.Connection[tuple[Any, ...]]:
    postgres = nexus.folder / "data" / "postgres"
    password, port = (postgres / "password").read_text().strip(), (postgres / "port").read_text().strip()
    return psycopg.connect(f"postgresql://nexus:{password}@127.0.0.1:{port}/nexus", autocommit=True)


def _lag(nexus: Nexus) -> int:
    with connect(nexus) as connection:
        row = connection.execute("SELECT count(*) FROM nexus_cell.journal").fetchone()
        assert row is not None
        count: int = row[0]
        return count


def _kept(nexus: Nexus, expected: dict[str, int]) -> None:
    """Every acknowledged version is there. A record may be one ahead: the answer to its last change was cut off."""
    with connect(nexus) as connection:
        (schema,) = connection.execute(
            "SELECT nspname FROM pg_namespace n JOIN nexus_control.tenant t ON nspname = 't_' || replace(t.id::text, '-', '')"
        ).fetchone() or ("",)
        kept = {str(id): version for id, version in connection.execute(f"SELECT id, version FROM {schema}.crm_contact").fetchall()}  # type: ignore[arg-type]
    missing = {id: version for id, version in expected.items() if kept.get(id, 0) not in (version, version + 1)}
    assert missing == {}


def _told(nexus: Nexus, expected: dict[str, int]) -> None:
    """The log is without a gap, and tells of each contact once that it was created and then of each version, in order."""
    with connect(nexus) as connection:
        events = connection.execute("SELECT position, topic, envelope FROM nexus_cell.event ORDER BY position").fetchall()
        verbs: dict[str, list[tuple[str, int]]] = defaultdict(list)
        for _, topic, envelope in events:
            told = msgspec.json.decode(envelope)
            if ".contact." in topic and told["data"]["id"] in expected:
                verbs[told["data"]["id"]].append((topic.rsplit(".", 1)[1], told["data"]["version"]))
        assert [position for position, _, _ in events] == list(range(1, len(events) + 1))
        for id, version in expected.items():
            assert verbs[id][:version] == [("created", 1), *(("updated", n) for n in range(2, version + 1))]
            assert len(verbs[id]) <= version + 1


async def test_the_audit_chains_hold_after_it(nexus: Nexus) -> None:
    nexus.start().activate()
    for _ in range(3):
        kill(nexus, process=True)
    until(lambda: _lag(nexus) == 0, "everything has been moved")
    postgres = nexus.folder / "data" / "postgres"
    password, port = (postgres / "password").read_text().strip(), (postgres / "port").read_text().strip()
    oltp = await Postgres.open(f"postgresql://nexus:{password}@127.0.0.1:{port}/nexus")
    try:
        assert await verify(oltp) is None
    finally:
        await oltp.close()
