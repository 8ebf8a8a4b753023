"""What a new tenant has beside its data: topics, copilots, integrations and names. Nothing is claimed that is not there."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

import msgspec

from nexus.activation.work import Work
from nexus.core.entity import Entity
from nexus.core.message import REACTIONS, Event
from nexus.core.problem import Problem
from nexus.engines.oltp import Statement, UniqueViolation
from nexus.surfaces import journal
from nexus.surfaces.journal import Cause
from nexus.surfaces.sql import encode

_REGISTER: Final = Statement(
    "INSERT INTO nexus_control.tenant_feature (tenant_id, kind, name, state, detail)"
    " SELECT $1, r.kind, r.name, r.state, r.detail FROM json_to_recordset($2) AS r (kind text, name text, state text, detail text)"
    " ON CONFLICT (tenant_id, kind, name) DO UPDATE SET state = excluded.state, detail = excluded.detail"
)
_UNREGISTER: Final = Statement("DELETE FROM nexus_control.tenant_feature WHERE tenant_id = $1")
_NAME: Final = Statement(
    "INSERT INTO nexus_control.tenant_host (host, tenant_id, purpose, dns, tls)"
    " SELECT r.host, $1, r.purpose, r.dns, r.tls FROM json_to_recordset($2) AS r (host text, purpose text, dns text, tls text)"
    " ON CONFLICT (host) DO UPDATE SET purpose = excluded.purpose, dns = excluded.dns, tls = excluded.tls WHERE tenant_host.tenant_id = $1"
)
_UNNAME: Final = Statement("DELETE FROM nexus_control.tenant_host WHERE tenant_id = $1")


class HostTaken(Problem, status=409):
    """{host} belongs to another tenant."""

    host: str


def events_plan(work: Work) -> str:
    """Which topics there would be."""
    return f"Topics nexus.<service>.<tenant>.<entity>.<event> of {', '.join(work.service_names())}"


def topics(work: Work) -> list[str]:
    """The topics of the events that the tenant's services declare."""
    names = set(work.service_names())
    declared = {event.topic for event in _events(Event) if event.topic.split(".")[0] in names}
    parts = [topic.split(".", 1) for topic in sorted(declared)]
    return [f"nexus.{service}.{work.tenant_id}.{rest}" for service, rest in parts]


def _events(kind: type[Event]) -> list[type[Event]]:
    found: list[type[Event]] = []
    for child in kind.__subclasses__():
        found += ([child] if "topic" in child.__dict__ else []) + _events(child)
    return found


async def open_events(work: Work) -> dict[str, Any]:
    """Write the first entry of the tenant's audit chain under its own role: what the log needs of a tenant is that it can do that."""
    record = await work.record()
    caller = work.platform.system(record)
    cause = Cause(caller.tenant, caller.actor, dt.datetime.now(dt.UTC), str(work.id))
    entry = cause.audit_head("platform.tenant:activate", "platform.tenant") + msgspec.json.encode({"entity_id": work.tenant_id})[1:]
    await work.platform.cells[record.cell].oltp.run(record.schema, (journal.INSERT, [entry, None]))
    work.platform.host.wake(record.cell)
    followed = sum(1 for topic in REACTIONS if topic.split(".")[0] in work.service_names())
    entities = [mapper.class_ for mapper in Entity.registry.mappers if mapper.class_.service() in work.service_names()]
    return {"topics": topics(work), "entities": len(entities), "followed_topics": followed}


def features(work: Work) -> list[dict[str, str]]:
    """Copilots and integrations of the preset, each as it is: nothing is configured until somebody brings what it needs."""
    copilots = [
        {"kind": "copilot", "name": one.key, "state": "not configured", "detail": f"{one.name}: {one.purpose} Needs a language model."}
        for one in work.preset.copilots
    ]
    return copilots + [
        {"kind": "integration", "name": one.key, "state": "not configured", "detail": f"{one.name} needs {', '.join(one.requires)}."}
        for one in work.preset.integrations
    ]


def copilots_plan(work: Work) -> str:
    """What would be registered."""
    return f"Register {len(work.preset.copilots)} copilots and {len(work.preset.integrations)} integrations as not configured"


async def register_copilots(work: Work) -> dict[str, Any]:
    """Register them, so that the console can show what is missing."""
    found = features(work)
    await work.platform.control.run(None, (_REGISTER, [encode(work.tenant_id), encode(found)]))
    return {"registered": {one["name"]: one["state"] for one in found}}


async def unregister_copilots(work: Work) -> None:
    await work.platform.control.run(None, (_UNREGISTER, [encode(work.tenant_id)]))


def names(work: Work) -> list[dict[str, str]]:
    """The names the tenant is to have. Without a DNS provider nobody makes them real, and that is what is recorded."""
    site, business = work.platform.site, work.business
    dns = "recorded" if site.dns else "not configured"
    found = [{"host": f"{business.slug}.{site.domain}", "purpose": "api and console", "dns": dns, "tls": dns}] if site.domain else []
    if business.domain:
        found.append({"host": business.domain, "purpose": "the business's own", "dns": "waits for its owner", "tls": dns})
    return found


def names_plan(work: Work) -> str:
    """Which names would be recorded."""
    found = ", ".join(name["host"] for name in names(work))
    return f"Record {found}" if found else f"No name of its own: it is reached at {work.platform.site.url}"


async def record_names(work: Work) -> dict[str, Any]:
    """Record the names. A name that another tenant has is refused."""
    found = names(work)
    if found:
        try:
            (result,) = await work.platform.control.run(None, (_NAME, [encode(work.tenant_id), encode(found)]))
        except UniqueViolation as error:
            raise HostTaken(host=error.detail or "") from None
        if result.affected != len(found):
            raise HostTaken(host=" or ".join(name["host"] for name in found))
    return {"names": {name["host"]: name["dns"] for name in found}}


async def forget_names(work: Work) -> None:
    await work.platform.control.run(None, (_UNNAME, [encode(work.tenant_id)]))
