"""Refusals in the document: the shared ones, and those of each rule, found by reading the code of its handler."""

from __future__ import annotations

import functools
import inspect
import re
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, cast

from nexus.core import problem as core
from nexus.core.flow import Flow, IllegalMove
from nexus.core.problem import Problem
from nexus.surfaces.openapi.structs import paragraphs

_FACT: Final = re.compile(r"^\{\w+\}$")
MEDIA: Final = "application/problem+json"
_SHARED: Final[dict[str, tuple[type[Problem], ...]]] = {
    "Malformed": (core.Malformed,),
    "Unauthenticated": (core.Unauthenticated,),
    "Forbidden": (core.Forbidden,),
    "NotFound": (core.NotFound,),
    "Conflict": (core.AlreadyExists, core.StillReferred, core.KeyReused),
    "PreconditionFailed": (core.PreconditionFailed,),
    "TooLarge": (core.TooLarge,),
    "Invalid": (core.Invalid,),
    "PreconditionRequired": (core.PreconditionRequired,),
    "TooManyRequests": (core.TooManyRequests,),
    "Unavailable": (core.Unavailable,),
    "TookTooLong": (core.TookTooLong,),
}
"""Component responses by name: the problems that any operation may answer with that status."""
_WORDS: Final[dict[str, str]] = {
    "Malformed": "The request cannot be read at all.",
    "Unauthenticated": "No credential, or none that is in force.",
    "Forbidden": "The credential does not allow it.",
    "NotFound": "There is no such thing, or the caller may not know of it.",
    "Conflict": "It contradicts what is already so.",
    "PreconditionFailed": "The record changed since it was read.",
    "TooLarge": "More bytes than the limit.",
    "Invalid": "Fields are missing, unknown or wrong; `errors` names each.",
    "PreconditionRequired": "A write without `If-Match`.",
    "TooManyRequests": "A rate or a quota is used up; `Retry-After` says for how long.",
    "Unavailable": "An engine is away; trying again shortly may help.",
    "TookTooLong": "No answer within the time limit.",
}
_ALWAYS: Final = ("TooManyRequests", "Unavailable", "TookTooLong")
_FACTS: Final[dict[str, Any]] = {
    "reason": "The parameter limit is given twice.",
    "permission": "crm.lead:create",
    "kind": "lead",
    "id": "0197a3c2-5d1e-7c3a-9b0f-2f6d8e4a1c77",
    "field": "email",
    "by": "a deal",
    "key": "order-17",
    "now": "converted",
    "entity": "Lead",
    "move": "convert",
    "state": "active",
    "name": "Ada Obi",
    "expected": '"3"',
    "what": "The body",
    "limit": "33,554,432 bytes",
    "who": "This key",
    "most": "1,000 requests a second",
    "retry_after": 3,
    "seconds": 120,
    "summary": "email: is required",
    "errors": [{"field": "email", "message": "is required"}],
}
SCHEMAS: Final[dict[str, Any]] = {
    "Problem": {
        "type": "object",
        "description": "A refusal (RFC 9457). Further members are its facts.",
        "properties": {
            "type": {"type": "string", "format": "uri-reference", "description": "Which refusal it is; the address explains it."},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string", "description": "One sentence: what was refused, and what to change."},
            "instance": {"type": "string", "format": "uri-reference", "description": "The request, as the log knows it."},
            "errors": {
                "type": "array",
                "description": "What is wrong, field by field.",
                "items": {
                    "type": "object",
                    "properties": {
                        "field": {"type": "string", "description": "A path such as `owner.email` or `rows[3].amount`."},
                        "message": {"type": "string"},
                    },
                    "required": ["field", "message"],
                },
            },
        },
        "required": ["type", "title", "status"],
    }
}


def every() -> list[type[Problem]]:
    """Every refusal this process knows, by code."""
    found: dict[str, type[Problem]] = {}

    def visit(kind: type[Problem]) -> None:
        for one in kind.__subclasses__():
            if one.__module__.startswith("nexus.") and not one.foreign:
                found[one.code()] = one
            visit(one)

    visit(Problem)
    return [found[code] for code in sorted(found)]


def sentence(kind: type[Problem]) -> str:
    """The sentence of a refusal; its facts stand in braces. Where it is nothing but a fact, what that status means."""
    said = paragraphs(kind.__doc__ or kind.title()).split("\n\n")[0]
    return _WORDS.get(kind.__name__, said) if _FACT.match(said) else said


