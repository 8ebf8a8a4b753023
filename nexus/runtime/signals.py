"""Wake-ups between processes that share a database: a word by NOTIFY, sent outside every transaction that writes.

A `NOTIFY` within a command would make commits wait for each other (docs/decisions/0005-event-log.md); alone, it costs a round trip beside them. A word that
is lost costs time and nothing else: who waits for one looks for itself now and then.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

import psycopg
from psycopg import sql

from nexus.engines.oltp import DatabaseError, Oltp, Statement, Timeout, Unavailable

JOURNAL: Final = "nexus_journal"
"""Something has been committed that the relay has to move."""
LOG: Final = "nexus_log"
"""The log reaches to this position."""
TIMER: Final = "nexus_timer"
"""Something has been scheduled."""
BREATH: Final = 0.005
"""Seconds between two words of a kind: many commits make one."""
PAUSE: Final = 1.0
"""Seconds before another attempt to listen."""
_SAY: Final = Statement("SELECT pg_notify($1, $2)")
_log = logging.getLogger("nexus.signals")


class Signals:
    """What one process says and hears about one cell."""

    def __init__(self, oltp: Oltp, url: str, hear: Callable[[str, str], None]) -> None:
        """`url` is where to listen: the runtime's own role will do. `hear` gets the kind of word and what it says."""
        self._oltp = oltp
        self._url = url
        self._hear = hear
        self._words: dict[str, str] = {}
        self._waiting = asyncio.Event()

    def say(self, kind: str, what: str = "") -> None:
        """Tell the other processes, soon; of several words of a kind that wait, only the last is said."""
        self._words[kind] = what
        self._waiting.set()

    async def speak(self) -> None:
        """Say what there is to say, for ever."""
        while True:
            await self._waiting.wait()
            self._waiting.clear()
            words, self._words = self._words, {}
            try:
                await self._oltp.run(None, *((_SAY, [kind.encode(), what.encode()]) for kind, what in words.items()))
            except (Unavailable, Timeout, DatabaseError) as error:
                _log.info("a word is lost: %s", error)
            await asyncio.sleep(BREATH)

    async def listen(self, *kinds: str) -> None:
        """Hear these kinds of word, for ever; a connection that ends is made again."""
        while True:
            try:
                await self._listen(kinds)
            except psycopg.Error as error:
                _log.info("not listening: %s", error)
            await asyncio.sleep(PAUSE)

    async def _listen(self, kinds: tuple[str, ...]) -> None:
        connection = await psycopg.AsyncConnection.connect(self._url, autocommit=True, application_name="nexus signals", connect_timeout=5)
        async with connection:
            for kind in kinds:
                await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(kind)))
            async for word in connection.notifies():
                self._hear(word.channel, word.payload)
