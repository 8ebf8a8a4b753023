"""Who is told what: topics, tenants, records, fields; and what it costs to find out."""

from __future__ import annotations

from uuid import UUID

import msgspec
import pytest

from nexus.core.ids import uuid7
from nexus.core.policy import ROLES, Me, Role
from nexus.core.problem import Forbidden, Invalid
from nexus.runtime.testing import Harness
from nexus.services.crm.api import AssignLead
from nexus.services.crm.entities import Lead, Quota
from tests.surfaces.live.conftest import World, got, lead, nothing_more, said

LEADS = "nexus.crm.*.lead.*"


async def test_tells_what_happens_from_now_on_in_its_own_words(world: World, tenant: Harness) -> None:
    await lead(tenant, "Before")
    await world.settled()
    async with await world.live.subscribe(tenant.caller, [LEADS]) as told:
        id = await lead(tenant, "Ada", email="ada@example.com")
        head = await world.settled()
        (event,) = await got(told, 1)
        envelope = msgspec.json.decode(event.envelope)
        assert (event.type, event.subject, event.id) == ("crm.lead.created", id, f"test:{event.position}")
        assert event.topic == f"nexus.crm.{tenant.caller.tenant.id}.lead.created"
        assert (envelope["specversion"], envelope["type"], envelope["subject"]) == ("1.0", "crm.lead.created", str(id))
        assert (envelope["data"]["name"], envelope["data"]["email"]) == ("Ada", "ada@example.com")
        await nothing_more(told)
        assert told.position == f"test:{head}"


@pytest.mark.parametrize(
    ("pattern", "picked"),
    [
        ("nexus.crm.*.lead.created", ["crm.lead.created"]),
        ("nexus.crm.*.lead.>", ["crm.lead.created", "crm.lead.updated"]),
        ("nexus.crm.*.*.created", ["crm.lead.created", "crm.competitor.created"]),
        ("nexus.crm.>", ["crm.lead.created", "crm.lead.updated", "crm.competitor.created"]),
        ("nexus.*.*.competitor.*", ["crm.competitor.created"]),
        ("*.**", ["crm.lead.created", "crm.lead.updated", "crm.competitor.created"]),
        (">", ["crm.lead.created", "crm.lead.updated", "crm.competitor.created"]),
    ],
)
async def test_patterns_are_the_logs(world: World, tenant: Harness, pattern: str, picked: list[str]) -> None:
    async with await world.live.subscribe(tenant.caller, [pattern]) as told, await world.live.subscribe(tenant.caller, [">"]) as other:
        await tenant.given(Lead(name="Ada"))
        await tenant.api("PATCH", f"/api/v1/crm/leads/{(await tenant.list(Lead))[0].id}", {"city": "Lagos"}, if_match="*")
        await tenant.api("POST", "/api/v1/crm/competitors", {"name": "Rival"})
        await world.settled()
        assert [event.type for event in await got(told, len(picked))] == picked
        await nothing_more(told)
        assert len(await got(other, 3)) == 3


@pytest.mark.parametrize(
    ("patterns", "field", "says"),
    [
        ([], "topics", "takes 1 to 50 patterns"),
        (["nexus.crm.*.lead.created"] * 51, "topics", "takes 1 to 50 patterns"),
        (["nexus.crm..created"], "topics[0]", "is no segment of a topic"),
        ([LEADS, "nexus.crm.*.lead.*' or 1=1"], "topics[1]", "is no segment of a topic"),
        (["nexus.>.lead.created"], "topics[0]", "> can only be the last segment"),
        (["nexus.crm.*.deel.won"], "topics[0]", "did you mean nexus.crm.*.deal.won?"),
        (["nexus.crm.*"], "topics[0]", "no topic here matches"),
        (["crm.lead"], "topics[0]", "the third segment is the business"),
        ([f"nexus.crm.{UUID(int=7)}.lead.created"], "topics[0]", "the third segment is the business"),
        (["x" * 201], "topics[0]", "is longer than 200 characters"),
    ],
)
async def test_a_pattern_that_picks_nothing_is_told(world: World, tenant: Harness, patterns: list[str], field: str, says: str) -> None:
    with pytest.raises(Invalid) as refused:
        await world.live.subscribe(tenant.caller, patterns)
    (error,) = refused.value.errors
    assert error.field == field
    assert says in error.message
    assert len(world.live) == 0


async def test_what_may_not_be_read_cannot_be_followed(world: World, tenant: Harness) -> None:
    for nobody in (tenant.as_(), tenant.as_("crm.rep")):
        with pytest.raises(Forbidden, match=r"auth\.api_key:read"):
            await world.live.subscribe(nobody.caller, ["nexus.auth.*.api_key.*"])
    assert await world.live.subscribe(tenant.as_("crm.rep").caller, [">"])


async def test_each_tenant_hears_of_itself_alone(world: World, tenant: Harness, other: Harness) -> None:
    async with await world.live.subscribe(tenant.caller, [">"]) as mine, await world.live.subscribe(other.caller, [">"]) as theirs:
        await lead(tenant, "Mine")
        await lead(other, "Theirs")
        await lead(tenant, "Mine too")
        await world.settled()
        assert [said(event)["name"] for event in await got(mine, 2)] == ["Mine", "Mine too"]
        assert [said(event)["name"] for event in await got(theirs, 1)] == ["Theirs"]
        await nothing_more(mine)
        await nothing_more(theirs)


