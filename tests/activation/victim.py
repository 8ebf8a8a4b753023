"""A process that begins an activation and kills itself on the way: `victim.py OWNER_URL APP_URL SLUG STEP do|undo before|between|after`."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
import sys
from typing import Any

from nexus.activation import allocation
from nexus.activation.steps import Step, steps
from nexus.activation.work import Work
from nexus.core.service import installed
from tests.activation.conftest import opened


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def deadly(step: Step, when: str) -> Step:
    async def do(work: Work) -> dict[str, Any]:
        if when == "before":
            die()
        output = await step.do(work)
        die()
        return output

    return dataclasses.replace(step, do=do)


def deadly_undo(step: Step, when: str) -> Step:
    async def undo(work: Work) -> None:
        if when == "before":
            die()
        await step.undo(work)
        die()

    return dataclasses.replace(step, undo=undo)


def failing(step: Step) -> Step:
    async def do(work: Work) -> dict[str, Any]:
        await step.do(work)
        raise RuntimeError("the disk is full")

    return dataclasses.replace(step, do=do)


def plan(name: str, way: str, when: str) -> list[Step]:
    if way == "do":
        return [deadly(step, when) if step.name == name else step for step in steps()]
    undone = [deadly_undo(step, when) if step.name == name else step for step in steps()]
    return [failing(step) if step.name == "verify" else step for step in undone]


async def main(owner: str, app: str, slug: str, name: str, way: str, when: str) -> None:
    if when == "between":
        # the tenant has its place, but not yet its schema

        async def killed(*_: object) -> None:
            die()

        allocation._build = killed
    services = installed()
    async with opened([(owner, app)], {"auth": services["auth"]}, plan=plan(name, way, when)) as nexus:
        await nexus.activate(slug)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
