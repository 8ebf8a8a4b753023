"""Exports: what the list shows, all of it, in a form that can be imported again."""

from __future__ import annotations

import csv
import io
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexus.core.service import Service
from nexus.engines.oltp import Statement
from nexus.engines.oltp.postgres import Postgres
from nexus.runtime.testing import Harness
from nexus.services.crm.entities import Account, Contact, Redirect
from nexus.services.crm.terms import FurtherEmail
from nexus.surfaces.shapes import shape_of

CONTACTS = "/api/v1/crm/contacts"
SYSTEM = ("created_at", "created_by", "updated_at", "updated_by", "version")


async def exported(crm: Harness, query: str = "", path: str = CONTACTS) -> list[Any]:
    answer = await crm.api("GET", f"{path}/export?{query}")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/x-ndjson"), answer.body
    return [msgspec.json.decode(line) for line in answer.body.splitlines()]


async def test_an_export_is_the_list_without_its_end(tenant: Harness) -> None:
    await tenant.given(*[Contact(name=f"N {n:04}", city="Lagos" if n % 2 else "Kano") for n in range(2345)])

    rows = await exported(tenant, "city=Lagos&sort=-name&fields=name")
    assert [row["name"] for row in rows] == [f"N {n:04}" for n in range(2344, 0, -1) if n % 2]
    assert list(rows[0]) == ["id", "name", "version"]
    page = (await tenant.api("GET", f"{CONTACTS}?city=Lagos&sort=-name&limit=500")).json()["items"]
    assert (await exported(tenant, "city=Lagos&sort=-name"))[:500] == page
    assert await exported(tenant, "city=Jos") == []


async def test_a_table_has_a_header_and_runs_nothing_in_a_spreadsheet(tenant: Harness) -> None:
    await tenant.given(
        Contact(name="=cmd|'/c calc'!A0", title='a "b", c\nd', phone="+2348030000001", tags=["x", "y"], external_refs={"shop": "1"}),
        Contact(name="'=1", title="'tis"),
    )
    answer = await tenant.api("GET", f"{CONTACTS}/export?format=csv&sort=id&fields=name,title,phone,tags,external_refs,city")

    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert answer.headers["content-disposition"] == 'attachment; filename="contacts.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.body.decode(), newline="")))
    assert answer.body.startswith(b"id,name,phone,title,city,version,tags,external_refs\r\n")
    assert (rows[0]["name"], rows[0]["title"], rows[0]["phone"]) == ("'=cmd|'/c calc'!A0", 'a "b", c\nd', "+2348030000001")
    assert (rows[0]["tags"], rows[0]["external_refs"], rows[0]["city"]) == ('["x", "y"]', '{"shop": "1"}', "")
    assert (rows[1]["name"], rows[1]["title"]) == ("''=1", "'tis")
    raw = await tenant.api("GET", f"{CONTACTS}/export?format=csv&formulas=raw&fields=name&sort=id")
    assert b"\"=cmd|'/c calc'!A0\"" in raw.body


async def test_a_role_exports_exactly_what_it_sees(tenant: Harness) -> None:
    team, manager = uuid4(), tenant.as_("crm.manager")
    boss = tenant.as_("crm.manager", id=manager.caller.actor.id, teams=(team,))
    await tenant.given(
        Contact(name="Team's", team_id=team, owner_id=uuid4()),
        Contact(name="Mine", owner_id=boss.caller.actor.id),
        Contact(name="Theirs", owner_id=uuid4()),
        Contact(name="Nobody's, of the team", team_id=team),
        Contact(name="Archived"),
    )
    assert [row["name"] for row in await exported(boss, "sort=name")] == ["Mine", "Nobody's, of the team", "Team's"]
    listed = (await boss.api("GET", f"{CONTACTS}?sort=name")).json()["items"]
    assert await exported(boss, "sort=name") == listed
    for role in ("crm.rep", "crm.viewer"):
        refused = await tenant.as_(role).api("GET", f"{CONTACTS}/export")
        assert (refused.status, refused.json()["permission"]) == (403, "crm.contact:export")


async def test_what_makes_no_sense_is_refused(tenant: Harness) -> None:
    for query, field in (
        ("format=xlsx", "format"),
        ("limit=5", "limit"),
        ("cursor=x", "cursor"),
        ("expand=account", "expand"),
        ("formulas=yes", "formulas"),
        ("nope=1", "nope"),
        ("sort=tags", "sort"),
    ):
        refused = await tenant.api("GET", f"{CONTACTS}/export?{query}")
        assert (refused.status, refused.json()["errors"][0]["field"]) == (422, field), query
    assert (await tenant.api("POST", f"{CONTACTS}/export")).status == 405