async def test_a_representative_hears_of_what_it_sees(world: World, tenant: Harness) -> None:
    team = uuid7()
    ada, eve = tenant.as_("crm.rep"), tenant.as_("crm.rep")
    boss = tenant.as_("crm.manager", teams=(team,))
    listeners = [await world.live.subscribe(one.caller, [LEADS]) for one in (ada, eve, boss, tenant)]
    own = await lead(ada, "Ada's own")
    await world.settled()
    hers = await lead(tenant, "Given to Ada")
    await tenant.run(AssignLead(lead_id=hers, owner_id=ada.caller.actor.id, team_id=team))
    await world.settled()
    heard = [[(event.type, event.subject) for event in await one.take(0)] for one in listeners]
    assert heard[0] == [("crm.lead.created", own), ("crm.lead.updated", hers)] or heard[0][:1] == [("crm.lead.created", own)]
    assert heard[1] == []
    assert {subject for _, subject in heard[2]} == {hers}
    assert [subject for _, subject in heard[3]][:2] == [own, hers]


async def test_hidden_fields_are_null_and_not_named(world: World, tenant: Harness) -> None:
    viewer = tenant.as_("crm.viewer")
    async with await world.live.subscribe(viewer.caller, [LEADS]) as told, await world.live.subscribe(tenant.caller, [LEADS]) as whole:
        id = await lead(tenant, "Ada", email="ada@example.com", city="Lagos")
        await tenant.api("PATCH", f"/api/v1/crm/leads/{id}", {"email": "new@example.com", "city": "Accra"}, if_match="*")
        await world.settled()
        created, updated = await got(told, 2)
        assert (said(created)["email"], said(created)["city"]) == (None, "Lagos")
        assert b"@example.com" not in created.envelope + updated.envelope
        assert msgspec.json.decode(updated.envelope)["changed"] == "city"
        assert [said(event)["email"] for event in await got(whole, 2)] == ["ada@example.com", "new@example.com"]


async def test_a_field_that_only_some_records_show_is_shown_for_those(world: World, tenant: Harness) -> None:
    me = uuid7()
    both = tenant.as_("crm.viewer", "crm.rep", id=me)
    async with await world.live.subscribe(both.caller, ["nexus.crm.*.lead.created"]) as told:
        for owner, email in ((me, "mine@example.com"), (uuid7(), "theirs@example.com")):
            await tenant.given(Lead(name="Ada", email=email, owner_id=owner))
        await world.settled()
        assert [said(event)["email"] for event in await got(told, 2)] == ["mine@example.com", None]


async def test_an_event_about_any_record_follows_that_record(world: World, tenant: Harness) -> None:
    ada, eve = tenant.as_("crm.rep"), tenant.as_("crm.rep")
    owner_changed = ["nexus.crm.*.owner.changed"]
    first, second = [await world.live.subscribe(one.caller, owner_changed) for one in (ada, eve)]
    id = await lead(tenant, "Ada")
    await tenant.run(AssignLead(lead_id=id, owner_id=ada.caller.actor.id))
    await world.settled()
    (event,) = await got(first, 1)
    assert (event.type, event.subject) == ("crm.owner.changed", id)
    await nothing_more(second)


async def test_a_record_that_is_gone_is_judged_by_what_it_was(world: World, tenant: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    def own(me: type[Me]) -> object:
        return Quota.owner_id == me.id

    monkeypatch.setitem(ROLES, "test.own", Role("test.own", "Own quotas", frozenset({"crm.quota:read"}), sees={Quota: own}))  # type: ignore[dict-item]
    me = uuid7()
    async with await world.live.subscribe(tenant.as_("test.own", id=me).caller, ["nexus.crm.*.quota.deleted"]) as told:
        for owner in (me, uuid7()):
            await world.tell(tenant, "crm.quota.deleted", uuid7(), {"owner_id": owner, "amount": "1.00", "currency": "NGN"})
        await world.settled()
        (event,) = await got(told, 1)
        assert said(event)["owner_id"] == str(me)
        await nothing_more(told)


async def test_a_thousand_subscribers_cost_one_statement(world: World, tenant: Harness) -> None:
    team = uuid7()
    callers = [tenant.as_("crm.rep", id=uuid7()).caller for _ in range(50)]
    callers += [tenant.as_("crm.manager", teams=(team,)).caller for _ in range(10)] + [tenant.caller] * 10
    subscribers = [await world.live.subscribe(caller, [LEADS]) for caller in callers for _ in range(4)]
    for one in subscribers:
        await one.take(0)
    world.oltp.asked.clear()
    for caller in callers[:50]:
        await tenant.given(Lead(name="Ada", owner_id=caller.actor.id))
    await world.settled()
    assert [len(await one.take(0)) for one in subscribers] == [1] * 200 + [0] * 40 + [50] * 40
    checks = [text for text in world.oltp.asked if "CROSS JOIN" in text]
    assert len(checks) == 2, checks  # one for representatives, one for managers; who sees everything needs none


async def test_nobody_asks_while_nothing_happens(world: World, tenant: Harness) -> None:
    subscribers = [await world.live.subscribe(tenant.as_("crm.rep").caller, [LEADS]) for _ in range(20)]
    for one in subscribers:
        assert await one.take(0) == []
    before = world.oltp._inner.stats.statements  # type: ignore[attr-defined]
    for _ in range(3):
        for one in subscribers:
            assert await one.take(0) == []
    assert world.oltp._inner.stats.statements == before  # type: ignore[attr-defined]
