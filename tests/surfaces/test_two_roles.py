"""A caller with several roles: each shows its own records in its own way, and what one hides, another does not show of records it does not see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
import pytest

from nexus.core import Me
from nexus.core.ids import uuid7
from nexus.core.policy import ROLES, Role
from nexus.core.problem import Forbidden
from nexus.runtime.testing import Harness
from nexus.services.crm.api import AssignContact
from nexus.services.crm.entities import Account, Contact

CONTACTS = "/api/v1/crm/contacts"


@dataclass
class Firm:
    """Contacts of the caller and of somebody else, for a reader who is a representative as well."""

    tenant: Harness
    both: Harness
    mine: UUID
    theirs: UUID

    async def names(self, query: str) -> list[str]:
        answer = await self.both.api("GET", f"{CONTACTS}?{query}")
        assert answer.status == 200, answer.body
        return [one["name"] for one in answer.json()["items"]]


@pytest.fixture
async def firm(tenant: Harness) -> Firm:
    me, other = uuid7(), uuid7()
    account = Account(name="Foods", owner_id=other, phone="+2348030000009")
    mine = Contact(name="Ada", email="ada@one.example", phone="+2348030000001", owner_id=me, account_id=account.id)
    theirs = Contact(name="Eve", email="eve@two.example", phone="+2348030000002", owner_id=other)
    await tenant.given(account)
    await tenant.given(mine, theirs)
    return Firm(tenant, tenant.as_("crm.viewer", "crm.rep", id=me), mine.id, theirs.id)


async def test_a_record_shows_what_a_role_shows_that_sees_it(firm: Firm) -> None:
    listed = (await firm.both.api("GET", f"{CONTACTS}?sort=name&expand=account")).json()["items"]
    assert [(one["name"], one["email"], one["phone"]) for one in listed] == [
        ("Ada", "ada@one.example", "+2348030000001"),
        ("Eve", None, None),
    ]
    assert (listed[0]["account"]["name"], listed[0]["account"]["phone"]) == ("Foods", None)
    for id, email in ((firm.mine, "ada@one.example"), (firm.theirs, None)):
        one = await firm.both.api("GET", f"{CONTACTS}/{id}?fields=email")
        assert (one.status, one.json()["email"]) == (200, email)


@pytest.mark.parametrize("form", ["ndjson", "csv"])
async def test_an_export_shows_no_more(firm: Firm, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    monkeypatch.setitem(ROLES, "test.exporter", Role("test.exporter", "Takes out", frozenset({"crm.contact:export"})))
    caller = firm.tenant.as_("crm.viewer", "crm.rep", "test.exporter", id=firm.both.caller.actor.id)
    answer = await caller.api("GET", f"{CONTACTS}/export?format={form}&fields=name,email")
    assert answer.status == 200, answer.body
    assert b"ada@one.example" in answer.body
    assert b"Eve" in answer.body
    assert b"eve@two" not in answer.body


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("email=eve@two.example", []),
        ("email=ada@one.example", ["Ada"]),
        ("email[starts]=eve", []),
        ("email[contains]=example", ["Ada"]),
        ("email[gt]=b@b.example", []),
        ("email[in]=eve@two.example,ada@one.example", ["Ada"]),
        ("email[nin]=x@x.example", ["Ada"]),
        ("email[ne]=eve@two.example", ["Ada", "Eve"]),
        ("email[ne]=ada@one.example", ["Eve"]),
        ("email[null]=true", ["Eve"]),
        ("email[null]=false", ["Ada"]),
        ('where={"not":{"email":"eve@two.example"}}', ["Ada", "Eve"]),
        ('where={"or":[{"email":"eve@two.example"},{"phone":"%2B2348030000002"}]}', []),
        ("q=two", []),
        ("q=eve", ["Eve"]),
        ("q=one", ["Ada"]),
        ("q=2348030000002", []),
    ],
)
async def test_a_filter_reads_what_is_shown(firm: Firm, query: str, names: list[str]) -> None:
    assert await firm.names(f"sort=name&{query}") == names
    counted = (await firm.both.api("GET", f"{CONTACTS}?{query}&count=exact")).json()
    assert counted["count"] == len(names)


@pytest.mark.parametrize(
    ("sort", "names"), [("email", ["Bea", "Ada", "Eve"]), ("-email", ["Ada", "Bea", "Eve"]), ("-email,name", ["Ada", "Bea", "Eve"])]
)
async def test_an_order_tells_nothing_of_what_is_hidden_and_pages_miss_nothing(firm: Firm, sort: str, names: list[str]) -> None:
    await firm.tenant.given(Contact(name="Bea", email="aaa@one.example", owner_id=firm.both.caller.actor.id))
    found: list[str] = []
    cursor = ""
    for _ in range(5):
        page = (await firm.both.api("GET", f"{CONTACTS}?sort={sort}&limit=1{cursor}")).json()
        found += [one["name"] for one in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert found == names


async def test_to_see_more_is_not_to_change_more(firm: Firm) -> None:
    place = f"{CONTACTS}/{firm.theirs}"
    refused = await firm.both.api("PATCH", place, {"name": "Mine"}, if_match="*")
    assert (refused.status, refused.json()["permission"]) == (403, "crm.contact:update")
    many = await firm.both.api(
        "PATCH",
        f"{CONTACTS}/bulk",
        {"mode": "each", "items": [{"id": str(id), "version": None, "city": "Jos"} for id in (firm.theirs, firm.mine)]},
    )
    assert (many.json()["updated"], many.json()["items"][1]) == (1, {"id": str(firm.mine), "version": 2})
    with pytest.raises(Forbidden):
        await firm.both.run(AssignContact(contact_id=firm.theirs, owner_id=firm.both.caller.actor.id))
    there = await firm.tenant.get(Contact, firm.theirs)
    assert (there.name, there.city, there.version) == ("Eve", None, 1)
    assert (await firm.both.api("PATCH", f"{CONTACTS}/{uuid7()}", {"name": "Mine"}, if_match="*")).status == 404


async def test_what_is_shown_of_a_record_may_be_changed_on_it(firm: Firm) -> None:
    changed = await firm.both.api("PATCH", f"{CONTACTS}/{firm.mine}", {"email": "ada@new.example"}, if_match='"1"', idempotency_key="k")
    assert (changed.status, changed.json()["email"]) == (200, "ada@new.example")
    again = await firm.both.api("PATCH", f"{CONTACTS}/{firm.mine}", {"email": "ada@new.example"}, if_match='"1"', idempotency_key="k")
    assert (again.json(), again.headers["idempotency-replayed"]) == (changed.json(), "true")
    made = await firm.both.api("POST", CONTACTS, {"name": "Given away", "email": "x@one.example", "owner_id": str(uuid7())})
    assert (made.status, made.json()["email"]) == (201, None)


@pytest.fixture
def clerk(firm: Firm, monkeypatch: pytest.MonkeyPatch) -> Harness:
    """Changes every contact but sees no address, apart from those of its own records."""
    blind = Role("test.clerk", "Clerk", frozenset({"crm.contact:read", "crm.contact:update"}), hides={Contact: frozenset({"email"})})
    own = Role("test.own", "Own", frozenset({"crm.contact:read"}), sees={Contact: lambda me: Contact.owner_id == Me.id})
    monkeypatch.setitem(ROLES, blind.name, blind)
    monkeypatch.setitem(ROLES, own.name, own)
    return firm.tenant.as_(blind.name, own.name, id=firm.both.caller.actor.id)


async def test_what_is_hidden_on_a_record_cannot_be_written_on_it(firm: Firm, clerk: Harness) -> None:
    error: Any = {"field": "email", "message": "is not yours to set"}
    refused = await clerk.api("PATCH", f"{CONTACTS}/{firm.theirs}", {"email": "x@x.example", "city": "Jos"}, if_match="*")
    assert (refused.status, refused.json()["errors"]) == (422, [error])
    items = [{"id": str(id), "version": None, "email": "x@x.example"} for id in (firm.theirs, firm.mine)]
    many = await clerk.api("PATCH", f"{CONTACTS}/bulk", {"items": items})
    assert (many.status, many.json()["errors"]) == (422, [error | {"field": "items[0].email"}])
    assert (await firm.tenant.get(Contact, firm.theirs)).version == 1
    assert (await clerk.api("PATCH", f"{CONTACTS}/{firm.theirs}", {"city": "Jos"}, if_match="*")).json()["email"] is None
    assert (await clerk.api("PATCH", f"{CONTACTS}/{firm.mine}", {"email": "x@x.example"}, if_match="*")).json()["email"] == "x@x.example"


async def test_an_import_changes_no_more_and_tells_nothing_of_what_is_hidden(firm: Firm, monkeypatch: pytest.MonkeyPatch) -> None:
    taker = Role("test.taker", "Takes in", frozenset({"crm.contact:import", "crm.contact:create"}))
    monkeypatch.setitem(ROLES, taker.name, taker)
    caller = firm.tenant.as_("crm.viewer", "crm.rep", taker.name, id=firm.both.caller.actor.id)

    async def taken_in(query: str, *rows: dict[str, Any]) -> Any:
        lines = b"\n".join(msgspec.json.encode(row) for row in rows)
        return await caller.api("POST", f"{CONTACTS}/import?tag=false&{query}", lines, content_type="application/x-ndjson")

    by_hidden = await taken_in("mode=update&match=email", {"email": "eve@two.example", "city": "Jos"})
    assert (by_hidden.status, by_hidden.json()["errors"][0]["field"]) == (422, "match")
    changed = (await taken_in("mode=update", *[{"id": str(id), "city": "Jos"} for id in (firm.mine, firm.theirs)])).json()
    assert (changed["updated"], changed["failed"]) == (1, 1)
    assert (await firm.tenant.get(Contact, firm.theirs)).city is None
    rows = [{"name": name, "email": email} for name, email in (("A", "ada@one.example"), ("E", "eve@two.example"))]
    for dry in ("true", "false"):
        made = (await taken_in(f"dedupe=email&dry_run={dry}", *rows)).json()
        assert (made["created"], made["duplicates"]) == (1, 1)
    assert await firm.tenant.count(Contact, Contact.email == "eve@two.example") == 2
