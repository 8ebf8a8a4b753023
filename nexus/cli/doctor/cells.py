"""What can be seen in a database: its walls, its clock and connections, what waits there, and whether its record is whole."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import psycopg

from nexus.cli.doctor.findings import Tell, odd, ok, wrong
from nexus.engines.event_log.groups import standings
from nexus.engines.oltp import DatabaseError, Timeout, Unavailable
from nexus.engines.oltp.roles import examine
from nexus.runtime.audit_chain import verify
from nexus.runtime.cells import Cell
from nexus.runtime.deadletters import DeadLetters
from nexus.runtime.reactions import reactions_of

NEWEST: Final = 200
"""Entries of each audit chain that are proved."""
_SKEW: Final = 2.0
_SLOW: Final = 60.0
"""Seconds after which what waits for a running process has waited too long."""
_OLDEST: Final = 150_000

# pg_stat_activity would hide what other roles' sessions are: then only one's own would count
_SERVER: Final = (
    "SELECT current_setting('server_version'), current_setting('server_version_num')::int, current_setting('max_connections')::int,"
    " (SELECT sum(numbackends) FROM pg_stat_database)::int, clock_timestamp()"
)
_WAITING: Final = "SELECT count(*)::int, extract(epoch FROM clock_timestamp() - min(at))::float FROM nexus_cell.journal"

Check = Callable[[Cell, Tell, bool], Awaitable[None]]


async def look(cell: Cell, tell: Tell, serves: bool) -> None:
    """Everything of this file; what cannot be looked at is a finding too. `serves`: a process is at work there."""
    checks: dict[str, Check] = {
        "database": _server,
        "walls": _walls,
        "relay": _relay,
        "consumers": _consumers,
        "dead events": _dead,
        "audit": _audit,
    }
    for name, check in checks.items():
        try:
            await check(cell, tell, serves)
        except (psycopg.Error, DatabaseError, Unavailable, Timeout) as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            tell(wrong(f"{name} of {cell.name}", f"could not be looked at: {reason}", "see the log of the database"))


async def _server(cell: Cell, tell: Tell, serves: bool) -> None:
    async with await cell.owner() as owner:
        began = time.time()
        row: Any = await (await owner.execute(_SERVER)).fetchone()
        ended = time.time()
    version, number, most, used, clock = row
    about = f"database of {cell.name}"
    if number < _OLDEST:
        tell(wrong(about, f"PostgreSQL {version}", "NEXUS needs 15 or later"))
    else:
        tell(ok(about, f"PostgreSQL {version}"))
    says = f"{used} of {most} connections are in use"
    if used > most * 0.8:
        tell(odd(f"connections of {cell.name}", says, "raise max_connections, or lower NEXUS_CONNECTIONS in each process"))
    else:
        tell(ok(f"connections of {cell.name}", says))
    skew = clock.timestamp() - min(max(clock.timestamp(), began), ended)
    if abs(skew) > _SKEW:
        tell(
            odd(
                f"clock of {cell.name}",
                f"differs from this machine's by {skew:+.1f} s",
                "keep both by NTP: leases and expiries compare them",
            )
        )
    else:
        tell(ok(f"clock of {cell.name}", f"agrees with this machine's to {_SKEW:.0f} s"))


async def _walls(cell: Cell, tell: Tell, serves: bool) -> None:
    findings = await examine(cell.owner_url)
    for one in findings:
        do = "start NEXUS again: it puts it in force where its database user may; else have a superuser do so"
        tell(wrong(f"wall {one.name} of {cell.name}", one.meaning, do))
    if not findings:
        tell(ok(f"walls of {cell.name}", "everything that keeps tenants apart is in force"))


async def _relay(cell: Cell, tell: Tell, serves: bool) -> None:
    async with await cell.owner() as owner:
        row: Any = await (await owner.execute(_WAITING)).fetchone()
    waiting, oldest = row
    about, says = (
        f"relay of {cell.name}",
        f"{waiting} commands wait to enter the log" + (f", the oldest for {oldest:.0f} s" if waiting else ""),
    )
    if waiting and not serves:
        tell(odd(about, says, "they are moved at the next nexus up; nothing is lost"))
    elif waiting and oldest > _SLOW:
        tell(wrong(about, says, "see what the process logs of its relay"))
    else:
        tell(ok(about, says))


async def _consumers(cell: Cell, tell: Tell, serves: bool) -> None:
    now = dt.datetime.now(dt.UTC)
    for one in await standings(cell.oltp):
        about = f"consumer {one.group} of {cell.name}"
        says = f"{one.lag} events behind" if one.lag else "at the end of the log"
        if not reactions_of(one.group):
            tell(
                odd(
                    about,
                    f"{says}, and no installed service has this name",
                    "it keeps the log from being trimmed: remove it once nobody needs it",
                )
            )
        elif one.lag and serves and (now - one.saved_at).total_seconds() > _SLOW:
            followed = f"followed by {one.owner}" if one.owner else "nobody follows"
            tell(
                wrong(
                    about,
                    f"{says}, {followed}, the last progress was at {one.saved_at.isoformat()[:19]}",
                    "see what the process logs of it",
                )
            )
        else:
            tell(ok(about, says))


async def _dead(cell: Cell, tell: Tell, serves: bool) -> None:
    waiting = await DeadLetters(cell.oltp).waiting()
    for group, count in sorted(waiting.items()):
        do = "nexus events dead says why; once mended, nexus events redrive --group " + group
        tell(wrong(f"dead events of {cell.name}", f"{count} of {group} could not be taken", do))
    if not waiting:
        tell(ok(f"dead events of {cell.name}", "none"))


async def _audit(cell: Cell, tell: Tell, serves: bool) -> None:
    broken = await verify(cell.oltp, newest=NEWEST)
    if broken:
        do = "nexus audit verify looks at all of it; compare with an export or a backup from before"
        tell(wrong(f"audit of {cell.name}", f"broken at {broken}", do))
    else:
        tell(ok(f"audit of {cell.name}", f"the newest {NEWEST} entries of every chain are whole"))
