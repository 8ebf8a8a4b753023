"""Refusals as types: the interface `Problem`, and an object for each declared one with its facts."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from typing import Any, Final, get_type_hints

from nexus.core import problem as core
from nexus.core.problem import FieldError, Problem
from nexus.surfaces.graphql import names
from nexus.surfaces.graphql.model import SHAREABLE, Graph, Kind, Member
from nexus.surfaces.graphql.sources import Part
from nexus.surfaces.graphql.values import Values
from nexus.surfaces.openapi.problems import sentence
from nexus.surfaces.redirects import Merged

SHARED: Final[tuple[type[Problem], ...]] = (
    core.Forbidden,
    core.Malformed,
    core.NotFound,
    core.Conflict,
    core.AlreadyExists,
    core.StillReferred,
    core.KeyReused,
    Merged,
    core.PreconditionFailed,
    core.TooLarge,
    core.Invalid,
    core.PreconditionRequired,
    core.Unavailable,
)
"""What any change may be refused with."""
OTHER: Final = "OtherProblem"
"""The type of a refusal that no operation declares."""


def add(graph: Graph) -> None:
    """The interface, the refusals that every endpoint has, and one for whatever else."""
    error = graph.add(Kind(name="FieldError", kind="object", doc=_line(FieldError), origin=_origin(FieldError), directives=(SHAREABLE,)))
    error.add(Member(name="field", type="String!", doc="A path such as `input.owner.email`.", source=Part("field")))
    error.add(Member(name="message", type="String!", doc="What is wrong with it.", source=Part("message")))
    refusal = graph.add(Kind(name="Problem", kind="interface", doc="A refusal (RFC 9457).", origin=_origin(Problem)))
    for member in _members():
        refusal.add(member)
    for kind in SHARED:
        of(graph, kind)
    other = Kind(
        name=OTHER, kind="object", doc="A refusal of another kind.", origin="other problems", of=("Problem",), directives=(SHAREABLE,)
    )
    for member in _members():
        graph.add(other).add(member)


def _members() -> Iterator[Member]:
    yield Member(name="type", type="String!", doc="Which refusal it is; the address explains it.", source=Part("type"))
    yield Member(name="title", type="String!", source=Part("title"))
    yield Member(name="status", type="Int!", doc="The status that REST would answer.", source=Part("status"))
    yield Member(name="detail", type="String!", doc="One sentence: what was refused, and what to change.", source=Part("detail"))
    yield Member(name="errors", type="[FieldError!]!", doc="What is wrong, field by field.", source=Part("errors"))


def of(graph: Graph, problem: type[Problem]) -> str:
    """The type of a refusal."""
    name = names.of_class(problem)
    if name in graph and graph[name].origin == _origin(problem):
        return name
    doc = sentence(problem)
    kind = graph.add(Kind(name=name, kind="object", doc=doc, origin=_origin(problem), of=("Problem",), directives=(SHAREABLE,)))
    for member in _members():
        kind.add(member)
    values = Values(graph)
    for fact, type_ in facts(problem).items():
        if names.camel(fact) not in kind.members and fact not in ("reason", "summary"):
            kind.add(Member(name=names.camel(fact), type=values.answered(type_).removesuffix("!"), source=Part(fact)))
    return name


def facts(problem: type[Problem]) -> dict[str, Any]:
    """The facts of a refusal with their types."""
    found: dict[str, Any] = {}
    for one in reversed(problem.__mro__):
        if issubclass(one, Problem) and one is not Problem:
            hints = get_type_hints(one)
            found |= {name: hints[name] for name in inspect.get_annotations(one) if name != "status"}
    return found


def named(possible: Iterable[str], error: Problem) -> str:
    """The type of a refusal among those possible: its own, or that of what it is a kind of."""
    known = frozenset(possible)
    for one in type(error).__mro__:
        if issubclass(one, Problem) and (name := names.of_class(one)) in known:
            return name
    return OTHER


def _line(kind: type[Any]) -> str:
    return " ".join((kind.__doc__ or "").split())


def _origin(kind: type[Any]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
