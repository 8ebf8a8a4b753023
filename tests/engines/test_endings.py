"""Background tasks end, and one that will not is told and left behind."""

from __future__ import annotations

import asyncio

import pytest

from nexus.engines.endings import end


async def test_a_task_that_forgets_a_cancellation_is_cancelled_again() -> None:
    forgotten = 0

    async def forgets() -> None:
        nonlocal forgotten
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            forgotten += 1
        await asyncio.Event().wait()

    task = asyncio.create_task(forgets())
    await asyncio.sleep(0)

    await end([task])

    assert (forgotten, task.cancelled()) == (1, True)


async def test_one_that_never_ends_is_left_behind_and_named(caplog: pytest.LogCaptureFixture) -> None:
    over = False

    async def deaf() -> None:
        while not over:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue

    task = asyncio.create_task(deaf(), name="deaf one")
    await asyncio.sleep(0)

    await end([task], patience=1.0)

    assert not task.done()
    (told,) = [record.getMessage() for record in caplog.records]
    assert "deaf one waits at" in told
    assert "deaf:" in told
    over = True
    task.cancel()
    await task
