"""Sessions: who uses the tools, through which agent, and what the address or the headers take away from the person's rights.

A session is nothing that a process remembers. Each request says all of it; what an older client says only once, when it begins, it gets back as a
sealed id that says it from then on.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal, cast
from urllib.parse import parse_qsl

import msgspec

from nexus.core.money import SCALES
from nexus.core.problem import FieldError, Invalid, Malformed, Problem
from nexus.core.service import Service
from nexus.surfaces.calling import Caller
from nexus.surfaces.limits import Limits
from nexus.surfaces.mcp.catalogue import Tool

NAMES: Final = ("services", "entities", "read_only", "max_amount", "tools")
"""What may be said in the query string of the address, or as a header: `Nexus-Read-Only` for `read_only`."""
_AMOUNT: Final = re.compile(r"^(?P<code>[A-Z]{3}):(?P<amount>\d{1,18}(?:\.\d{1,4})?)$")
_UNFIT: Final = re.compile(r"[^\x20-\x7e\xa0-\ud7ff\ue000-\ufffd]")
_LONGEST: Final = 100


class NotInThisSession(Problem, status=403):
    """This session does not allow {tool}: {reason}."""

    tool: str
    reason: str


class Agent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The program that uses the tools, as it calls itself."""

    name: str
    version: str = ""


class Narrowing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a session takes away; two of them together take both away."""

    services: tuple[str, ...] = ()
    entities: tuple[str, ...] = ()
    read_only: bool = False
    max_amount: tuple[tuple[str, str], ...] | None = None

    def limits(self) -> Limits:
        """As rights know it."""
        within: set[frozenset[str]] = set()
        if self.services:
            within.add(frozenset(f"{name}.*:*" for name in self.services))
        if self.entities:
            within.add(frozenset(f"{name}:*" for name in self.entities))
        most = None if self.max_amount is None else frozenset((code, Decimal(amount)) for code, amount in self.max_amount)
        return Limits(frozenset(within), most)


@dataclass(frozen=True, slots=True)
class Session:
    """Everything that a call goes by besides its own arguments."""

    caller: Caller
    """With the rights that are left."""
    narrowings: tuple[Narrowing, ...]
    agent: Agent | None
    search_only: bool = False
    """List the tools that find others, and none of these."""

    @property
    def read_only(self) -> bool:
        return any(one.read_only for one in self.narrowings)

    def admits(self, tool: Tool) -> bool:
        """Whether a tool is this caller's to use in this session."""
        rights = self.caller.rights
        return (tool.reads or not self.read_only) and (rights is None or rights.allow(tool.operation.needs))

    def admit(self, tool: Tool) -> None:
        """NotInThisSession (403) where the session takes it away, Forbidden (403) where the caller never had it."""
        rights = self.caller.rights
        if rights is not None and not rights.limits.cover(tool.operation.needs):
            raise NotInThisSession(tool=tool.name, reason=f"it is limited to {self.chosen()}")
        if self.read_only and not tool.reads:
            raise NotInThisSession(tool=tool.name, reason="it only reads")
        if rights is not None:
            rights.need(tool.operation.needs)

    def chosen(self) -> str:
        """The services and entities that the session is limited to, for a sentence."""
        return ", ".join(dict.fromkeys(name for one in self.narrowings for name in (*one.services, *one.entities))) or "nothing"

    def speaking(self, tool: str) -> Caller:
        """The caller as audit is to know it: with the tool, and with the agent or the key that used it."""
        agent: dict[str, str] = {"key": self.caller.key_name} if self.agent is None else msgspec.to_builtins(self.agent)
        return dataclasses.replace(self.caller, said={"tool": tool, "agent": agent})


def agent_of(info: object) -> Agent | None:
    """What a client says of itself, cut to what can be kept; None where it says nothing that can be."""
    if not isinstance(info, dict):
        return None
    said = cast(dict[str, Any], info)
    name, version = (_UNFIT.sub("", said[key])[:_LONGEST] if isinstance(said.get(key), str) else "" for key in ("name", "version"))
    return Agent(name=name, version=version) if name else None


def begun(caller: Caller, agent: Agent | None, narrowings: Iterable[Narrowing], search_only: bool) -> Session:
    """The session of a caller: its rights with everything taken away that is to be."""
    chosen = tuple(one for one in narrowings if one != Narrowing())
    rights = caller.rights
    for one in chosen:
        rights = None if rights is None else rights.limited(one.limits())
    return Session(dataclasses.replace(caller, rights=rights), chosen, agent, search_only)


def narrowing_of(query: bytes, headers: Mapping[bytes, bytes], services: Mapping[str, Service]) -> tuple[list[Narrowing], bool]:
    """What the address and the headers take away, and whether only the search is to be listed.

    Malformed (400) or Invalid (422) naming what cannot be read: a word that is misspelt must not leave a session wider than it was meant.
    """
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=20)
    except (UnicodeDecodeError, ValueError) as error:
        raise Malformed(reason=f"The query string cannot be read: {error}") from None
    for name, _ in pairs:
        if name not in NAMES:
            raise Invalid.of(FieldError(name, f"is not a parameter here; there are {', '.join(NAMES)}"))
    named = {name: headers.get(b"nexus-" + name.replace("_", "-").encode()) for name in NAMES}
    said = [(name, value.decode("latin-1")) for name, value in named.items() if value is not None]
    found = [_one(name, value, services) for name, value in (*pairs, *said) if name != "tools"]
    listed = [_word("tools", value, "all", "search") for name, value in (*pairs, *said) if name == "tools"]
    return found, "search" in listed


def _one(name: str, value: str, services: Mapping[str, Service]) -> Narrowing:
    match cast(Literal["services", "entities", "read_only", "max_amount"], name):
        case "services":
            return Narrowing(services=_several(name, value, services))
        case "entities":
            known = [entity.entity_name() for service in services.values() for entity in service.entities()]
            return Narrowing(entities=_several(name, value, known))
        case "read_only":
            return Narrowing(read_only=_word(name, value, "true", "false") == "true")
        case "max_amount":
            return Narrowing(max_amount=_amounts(name, value))


def _several(name: str, value: str, known: Iterable[str]) -> tuple[str, ...]:
    names, there = sorted({one.strip() for one in value.split(",")}), list(known)
    for one in names:
        if one not in there:
            raise Invalid.of(FieldError(name, f"{one!r} is none of {', '.join(there)}"))
    return tuple(names)


def _word(name: str, value: str, *words: str) -> str:
    if value not in words:
        raise Invalid.of(FieldError(name, f"is one of {', '.join(words)}, not {value!r}"))
    return value


def _amounts(name: str, value: str) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    for part in value.split(","):
        one = _AMOUNT.match(part.strip())
        if one is None or one["code"] not in SCALES or one["code"] in found:
            raise Invalid.of(FieldError(name, f"{part.strip()!r} is not an amount such as NGN:500000; several are separated by commas"))
        found[one["code"]] = one["amount"]
    return tuple(sorted(found.items()))
