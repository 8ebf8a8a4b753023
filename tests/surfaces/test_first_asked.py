"""What each operation answers when it is asked in the plainest way: every report with every date, every import of new records."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

import msgspec
import pytest

from nexus.core.ids import uuid7
from nexus.core.message import Answer
from nexus.core.service import installed
from nexus.runtime.testing import Harness
from nexus.surfaces.shapes import Shape, shape_of

REPORTS = [(service.name, answer) for service in installed().values() for answer in service.answers()]
IMPORTED = [shape_of(entity) for service in installed().values() for entity in service.entities() if entity.editable]


def parameters(answer: Answer) -> str:
    """Every date that a report takes, and everything else that it needs; an id is that of nothing."""
    given: list[str] = []
    for field in msgspec.structs.fields(answer.query):
        if dt.date.__name__ in str(field.type):
            given.append(f"{field.encode_name}=2026-0{len(given) + 1}-01")
        elif UUID.__name__ in str(field.type):
            given.append(f"{field.encode_name}={uuid7()}")
        elif field.required:
            given.append(f"{field.encode_name}=1")
    return "&".join(given)


@pytest.mark.parametrize(("service", "answer"), REPORTS, ids=[answer.name for _, answer in REPORTS])
@pytest.mark.parametrize("role", ["auth.owner", "crm.rep"])
async def test_a_report_of_some_days_is_answered_to_whoever_may_see_it(tenant: Harness, service: str, answer: Answer, role: str) -> None:
    caller = tenant.as_(role, id=uuid7())

    said = await caller.api("GET", f"/api/v1/{service}/reports/{answer.name}?{parameters(answer)}")

    if said.status == 422:  # the id of nothing is named where a report says so
        assert {error["field"] for error in said.json()["errors"]} <= {"company_id", "party_id", "budget_id"}, said.body
    else:
        assert said.status in (200, 403 if role == "crm.rep" else 200), said.body


@pytest.mark.parametrize("shape", IMPORTED, ids=[shape.name for shape in IMPORTED])
@pytest.mark.parametrize("mode", ["create", "create&dry_run=true", "upsert", "update"])
async def test_a_row_that_is_none_is_refused_alone(tenant: Harness, shape: Shape, mode: str) -> None:
    place = f"/api/v1/{shape.service}/{shape.path}/import?mode={mode}"

    said = await tenant.api("POST", place, b'{"nothing": 1}\n', content_type="application/x-ndjson")

    if said.status == 200:
        assert (said.json()["failed"], said.json()["created"]) == (1, 0)
    else:  # what only commands make can only be changed by a file
        assert (said.status, mode == "update") == (422, False), said.body
