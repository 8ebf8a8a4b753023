"""Events as a stream: what happens, told to whoever may know of it, each with its data as the message that its topic has."""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, Final

import msgspec
from google.protobuf.message import Message

from nexus.core.problem import Problem
from nexus.surfaces.calling import Caller
from nexus.surfaces.grpc.calling import Incoming
from nexus.surfaces.grpc.messages import Schema
from nexus.surfaces.live import Live, LiveEvent, Subscription
from nexus.surfaces.lock import Lock

NAME: Final = "/nexus.v1.Events/Subscribe"
LINGER: Final = 5.0
"""Seconds in which a caller that does not read may still take what it is told last; then the call is ended."""
_RECORD: Final = (b'"version":', b'"created_at":')
"""What every record has, and no event in a command's own words."""


class _Envelope(msgspec.Struct):
    """What is read of a CloudEvent."""

    id: str
    type: str
    source: str
    subject: str
    time: dt.datetime
    tenant: str
    data: msgspec.Raw
    schemaversion: int = 1
    actor: str | None = None
    correlationid: str | None = None
    causationid: str | None = None
    changed: str = ""


_DECODER: Final = msgspec.json.Decoder(_Envelope)


class Events:
    """The method that follows topics."""

    def __init__(self, schema: Schema, live: Live, authenticate: Callable[[str], Awaitable[Caller]], heartbeat: float) -> None:
        """`heartbeat`: seconds after which a position comes over a stream on which nothing happens."""
        self._schema = schema
        self._live = live
        self._authenticate = authenticate
        self._heartbeat = heartbeat
        self._takes = schema.codec("nexus.v1", "Subscribe")
        self._event: Any = schema.type("nexus.v1.Event")
        self._services: dict[str, Lock] = {lock.service: lock for lock in schema.locks.values()}

    async def subscribe(self, incoming: Incoming, data: bytes) -> AsyncGenerator[bytes]:
        """Tell what is asked for from now on, or after a position, until the caller goes. Raises the Problem that ends it."""
        token = incoming.token()
        caller = incoming.caller = await self._authenticate(token)
        asked = self._takes.json(self._takes.parsed(data))
        renew = functools.partial(self._authenticate, token)
        async with await self._live.subscribe(caller, asked.get("topics", []), asked.get("after"), renew) as subscription:
            own, loop, alarms = asyncio.current_task(), asyncio.get_running_loop(), list[asyncio.TimerHandle]()

            def ended(why: Problem) -> None:
                if own is not None:  # it may wait for a caller that does not read
                    alarms.append(loop.call_later(LINGER, own.cancel))

            subscription.on_end = ended
            try:
                async for one in self._told(subscription):
                    yield one
            finally:
                for alarm in alarms:
                    alarm.cancel()

    async def _told(self, subscription: Subscription) -> AsyncGenerator[bytes]:
        yield self._at(subscription)
        while True:
            events = await subscription.take(self._heartbeat)
            for event in events:
                yield self._framed(event)
            if not events:
                yield self._at(subscription)

    def _at(self, subscription: Subscription) -> bytes:
        """How far it is, without an event."""
        message: Message = self._event(position=subscription.position)
        return message.SerializeToString()

    def _framed(self, event: LiveEvent) -> bytes:
        """An event as bytes, made once for all who see it alike."""
        found = event.written.get("grpc")
        if found is None:
            found = event.written["grpc"] = self._message(event).SerializeToString()
        return found

    def _message(self, event: LiveEvent) -> Message:
        read = _DECODER.decode(event.envelope)
        said = {
            "actor": read.actor,
            "correlation_id": read.correlationid,
            "causation_id": read.causationid,
        }
        made: Any = self._event(
            position=event.id,
            id=read.id,
            type=read.type,
            source=read.source,
            subject=read.subject,
            tenant=read.tenant,
            schema_version=read.schemaversion,
            changed=read.changed.split(),
            **{name: value for name, value in said.items() if value is not None},
        )
        made.time.FromDatetime(read.time)
        packed = self._packed(read)
        if packed is not None:
            made.data.Pack(packed)
        else:
            made.json = bytes(read.data).decode()
        message: Message = made
        return message

    def _packed(self, read: _Envelope) -> Message | None:
        """The data as the message of its topic; None where it is of another version than the one that the lock has a message for."""
        lock = self._services.get(read.type.partition(".")[0])
        topic = lock.topics.get(read.type) if lock is not None else None
        if lock is None or topic is None:
            return None
        data = bytes(read.data)
        if topic.record and all(mark in data for mark in _RECORD):
            return self._schema.codec(lock.package, topic.record).message(data)
        if topic.version != read.schemaversion:
            return None
        return self._schema.codec(lock.package, topic.data).message(data)
