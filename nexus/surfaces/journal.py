"""The journal: the one row that every command leaves, from which the relay makes the audit chain and the event log."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import msgspec

from nexus.core import trace as tracing
from nexus.core.entity import Entity
from nexus.core.ids import uuid7
from nexus.core.message import Event
from nexus.core.trace import TRACE
from nexus.core.tx import Actor, Tenant
from nexus.engines.oltp import Statement
from nexus.surfaces.shapes import Shape, shape_of

INSERT: Final = Statement("INSERT INTO nexus_cell.journal (audit, events) VALUES ($1, $2)")
MASK: Final = "***"


@dataclass(frozen=True, slots=True)
class Cause:
    """Who asked what, when, and on account of what: the same for every row a command leaves."""

    tenant: Tenant
    actor: Actor
    now: dt.datetime
    correlation: str
    causation: str | None = None
    key_id: UUID | None = None
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """More that audit should say: the import a row came from, the agent that acted."""
    trace: str | None = field(default_factory=TRACE.get)
    """The trace that this is a part of, as `traceparent`."""

    def audit_head(self, command: str, entity: str) -> bytes:
        """The beginning of an audit entry, up to and with the comma before what it was about."""
        said = {"at": self.now, "actor": self.actor.name, "actor_id": self.actor.id, "key_id": self.key_id, "command": command}
        return _open(said | {"entity": entity, "correlation": self.correlation, "traceparent": self.trace} | dict(self.extra))

    def event_head(self, topic: str, schema_version: int = 1) -> bytes:
        """The beginning of a CloudEvents envelope: all but id, subject and data."""
        said = {
            "specversion": "1.0",
            "type": topic,
            "source": f"/nexus/{topic.split('.')[0]}",
            "time": self.now,
            "tenant": self.tenant.id,
            "datacontenttype": "application/json",
            "schemaversion": schema_version,
            "actor": self.actor.name,
            "correlationid": self.correlation,
            "causationid": self.causation,
            "traceparent": self.trace if tracing.telling is None else tracing.telling(topic),
        }
        return _open(said)

    def envelope_head(self, topic: str, subject: UUID | str, schema_version: int = 1, changed: str = "") -> bytes:
        """The same with id and subject: all but the data, which goes behind it, and the closing brace."""
        own = {"id": uuid7(), "subject": subject} | ({"changed": changed} if changed else {})
        return self.event_head(topic, schema_version) + _open(own)[1:] + b'"data":'

    def envelope(self, topic: str, subject: UUID, data: bytes, schema_version: int = 1, changed: str = "") -> bytes:
        """A whole envelope; `changed` names the fields of an update, separated by spaces."""
        return self.envelope_head(topic, subject, schema_version, changed) + data + b"}"

    def told(self, event: Event) -> bytes:
        """The envelope of a declared event."""
        return self.envelope(event.topic, event.subject, msgspec.json.encode(event), event.schema_version)


def _open(members: dict[str, Any]) -> bytes:
    return msgspec.json.encode({name: value for name, value in members.items() if value is not None})[:-1] + b","


def shown(shape: Shape, values: Mapping[str, Any]) -> dict[str, Any]:
    """A record as events tell it: sensitive fields are null."""
    return {name: None if name in shape.sensitive else values[name] for name in shape.fields if name in values}


def masked(shape: Shape, values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as audit keeps them: personal and sensitive ones as three stars, empty ones left out."""
    kept: dict[str, Any] = {}
    for name, value in values.items():
        known = shape.fields[name].facts
        if value is not None:
            kept[name] = MASK if known.pii or known.sensitive else value
    return kept


def topic(kind: type[Entity], verb: str) -> str:
    """The topic of a derived event: `crm.contact.created`."""
    return f"{shape_of(kind).name}.{verb}"
