"""Many records at once: all or none, each for itself, and every rule that holds for one of them."""

import asyncio
from typing import Any
from uuid import uuid4

import msgspec
import pytest
import sqlalchemy as sa

from nexus.runtime.testing import Answered, Harness
from nexus.services.auth.entities import Team
from nexus.services.crm.entities import Account, AccountContact, Contact
from nexus.surfaces.sql import call

TEAMS = "/api/v1/auth/teams"
CONTACTS = "/api/v1/crm/contacts"
ACCOUNTS = "/api/v1/crm/accounts"


async def journal(tenant: Harness) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """What the tenant's commands left: audit entry and events of each."""
    rows = sa.text("SELECT audit, events FROM nexus_cell.journal WHERE tenant = :tenant ORDER BY seq").bindparams(
        tenant=tenant.caller.schema
    )
    (found,) = await tenant._oltp.run(None, call(rows))
    return [(msgspec.json.decode(audit or b"{}"), msgspec.json.decode(events or b"[]")) for audit, events in found.rows]


def errors(answer: Answered) -> dict[str, str]:
    return {error["field"]: error["message"] for error in answer.json()["errors"]}


async def test_creates_all_in_order_with_normal_forms_audit_and_events(tenant: Harness) -> None:
    items = [{"name": "Ada", "email": "Ada@Example.com", "phone": "0803 123 4567"}, {"name": "Bob"}]
    made = await tenant.api("POST", f"{CONTACTS}/bulk", {"items": items})

    assert made.status == 201
    body = made.json()
    assert (body["created"], body["refused"], [item["version"] for item in body["items"]]) == (2, 0, [1, 1])
    ada, bob = [(await tenant.api("GET", f"{CONTACTS}/{item['id']}")).json() for item in body["items"]]
    assert (ada["email"], ada["phone"], bob["name"]) == ("ada@example.com", "+2348031234567", "Bob")
    assert ada["created_by"] == str(tenant.caller.actor.id)
    ((audit, events),) = await journal(tenant)
    assert (audit["command"], audit["count"]) == ("crm.contact:create", 2)
    assert [one["entity_id"] for one in audit["items"]] == [ada["id"], bob["id"]]
    assert audit["items"][0]["after"]["email"] == "***"
    assert [(event["type"], event["subject"], event["data"]["name"]) for event in events] == [
        ("crm.contact.created", ada["id"], "Ada"),
        ("crm.contact.created", bob["id"], "Bob"),
    ]


async def test_all_is_none_where_one_row_cannot_be_read_and_every_wrong_field_is_named(tenant: Harness) -> None:
    items = [{"name": "Ada"}, {"name": 7}, {"name": "Bob", "colour": "red"}, {}, "no", {"name": "Eve", "phone": "12"}, {"name": "a\0b"}]
    refused = await tenant.api("POST", f"{CONTACTS}/bulk", {"items": items})

    assert (refused.status, refused.json()["type"]) == (422, "/problems/invalid")
    assert errors(refused) == {
        "items[1].name": "is text, not a whole number",
        "items[2].colour": "there is no such field",
        "items[3].name": "is required",
        "items[4]": "is an object, not text",
        "items[5].phone": "'12' has too many or too few digits for a telephone number of NG; write it as +2348031234567",
        "items[6].name": "text cannot hold the character U+0000; leave it out",
    }
    assert await tenant.count(Contact) == 0
    assert await journal(tenant) == []


async def test_all_is_none_where_the_database_refuses_and_every_wrong_row_is_named(tenant: Harness) -> None:
    await tenant.given(Team(name="Sales", key="sales"))
    items = [{"name": "A", "key": "a"}, {"name": "Sales", "key": "sales"}, {"name": "B", "key": "a"}, {"name": "C", "key": "c"}]
    refused = await tenant.api("POST", f"{TEAMS}/bulk", {"items": items})

    assert refused.status == 422
    assert errors(refused) == {"items[1].key": "another team has this already", "items[2].key": "another team has this already"}
    assert await tenant.count(Team) == 1


