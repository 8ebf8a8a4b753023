"""From a deal that is won to its money, through the books of another service."""

from __future__ import annotations

from tests.journeys.conftest import Business
from tests.process.conftest import until

JSON = {"content-type": "application/json"}


def test_a_won_deal_is_invoiced_and_sales_sees_that_it_is_paid(nexus: Business) -> None:
    account = nexus.api("POST", "crm/accounts", {"name": "Zuma Hotels"})
    contact = nexus.api("POST", "crm/contacts", {"name": "Thandi Zuma", "account_id": account["id"]})
    customer = {"account_id": account["id"], "contact_id": contact["id"]}
    deal = nexus.api("POST", "crm/deals", {"name": "Bread for a month", "amount": "320.00", **customer})["deal_id"]

    nexus.api("POST", f"crm/deals/{deal}/win", {})
    until(lambda: nexus.api("GET", f"crm/deals/{deal}")["billing"] == "drafted", "the deal has been billed by a draft")
    (draft,) = nexus.api("GET", f"finance/invoices?source_id={deal}")["items"]
    assert (draft["party_name"], draft["status"], draft["total"]) == ("Zuma Hotels", "draft", "320.00")

    nexus.api("POST", f"finance/invoices/{draft['id']}/post", {})
    until(lambda: nexus.api("GET", f"crm/deals/{deal}")["billing"] == "invoiced", "sales sees that it is invoiced")
    paid = {"direction": "received", "party_id": account["id"], "amount": "320.00"}
    nexus.api("POST", "finance/payments/record", {**paid, "allocations": [{"invoice_id": draft["id"], "amount": "320.00"}]})
    until(lambda: nexus.api("GET", f"crm/deals/{deal}")["billing"] == "paid", "sales sees that it is paid")

    asked = "query ($id: ID!) { crmDeal(id: $id) { billing invoices { edges { node { status deal { name } } } } } }"
    status, answer = nexus.ask("POST", "/graphql", {"query": asked, "variables": {"id": deal}}, token=nexus.token, headers=JSON)
    assert status == 200, answer
    (edge,) = answer["data"]["crmDeal"]["invoices"]["edges"]
    assert edge["node"] == {"status": "PAID", "deal": {"name": "Bread for a month"}}
