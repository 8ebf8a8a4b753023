"""`kill -9` of the process or of its database while leads come in: each reaction and each timer takes effect once."""

from __future__ import annotations

import datetime as dt
import threading
from typing import Any
from uuid import uuid4

from tests.chaos.test_kill import Client, connect, kill
from tests.process.conftest import Nexus, until

ROUNDS = 4
LEADS = 25
"""How many leads are made at least between two kills."""


class Asker(Client):
    """Somebody who makes leads, each once however often it must be said."""

    def run(self) -> None:
        while not self.stop.is_set():
            made = self.insist("POST", "/api/v1/crm/leads", {"name": f"Lead {uuid4().hex}", "priority": "urgent"}, {})
            if made is not None:
                self.versions[made["id"]] = made["version"]


def test_each_lead_is_scored_promised_and_given_to_somebody_once(nexus: Nexus) -> None:
    token = nexus.start().activate()
    _prepare(nexus, token)
    stop = threading.Event()
    askers = [Asker(nexus, token, stop) for _ in range(3)]
    threads = [threading.Thread(target=asker.run) for asker in askers]
    for thread in threads:
        thread.start()
    try:
        for round in range(ROUNDS):
            goal = sum(asker.answered for asker in askers) + LEADS
            until(lambda: sum(asker.answered for asker in askers) >= goal, "leads come in")  # noqa: B023
            kill(nexus, process=round % 2 == 0)
        until(nexus.ready, "it is ready at last")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    acknowledged = {id for asker in askers for id in asker.versions}
    assert len(acknowledged) >= ROUNDS * LEADS

    schema = _settled(nexus)
    _effects(nexus, schema, acknowledged)
    _timers(nexus, schema)


def _prepare(nexus: Nexus, token: str) -> None:
    """Two people get the leads in turns."""
    members = [{"user_id": str(uuid4())} for _ in range(2)]
    rule = {"name": "In turns", "members": members}
    assert nexus.ask("POST", "/api/v1/crm/assignment_rules", rule, token=token)[0] == 201


def _rows(nexus: Nexus, query: str) -> list[tuple[Any, ...]]:
    with connect(nexus) as open:
        return open.execute(query.encode()).fetchall()


def _settled(nexus: Nexus) -> str:
    """Wait until nobody has anything left to do; the schema of the tenant."""
    ((schema,),) = _rows(nexus, "SELECT 't_' || replace(id::text, '-', '') FROM nexus_control.tenant")
    until(lambda: _rows(nexus, "SELECT count(*) FROM nexus_cell.journal") == [(0,)], "everything has been moved into the log")
    without = f"SELECT FROM {schema}.crm_lead l WHERE archived_at IS NULL AND (owner_id IS NULL OR score IS NULL OR NOT EXISTS"
    without += f" (SELECT FROM {schema}.crm_response_clock WHERE lead_id = l.id))"
    until(lambda: _rows(nexus, without) == [], "every lead has an owner, a score and a clock")
    until(lambda: _rows(nexus, "SELECT count(*) FROM nexus_cell.journal") == [(0,)], "what reactions told has been moved as well")
    assert _rows(nexus, "SELECT reason FROM nexus_cell.dead_letter") == []
    return str(schema)


def _effects(nexus: Nexus, schema: str, acknowledged: set[str]) -> None:
    leads = {str(id): owner for id, owner in _rows(nexus, f"SELECT id, owner_id FROM {schema}.crm_lead WHERE archived_at IS NULL")}
    assert acknowledged <= set(leads)
    assert len(leads) <= len(acknowledged) + 3, "an answer that was cut off at the end, one a client"
    told = _rows(nexus, f"SELECT subject::text FROM nexus_cell.event WHERE topic LIKE '%.owner.changed' AND tenant = '{schema}'")
    assert sorted(subject for (subject,) in told) == sorted(leads)
    clocks = _rows(nexus, f"SELECT lead_id::text FROM {schema}.crm_response_clock WHERE status = 'running'")
    assert sorted(id for (id,) in clocks) == sorted(leads)
    turns = list(leads.values())
    assert abs(turns.count(turns[0]) * 2 - len(turns)) <= 1, "by turns, and no turn was taken twice"
    # the owner and the score are one change each: no more was written than that
    assert _rows(nexus, f"SELECT DISTINCT version FROM {schema}.crm_lead WHERE archived_at IS NULL") == [(3,)]


def _timers(nexus: Nexus, schema: str) -> None:
    """All promises are broken at one moment, with a kill in it: each is told once, and no timer is left or given up."""
    past = (dt.datetime.now(dt.UTC) - dt.timedelta(minutes=1)).isoformat()
    with connect(nexus) as open:
        open.execute(f"UPDATE {schema}.crm_response_clock SET due_at = '{past}' WHERE status = 'running'".encode())
        open.execute(f"UPDATE nexus_cell.timer SET due_at = now() WHERE tenant = '{schema}'".encode())
    kill(nexus, process=True)
    until(lambda: _rows(nexus, f"SELECT count(*) FROM nexus_cell.timer WHERE tenant = '{schema}'") == [(0,)], "every timer has rung")
    until(lambda: _rows(nexus, "SELECT count(*) FROM nexus_cell.journal") == [(0,)], "it has been told")
    told = _rows(
        nexus, f"SELECT count(*), count(DISTINCT subject) FROM nexus_cell.event WHERE topic LIKE '%breached' AND tenant = '{schema}'"
    )
    broken = _rows(nexus, f"SELECT count(*), count(*) FROM {schema}.crm_response_clock WHERE status = 'breached'")
    assert told == broken
    assert broken[0][0] > 0
