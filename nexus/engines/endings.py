"""Ending background tasks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Any, Final

_log = logging.getLogger("nexus.endings")
_AGAIN: Final = 0.5
PATIENCE: Final = 30.0
"""Seconds after which a task that will not end is left behind: a process that cannot stop is worse."""


async def end(tasks: Iterable[asyncio.Task[Any]], patience: float = PATIENCE) -> None:
    """Cancel the tasks until all have ended: before Python 3.12 wait_for forgets a cancellation that comes with what it waited for."""
    going = set(tasks)
    for _ in range(max(1, round(patience / _AGAIN))):
        if not going:
            return
        for task in going:
            task.cancel()
        _, going = await asyncio.wait(going, timeout=_AGAIN)
    for task in going:
        _log.error("a task does not end though it was cancelled again and again: %s waits at %s", task.get_name(), _place(task))


def _place(task: asyncio.Task[Any]) -> str:
    """Where a task stands, from the outermost call to the innermost."""
    places: list[str] = []
    work: Any = task.get_coro()
    while (frame := getattr(work, "cr_frame", None)) is not None:
        places.append(f"{frame.f_code.co_qualname}:{frame.f_lineno}")
        work = work.cr_await
    return " > ".join([*places, repr(work)])