async def test_each_keeps_the_good_rows_and_says_why_of_the_others(tenant: Harness) -> None:
    await tenant.given(Team(name="Sales", key="sales"))
    items = [{"name": "A", "key": "a"}, {"name": "S", "key": "sales"}, {"key": "x"}, {"name": "B", "key": "a"}, {"name": "C", "key": "c"}]
    done = await tenant.api("POST", f"{TEAMS}/bulk", {"items": items, "mode": "each"})

    assert done.status == 200
    body = done.json()
    assert (body["created"], body["refused"]) == (2, 3)
    a, taken, unnamed, twice, c = body["items"]
    assert (await tenant.api("GET", f"{TEAMS}/{a['id']}")).json()["key"] == "a"
    assert (await tenant.api("GET", f"{TEAMS}/{c['id']}")).json()["key"] == "c"
    assert (taken["problem"]["status"], taken["problem"]["field"]) == (409, "key")
    assert unnamed["problem"]["errors"] == [{"field": "items[2].name", "message": "is required"}]
    assert (twice["problem"]["type"], twice["problem"]["field"]) == ("/problems/already-exists", "key")
    assert await tenant.count(Team) == 3


async def test_checks_and_references_are_judged_row_by_row(tenant: Harness) -> None:
    known = await tenant.given(Account(name="Known"))
    nobody = str(uuid4())
    items = [
        {"name": "A", "annual_revenue": "5", "currency": "NGN"},
        {"name": "B", "annual_revenue": "5.123", "currency": "NGN"},
        {"name": "C", "annual_revenue": "-1", "currency": "NGN"},
        {"name": "D", "currency": "QQQ"},
        {"name": "E", "annual_revenue": "1e30", "currency": "NGN"},
    ]
    done = (await tenant.api("POST", f"{ACCOUNTS}/bulk", {"items": items, "mode": "each"})).json()
    assert [[error["field"] for error in item.get("problem", {"errors": []})["errors"]] for item in done["items"]] == [
        [],
        ["items[1].annual_revenue"],
        ["items[2].annual_revenue"],
        ["items[3].currency"],
        ["items[4].annual_revenue"],
    ]
    assert (await tenant.api("GET", f"{ACCOUNTS}/{done['items'][0]['id']}")).json()["annual_revenue"] == "5.00"
    people = [{"name": "A", "account_id": str(known.id)}, {"name": "B", "account_id": nobody}]
    refused = await tenant.api("POST", f"{CONTACTS}/bulk", {"items": people})
    assert errors(refused) == {"items[1].account_id": "there is no account with this id"}
    assert await tenant.count(Contact) == 0


async def test_a_rule_over_two_fields_is_found_too(tenant: Harness) -> None:
    account, contact = await tenant.given(Account(name="A")), await tenant.given(Contact(name="C"))
    pair = {"account_id": str(account.id), "contact_id": str(contact.id)}
    done = await tenant.api("POST", "/api/v1/crm/account_contacts/bulk", {"items": [pair, pair], "mode": "each"})

    assert (done.json()["created"], done.json()["items"][1]["problem"]["field"]) == (1, "account_id, contact_id")
    assert await tenant.count(AccountContact) == 1


async def test_the_size_of_a_batch_and_its_form_are_checked(tenant: Harness) -> None:
    for body, status, field in (
        ({"items": []}, 422, "items"),
        ({}, 422, "items"),
        ({"items": [{"name": "A"}], "mode": "some"}, 422, "mode"),
        ({"items": [{"name": "A"}], "how": "each"}, 422, "how"),
        ([], 422, ""),
        ({"items": [{}] * 10_001}, 413, None),
        (b"{", 400, None),
    ):
        refused = await tenant.api("POST", f"{CONTACTS}/bulk", body)
        assert refused.status == status, body
        if field is not None:
            assert refused.json()["errors"][0]["field"] == field
    assert (await tenant.api("GET", f"{CONTACTS}/bulk")).headers["allow"] == "POST, PATCH, OPTIONS"
    assert (await tenant.api("POST", "/api/v1/auth/users/bulk", {"items": [{}]})).status == 405
    assert (await tenant.api("POST", "/api/v1/crm/redirects/bulk", {"items": [{}]})).status == 404


