"""Imports that are cut off: what was done stays done once, and the same file goes on from there."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Any

import msgspec
import psycopg

from nexus.runtime.testing import Harness
from nexus.services.crm.entities import Contact
from tests.surfaces.test_imports import CONTACTS, ND, ndjson, take_in

ROWS = [{"name": f"N {n}", "email": f"n{n}@example.com", "description": "x" * 200} for n in range(6000)]


def parts(body: bytes, size: int = 50_000) -> list[bytes]:
    return [body[at : at + size] for at in range(0, len(body), size)]


async def unfinished(crm: Harness) -> Any:
    (job,) = (await crm.api("GET", f"{CONTACTS}/imports")).json()["items"]
    return job


async def names(crm: Harness) -> list[str]:
    exported = await crm.api("GET", f"{CONTACTS}/export?fields=name")
    return sorted(msgspec.json.decode(line)["name"] for line in exported.body.splitlines())


async def cut_off(crm: Harness, body: bytes, share: float = 0.6) -> Any:
    """An import whose connection is lost on the way; answers what is known of it."""
    sent = parts(body[: int(len(body) * share)])
    lost = await crm.stream("POST", f"{CONTACTS}/import?dedupe=none", sent, cut=True, content_type=ND)
    assert lost.status == 400
    return await unfinished(crm)


async def resume(crm: Harness, job: Any, body: bytes) -> Any:
    return await crm.stream("POST", f"{CONTACTS}/imports/{job['id']}/resume", parts(body))


async def test_a_lost_connection_is_resumed_with_the_same_file(tenant: Harness) -> None:
    body = ndjson(*ROWS)
    job = await cut_off(tenant, body)
    assert job["state"] == "interrupted"
    assert 0 < job["created"] == job["last_row"] < 6000
    assert await tenant.count(Contact) == job["created"]

    done = await resume(tenant, job, body)
    assert (done.status, done.json()["state"], done.json()["created"]) == (200, "done", 6000), done.body
    assert await names(tenant) == sorted(str(row["name"]) for row in ROWS)
    again = await resume(tenant, job, body)
    assert (again.status, again.json()) == (200, done.json())
    assert await tenant.count(Contact) == 6000


async def test_a_table_is_resumed_behind_its_header(tenant: Harness) -> None:
    body = b"name,description\r\n" + b"".join(b'"N %d","two\r\nlines"\r\n' % n for n in range(30_000))
    lost = await tenant.stream("POST", f"{CONTACTS}/import", parts(body[:600_000]), cut=True, content_type="text/csv")
    job = await unfinished(tenant)
    assert (lost.status, job["state"]) == (400, "interrupted")
    assert 0 < job["created"] == job["last_row"] - 1 < 30_000

    done = await resume(tenant, job, body)
    assert (done.status, done.json()["created"], done.json()["last_row"]) == (200, 30_000, 30_001), done.body
    assert await names(tenant) == sorted(f"N {n}" for n in range(30_000))


async def test_another_file_is_refused(tenant: Harness) -> None:
    body = ndjson(*ROWS)
    job = await cut_off(tenant, body)
    for other in (ndjson({"name": "Other"}, *ROWS), body[:1000]):
        refused = await resume(tenant, job, other)
        assert (refused.status, refused.json()["type"]) == (409, "/problems/conflict")
    assert await tenant.count(Contact) == job["created"]
    assert (await resume(tenant, job, body)).json()["created"] == 6000


async def test_two_resumes_at_once_give_one_effect(tenant: Harness) -> None:
    body = ndjson(*ROWS)
    job = await cut_off(tenant, body, 0.3)

    answers = await asyncio.gather(*[resume(tenant, job, body) for _ in range(3)])
    assert sorted({answer.status for answer in answers}) in ([200], [200, 409])
    if (await unfinished(tenant))["state"] != "done":
        assert (await resume(tenant, job, body)).status == 200
    assert (await unfinished(tenant))["created"] == 6000
    assert await tenant.count(Contact) == 6000


async def test_patches_meanwhile_are_kept(tenant: Harness) -> None:
    """An update writes what the file gives over what is there at that moment; a patch of another field is never lost."""
    people = [Contact(name=f"N {n}", email=f"n{n}@example.com", city="Lagos") for n in range(500)]
    await tenant.given(*people)
    body = ndjson(*[{"email": one.email, "city": "Kano"} for one in people])

    async def patch(one: Contact) -> int:
        return (await tenant.api("PATCH", f"{CONTACTS}/{one.id}", {"title": "CEO"}, if_match="*")).status

    done, *patched = await asyncio.gather(take_in(tenant, body, "mode=update&match=email"), *[patch(one) for one in people[::5]])
    assert (done.json()["updated"], done.json()["failed"], set(patched)) == (500, 0, {200}), done.body
    now = await tenant.list(Contact)
    assert {one.city for one in now} == {"Kano"}
    assert sum(one.title == "CEO" for one in now) == 100
    assert sum(one.version for one in now) == 500 * 2 + 100


VICTIM = """
import asyncio, os, sys, msgspec
from uuid import UUID
from nexus.core.service import installed
from nexus.core.tx import Actor, Tenant
from nexus.engines.oltp.postgres import Postgres
from nexus.runtime.testing import Harness
from nexus.surfaces.calling import Caller
from nexus.surfaces.permissions import rights_of

async def main(url, schema, tenant, actor, file):
    services = installed().values()
    caller = Caller(Tenant(UUID(tenant), "test", "Test", "NG", "NGN", "Africa/Lagos", "en"), schema, "test",
                    Actor(UUID(actor), "user:owner"), rights_of(frozenset(["auth.owner"]), frozenset("*")))
    crm = Harness(await Postgres.open(url), caller, services)
    body = open(file, "rb").read()
    print("ready", flush=True)
    await crm.stream("POST", "/api/v1/crm/contacts/import?dedupe=none", [body[at:at + 50_000] for at in range(0, len(body), 50_000)],
                     content_type="application/x-ndjson")
    print("done", flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_killed_process_loses_nothing_and_does_nothing_twice(tenant: Harness, database: Any, tmp_path: Any) -> None:
    body = ndjson(*ROWS, *ROWS)
    file = tmp_path / "contacts.ndjson"
    file.write_bytes(body)
    caller = tenant.caller
    arguments = [database.app, caller.schema, str(caller.tenant.id), str(caller.actor.id), str(file)]
    victim = await asyncio.create_subprocess_exec(
        sys.executable, "-c", VICTIM, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    assert victim.stdout is not None
    try:
        assert await victim.stdout.readline() == b"ready\n"
        async with await psycopg.AsyncConnection.connect(database.owner, autocommit=True) as owner:
            done = 0
            while done == 0 and victim.returncode is None:
                query = f"SELECT coalesce(max(done_rows), 0) FROM {caller.schema}.nexus_import"
                done = (await (await owner.execute(query.encode())).fetchone() or (0,))[0]
    finally:
        victim.send_signal(signal.SIGKILL)
        await victim.wait()

    job = await unfinished(tenant)
    assert (job["state"], job["created"]) == ("running", job["last_row"])
    again = await resume(tenant, job, body)
    assert (again.status, again.json()["state"], again.json()["created"]) == (200, "done", 12_000), again.body
    assert await tenant.count(Contact) == 12_000
    rows = (await tenant.api("GET", f"{CONTACTS}/imports/{job['id']}/rows")).body.splitlines()
    assert len({msgspec.json.decode(row)["row"] for row in rows}) == len(rows) == 12_000
