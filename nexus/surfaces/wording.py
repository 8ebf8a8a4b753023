"""Wording: what the JSON decoder says of a value that does not fit, as a sentence that says what to change."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from nexus.core.entity import Entity, facts, table_of
from nexus.core.values import NOT_BLANK, CurrencyCode, EmailText, PhoneText
from nexus.surfaces.kept import kept
from nexus.surfaces.shapes import EMAIL

_EMPTY: Final = "must not be empty"
_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[[^\]]*\]")
_REGEX: Final = re.compile(r"matching regex (?P<pattern>.+)$", re.DOTALL)
_LENGTH: Final = re.compile(r"Expected `(?P<kind>str|array)` of length (?P<sign>[<>]=) (?P<number>\d+)")


def sentence(what: str, path: str, expected: Any) -> str:
    """What is wrong, from the decoder's own words; `expected` is the type that was to be read and `path` (`$.owner.email`) where in it."""
    if (found := _REGEX.search(what)) is not None:
        pattern = found["pattern"]
        return _forms().get(pattern, f"does not have the form {pattern}")
    if (found := _LENGTH.search(what)) is not None:
        return _length(found["kind"], found["sign"], int(found["number"]))
    if what.startswith("Invalid enum value") and (words := _choices(path, expected)):
        return f"{what.removeprefix('Invalid enum value ')} is none of {', '.join(words)}"
    return what[:1].lower() + what[1:]


def _length(kind: str, sign: str, number: int) -> str:
    what = "characters long" if kind == "str" else "values long"
    if sign == "<=":
        return f"is at most {number} {what}"
    return _EMPTY if number == 1 else f"is at least {number} {what}"


@kept
def _forms() -> dict[str, str]:
    """The patterns that declarations use, as the decoder quotes them, with what each means to a person."""
    known = {EMAIL: "is not an e-mail address, such as ada@example.com", NOT_BLANK: _EMPTY}
    for type_, said in (
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
