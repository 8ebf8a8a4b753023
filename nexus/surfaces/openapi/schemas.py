"""An entity's fields as JSON Schema: what is read, what a create takes, what a patch takes."""

from __future__ import annotations

from typing import Any

import msgspec

from nexus.core.policy import ROLES
from nexus.surfaces.openapi import structs
from nexus.surfaces.openapi.parts import Part, ref
from nexus.surfaces.permissions import rights_of
from nexus.surfaces.shapes import Field, Shape, by_name

_FIXED: dict[str, dict[str, Any]] = {
    "uuid": {"type": "string", "format": "uuid"},
    "ref": {"type": "string", "format": "uuid"},
    "money": {"type": "string", "format": "decimal"},
    "decimal": {"type": "string", "format": "decimal"},
    "quantity": {"type": "string", "format": "decimal"},
    "bool": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "instant": {"type": "string", "format": "date-time"},
}
_FORMATS = {"email": "email", "url": "uri", "phone": "phone", "currency": "iso4217"}


def component(shape: Shape, more: str = "") -> str:
    """The name of an entity's schema: `crm.Lead`, `crm.LeadCreate`."""
    return f"{shape.service}.{shape.entity.__name__}{more}"


def value_schema(part: Part, shape: Shape, field: Field) -> dict[str, Any]:
    """What a field holds, without null and without words about it."""
    known = field.facts
    if known.kind in _FIXED:
        return dict(_FIXED[known.kind])
    if known.kind == "enum":
        return {"type": "string", "enum": [member.value for member in known.of]}
    if known.kind == "int":
        limits = {"minimum": known.ge, "maximum": known.le}
        return {
            "type": "integer",
            "format": "int64",
            **{name: int(limit) for name, limit in limits.items() if limit is not None and abs(limit) < 2**53},
        }
    if known.kind == "tags":
        return {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 60}, "maxItems": 50}
    if known.kind == "json":
        return _structured(part, shape, known.of)
    lengths: dict[str, Any] = {
        "minLength": known.min_length,
        "maxLength": known.max_length,
        "pattern": field.pattern,
    }
    formatted = {"format": _FORMATS[known.kind]} if known.kind in _FORMATS else {}
    return {"type": "string", **formatted, **{name: limit for name, limit in lengths.items() if limit is not None}}


def _structured(part: Part, shape: Shape, of: Any) -> dict[str, Any]:
    if of is None:
        return {}
    schema, named = structs.one(shape.service, of)
    part.schemas.update(named)
    return schema


def nullable(schema: dict[str, Any]) -> dict[str, Any]:
    """The same, or null."""
    if not schema or isinstance(schema.get("type"), list):
        return schema
    if isinstance(schema.get("type"), str):
        with_null = schema | {"type": [schema["type"], "null"]}
        return with_null | ({"enum": [*schema["enum"], None]} if "enum" in schema else {})
    return {"anyOf": [schema, {"type": "null"}]}


def described(part: Part, shape: Shape, field: Field) -> dict[str, Any]:
    """A field with everything its declaration says of it."""
    known = field.facts
    schema = value_schema(part, shape, field)
    schema = nullable(schema) if field.nullable else schema
    said: dict[str, Any] = {"title": field.label, **({"description": text} if (text := words_of(field)) else {})}
    if known.example is not None:
        said["examples"] = [msgspec.to_builtins(known.example, builtin_types=(), str_keys=True)]
    if known.refers_to is not None:
        said["x-refers-to"] = known.refers_to
    if known.pii is not None:
        said["x-pii"] = known.pii
    if known.unique:
        said["x-unique"] = True
    return {**schema, **said}


def words_of(field: Field) -> str:
    """What a person should know of a field beyond its name and type."""
    known = field.facts
    said = [known.help] if known.help else []
    if known.kind == "phone":
        said.append("Kept as E.164; national spellings are read in the tenant's country.")
    if known.kind == "money":
        said.append(f"An exact amount in the currency of `{known.currency}`, with its decimals.")
    if known.digits is not None:
        said.append(f"At most {known.digits[1]} decimals.")
    if field.exact and (known.ge is not None or known.le is not None):
        said.append(_range(known.ge, known.le))
    if known.state:
        said.append("Moved by commands alone.")
    if known.pii is not None:
        said.append(f"Personal data ({known.pii}): masked in the audit trail.")
    if known.sensitive:
        said.append("Reading it is audited.")
    return " ".join(said)


def _range(lowest: float | None, highest: float | None) -> str:
    if lowest is not None and highest is not None:
        return f"From {lowest:g} to {highest:g}."
    return f"At least {lowest:g}." if lowest is not None else f"At most {highest:g}."


def add(part: Part, shape: Shape) -> None:
    """The schemas of an entity: read, page, and create and patch where they exist."""
    fields = {name: described(part, shape, field) for name, field in shape.fields.items()}
    shown = {name: _as_read(shape, name, schema) for name, schema in fields.items()}
    part.schemas[component(shape)] = {
        "type": "object",
        "description": shape.summary,
        "properties": {**shown, **_relations(shape)},
        "required": list(fields),
    }
    part.schemas[component(shape, "Page")] = {
        "type": "object",
        "description": f"One page of {shape.path.replace('_', ' ')}.",
        "properties": {
            "items": {"type": "array", "items": ref(component(shape))},
            "next_cursor": {"type": ["string", "null"], "description": "Where the next page begins; null on the last one."},
            "count": {"type": "integer", "description": "Only with `count=exact` or `count=estimated`."},
        },
        "required": ["items", "next_cursor"],
    }
    writable = {field.name: fields[field.name] for field in shape.writable}
    if shape.entity.creatable:
        part.schemas[component(shape, "Create")] = {
            "type": "object",
            "description": shape.summary,
            "properties": {name: schema | _default(shape.fields[name]) for name, schema in writable.items()},
            "required": [field.name for field in shape.writable if field.default is ...],
            "additionalProperties": False,
        }
    if shape.entity.editable:
        part.schemas[component(shape, "Patch")] = {
            "type": "object",
            "description": "The fields to change; what is not named stays as it is.",
            "properties": {field.name: fields[field.name] for field in shape.patchable},
            "minProperties": 1,
            "additionalProperties": False,
        }


def _relations(shape: Shape) -> dict[str, Any]:
    return {
        name: {
            "anyOf": [ref(component(target)), {"type": "null"}],
            "description": f"Only with `expand={name}`: the whole {target.title} of `{field.name}`, null where the caller may not see it.",
        }
        for name, (field, refers_to) in shape.references.items()
        if refers_to.split(".")[0] == shape.service and (target := by_name(refers_to)) is not None
    }


def unseen(shape: Shape) -> frozenset[str]:
    """The fields that no role is shown."""
    return rights_of(frozenset(ROLES), frozenset({"*"})).hidden(shape.entity)


def _as_read(shape: Shape, name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """A field in an answer: null for a caller from whom it is hidden."""
    mark: dict[str, Any] = {} if shape.fields[name].writable else {"readOnly": True}
    if name in unseen(shape):
        return {"type": "null", "title": schema["title"], "description": "Never shown.", **mark}
    if any(name in role.hides.get(shape.entity, frozenset[str]()) for role in ROLES.values()):
        return (
            nullable(schema) | {"description": f"{schema.get('description', '')} Null where it is hidden from the caller.".strip()} | mark
        )
    return schema | mark


def _default(field: Field) -> dict[str, Any]:
    if field.default is ... or (value := field.default()) is None:
        return {}
    return {"default": msgspec.to_builtins(value, str_keys=True)}
