"""A business becomes a running system."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import msgspec
import pytest

from nexus.activation import proof
from nexus.core.service import Service
from nexus.engines.oltp.embedded import EmbeddedPostgres
from tests.activation.conftest import LEAST, Installation, Open, new_database, opened

STEPS = ["validate", "preset", "allocate", "roles", "events", "seed", "copilots", "dns", "verify", "active"]


async def test_the_least_body_gives_a_tenant_whose_owner_can_work(nexus: Installation) -> None:
    status, answer = await nexus.ask("POST", "/api/v1/activate", LEAST)

    assert status == 201, answer
    tenant = answer["tenant"]
    assert (tenant["slug"], tenant["state"], tenant["country"], tenant["currency"], tenant["time_zone"]) == (
        "ade-bakery",
        "active",
        "NG",
        "NGN",
        "Africa/Lagos",
    )
    assert [step["name"] for step in answer["steps"]] == STEPS
    assert {step["state"] for step in answer["steps"]} == {"done"}
    assert all(step["ms"] >= 0 for step in answer["steps"])
    assert answer["proof"][0] == "logged in as the owner with the new key"
    status, me = await nexus.ask("GET", "/api/v1/auth/reports/me", token=answer["credentials"]["api_key"])
    assert (status, me["items"][0]["name"], me["items"][0]["roles"]) == (200, "Ade", ["auth.owner"])


async def test_the_proof_leaves_the_lists_of_the_business_empty(postgres: EmbeddedPostgres, services: dict[str, Service]) -> None:
    async with opened([await new_database(postgres, f"proof_{uuid4().hex[:8]}")], services) as nexus:
        _, answer = await nexus.activate("empty-lists")
        token = answer["credentials"]["api_key"]
        assert answer["proof"][-5:] == [
            "and nothing of it is in the lists",
            "found the general journal",
            "found accounts to post on",
            "posted an entry, as a trial",
            "read the trial balance, in which nothing of it is left",
        ]
        for path in ("journal_entries", "journal_lines", "account_balances", "journal_numbers"):
            status, page = await nexus.ask("GET", f"/api/v1/finance/{path}", token=token)
            assert (status, page["items"]) == (200, []), path
        for path in ("leads", "contacts", "accounts", "deals", "activities", "stage_changes", "conversion_records", "response_clocks"):
            status, page = await nexus.ask("GET", f"/api/v1/crm/{path}", token=token)
            assert (status, page["items"]) == (200, []), path


async def test_a_proof_that_was_cut_off_is_tidied_up_before_the_next(
    postgres: EmbeddedPostgres, services: dict[str, Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened([await new_database(postgres, f"proof_{uuid4().hex[:8]}")], services) as nexus:
        sell = proof._sell  # pyright: ignore[reportPrivateUsage]

        async def twice(client: Any, again: bool) -> None:
            lead = await client.ask("POST", "crm/leads", {"name": "First Lead", "email": "first.lead@example.com"}, status=201, shows="")
            for verb in ("qualify", "convert"):
                await client.ask("POST", f"crm/leads/{lead['id']}/{verb}", {}, status=200, shows="")
            await proof._tidy(client)  # pyright: ignore[reportPrivateUsage]
            await sell(client, again)

        monkeypatch.setattr(proof, "_sell", twice)
        status, answer = await nexus.activate("cut-off")
        assert (status, answer["proof"].count("and nothing of it is in the lists")) == (201, 1)


async def test_the_credential_is_kept_nowhere(nexus: Installation) -> None:
    _, answer = await nexus.activate("kept-nowhere")
    secret = answer["credentials"]["api_key"][-20:]  # the alphabet of secrets has an underscore

    (activation,) = (await nexus.rows("SELECT row_to_json(a)::text FROM nexus_control.activation a WHERE slug = 'kept-nowhere'"))[0]
    (steps,) = (await nexus.rows("SELECT json_agg(s)::text FROM nexus_control.activation_step s"))[0]
    (said,) = (await nexus.rows("SELECT coalesce(json_agg(j), '[]')::text FROM nexus_cell.journal j"))[0]
    schema = f"t_{answer['tenant']['id'].replace('-', '')}"
    (keys,) = (await nexus.rows(f"SELECT json_agg(k)::text FROM {schema}.auth_api_key k"))[0]

    assert not [where for where in (activation, steps, said, keys) if secret in where]


async def test_the_same_key_gives_the_same_tenant_without_the_secret(nexus: Installation) -> None:
    sent = msgspec.json.encode({**LEAST, "slug": "same-key"})

    first = await nexus.control.activations.ask(sent, "key-1", give=True)
    done = await nexus.control.activations.wait(first.record.id)
    answer = await nexus.control.activations.view(done, give=True)
    again = await nexus.control.activations.ask(sent, "key-1", give=True)
    replay = await nexus.control.activations.view(await nexus.control.activations.wait(again.record.id), give=True)

    assert (first.replayed, again.replayed) == (False, True)
    assert replay["tenant"] == answer["tenant"]
    assert answer["credentials"]["api_key"].startswith("nx_")
    assert replay["credentials"]["api_key"] is None
    assert replay["credentials"]["credentials_note"].startswith("It was shown once")
    assert await nexus.rows("SELECT count(*) FROM nexus_control.tenant WHERE slug = 'same-key'") == [(1,)]


async def test_a_dry_run_plans_and_does_nothing(nexus: Installation) -> None:
    before = await nexus.traces()

    status, plan = await nexus.ask("POST", "/api/v1/activate?dry_run=true", {**LEAST, "slug": "only-planned"})

    assert status == 200
    assert plan["tenant"]["slug"] == "only-planned"
    assert [step["name"] for step in plan["steps"]] == STEPS
    assert plan["steps"][6]["what"].endswith("as not configured")
    assert await nexus.traces() == before
    assert await nexus.rows("SELECT count(*) FROM nexus_control.activation WHERE slug = 'only-planned'") == [(0,)]


async def test_what_nobody_brought_is_reported_as_not_configured(nexus: Installation) -> None:
    await nexus.activate("honest")

    _, tenant = await nexus.ask("GET", "/api/v1/tenants/honest")

    assert {feature["state"] for feature in tenant["features"]} == {"not configured"}
    assert {feature["kind"] for feature in tenant["features"]} == {"copilot", "integration"}
    assert tenant["hosts"] == [
        {"host": "honest.nexus.example", "purpose": "api and console", "dns": "not configured", "tls": "not configured"}
    ]
    assert tenant["services"] == {"auth": 1}


async def test_asked_to_answer_later_the_credential_is_handed_out_once(nexus: Installation) -> None:
    asked = await nexus.control.activations.ask(msgspec.json.encode({**LEAST, "slug": "later"}), None, give=False)
    done = await nexus.control.activations.wait(asked.record.id)
    view = await nexus.control.activations.view(done)
    where = f"/api/v1/activations/{done.id}/credentials"

    status, first = await nexus.ask("POST", where)
    again, refusal = await nexus.ask("POST", where)

    assert view["credentials"]["api_key"] is None
    assert status == 200
    assert (await nexus.ask("GET", "/api/v1/auth/reports/me", token=first["credentials"]["api_key"]))[0] == 200
    assert (again, refusal["type"]) == (409, "/problems/credential-given")


async def test_progress_is_told_after_every_step(nexus: Installation) -> None:
    asked = await nexus.control.activations.ask(msgspec.json.encode({**LEAST, "slug": "watched"}), None, give=False)

    seen = [(record.state, [step.state for step in record.steps]) async for record in nexus.control.saga.watch(asked.record.id)]

    assert seen[-1] == ("active", ["done"] * len(STEPS))
    assert len(seen) >= 3
    done = [states.count("done") for _, states in seen]
    assert done == sorted(done)


async def test_every_step_is_in_the_record_with_its_time(open_installation: Open) -> None:
    async with open_installation() as nexus:
        await nexus.activate("recorded")

        rows = await nexus.rows(
            "SELECT s.name, s.state, s.attempts, s.ms >= 0, s.started_at IS NOT NULL FROM nexus_control.activation_step s"
            " JOIN nexus_control.activation a ON a.id = s.activation_id WHERE a.slug = 'recorded' ORDER BY s.n"
        )

    assert rows == [(name, "done", 1, True, True) for name in STEPS]
