"""Which contacts and accounts may be the same."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexus.core import Forbidden, select, uuid7
from nexus.runtime.testing import Harness
from nexus.services.crm.entities import Account, Contact, Lead
from nexus.services.crm.queries.duplicates import DuplicateAccounts, DuplicateContacts
from nexus.services.crm.rules.duplicates import likeness, shared, trigrams
from nexus.services.crm.terms import FurtherEmail, FurtherPhone


async def contacts(crm: Harness, *several: Contact) -> None:
    await crm.given(*several)


def told(rows: list[dict[str, Any]]) -> list[tuple[str, str, int, list[str]]]:
    return [(row["name"], row["other_name"], row["score"], row["reasons"]) for row in rows]


async def test_shared_addresses_and_numbers(crm: Harness) -> None:
    await crm.given(
        Contact(name="Ada Obi", email="ada@one.example", phone="+2348031234567"),
        Contact(name="Ada Obi", email="other@two.example", more_emails=[FurtherEmail(address="ada@one.example")]),
        Contact(name="Obi, Ada", more_phones=[FurtherPhone(number="+2348031234567")]),
        Contact(name="Bola Ige", email="bola@three.example", phone="+2348039999999"),
    )

    found = told(await crm.ask(DuplicateContacts()))

    assert found == [
        ("Ada Obi", "Ada Obi", 95, ["email", "name"]),
        ("Ada Obi", "Obi, Ada", 85, ["phone", "similar_name"]),
    ]


async def test_names_alone_are_weak_and_at_one_company_strong(crm: Harness) -> None:
    home = await crm.given(Account(name="Home"))
    await crm.given(
        Contact(name="John Smith", account_id=home.id),
        Contact(name="Jon Smith", account_id=home.id),
        Contact(name="Amina Bello", email="amina@lagosfoods.example"),
        Contact(name="AMINA BELLO", email="a.bello@lagosfoods.example"),
        Contact(name="Chidi Eze", email="chidi@gmail.com"),
        Contact(name="Chidi Eze", email="eze@gmail.com"),
    )

    found = told(await crm.ask(DuplicateContacts(min_score=40)))

    assert found == [
        ("Amina Bello", "AMINA BELLO", 85, ["name_there"]),
        ("John Smith", "Jon Smith", 50, ["similar_name_there"]),
        ("Chidi Eze", "Chidi Eze", 50, ["name"]),
    ]


async def test_a_shared_mailbox_does_not_make_two_people_one(crm: Harness) -> None:
    await crm.given(Contact(name="Ada Obi", phone="+2348031234567"), Contact(name="Yusuf Musa", phone="+2348031234567"))

    assert told(await crm.ask(DuplicateContacts())) == []
    assert told(await crm.ask(DuplicateContacts(min_score=30))) == [("Ada Obi", "Yusuf Musa", 35, ["phone"])]


async def test_of_one_contact_only_its_own(crm: Harness) -> None:
    a, b, c = (Contact(name="Ada Obi", email="ada@one.example") for _ in range(3))
    await crm.given(a, b, c, Contact(name="Bola", email="b@b.example"), Contact(name="Bola", email="b@b.example"))

    found = await crm.ask(DuplicateContacts(contact_id=b.id))

    assert [(row["contact_id"], row["other_id"]) for row in found] == [(str(b.id), str(a.id)), (str(b.id), str(c.id))]
    assert await crm.ask(DuplicateContacts(contact_id=uuid7())) == []


async def test_accounts_by_domain_and_name(crm: Harness) -> None:
    await crm.given(
        Account(name="Lagos Foods", domain="lagosfoods.example"),
        Account(name="Lagos Foods Ltd.", domain="lagosfoods.example"),
        Account(name="LAGOS-FOODS"),
        Account(name="Kano Textiles", phone="+2348031234567"),
        Account(name="Kano Textile", phone="+2348031234567"),
        Account(name="Abuja Steel", domain="steel.example"),
        Account(name="Zaria Cotton", domain="steel.example"),
    )

    found = told(await crm.ask(DuplicateAccounts()))

    assert found == [
        ("Lagos Foods", "Lagos Foods Ltd.", 91, ["domain", "similar_name"]),
        ("Kano Textiles", "Kano Textile", 82, ["phone", "similar_name"]),
        ("Lagos Foods", "LAGOS-FOODS", 80, ["name"]),
        ("Lagos Foods Ltd.", "LAGOS-FOODS", 56, ["similar_name"]),
        ("Abuja Steel", "Zaria Cotton", 50, ["domain"]),
    ]


async def test_an_account_and_its_parent_are_no_duplicates(crm: Harness) -> None:
    group = await crm.given(Account(name="Lagos Foods", domain="lagosfoods.example"))
    await crm.given(Account(name="Lagos Foods", domain="lagosfoods.example", parent_account_id=group.id))

    assert await crm.ask(DuplicateAccounts()) == []


async def test_shows_what_the_caller_sees_to_whoever_may_merge(crm: Harness) -> None:
    team = uuid7()
    a, b, *others = (Contact(name="Ada Obi", email="ada@one.example", team_id=one) for one in (team, team, uuid7(), None))
    await crm.given(a, b, *others)
    manager = crm.as_("crm.manager", teams=(team,))

    found = await manager.ask(DuplicateContacts())
    assert [(row["contact_id"], row["other_id"]) for row in found] == [(str(a.id), str(b.id))]
    assert len(await manager.ask(DuplicateContacts(contact_id=a.id))) == 1
    assert len(await crm.ask(DuplicateContacts())) == 6
    for role in ("crm.rep", "crm.viewer"):
        with pytest.raises(Forbidden):
            await crm.as_(role).ask(DuplicateContacts())


async def test_archived_ones_are_left_out(crm: Harness) -> None:
    gone = await crm.given(Contact(name="Ada", email="ada@one.example"))
    await crm.given(Contact(name="Ada", email="ada@one.example"))
    await crm.api("DELETE", f"/api/v1/crm/contacts/{gone.id}", if_match="*")

    assert await crm.ask(DuplicateContacts()) == []


async def test_is_a_report_of_the_api(crm: Harness) -> None:
    await crm.given(*[Account(name="Lagos Foods") for _ in range(3)])

    answered = await crm.api("GET", "/api/v1/crm/reports/duplicate-accounts?min_score=80&limit=2")
    assert (answered.status, len(answered.json()["items"])) == (200, 2)
    for query, field in (("limit=0", "limit"), ("min_score=101", "min_score"), ("account_id=x", "account_id"), ("newest=1001", "newest")):
        refused = await crm.api("GET", f"/api/v1/crm/reports/duplicate-accounts?{query}")
        assert (refused.status, refused.json()["errors"][0]["field"]) == (422, field)


@pytest.mark.parametrize(
    "name", ["'; DROP TABLE crm_contact; --", "***", "%_\\", "O'Brien & Sons: <b>", "\u202eabc", "名前 東京", "a" * 200]
)
async def test_names_are_text_and_nothing_else(crm: Harness, name: str) -> None:
    await crm.given(Contact(name=name, email="x@one.example"), Contact(name=name, email="x@one.example"))
    await crm.given(Account(name=name), Account(name=name), Lead(name="L"))

    (pair,) = await crm.ask(DuplicateContacts())
    assert (pair["name"], pair["score"] >= 50) == (name, True)
    await crm.ask(DuplicateAccounts())


def triples(name: str) -> set[str]:
    words = [f"  {word} " for word in re.split(r"[\W_]+", name.lower()) if word]
    return {word[at : at + 3] for word in words for at in range(len(word) - 2)}


def alike(left: str, right: str) -> Decimal:
    mine, theirs = triples(left), triples(right)
    return (Decimal(len(mine & theirs)) / (len(mine | theirs) or 1)).quantize(Decimal("0.01"), "ROUND_HALF_UP")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(left=st.text("abAB -'é", max_size=14), right=st.text("abAB -'é", max_size=14))
async def test_names_are_compared_by_the_triples_they_share(crm: Harness, left: str, right: str) -> None:
    async with crm._work() as work:
        (row,) = await work.rows(_comparison(left, right))

    assert Decimal(row["likeness"]) == alike(left, right)


def _comparison(left: str, right: str) -> Any:
    from sqlalchemy import Text, literal  # the only test that needs names without records

    names = select(literal(left, Text).label("a"), literal(right, Text).label("b")).cte("names")
    sides = select(trigrams("names.a").label("x"), trigrams("names.b").label("y")).select_from(names).cte("sides")
    counted = select(*sides.c, shared("sides.x", "sides.y").label("both")).cte("counted")
    return select(likeness("counted.x", "counted.y", "counted.both").cast(Text).label("likeness")).select_from(counted)
