"""A task ends though it forgets the first cancellation."""

from __future__ import annotations

import asyncio

from nexus.engines.endings import end


async def test_one_that_forgets_a_cancellation_is_ended_all_the_same() -> None:
    forgotten = 0

    async def stubborn() -> None:
        nonlocal forgotten
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if forgotten:
                    raise
                forgotten += 1

    async def obedient() -> None:
        await asyncio.Event().wait()

    tasks = [asyncio.create_task(stubborn()), asyncio.create_task(obedient())]
    await asyncio.sleep(0)

    async with asyncio.timeout(30):
        await end(tasks)

    assert forgotten == 1
    assert all(task.cancelled() for task in tasks)


async def test_nothing_to_end_is_ended() -> None:
    await end([])
