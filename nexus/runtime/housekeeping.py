"""Housekeeping: what has served its time is removed, a little at a time: events, dead letters that were taken, idempotency records, the inbox,
imports."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from dataclasses import dataclass
from typing import Final

from nexus.config import Settings
from nexus.engines.event_log import EventLog
from nexus.engines.oltp import DatabaseError, Oltp, Statement, Timeout, Unavailable
from nexus.runtime.deadletters import DeadLetters

_log = logging.getLogger("nexus.housekeeping")
_PAGE: Final = 100
_BATCH: Final = b"5000"

_TENANTS: Final = Statement(
    "SELECT DISTINCT tenant FROM nexus_cell.tenant_service WHERE tenant > $1 AND version > 0 ORDER BY tenant LIMIT $2"
)
_KEYS: Final = Statement(
    "DELETE FROM {s}.nexus_idempotency WHERE (key, actor) IN (SELECT key, actor FROM {s}.nexus_idempotency WHERE at < $1::timestamptz LIMIT $2)"
)
_INBOX: Final = Statement(
    "DELETE FROM {s}.nexus_inbox WHERE (event_id, reaction) IN (SELECT event_id, reaction FROM {s}.nexus_inbox WHERE at < $1::timestamptz LIMIT $2)"
)

# an import is forgotten before its rows go, so that nobody undoes or resumes what is only half there
_FORGET: Final = Statement(
    "UPDATE {s}.nexus_import SET state = 'forgotten', key = NULL, runner = id WHERE id IN"
    " (SELECT id FROM {s}.nexus_import WHERE progress_at < $1::timestamptz AND state <> 'forgotten' LIMIT $2)"
)
_FORGOTTEN: Final = "SELECT id FROM {s}.nexus_import WHERE progress_at < $1::timestamptz AND state = 'forgotten'"
_OUTCOMES: Final = Statement(
    "DELETE FROM {s}.nexus_import_row WHERE (import_id, row_no) IN"
    f" (SELECT import_id, row_no FROM {{s}}.nexus_import_row WHERE import_id IN ({_FORGOTTEN}) LIMIT $2)"
)
_SEEN: Final = Statement(
    "DELETE FROM {s}.nexus_import_key WHERE (import_id, key) IN"
    f" (SELECT import_id, key FROM {{s}}.nexus_import_key WHERE import_id IN ({_FORGOTTEN}) LIMIT $2)"
)
_IMPORTS: Final = Statement(
    f"DELETE FROM {{s}}.nexus_import WHERE id IN ({_FORGOTTEN} LIMIT $2) AND NOT EXISTS (SELECT FROM {{s}}.nexus_import_row r"
    " WHERE r.import_id = nexus_import.id) AND NOT EXISTS (SELECT FROM {s}.nexus_import_key k WHERE k.import_id = nexus_import.id)"
)


@dataclass(slots=True)
class Removed:
    """What one round removed."""

    events: int = 0
    dead_letters: int = 0
    keys: int = 0
    inbox: int = 0
    imports: int = 0


class Housekeeping:
    """Looks after one cell. Two processes that do it at once do it twice, which changes nothing."""

    def __init__(self, oltp: Oltp, log: EventLog, letters: DeadLetters, settings: Settings) -> None:
        self._oltp = oltp
        self._events = log
        self._letters = letters
        self._settings = settings

    async def run(self, every: float = 900.0) -> None:
        """Go round every so many seconds, for ever."""
        while True:
            await asyncio.sleep(every)
            try:
                removed = await self.round(dt.datetime.now(dt.UTC))
                _log.info("removed %s", removed)
            except (Unavailable, Timeout, DatabaseError) as error:
                _log.warning("housekeeping waits: %s", error)

    async def round(self, now: dt.datetime) -> Removed:
        """Remove what has served its time at this moment."""
        kept = dt.timedelta(days=self._settings.event_days)
        removed = Removed(events=await self._events.trim(now - kept), dead_letters=await self._letters.purge(now - kept))
        last = b""
        while tenants := (await self._oltp.run(None, (_TENANTS, [last, b"%d" % _PAGE]))).pop().rows:
            for (schema,) in tenants:
                last = schema or b""
                # an event can be delivered again for as long as the log has it, and the inbox must know it one day longer
                removed.keys += await self._clear(last.decode(), _KEYS, now - dt.timedelta(hours=self._settings.idempotency_hours))
                removed.inbox += await self._clear(last.decode(), _INBOX, now - kept - dt.timedelta(days=1))
                removed.imports += await self._clear_imports(last.decode(), now - dt.timedelta(days=self._settings.import_days))
        return removed

    async def _clear_imports(self, schema: str, before: dt.datetime) -> int:
        for statement in (_FORGET, _OUTCOMES, _SEEN):
            await self._clear(schema, statement, before)
        return await self._clear(schema, _IMPORTS, before)

    async def _clear(self, schema: str, statement: Statement, before: dt.datetime) -> int:
        gone = 0
        while True:
            try:
                (done,) = await self._oltp.run(schema, (statement, [before.isoformat().encode(), _BATCH]), lane="slow")
            except DatabaseError as error:
                _log.info("%s is not to be had at this moment: %s", schema, error)  # it is being moved or dropped
                return gone
            gone += done.affected
            if done.affected < int(_BATCH):
                return gone
