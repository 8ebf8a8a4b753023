"""A process that dies in any step loses nothing: the next start goes on with the activation, forward or back."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from nexus.activation.steps import steps
from tests.activation.conftest import Installation, Open

ROOT = Path(__file__).parents[2]
NAMES = [step.name for step in steps()][2:]


async def killed(database: tuple[str, str], slug: str, name: str, way: str, when: str) -> None:
    """Run the victim until it has killed itself."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.activation.victim",
        *(*database, slug, name, way, when),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    assert process.returncode == -signal.SIGKILL, said.decode()


async def activation(nexus: Installation, slug: str) -> tuple[UUID, str]:
    (row,) = await nexus.rows("SELECT id, state FROM nexus_control.activation WHERE slug = %s", slug)
    return row[0], row[1]


async def restarted(nexus: Installation, slug: str) -> Any:
    """Start as the only process there is, and wait for what becomes of it."""
    id, state = await activation(nexus, slug)
    assert state in ("running", "undoing")
    await nexus.control.start(alone=True)
    record = await nexus.control.saga.settled(id, 30)
    assert record is not None
    return record


@pytest.mark.parametrize(
    ("name", "when"), [(name, "after") for name in NAMES] + [("allocate", "before"), ("allocate", "between"), ("verify", "before")]
)
async def test_killed_in_a_step_the_next_start_goes_on(
    open_installation: Open, control_database: tuple[str, str], name: str, when: str
) -> None:
    slug = f"killed-{name}-{when}"
    await killed(control_database, slug, name, "do", when)

    async with open_installation() as nexus:
        record = await restarted(nexus, slug)

        assert record.state == "active", record.reason
        assert [step.state for step in record.steps] == ["done"] * len(record.steps)
        assert {step.name: step.attempts for step in record.steps}[name] == 2
        status, tenant = await nexus.ask("GET", f"/api/v1/tenants/{slug}")
        assert (status, tenant["state"]) == (200, "active")
        schema = f"t_{tenant['id'].replace('-', '')}"
        assert await nexus.rows(f"SELECT count(*), count(DISTINCT email) FROM {schema}.auth_user") == [(1, 1)]
        _, given = await nexus.ask("POST", f"/api/v1/activations/{record.id}/credentials")
        assert (await nexus.ask("GET", "/api/v1/auth/reports/me", token=given["credentials"]["api_key"]))[0] == 200


@pytest.mark.parametrize(("name", "when"), [("copilots", "before"), ("copilots", "after"), ("allocate", "before"), ("allocate", "after")])
async def test_killed_while_undoing_the_next_start_undoes_the_rest(
    open_installation: Open, control_database: tuple[str, str], name: str, when: str
) -> None:
    slug = f"undone-{name}-{when}"
    async with open_installation() as nexus:
        before = await nexus.traces()
    await killed(control_database, slug, name, "undo", when)

    async with open_installation() as nexus:
        record = await restarted(nexus, slug)

        assert (record.state, record.failed_step) == ("rolled_back", "verify")
        assert await nexus.traces() == before


async def test_another_process_takes_over_once_the_lease_has_run_out(open_installation: Open, control_database: tuple[str, str]) -> None:
    await killed(control_database, "taken-over", "seed", "do", "after")

    async with open_installation(lease=0.4) as nexus:
        id, _ = await activation(nexus, "taken-over")
        assert await nexus.control.saga.recover() == []  # its owner is believed to be alive
        await nexus.rows("UPDATE nexus_control.activation SET lease_until = clock_timestamp() WHERE id = %s RETURNING 1", id)

        await nexus.control.start()
        record = await nexus.control.saga.settled(id, 30)

        assert record is not None
        assert (record.state, record.owner) == ("active", nexus.control.saga.store.owner)


async def test_a_step_that_kills_every_process_is_undone(open_installation: Open, control_database: tuple[str, str]) -> None:
    await killed(control_database, "poison", "dns", "do", "after")
    async with open_installation() as nexus:
        await nexus.rows(
            "UPDATE nexus_control.activation_step s SET attempts = 3 FROM nexus_control.activation a"
            " WHERE a.id = s.activation_id AND a.slug = 'poison' AND s.name = 'dns' RETURNING 1"
        )

        record = await restarted(nexus, "poison")

        assert (record.state, record.failed_step, record.reason) == ("rolled_back", "dns", "the process ended in it 3 times")
