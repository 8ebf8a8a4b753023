"""Calls from one service to another: what is sent and answered, and the port that two wirings of it share.

Whether the other service runs in this process or in another one, a call is the same: its arguments and its answer, or its refusal, go through the wire form; it
runs in a transaction of its own, under the caller's identity and rights; it has a deadline, the caller's own if that is sooner; and it is tried again
only where it carries a key, so that it takes effect once.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec

from nexus.core.message import HANDLERS, Command
from nexus.core.problem import Problem, ServiceTooSlow, ServiceUnavailable
from nexus.core.trace import TRACE
from nexus.engines.oltp import DEPTH, DEPTHS, PermissionDenied, Timeout, Unavailable
from nexus.runtime.refused import body_of, problem_in
from nexus.surfaces.calling import Caller, Gate, Host, Key, Outcome
from nexus.surfaces.effects import Effects

SECONDS: Final = 10.0
"""In which a service that is called must have answered, by default."""
ATTEMPTS: Final = 4
FIRST: Final = 0.05
"""Seconds before the second attempt; twice as long each time."""
_DEADLINE: Final[ContextVar[float | None]] = ContextVar("nexus_deadline", default=None)
"""On the loop's clock: when whoever asked us stops waiting."""


class Place(Host, Gate, Protocol):
    """A process that runs commands."""


class Unreachable(Exception):
    """The process of the service could not be reached, or broke off before it answered."""


class CallsTooDeep(Problem, status=508):
    """The call of {service} is not made: {depth} services wait for each other already."""

    service: str
    depth: int


class Sent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A call as it travels."""

    command: str
    """By its permission, such as `crm.lead:convert`."""
    arguments: msgspec.Raw
    correlation: str
    causation: str | None = None
    key: str | None = None
    """Under which it takes effect once; None where its answer cannot be kept, so that it is never repeated."""
    digest: str = ""
    dry_run: bool = False
    effects: bool = False
    """Whether a dry run says what it would have done."""
    trace: str | None = None
    depth: int = 1
    """How many transactions wait for it."""

    @property
    def service(self) -> str:
        """Whose it is."""
        return self.command.partition(".")[0]


_NOTHING: Final = msgspec.Raw(b"null")


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it; what there is not is null."""

    answer: msgspec.Raw = _NOTHING
    refusal: msgspec.Raw = _NOTHING
    effects: msgspec.Raw = _NOTHING
    replayed: bool = False


_answered: Final = msgspec.json.Decoder(Answered)


