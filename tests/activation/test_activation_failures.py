"""A step that fails undoes everything before it, says which step it was, and leaves nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from nexus.activation.steps import Step, steps
from nexus.activation.work import Work
from tests.activation.conftest import Installation, Open

NAMES = [step.name for step in steps()]


def failing(name: str, *, after: bool) -> list[Step]:
    """The steps, of which one fails: before it does anything, or after it has done everything."""

    def broken(step: Step) -> Step:
        async def do(work: Work) -> dict[str, Any]:
            if after:
                await step.do(work)
            raise RuntimeError("the disk is full")

        return dataclasses.replace(step, do=do) if step.name == name else step

    return [broken(step) for step in steps()]


def undo_failing(name: str, times: int) -> tuple[list[Step], Callable[[], int]]:
    """The steps, of which verify fails and one cannot be undone so many times."""
    left = times

    def broken(step: Step) -> Step:
        async def undo(work: Work) -> None:
            nonlocal left
            if left > 0:
                left -= 1
                raise RuntimeError("cannot be undone yet")
            await step.undo(work)

        return dataclasses.replace(step, undo=undo) if step.name == name else step

    return [broken(step) for step in failing("verify", after=True)], lambda: left


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("validate", "preset", "active")])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_failure_in_any_step_undoes_all(open_installation: Open, name: str, after: bool) -> None:
    slug = f"fails-{name}-{'after' if after else 'before'}"
    async with open_installation(plan=failing(name, after=after)) as nexus:
        before = await nexus.traces()

        status, problem = await nexus.activate(slug)

        assert (status, problem["type"], problem["step"]) == (500, "/problems/activation-failed", name)
        assert problem["because"] == "RuntimeError: the disk is full"
        activation = problem["activation"]
        assert activation["state"] == "rolled_back"
        at = NAMES.index(name)
        assert [step["state"] for step in activation["steps"]] == ["undone"] * (at + 1) + ["waiting"] * (len(NAMES) - at - 1)
        assert await nexus.traces() == before
        assert (await nexus.ask("GET", f"/api/v1/tenants/{slug}"))[0] == 404


async def test_undoing_goes_backwards(open_installation: Open) -> None:
    async with open_installation(plan=failing("verify", after=True)) as nexus:
        await nexus.activate("backwards")

        rows = await nexus.rows(
            "SELECT s.name FROM nexus_control.activation_step s JOIN nexus_control.activation a ON a.id = s.activation_id"
            " WHERE a.slug = 'backwards' AND s.undone_at IS NOT NULL ORDER BY s.undone_at"
        )

    assert [name for (name,) in rows] == NAMES[8::-1]


async def test_after_a_failure_the_slug_is_free_again(open_installation: Open) -> None:
    async with open_installation(plan=failing("seed", after=True)) as nexus:
        assert (await nexus.activate("second-try"))[0] == 500
    async with open_installation() as nexus:
        assert (await nexus.activate("second-try"))[0] == 201


async def test_a_retry_begins_again(open_installation: Open) -> None:
    async with open_installation(plan=failing("dns", after=False)) as nexus:
        _, problem = await nexus.activate("retried")
        id = problem["activation"]["id"]
    async with open_installation() as nexus:
        status, _ = await nexus.ask("POST", f"/api/v1/activations/{id}/retry")
        record = await nexus.control.saga.settled(nexus_id(id), 30)
        again, refusal = await nexus.ask("POST", f"/api/v1/activations/{id}/retry")

        assert status == 202
        assert record is not None
        assert (record.state, record.failed_step) == ("active", None)
        assert (again, refusal["type"]) == (409, "/problems/not-over")
        assert (await nexus.ask("GET", "/api/v1/tenants/retried"))[1]["state"] == "active"


async def test_what_cannot_be_undone_is_stuck_until_it_can(open_installation: Open) -> None:
    plan, left = undo_failing("allocate", 3)
    async with open_installation(plan=plan) as nexus:
        before = await nexus.traces()
        status, problem = await nexus.activate("stuck-one")
        assert (status, problem["type"]) == (500, "/problems/activation-stuck")
        id = problem["activation"]["id"]
        states = {step["name"]: step["state"] for step in problem["activation"]["steps"]}
        assert (states["seed"], states["allocate"], states["preset"]) == ("undone", "undo failed", "done")
        assert left() == 0
        assert (await nexus.traces())["schemas"] == before["schemas"] + 1

        await nexus.ask("POST", f"/api/v1/activations/{id}/retry")
        record = await nexus.control.saga.settled(nexus_id(id), 30)

        assert record is not None
        assert record.state == "rolled_back"
        assert await nexus.traces() == before


async def test_a_cancelled_activation_is_undone(open_installation: Open) -> None:
    cancelled: list[Installation] = []

    def cancelling(step: Step) -> Step:
        async def do(work: Work) -> dict[str, Any]:
            await cancelled[0].ask("POST", f"/api/v1/activations/{work.id}/cancel")
            return await step.do(work)

        return dataclasses.replace(step, do=do) if step.name == "seed" else step

    async with open_installation(plan=[cancelling(step) for step in steps()]) as nexus:
        cancelled.append(nexus)
        before = await nexus.traces()

        status, problem = await nexus.activate("cancelled")

        assert (status, problem["because"]) == (500, "it was cancelled")
        assert problem["activation"]["state"] == "rolled_back"
        assert await nexus.traces() == before


def nexus_id(text: str) -> Any:
    from uuid import UUID

    return UUID(text)
