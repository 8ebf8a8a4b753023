"""Imports: files into records, every rule on, each row judged by itself."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import msgspec

from nexus.engines.oltp import Statement
from nexus.runtime.testing import Answered, Harness
from nexus.services.auth.entities import Team
from nexus.services.crm.entities import Account, Contact

CONTACTS = "/api/v1/crm/contacts"
ND = "application/x-ndjson"


def ndjson(*rows: Any) -> bytes:
    return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)


async def take_in(crm: Harness, body: bytes, query: str = "", kind: str = ND, path: str = CONTACTS) -> Answered:
    return await crm.api("POST", f"{path}/import?{query}", body, content_type=kind)


async def outcomes(crm: Harness, done: Answered, outcome: str = "", path: str = CONTACTS) -> list[Any]:
    query = f"?outcome={outcome}" if outcome else ""
    rows = await crm.api("GET", f"{path}/imports/{done.json()['id']}/rows{query}")
    assert rows.status == 200, rows.body
    return [msgspec.json.decode(line) for line in rows.body.splitlines()]


async def test_every_row_of_a_file_becomes_a_record(tenant: Harness) -> None:
    done = await take_in(tenant, ndjson({"name": "Ada", "email": "ADA@example.com", "phone": "0803 123 4567"}, {"name": "Bob"}))

    assert done.status == 200, done.body
    said = done.json()
    assert (said["state"], said["rows"], said["created"], said["failed"], said["last_row"]) == ("done", 2, 2, 0, 2)
    ada, bob = sorted(await tenant.list(Contact), key=lambda one: one.name)
    assert (ada.name, ada.email, ada.phone, ada.version) == ("Ada", "ada@example.com", "+2348031234567", 1)
    assert (bob.name, bob.tags) == ("Bob", [f"import:{said['id']}"])
    assert ada.created_by == tenant.caller.actor.id
    assert [(row["row"], row["outcome"], row["id"]) for row in await outcomes(tenant, done)] == [
        (1, "created", str(ada.id)),
        (2, "created", str(bob.id)),
    ]


async def test_a_table_is_read_by_names_labels_and_the_map(tenant: Harness) -> None:
    table = (
        b"\xef\xbb\xbfname;Job title;Mail;Shop ID;tags;Notes\r\n"
        b'"Obi; Ada";Buyer;ada@example.com;17;vip, new;"two\r\nlines and a "" quote"\r\n'
        b"Bob;;;;;\r\n"
    )
    done = await take_in(
        tenant, table, "delimiter=semicolon&tag=false&map=Mail:email,Shop%20ID:external_refs.shop,Notes:description", "text/csv"
    )

    assert done.json()["created"] == 2, done.body
    ada, bob = await tenant.list(Contact)
    assert (ada.name, ada.title, ada.email, ada.external_refs, ada.tags) == (
        "Obi; Ada",
        "Buyer",
        "ada@example.com",
        {"shop": "17"},
        ["vip", "new"],
    )
    assert ada.description == 'two\r\nlines and a " quote'
    assert (bob.name, bob.title, bob.email, bob.external_refs, bob.tags, bob.description) == ("Bob", None, None, {}, [], None)


async def test_what_a_row_gets_wrong_is_said_and_spoils_no_other(tenant: Harness) -> None:
    lines = [
        b'{"name": "Good 1"}',
        b'{"name": "Broken',
        b"",
        b'{"name": "Wrong", "email": "no address"}',
        b'{"nme": "Typing"}',
        b"[1]",
        b'{"email": "nameless@example.com"}',
        b'{"name": "Bad \xff byte"}',
        b'{"name": "Number", "phone": "12"}',
        b'{"name": "nul \\u0000"}',
        b'{"name": "no nul \\\\u0000"}',
        b'{"name": "Nobody\'s", "account_id": "00000000-0000-0000-0000-000000000001"}',
        b'{"name": "' + b"x" * 1_100_000 + b'"}',
        b'{"name": "Good 2"}',
    ]
    done = await take_in(tenant, b"\n".join(lines), "tag=false")

    said = done.json()
    assert (said["state"], said["created"], said["failed"], said["rows"], said["last_row"]) == ("done", 3, 10, 13, 14), said
    assert [one.name for one in await tenant.list(Contact)] == ["Good 1", "no nul \\u0000", "Good 2"]
    failed = {row["row"]: row["errors"] for row in await outcomes(tenant, done, "failed")}
    assert sorted(failed) == [2, 4, 5, 6, 7, 8, 9, 10, 12, 13]
    assert failed[2][0]["message"].startswith("is not a JSON object in UTF-8")
    assert failed[4][0]["field"] == "email"
    assert failed[5] == [{"field": "nme", "message": "there is no such field"}]
    assert failed[6][0]["message"].startswith("is an object, not ")
    assert failed[7] == [{"field": "name", "message": "is required"}]
    assert failed[9][0]["field"] == "phone"
    assert failed[10] == [{"field": "name", "message": "text cannot hold the character U+0000; leave it out"}]
    assert failed[12] == [{"field": "account_id", "message": "there is no account with this id"}]
    assert failed[13] == [{"field": "", "message": "the record is longer than 1,048,576 bytes"}]


async def test_what_a_table_gets_wrong_is_said_and_spoils_no_other(tenant: Harness) -> None:
    table = b'name,city\nAda,Lagos\nBob\nCid,Kano,more\n"Dan"x,Jos\n\nEve\xff,Aba\n"Fay,open\nGil,Uyo\n'
    done = await take_in(tenant, table, "tag=false", "text/csv")

    assert [(one.name, one.city) for one in await tenant.list(Contact)] == [("Ada", "Lagos"), ("Gil", "Uyo")], done.body
    failed = {row["row"]: row["errors"][0]["message"] for row in await outcomes(tenant, done, "failed")}
    assert failed[3] == "has 1 cells, and the header 2"
    assert failed[4] == "has 3 cells, and the header 2"
    assert failed[5].startswith("is not CSV as RFC 4180 has it")
    assert failed[7].startswith("holds bytes that are not UTF-8")
    assert failed[8].startswith("a quote opens in this record and is never closed")
    assert sorted(failed) == [3, 4, 5, 7, 8]


async def test_what_an_import_cannot_be_asked_is_refused_before_anything(tenant: Harness) -> None:
    for query, kind, body, status, field in (
        ("mode=replace", ND, b"", 422, "mode"),
        ("match=nope", ND, b"", 422, "match"),
        ("match=tags", ND, b"", 422, "match"),
        ("dedupe=city", ND, b"", 422, "dedupe"),
        ("dry_run=yes", ND, b"", 422, "dry_run"),
        ("on_error=ask", ND, b"", 422, "on_error"),
        ("map=email", ND, b"", 422, "map"),
        ("delimiter=ab", "text/csv", b"name\n", 422, "delimiter"),
        ("encoding=ebcdic", "text/csv", b"name\n", 422, "encoding"),
        ("colour=red", ND, b"", 422, "colour"),
        ("", "application/json", b"[]", 422, "Content-Type"),
        ("", "text/csv", b"name,nme\nAda,x\n", 422, "nme"),
        ("", "text/csv", b"name,Name\nAda,x\n", 422, "Name"),
        ("map=Mail:email", "text/csv", b"name\nAda\n", 422, "map"),
        ("", "text/csv", b"", 400, ""),
        ("", "text/csv", "name\nAda\n".encode("utf-16"), 400, ""),
    ):
        refused = await take_in(tenant, body, query, kind)
        assert refused.status == status, (query, kind, refused.body)
        if field:
            assert refused.json()["errors"][0]["field"] == field
    assert await tenant.count(Contact) == 0
    assert (await tenant.api("GET", f"{CONTACTS}/imports")).json() == {"items": []}


async def test_who_is_known_already_is_left_out_and_reported(tenant: Harness) -> None:
    known = await tenant.given(Contact(name="Ada", email="ada@example.com", phone="+2348030000001"))
    done = await take_in(
        tenant,
        ndjson(
            {"name": "Ada again", "email": "Ada@Example.com"},
            {"name": "Bob", "email": "bob@example.com"},
            {"name": "Bob again", "email": "bob@example.com"},
            {"name": "A house mate of Ada", "phone": "+2348030000001"},
            {"name": "Nobody knows"},
            {"name": "Nobody knows"},
        ),
    )

    said = done.json()
    assert (said["created"], said["duplicates"], said["alike"], said["failed"]) == (4, 2, 1, 0), said
    bob = next(one for one in await tenant.list(Contact) if one.name == "Bob")
    assert [{k: v for k, v in row.items() if k != "id"} for row in await outcomes(tenant, done, "duplicate")] == [
        {"row": 1, "outcome": "duplicate", "same_by": "email", "same_as": str(known.id)},
        {"row": 3, "outcome": "duplicate", "same_by": "email", "same_as": str(bob.id), "same_row": 2},
    ]
    (alike,) = await outcomes(tenant, done, "alike")
    assert (alike["row"], alike["same_by"], alike["same_as"]) == (4, "phone", str(known.id))
    again = await take_in(
        tenant, ndjson({"name": "Mate", "phone": "+2348030000001"}, {"name": "B", "email": "bob@example.com"}), "dedupe=phone"
    )
    assert (again.json()["created"], again.json()["duplicates"]) == (1, 1)


async def test_companies_are_known_by_domain_and_by_name(tenant: Harness) -> None:
    await tenant.given(Account(name="Lagos Foods Ltd.", domain="lagosfoods.example"))
    body = ndjson({"name": "Other name", "domain": "lagosfoods.example"}, {"name": "LAGOS FOODS, LTD"}, {"name": "Kano Foods"})
    done = await take_in(tenant, body, "dedupe=domain,name", path="/api/v1/crm/accounts")

    assert (done.json()["created"], done.json()["duplicates"]) == (1, 2), done.body
    assert [row["same_by"] for row in await outcomes(tenant, done, "duplicate", "/api/v1/crm/accounts")] == ["domain", "name"]


async def test_updates_change_what_a_row_gives_and_nothing_else(tenant: Harness) -> None:
    ada = await tenant.given(
        Contact(name="Ada", email="ada@example.com", city="Lagos", title="Buyer"), Contact(name="Bob", email="bob@example.com")
    )
    done = await take_in(
        tenant,
        ndjson(
            {"email": "ada@example.com", "city": "Kano", "title": None},
            {"email": "bob@example.com", "name": "Bob"},
            {"email": "ada@example.com", "city": "Jos"},
            {"email": "cid@example.com", "city": "Uyo"},
            {"city": "Uyo"},
        ),
        "mode=update&match=email",
    )

    said = done.json()
    assert (said["updated"], said["unchanged"], said["duplicates"], said["failed"]) == (1, 1, 1, 2), said
    ada = await tenant.get(Contact, ada.id)
    assert (ada.name, ada.city, ada.title, ada.version, ada.tags) == ("Ada", "Kano", None, 2, [])
    assert [row["errors"] for row in await outcomes(tenant, done, "failed")] == [
        [{"field": "email", "message": "there is no contact with this value"}],
        [{"field": "email", "message": "is required to tell which record this is"}],
    ]
    assert (await outcomes(tenant, done, "duplicate"))[0]["same_row"] == 1


async def test_upserts_by_the_id_in_another_system_are_repeatable(tenant: Harness) -> None:
    rows = [{"name": f"Ada {n}", "external_refs": {"shop": str(n)}} for n in range(5)]
    first = await take_in(tenant, ndjson(*rows), "mode=upsert&match=external_refs.shop")
    rows[2]["city"] = "Kano"
    second = await take_in(
        tenant, ndjson(*rows, {"name": "New", "external_refs": {"shop": "9"}}, {"city": "Jos"}), "mode=upsert&match=external_refs.shop"
    )

    assert first.json()["created"] == 5, first.body
    said = second.json()
    assert (said["created"], said["updated"], said["unchanged"], said["failed"]) == (1, 1, 4, 1), said
    assert [row["errors"] for row in await outcomes(tenant, second, "failed")] == [[{"field": "name", "message": "is required"}]]
    assert sorted((one.external_refs["shop"], one.city) for one in await tenant.list(Contact)) == [
        ("0", None), ("1", None), ("2", "Kano"), ("3", None), ("4", None), ("9", None),
    ]  # fmt: skip


async def test_more_than_one_match_is_not_guessed(tenant: Harness) -> None:
    await tenant.given(Contact(name="Ada", email="a@example.com"), Contact(name="Ada", email="a@example.com"))
    done = await take_in(tenant, ndjson({"email": "a@example.com", "city": "Jos"}), "mode=update&match=email")

    assert [row["errors"] for row in await outcomes(tenant, done)] == [[{"field": "email", "message": "means more than one contact"}]]


async def test_what_must_be_unique_is_found_in_the_base_and_in_the_file(tenant: Harness) -> None:
    await tenant.given(Team(name="Blue", key="blue"))
    body = ndjson({"name": "A", "key": "blue"}, {"name": "B", "key": "red"}, {"name": "C", "key": "red"}, {"name": "D", "key": "grey"})
    for query, made in (("dry_run=true", 1), ("", 3)):
        done = await take_in(tenant, body, query, path="/api/v1/auth/teams")
        assert (done.json()["created"], done.json()["failed"]) == (2, 2), done.body
        assert [(row["row"], row["errors"]) for row in await outcomes(tenant, done, "failed", "/api/v1/auth/teams")] == [
            (1, [{"field": "key", "message": "Another team has this key already."}]),
            (3, [{"field": "key", "message": "Another team has this key already."}]),
        ]
        assert await tenant.count(Team) == made


async def test_a_dry_run_says_the_same_and_changes_nothing(tenant: Harness) -> None:
    known = await tenant.given(Contact(name="Ada", email="ada@example.com"))
    rows = [{"name": f"N {n}", "email": f"n{n % 2500}@example.com"} for n in range(5000)]
    rows += [{"name": "Ada", "email": "ada@example.com", "city": "Jos"}, {"name": "", "email": "x@example.com"}]
    dry = await take_in(tenant, ndjson(*rows), "mode=upsert&match=email&dry_run=true")

    said = dry.json()
    assert (said["state"], said["dry_run"]) == ("done", True)
    assert (said["created"], said["updated"], said["duplicates"], said["failed"]) == (2500, 1, 2500, 1), said
    assert await tenant.count(Contact) == 1
    assert (await tenant.get(Contact, known.id)).version == 1
    real = (await take_in(tenant, ndjson(*rows), "mode=upsert&match=email")).json()
    assert [real[name] for name in ("created", "updated", "unchanged", "duplicates", "failed")] == [2500, 1, 0, 2500, 1]
    undone = await tenant.api("POST", f"{CONTACTS}/imports/{said['id']}/undo")
    assert (undone.status, await tenant.count(Contact)) == (409, 2501)


async def test_it_stops_at_the_first_failure_when_asked_and_goes_on_with_a_mended_file(tenant: Harness) -> None:
    good = [{"name": f"N {n}"} for n in range(3000)]
    body = ndjson(*good[:2500], {"name": "Bad", "email": "no"}, *good[2500:])
    done = (await take_in(tenant, body, "on_error=stop")).json()

    assert (done["state"], done["created"], done["failed"], done["last_row"]) == ("stopped", 2500, 0, 2500), done
    assert done["stopped_by"]["row"] == 2501
    assert done["stopped_by"]["errors"][0]["field"] == "email"
    mended = ndjson(*good[:2500], {"name": "Good"}, *good[2500:])
    again = await tenant.api("POST", f"{CONTACTS}/imports/{done['id']}/resume", mended)
    assert (again.status, again.json()["state"], again.json()["created"]) == (200, "done", 3001), again.body
    assert await tenant.count(Contact) == 3001


async def test_it_stops_at_a_row_that_the_database_refuses(tenant: Harness) -> None:
    body = ndjson({"name": "A", "key": "a"}, {"name": "B", "key": "a"}, {"name": "C", "key": "c"})
    done = (await take_in(tenant, body, "on_error=stop", path="/api/v1/auth/teams")).json()

    assert (done["state"], done["created"], done["last_row"], done["stopped_by"]["row"]) == ("stopped", 1, 1, 2), done
    assert [one.name for one in await tenant.list(Team)] == ["A"]


async def test_a_key_makes_the_request_safe_to_send_again(tenant: Harness) -> None:
    body = ndjson({"name": "Ada"})
    first = await tenant.api("POST", f"{CONTACTS}/import", body, content_type=ND, idempotency_key="k")
    again = await tenant.api("POST", f"{CONTACTS}/import", body, content_type=ND, idempotency_key="k")
    other = await tenant.api("POST", f"{CONTACTS}/import?mode=upsert", body, content_type=ND, idempotency_key="k")

    assert (again.status, again.json()) == (200, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    assert (other.status, other.json()["type"]) == (409, "/problems/key-reused")
    assert await tenant.count(Contact) == 1


async def test_undo_takes_back_what_nobody_has_changed_since(tenant: Harness) -> None:
    old = await tenant.given(Contact(name="Old", email="old@example.com", city="Lagos"), Contact(name="Older", email="older@example.com"))
    body = ndjson(
        {"name": "New", "email": "new@example.com"},
        {"name": "Newer", "email": "newer@example.com"},
        {"name": "Old!", "email": "old@example.com", "city": None},
        {"name": "Older!", "email": "older@example.com"},
    )
    done = (await take_in(tenant, body, "mode=upsert&match=email")).json()
    assert (done["created"], done["updated"]) == (2, 2), done
    by_name = {one.name: one for one in await tenant.list(Contact)}
    for name in ("Newer", "Older!"):
        changed = await tenant.api("PATCH", f"{CONTACTS}/{by_name[name].id}", {"title": "CEO"}, if_match="*")
        assert changed.status == 200

    place = f"{CONTACTS}/imports/{done['id']}"
    undone = (await tenant.api("POST", f"{place}/undo")).json()
    assert (undone["state"], undone["undone"], undone["kept"]) == ("undone", 2, 2), undone
    assert [row["row"] for row in await outcomes(tenant, await tenant.api("GET", place), "kept")] == [2, 4]
    again = await tenant.api("POST", f"{place}/undo")
    assert (again.status, again.json()) == (200, undone)
    now = await tenant.get(Contact, old.id)
    assert (now.name, now.city, now.version) == ("Old", "Lagos", 3)
    live = await tenant.list(Contact, Contact.archived_at.is_(None))
    assert sorted(one.name for one in live) == ["Newer", "Old", "Older!"]
    assert (await tenant.api("POST", f"{place}/resume", body)).json()["state"] == "undone"


async def test_the_journal_says_which_import_a_row_came_from(tenant: Harness) -> None:
    done = (await take_in(tenant, ndjson({"name": "Ada"}, {"name": "Bob"}))).json()

    ((audit, events),) = await journal(tenant)
    assert (audit["command"], audit["import"], audit["count"]) == ("crm.contact:import", done["id"], 2)
    assert [(event["type"], event["causationid"], event["data"]["name"]) for event in events] == [
        ("crm.contact.created", done["id"], "Ada"),
        ("crm.contact.created", done["id"], "Bob"),
    ]
    assert audit["ids"] == [event["subject"] for event in events]


async def journal(crm: Harness) -> list[tuple[Any, Any]]:
    """What the tenant's commands left for the relay."""
    statement = Statement("SELECT audit, events FROM nexus_cell.journal WHERE tenant = $1 ORDER BY seq")
    (result,) = await crm._oltp.run(None, (statement, [crm.caller.schema.encode()]))
    return [(msgspec.json.decode(row[0] or b""), msgspec.json.decode(row[1] or b"null")) for row in result.rows]