async def test_rows_are_written_five_hundred_in_a_round_trip_each_with_a_journal_row(tenant: Harness) -> None:
    before = tenant.statistics.round_trips
    made = await tenant.api("POST", f"{CONTACTS}/bulk", {"items": [{"name": f"P {n}"} for n in range(10_000)]})

    assert (made.status, made.json()["created"]) == (201, 10_000)
    assert tenant.statistics.round_trips - before == 20
    assert await tenant.count(Contact) == 10_000
    rows = await journal(tenant)
    assert [audit["count"] for audit, _ in rows] == [500] * 20
    assert [event["subject"] for _, events in rows for event in events] == [item["id"] for item in made.json()["items"]]


@pytest.mark.parametrize("wrong", [3, 700, 1_199])
async def test_what_has_been_written_ahead_of_a_wrong_row_is_taken_back(tenant: Harness, wrong: int) -> None:
    items: list[dict[str, Any]] = [{"name": f"T {n}", "key": f"t-{n}"} for n in range(1_200)]
    unreadable = await tenant.api("POST", f"{TEAMS}/bulk", {"items": [*items[:wrong], {**items[wrong], "name": 5}, *items[wrong + 1 :]]})
    refused = await tenant.api("POST", f"{TEAMS}/bulk", {"items": [*items[:wrong], {**items[wrong], "key": "t-1"}, *items[wrong + 1 :]]})

    assert (unreadable.status, unreadable.json()["errors"][0]["field"]) == (422, f"items[{wrong}].name")
    assert (refused.status, refused.json()["errors"][0]["field"]) == (422, f"items[{wrong}].key")
    assert (await tenant.count(Team), await journal(tenant)) == (0, [])


async def test_a_caller_who_leaves_in_the_middle_leaves_nothing_behind(tenant: Harness) -> None:
    items = [{"name": f"P {n}"} for n in range(10_000)]
    before = tenant.statistics.statements
    leaving = asyncio.create_task(tenant.api("POST", f"{CONTACTS}/bulk", {"items": items}))
    while tenant.statistics.statements == before:
        await asyncio.sleep(0)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving

    made = await tenant.api("POST", f"{CONTACTS}/bulk", {"items": items[:600]})
    assert (made.status, await tenant.count(Contact)) == (201, 600)


async def test_a_key_repeats_the_answer_and_does_it_once(tenant: Harness) -> None:
    for mode in ("all", "each"):
        body = {"items": [{"name": mode, "key": f"{mode}-1"}, {"name": mode, "key": f"{mode}-2"}], "mode": mode}
        first = await tenant.api("POST", f"{TEAMS}/bulk", body, idempotency_key=mode)
        again = await tenant.api("POST", f"{TEAMS}/bulk", body, idempotency_key=mode)
        other = await tenant.api("POST", f"{TEAMS}/bulk", {**body, "mode": "all"} | {"items": [{"name": "x"}]}, idempotency_key=mode)

        assert (again.status, again.body, again.headers["idempotency-replayed"]) == (first.status, first.body, "true")
        assert other.status == 422  # what cannot be read at all never reaches the key
    changed = {"items": [{"id": item["id"], "version": 1, "name": "New"} for item in first.json()["items"]]}
    first = await tenant.api("PATCH", f"{TEAMS}/bulk", changed, idempotency_key="patch")
    again = await tenant.api("PATCH", f"{TEAMS}/bulk", changed, idempotency_key="patch")
    assert (first.status, again.status, again.body) == (200, 200, first.body)
    assert (await tenant.api("PATCH", f"{TEAMS}/bulk", {"items": changed["items"][:1]}, idempotency_key="patch")).status == 409
    assert await tenant.count(Team) == 4


