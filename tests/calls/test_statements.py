"""Statements of a caller: believed as far as they are true now, for one call, for a moment."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from nexus.core.ids import uuid7
from nexus.core.problem import Unauthenticated
from nexus.core.tx import Actor, Tenant
from nexus.runtime.principals import Principal
from nexus.runtime.statements import LIFE, SKEW, Signer, Verifier, caller_from, claims_of
from nexus.services.auth.api import RevokeApiKey
from nexus.surfaces.calling import Caller
from nexus.surfaces.limits import Limits
from nexus.surfaces.permissions import rights_of
from tests.calls.conftest import Pair

CALL = b'{"command":"auth.user:invite"}'


def verifier(pair: Pair, clock: Callable[[], float] = time.time) -> Verifier:
    node = pair.nexus.node
    return Verifier(node.cells, node.directory, node.principals, clock)


async def stated(pair: Pair, caller: Caller | None = None) -> bytes:
    return await Signer(pair.nexus.cells, "crm").state(caller or await pair.caller(), "auth", CALL)


async def test_the_caller_is_who_it_was_said_to_be(business: Pair) -> None:
    caller = dataclasses.replace(await business.caller(), said={"tool": "crm_lead_create"})

    found = await verifier(business).caller(await stated(business, caller), "auth", CALL)

    assert (found.tenant, found.actor, found.key_id, found.said) == (caller.tenant, caller.actor, caller.key_id, caller.said)
    assert found.rights is not None and caller.rights is not None
    assert found.rights.key == caller.rights.key


async def test_the_system_is_the_system(business: Pair) -> None:
    record = await business.nexus.node.directory.get(business.tenant)
    assert record is not None

    found = await verifier(business).caller(await stated(business, business.nexus.node.system(record)), "auth", CALL)

    assert (found.rights, found.actor.name, found.schema) == (None, "system", business.schema)


@pytest.mark.parametrize("where", ["claims", "signature", "empty", "other service", "other call"])
async def test_what_was_not_said_is_not_believed(business: Pair, where: str) -> None:
    statement = await stated(business)
    forged = {
        "claims": statement.replace(b'"auth"', b'"crm"'),
        "signature": statement[:-1] + bytes([statement[-1] ^ 1]),
        "empty": b"",
    }.get(where, statement)

    with pytest.raises(Unauthenticated, match="The statement of the caller"):
        await verifier(business).caller(forged, "crm" if where == "other service" else "auth", CALL if where != "other call" else b"{}")


async def test_a_process_that_nobody_knows_is_not_believed(business: Pair) -> None:
    claims = msgspec.json.encode(claims_of(await business.caller(), uuid7(), "auth", CALL, time.time() + LIFE))

    with pytest.raises(Unauthenticated, match="a process that nobody knows"):
        await verifier(business).caller(claims + Ed25519PrivateKey.generate().sign(claims), "auth", CALL)


@pytest.mark.parametrize("later", [LIFE + SKEW + 1, -2 * SKEW - 1])
async def test_it_is_believed_for_a_moment(business: Pair, later: float) -> None:
    statement = await stated(business)

    with pytest.raises(Unauthenticated, match="is over"):
        await verifier(business, lambda: time.time() + later).caller(statement, "auth", CALL)


async def test_a_key_that_was_revoked_meanwhile_is_refused(business: Pair) -> None:
    status, made = await business.nexus.ask("POST", "/api/v1/auth/api_keys", {"name": "Another"}, token=business.token)
    assert status == 201
    statement = await stated(business, await business.caller(made["token"]))
    node = business.nexus.node

    await node.run(await business.caller(), RevokeApiKey(api_key_id=UUID(made["id"])))
    node.principals.evict(business.tenant)

    with pytest.raises(Unauthenticated, match="not in force"):
        await verifier(business).caller(statement, "auth", CALL)


async def test_what_was_taken_from_the_caller_meanwhile_is_gone_and_nothing_is_given(business: Pair) -> None:
    owner = await business.caller()
    caller = dataclasses.replace(owner, rights=rights_of(frozenset(["auth.owner", "crm.manager"]), frozenset(["*"])))

    found = await verifier(business).caller(await stated(business, caller), "auth", CALL)

    assert found.rights is not None
    assert [role.name for role in found.rights.roles] == ["auth.owner"], "a role that the user does not have is not one because it is said"


WORDS = st.sampled_from(["*", "crm.*:*", "crm.lead:*", "crm.lead:read", "auth.user:invite", "*:read"])
ASKED = ["crm.lead:read", "crm.lead:convert", "crm.deal:read", "auth.user:invite", "auth.user:read"]
ROLES = st.frozensets(st.sampled_from(["auth.owner", "crm.admin", "crm.viewer"]))


@settings(deadline=None)
@given(
    now=st.frozensets(WORDS, min_size=1),
    then=st.frozensets(WORDS, min_size=1),
    roles_now=ROLES,
    roles_then=ROLES,
    within=st.frozensets(st.frozensets(WORDS, min_size=1), max_size=2),
    most=st.none() | st.frozensets(st.just(("NGN", Decimal(5))), max_size=1),
)
def test_a_statement_only_narrows(now: Any, then: Any, roles_now: Any, roles_then: Any, within: Any, most: Any) -> None:
    """Whatever is stated, nobody may do there what they could not do here, nor what their key may not do now."""
    tenant = Tenant(uuid7(), "t", "T", "NG", "NGN", "Africa/Lagos", "en")
    actor, key = Actor(uuid7(), "user:Ade"), uuid7()
    principal = Principal(tenant, f"t_{tenant.id.hex}", "main", actor, roles_now, now, (), (), key)
    caller = dataclasses.replace(principal.caller, rights=rights_of(roles_then, then, Limits(within, most)))

    found = caller_from(claims_of(caller, uuid7(), "auth", CALL, 0.0), principal)

    assert found.rights is not None and caller.rights is not None
    for permission in ASKED:
        allowed = found.rights.allow(permission)
        assert not allowed or (caller.rights.allow(permission) and rights_of(roles_now, now).allow(permission))
        if roles_now == roles_then and now == then:
            assert allowed == caller.rights.allow(permission)
    assert found.rights.limits.most == most


def test_a_person_without_a_key_cannot_be_stated() -> None:
    tenant = Tenant(uuid7(), "t", "T", "NG", "NGN", "Africa/Lagos", "en")
    caller = Caller(tenant, "t_1", "main", Actor(uuid7(), "user:Ade"), rights_of(frozenset(), frozenset()))

    with pytest.raises(ValueError, match="without a key"):
        claims_of(caller, uuid7(), "auth", CALL, 0.0)
