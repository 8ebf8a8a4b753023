"""Refusals on their way between processes: what was refused there is the same refusal here."""

from __future__ import annotations

import functools
from typing import Any, Final, get_type_hints

import msgspec

from nexus.core.problem import Problem


class _Wire(msgspec.Struct, frozen=True):
    code: str
    status: int
    detail: str
    facts: dict[str, Any]
    body: dict[str, Any]


_wire: Final = msgspec.json.Decoder(_Wire)


class Elsewhere(Problem):
    """{detail}"""

    foreign = True

    def __init__(self, wire: _Wire) -> None:
        self._wire = wire
        super().__init__(**wire.facts)
        self.status = wire.status  # type: ignore[misc]

    @property
    def detail(self) -> str:
        """What was said there."""
        return self._wire.detail

    def body(self) -> dict[str, Any]:
        """What was told there, as it was."""
        return self._wire.body


def body_of(problem: Problem) -> bytes:
    """A refusal as it travels."""
    told = {"code": problem.code(), "status": problem.status, "detail": problem.detail, "facts": problem.facts, "body": problem.body()}
    return msgspec.json.encode(told, enc_hook=str)


def problem_in(data: bytes) -> Problem:
    """The refusal that travelled: of the same class where there is one of that name, else as it was told."""
    wire = _wire.decode(data)
    kind = _kinds().get(wire.code)
    if kind is None or kind.status != wire.status:
        return Elsewhere(wire)
    try:
        hints = get_type_hints(kind)
        return kind(**{name: _fact(value, hints.get(name)) for name, value in wire.facts.items()})
    except (TypeError, NameError, KeyError, msgspec.ValidationError):
        return Elsewhere(wire)


def _fact(value: Any, hint: Any) -> Any:
    return value if hint is None else msgspec.convert(value, hint, strict=False)


def _kinds() -> dict[str, type[Problem]]:
    return _found(len(Problem.__subclasses__()))


@functools.lru_cache(maxsize=1)
def _found(known: int) -> dict[str, type[Problem]]:
    """All kinds by their codes; looked for anew only when there are more than were known."""
    found: dict[str, type[Problem]] = {}
    waiting: list[type[Problem]] = [Problem]
    while waiting:
        for kind in waiting.pop().__subclasses__():
            found.setdefault(kind.code(), kind)
            waiting.append(kind)
    return found
