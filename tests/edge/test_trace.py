"""The trace of a request: taken from its header, handed on, and answered."""

from __future__ import annotations

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import Database
from nexus.core.trace import TRACE as HERE
from nexus.core.trace import traceparent
from nexus.runtime.testing import Harness
from tests.edge.conftest import Make

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def test_a_trace_goes_on_and_comes_back(make: Make) -> None:
    site = await make()

    answer = await site.ask("GET", "/short", traceparent=TRACE)
    without = await site.ask("GET", "/short")

    assert answer.headers["traceparent"] == TRACE
    assert "traceparent" not in without.headers
    assert site.traces == [TRACE, None]


@pytest.mark.parametrize(
    "given",
    [
        "",
        "no",
        TRACE.upper(),
        TRACE[:-1],
        TRACE + "-more",
        "ff" + TRACE[2:],
        "00-" + "0" * 32 + TRACE[35:],
        TRACE[:36] + "0" * 16 + "-01",
    ],
)
async def test_what_is_no_trace_is_as_if_it_had_not_come(make: Make, given: str) -> None:
    site = await make()

    answer = await site.ask("GET", "/short", traceparent=given)

    assert (answer.status_code, "traceparent" in answer.headers, site.traces) == (200, False, [None])


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    assert traceparent(b"cc" + TRACE[2:].encode() + b"-what-comes-later") == TRACE


@given(st.binary(max_size=80))
def test_any_header_is_a_trace_or_none(header: bytes) -> None:
    found = traceparent(header)
    assert found is None or len(found) == 55


async def test_an_event_and_its_audit_carry_the_trace(tenant: Harness, database: Database) -> None:
    token = HERE.set(TRACE)
    try:
        made = await tenant.api("POST", "/api/v1/crm/contacts", {"name": "Ngozi"}, x_request_id="r-7")
    finally:
        HERE.reset(token)

    assert made.status == 201
    async with await psycopg.AsyncConnection.connect(database.owner) as owner:
        query = "SELECT audit::json, events::json FROM nexus_cell.journal WHERE tenant = %s"
        ((audit, events),) = await (await owner.execute(query, (tenant.caller.schema,))).fetchall()
    assert (audit["traceparent"], audit["correlation"]) == (TRACE, "r-7")
    assert [event["traceparent"] for event in events] == [TRACE]
