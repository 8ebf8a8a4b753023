"""A process that moves a tenant and kills itself as a phase begins: `mover OWNER APP OWNER APP TENANT TARGET PHASE`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from uuid import UUID

from nexus.core.service import installed
from tests.activation.conftest import opened
from tests.runtime.copies import moves, record_of


async def main(first: tuple[str, str], second: tuple[str, str], id: UUID, target: str, phase: str) -> None:
    def told(now: str) -> None:
        if now == phase:
            os.kill(os.getpid(), signal.SIGKILL)

    async with opened([first, second], installed()) as nexus:
        await moves(nexus).move(await record_of(nexus, id), target, told)


if __name__ == "__main__":
    owner, app, other_owner, other_app, id, target, phase = sys.argv[1:]
    asyncio.run(main((owner, app), (other_owner, other_app), UUID(id), target, phase))
