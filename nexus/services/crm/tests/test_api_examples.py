"""Sales over REST: the story of a lead as an integrator would write it, and every way of asking wrongly."""

from __future__ import annotations

from typing import Any

import pytest

from nexus.core import uuid7
from nexus.runtime.testing import Answered, Harness
from nexus.services.crm.entities import Deal, Lead, Quote, StageChange
from nexus.services.crm.terms import LeadStatus
from nexus.services.crm.tests.conftest import KEPT, Sales

API = "/api/v1/crm"
LINES = [{"name": "Rice", "quantity": "3", "unit_price": "9.99", "discount_percent": "12.5"}]


async def post(crm: Harness, path: str, body: dict[str, Any] | None = None, *, status: int = 200) -> Any:
    answered = await crm.api("POST", f"{API}/{path}", {} if body is None else body)
    assert answered.status == status, answered.body
    return answered.json()


async def test_from_a_lead_to_a_signed_quote(crm: Harness, sales: Sales) -> None:
    lead = await post(
        crm,
        "leads",
        {"name": "Ada Obi", "company": "Lagos Foods", "email": "ada@lagosfoods.example", "source_id": str(sales.referral.id)},
        status=201,
    )
    where = f"leads/{lead['id']}"
    assert await post(crm, f"{where}/contact") == {"lead_id": lead["id"]}
    assert await post(crm, f"{where}/qualify") == {"lead_id": lead["id"]}
    made = await post(crm, f"{where}/convert", {"deal_name": "Rice for a year", "amount": "31.22"})
    assert (made["lead_id"], made["campaign_id"], None in (made["contact_id"], made["account_id"], made["deal_id"])) == (
        lead["id"],
        None,
        False,
    )

    deal = f"deals/{made['deal_id']}"
    assert (await post(crm, f"{deal}/set_lines", {"lines": LINES})) == {"deal_id": made["deal_id"], "amount": "26.22", "currency": "NGN"}
    moved = await post(crm, f"{deal}/move_stage", {"stage_id": str(sales.proposal.id)})
    assert moved == {"deal_id": made["deal_id"], "from_stage_id": str(sales.new.id), "to_stage_id": str(sales.proposal.id)}
    quote = await post(crm, "quotes", {"deal_id": made["deal_id"]}, status=201)
    assert (quote["number"], quote["total"]) == (1, "26.22")
    await post(crm, f"quotes/{quote['quote_id']}/send")
    await post(crm, f"quotes/{quote['quote_id']}/view")
    signed = await post(crm, f"quotes/{quote['quote_id']}/accept", {"signed_by": "Ada Obi"})
    assert (signed["total"], [line["name"] for line in signed["lines"]]) == ("26.22", ["Rice"])
    won = await post(crm, f"{deal}/win")
    assert (won["amount"], won["lead_id"]) == ("26.22", lead["id"])

    shown = (await crm.api("GET", f"{API}/{deal}")).json()
    assert (shown["status"], shown["amount"], shown["stage_id"]) == ("won", "26.22", str(sales.won.id))
    changes = (await crm.api("GET", f"{API}/stage_changes?deal_id={made['deal_id']}&sort=left_at")).json()
    assert [change["to_status"] for change in changes["items"]] == ["open", "won"]


async def counted(crm: Harness) -> list[Any]:
    return [[(one.id, one.version) for one in await crm.list(kind)] for kind in KEPT]


def problem(answered: Answered) -> tuple[int, str, list[str]]:
    """The status, the kind of problem, and the fields it names."""
    assert answered.headers["content-type"].startswith("application/problem+json")
    body = answered.json()
    return answered.status, body["type"], [one["field"] for one in body.get("errors", [])]


async def test_lost_without_a_reason_is_refused(crm: Harness, sales: Sales) -> None:
    made = await post(crm, "deals", {"name": "Rice"}, status=201)
    before, told = await counted(crm), len(crm.emitted)
    for body, found in (
        ({}, (422, "/problems/invalid", ["reason_id"])),
        ({"reason_id": None}, (422, "/problems/invalid", ["reason_id"])),
        ({"reason_id": "too expensive"}, (422, "/problems/invalid", ["reason_id"])),
        ({"reason_id": str(uuid7())}, (404, "/problems/not-found", [])),
        ({"reason_id": str(sales.nobody_home.id)}, (409, "/problems/reason-for-leads", [])),
        ({"reason_id": str(sales.price.id), "reason": "price"}, (422, "/problems/invalid", ["reason"])),
    ):
        assert problem(await crm.api("POST", f"{API}/deals/{made['deal_id']}/lose", body)) == found
    patched = await crm.api("PATCH", f"{API}/deals/{made['deal_id']}", {"status": "lost"}, if_match="*")
    assert problem(patched)[0] == 422
    assert (await counted(crm), len(crm.emitted)) == (before, told)


async def test_a_deal_cannot_be_lost_without_a_reason_by_the_database_either(crm: Harness, sales: Sales) -> None:
    made = await post(crm, "deals", {"name": "Rice"}, status=201)
    with pytest.raises(Exception, match="lost_reason_when_lost"):
        async with crm._work() as work:  # pyright: ignore[reportPrivateUsage]
            deal = await work.get(Deal, made["deal_id"])
            deal.status, deal.closed_at = type(deal.status).LOST, work.now
            await work.commit()
    assert (await crm.list(Deal))[0].status == "open"


