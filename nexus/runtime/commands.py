"""Running commands: permission, idempotency, the unit of work, retries, and calls from one service to another."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

import msgspec

from nexus.core.message import HANDLERS, Command, Envelope, Handler, Reaction
from nexus.core.problem import Problem, Unavailable
from nexus.engines.oltp import Call, DatabaseError, SerializationFailure, Statement, UniqueViolation
from nexus.runtime.unit_of_work import UnitOfWork
from nexus.surfaces.calling import Caller, Host, Key, Outcome, is_replay, replayed
from nexus.surfaces.effects import Effects
from nexus.surfaces.journal import Cause
from nexus.surfaces.refusals import problem_of

ATTEMPTS: Final = 6
CLAIM: Final = Statement("INSERT INTO {s}.nexus_idempotency (key, actor, request_hash) VALUES ($1, $2, $3)")
INBOX: Final = Statement("INSERT INTO {s}.nexus_inbox (event_id, reaction) VALUES ($1, $2)")
INBOX_CONSTRAINT: Final = "pk_nexus_inbox"
STORE: Final = Statement(
    "UPDATE {s}.nexus_idempotency SET status = $4, headers = $5, body = $6 WHERE key = $1 AND actor = $2 AND request_hash = $3"
)


class Commands:
    """Runs commands in this process."""

    def __init__(self, host: Host, committed: Callable[[UnitOfWork], None] = lambda work: None) -> None:
        self._host = host
        self._committed = committed
        """Told of every unit of work that has become true."""

    async def run(
        self,
        caller: Caller,
        command: Command[Any],
        *,
        key: Key | None = None,
        cause: Cause | None = None,
        dry_run: bool = False,
        effects: Effects | None = None,
        encode: Callable[[Any], Outcome] | None = None,
    ) -> tuple[Any, Outcome | None]:
        """Run a command in a transaction of its own; again where another transaction was in the way.

        A dry run does all of it and undoes it, and says in `effects` what that was.
        Raises the handler's Problem, Forbidden, or what `problem_of` makes of the database's refusal.
        """
        handler = HANDLERS[type(command)]
        if caller.rights is not None:
            caller.rights.need(handler.needs)
        for attempt in range(ATTEMPTS):
            try:
                return await self._once(caller, handler, command, key, cause or caller.cause(), dry_run, effects, encode)
            except SerializationFailure:
                if attempt == ATTEMPTS - 1:
                    raise Unavailable(what="The record, which others keep changing,") from None
                await asyncio.sleep(random.uniform(0, 0.002 * 2**attempt))  # noqa: S311 - jitter, not a secret
            except DatabaseError as error:
                if key is not None and is_replay(error) and (done := await replayed(self._host, caller, key)):
                    return None, done
                if attempt == 0 and isinstance(error, UniqueViolation):
                    continue  # another made the same record at once: a rule that looks before it makes finds it now
                raise _as_problem(error) from error
        raise AssertionError("unreachable")

    async def at_its_time(self, caller: Caller, command: Command[Any], timer: UUID, cause: Cause) -> bool:
        """Run a scheduled command, once: False where that was done before. Raises what `run` raises."""
        handler = HANDLERS[type(command)]
        claim: Call = (INBOX, [str(timer).encode(), b"timer"])
        for attempt in range(ATTEMPTS):
            try:
                await self._once(caller, handler, command, None, cause, False, None, None, claim)
            except SerializationFailure:
                await asyncio.sleep(random.uniform(0, 0.002 * 2**attempt))  # noqa: S311 - jitter, not a secret
            except UniqueViolation as error:
                if error.constraint == INBOX_CONSTRAINT:
                    return False
                raise _as_problem(error) from error
            except DatabaseError as error:
                raise _as_problem(error) from error
            else:
                return True
        raise Unavailable(what="The record, which others keep changing,")

    async def _once(
        self,
        caller: Caller,
        handler: Handler,
        command: Command[Any],
        key: Key | None,
        cause: Cause,
        dry_run: bool,
        effects: Effects | None,
        encode: Callable[[Any], Outcome] | None,
        *opening: Call,
    ) -> tuple[Any, Outcome | None]:
        if effects is not None:
            effects.clear()
        async with self._host.oltp(caller.cell).transaction(caller.schema) as transaction:
            forward = self._forward(caller, handler.entity.split(".")[0], dry_run, effects)
            work = UnitOfWork(transaction, cause, caller.rights, caller.values(), forward)
            work.command, work.effects = handler.needs, effects
            work.begin_with(*opening)
            if key is not None:
                work.begin_with((CLAIM, key.arguments(caller.actor)))
            answer = await handler.run(command, work)
            outcome = encode(answer) if encode else None
            if dry_run:
                await work.ask()
                work.foretell()
                return answer, outcome
            last: list[Call] = []
            if key is not None and outcome is not None:
                answered: list[bytes | None] = [str(outcome.status).encode(), msgspec.json.encode(outcome.headers), outcome.repeated]
                last.append((STORE, [*key.arguments(caller.actor), *answered]))
            target = getattr(command, handler.target_field) if handler.target_field else None
            await work.commit(*last, entity=handler.entity, id=target)
        self._done(caller, work)
        return answer, outcome

    def _done(self, caller: Caller, work: UnitOfWork) -> None:
        self._host.wake(caller.cell)
        self._committed(work)

    async def react(self, caller: Caller, reaction: Reaction, envelope: Envelope) -> bool:
        """Run a reaction for an event in a transaction of its own, once: False where that was done before.

        Raises what the handler raises; msgspec.ValidationError where the event is not what the reaction expects.
        """
        event = msgspec.json.decode(envelope.data, type=reaction.event)
        cause = caller.cause(envelope.correlationid, str(envelope.id))
        for attempt in range(ATTEMPTS):
            try:
                async with self._host.oltp(caller.cell).transaction(caller.schema) as transaction:
                    work = UnitOfWork(transaction, cause, caller.rights, caller.values(), self._forward(caller, reaction.service))
                    work.begin_with((INBOX, [str(envelope.id).encode(), reaction.name.encode()]))
                    await reaction.run(event, work)
                    await work.commit(entity=reaction.name, id=envelope.subject)
                self._done(caller, work)
                return True
            except SerializationFailure:
                await asyncio.sleep(random.uniform(0, 0.002 * 2**attempt))  # noqa: S311 - jitter, not a secret
            except UniqueViolation as error:
                if error.constraint == INBOX_CONSTRAINT:
                    return False
                if attempt == ATTEMPTS - 1:
                    raise
                # another made the same record at once: the next attempt finds it
        raise Unavailable(what="The record, which others keep changing,")

    def _forward(
        self, caller: Caller, service: str, dry_run: bool = False, effects: Effects | None = None
    ) -> Callable[[UnitOfWork, Command[Any]], Any]:
        async def forward(work: UnitOfWork, command: Command[Any]) -> Any:
            handler = HANDLERS[type(command)]
            if handler.entity.split(".")[0] == service:
                return await handler.run(command, work)
            # another service: its own transaction, and arguments that have been through the wire, as if it were elsewhere
            sent = msgspec.json.decode(msgspec.json.encode(command), type=type(command))
            admitted = await self._host.admit(caller, handler.entity.split(".")[0], True)
            cause = caller.cause(work.cause.correlation, work.cause.causation)
            inner = None if effects is None else Effects()
            answer, _ = await self.run(admitted, sent, cause=cause, dry_run=dry_run, effects=inner)
            if effects is not None and inner is not None:
                effects.include(inner)
            return answer

        return forward


def _as_problem(error: DatabaseError) -> Exception:
    problem: Problem | None = problem_of(error)
    return problem or error