def example(kind: type[Problem]) -> dict[str, Any]:
    """A refusal as it is answered."""
    facts = {name: _FACTS.get(name, f"<{name}>") for name in _facts(kind)}
    if kind is core.Unauthenticated:
        facts["reason"] = "This key is not in force."
    if kind is core.PreconditionFailed:
        facts["now"] = 4
    if kind is core.TooManyRequests:
        facts["limit"] = "key"
    return kind(**facts).body() | {"instance": "/requests/0197a3c2-7f00-7000-8000-000000000001"}


def _facts(kind: type[Problem]) -> Iterator[str]:
    for one in reversed(kind.__mro__):
        if issubclass(one, Problem) and one is not Problem:
            yield from (name for name in inspect.get_annotations(one) if name != "status")


def _response(description: str, kinds: Iterable[type[Problem]]) -> dict[str, Any]:
    shown = {kind.code(): {"summary": sentence(kind), "value": example(kind)} for kind in kinds}
    return {"description": description, "content": {MEDIA: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": shown}}}


def responses() -> dict[str, Any]:
    """The component responses that operations refer to."""
    return {name: _response(_WORDS[name], kinds) for name, kinds in _SHARED.items()}


def of_operation(*names: str, own: Iterable[type[Problem]] = ()) -> dict[str, Any]:
    """The refusals of one operation by status: the shared ones by name, its own with their sentences."""
    found: dict[str, Any] = {}
    mine = list(own)
    for name in ("Unauthenticated", "Forbidden", *names, *_ALWAYS):
        status = _SHARED[name][0].status
        extra = [kind for kind in mine if kind.status == status]
        if extra:
            known = [*extra, *(kind for kind in _SHARED[name] if kind not in extra)]
            found[str(status)] = _response(" ".join([*(sentence(kind) for kind in extra), _WORDS[name]]), known)
        else:
            found[str(status)] = {"$ref": f"#/components/responses/{name}"}
    for status in sorted({kind.status for kind in mine} - {int(status) for status in found}):
        kinds = [kind for kind in mine if kind.status == status]
        found[str(status)] = _response(" ".join(sentence(kind) for kind in kinds), kinds)
    return dict(sorted(found.items()))


def raised_by(function: Callable[..., Any]) -> list[type[Problem]]:
    """The service's own refusals that a rule can raise: those its code, and the code of the service's functions that it calls, names."""
    return sorted(_named(inspect.unwrap(function)), key=lambda kind: (kind.status, kind.code()))


def _named(function: Callable[..., Any]) -> set[type[Problem]]:
    service = ".".join(function.__module__.split(".")[:3]) + "."
    found: set[type[Problem]] = set()
    seen: set[types.CodeType] = set()
    waiting = [cast(types.FunctionType, function)]
    while waiting:
        current = waiting.pop()
        if current.__code__ in seen:
            continue
        seen.add(current.__code__)
        for value in _values(current):
            mine = str(getattr(value, "__module__", "")).startswith(service)
            if isinstance(value, type) and issubclass(value, Problem) and value.__module__ != core.__name__:
                found.add(value)
            elif isinstance(value, Flow):
                found.add(IllegalMove)
            elif mine and isinstance(value, types.FunctionType):
                waiting.append(value)
            elif mine and isinstance(value, type):
                waiting += [member for member in vars(value).values() if isinstance(member, types.FunctionType) and _is_written(member)]
    return found


def _is_written(function: types.FunctionType) -> bool:
    """Whether somebody wrote it, and no decorator made it."""
    return function.__code__.co_filename != "<string>"


def _values(function: types.FunctionType) -> Iterator[Any]:
    """What the names in a function's code, and in the functions within it, stand for in its module."""
    for name in _names(function.__code__):
        value = function.__globals__.get(name)
        if isinstance(value, types.ModuleType):
            yield from (getattr(value, inner) for inner in _names(function.__code__) if hasattr(value, inner))
        elif value is not None:
            yield value


@functools.cache
def _names(code: types.CodeType) -> frozenset[str]:
    inner = (constant for constant in code.co_consts if isinstance(constant, types.CodeType))
    return frozenset(code.co_names).union(*(_names(one) for one in inner))
