"""From activation to a deal that is won, told of, merged and reported."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.journeys.conftest import Business
from tests.process.conftest import until


def test_a_lead_becomes_a_deal_that_is_won(nexus: Business) -> None:
    lead = nexus.api("POST", "crm/leads", {"name": "Ngozi Obi", "email": "ngozi@example.com", "company": "Obi Foods"})
    until(lambda: nexus.api("GET", f"crm/leads/{lead['id']}")["score"] is not None, "the lead has been scored by a reaction")
    nexus.api("POST", f"crm/leads/{lead['id']}/qualify", {})
    made = nexus.api("POST", f"crm/leads/{lead['id']}/convert", {"deal_name": "Bread for a year", "amount": "900.00"})
    deal = made["deal_id"]
    assert nexus.api("GET", f"crm/deals/{deal}")["status"] == "open"

    nexus.api("POST", f"crm/deals/{deal}/win", {})

    assert nexus.api("GET", f"crm/deals/{deal}")["status"] == "won"
    for type_, subject in (("crm.lead.converted", lead["id"]), ("crm.deal.won", deal)):
        event = nexus.told(type_, subject)
        assert (event["specversion"], event["type"], event["source"]) == ("1.0", type_, "/nexus/crm")


def test_two_who_are_one_are_merged_and_the_old_address_leads_to_the_new(nexus: Business) -> None:
    first = nexus.api("POST", "crm/contacts", {"name": "Bola Ade", "email": "bola@example.com"})
    second = nexus.api("POST", "crm/contacts", {"name": "B. Ade", "phone": "+2348031234567"})

    nexus.api("POST", f"crm/contacts/{first['id']}/merge", {"others": [second["id"]]})

    assert nexus.api("GET", f"crm/contacts/{first['id']}")["phone"] == "+2348031234567"
    assert nexus.ask("GET", f"/api/v1/crm/contacts/{second['id']}", token=nexus.token)[1]["id"] in (first["id"], second["id"])
    event = nexus.told("crm.contact.merged", first["id"])
    assert event["data"]["merged_ids"] == [second["id"]]


def test_a_report_says_what_was_won(nexus: Business) -> None:
    today = datetime.now(UTC).date()
    rows = nexus.api("GET", f"crm/reports/win-loss?since={today.replace(day=1)}&until={today}")["items"]

    assert rows is not None
