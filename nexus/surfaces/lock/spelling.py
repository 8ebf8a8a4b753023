"""How the lock spells a type: `text`, `uuid`, `[DealLine]`, `{int}`, `words(deal lead)`, `LeadStatus`, `[text] | text`."""

from __future__ import annotations

import enum
import re
from typing import Any, Final, cast

import msgspec
from msgspec import inspect as types

SCALARS: Final[dict[type, str]] = {
    types.StrType: "text",
    types.UUIDType: "uuid",
    types.DecimalType: "decimal",
    types.IntType: "int",
    types.FloatType: "float",
    types.BoolType: "bool",
    types.DateTimeType: "instant",
    types.DateType: "date",
    types.TimeType: "text",
    types.TimeDeltaType: "text",
    types.BytesType: "bytes",
    types.NoneType: "null",
}
_LISTS: Final = (types.ListType, types.VarTupleType, types.SetType, types.FrozenSetType)
_WORDS: Final = re.compile(r"words\((?P<words>.*)\)")


class Speller:
    """Spells types, and remembers the structs and enums that they are made of."""

    def __init__(self) -> None:
        self.structs: dict[str, type[msgspec.Struct]] = {}
        self.enums: dict[str, type[enum.Enum]] = {}

    def member(self, type_: Any) -> tuple[str, bool]:
        """The spelling of a type, and whether it may be null."""
        return self.of_info(types.type_info(type_))

    def of_info(self, info: types.Type) -> tuple[str, bool]:
        """The same, of what msgspec says of a type."""
        if isinstance(info, types.UnionType):
            others = sorted({self._spell(one) for one in info.types if not isinstance(one, types.NoneType)})
            return " | ".join(others), info.includes_none
        return self._spell(info), False

    def _spell(self, info: types.Type) -> str:
        match info:
            case types.Metadata():
                extra = cast(dict[str, str], getattr(info, "extra", None) or {})
                return extra.get("type") or self._spell(info.type)  # a type that only gRPC has
            case types.StructType():
                self._remember(self.structs, info.cls)
                return info.cls.__name__
            case types.EnumType() if all(isinstance(member.value, str) for member in info.cls):
                self._remember(self.enums, info.cls)
                return info.cls.__name__
            case types.LiteralType() if all(isinstance(value, str) for value in info.values):
                return f"words({' '.join(sorted(map(str, info.values)))})"
            case types.DictType():
                return "{" + self._inner(info.value_type) + "}"
            case types.ListType() | types.VarTupleType() | types.SetType() | types.FrozenSetType():
                return f"[{self._inner(info.item_type)}]"
            case _:
                return SCALARS.get(type(info), "json")

    def _inner(self, info: types.Type) -> str:
        spelled, null = self.of_info(info)
        return f"{spelled}?" if null else spelled

    def _remember(self, known: dict[str, Any], kind: type) -> None:
        if known.setdefault(kind.__name__, kind) is not kind:
            raise TypeError(f"{source_of(known[kind.__name__])} and {source_of(kind)} have one name; a service calls each thing by its own")


def source_of(kind: type) -> str:
    """The declaration a class is, as the lock names it."""
    return f"{kind.__module__}.{kind.__qualname__}"


def fits(before: str, after: str) -> bool:
    """Whether what relied on the one type can rely on the other: it is the same, or has more words."""
    if before == after:
        return True
    was, now = _WORDS.fullmatch(before), _WORDS.fullmatch(after)
    return was is not None and now is not None and set(was["words"].split()) <= set(now["words"].split())
