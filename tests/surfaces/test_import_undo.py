"""Taking imports back where it is not simple, and rules that only the database knows."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg

from nexus.runtime.testing import Harness
from nexus.services.auth.entities import Team
from nexus.services.crm.api import LeadCreated, LeadUpdated
from nexus.services.crm.entities import Account, AccountContact, Contact, Lead
from tests.surfaces.test_imports import CONTACTS, journal, ndjson, outcomes, take_in

PARTS = "/api/v1/crm/account_contacts"
TEAMS = "/api/v1/auth/teams"


async def test_what_is_deleted_and_not_archived_is_deleted(tenant: Harness) -> None:
    account = await tenant.given(Account(name="Foods"))
    people = [Contact(name=f"N {n}") for n in range(3)]
    await tenant.given(*people)
    done = await take_in(tenant, ndjson(*[{"account_id": str(account.id), "contact_id": str(one.id)} for one in people]), "", path=PARTS)
    assert done.json()["created"] == 3, done.body
    twice = await take_in(tenant, ndjson({"account_id": str(account.id), "contact_id": str(people[0].id)}), "", path=PARTS)
    assert [row["errors"][0]["field"] for row in await outcomes(tenant, twice, "failed", PARTS)] == ["account_id, contact_id"]

    undone = await tenant.api("POST", f"{PARTS}/imports/{done.json()['id']}/undo")
    assert (undone.json()["undone"], undone.json()["kept"]) == (3, 0), undone.body
    assert await tenant.count(AccountContact) == 0
    (audit, events) = (await journal(tenant))[-1]
    assert (audit["command"], audit["count"]) == ("crm.account_contact:undo_import", 3)
    assert {event["type"] for event in events} == {"crm.account_contact.deleted"}


async def test_a_value_that_is_taken_by_now_stays_as_the_import_left_it(tenant: Harness) -> None:
    team = await tenant.given(Team(name="Blue", key="blue"), Team(name="Red", key="red"))
    body = ndjson({"id": str(team.id), "key": "azure"}, {"key": "grey", "name": "Grey", "id": "0198c1de-0000-7000-8000-000000000001"})
    done = await take_in(tenant, body, "mode=upsert", path=TEAMS)
    assert (done.json()["updated"], done.json()["created"]) == (1, 1), done.body
    await tenant.given(Team(name="Taken", key="blue"))

    undone = await tenant.api("POST", f"{TEAMS}/imports/{done.json()['id']}/undo")
    assert (undone.json()["state"], undone.json()["undone"], undone.json()["kept"]) == ("undone", 1, 1), undone.body
    assert (await tenant.get(Team, team.id)).key == "azure"


async def test_a_rule_that_only_the_database_knows_fails_its_row_alone(tenant: Harness, database: Any) -> None:
    async with await psycopg.AsyncConnection.connect(database.owner, autocommit=True) as owner:
        rule = f"ALTER TABLE {tenant.caller.schema}.crm_contact ADD CONSTRAINT ck_crm_contact_city_known CHECK (city <> 'Atlantis')"
        await owner.execute(rule.encode())
    rows = [{"name": f"N {n}", "city": "Atlantis" if n in (7, 500, 501) else "Lagos"} for n in range(900)]
    rows[30] = {"name": "", "city": "Lagos"}
    done = await take_in(tenant, ndjson(*rows))

    assert (done.json()["created"], done.json()["failed"], done.json()["last_row"]) == (896, 4, 900), done.body
    failed = await outcomes(tenant, done, "failed")
    assert [(row["row"], row["errors"][0]["field"]) for row in failed] == [(8, "city"), (31, "name"), (501, "city"), (502, "city")]
    assert await tenant.count(Contact) == 896


async def test_rows_that_are_made_at_the_same_time_are_made_once(tenant: Harness) -> None:
    """What is unique stays unique between an import and what others do meanwhile: the row fails, and no other does."""
    body = ndjson(*[{"name": f"T {n}", "key": f"team-{n}"} for n in range(400)])
    answers = await asyncio.gather(*[take_in(tenant, body, path=TEAMS) for _ in range(3)])

    assert [answer.status for answer in answers] == [200] * 3
    assert sum(answer.json()["created"] for answer in answers) == 400
    assert sum(answer.json()["failed"] for answer in answers) == 800
    assert await tenant.count(Team) == 400


async def test_an_import_of_nothing_is_done(tenant: Harness) -> None:
    for body in (b"", b"\n\n"):
        done = await take_in(tenant, body)
        assert (done.status, done.json()["state"], done.json()["rows"]) == (200, "done", 0)
    assert (await tenant.api("GET", f"{CONTACTS}/imports/nope")).status == 404
    assert (await tenant.api("POST", f"{CONTACTS}/imports")).status == 405


async def test_what_the_system_did_of_its_own_accord_does_not_keep_a_record_and_what_a_person_did_does(tenant: Harness) -> None:
    """A new lead is scored by the system right after the import: that is no reason to keep it."""
    done = await take_in(tenant, ndjson({"name": "Ada"}, {"name": "Ben"}), "", path="/api/v1/crm/leads")
    leads = {lead.name: lead for lead in await tenant.list(Lead)}
    for lead in leads.values():
        await tenant.deliver(LeadCreated(id=lead.id))
    assert [lead.version for lead in await tenant.list(Lead)] == [2, 2]
    changed = await tenant.api("PATCH", f"/api/v1/crm/leads/{leads['Ben'].id}", {"city": "Lagos"}, if_match="*")
    assert changed.status == 200
    await tenant.deliver(LeadUpdated(id=leads["Ben"].id))

    undone = await tenant.api("POST", f"/api/v1/crm/leads/imports/{done.json()['id']}/undo")

    assert (undone.json()["undone"], undone.json()["kept"]) == (1, 1), undone.body
    assert {lead.name: lead.archived_at is None for lead in await tenant.list(Lead)} == {"Ada": False, "Ben": True}
