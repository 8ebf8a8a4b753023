"""Paging as a property: whatever the order and the filter, the pages together are the sorted, filtered records, each once."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexus.core.service import Service
from nexus.engines.oltp.postgres import Postgres
from nexus.runtime.testing import Harness
from nexus.services.crm.entities import Account
from nexus.services.crm.terms import Lifecycle

ACCOUNTS = "/api/v1/crm/accounts"
SORTABLE = ("name", "industry", "annual_revenue", "payment_terms_days", "lifecycle_stage", "city", "created_at", "id", "version")
CITIES = (None, "Abuja", "Lagos", "Ọyọ", "", "a\\b", '"', "%")
settled = settings(max_examples=60, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
async def shop(oltp: Postgres, database: Any, services: dict[str, Service]) -> AsyncIterator[Harness]:
    """A tenant with sixty accounts whose values repeat and are often missing."""
    tenant = await Harness.fresh(oltp, database.owner, services.values())
    stages = list(Lifecycle)
    await tenant.given(
        *[
            Account(
                name=f"Shop {n % 7}",
                industry=None if n % 3 == 0 else f"trade {n % 4}",
                annual_revenue=None if n % 5 == 0 else Decimal(n % 6) + Decimal("0.5"),
                currency="NGN",
                payment_terms_days=None if n % 4 == 0 else n % 3 * 15,
                lifecycle_stage=stages[n % len(stages)],
                city=CITIES[n % len(CITIES)] or None,
            )
            for n in range(60)
        ]
    )
    yield tenant


async def records(shop: Harness) -> list[dict[str, Any]]:
    return list((await shop.api("GET", f"{ACCOUNTS}?limit=500")).json()["items"])


async def pages(shop: Harness, query: str, limit: int, between: Callable[[int], Any] | None = None) -> list[dict[str, Any]]:
    """All pages of a list, one after the other; `between` is awaited after each."""
    seen: list[dict[str, Any]] = []
    cursor = ""
    for number in range(300):
        answer = await shop.api("GET", f"{ACCOUNTS}?limit={limit}&{query}{cursor}")
        assert answer.status == 200, answer.body
        page = answer.json()
        seen += page["items"]
        if page["next_cursor"] is None:
            return seen
        assert len(page["items"]) == limit
        if between is not None:
            await between(number)
        cursor = f"&cursor={page['next_cursor']}"
    raise AssertionError("the pages never end")


def key(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name == "annual_revenue":
        return Decimal(value)
    return dt.datetime.fromisoformat(value) if name == "created_at" else value


def in_order(items: list[dict[str, Any]], sort: list[tuple[str, bool]]) -> bool:
    """Whether each item comes after the one before: nulls last in both directions, text as the database compares it (C)."""
    for before, after in itertools.pairwise(items):
        for name, descending in sort:
            a, b = key(name, before[name]), key(name, after[name])
            if a == b:
                continue
            if a is None or (b is not None and (a < b) == descending):
                return False
            break
    return True


sorts = st.lists(st.tuples(st.sampled_from(SORTABLE), st.booleans()), min_size=1, max_size=4, unique_by=lambda one: one[0])
conditions = st.sampled_from(
    [
        ({}, lambda one: True),
        ({"industry": {"null": True}}, lambda one: one["industry"] is None),
        (
            {"annual_revenue": {"gte": "2.5"}},
            lambda one: one["annual_revenue"] is not None and Decimal(one["annual_revenue"]) >= Decimal("2.5"),
        ),
        (
            {"annual_revenue": {"lt": "1.5"}},
            lambda one: one["annual_revenue"] is not None and Decimal(one["annual_revenue"]) < Decimal("1.5"),
        ),
        ({"payment_terms_days": {"in": [0, 30]}}, lambda one: one["payment_terms_days"] in (0, 30)),
        ({"payment_terms_days": {"ne": 15}}, lambda one: one["payment_terms_days"] != 15),
        ({"lifecycle_stage": "lead"}, lambda one: one["lifecycle_stage"] == "lead"),
        ({"lifecycle_stage": {"nin": ["lead"]}}, lambda one: one["lifecycle_stage"] != "lead"),
        ({"name": {"contains": "P 3"}}, lambda one: "p 3" in one["name"].lower()),
        ({"city": {"starts": "%"}}, lambda one: (one["city"] or "").startswith("%")),
        ({"city": "a\\b"}, lambda one: one["city"] == "a\\b"),
    ]
)


@st.composite
def trees(draw: st.DrawFn, depth: int = 2) -> tuple[Any, Callable[[dict[str, Any]], bool]]:
    """A condition tree, and the same condition in Python."""
    kind = draw(st.sampled_from(["leaf", "leaf", "and", "or", "not"])) if depth else "leaf"
    if kind == "leaf":
        tree, holds = draw(conditions)
        return tree, holds
    if kind == "not":
        inner, inner_holds = draw(trees(depth - 1))
        return {"not": inner}, lambda one: not inner_holds(one)
    parts = draw(st.lists(trees(depth - 1), min_size=1, max_size=3))
    join = all if kind == "and" else any
    return {kind: [tree for tree, _ in parts]}, lambda one: join(holds(one) for _, holds in parts)


@settled
@given(sort=sorts, tree=trees(), limit=st.integers(1, 25))
async def test_pages_are_the_sorted_filtered_records_each_once(shop: Harness, sort: list[tuple[str, bool]], tree: Any, limit: int) -> None:
    condition, holds = tree
    where = quote(msgspec.json.encode(condition).decode())
    order = ",".join(("-" if descending else "") + name for name, descending in sort)
    seen = await pages(shop, f"sort={order}&where={where}&count=exact", limit)

    expected = {one["id"] for one in await records(shop) if holds(one)}
    assert len(seen) == len(expected)
    assert {one["id"] for one in seen} == expected
    assert in_order(seen, sort)
    counted = (await shop.api("GET", f"{ACCOUNTS}?limit=1&where={where}&count=exact")).json()
    assert (counted["count"], counted["count_is"]) == (len(expected), "exact")


@settings(settled, max_examples=25)
@given(sort=sorts, limit=st.integers(1, 20), stages=st.lists(st.integers(0, 7), min_size=1, max_size=4))
async def test_records_that_come_while_paging_spoil_no_page(
    shop: Harness, sort: list[tuple[str, bool]], limit: int, stages: list[int]
) -> None:
    there = {one["id"] for one in await records(shop)}
    made: list[str] = []

    async def another(number: int) -> None:
        if number < len(stages):
            n = stages[number]
            body = {"name": f"Shop {n}", "city": CITIES[n] or None, "payment_terms_days": n * 7 if n % 2 else None}
            made.append((await shop.api("POST", ACCOUNTS, body)).json()["id"])

    order = ",".join(("-" if descending else "") + name for name, descending in sort)
    seen = [one["id"] for one in await pages(shop, f"sort={order}", limit, another)]
    assert len(seen) == len(set(seen))
    assert there <= set(seen) <= there | set(made)
    for id in made:
        await shop.api("DELETE", f"{ACCOUNTS}/{id}", if_match="*")


async def test_a_cursor_belongs_to_its_order(shop: Harness) -> None:
    cursor = (await shop.api("GET", f"{ACCOUNTS}?limit=2&sort=name")).json()["next_cursor"]
    for query in ("sort=-name", "sort=city", "sort=name,city"):
        refused = await shop.api("GET", f"{ACCOUNTS}?{query}&cursor={cursor}")
        assert (refused.status, refused.json()["type"]) == (400, "/problems/malformed")


@settings(settled, max_examples=100)
@given(
    text=st.one_of(st.text(max_size=60), st.binary(max_size=60).map(lambda raw: raw.hex())),
    sort=st.sampled_from(["name", "-annual_revenue", "created_at,city"]),
)
async def test_a_forged_cursor_is_refused_and_never_a_failure(shop: Harness, text: str, sort: str) -> None:
    import base64

    forged = base64.urlsafe_b64encode(f"{sort},id\n{text}".encode()).rstrip(b"=").decode()
    for cursor in (forged, quote(text, errors="ignore")):
        answer = await shop.api("GET", f"{ACCOUNTS}?sort={sort}&cursor={cursor}")
        assert answer.status in (200, 400, 422)
        assert answer.status != 422 or [error["field"] for error in answer.json()["errors"]] == ["cursor"]


async def test_forged_keys_of_the_right_form_are_values_and_no_sql(shop: Harness) -> None:
    import base64

    for sort, keys in (
        ("annual_revenue,id", ["'; DROP TABLE x", "y"]),
        ("annual_revenue,id", ["NaN", "00000000-0000-0000-0000-000000000000"]),
        ("annual_revenue,id", ["1e999999", "00000000-0000-0000-0000-000000000000"]),
        ("created_at,id", ["yesterday", "x"]),
        ("created_at,id", ["infinity", "00000000-0000-0000-0000-000000000000"]),
        ("name,id", ["a\0b", "00000000-0000-0000-0000-000000000000"]),
        ("name,id", [None, None]),
        ("version,id", ["99999999999999999999", "00000000-0000-0000-0000-000000000000"]),
    ):
        forged = base64.urlsafe_b64encode(sort.encode() + b"\n" + msgspec.json.encode(keys)).rstrip(b"=").decode()
        answer = await shop.api("GET", f"{ACCOUNTS}?sort={sort.removesuffix(',id')}&cursor={forged}")
        assert answer.status in (200, 400, 422), (sort, keys, answer.body)
        assert answer.status != 422 or [error["field"] for error in answer.json()["errors"]] == ["cursor"], (sort, keys, answer.body)
    assert len(await records(shop)) == 60


async def test_fields_and_expand_show_what_is_asked_one_level_or_two(shop: Harness) -> None:
    tenant = await _family(shop)
    one = (await tenant.api("GET", "/api/v1/crm/contacts?fields=name&expand=account,account.parent_account&q=Expanded")).json()["items"]
    assert [set(item) for item in one] == [{"id", "version", "name", "account"}]
    assert one[0]["account"]["name"] == "Child"
    assert one[0]["account"]["parent_account"]["name"] == "Parent"
    got = (await tenant.api("GET", f"/api/v1/crm/contacts/{one[0]['id']}?fields=name&expand=account")).json()
    assert (set(got), set(got["account"]) > {"id", "name"}) == ({"id", "version", "name", "account"}, True)
    for expand in ("account.parent_account.territory", "nothing", "account.nothing", "name", "created_by"):
        assert (await tenant.api("GET", f"/api/v1/crm/contacts?expand={expand}")).status == 422, expand


async def _family(shop: Harness) -> Harness:
    from nexus.services.crm.entities import Contact

    parent = Account(name="Parent", city="x")
    child = Account(name="Child")
    child.parent_account_id = parent.id
    await shop.given(parent)
    await shop.given(child)
    await shop.given(Contact(name="Expanded", account_id=child.id))
    return shop


async def test_how_deep_conditions_go(tenant: Harness) -> None:
    def nested(levels: int) -> str:
        return '{"and":[' * levels + '{"name":"A"}' + "]}" * levels

    assert (await tenant.api("GET", f"/api/v1/crm/contacts?where={quote(nested(8))}")).status == 200
    refused = await tenant.api("GET", f"/api/v1/crm/contacts?where={quote(nested(9))}")
    assert (refused.status, refused.json()["errors"]) == (
        422,
        [{"field": "where", "message": "has conditions within conditions more than 8 levels deep"}],
    )