async def test_only_who_may_do_it_by_hand_may_import(tenant: Harness) -> None:
    rep, manager = tenant.as_("crm.rep"), tenant.as_("crm.manager")
    assert (await take_in(rep, ndjson({"name": "Ada"}))).json()["permission"] == "crm.contact:import"
    assert (await take_in(tenant.as_("crm.viewer"), ndjson({"name": "Ada"}))).status == 403
    done = await take_in(manager, ndjson({"name": "Ada"}))
    assert done.json()["created"] == 1
    for verb in ("undo", "resume"):
        assert (await rep.api("POST", f"{CONTACTS}/imports/{done.json()['id']}/{verb}")).status == 403
    assert (await rep.api("GET", f"{CONTACTS}/imports/{done.json()['id']}/rows")).status == 403
    assert (await manager.api("GET", f"/api/v1/crm/accounts/imports/{done.json()['id']}")).status == 404
    deals = await take_in(tenant, ndjson({"title": "x"}), path="/api/v1/crm/deals")
    assert (deals.status, deals.json()["errors"][0]["field"]) == (422, "mode")


async def test_updates_reach_only_what_the_caller_sees(tenant: Harness) -> None:
    mine, manager = uuid4(), tenant.as_("crm.manager")
    mine = manager.caller.actor.id or mine
    seen = await tenant.given(
        Contact(name="Mine", email="m@example.com", owner_id=mine), Contact(name="Theirs", email="t@example.com", owner_id=uuid4())
    )
    body = ndjson({"name": "M", "email": "m@example.com"}, {"name": "T", "email": "t@example.com"})
    done = await take_in(manager, body, "mode=update&match=email")

    assert (done.json()["updated"], done.json()["failed"]) == (1, 1), done.body
    assert sorted(one.name for one in await tenant.list(Contact)) == ["M", "Theirs"]
    assert (await tenant.get(Contact, seen.id)).name == "M"
