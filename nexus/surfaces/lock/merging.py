"""A lock brought up to the declarations: every field and word keeps its number, new ones get the next, and what goes is reserved for ever."""

from __future__ import annotations

import msgspec

from nexus.surfaces.lock.model import Lock, Member, Message, Topic, Words
from nexus.surfaces.lock.spelling import fits

_TAKEN = range(19_000, 20_000)
"""Numbers that the encoding keeps for itself."""


def merged(was: Lock, now: Lock) -> Lock:
    """The lock that stands for what is declared now."""
    known = was.retired | was.messages
    messages = {name: _message(known.get(name), message) for name, message in now.messages.items()}
    return Lock(
        service=now.service,
        operations=now.operations,
        topics={name: _topic(was, name, topic) for name, topic in now.topics.items()},
        messages=messages,
        enums={name: _words(was.enums.get(name), words) for name, words in now.enums.items()},
        retired={name: message for name, message in sorted(known.items()) if name not in messages},
    )


def _message(was: Message | None, now: Message) -> Message:
    before = was.fields if was is not None else {}
    reserved = dict(was.reserved) if was is not None else {}
    for name, member in before.items():
        if name not in now.fields or not fits(member.type, now.fields[name].type):
            reserved[_free(name, reserved)] = member.number
    last = max([0, *reserved.values(), *(member.number for member in before.values())])
    fields: dict[str, Member] = {}
    for name, member in now.fields.items():
        if name in before and fits(before[name].type, member.type):
            number = before[name].number
        else:
            number = last = _next(last)
        fields[name] = msgspec.structs.replace(member, number=number)
    return Message(kind=now.kind, source=now.source, fields=fields, reserved=reserved)


def _words(was: Words | None, now: Words) -> Words:
    before = was.numbers if was is not None else {}
    reserved = dict(was.reserved) if was is not None else {}
    for word, number in before.items():
        if word not in now.numbers:
            reserved[_free(word, reserved)] = number
    last = max([0, *reserved.values(), *before.values()])
    numbers: dict[str, int] = {}
    for word in now.numbers:
        if word in before:
            numbers[word] = before[word]
        else:
            numbers[word] = last = last + 1
    return Words(source=now.source, numbers=numbers, reserved=reserved)


def _topic(was: Lock, name: str, now: Topic) -> Topic:
    """A topic that tells something else from now on remembers what it told before."""
    before = was.topics.get(name)
    if before is None:
        return now
    earlier = dict(before.earlier)
    if before.version < now.version and before.data in was.messages:
        told = was.messages[before.data].fields
        earlier[str(before.version)] = {name: msgspec.structs.replace(member, number=0) for name, member in told.items()}
    return msgspec.structs.replace(now, earlier=earlier)


def _next(last: int) -> int:
    return _TAKEN.stop if last + 1 in _TAKEN else last + 1


def _free(name: str, reserved: dict[str, int]) -> str:
    """A key for one more field of this name that is gone."""
    count = sum(one.partition("~")[0] == name for one in reserved)
    return name if count == 0 else f"{name}~{count + 1}"
