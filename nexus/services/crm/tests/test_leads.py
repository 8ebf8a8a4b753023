"""The way of a lead, step by step."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from nexus.core import Command, IllegalMove, NotFound, uuid7
from nexus.runtime.testing import Harness
from nexus.services.crm.api import (
    ContactLead,
    DisqualifyLead,
    LeadContacted,
    LeadDisqualified,
    LeadNurtured,
    LeadQualified,
    LeadRecycled,
    NurtureLead,
    QualifyLead,
    RecycleLead,
)
from nexus.services.crm.commands.leads import ReasonOfAnotherKind
from nexus.services.crm.entities import Lead
from nexus.services.crm.flows import lead_flow
from nexus.services.crm.terms import LeadStatus, Qualification
from nexus.services.crm.tests.conftest import Sales, refused


async def given(crm: Harness, status: LeadStatus = LeadStatus.NEW, **fields: Any) -> Lead:
    return await crm.given(Lead(name="Ada", status=status, **fields))


async def test_is_contacted(crm: Harness) -> None:
    lead = await given(crm)

    told = await crm.run(ContactLead(lead_id=lead.id))

    now = await crm.get(Lead, lead.id)
    assert (now.status, now.qualification, now.contacted_at is not None) == (LeadStatus.CONTACTED, Qualification.IN_PROCESS, True)
    assert crm.emitted == [told] == [LeadContacted(lead_id=lead.id)]


async def test_the_first_contact_is_remembered(crm: Harness, sales: Sales) -> None:
    lead = await given(crm)
    await crm.run(ContactLead(lead_id=lead.id))
    first = (await crm.get(Lead, lead.id)).contacted_at
    await crm.run(DisqualifyLead(lead_id=lead.id, reason_id=sales.nobody_home.id))
    await crm.run(RecycleLead(lead_id=lead.id))

    await crm.run(ContactLead(lead_id=lead.id))

    assert (await crm.get(Lead, lead.id)).contacted_at == first


async def test_is_nurtured(crm: Harness) -> None:
    lead = await given(crm)
    told = await crm.run(NurtureLead(lead_id=lead.id))
    now = await crm.get(Lead, lead.id)
    assert (now.status, now.qualification) == (LeadStatus.NURTURING, Qualification.IN_PROCESS)
    assert crm.emitted == [told] == [LeadNurtured(lead_id=lead.id)]


async def test_is_qualified(crm: Harness) -> None:
    lead = await given(crm)
    told = await crm.run(QualifyLead(lead_id=lead.id))
    now = await crm.get(Lead, lead.id)
    assert (now.status, now.qualification, now.qualified_at is not None) == (LeadStatus.QUALIFIED, Qualification.QUALIFIED, True)
    assert crm.emitted == [told] == [LeadQualified(lead_id=lead.id)]


async def test_is_given_up_for_a_reason_and_gets_another_chance(crm: Harness, sales: Sales) -> None:
    lead = await given(crm)

    gone = await crm.run(DisqualifyLead(lead_id=lead.id, reason_id=sales.nobody_home.id, notes="Rang twice"))

    now = await crm.get(Lead, lead.id)
    assert (now.status, now.qualification, now.disqualified_reason_id, now.disqualified_notes, now.disqualified_at is not None) == (
        LeadStatus.DISQUALIFIED,
        Qualification.UNQUALIFIED,
        sales.nobody_home.id,
        "Rang twice",
        True,
    )
    back = await crm.run(RecycleLead(lead_id=lead.id))
    now = await crm.get(Lead, lead.id)
    assert (now.status, now.disqualified_reason_id, now.disqualified_notes, now.disqualified_at) == (LeadStatus.RECYCLED, None, None, None)
    assert crm.emitted == [gone, back] == [LeadDisqualified(lead_id=lead.id, reason_id=sales.nobody_home.id), LeadRecycled(lead_id=lead.id)]


async def test_a_reason_for_losing_deals_is_none_for_giving_up_a_lead(crm: Harness, sales: Sales) -> None:
    lead = await given(crm)
    async with refused(crm, ReasonOfAnotherKind, "Price"):
        await crm.run(DisqualifyLead(lead_id=lead.id, reason_id=sales.price.id))
    async with refused(crm, NotFound, "lost reason"):
        await crm.run(DisqualifyLead(lead_id=lead.id, reason_id=uuid7()))


MOVES: dict[str, Callable[..., Command[Any]]] = {
    "contact": ContactLead,
    "nurture": NurtureLead,
    "qualify": QualifyLead,
    "recycle": RecycleLead,
}


@pytest.mark.parametrize("move", list(MOVES))
async def test_no_step_is_taken_that_the_flow_has_not(crm: Harness, move: str) -> None:
    for status in LeadStatus:
        lead = await given(crm, status)
        if status in lead_flow.moves[move].starts:
            await crm.run(MOVES[move](lead_id=lead.id))
            assert (await crm.get(Lead, lead.id)).status is lead_flow.moves[move].ends
        else:
            async with refused(crm, IllegalMove, f"Lead is {status}: it cannot {move}"):
                await crm.run(MOVES[move](lead_id=lead.id))


@pytest.mark.parametrize("status", [LeadStatus.CONVERTED, LeadStatus.DISQUALIFIED])
async def test_what_has_ended_is_not_given_up(crm: Harness, sales: Sales, status: LeadStatus) -> None:
    lead = await given(crm, status)
    async with refused(crm, IllegalMove, f"Lead is {status}: it cannot disqualify"):
        await crm.run(DisqualifyLead(lead_id=lead.id, reason_id=sales.nobody_home.id))


async def test_a_lead_of_somebody_else_is_not_there(crm: Harness, sales: Sales) -> None:
    lead = await given(crm, owner_id=uuid7())
    rep = crm.as_("crm.rep")
    commands: list[Command[Any]] = [
        ContactLead(lead_id=lead.id),
        NurtureLead(lead_id=lead.id),
        QualifyLead(lead_id=lead.id),
        RecycleLead(lead_id=lead.id),
        DisqualifyLead(lead_id=lead.id, reason_id=sales.nobody_home.id),
    ]
    for command in commands:
        async with refused(crm, NotFound, "lead"):
            await rep.run(command)
    assert rep.emitted == []


async def test_two_at_once_have_one_effect(crm: Harness, sales: Sales) -> None:
    lead = await given(crm)
    gone = DisqualifyLead(lead_id=lead.id, reason_id=sales.nobody_home.id)

    results = await asyncio.gather(*[crm.run(gone) for _ in range(4)], return_exceptions=True)

    assert sorted(type(one).__name__ for one in results) == ["IllegalMove"] * 3 + ["LeadDisqualified"]
    assert (await crm.get(Lead, lead.id)).version == 2