async def test_refusals_are_not_kept_under_the_key(tenant: Harness) -> None:
    taken = await tenant.given(Team(name="Sales", key="sales"))
    body = {"items": [{"name": "Sales", "key": "sales"}]}
    assert (await tenant.api("POST", f"{TEAMS}/bulk", body, idempotency_key="k")).status == 422
    await tenant.api("PATCH", f"{TEAMS}/{taken.id}", {"key": "other"}, if_match="*")
    assert (await tenant.api("POST", f"{TEAMS}/bulk", body, idempotency_key="k")).status == 201


async def test_two_at_once_with_one_key_have_one_effect(tenant: Harness) -> None:
    for mode in ("all", "each"):
        body = {"items": [{"name": mode} for _ in range(20)], "mode": mode}
        answers = await asyncio.gather(*[tenant.api("POST", f"{CONTACTS}/bulk", body, idempotency_key=mode) for _ in range(6)])
        assert len({answer.body for answer in answers}) == 1
    assert await tenant.count(Contact) == 40


async def test_two_at_once_that_want_the_same_values_share_them_without_an_error(tenant: Harness) -> None:
    body = {"items": [{"name": "T", "key": f"k{n}"} for n in range(30)], "mode": "each"}
    other = {"items": body["items"][::-1], "mode": "each"}
    answers = await asyncio.gather(*[tenant.api("POST", f"{TEAMS}/bulk", one) for one in (body, other, body, other)])

    assert {answer.status for answer in answers} == {200}
    assert sum(answer.json()["created"] for answer in answers) == 30
    assert await tenant.count(Team) == 30


async def test_changes_what_each_row_gives_and_leaves_the_rest(tenant: Harness) -> None:
    a = await tenant.given(Contact(name="A", city="Lagos", email="a@example.com"))
    b = await tenant.given(Contact(name="B", city="Abuja"))
    items = [{"id": str(a.id), "version": 1, "city": None}, {"id": str(b.id), "version": None, "name": "Bea", "email": "B@example.com"}]
    done = await tenant.api("PATCH", f"{CONTACTS}/bulk", {"items": items})

    assert done.status == 200
    assert done.json() == {"updated": 2, "refused": 0, "items": [{"id": str(a.id), "version": 2}, {"id": str(b.id), "version": 2}]}
    after_a, after_b = await tenant.get(Contact, a.id), await tenant.get(Contact, b.id)
    assert (after_a.name, after_a.city, after_a.email, after_a.version) == ("A", None, "a@example.com", 2)
    assert (after_b.name, after_b.city, after_b.email, after_b.updated_by) == ("Bea", "Abuja", "b@example.com", tenant.caller.actor.id)
    audit, events = (await journal(tenant))[-1]
    assert [event["changed"] for event in events] == ["city", "name email"]
    assert audit["items"] == [
        {"entity_id": str(a.id), "before": {"city": "Lagos"}, "after": {}},
        {"entity_id": str(b.id), "before": {"name": "***"}, "after": {"name": "***", "email": "***"}},
    ]


async def test_money_follows_its_currency_in_a_bulk_change(tenant: Harness) -> None:
    account = await tenant.given(Account(name="A", currency="NGN"))
    item = {"id": str(account.id), "version": None}
    assert (await tenant.api("PATCH", f"{ACCOUNTS}/bulk", {"items": [{**item, "annual_revenue": "7"}]})).status == 200
    assert str((await tenant.get(Account, account.id)).annual_revenue) == "7.00"
    refused = await tenant.api("PATCH", f"{ACCOUNTS}/bulk", {"items": [{**item, "annual_revenue": "7.123"}]})
    assert list(errors(refused)) == ["items[0].annual_revenue"]
    both = {**item, "annual_revenue": "7.123", "currency": "KWD"}
    assert (await tenant.api("PATCH", f"{ACCOUNTS}/bulk", {"items": [both]})).status == 200
    assert str((await tenant.get(Account, account.id)).annual_revenue) == "7.123"


