"""A session's limits take from rights and never add; amounts above a limit are written by no way."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.core.policy import ROLES
from nexus.core.problem import Invalid
from nexus.core.service import installed
from nexus.runtime.testing import Harness
from nexus.services.auth.api import CreateApiKey
from nexus.services.crm.api import CreateDeal
from nexus.services.crm.entities import Account, Deal, DealStage, Lead, Pipeline
from nexus.services.crm.terms import LeadStatus
from nexus.surfaces.limits import Limits, OverLimit
from nexus.surfaces.permissions import Rights, rights_of

NAMES = sorted({handler.needs for service in installed().values() for handler in service.handlers()} | {"crm.lead:read", "auth.user:read"})
patterns = st.frozensets(st.sampled_from(["*", "crm.*:*", "crm.lead:*", "*:read", "crm.lead:convert", "auth.*:read", "x.y:z"]), max_size=3)
amounts = st.none() | st.dictionaries(st.sampled_from(["NGN", "USD", "EUR"]), st.integers(0, 9).map(Decimal), max_size=3).map(
    lambda found: frozenset(found.items())
)
limits = st.builds(Limits, st.frozensets(patterns, max_size=3), amounts)


def most(one: Limits, code: str) -> Decimal:
    return Decimal("Infinity") if one.most is None else dict(one.most).get(code, Decimal(0))


@given(st.frozensets(st.sampled_from(sorted(ROLES)), max_size=2), patterns, limits, limits)
def test_limits_only_narrow(roles: frozenset[str], scopes: frozenset[str], one: Limits, two: Limits) -> None:
    free = rights_of(roles, scopes)
    both = free.limited(one).limited(two)
    assert both.key == free.limited(two).limited(one).key
    for name in NAMES:
        assert both.allow(name) == (free.limited(one).allow(name) and free.limited(two).allow(name))
        assert not both.allow(name) or free.allow(name)
        assert not both.holds(name) or free.holds(name)
    for service in ("auth", "crm", "x"):
        assert not both.any_of(service) or free.any_of(service)
    for code in ("NGN", "USD", "EUR", "JPY"):
        assert most(both.limits, code) == min(most(one, code), most(two, code))


def capped(tenant: Harness, **amounts: int) -> Harness:
    found = tenant.as_("auth.owner")
    rights = found.caller.rights
    assert isinstance(rights, Rights)
    limited = rights.limited(Limits(most=frozenset((code, Decimal(amount)) for code, amount in amounts.items())))
    found.caller = dataclasses.replace(found.caller, rights=limited)
    return found


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"annual_revenue": "500.01", "currency": "NGN"}, "annual_revenue"),
        ({"annual_revenue": "0.01", "currency": "EUR"}, "annual_revenue"),
        ({"annual_revenue": "500.00", "currency": "NGN"}, None),
        ({"annual_revenue": "0", "currency": "EUR"}, None),
        ({"annual_revenue": None}, None),
    ],
)
async def test_a_record_is_made_within_the_limit_only(tenant: Harness, body: dict[str, Any], field: str | None) -> None:
    done = await capped(tenant, NGN=500).api("POST", "/api/v1/crm/accounts", {"name": "A", **body})
    if field is None:
        assert done.status == 201
    else:
        assert (done.status, done.json()["type"]) == (403, "/problems/over-limit")
        assert done.json()["errors"][0]["field"] == field
    assert await tenant.count(Account) == (1 if field is None else 0)


async def test_a_change_is_looked_at_with_the_currency_that_the_record_has(tenant: Harness) -> None:
    session = capped(tenant, NGN=500)
    naira = await tenant.given(Account(name="N", annual_revenue=Decimal(9000), currency="NGN"))
    euro = await tenant.given(Account(name="E", annual_revenue=Decimal(1), currency="EUR"))

    async def change(one: Account, **body: Any) -> int:
        return (await session.api("PATCH", f"/api/v1/crm/accounts/{one.id}", body, if_match="*")).status

    assert await change(naira, annual_revenue="501") == 403
    assert await change(euro, annual_revenue="2") == 403
    assert await change(euro, currency="USD") == 403
    assert await change(naira, city="Jos") == 200  # what was there before is nobody's doing
    assert await change(naira, annual_revenue="500") == 200
    assert (await tenant.get(Account, euro.id)).version == 1


async def test_commands_are_looked_at_by_what_they_write(tenant: Harness) -> None:
    pipeline = Pipeline(name="Sales", key="sales")
    await tenant.given(pipeline, DealStage(pipeline_id=pipeline.id, name="New", position=0, probability=10))
    session = capped(tenant, NGN=500)
    with pytest.raises(OverLimit):
        await session.run(CreateDeal(name="D", amount=Decimal(501), currency="NGN"))
    lead = await tenant.given(Lead(name="B", estimated_amount=Decimal(700), currency="NGN", status=LeadStatus.QUALIFIED))
    refused = await session.api("POST", f"/api/v1/crm/leads/{lead.id}/convert", {})
    assert (refused.status, refused.json()["errors"][0]["field"]) == (403, "amount")
    assert await tenant.count(Deal) == 0
    await session.run(CreateDeal(name="D", amount=Decimal(500), currency="NGN"))
    assert await tenant.count(Deal) == 1


async def test_no_key_is_made_that_is_wider_than_the_session(tenant: Harness) -> None:
    session = capped(tenant, NGN=500)
    with pytest.raises(Invalid, match="more than this credential"):
        await session.run(CreateApiKey(name="K", scopes=["crm.lead:read"], user_id=None))
