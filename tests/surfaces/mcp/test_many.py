"""Many records in one call: the same rights, limits and refusals, with progress for whoever asks."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from sqlalchemy import update

from nexus.core.message import Command
from nexus.core.problem import Problem
from nexus.runtime.testing import Harness
from nexus.runtime.unit_of_work import UnitOfWork
from nexus.services.crm.entities import Account, Contact
from nexus.surfaces.limits import Limits, OverLimit, amounts_set
from tests.surfaces.mcp.conftest import Site, call, problem


def accounts(*amounts: str, currency: str = "NGN") -> list[dict[str, Any]]:
    return [{"name": f"A{n}", "annual_revenue": amount, "currency": currency} for n, amount in enumerate(amounts)]


async def test_many_are_made_and_changed_by_one_call(site: Site, tenant: Harness) -> None:
    async with site.client() as client:
        made = await call(client, "call_many", name="crm_contact_create", items=[{"name": "A"}, {"name": "B"}])
        assert (made["created"], made["refused"]) == (2, 0)
        changes = [{"id": one["id"], "version": one["version"], "city": "Jos"} for one in made["items"]]
        changed = await call(client, "call_many", name="crm_contact_update", items=changes, mode="each")
        assert changed["updated"] == 2
    assert [one.city for one in await tenant.list(Contact)] == ["Jos", "Jos"]


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"name": "crm_lead_convert", "items": [{}]}, "name"),
        ({"name": "crm_contact_create", "items": []}, "items"),
        ({"name": "crm_contact_create", "items": [{"name": "A"}, {"name": "B", "nme": "B"}]}, "items[1].nme"),
        ({"name": "crm_contact_create", "items": [{"name": "A"}], "mode": "some"}, "mode"),
    ],
)
async def test_what_is_wrong_is_named_and_nothing_is_made(site: Site, tenant: Harness, arguments: Any, field: str) -> None:
    async with site.client() as client:
        refused = problem(await client.call_tool("call_many", arguments))
    assert [one["field"] for one in refused["errors"]] == [field]
    assert await tenant.count(Contact) == 0


async def test_a_session_that_reads_makes_none(site: Site, tenant: Harness) -> None:
    for query in ("read_only=true", "entities=crm.lead"):
        async with site.client(query) as client:
            refused = problem(await client.call_tool("call_many", {"name": "crm_contact_create", "items": [{"name": "A"}]}))
            assert refused["type"] == "/problems/not-in-this-session"
    assert await tenant.count(Contact) == 0


async def test_no_amount_of_many_is_above_the_limit(site: Site, tenant: Harness) -> None:
    async with site.client("max_amount=NGN:500") as client:
        refused = problem(await client.call_tool("call_many", {"name": "crm_account_create", "items": accounts("1", "501", "2")}))
        assert [one["field"] for one in refused["errors"]] == ["items[1].annual_revenue"]
        assert await tenant.count(Account) == 0
        items = accounts("500", "500.01") + accounts("1", currency="USD")
        each = await call(client, "call_many", name="crm_account_create", items=items, mode="each")
        assert (each["created"], each["refused"]) == (1, 2)
        assert each["items"][1]["problem"]["type"] == "/problems/over-limit"
        one = each["items"][0]["id"]
        change = [{"id": one, "version": 1, "annual_revenue": "501"}]
        refused = problem(await client.call_tool("call_many", {"name": "crm_account_update", "items": change}))
        assert [one["field"] for one in refused["errors"]] == ["items[0].annual_revenue"]
        named = [{"id": one, "version": 1, "name": "B"}]
        assert (await call(client, "call_many", name="crm_account_update", items=named))["updated"] == 1
        other = [{"id": one, "version": 2, "currency": "USD"}]
        assert problem(await client.call_tool("call_many", {"name": "crm_account_update", "items": other}))["status"] == 422
    (account,) = await tenant.list(Account)
    assert (str(account.annual_revenue), account.currency, account.name, account.version) == ("500.00", "NGN", "B", 2)


async def refuse(work: UnitOfWork, command: Command[Any]) -> Any:
    raise AssertionError("nothing is called")


async def test_a_statement_for_many_is_held_to_it_too(tenant: Harness) -> None:
    """What a command changes by one statement, without reading the records, is looked at before it is kept."""
    rich = await tenant.given(Account(name="A", annual_revenue=Decimal(900), currency="NGN"))
    limited = tenant.caller.rights.limited(Limits(most=frozenset({("NGN", Decimal(500))})))  # type: ignore[union-attr]
    assert amounts_set(update(Account).values(name="B")) is None
    for values, allowed in (({"annual_revenue": Decimal(501)}, False), ({"name": "B"}, True), ({"annual_revenue": Decimal(5)}, True)):
        async with tenant._oltp.transaction(tenant.caller.schema) as transaction:
            tx = UnitOfWork(transaction, tenant.caller.cause(), limited, tenant.caller.values(), refuse)
            statement = update(Account).where(Account.id == rich.id).values(**values)
            if allowed:
                assert await tx.execute(statement) == 1
            else:
                with pytest.raises(OverLimit) as refused:
                    await tx.execute(statement)
                assert isinstance(refused.value, Problem)
                assert refused.value.field == "annual_revenue"


async def test_progress_comes_before_the_answer(site: Site, tenant: Harness) -> None:
    heard: list[tuple[float, float | None]] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, total))

    items = [{"name": f"C{n}"} for n in range(1_200)]
    for mode in ("auto", "legacy"):
        heard.clear()
        async with site.client(mode=mode) as client:
            done = await client.call_tool("call_many", {"name": "crm_contact_create", "items": items}, progress_callback=hear)
            assert done.structured_content is not None
            assert done.structured_content["created"] == 1_200
        assert heard == [(500, 1_200), (1_000, 1_200)]
    assert await tenant.count(Contact) == 2_400


async def test_progress_that_nobody_can_take_is_not_sent(site: Site) -> None:
    body = {
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "call_many", "_meta": {"progressToken": "p"}, "arguments": {"name": "crm_contact_create", "items": [{"name": "C"}] * 600}},
    }  # fmt: skip
    plain = await site.post(body, accept="application/json")
    assert plain.headers["content-type"] == "application/json"
    streamed = await site.post(body)
    assert streamed.headers["content-type"] == "text/event-stream"
    first, last = [
        msgspec.json.decode(part.split("data: ", 1)[1]) for part in streamed.text.split("\n\n") if part.startswith("event: message")
    ]
    assert first["params"] == {"progressToken": "p", "progress": 500, "total": 600}
    assert last["result"]["structuredContent"]["created"] == 600
    quick = await site.post({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": {"progressToken": 7}}})
    assert quick.headers["content-type"] == "application/json"


async def test_a_refusal_after_progress_is_told_in_the_stream(site: Site, tenant: Harness) -> None:
    async with site.client() as client:
        heard: list[float] = []

        async def hear(progress: float, total: float | None, message: str | None) -> None:
            heard.append(progress)

        items = [{"name": "C"}] * 600 + [{"name": ""}]
        refused = await client.call_tool("call_many", {"name": "crm_contact_create", "items": items}, progress_callback=hear)
        assert [one["field"] for one in problem(refused)["errors"]] == ["items[600].name"]
        assert heard == [500]
    assert await tenant.count(Contact) == 0
