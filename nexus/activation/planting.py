"""Seeding: each service plants its own part of the preset, in one transaction of its own, once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any, Final, TypeAlias
from zoneinfo import ZoneInfo

import msgspec

from nexus import countries
from nexus.activation.platform import own_command
from nexus.activation.resolve import ResolvedBusiness
from nexus.activation.work import Work, together
from nexus.core.service import Service
from nexus.engines.oltp import Statement, UniqueViolation
from nexus.runtime.commands import INBOX, INBOX_CONSTRAINT
from nexus.runtime.directory import TenantRecord
from nexus.runtime.unit_of_work import UnitOfWork
from nexus.surfaces.journal import Cause

Plant: TypeAlias = Callable[[dict[str, Any], Any], Awaitable[dict[str, Any]]]

_OWNER: Final = Statement(
    "SELECT row_to_json(x) FROM (SELECT u.id AS owner_id, k.id AS key_id, (SELECT coalesce(json_object_agg(t.key, t.id), '{}') FROM {s}.auth_team t)"
    " AS teams FROM {s}.auth_user u JOIN {s}.auth_api_key k ON k.user_id = u.id ORDER BY u.id, k.id LIMIT 1) x"
)


def plan(work: Work) -> str:
    """What would be planted."""
    crm, more = work.preset.crm, ""
    if work.business.sample_data:
        more = f", and sample data ({len(crm.sample.deals)} deals, {len(crm.sample.leads)} leads)"
    return (
        f"Plant {len(crm.pipelines)} pipelines, {len(crm.sources)} sources, {len(crm.lost_reasons)} lost reasons, {len(crm.teams)} teams{more};"
        f" a company with the chart of accounts {work.business.chart}, its journals and this fiscal year;"
        f" {work.business.owner.name} becomes the owner and gets a key"
    )


async def plant(work: Work) -> dict[str, Any]:
    """Let auth plant the owner first, then every other service of the tenant its part, all of them at the same time."""
    record = await work.record()
    found = await _plant_once(work, record, "auth", _for_owner(work))
    if found is None:
        found = await _planted_owner(work, record)
    work.token = found.pop("token", None)
    output: dict[str, Any] = dict(found)
    wanted = {name: seeds for name, seeds in _for_services(work, found).items() if name in work.service_names()}
    planted = await together(*[_plant_once(work, record, name, seeds) for name, seeds in wanted.items()])
    return output | {name: one or {"planted": "before"} for name, one in zip(wanted, planted, strict=True)}


def _for_owner(work: Work) -> dict[str, Any]:
    return {"owner": msgspec.to_builtins(work.business.owner), "teams": msgspec.to_builtins(work.preset.crm.teams)}


def _for_services(work: Work, owner: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What each service is given: its part of the preset, and what is true of the whole business."""
    preset, business = work.preset, work.business
    whole = {
        "calendars": msgspec.to_builtins(preset.calendars),
        "holidays": holidays_for(business.country, business.languages[0], dt.datetime.now(ZoneInfo(business.time_zone)).year),
        "country": business.country,
        "currency": business.currency,
        "time_zone": business.time_zone,
        "sample_data": business.sample_data,
        "owner_id": owner["owner_id"],
        "team_ids": owner["teams"],
    }
    return {"crm": msgspec.to_builtins(preset.crm) | whole, "finance": books_of(business) | whole}


def books_of(business: ResolvedBusiness) -> dict[str, Any]:
    """What finance is given about a company: its name and country, the currency of its books, its chart, and the day its years begin."""
    begins = countries.country(business.country).fiscal_year
    return {
        "name": business.name,
        "country": business.country,
        "currency": business.currency,
        "industry": business.industry,
        "chart": business.chart,
        "fiscal_year": {"month": begins.month, "day": begins.day},
    }


@lru_cache(maxsize=512)
def _holidays(country: str, language: str, year: int) -> tuple[tuple[str, str], ...]:
    return tuple((day.date.isoformat(), day.name[:200]) for day in countries.holidays_of(country, year, language=language))


def holidays_for(country: str, language: str, year: int) -> list[dict[str, str]]:
    """The public holidays of a year and the next two, in the language where the library has it. What is known of them does not change in a process."""
    return [{"day": day, "name": name} for one in range(year, year + 3) for day, name in _holidays(country, language, one)]


async def _plant_once(work: Work, record: TenantRecord, name: str, seeds: dict[str, Any]) -> dict[str, Any] | None:
    """Run a service's `plant`; None where an earlier attempt has done it. Services without seeds plant nothing."""
    service: Service = work.platform.services[name]
    part = service.part("seeds")
    if part is None:
        return {}
    function: Plant = part.plant
    caller = work.platform.system(record)
    cause = Cause(caller.tenant, caller.actor, dt.datetime.now(dt.UTC), str(work.id))
    try:
        async with work.platform.cells[record.cell].oltp.transaction(record.schema) as transaction:
            unit = UnitOfWork(transaction, cause, None, caller.values(), own_command)
            unit.command = f"{name}.seeds:plant"
            unit.begin_with((INBOX, [str(work.id).encode(), f"{name}.plant".encode()]))
            answer = await function(seeds, unit)
            await unit.commit(entity=name)
    except UniqueViolation as error:
        if error.constraint == INBOX_CONSTRAINT:
            return None
        raise
    work.platform.host.wake(record.cell)
    return answer


async def _planted_owner(work: Work, record: TenantRecord) -> dict[str, Any]:
    (result,) = await work.platform.cells[record.cell].oltp.run(record.schema, (_OWNER, []))
    found: dict[str, Any] = msgspec.json.decode(result.rows[0][0] or b"")
    return found
