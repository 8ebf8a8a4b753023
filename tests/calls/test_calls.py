"""A call to another service means the same wherever that runs."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any
from uuid import uuid4

import msgspec
import psycopg
import pytest

from nexus.config import Settings
from nexus.core import Forbidden, Tx
from nexus.core.problem import Invalid, Problem, ServiceTooSlow, ServiceUnavailable
from nexus.core.service import Service
from nexus.core.trace import TRACE
from nexus.engines.oltp import SerializationFailure
from nexus.runtime.node import Node
from nexus.services.auth.api import CreateApiKey, InviteUser, NewApiKey, UserInvited
from nexus.surfaces.calling import Key, Outcome
from nexus.surfaces.effects import Effects
from tests.calls.conftest import Pair, Probe, Rule, apart, invite


def address() -> str:
    return f"{uuid4().hex}@example.com"


async def test_the_other_service_does_it_in_the_name_of_the_caller(pair: Pair) -> None:
    email = address()
    trace = f"00-{uuid4().hex}-{uuid4().hex[:16]}-01"
    TRACE.set(trace)

    invited = await pair.probe(email)

    assert await pair.users(email) == 1
    (entry,) = await pair.told(invited.user_id)
    caller = await pair.caller()
    assert (entry["actor_id"], entry["key_id"]) == (str(caller.actor.id), str(caller.key_id))
    assert entry["actor"] == caller.actor.name
    assert entry["traceparent"] == trace


async def test_a_refusal_is_the_same_one_and_nothing_has_changed(pair: Pair) -> None:
    email = address()
    await pair.probe(email)

    with pytest.raises(Problem, match="A user with this e-mail address is here already") as taken:
        await pair.probe(email)
    with pytest.raises(Invalid) as unknown:
        await pair.probe(address(), roles=["crm.king"])

    assert (type(taken.value).__name__, taken.value.status) == ("EmailTaken", 409)
    assert unknown.value.errors[0].field.startswith("roles")
    assert await pair.users(email) == 1


async def test_the_callers_rights_are_checked_there_again(pair: Pair) -> None:
    """A key that is scoped for CRM may probe, and CRM may not invite for it."""
    status, made = await pair.nexus.ask("POST", "/api/v1/auth/api_keys", {"name": "CRM only", "scopes": ["crm.*:*"]}, token=pair.token)
    assert status == 201, made
    email = address()

    with pytest.raises(Forbidden, match=r"auth\.user:invite"):
        await pair.probe(email, made["token"])

    assert await pair.users(email) == 0


async def test_what_the_other_service_did_stays_whatever_becomes_of_the_caller(pair: Pair, rule: list[Rule]) -> None:
    async def fail(probe: Probe, tx: Tx) -> UserInvited:
        await invite(probe, tx)
        raise Forbidden(permission="to go on")

    rule[0] = fail
    email = address()

    with pytest.raises(Forbidden, match="to go on"):
        await pair.probe(email)

    assert await pair.users(email) == 1


async def test_a_run_that_is_repeated_calls_once(pair: Pair, rule: list[Rule]) -> None:
    """The first run loses a race after its call; the second one gets the answer of the first one's."""
    answers: list[UserInvited] = []

    async def race(probe: Probe, tx: Tx) -> UserInvited:
        answers.append(await invite(probe, tx))
        if len(answers) < 3:
            raise SerializationFailure("40001", "somebody was faster")
        return answers[-1]

    rule[0] = race
    email = address()

    invited = await pair.probe(email)

    assert answers == [invited] * 3
    assert await pair.users(email) == 1


async def test_a_request_that_is_repeated_with_its_key_calls_once(pair: Pair, rule: list[Rule]) -> None:
    failing = True

    async def fail_first(probe: Probe, tx: Tx) -> UserInvited:
        invited = await invite(probe, tx)
        if failing:
            raise Forbidden(permission="to go on")
        return invited

    rule[0] = fail_first
    email, key = address(), Key(uuid4().hex, b"\0" * 32)
    with pytest.raises(Forbidden):
        await pair.probe(email, key=key)
    failing = False

    await pair.probe(email, key=key)

    assert await pair.users(email) == 1


