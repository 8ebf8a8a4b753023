"""What each operation answers when it is asked in the plainest way."""

from __future__ import annotations

import pytest

from nexus.core.service import installed
from nexus.runtime.testing import Harness
from nexus.surfaces.shapes import Shape, shape_of

IMPORTED = [shape_of(entity) for service in installed().values() for entity in service.entities() if entity.editable]


@pytest.mark.parametrize("shape", IMPORTED, ids=[shape.name for shape in IMPORTED])
@pytest.mark.parametrize("mode", ["create", "create&dry_run=true", "upsert", "update"])
async def test_a_row_that_is_none_is_refused_alone(tenant: Harness, shape: Shape, mode: str) -> None:
    place = f"/api/v1/{shape.service}/{shape.path}/import?mode={mode}"

    said = await tenant.api("POST", place, b'{"nothing": 1}\n', content_type="application/x-ndjson")

    if said.status == 200:
        assert (said.json()["failed"], said.json()["created"]) == (1, 0)
    else:  # what only commands make can only be changed by a file
        assert (said.status, mode == "update") == (422, False), said.body
