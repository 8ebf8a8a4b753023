"""Where the ids of merged records lead."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexus.core import among, uuid7
from nexus.runtime.testing import Harness
from nexus.services.crm.api import (
    ContactMerged,
    LogActivity,
    MergeContacts,
)
from nexus.services.crm.entities import (
    Contact,
    Redirect,
)
from nexus.services.crm.terms import (
    ActivityKind,
)
from nexus.services.crm.tests.test_merging import pair
from nexus.surfaces.redirects import Merged


async def test_old_ids_lead_to_the_last_survivor_in_one_step(crm: Harness) -> None:
    a, b = await pair(crm)
    c, d = await pair(crm)
    await crm.run(MergeContacts(contact_id=b.id, others=[c.id]))
    await crm.run(MergeContacts(contact_id=d.id, others=[b.id]))
    await crm.run(MergeContacts(contact_id=a.id, others=[d.id]))

    redirects = {one.from_id: one for one in await crm.list(Redirect)}

    assert {id: one.to_id for id, one in redirects.items()} == {b.id: a.id, c.id: a.id, d.id: a.id}
    assert (redirects[c.id].entity, redirects[c.id].before["name"]) == ("crm.contact", "Ada Obi")
    for old in (b, c, d):
        answered = await crm.api("GET", f"/api/v1/crm/contacts/{old.id}?fields=name")
        assert (answered.status, answered.headers["location"], answered.body) == (301, f"/api/v1/crm/contacts/{a.id}?fields=name", b"")
    assert (await crm.api("GET", f"/api/v1/crm/contacts/{a.id}?fields=name")).json() == {"id": str(a.id), "name": "Ada Obi", "version": 2}


async def test_whoever_looks_for_the_merged_one_finds_the_survivor(crm: Harness) -> None:
    a = Contact(name="Ada Obi", email="ada@example.com")
    b = Contact(name="Adaeze Chukwu", email="adaeze@lagosfoods.example")
    await crm.given(a, b)
    await crm.run(MergeContacts(contact_id=a.id, others=[b.id]))

    for text in ("adaeze@lagosfoods.example", "chukwu", "Adaeze%20Chukwu", "ada@example.com"):
        found = await crm.api("GET", f"/api/v1/crm/contacts?q={text}")
        assert [item["id"] for item in found.json()["items"]] == [str(a.id)]


async def test_a_change_of_a_merged_record_is_refused_and_says_where_it_went(crm: Harness) -> None:
    a, b = await pair(crm)
    await crm.run(MergeContacts(contact_id=a.id, others=[b.id]))
    path, any_version = f"/api/v1/crm/contacts/{b.id}", {"if_match": "*"}

    for refused in (
        await crm.api("PATCH", path, {"title": "CEO"}, **any_version),
        await crm.api("DELETE", path, **any_version),
        await crm.api("POST", f"{path}/restore"),
        await crm.api("POST", f"{path}/merge", {"others": [str(a.id)]}),
        await crm.api("POST", f"{path}/assign", {"owner_id": None}),
    ):
        assert (refused.status, refused.json()["type"], refused.json()["into"]) == (409, "/problems/merged", str(a.id))
    with pytest.raises(Merged, match=f"This contact was merged into {a.id}: use that id"):
        await crm.run(LogActivity(kind=ActivityKind.NOTE, subject="Hello", contact_id=b.id))
    assert (await crm.get(Contact, a.id)).version == 2


async def test_who_does_not_see_the_survivor_learns_nothing(crm: Harness) -> None:
    rep, other = crm.as_("crm.rep"), crm.as_("crm.rep")
    a, b = Contact(name="A", owner_id=rep.caller.actor.id), Contact(name="B", owner_id=other.caller.actor.id)
    await crm.given(a, b)
    await crm.run(MergeContacts(contact_id=a.id, others=[b.id]))

    assert (await rep.api("GET", f"/api/v1/crm/contacts/{b.id}")).status == 301
    lost, never = await other.api("GET", f"/api/v1/crm/contacts/{b.id}"), await other.api("GET", f"/api/v1/crm/contacts/{uuid7()}")
    assert (lost.status, never.status) == (404, 404)
    assert lost.json()["title"] == never.json()["title"]
    assert (await other.api("PATCH", f"/api/v1/crm/contacts/{b.id}", {"title": "X"}, if_match="*")).status == 404
    assert (await rep.api("GET", "/api/v1/crm/redirects")).status == 403


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    merges=st.lists(st.tuples(st.integers(0, 6), st.lists(st.integers(0, 6), min_size=1, max_size=3)), min_size=2, max_size=6),
    at_once=st.booleans(),
)
async def test_whatever_is_merged_with_whatever_every_id_leads_to_a_record_in_one_step(
    crm: Harness, merges: list[tuple[int, list[int]]], at_once: bool
) -> None:
    made = [Contact(name=f"C{n}", email=f"c{n}@one.example", tags=[f"t{n}"]) for n in range(7)]
    await crm.given(*made)
    commands = [MergeContacts(contact_id=made[one].id, others=[made[other].id for other in others]) for one, others in merges]
    if at_once:
        results = await asyncio.gather(*[crm.run(command) for command in commands], return_exceptions=True)
    else:
        results = [(await asyncio.gather(crm.run(command), return_exceptions=True))[0] for command in commands]

    assert {type(one).__name__ for one in results} <= {"ContactMerged", "IntoItself", "Merged"}
    ids = [one.id for one in made]
    left = {one.id: one for one in await crm.list(Contact, among(Contact.id, ids))}
    leads = {one.from_id: one.to_id for one in await crm.list(Redirect, among(Redirect.from_id, ids))}
    assert set(left) | set(leads) == set(ids) and not set(left) & set(leads)
    assert set(leads.values()) <= set(left)
    assert len(leads) == sum(len(one.merged_ids) for one in results if isinstance(one, ContactMerged))
    for one in made:
        survivor = left[leads.get(one.id, one.id)]
        addresses = [survivor.email, *[further.address for further in survivor.more_emails]]
        assert addresses.count(one.email) == survivor.tags.count(one.tags[0]) == 1