async def test_a_dry_run_is_one_there_too_and_says_what_would_be(pair: Pair) -> None:
    email, effects = address(), Effects()

    await pair.probe(email, dry_run=True, effects=effects)

    assert await pair.users(email) == 0
    assert [(change.entity, change.change) for change in effects.changes] == [("auth.user", "created")]
    assert "auth.user.invited" in [told.topic for told in effects.events]


async def test_side_by_side_each_call_is_answered_with_its_own(pair: Pair) -> None:
    emails = [address() for _ in range(24)]

    made = await asyncio.gather(*map(pair.probe, emails))

    assert len({one.user_id for one in made}) == len(emails)
    assert [await pair.users(email) for email in emails] == [1] * len(emails)


@pytest.mark.parametrize("wired", ["in process", "over gRPC"])
async def test_who_takes_too_long_is_named_and_given_up(business: Pair, services: dict[str, Service], rule: list[Rule], wired: str) -> None:
    own = Pair(business.nexus, business.crm, business.auth, business.token, business.tenant)
    own.crm = own.auth = Node(Settings(call_seconds=0.5), business.nexus.cells, services)
    email = address()
    async with contextlib.AsyncExitStack() as stack:
        if wired == "over gRPC":
            await stack.enter_async_context(apart(own, services, None, 0.5))
        caller = await own.caller()
        await own.auth.principals.vouched(own.tenant, caller.key_id or uuid4())
        async with await psycopg.AsyncConnection.connect(own.nexus.cells.control.owner_url) as blocker:
            await blocker.execute(f"LOCK TABLE {own.schema}.auth_user IN ACCESS EXCLUSIVE MODE".encode())

            with pytest.raises(ServiceTooSlow, match=r"The service auth has not answered within 0\.5 seconds") as slow:
                await own.crm.run(caller, Probe(email=email))

            async with asyncio.timeout(60):
                while await own.waiting():
                    await asyncio.sleep(0.02)
            await blocker.rollback()
    assert (slow.value.status, slow.value.facts["service"]) == (504, "auth")
    assert await own.users(email) == 0, "what was given up was not done later"


async def test_who_is_away_is_named_and_called_when_it_is_back(two: Pair) -> None:
    assert two.server is not None and two.wiring is not None
    email = address()
    await two.server.stop()

    with pytest.raises(ServiceUnavailable, match="The service auth does not answer at the moment: nobody listens there") as away:
        await two.probe(email)
    assert away.value.facts["service"] == "auth"
    assert await two.users(email) == 0

    await two.server.start(f"127.0.0.1:{two.port}")
    async with asyncio.timeout(60):
        while True:
            try:
                await two.probe(email)
                break
            except ServiceUnavailable:
                await asyncio.sleep(0.05)
    assert await two.users(email) == 1


async def test_a_service_that_is_elsewhere_is_called_by_a_surface_too(two: Pair) -> None:
    """A process that does not run a service, and is asked for a command of it, has it run where it lives."""
    email = address()
    command, key = InviteUser(name="Ngozi", email=email, roles=["auth.member"]), Key(uuid4().hex, b"\1" * 32)
    caller = await two.caller()

    def encode(answer: Any) -> Outcome:
        return Outcome(200, {}, msgspec.json.encode(answer))

    first, told = await two.crm.run(caller, command, key=key, encode=encode)
    again, repeated = await two.crm.run(caller, command, key=key, encode=encode)

    assert first == again
    assert told is not None and repeated is not None
    assert (told.replayed, repeated.replayed, told.body) == (False, True, repeated.body)
    assert await two.users(email) == 1


async def test_without_an_address_it_says_so(business: Pair, services: dict[str, Service], rule: list[Rule]) -> None:
    alone = Node(Settings(), business.nexus.cells, services, frozenset({"crm"}))

    with pytest.raises(ServiceUnavailable, match="no address of it is known here"):
        await alone.run(await business.caller(), Probe(email=address()))


async def test_a_secret_that_is_shown_once_crosses_and_is_not_kept(two: Pair) -> None:
    made, _ = await two.crm.run(await two.caller(), CreateApiKey(name="Another"))

    assert isinstance(made, NewApiKey)
    assert made.token is not None
    kept = await two.nexus.rows(f"SELECT count(*) FROM {two.schema}.nexus_idempotency WHERE body LIKE %s", f"%{made.token}%")
    assert kept == [(0,)]
