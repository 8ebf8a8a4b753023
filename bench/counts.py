"""Statements and round trips of one request, counted by the engine with nothing else going on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import msgspec
import psycopg

from bench.ground import Ground
from bench.jobs import LIST, NEW, TREE
from nexus.config import Settings
from nexus.core.service import installed
from nexus.engines.oltp.postgres import Postgres
from nexus.engines.oltp.roles import credentials
from nexus.runtime.databases import passwords
from nexus.runtime.testing import Harness
from nexus.services.crm.entities import DealStage, Lead, Pipeline
from nexus.services.crm.terms import LeadStatus
from nexus.surfaces.graphql.limits import Limits
from nexus.surfaces.graphql.service import Asked, Endpoint


@dataclass(frozen=True, slots=True)
class Count:
    """Of one request."""

    round_trips: int
    statements: int


async def counts(ground: Ground, data: str) -> dict[str, Count]:
    """By job, on a fresh tenant of the database that NEXUS is measured on; the second request of each kind is counted."""
    known = passwords(Settings(data=data))
    oltp = await Postgres.open(credentials(ground.url("nexus"), "nexus_app", known.app))
    try:
        owner = credentials(ground.url("nexus"), "nexus_owner", known.owner)
        tenant = await Harness.fresh(oltp, owner, installed().values())
        return await _count(tenant)
    finally:
        await oltp.close()
        async with await psycopg.AsyncConnection.connect(owner, autocommit=True) as connection:
            await connection.execute(f"DROP SCHEMA {tenant.caller.schema} CASCADE".encode())
        await ground.sql("DELETE FROM nexus_cell.journal", "nexus")


async def _count(tenant: Harness) -> dict[str, Count]:
    found: dict[str, Count] = {}

    async def ask(job: str, method: str, path: str, body: Any = None, **headers: str) -> dict[str, Any]:
        before = tenant.statistics.round_trips, tenant.statistics.statements
        answer = await tenant.api(method, path, body, **headers)
        assert answer.status < 300, answer.body
        found[job] = Count(tenant.statistics.round_trips - before[0], tenant.statistics.statements - before[1])
        return cast(dict[str, Any], msgspec.json.decode(answer.body))

    contacts = "/api/v1/crm/contacts"
    graphql = Endpoint(list(installed().values()), tenant.operations, tenant.host, None, Limits(), federated=False)
    pipeline = await tenant.given(Pipeline(name="Sales", key="sales"))
    await tenant.given(DealStage(pipeline_id=pipeline.id, name="New", position=0, probability=10))
    for n in ("1", "2"):
        made = await ask("create one", "POST", contacts, NEW | {"email": f"{n}@example.com"}, idempotency_key=f"c{n}")
        await ask("get one", "GET", f"{contacts}/{made['id']}")
        await ask("list 50", "GET", f"{contacts}?" + "&".join(f"{name}={value}" for name, value in LIST))
        before = tenant.statistics.round_trips, tenant.statistics.statements
        await graphql.answer(tenant.caller, Asked(query=TREE))
        spent = Count(tenant.statistics.round_trips - before[0], tenant.statistics.statements - before[1])
        found["graphql three levels"] = spent
        lead = await tenant.given(Lead(name="Ada", company=f"Lagos {n}", email=f"l{n}@example.com", status=LeadStatus.QUALIFIED))
        await ask("convert a lead", "POST", f"/api/v1/crm/leads/{lead.id}/convert", {}, idempotency_key=f"l{n}")
    return found
