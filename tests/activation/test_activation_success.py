"""A business becomes a running system."""

from __future__ import annotations

from typing import Any

from tests.activation.conftest import LEAST, Installation


async def test_the_least_body_gives_a_tenant_whose_owner_can_work(nexus: Installation) -> None:
    status, answer = await nexus.ask("POST", "/api/v1/activate", LEAST)

    assert status == 201, answer
    assert answer["tenant"]["slug"] == "ade-bakery"
    assert answer["tenant"]["state"] == "active"
    print(answer)
