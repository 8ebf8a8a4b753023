"""A create says in its journal what the database would say of the record, alone and in bulk."""

from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from nexus.runtime.testing import Harness
from nexus.surfaces.shapes import by_name
from nexus.surfaces.sql import call
from nexus.surfaces.writes import masked_json

LEAD = {
    "name": "Ada",
    "company": "Ada Bakery",
    "email": "Ada@Example.com",
    "priority": "urgent",
    "tags": ["fair"],
    "custom": {"a": ["ü", None]},
}


async def told(tenant: Harness) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Of each record: what audit keeps of it, and its event."""
    rows = sa.text("SELECT audit, events FROM nexus_cell.journal WHERE tenant = :tenant ORDER BY seq").bindparams(
        tenant=tenant.caller.schema
    )
    (found,) = await tenant._oltp.run(None, call(rows))
    entries = [(msgspec.json.decode(audit or b""), msgspec.json.decode(events or b"")) for audit, events in found.rows]
    return [(audit["items"][0] if "items" in audit else audit, events[0]) for audit, events in entries]


async def kept(tenant: Harness, path: str, id: str) -> dict[str, Any]:
    """What audit keeps of the record, as the database says it."""
    shape = by_name(path.replace("/", ".").removesuffix("s"))
    assert shape is not None
    query = sa.text(
        f"SELECT {masked_json(shape.writable, 't')} FROM {tenant.caller.schema}.{shape.table.name} t WHERE id = CAST(:id AS uuid)"
    )
    (found,) = await tenant._oltp.run(tenant.caller.schema, call(query.bindparams(id=id)))
    return msgspec.json.decode(found.rows[0][0] or b"")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("crm/leads", LEAD | {"estimated_amount": "5", "currency": "NGN"}),
        ("crm/leads", LEAD | {"estimated_amount": "1250.50", "currency": "KWD"}),
        ("crm/leads", LEAD | {"estimated_amount": "900.000", "currency": "JPY"}),
        ("crm/leads", {"name": "Ada"}),
        ("crm/contacts", {"name": "Ada", "title": "Buyer", "description": "Met at the fair."}),
    ],
)
async def test_a_create_leaves_what_a_bulk_create_leaves(tenant: Harness, path: str, body: dict[str, Any]) -> None:
    one = await tenant.api("POST", f"/api/v1/{path}", body)
    many = await tenant.api("POST", f"/api/v1/{path}/bulk", {"items": [{**body, "name": f"{body['name']} 2"}]})
    assert (one.status, many.status) == (201, 201), (one.json(), many.json())

    (audit, event), (bulk_audit, bulk_event) = await told(tenant)

    assert audit["entity_id"] == one.json()["id"] == event["subject"] == event["data"]["id"]
    assert audit["after"] == await kept(tenant, path, one.json()["id"])
    assert bulk_audit["after"] == await kept(tenant, path, many.json()["items"][0]["id"])
    assert event["data"] == one.json()
    own = {"id", "subject", "data", "time", "correlationid", "traceparent"}
    assert {name: value for name, value in event.items() if name not in own} == {
        name: value for name, value in bulk_event.items() if name not in own
    }
    assert event["id"] != bulk_event["id"]
