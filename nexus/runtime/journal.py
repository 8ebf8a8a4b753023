"""What a batch of journal rows becomes: events with positions, audit entries with hashes. No I/O."""

import datetime as dt
import hashlib
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from nexus.core.ids import uuid7
from nexus.engines.event_log import LoggedEvent
from nexus.engines.event_log.patterns import check_type, topic_of

__all__ = ["GENESIS", "Batch", "JournalRow", "digest", "entry_of", "link"]

GENESIS = b"0" * 64
"""The hash before the first entry of a chain, in hex."""


class JournalRow(NamedTuple):
    """One command's row as the database gives it; `at` is ISO 8601 in UTC with microseconds."""

    seq: bytes
    tenant: str
    at: bytes
    audit: bytes | None
    events: bytes | None


class _Head(msgspec.Struct):
    """What the relay must know of an envelope."""

    id: UUID
    type: str
    subject: UUID
    tenant: UUID


_list = msgspec.json.Decoder(list[msgspec.Raw])
_head = msgspec.json.Decoder(_Head)
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode = msgspec.json.Encoder().encode


def digest(rows: list[dict[str, Any]]) -> bytes:
    """Rows as the argument of json_to_recordset."""
    return _encode(rows)


def entry_of(tenant: str, seq: int, at: bytes, act: bytes) -> bytes:
    """The bytes that are hashed and kept: what the platform says, then what the command wrote, verbatim and as a value of its own."""
    return b'{"tenant":"%s","seq":%d,"at":"%s","act":%s}' % (tenant.encode(), seq, at, act)


def link(prev_hash: bytes, entry: bytes) -> bytes:
    """sha256(previous hash as 32 bytes || entry); both hashes in hex."""
    return hashlib.sha256(bytes.fromhex(prev_hash.decode()) + entry).hexdigest().encode()


@dataclass(slots=True)
class Batch:
    """One move: from position `start`, at the moment `at`."""

    start: int
    at: bytes
    rows: list[JournalRow] = field(default_factory=list[JournalRow])
    events: list[LoggedEvent] = field(default_factory=list[LoggedEvent])
    entries: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """Of each audit entry the row's seq, its own seq, the hash before it and its own; the act, where it is not the row's."""
    logged: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """Of each event the row's seq, position, tenant, topic and subject; the length of its envelope, if it is all that the row tells, or the envelope."""
    refused: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    _chains: dict[str, tuple[int, bytes]] = field(default_factory=dict[str, tuple[int, bytes]])
    _moment: dt.datetime = field(init=False)

    def __post_init__(self) -> None:
        self._moment = dt.datetime.fromisoformat(self.at.decode())

    def take(self, row: JournalRow, chain: tuple[int, bytes] | None) -> None:
        """Add a row; `chain` is the last seq and hash of its tenant's chain in the database, if it has one."""
        self.rows.append(row)
        if row.audit is not None:
            self._enter(row, chain)
        if row.events is not None:
            self._log(row, row.events)

    def heads(self) -> list[dict[str, Any]]:
        """Where each chain of this batch ends."""
        return [{"t": tenant, "n": seq, "h": last.decode()} for tenant, (seq, last) in self._chains.items()]

    def _enter(self, row: JournalRow, chain: tuple[int, bytes] | None) -> None:
        act = row.audit or b""
        changed: dict[str, Any] = {}
        try:
            _object.decode(act)
        except msgspec.DecodeError:
            # Whatever was written is evidence: it is kept, as text.
            act = _encode({"malformed": act.decode("utf-8", "replace")})
            changed["e"] = act.decode()
        seq, prev = self._chains.get(row.tenant) or chain or (0, GENESIS)
        seq += 1
        last = link(prev, entry_of(row.tenant, seq, row.at, act))
        self._chains[row.tenant] = (seq, last)
        self.entries.append({"s": int(row.seq), "n": seq, "p": prev.decode(), "h": last.decode()} | changed)

    def _log(self, row: JournalRow, events: bytes) -> None:
        try:
            envelopes = _list.decode(events)
        except msgspec.DecodeError as error:
            self._refuse(row, events, f"not a list of envelopes: {error}")
            return
        # one that stands alone between the brackets need not be sent back
        alone = len(envelopes) == 1 and len(bytes(envelopes[0])) == len(events) - 2
        for envelope in envelopes:
            self._log_one(row, bytes(envelope), alone)

    def _log_one(self, row: JournalRow, envelope: bytes, alone: bool) -> None:
        try:
            head = _head.decode(envelope)
            check_type(head.type)
        except (msgspec.DecodeError, ValueError) as error:
            self._refuse(row, envelope, f"not an envelope: {error}")
            return
        tenant = f"t_{head.tenant.hex}"
        if tenant != row.tenant and row.tenant.startswith("t_"):
            self._refuse(row, envelope, "an envelope of another tenant")
            return
        position = self.start + len(self.events) + 1
        text = envelope.decode()
        self.logged.append(
            {"s": int(row.seq), "n": position, "t": tenant, "p": topic_of(head.type, head.tenant), "i": head.subject}
            | ({"l": len(text)} if alone else {"e": text})
        )
        self.events.append(LoggedEvent(position, tenant, topic_of(head.type, head.tenant), head.subject, self._moment, envelope))

    def _refuse(self, row: JournalRow, envelope: bytes, reason: str) -> None:
        self.refused.append({"i": uuid7(), "t": row.tenant, "r": reason, "e": envelope.decode("utf-8", "replace")})
