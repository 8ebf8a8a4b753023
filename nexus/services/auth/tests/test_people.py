"""Inviting people, and the roles that they can have."""

from __future__ import annotations

import pytest

from nexus.core import Invalid
from nexus.core.policy import ROLES
from nexus.runtime.testing import Harness
from nexus.services.auth.api import InviteUser
from nexus.services.auth.commands import EmailTaken
from nexus.services.auth.entities import User


async def test_whoever_joins_has_a_role(tenant: Harness) -> None:
    before = await tenant.count(User)
    with pytest.raises(Invalid, match="roles: is empty"):
        await tenant.run(InviteUser(name="Ada", email="ada@example.com", roles=[]))
    assert await tenant.count(User) == before
    assert tenant.emitted == []


async def test_an_address_is_one_however_it_is_written(tenant: Harness) -> None:
    answer = await tenant.api("POST", "/api/v1/auth/users/invite", {"name": "Ada", "email": "Ada@Example.COM", "roles": ["crm.rep"]})
    assert answer.status == 200, answer.body
    assert [one.email for one in await tenant.list(User, User.name == "Ada")] == ["ada@example.com"]
    with pytest.raises(EmailTaken):
        await tenant.run(InviteUser(name="Ada", email="ADA@example.com", roles=["crm.rep"]))


async def test_the_roles_are_told(tenant: Harness) -> None:
    answer = await tenant.api("GET", "/api/v1/auth/reports/roles")
    assert answer.status == 200, answer.body
    assert [(one["name"], one["title"]) for one in answer.json()["items"]] == sorted((one.name, one.title) for one in ROLES.values())
