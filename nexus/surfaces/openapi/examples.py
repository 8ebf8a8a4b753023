"""An example for everything: of a field, of a command, of an answer. Each fits its schema, so that it can be sent as it stands."""

from __future__ import annotations

import re
from typing import Any, Final, cast

import msgspec
from msgspec import inspect as types

from nexus.core.entity import snake
from nexus.surfaces.openapi.schemas import unseen
from nexus.surfaces.shapes import Field, Shape

ID: Final = "0197a3c2-5d1e-7c3a-9b0f-2f6d8e4a1c77"
OTHER: Final = "0197a3c2-5d1e-7c3a-9b0f-2f6d8e4a1c78"
"""Another one, for what goes from one to another."""
DAY: Final = "2026-03-31"
MOMENT: Final = "2026-03-31T09:30:00Z"
LATER: Final = {DAY: "2026-06-30", MOMENT: "2026-03-31T10:30:00Z"}
_END = re.compile(r"(?:^|_)(?:end|ends|until|close)(?:_|$)")
AMOUNT: Final = "1250.00"
_FITTING = (
    "ada@example.com",
    "+2348031234567",
    "NGN",
    "NG",
    "https://example.com",
    "example",
    "crm.rep",
    "crm.*:read",
    "0a1b2c3d",
    "#0f766e",
    "10:00",
    DAY,
)
_NAMED: Final = {
    "name": "Ada Obi",
    "country": "NG",
    "currency": "NGN",
    "language": "en",
    "time_zone": "Africa/Lagos",
    "reason": "They moved to another city.",
    "phone": "+2348031234567",
    "fx_rate": "1.00",
    "probability": 40,
}
"""What fields with these names usually hold, where their type alone says little."""
_ALTERNATIVES: Final = re.compile(r"\w+")
"""The words of a pattern such as `^(lead|deal)$`."""


def of_field(field: Field) -> Any:
    """An example of what an entity's field holds."""
    known = field.facts
    if known.kind in ("date", "instant"):
        return moment(field.name, DAY if known.kind == "date" else MOMENT)
    if known.example is not None:
        return msgspec.to_builtins(known.example, str_keys=True)
    default = field.default() if field.declared and field.default is not ... else None
    if default is not None:
        return msgspec.to_builtins(default, str_keys=True)
    fixed = {"uuid": ID, "ref": ID, "bool": True, "money": AMOUNT, "quantity": "3"}
    if known.kind in fixed:
        return fixed[known.kind]
    if known.kind == "enum":
        return str(next(iter(known.of)).value)
    if known.kind in ("decimal", "int"):
        number = int(_between(known.ge, known.le))
        return number if known.kind == "int" else str(number)
    if known.kind == "json":
        return of_type(known.of, field.name) if known.of is not None and not field.nullable else None if field.nullable else {}
    if known.kind == "tags":
        return ["vip"]
    if known.pii == "name":
        return of_text("Name", known.pattern, known.min_length, known.max_length)
    label = f"Example {snake(field.column.table.name).partition('_')[2]}".replace("_", " ") if field.name == "name" else field.label
    return of_text(label, known.pattern, known.min_length, known.max_length)


def moment(name: str, usual: str) -> str:
    """A day or a moment; what ends comes after what begins."""
    return LATER[usual] if _END.search(name) else usual


def _between(lowest: float | None, highest: float | None) -> float:
    low = max(lowest if lowest is not None else 1, -(2**31))
    return min(max(low, 1), highest if highest is not None else max(low, 1))


def of_text(label: str, pattern: str | None, least: int | None, most: int | None) -> str:
    """A text that fits: the field's own name as words where nothing else is asked."""
    known = _NAMED.get(label.lower())
    candidates = [
        *([known] if isinstance(known, str) else []),
        label.ljust(least or 0, "x"),
        label[:most],
        *_FITTING,
        *_ALTERNATIVES.findall(pattern or ""),
    ]
    fitting = (
        text for text in candidates if (least or 0) <= len(text) <= (most or len(text)) and (pattern is None or re.search(pattern, text))
    )
    return next(fitting, label)


def of_create(shape: Shape) -> dict[str, Any]:
    """A create that works: what is required, and the optional fields whose declarations give an example."""
    chosen: dict[str, Any] = {}
    for field in shape.writable:
        optional = field.default is not ...
        shown = field.facts.example is not None and field.facts.kind not in ("ref", "tags", "json") and not field.name.endswith("_entity")
        if not optional or (shown and len(chosen) < 8) or (field.name == "currency" and optional):
            chosen[field.name] = of_field(field)
    return chosen


