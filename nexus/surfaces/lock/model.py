"""What a lock holds: the shapes that the surfaces of one service promise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal

import msgspec

NULLS: Final = "nulls"
"""The field of gRPC that names the fields which are null, where leaving them out is something else."""
Kind = Literal["record", "create", "patch", "page", "command", "answer", "event", "query", "row", "rows", "value", "call"]
"""What a message is for; `call` is one of gRPC's own."""


class Member(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One field of a message."""

    number: int = 0
    """Its number in gRPC; 0 until the lock gives it one."""
    type: str
    null: bool = False
    required: bool = False
    """Whether it must be given, in what callers send and in what the log keeps."""
    kept: bool = False
    """Whether leaving it out is something else than null: it stays as it was, or has a default. Then gRPC names what is null in `nulls`."""


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One object: a record, a command, an event, a value within them."""

    kind: Kind
    source: str
    """The declaration, `nexus.services.crm.api.leads.ConvertLead`."""
    fields: dict[str, Member]
    reserved: dict[str, int] = {}
    """Fields that are gone, with the numbers that nothing else may have; `name` again where it has gone more than once is `name~2`."""


class Words(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One enum: its words with their numbers in gRPC, where 0 is that nothing was said."""

    source: str
    numbers: dict[str, int]
    reserved: dict[str, int] = {}


class Operation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that can be asked."""

    rest: str
    """`POST /api/v1/crm/leads/{id}/convert`."""
    grpc: str
    """`Leads/Convert`, below the package of the service."""
    needs: str
    takes: str
    """The message it is asked with; `nexus.Get` is one that all services share."""
    gives: str
    streams: bool = False
    """Whether what it gives comes again and again."""


class Topic(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One topic of the event log."""

    version: int = 1
    data: str
    """The message it tells."""
    record: str = ""
    """The record it tells instead, where no command said more than that it changed."""
    earlier: dict[str, dict[str, Member]] = {}
    """What versions before this one told."""


class Lock(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything one service promises."""

    service: str
    operations: dict[str, Operation] = {}
    topics: dict[str, Topic] = {}
    messages: dict[str, Message] = {}
    enums: dict[str, Words] = {}
    retired: dict[str, Message] = {}
    """Messages that nothing uses any more; one that comes back has its numbers again."""

    @property
    def package(self) -> str:
        """The package of its messages in gRPC."""
        return "nexus.v1" if self.service == "nexus" else f"nexus.{self.service}.v1"

    def reached(self, roots: Iterable[str]) -> set[str]:
        """The messages that these hold, themselves among them."""
        found: set[str] = set()
        waiting = [name for name in roots if name in self.messages]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += [inner for member in self.messages[name].fields.values() for inner in names_in(member.type, self.messages)]
        return found


def names_in(type_: str, known: Mapping[str, object]) -> list[str]:
    """The messages or enums that a type is made of."""
    return [word for word in _words(type_) if word in known]


def _words(type_: str) -> list[str]:
    return "".join(letter if letter.isalnum() or letter == "_" else " " for letter in type_).split()
