"""What an event carries of another record is told to whom that record's own field is shown; the declaration of the event says whose it is."""

from __future__ import annotations

import inspect
from typing import Annotated
from uuid import UUID

import pytest

from nexus.core import Event
from nexus.core.ids import uuid7
from nexus.core.message import of
from nexus.core.policy import ROLES
from nexus.core.service import Service
from nexus.runtime.testing import Harness
from nexus.services.crm.entities import Contact, Lead
from nexus.surfaces.live.topics import Topic, carried, topics_of
from nexus.surfaces.shapes import shape_of
from tests.surfaces.live.conftest import World, got, said


class LeadNoted(Event, frozen=True, kw_only=True):
    """An event of these tests."""

    topic = "crm.lead.noted"
    lead_id: UUID
    mail: Annotated[str, of("crm.contact.email")]
    note: str


class Misnamed(Event, frozen=True, kw_only=True):
    """Another: there is no such field."""

    topic = "crm.lead.misnamed"
    mail: Annotated[str, of("crm.contact.emial")]


async def test_who_is_not_shown_it_there_is_not_told_it_here(world: World, tenant: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    world.live.topics["crm.lead.noted"] = Topic("crm.lead.noted", "A note.", Lead, (LeadNoted,))
    owner, rep = tenant.as_("auth.owner"), tenant.as_("crm.rep", id=uuid7())
    monkeypatch.setattr(type(rep.caller.rights), "hidden", lambda rights, kind: _hidden(rights, kind, rep))
    follows = [await world.live.subscribe(one.caller, ["nexus.crm.*.lead.noted"]) for one in (owner, rep)]
    for one in follows:
        await one.take(0)
    lead = await tenant.given(Lead(name="Bread", owner_id=rep.caller.actor.id))
    await world.tell(tenant, "crm.lead.noted", lead.id, {"lead_id": str(lead.id), "mail": "ada@example.com", "note": "call"})
    await world.settled()

    told = [said((await got(one, 1))[0]) for one in follows]

    assert [(one["mail"], one["note"]) for one in told] == [("ada@example.com", "call"), (None, "call")]


def _hidden(rights: object, kind: type, rep: Harness) -> frozenset[str]:
    return frozenset({"email"}) if rights is rep.caller.rights and kind is Contact else frozenset()


def test_a_field_that_is_said_to_be_another_records_must_be_there() -> None:
    assert carried(LeadNoted) == {"mail": (Contact, "email")}
    with pytest.raises(LookupError, match=r"Misnamed.mail is said to be crm\.contact\.emial"):
        carried(Misnamed)


def test_personal_and_sensitive_fields_of_other_records_are_declared(services: dict[str, Service]) -> None:
    """A field of an event that is called as a personal or a sensitive one is its record's own, or says whose it is."""
    personal = {
        (service.name, field.name)
        for service in services.values()
        for entity in service.entities()
        for field in shape_of(entity).fields.values()
        if field.facts.pii or field.facts.sensitive
    }
    assert personal
    for topic in topics_of(services.values()).values():
        own = set() if topic.entity is None else set(shape_of(topic.entity).fields)
        for event in topic.events:
            open_ = {name for name in event.__struct_fields__ if (topic.service, name) in personal} - own - set(topic.carried)
            assert not open_, (inspect.getsourcefile(event), event.__name__, open_)
    assert ROLES
