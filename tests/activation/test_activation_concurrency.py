"""Many at once: one slug gives one tenant, different ones all come to be."""

from __future__ import annotations

import asyncio

import msgspec

from tests.activation.conftest import LEAST, Installation, Open


async def test_two_calls_with_one_slug_give_one_tenant(nexus: Installation) -> None:
    answers = await asyncio.gather(*(nexus.activate("only-one") for _ in range(4)))

    assert sorted(status for status, _ in answers) == [201, 409, 409, 409]
    assert {answer["type"] for status, answer in answers if status == 409} == {"/problems/slug-taken"}
    assert await nexus.rows("SELECT count(*) FROM nexus_control.tenant WHERE slug = 'only-one'") == [(1,)]
    assert await nexus.rows("SELECT count(*) FROM nexus_control.activation WHERE slug = 'only-one'") == [(1,)]


async def test_two_calls_with_one_key_get_the_same_result(nexus: Installation) -> None:
    sent = msgspec.json.encode({**LEAST, "slug": "same-result"})
    asked = await asyncio.gather(*(nexus.control.activations.ask(sent, "one-result", give=True) for _ in range(4)))
    settled = await asyncio.gather(*(nexus.control.activations.wait(one.record.id) for one in asked))

    assert len({record.id for record in settled}) == 1
    assert {record.state for record in settled} == {"active"}
    assert sorted(one.replayed for one in asked) == [False, True, True, True]


async def test_two_processes_share_a_slug_and_a_key(open_installation: Open) -> None:
    async with open_installation() as one, open_installation() as other:
        answers = await asyncio.gather(one.activate("two-processes"), other.activate("two-processes"))

        assert sorted(status for status, _ in answers) == [201, 409]

        sent = msgspec.json.encode({**LEAST, "slug": "two-processes-key"})
        first = await one.control.activations.ask(sent, "shared", give=True)
        second = await other.control.activations.ask(sent, "shared", give=True)
        settled = await other.control.activations.wait(second.record.id)
        assert (second.record.id, second.replayed, settled.state) == (first.record.id, True, "active")


async def test_eight_different_ones_at_once_all_come_to_be(nexus: Installation) -> None:
    answers = await asyncio.gather(*(nexus.activate(f"eight-{n}") for n in range(8)))

    assert [status for status, _ in answers] == [201] * 8
    assert len({answer["tenant"]["id"] for _, answer in answers}) == 8
    for _, answer in answers:
        assert (await nexus.ask("GET", "/api/v1/auth/reports/me", token=answer["credentials"]["api_key"]))[0] == 200
