"""API keys: nobody gets a credential that may do more than the one that asks for it."""

from __future__ import annotations

import dataclasses

import pytest

from nexus.core import Forbidden, Invalid
from nexus.core.tx import Actor
from nexus.runtime.testing import Harness
from nexus.services.auth.api import CreateApiKey, RenewApiKey
from nexus.services.auth.entities import ApiKey, User
from nexus.surfaces.permissions import rights_of

SCOPES = frozenset({"auth.api_key:*", "crm.*:read"})


@pytest.fixture
async def owner(tenant: Harness) -> Harness:
    """An owner under a key for everything."""
    user = await tenant.given(User(name="Ade", email="ade@example.com", roles=["auth.owner"]))
    tenant.caller = dataclasses.replace(tenant.caller, actor=Actor(user.id, "user:Ade"))
    return tenant


@pytest.fixture
def narrow(owner: Harness) -> Harness:
    """The same owner under a key for little."""
    return Harness(owner._oltp, dataclasses.replace(owner.caller, rights=rights_of(frozenset({"auth.owner"}), SCOPES)), owner._services)


@pytest.mark.parametrize("scopes", [["*"], ["crm.lead:read", "crm.lead:update"], ["auth.*:*"], ["*:read"]])
async def test_a_key_makes_no_key_with_wider_scopes(narrow: Harness, scopes: list[str]) -> None:
    with pytest.raises(Invalid) as refused:
        await narrow.run(CreateApiKey(name="More", scopes=scopes))
    assert {error.field for error in refused.value.errors} == {f"scopes[{len(scopes) - 1}]"}
    assert await narrow.count(ApiKey) == 0
    with pytest.raises(Invalid):
        await narrow.run(CreateApiKey(name="Everything, for it was not said"))


async def test_a_key_makes_one_with_the_same_scopes_or_fewer(owner: Harness, narrow: Harness) -> None:
    made = await narrow.run(CreateApiKey(name="Less", scopes=["crm.lead:read", "auth.api_key:create"]))
    assert made.scopes == ["auth.api_key:create", "crm.lead:read"]
    assert (await owner.run(CreateApiKey(name="All"))).scopes == ["*"]


async def test_the_secret_of_a_wider_key_is_not_told(owner: Harness, narrow: Harness) -> None:
    wide = await owner.run(CreateApiKey(name="All"))
    before = (await owner.get(ApiKey, wide.id)).secret_hash
    with pytest.raises(Forbidden):
        await narrow.run(RenewApiKey(api_key_id=wide.id))
    assert (await owner.get(ApiKey, wide.id)).secret_hash == before
    less = await owner.run(CreateApiKey(name="Less", scopes=["crm.lead:read"]))
    assert (await narrow.run(RenewApiKey(api_key_id=less.id))).token != less.token