async def test_every_export_is_in_the_audit(tenant: Harness) -> None:
    from tests.surfaces.test_imports import journal

    await exported(tenant, "city=Lagos")
    await exported(tenant, "", "/api/v1/crm/redirects")
    (contacts, none), (redirects, _) = await journal(tenant)
    assert (contacts["command"], contacts["query"], contacts["format"], "fields" in contacts) == (
        "crm.contact:export",
        "city=Lagos",
        "ndjson",
        False,
    )
    assert (redirects["command"], redirects["fields"]) == ("crm.redirect:export", ["before"])
    assert none is None
    assert Redirect.entity_name() == "crm.redirect"


async def test_what_is_disclosed_by_an_expanded_record_is_in_the_audit_by_its_path(
    tenant: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.surfaces.test_imports import journal

    monkeypatch.setattr(shape_of(Account), "sensitive", frozenset({"tax_id"}))
    top = await tenant.given(Account(name="Top", tax_id="T-1"))
    account = await tenant.given(Account(name="Below", parent_account_id=top.id))
    contact = await tenant.given(Contact(name="Ada", account_id=account.id))
    deep = "expand=account,account.parent_account&fields=name"
    for path, caller in ((f"{CONTACTS}/{contact.id}", tenant), (CONTACTS, tenant), (CONTACTS, tenant.as_("crm.viewer"))):
        assert (await caller.api("GET", f"{path}?{deep}")).status == 200
    one, page = [said for said, _ in await journal(tenant) if said["command"] == "crm.contact:read"]
    assert (one["entity_id"], one["fields"]) == (str(contact.id), ["account.tax_id", "account.parent_account.tax_id"])
    assert (page["query"], page["fields"]) == ([deep], one["fields"])


async def test_an_export_shows_one_moment_and_ends_when_nobody_listens(tenant: Harness) -> None:
    await tenant.given(*[Contact(name=f"N {n}") for n in range(5000)])
    seen: list[bytes] = []

    async def first_parts(part: bytes) -> bool:
        seen.append(part)
        await tenant.api("POST", CONTACTS, {"name": "Late"})
        return len(seen) < 2

    await tenant.stream("GET", f"{CONTACTS}/export", until=first_parts)
    assert len(seen) == 2
    assert b"Late" not in b"".join(seen)
    assert len(await exported(tenant)) == 5000 + 2


WORDS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), min_size=1, max_size=30)
LINES = WORDS.filter(lambda text: not text.isspace())
RECORDS = st.builds(
    Contact,
    name=LINES,
    title=st.none() | LINES,
    description=st.none() | WORDS,
    email=st.none() | st.sampled_from(["a@example.com", "=b+c@example.com"]),
    phone=st.none() | st.just("+2348031234567"),
    tags=st.lists(WORDS, max_size=3),
    external_refs=st.dictionaries(WORDS, WORDS, max_size=2),
    custom=st.dictionaries(
        WORDS, st.none() | st.booleans() | st.integers(-(2**53), 2**53) | WORDS | st.lists(WORDS, max_size=2), max_size=2
    ),
    more_emails=st.lists(st.just(FurtherEmail(address="x@example.com")), max_size=1),
    email_verified=st.booleans(),
)


@pytest.fixture
async def pair(oltp: Postgres, database: Any, services: dict[str, Service]) -> list[Harness]:
    """Two businesses."""
    return [await Harness.fresh(oltp, database.owner, [services["auth"], services["crm"]]) for _ in range(2)]


async def emptied(crm: Harness) -> None:
    clear = [Statement(f"DELETE FROM {{s}}.{name}") for name in ("crm_contact", "crm_account", "nexus_import", "nexus_import_row")]
    await crm._oltp.run(crm.caller.schema, *[(one, []) for one in clear])


@pytest.mark.parametrize("form", ["ndjson", "csv"])
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=st.lists(RECORDS, max_size=5))
async def test_what_was_exported_is_imported_as_it_was(pair: list[Harness], form: str, records: list[Contact]) -> None:
    """Export, import into an empty business, export: equal in all but who wrote it and when."""
    here, there = pair
    await emptied(here)
    await emptied(there)
    account = await here.given(Account(name="=Foods", annual_revenue=None))
    for record in records:
        record.account_id = account.id
    await here.given(*records, Contact(name="Last"))
    kind = "application/x-ndjson" if form == "ndjson" else "text/csv"
    for path in ("/api/v1/crm/accounts", CONTACTS):
        sent = await here.api("GET", f"{path}/export?format={form}&sort=id")
        done = await there.api("POST", f"{path}/import?dedupe=none&tag=false", sent.body, content_type=kind)
        assert (done.status, done.json()["failed"]) == (200, 0), done.body
        assert plain(await exported(there, "sort=id", path)) == plain(await exported(here, "sort=id", path))
    assert len(await there.list(Contact)) == len(records) + 1


def plain(rows: list[Any]) -> list[Any]:
    return [{name: value for name, value in row.items() if name not in SYSTEM} for row in rows]