class Wiring(Protocol):
    """Takes a call to the process that runs the service."""

    async def __call__(self, caller: Caller, sent: Sent, seconds: float) -> bytes:
        """The encoded `Answered`. Raises Unreachable, or TimeoutError after so many seconds."""
        ...


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a rule, and how many calls it has made: what makes the key of each call the same when the run is repeated."""

    name: str
    made: list[int]

    @classmethod
    def of(cls, name: str) -> Run:
        """The run of this name, from its beginning."""
        return cls(name, [0])

    def key(self, command: Command[Any], arguments: bytes) -> Key:
        """The key of the next call."""
        self.made[0] += 1
        digest = hashlib.sha256(HANDLERS[type(command)].needs.encode() + b"\0" + arguments).digest()
        name = hashlib.sha256(f"{self.name}\0{self.made[0]}\0".encode() + digest).hexdigest()
        return Key(f"call-{name}", digest)


@contextmanager
def under_deadline(seconds: float | None) -> Generator[None]:
    """What is called from here on ends before these seconds are over."""
    token = _DEADLINE.set(None if seconds is None else asyncio.get_running_loop().time() + seconds)
    try:
        yield
    finally:
        _DEADLINE.reset(token)


class Calls:
    """Hands calls to the wiring of their service, within the deadline."""

    def __init__(self, here: Wiring, elsewhere: Wiring, local: Callable[[str], bool], seconds: float) -> None:
        self._here = here
        self.elsewhere = elsewhere
        self._local = local
        self._seconds = seconds

    async def call(
        self,
        caller: Caller,
        command: Command[Any],
        *,
        key: Callable[[bytes], Key],
        correlation: str,
        causation: str | None = None,
        dry_run: bool = False,
        effects: Effects | None = None,
    ) -> tuple[Any, bool]:
        """The answer, and whether it is that of an earlier call under the same key.

        Raises the refusal of the other service, ServiceUnavailable (503) and ServiceTooSlow (504), which name it.
        """
        arguments = msgspec.json.encode(command)
        once: frozenset[str] = getattr(type(command).answer_type(), "once", frozenset[str]())
        taken = None if once or dry_run else key(arguments)
        sent = Sent(
            command=HANDLERS[type(command)].needs,
            arguments=msgspec.Raw(arguments),
            correlation=correlation,
            causation=causation,
            key=None if taken is None else taken.value,
            digest="" if taken is None else taken.digest.hex(),
            dry_run=dry_run,
            effects=effects is not None,
            trace=TRACE.get(),
            depth=DEPTH.get() + 1,
        )
        if sent.depth >= DEPTHS:
            raise CallsTooDeep(service=sent.service, depth=DEPTHS)
        came = _answered.decode(await self._within(caller, sent))
        if bytes(came.refusal) != b"null":
            raise problem_in(bytes(came.refusal))
        if effects is not None and bytes(came.effects) != b"null":
            effects.include(Effects.of(bytes(came.effects)))
        return msgspec.json.decode(bytes(came.answer), type=type(command).answer_type()), came.replayed

    async def _within(self, caller: Caller, sent: Sent) -> bytes:
        clock = asyncio.get_running_loop().time
        own, given = clock() + self._seconds, _DEADLINE.get()
        until = own if given is None else min(own, given)
        token = _DEADLINE.set(until)
        try:
            async with asyncio.timeout_at(until):
                return await self._tried(caller, sent, until)
        except TimeoutError:
            raise ServiceTooSlow(service=sent.service, seconds=round(self._seconds - max(0.0, own - until), 1)) from None
        finally:
            _DEADLINE.reset(token)

    async def _tried(self, caller: Caller, sent: Sent, until: float) -> bytes:
        wiring = self._here if self._local(sent.service) else self.elsewhere
        clock = asyncio.get_running_loop().time
        for attempt in range(ATTEMPTS):
            try:
                return await wiring(caller, sent, until - clock())
            except Unreachable as error:
                if sent.key is None or attempt == ATTEMPTS - 1:
                    raise ServiceUnavailable(service=sent.service, reason=f"{error}.") from error
            await asyncio.sleep(FIRST * 2**attempt * random.uniform(0.8, 1.2))  # noqa: S311 - jitter, not a secret
        raise AssertionError("unreachable")


async def answer(host: Place, caller: Caller, sent: Sent) -> bytes:
    """Run a call in this process, for a caller that is known here: the encoded `Answered`, also where it is refused."""
    depth = DEPTH.set(min(max(sent.depth, 1), DEPTHS - 1))
    try:
        kind, needs = _kind(sent.command)
        command = msgspec.json.decode(bytes(sent.arguments), type=kind)
        admitted = await host.admit(caller, sent.service, True)
        key = None if sent.key is None else Key(sent.key, bytes.fromhex(sent.digest))
        effects = Effects() if sent.effects else None
        cause = admitted.cause(sent.correlation, sent.causation)
        _, outcome = await host.run(
            admitted, command, key=key, cause=cause, dry_run=sent.dry_run, effects=effects, encode=lambda made: _outcome(needs, made)
        )
    except PermissionDenied as error:
        return refused(await host.refusal(caller, error))
    except (Unavailable, Timeout):
        return refused(ServiceUnavailable(service=sent.service, reason="its database is away."))
    except Problem as refusal:
        return refused(refusal)
    finally:
        DEPTH.reset(depth)
    assert outcome is not None, "the command was run with an encoder"
    told = _NOTHING if effects is None else msgspec.Raw(effects.body())
    return msgspec.json.encode(Answered(answer=msgspec.Raw(outcome.body), effects=told, replayed=outcome.replayed))


def refused(error: Exception) -> bytes:
    """A refusal, as it is sent; anything else is a bug and raised."""
    if not isinstance(error, Problem):
        raise error
    return msgspec.json.encode(Answered(refusal=msgspec.Raw(body_of(error))))


def _kind(needs: str) -> tuple[type[Command[Any]], str]:
    for kind, handler in HANDLERS.items():
        if handler.needs == needs:
            return kind, needs
    raise ServiceUnavailable(service=needs.partition(".")[0], reason=f"nobody handles {needs} there.")


def _outcome(needs: str, made: Any) -> Outcome:
    return Outcome(201 if needs.endswith(":create") else 200, {}, msgspec.json.encode(made))


def in_process(answered: Callable[[Caller, Sent], Awaitable[bytes]]) -> Wiring:
    """The wiring to a service of this process: the same forms, and no wire."""

    async def call(caller: Caller, sent: Sent, seconds: float) -> bytes:
        return await answered(caller, msgspec.json.decode(msgspec.json.encode(sent), type=Sent))

    return call


def nowhere() -> Wiring:
    """The wiring to services of other processes where the settings name none."""

    async def call(caller: Caller, sent: Sent, seconds: float) -> bytes:
        raise Unreachable("no address of it is known here (NEXUS_CALLS)")

    return call
