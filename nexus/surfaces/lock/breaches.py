"""What would break a caller that relies on the lock, with the declaration that does it and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nexus.surfaces.lock.model import Lock, Member, Message
from nexus.surfaces.lock.spelling import fits


@dataclass(frozen=True, slots=True)
class Breach:
    """One promise that the declarations no longer keep."""

    what: str
    """`crm.Lead.email`, `crm.lead.convert`, `crm.lead.converted`."""
    why: str
    source: str
    """The declaration, and the name of the field within it."""
    field: str = ""


@dataclass(frozen=True, slots=True)
class _Uses:
    """How the messages of a lock are used: what is promised of each depends on it."""

    taken: frozenset[str]
    """Callers send them: what they may leave out, and what they may send, must stay so."""
    given: frozenset[str]
    """Callers read them: what is there must stay there."""
    told: frozenset[str]
    """The log keeps them: what was written must stay readable."""


def breaches(was: Lock, now: Lock) -> list[Breach]:
    """Every promise of the lock that is broken now, in the order of the lock."""
    uses = _uses(was, now)
    return [*_operations(was, now), *_topics(was, now), *_messages(was, now, uses), *_enums(was, now)]


def _uses(was: Lock, now: Lock) -> _Uses:
    """What a topic tells may change together with its version; what an operation takes or gives may not."""
    stay = [one for name, one in was.operations.items() if name in now.operations]
    still = [one for name, one in was.topics.items() if name in now.topics and now.topics[name].version == one.version]
    calls = {name for name, message in was.messages.items() if message.kind == "call"}
    return _Uses(
        frozenset(was.reached({one.takes for one in stay} | calls)),
        frozenset(was.reached({one.gives for one in stay} | calls)),
        frozenset(was.reached({name for one in still for name in (one.data, one.record)})),
    )


def _operations(was: Lock, now: Lock) -> Iterator[Breach]:
    for name, before in was.operations.items():
        source = _source(was, before.takes, before.gives)
        after = now.operations.get(name)
        if after is None:
            yield Breach(name, f"is gone: {before.rest} and {before.grpc} are promised", source)
            continue
        for part, old, new in (
            ("path", before.rest, after.rest),
            ("gRPC method", before.grpc, after.grpc),
            ("permission", before.needs, after.needs),
            ("request", before.takes, after.takes),
            ("answer", before.gives, after.gives),
        ):
            if old != new:
                yield Breach(name, f"has another {part}: {new}, where {old} is promised", source)


def _topics(was: Lock, now: Lock) -> Iterator[Breach]:
    for name, before in was.topics.items():
        after, source = now.topics.get(name), _source(was, before.data, before.record)
        if after is None:
            yield Breach(name, "is told no more: whoever follows the topic would wait for ever", source)
        elif after.version < before.version:
            yield Breach(name, f"has version {after.version}, where {before.version} is promised: versions only grow", source)
        elif after.version == before.version and (after.data, after.record) != (before.data, before.record):
            yield Breach(name, f"tells {after.data}, where {before.data} is promised: raise schema_version", source)


def _source(lock: Lock, *names: str) -> str:
    """The declaration that stands behind the first of these that is a message of the lock."""
    return next((lock.messages[name].source for name in names if name in lock.messages), "")


def _messages(was: Lock, now: Lock, uses: _Uses) -> Iterator[Breach]:
    for name, before in was.messages.items():
        after = now.messages.get(name)
        if after is None:
            continue  # whatever used it says so
        for field, member in before.fields.items():
            for why in _member(name, member, after.fields.get(field), uses):
                yield Breach(f"{was.service}.{name}.{field}", why, after.source, field)
        for field in [one for one in after.fields if one not in before.fields]:
            unknown = _new(name, before, after.fields[field], uses)
            if unknown is not None:
                yield Breach(f"{was.service}.{name}.{field}", unknown, after.source, field)


def _member(name: str, before: Member, after: Member | None, uses: _Uses) -> Iterator[str]:
    """What is wrong with a field that was there."""
    used = name in uses.taken or name in uses.given or name in uses.told
    if after is None:
        if used:
            yield f"is gone: {_who(name, uses)} it"
        return
    if used and not fits(before.type, after.type):
        yield f"is {after.type}, where {before.type} is promised: {_who(name, uses)} it"
    if before.null and not after.null and name in uses.taken:
        yield "takes no null any more: callers may send it"
    if after.null and not before.null and (name in uses.given or name in uses.told):
        yield "may be null: whoever reads it counts on a value"
    if after.required and not before.required and (name in uses.taken or name in uses.told):
        yield f"must be given: {'callers may leave it out' if name in uses.taken else 'the log holds events without it'}"


def _new(name: str, before: Message, member: Member, uses: _Uses) -> str | None:
    """What is wrong with a field that is new, or None."""
    if not member.required:
        return None
    if name in uses.taken:
        return "is new and must be given: callers do not know it; give it a default"
    if name in uses.told and before.kind in ("event", "value"):
        return "is new and must be given: the log holds events without it; give it a default, or raise schema_version"
    return None


def _who(name: str, uses: _Uses) -> str:
    """Who counts on a field."""
    if name in uses.taken:
        return "callers send"
    return "callers read" if name in uses.given else "whoever follows the topic reads (raise schema_version)"


def _enums(was: Lock, now: Lock) -> Iterator[Breach]:
    for name, before in was.enums.items():
        after = now.enums.get(name)
        for word in before.numbers if after is not None else ():
            if after is not None and word not in after.numbers:
                yield Breach(f"{was.service}.{name}.{word}", "is gone: callers send it, and records hold it", after.source, word)