def of_patch(shape: Shape) -> dict[str, Any]:
    """A small change: the first field that is neither a reference nor unique."""
    simple = [field for field in shape.patchable if field.facts.kind not in ("ref", "json", "tags", "uuid") and not field.facts.unique]
    return {simple[0].name: of_field(simple[0])} if simple else {"tags": ["vip"]}


def of_record(shape: Shape) -> dict[str, Any]:
    """A record as it is read."""
    shown: dict[str, Any] = {}
    sent, hidden = of_create(shape), unseen(shape)
    for name, field in shape.fields.items():
        if name in hidden:
            shown[name] = None
        elif name in sent:
            shown[name] = sent[name]
        elif field.nullable:
            shown[name] = None
        elif name == "version":
            shown[name] = 1
        elif field.facts.kind in ("tags", "json") and field.default is not ...:
            shown[name] = msgspec.to_builtins(field.default(), str_keys=True)
        else:
            shown[name] = of_field(field)
    return shown


def of_type(kind: Any, name: str = "") -> Any:
    """An example of a msgspec type."""
    return _of(types.type_info(kind), name)


def _of(info: types.Type, name: str) -> Any:
    if isinstance(info, types.Metadata):
        examples: Any = cast(Any, info).extra_json_schema and cast(Any, info).extra_json_schema.get("examples")
        return examples[0] if examples else _of(info.type, name)
    if isinstance(info, types.UnionType):
        return _of(next((one for one in info.types if not isinstance(one, types.NoneType)), info.types[0]), name)
    if isinstance(info, types.StructType):
        return of_struct(info)
    if isinstance(info, types.StrType):
        return of_text(name.removesuffix("_id").replace("_", " ").capitalize() or "Text", info.pattern, info.min_length, info.max_length)
    if isinstance(info, types.ListType | types.CollectionType | types.VarTupleType | types.SetType | types.FrozenSetType):
        return [_of(cast(Any, info).item_type, name.removesuffix("s"))]
    if isinstance(info, types.DictType):
        return {}
    if isinstance(info, types.IntType | types.FloatType):
        given = _NAMED.get(name)
        return given if isinstance(given, int) else int(_between(info.ge if info.ge is not None else None, info.le))
    return _plain(info, name)


def _plain(info: types.Type, name: str) -> Any:
    if isinstance(info, types.EnumType):
        return next(iter(info.cls)).value
    if isinstance(info, types.LiteralType):
        return info.values[0]
    fixed: dict[type, Any] = {
        types.UUIDType: OTHER if name.startswith("to_") else ID,
        types.DecimalType: {"fx_rate": "1", "rate": "1", "quantity": "3", "discount_percent": "0"}.get(name, AMOUNT),
        types.BoolType: True,
        types.DateType: moment(name, DAY),
        types.DateTimeType: moment(name, MOMENT),
        types.TimeType: "09:30:00",
        types.NoneType: None,
    }
    return fixed.get(type(info), {})


_SHOWN = (types.StrType, types.DecimalType, types.DateType, types.IntType, types.LiteralType)


_GOES_WITH_OTHERS: Final = frozenset({"record_entity"})
"""Optional fields that say nothing alone."""


def of_struct(info: types.StructType) -> dict[str, Any]:
    """What is required, and up to three optional plain fields."""
    found: dict[str, Any] = {}
    optional = 3
    for field in info.fields:
        if field.required:
            found[field.encode_name] = _of(field.type, field.name)
        elif optional and isinstance(_inner(field.type), _SHOWN) and field.name not in _GOES_WITH_OTHERS:
            optional -= 1
            found[field.encode_name] = _of(field.type, field.name)
    return found


def of_answer(kind: Any) -> Any:
    """What a command answers, whole."""
    info = types.type_info(kind)
    if not isinstance(info, types.StructType):
        return _of(info, "")
    return {field.encode_name: _of(field.type, field.name) for field in info.fields}


def _inner(info: types.Type) -> types.Type:
    if isinstance(info, types.Metadata):
        return _inner(info.type)
    if isinstance(info, types.UnionType):
        return _inner(next((one for one in info.types if not isinstance(one, types.NoneType)), info.types[0]))
    return info
