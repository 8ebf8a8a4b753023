"""What a response policy and a calendar may say, and that a calendar in which nobody is ever there promises nothing and stands in nobody's way."""

from __future__ import annotations

from typing import Any

import pytest

from nexus.runtime.testing import Harness
from nexus.services.crm.api import DisqualifyLead, LeadCreated, RecycleLead
from nexus.services.crm.entities import BusinessCalendar, Lead, ResponseClock
from nexus.services.crm.terms import ClockStatus, Direction
from nexus.services.crm.tests.conftest import Sales
from nexus.services.crm.tests.test_clocks import call, clock_of, new_lead, policy

ZONES = [("business_calendars", {"name": "Office"}), ("contacts", {"name": "Ada"})]


@pytest.mark.parametrize(("path", "least"), ZONES)
@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc/passwd", "+01:00", "/usr/share/zoneinfo/UTC"])
async def test_refuses_a_time_zone_that_is_none(crm: Harness, path: str, least: dict[str, Any], zone: str) -> None:
    refused = await crm.api("POST", f"/api/v1/crm/{path}", least | {"time_zone": zone})
    assert (refused.status, refused.json()["errors"][0]["field"]) == (422, "time_zone")
    made = await crm.api("POST", f"/api/v1/crm/{path}", least | {"time_zone": "Africa/Lagos"})
    changed = await crm.api("PATCH", f"/api/v1/crm/{path}/{made.json()['id']}", {"time_zone": zone}, if_match="*")
    many = await crm.api("POST", f"/api/v1/crm/{path}/bulk", {"items": [least | {"time_zone": zone}]})
    assert [one.status for one in (made, changed, many)] == [201, 422, 422]


@pytest.mark.parametrize("minutes", [0, -1, 525_601, 10**15])
async def test_refuses_minutes_that_nobody_can_promise(crm: Harness, minutes: int) -> None:
    calendar = await crm.given(BusinessCalendar(name="Office", time_zone="Africa/Lagos"))
    body = {"name": "Soon", "calendar_id": str(calendar.id), "first_response_minutes": {"normal": minutes}}
    refused = await crm.api("POST", "/api/v1/crm/response_policies", body)
    assert refused.status == 422
    assert refused.json()["errors"][0]["field"].startswith("first_response_minutes")


async def test_a_calendar_in_which_nobody_is_there_promises_nothing(crm: Harness, sales: Sales) -> None:
    kept = await policy(crm)
    await crm.api("PATCH", f"/api/v1/crm/business_calendars/{kept.calendar_id}", {"hours": []}, if_match="*")
    lead = await crm.given(Lead(name="Ada"))
    await crm.deliver(LeadCreated(id=lead.id))
    assert await crm.count(ResponseClock) == 0


async def test_a_calendar_that_was_emptied_keeps_nobody_from_working(crm: Harness, sales: Sales) -> None:
    kept = await policy(crm, rolling=30)
    lead, other = await new_lead(crm), await new_lead(crm)
    await crm.run(call(lead))
    await crm.run(DisqualifyLead(lead_id=other.id, reason_id=sales.nobody_home.id))
    await crm.api("PATCH", f"/api/v1/crm/business_calendars/{kept.calendar_id}", {"hours": []}, if_match="*")

    await crm.run(call(lead, Direction.INBOUND))
    await crm.run(RecycleLead(lead_id=other.id))

    assert (await clock_of(crm, lead.id)).exchanges == []
    assert (await clock_of(crm, other.id)).status is ClockStatus.RUNNING


async def test_a_deal_keeps_its_currency_and_has_a_rate_above_zero(crm: Harness, sales: Sales) -> None:
    made = await crm.api("POST", "/api/v1/crm/deals", {"name": "Rice", "amount": "30.02"})
    here = f"/api/v1/crm/deals/{made.json()['deal_id']}"
    for change in ({"currency": "EUR"}, {"fx_rate": "0"}):
        refused = await crm.api("PATCH", here, change, if_match="*")
        assert (refused.status, [error["field"] for error in refused.json()["errors"]]) == (422, list(change))
    assert (await crm.api("GET", here)).json()["version"] == 1
