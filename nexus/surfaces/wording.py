"""Wording: what the JSON decoder says of a value that does not fit, as a sentence that says what to change."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from nexus.core.entity import Entity, facts, table_of
from nexus.core.flow import FLOWS
from nexus.core.message import HANDLERS
from nexus.core.values import NOT_BLANK, CurrencyCode, EmailAsSent, EmailText, PhoneText
from nexus.surfaces.kept import kept
from nexus.surfaces.shapes import EMAIL, Field, Shape

_EMPTY: Final = "must not be empty"
_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[[^\]]*\]")
_REGEX: Final = re.compile(r"matching regex (?P<pattern>.+)$", re.DOTALL)
_LENGTH: Final = re.compile(r"Expected `(?P<kind>str|array|object)` of length (?P<sign>[<>]=|) ?(?P<number>\d+)")
_LIMIT: Final = re.compile(r"Expected `\w+` (?P<sign>[<>]=?) (?P<number>\S+)$")
_KIND: Final = re.compile(r"Expected `(?P<wanted>[a-z |]+)`(?:, got `(?P<given>[a-z]+)`)?")
_KINDS: Final = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "decimal": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "uuid": "an id",
    "date": "a day",
    "datetime": "a moment",
    "time": "a time of day",
}
"""What the decoder calls a kind of value, and what a person calls it."""
_SIGNS: Final = {"<=": "at most", ">=": "at least", "<": "less than", ">": "more than"}
_MOMENT: Final = "is not a moment with its offset, such as 2026-03-31T09:30:00Z"
_FIXED: Final = {
    "Invalid UUID": "is not an id, such as 0197a3c2-5d1e-7c3a-9b0f-2f6d8e4a1c77",
    "Invalid decimal string": "is not a number, such as 1250.00",
    "Invalid RFC3339 encoded date": "is not a day, such as 2026-03-31",
    "Invalid RFC3339 encoded datetime": _MOMENT,
    "Expected `datetime` with a timezone component": _MOMENT,
    "Invalid RFC3339 encoded time": "is not a time of day, such as 09:30:00",
    "Invalid ISO8601 duration": "is not a length of time, such as PT30M",
    "Number out of range": "is a number out of range",
}


def sentence(what: str, path: str, expected: Any) -> str:
    """What is wrong, from the decoder's own words; `expected` is the type that was to be read and `path` (`$.owner.email`) where in it."""
    if (found := _REGEX.search(what)) is not None:
        pattern = found["pattern"]
        return _forms().get(pattern, f"does not have the form {pattern}")
    if (found := _LENGTH.search(what)) is not None:
        return _length(found["kind"], found["sign"], int(found["number"]))
    if what in _FIXED:
        return _FIXED[what]
    if (found := _LIMIT.match(what)) is not None:
        return f"is {_SIGNS[found['sign']]} {found['number']}"
    if (found := _KIND.fullmatch(what)) is not None:
        return _kind(found["wanted"], found["given"])
    if what.startswith("Invalid enum value") and (words := _choices(path, expected)):
        return f"{what.removeprefix('Invalid enum value ')} is none of {', '.join(words)}"
    return what[:1].lower() + what[1:]


def not_here(shape: Shape, field: Field) -> str:
    """Why a field that a record shows cannot be given in a create, or in a patch."""
    if field.writable:
        return "is given when the record is made, and cannot be changed here"
    if not field.declared:
        return "is set by the platform, and cannot be given here"
    moves = [move for flow in FLOWS if flow.column.class_ is shape.entity and flow.column.key == field.name for move in flow.moves]
    verbs = {handler.verb for handler in HANDLERS.values() if handler.entity == shape.name}
    there = ", ".join(move for move in moves if move in verbs)
    return f"is set by commands{f' ({there})' if there else ''}, and cannot be given here"


def _kind(wanted: str, given: str | None) -> str:
    """A value of another kind: "is text or null, not a whole number"."""
    kinds = [_KINDS.get(one, one) for one in wanted.split(" | ")]
    return f"is {' or '.join(kinds)}" + (f", not {_KINDS.get(given, given)}" if given else "")


def _length(kind: str, sign: str, number: int) -> str:
    what = "characters long" if kind == "str" else "values long"
    if sign != ">=":
        return f"is {'at most' if sign else 'exactly'} {number} {what}"
    return _EMPTY if number == 1 else f"is at least {number} {what}"


@kept
def _forms() -> dict[str, str]:
    """The patterns that declarations use, as the decoder quotes them, with what each means to a person."""
    known = {EMAIL: "is not an e-mail address, such as ada@example.com", NOT_BLANK: _EMPTY}
    for type_, said in (
        (EmailAsSent, "is not an e-mail address, such as ada@example.com"),
        (EmailText, "is not an e-mail address in lower case, such as ada@example.com"),
        (PhoneText, "is not a telephone number written as +2348031234567"),
        (CurrencyCode, "is not an ISO 4217 code, such as NGN"),
    ):
        known[type_.__metadata__[0].pattern] = said  # type: ignore[attr-defined]
    for mapper in Entity.registry.mappers:
        for column in table_of(mapper.class_).columns:
            fact = facts(column)
            if fact.pattern is not None and fact.example is not None:
                known.setdefault(fact.pattern, f"is not of the form {fact.example}")
    return {repr(pattern): said for pattern, said in known.items()}


def _choices(path: str, expected: Any) -> list[str]:
    """The words that may stand at a path of a type; none where it cannot be told."""
    info: Any = msgspec.inspect.type_info(expected)
    for step in _STEP.finditer(path):
        info = _within(info, step[1])
    options = info.types if isinstance(info, msgspec.inspect.UnionType) else (info,)
    return [str(member.value) for one in options if isinstance(one, msgspec.inspect.EnumType) for member in one.cls] + [
        str(value) for one in options if isinstance(one, msgspec.inspect.LiteralType) for value in one.values
    ]


def _within(info: Any, name: str | None) -> Any:
    """The type one step further: of a field, or of a list's or mapping's values."""
    for one in info.types if isinstance(info, msgspec.inspect.UnionType) else (info,):
        if name is not None and isinstance(one, msgspec.inspect.StructType):
            return next((field.type for field in one.fields if field.encode_name == name), None)
        if name is None and isinstance(one, msgspec.inspect.ListType | msgspec.inspect.VarTupleType):
            return one.item_type
        if isinstance(one, msgspec.inspect.DictType):
            return one.value_type
    return None
