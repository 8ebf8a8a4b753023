"""How subscriptions end by the server's will: too slow, no longer allowed, moved, stopped; each says why, and nothing is told after it."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable

import pytest

from nexus.core.ids import uuid7
from nexus.core.problem import Problem, Unauthenticated
from nexus.core.problem import Unavailable as Away
from nexus.engines.oltp import DatabaseError
from nexus.runtime.testing import Harness
from nexus.services.crm.entities import Lead
from nexus.surfaces.calling import Caller
from nexus.surfaces.live import GoingAway, Relocated, TooSlow, checks, hub, subscription
from tests.surfaces.live.conftest import World, got, nothing_more, said

TOPICS = ["nexus.crm.*.competitor.updated"]


def answering(*answers: Caller | Problem) -> Callable[[], Awaitable[Caller]]:
    """A credential that is checked again: each answer once, the last for ever."""
    waiting = list(answers)

    async def renew() -> Caller:
        answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        if isinstance(answer, Problem):
            raise answer
        return answer

    return renew


async def told_of(world: World, tenant: Harness, *counts: int) -> None:
    for n in counts:
        await world.tell(tenant, "crm.competitor.updated", uuid7(), {"n": n})
    await world.settled()


async def test_who_does_not_take_is_let_go_and_can_go_on(world: World, tenant: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription, "MOST_EVENTS", 10)
    reasons: list[Problem] = []
    slow = await world.live.subscribe(tenant.caller, TOPICS)
    quick = await world.live.subscribe(tenant.caller, TOPICS)
    slow.on_end = reasons.append
    await slow.take(0)
    await quick.take(0)
    await told_of(world, tenant, 0)
    (first,) = await got(slow, 1)
    heard = [said(event)["n"] for event in await got(quick, 1)]
    for n in range(1, 12):
        await told_of(world, tenant, n)
        heard += [said(event)["n"] for event in await got(quick, 1)]
    assert heard == list(range(12))
    with pytest.raises(TooSlow, match="More than 10 events"):
        await slow.take()
    assert [type(reason) for reason in reasons] == [TooSlow]
    assert world.live.ends == {"too-slow": 1}
    async with await world.live.subscribe(tenant.caller, TOPICS, first.id) as again:
        assert [said(event)["n"] for event in await got(again, 11)] == list(range(1, 12))


async def test_large_events_count_by_their_size(world: World, tenant: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription, "MOST_BYTES", 100_000)
    told = await world.live.subscribe(tenant.caller, TOPICS)
    await told.take(0)
    await world.tell(tenant, "crm.competitor.updated", uuid7(), {"n": 1, "text": "x" * 60_000})
    await world.settled()
    await got(told, 1)
    for _ in range(2):
        await world.tell(tenant, "crm.competitor.updated", uuid7(), {"n": 1, "text": "x" * 60_000})
    await world.settled()
    with pytest.raises(TooSlow):
        await told.take()


async def test_a_revoked_key_hears_nothing_after_its_revocation(world: World, tenant: Harness) -> None:
    revoked = Unauthenticated(reason="This credential is not in force.")
    told = await world.live.subscribe(tenant.caller, TOPICS, renew=answering(revoked))
    kept = await world.live.subscribe(tenant.caller, TOPICS, renew=answering(tenant.caller))
    await told.take(0)
    await kept.take(0)
    await world.tell(tenant, "auth.api_key.revoked", uuid7(), {})
    await told_of(world, tenant, 1)
    with pytest.raises(Unauthenticated):
        await told.take()
    assert len(world.live) == 1 + 0
    assert world.forgotten == [tenant.caller.tenant.id]


async def test_a_role_that_is_taken_away_narrows_what_is_heard(world: World, tenant: Harness) -> None:
    rep = tenant.as_("crm.rep")
    now = dataclasses.replace(rep.caller, key_id=uuid7())
    told = await world.live.subscribe(
        dataclasses.replace(tenant.caller, key_id=now.key_id), ["nexus.crm.*.lead.created"], renew=answering(now)
    )
    await told.take(0)
    await tenant.given(Lead(name="Before"))
    await world.settled()
    await world.tell(tenant, "auth.user.access_assigned", uuid7(), {})
    await tenant.given(Lead(name="After"))
    await tenant.given(Lead(name="Own", owner_id=rep.caller.actor.id))
    await world.settled()
    assert [said(event)["name"] for event in await got(told, 2)] == ["Before", "Own"]
    await nothing_more(told)


async def test_one_key_is_checked_once_for_all_its_subscriptions(world: World, tenant: Harness) -> None:
    asked: list[int] = []
    caller = dataclasses.replace(tenant.caller, key_id=uuid7())

    async def renew() -> Caller:
        asked.append(1)
        return caller

    for _ in range(10):
        await (await world.live.subscribe(caller, TOPICS, renew=renew)).take(0)
    await world.tell(tenant, "auth.user.updated", uuid7(), {})
    await world.settled()
    assert asked == [1]


@pytest.mark.parametrize(
    ("standing", "renewed", "ending"),
    [
        (("suspended", "test"), Unauthenticated(reason="suspended"), Unauthenticated),
        (("active", "elsewhere"), "elsewhere", Relocated),
        (None, Unauthenticated(reason="gone"), Unauthenticated),
        (("moving", "test"), "test", None),
    ],
)
async def test_a_tenant_that_is_suspended_moved_or_gone_hears_no_more(
    world: World, tenant: Harness, standing: tuple[str, str] | None, renewed: Problem | str, ending: type[Problem] | None
) -> None:
    now = dataclasses.replace(tenant.caller, cell=renewed) if isinstance(renewed, str) else renewed
    told = await world.live.subscribe(tenant.caller, TOPICS, renew=answering(now))
    await told.take(0)
    await world.live._look()
    assert told.ended is None
    world.standing[tenant.caller.tenant.id] = standing or ("purged", "")
    await world.live._look()
    if ending is None:
        assert told.ended is None
    else:
        with pytest.raises(ending):
            await told.take()


async def test_a_credential_is_checked_again_now_and_then(world: World, tenant: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    told = await world.live.subscribe(tenant.caller, TOPICS, renew=answering(Unauthenticated(reason="It has expired.")))
    await told.take(0)
    await world.live._look()
    assert told.ended is None
    monkeypatch.setattr(hub, "_RENEW", -1.0)
    await world.live._look()
    with pytest.raises(Unauthenticated):
        await told.take()


async def test_a_check_that_fails_for_one_tenant_is_not_waited_for_by_others(
    world: World, tenant: Harness, other: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, theirs = await world.live.subscribe(tenant.caller, TOPICS), await world.live.subscribe(other.caller, TOPICS)
    await mine.take(0)
    await theirs.take(0)
    whole = checks.shown

    async def broken(oltp: object, cell: str, schema: str, *rest: object) -> object:
        if schema == tenant.caller.schema:
            raise DatabaseError("42P01", "relation does not exist")
        return await whole(oltp, cell, schema, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr("nexus.surfaces.live.tail.shown", broken)
    await world.tell(tenant, "crm.competitor.updated", uuid7(), {"n": 1})
    await told_of(world, other, 2)
    with pytest.raises(Away):
        await mine.take()
    assert [said(event)["n"] for event in await got(theirs, 1)] == [2]


async def test_whoever_listens_is_told_that_the_process_stops(world: World, tenant: Harness) -> None:
    told = await world.live.subscribe(tenant.caller, TOPICS)
    untaken = await world.live.subscribe(tenant.caller, TOPICS)
    await told.take(0)
    await world.live.go_away()
    for one in (told, untaken):
        with pytest.raises(GoingAway):
            await one.take()
    with pytest.raises(GoingAway):
        await world.live.subscribe(tenant.caller, TOPICS)


async def test_iterating_gives_one_after_the_other(world: World, tenant: Harness) -> None:
    start = f"test:{await world.settled()}"
    await told_of(world, tenant, 1, 2, 3)
    async with await world.live.subscribe(tenant.caller, TOPICS, start) as told:
        heard: list[int] = []
        async for event in told:
            heard.append(said(event)["n"])
            assert told.position == event.id or len(heard) == 3
            if len(heard) == 3:
                break
    assert heard == [1, 2, 3]
    assert len(world.live) == 0
