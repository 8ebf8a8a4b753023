"""Arguments: literals and variables; a value that a statement takes as a parameter remembers where among the variables it came from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import graphql as lib

from nexus.core.problem import FieldError, Invalid

Path = tuple[str | int, ...]


class Missing:
    """A variable that is not given and has no default."""


MISSING: Final = Missing()


@dataclass(frozen=True, slots=True)
class Given:
    """A value, and its place among the variables; None for a literal. The values within an object or a list are such values too."""

    value: Any
    path: Path | None = None

    def __iter__(self) -> Iterator[Given]:
        """The values of a list; one that is no list counts as the only one in it, as GraphQL has it."""
        if not is_list(self.value):
            return iter((self,))
        return (self._inner(place, one) for place, one in enumerate(several(self.value)))

    def items(self) -> list[tuple[str, Given]]:
        """The members of an object."""
        return [(name, self._inner(name, one)) for name, one in cast(dict[str, Any], self.value).items()]

    def _inner(self, place: str | int, value: Any) -> Given:
        if isinstance(value, Given):
            return value
        return Given(value, None if self.path is None else (*self.path, place))

    def plain(self) -> Any:
        """The value without where anything in it came from."""
        if isinstance(self.value, list):
            return [one.plain() for one in self]
        if isinstance(self.value, dict):
            return {name: one.plain() for name, one in self.items()}
        return self.value


@dataclass(frozen=True, slots=True)
class Binder:
    """How one parameter of a statement gets its value."""

    read: Callable[[Any], Any]
    """From what was given to what is bound; Invalid where it does not fit."""
    given: Given
    label: str = ""
    """What it is called in the request."""

    def value(self, variables: Mapping[str, Any]) -> Any:
        """What to bind for a request with these variables, of the same shape as those that the statement was made for."""
        if self.given.path is None:
            return self.read(self.given.plain())
        found: Any = variables
        for place in self.given.path:
            found = found[place]
        return self.read(found)


def value_of(node: lib.ValueNode, variables: Mapping[str, Any]) -> Given:
    """An argument as it is given: numbers that are not whole stay text, words of enumerations are text."""
    match node:
        case lib.VariableNode():
            name = node.name.value
            return Given(variables.get(name, MISSING), (name,))
        case lib.ObjectValueNode():
            members = {one.name.value: value_of(one.value, variables) for one in node.fields or ()}
            return Given({name: one for name, one in members.items() if one.value is not MISSING})
        case lib.ListValueNode():
            values = [value_of(one, variables) for one in node.values or ()]
            return Given([Given(None, one.path) if one.value is MISSING else one for one in values])
        case lib.NullValueNode():
            return Given(None)
        case lib.IntValueNode():
            return Given(int(node.value))
        case lib.BooleanValueNode():
            return Given(node.value)
        case _:
            return Given(cast(Any, node).value)


def arguments(node: lib.FieldNode, variables: Mapping[str, Any]) -> dict[str, Given]:
    """The arguments of a field; those that stand for a variable without a value are left out."""
    found = {one.name.value: value_of(one.value, variables) for one in node.arguments or ()}
    return {name: one for name, one in found.items() if one.value is not MISSING}


def shape_of_value(value: Any) -> Any:
    """What a value looks like without what it says: requests whose variables look alike share a statement."""
    if isinstance(value, dict):
        return tuple((name, shape_of_value(one)) for name, one in cast(dict[str, Any], value).items())
    if isinstance(value, list):
        shapes = [shape_of_value(one) for one in several(cast(Any, value))]
        return "list", frozenset(shapes) if all(isinstance(one, str) for one in shapes) else tuple(shapes)
    return type(value).__name__


def several(value: Any) -> list[Any]:
    """The values of a list; one that is no list counts as the only one in it."""
    return list(value) if is_list(value) else [value]


def is_list(value: Any) -> bool:
    """Whether a value is a list."""
    return isinstance(value, list)


def text_of(given: Given, label: str) -> str:
    """A text. Invalid names the argument where it is none."""
    if not isinstance(given.value, str):
        raise Invalid.of(FieldError(label, "takes text"))
    return given.value


def count_of(given: Given | None, label: str, most: int) -> int | None:
    """A number of records, None where it is not given."""
    if given is None or given.value is None:
        return None
    value = given.value
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise Invalid.of(FieldError(label, f"is a whole number from 0 to {most}, the limit on pages"))
    return value
