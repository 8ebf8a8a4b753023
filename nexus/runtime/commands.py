"""Running commands: permission, idempotency, the unit of work, retries, and calls from one service to another."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from functools import partial
from typing import Any, Final
from uuid import UUID

import msgspec

from nexus.core.ids import uuid7
from nexus.core.message import HANDLERS, Command, Envelope, Handler, Reaction
from nexus.core.problem import Problem, Unavailable
from nexus.engines.oltp import Call, DatabaseError, SerializationFailure, Statement, UniqueViolation
from nexus.runtime.call import SECONDS, Calls, Place, Run, answer, in_process, nowhere
from nexus.runtime.unit_of_work import UnitOfWork
from nexus.surfaces.calling import Caller, Key, Outcome, is_replay, replayed
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

    def __init__(self, host: Place, committed: Callable[[UnitOfWork], None] = lambda work: None, calls: Calls | None = None) -> None:
        """`calls` takes commands to other services; by default they are in this process."""
        self._host = host
        self._calls = calls or Calls(in_process(partial(answer, host)), nowhere(), lambda service: True, SECONDS)
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
        name = str(uuid7()) if key is None else f"{caller.actor.id}/{key.value}"
        for attempt in range(ATTEMPTS):
            try:
                return await self._once(caller, handler, command, name, key, cause or caller.cause(), dry_run, effects, encode)
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
                await self._once(caller, handler, command, f"timer/{timer}", None, cause, False, None, None, claim)
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
        run: str,
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
            forward = self._forward(caller, handler.entity.split(".")[0], Run.of(run), dry_run, effects)
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
        name = f"{envelope.id}/{reaction.name}"
        for attempt in range(ATTEMPTS):
            try:
                async with self._host.oltp(caller.cell).transaction(caller.schema) as transaction:
                    work = UnitOfWork(
                        transaction, cause, caller.rights, caller.values(), self._forward(caller, reaction.service, Run.of(name))
                    )
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
        self, caller: Caller, service: str, run: Run, dry_run: bool = False, effects: Effects | None = None
    ) -> Callable[[UnitOfWork, Command[Any]], Any]:
        """What `tx.call` does: a command of the same service joins the work, one of another service goes where that runs."""

        async def forward(work: UnitOfWork, command: Command[Any]) -> Any:
            handler = HANDLERS[type(command)]
            if handler.entity.split(".")[0] == service:
                return await handler.run(command, work)
            given, _ = await self._calls.call(
                caller,
                command,
                key=partial(run.key, command),
                correlation=work.cause.correlation,
                causation=work.cause.causation,
                dry_run=dry_run,
                effects=effects,
            )
            return given

        return forward


def _as_problem(error: DatabaseError) -> Exception:
    problem: Problem | None = problem_of(error)
    return problem or error
