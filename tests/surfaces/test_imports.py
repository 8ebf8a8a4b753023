"""Imports: files into records, every rule on, each row judged by itself."""

from __future__ import annotations

from typing import Any

import msgspec

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