async def test_stale_absent_and_repeated_rows_stop_all_and_only_themselves_each(tenant: Harness) -> None:
    a, b = await tenant.given(Team(name="A", key="a")), await tenant.given(Team(name="B", key="b"))
    nobody = str(uuid4())
    items = [
        {"id": str(a.id), "version": 1, "name": "AA"},
        {"id": str(b.id), "version": 7, "name": "BB"},
        {"id": nobody, "version": 1, "name": "X"},
        {"id": str(a.id), "version": 1, "name": "AAA"},
        {"id": str(b.id), "name": "BB"},
    ]
    refused = await tenant.api("PATCH", f"{TEAMS}/bulk", {"items": items[:4]})
    assert errors(refused) == {"items[3].id": "this team is in the request already: say all changes of it in one row."}
    refused = await tenant.api("PATCH", f"{TEAMS}/bulk", {"items": items[:3]})
    assert errors(refused) == {
        "items[1].version": "is 1 now: read it again and repeat the change on what it says",
        "items[2].id": f"there is no team {nobody} here.",
    }
    assert {team.name for team in await tenant.list(Team)} == {"A", "B"}

    done = (await tenant.api("PATCH", f"{TEAMS}/bulk", {"items": items, "mode": "each"})).json()
    assert [item.get("problem", {}).get("status") for item in done["items"]] == [None, 412, 404, 409, 422]
    assert {team.name for team in await tenant.list(Team)} == {"AA", "B"}


async def test_a_bulk_change_that_takes_a_value_is_refused_row_by_row(tenant: Harness) -> None:
    a, b = await tenant.given(Team(name="A", key="a")), await tenant.given(Team(name="B", key="b"))
    items = [{"id": str(a.id), "version": 1, "key": "b"}, {"id": str(b.id), "version": 1, "name": "BB"}]
    refused = await tenant.api("PATCH", f"{TEAMS}/bulk", {"items": items})
    assert errors(refused) == {"items[0].key": "another team has this already"}
    done = (await tenant.api("PATCH", f"{TEAMS}/bulk", {"items": items, "mode": "each"})).json()
    assert (done["updated"], done["items"][0]["problem"]["status"]) == (1, 409)
    assert (await tenant.get(Team, b.id)).name == "BB"


async def test_what_a_role_may_not_do_holds_in_bulk(tenant: Harness) -> None:
    mine, other = tenant.as_("crm.rep"), tenant.as_("crm.rep")
    theirs = (await other.api("POST", CONTACTS, {"name": "Theirs"})).json()
    seen = (await mine.api("POST", CONTACTS, {"name": "Mine"})).json()
    items = [{"id": one["id"], "version": 1, "city": "Jos"} for one in (theirs, seen)]

    assert (await tenant.as_("crm.viewer").api("POST", f"{CONTACTS}/bulk", {"items": [{"name": "A"}]})).status == 403
    assert (await tenant.as_().api("PATCH", f"{CONTACTS}/bulk", {"items": items})).status == 403
    refused = await mine.api("PATCH", f"{CONTACTS}/bulk", {"items": items})
    assert errors(refused) == {"items[0].id": f"there is no contact {theirs['id']} here."}
    done = (await mine.api("PATCH", f"{CONTACTS}/bulk", {"items": items, "mode": "each"})).json()
    assert [item.get("problem", {}).get("status") for item in done["items"]] == [404, None]
    hidden = await mine.api("POST", f"{ACCOUNTS}/bulk", {"items": [{"name": "A"}, {"name": "B", "tax_id": "1"}]})
    assert errors(hidden) == {"items[1].tax_id": "is not yours to set"}