WRONG: list[tuple[str, Any, int, list[str]]] = [
    ("leads/{lead}/qualify", {"lead_id": "x"}, 422, ["lead_id"]),
    ("leads/not-an-id/qualify", {}, 404, []),
    ("leads/{nobody}/qualify", {}, 404, []),
    ("leads/{lead}/disqualify", {}, 422, ["reason_id"]),
    ("leads/{lead}/convert", {"amount": "much"}, 422, ["amount"]),
    ("leads/{lead}/convert", {"amount": "1.005"}, 422, ["amount"]),
    ("leads/{lead}/convert", {"currency": "naira"}, 422, ["currency"]),
    ("leads/rescore", {"limit": 0}, 422, ["limit"]),
    ("leads/rescore", {"lead_ids": ["x"]}, 422, ["lead_ids[0]"]),
    ("deals", {}, 422, ["name"]),
    ("deals", {"name": ""}, 422, ["name"]),
    ("deals", {"name": "Rice", "amount": "-1"}, 422, ["amount"]),
    ("deals", {"name": "Rice", "probability": 101}, 422, ["probability"]),
    ("deals", {"name": "Rice", "expected_close": "soon"}, 422, ["expected_close"]),
    (
        "deals",
        {"name": "Rice", "lines": [{"name": "x", "quantity": "1", "unit_price": "1", "discount_percent": "101"}]},
        422,
        ["lines[0]"],
    ),
    ("deals", {"name": "A\u0000B"}, 422, ["name"]),
    ("deals/{deal}/move_stage", {}, 422, ["stage_id"]),
    ("deals/{deal}/move_stage", {"stage_id": "{nobody}"}, 404, []),
    ("deals/{deal}/set_lines", {}, 422, ["lines"]),
    ("quotes", {"deal_id": "{nobody}"}, 404, []),
    ("quotes", {"deal_id": "{deal}", "valid_until": "9999-12-31"}, 422, ["valid_until"]),
    ("activities/log", {"kind": "shout", "subject": "x"}, 422, ["kind"]),
    ("activities/log", {"kind": "call"}, 422, ["subject"]),
    ("activities/log", {"kind": "call", "subject": "x", "at": "2026-01-01T00:00:00"}, 422, ["at"]),
    ("activities/log", {"kind": "call", "subject": "x", "lead_id": "{nobody}"}, 404, []),
    ("activities/schedule", {"subject": "x", "starts_at": "2026-01-02T00:00:00Z", "ends_at": "2026-01-01T00:00:00Z"}, 422, ["ends_at"]),
    ("activities/{nobody}/complete", {}, 404, []),
    (
        "call_logs/report",
        {"provider": "x", "provider_call_id": "1", "status": "ringing", "direction": "inbound"},
        422,
        ["from_number", "to_number"],
    ),
    ("response_clocks/sweep", {"limit": "all"}, 422, ["limit"]),
]


@pytest.mark.parametrize(("path", "body", "status", "fields"), WRONG)
async def test_what_is_asked_wrongly_is_said_and_changes_nothing(
    crm: Harness, sales: Sales, path: str, body: Any, status: int, fields: list[str]
) -> None:
    lead = await crm.given(Lead(name="Ada", status=LeadStatus.QUALIFIED))
    deal = (await post(crm, "deals", {"name": "Rice", "lines": LINES}, status=201))["deal_id"]
    names = {"{lead}": str(lead.id), "{deal}": deal, "{nobody}": str(uuid7())}
    for name, id in names.items():
        path = path.replace(name, id)
        body = {key: value.replace(name, id) if isinstance(value, str) else value for key, value in body.items()}
    before, told = await counted(crm), len(crm.emitted)

    answered = await crm.api("POST", f"{API}/{path}", body)

    found, _, named = problem(answered)
    assert (found, [one.split(".")[0] if "lines" in one else one for one in named]) == (status, fields), answered.body
    assert (await counted(crm), len(crm.emitted)) == (before, told)


READER_MAY_NOT = [
    "leads/{id}/qualify",
    "leads/{id}/convert",
    "leads/rescore",
    "deals",
    "deals/{id}/win",
    "deals/{id}/set_lines",
    "quotes",
    "quotes/{id}/accept",
    "activities/log",
    "call_logs/report",
    "response_clocks/sweep",
]


async def test_a_reader_changes_nothing_and_nobody_reads_nothing(crm: Harness, sales: Sales) -> None:
    for roles in (("crm.viewer",), ()):
        somebody = crm.as_(*roles)
        for path in READER_MAY_NOT:
            answered = await somebody.api("POST", f"{API}/{path.replace('{id}', str(uuid7()))}", {})
            assert problem(answered)[:2] == (403, "/problems/forbidden")
    assert await crm.count(Deal) == 0


async def test_a_trial_run_changes_nothing(crm: Harness, sales: Sales) -> None:
    made = await post(crm, "deals?dry_run=true", {"name": "Rice", "lines": LINES}, status=201)
    assert made["amount"] == "26.22"
    assert (await crm.count(Deal), crm.emitted) == (0, [])
    made = await post(crm, "deals", {"name": "Rice", "lines": LINES}, status=201)
    await post(crm, f"deals/{made['deal_id']}/win?dry_run=true")
    await post(crm, "quotes?dry_run=true", {"deal_id": made["deal_id"]}, status=201)
    assert (await crm.count(StageChange), await crm.count(Quote)) == (0, 0)


async def test_the_same_key_wins_once(crm: Harness, sales: Sales) -> None:
    made = await post(crm, "deals", {"name": "Rice"}, status=201)
    answers = [await crm.api("POST", f"{API}/deals/{made['deal_id']}/win", {}, idempotency_key="w1") for _ in range(2)]
    assert [one.status for one in answers] == [200, 200]
    assert answers[0].body == answers[1].body
    assert await crm.count(StageChange) == 1
