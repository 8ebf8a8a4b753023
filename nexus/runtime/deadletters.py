"""Dead letters: events that a service could not take, with the reason, kept until somebody has them tried again."""

import datetime as dt
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, cast
from uuid import UUID

import msgspec

from nexus.core.ids import uuid7
from nexus.core.message import Envelope, Reaction
from nexus.core.problem import Problem
from nexus.engines.event_log import LoggedEvent
from nexus.engines.oltp import Arg, Oltp, Statement

__all__ = ["DeadLetter", "DeadLetters", "Redriven", "Run", "envelope_of", "reason_of", "redrive"]

Run: TypeAlias = Callable[[Reaction, Envelope], Awaitable[object]]
"""Runs a reaction in a transaction of its own that claims (event id, reaction) in the tenant's inbox, so that it happens once.

Raises msgspec.ValidationError where the event is not what the reaction takes: then it is not tried again.
"""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One event that one reaction could not take. `position` is None for what never reached the log."""

    id: UUID
    group: str
    reaction: str
    position: int | None
    tenant: str
    topic: str
    reason: str
    attempts: int
    envelope: bytes
    at: dt.datetime
    redriven_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Redriven:
    """What a redrive did."""

    done: int
    failed: Sequence[DeadLetter]
    """Still dead, with the new reason."""


_ADD = Statement(
    """insert into nexus_cell.dead_letter (id, consumer_group, reaction, position, tenant, topic, reason, attempts, envelope)
    values ($1, $2, $3, $4::bigint, $5, $6, $7, $8::int, $9) on conflict do nothing"""
)

_LIST = Statement(
    """select id, consumer_group, reaction, position, tenant, topic, reason, attempts, envelope, at, redriven_at from nexus_cell.dead_letter
    where ($1::text is null or consumer_group = $1) and ($2::uuid is null or id = $2) and ($3::uuid is null or id > $3)
      and (redriven_at is null or $4::boolean) order by id limit $5::int"""
)

_WAITING = Statement("select consumer_group, count(*) from nexus_cell.dead_letter where redriven_at is null group by consumer_group")

_DONE = Statement("update nexus_cell.dead_letter set redriven_at = now() where id = $1 and redriven_at is null")

_AGAIN = Statement("update nexus_cell.dead_letter set attempts = attempts + 1, reason = $2 where id = $1")

_PURGE = Statement("delete from nexus_cell.dead_letter where redriven_at < $1::timestamptz")


class DeadLetters:
    """The dead letters of one cell."""

    def __init__(self, oltp: Oltp) -> None:
        self._oltp = oltp

    async def add(self, group: str, reaction: str, event: LoggedEvent, reason: str, attempts: int) -> None:
        """Keep one. The same event, group and reaction twice is kept once."""
        position, counted = b"%d" % event.position, b"%d" % attempts
        row: list[Arg] = [str(uuid7()).encode(), group.encode(), reaction.encode(), position, event.tenant.encode(), event.topic.encode()]
        await self._oltp.run(None, (_ADD, [*row, reason.encode(), counted, event.envelope]))

    async def list(
        self, *, group: str | None = None, id: UUID | None = None, after: UUID | None = None, redriven: bool = False, limit: int = 100
    ) -> Sequence[DeadLetter]:
        """The oldest first; `after` is the last id of the page before, `redriven` shows those that were taken since as well."""
        given: list[Arg] = [None if one is None else str(one).encode() for one in (group, id, after)]
        found = await self._oltp.run(None, (_LIST, [*given, b"t" if redriven else b"f", b"%d" % limit]), lane="slow")
        return [_letter(row) for row in found[0].rows]

    async def waiting(self) -> dict[str, int]:
        """How many are dead, by group: for the metrics."""
        rows = (await self._oltp.run(None, (_WAITING, ()), lane="slow"))[0].rows
        return {cast(bytes, group).decode(): int(cast(bytes, count)) for group, count in rows}

    async def purge(self, before: dt.datetime) -> int:
        """Remove those that were taken before a moment; how many."""
        return (await self._oltp.run(None, (_PURGE, [before.isoformat().encode()]), lane="slow"))[0].affected

    async def done(self, id: UUID) -> None:
        """It has been taken after all."""
        await self._oltp.run(None, (_DONE, [str(id).encode()]))

    async def again(self, id: UUID, reason: str) -> None:
        """It was tried again and refused again."""
        await self._oltp.run(None, (_AGAIN, [str(id).encode(), reason.encode()]))


async def redrive(
    letters: DeadLetters, reactions: Sequence[Reaction], run: Run, *, group: str | None = None, id: UUID | None = None
) -> Redriven:
    """Try dead letters again, oldest first, one after the other: one by `id`, a group's, or all.

    What was done in the meantime is not done twice (the inbox knows). A letter of a reaction that no longer exists stays dead.
    """
    known = {(reaction.service, reaction.name): reaction for reaction in reactions}
    done, failed, last = 0, list[DeadLetter](), UUID(int=0)
    while page := await letters.list(group=group, id=id, after=last):
        last = page[-1].id
        for letter in page:
            reason = await _try(known.get((letter.group, letter.reaction)), run, letter)
            if reason is None:
                await letters.done(letter.id)
                done += 1
            else:
                await letters.again(letter.id, reason)
                failed.append(replace(letter, reason=reason, attempts=letter.attempts + 1))
    return Redriven(done, failed)


async def _try(reaction: Reaction | None, run: Run, letter: DeadLetter) -> str | None:
    if reaction is None:
        return "no such reaction is installed"
    try:
        await run(reaction, envelope_of(letter.envelope))
    except Exception as error:
        return reason_of(error)
    return None


def envelope_of(envelope: bytes) -> Envelope:
    """The envelope as the log keeps it. Raises msgspec.DecodeError."""
    return _envelope.decode(envelope)


def reason_of(error: BaseException) -> str:
    """One line for a person: a problem's code and sentence, or an exception's type and message; credentials are struck out."""
    if isinstance(error, Problem):
        text = f"{error.code()}: {error.detail}"
    else:
        text = f"{type(error).__name__}: {error}"
    return _SECRET.sub("***", " ".join(text.split()).replace("\0", ""))[:500]


_SECRET = re.compile(
    r"\bnxo?_[A-Za-z0-9_-]{8,}"  # our own tokens
    r"|(?<=://)[^/\s@]+(?=@)"  # user:password in an address
    r"|(?i:(?<=bearer )|(?<=password=)|(?<=token=)|(?<=secret=)|(?<=api_key=))[^\s,;&'\"]+"
)
_envelope = msgspec.json.Decoder(Envelope)


def _letter(row: tuple[bytes | None, ...]) -> DeadLetter:
    id, group, reaction, position, tenant, topic, reason, attempts, envelope, at, redriven = row
    text = [cast(bytes, value).decode() for value in (group, reaction, tenant, topic, reason, at)]
    return DeadLetter(
        UUID(cast(bytes, id).decode()),
        text[0],
        text[1],
        None if position is None else int(position),
        text[2],
        text[3],
        text[4],
        int(cast(bytes, attempts)),
        cast(bytes, envelope),
        dt.datetime.fromisoformat(text[5]),
        None if redriven is None else dt.datetime.fromisoformat(redriven.decode()),
    )
