"""The steps of an activation, each a do and its undo. Either may run again after a crash, so each finds out what is there before it acts.

validate      the business can be one                       nothing to undo
preset        what it starts with                           nothing to undo
allocate      a cell, and a schema made in advance or now   the schema, its role and rows, and the tenant's row go
roles         the role reaches its own tables, no others    goes with the schema
events        its topics, and the first entry of its audit  goes with the schema
seed          what the services plant, the owner, the key   goes with the schema
copilots      copilots and integrations, as they are        the registrations go
dns           names recorded                                the names go
verify        the owner works with it through the API       goes with the schema
active        the tenant is open                            the last step: nothing comes after it that could fail
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from nexus.activation import allocation, planting, proof, registering
from nexus.activation.work import Work

Output: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `do` answers what later steps and the caller may know of it; what either raises says why it failed."""

    name: str
    plan: Callable[[Work], str]
    """One sentence: what it would do."""
    do: Callable[[Work], Awaitable[Output]]
    undo: Callable[[Work], Awaitable[None]]


async def nothing(work: Work) -> None:
    """There is nothing to undo, or it goes with the schema."""


async def _validate(work: Work) -> Output:
    return {"slug": work.business.slug, "because": work.business.because}


async def _preset(work: Work) -> Output:
    preset = work.preset
    return {
        "preset": preset.name,
        "version": preset.version,
        "services": work.service_names(),
        "waiting": work.waiting(),
    }


async def _active(work: Work) -> Output:
    """The record of this step opens the tenant: see `Store.activate`."""
    return {}


LAST = "active"


def steps() -> list[Step]:
    """The steps in order."""
    return [
        Step("validate", lambda work: f"{work.business.name} becomes {work.business.slug}", _validate, nothing),
        Step("preset", _preset_plan, _preset, nothing),
        Step("allocate", lambda work: "Take a schema made in advance, else make one", allocation.allocate, allocation.release),
        Step("roles", lambda work: "Check that its role reaches its own tables and no others", allocation.check_role, nothing),
        Step("events", registering.events_plan, registering.open_events, nothing),
        Step("seed", planting.plan, planting.plant, nothing),
        Step("copilots", registering.copilots_plan, registering.register_copilots, registering.unregister_copilots),
        Step("dns", registering.names_plan, registering.record_names, registering.forget_names),
        Step("verify", proof.plan, proof.verify, nothing),
        Step(LAST, lambda work: "Open the business", _active, nothing),
    ]


def _preset_plan(work: Work) -> str:
    preset = work.preset
    waiting = work.waiting()
    more = f"; {', '.join(waiting)} join when those services are installed" if waiting else ""
    return f"{preset.name} in {preset.country}, {preset.currency}{more}"
