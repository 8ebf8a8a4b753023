"""Commands, answers and values as JSON Schema: msgspec's own, with our docstrings on types and fields and names that say whose they are."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import itertools
from collections.abc import Iterable, Iterator
from typing import Any, cast

import msgspec


def paragraphs(text: str | None) -> str:
    """A docstring as prose: paragraphs stay, their line ends do not; lists and indented lines keep theirs."""
    blocks = inspect.cleandoc(text or "").split("\n\n")
    return "\n\n".join(block if block.startswith(("-", "*", " ")) and "**" not in block else " ".join(block.split()) for block in blocks)


def summary(text: str | None) -> str:
    """The first sentence of a docstring, without its full stop: what stands in a list of operations."""
    first = paragraphs(text).split("\n\n")[0]
    return first.split(". ")[0].removesuffix(".")


def field_docs(kind: type) -> dict[str, str]:
    """The docstrings under a class's fields, which Python does not keep: read from the source where there is one."""
    found: dict[str, str] = {}
    for one in reversed(kind.__mro__[:-1]):
        if one.__module__.startswith("nexus."):
            found |= _written(one.__module__).get(one.__name__, {})
    return found


@functools.cache
def _written(module: str) -> dict[str, dict[str, str]]:
    """The docstrings of fields in a module, by class; each module is read once."""
    try:
        tree = ast.parse(inspect.getsource(importlib.import_module(module)))
    except (OSError, TypeError):
        return {}
    return {one.name: dict(_told(one.body)) for one in ast.walk(tree) if isinstance(one, ast.ClassDef)}


def _told(members: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    for member, after in itertools.pairwise(members):
        told = after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else None
        if isinstance(member, ast.AnnAssign) and isinstance(member.target, ast.Name) and isinstance(told, str):
            yield member.target.id, paragraphs(told)


def components(prefix: str, types: Iterable[Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The schemas of some types and every struct they hold, as components named `{prefix}.{Struct}`."""
    types = list(types)
    schemas, found = msgspec.json.schema_components(types, ref_template=f"#/components/schemas/{prefix}.{{name}}")
    classes = _structs(types)
    named: dict[str, Any] = {}
    for name, schema in found.items():
        named[f"{prefix}.{name}"] = _documented(schema, classes.get(name))
    return [_tidy(schema) for schema in schemas], named


def one(prefix: str, kind: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The schema of one type, and the components it refers to."""
    (schema,), named = components(prefix, [kind])
    return schema, named


def _structs(types: Iterable[Any]) -> dict[str, type]:
    """Every struct and enum class that the types reach, by name."""
    found: dict[str, type] = {}

    def visit(info: Any) -> None:
        kind = getattr(info, "cls", None)
        if isinstance(kind, type):
            if kind.__name__ in found:
                return
            found[kind.__name__] = kind
        for name in ("fields", "types", "item_types"):
            for inner in getattr(info, name, ()):
                visit(inner)
        for name in ("type", "item_type", "key_type", "value_type"):
            if (inner := getattr(info, name, None)) is not None:
                visit(inner)

    for kind in types:
        visit(msgspec.inspect.type_info(kind))
    return found


def _documented(schema: dict[str, Any], kind: type | None) -> dict[str, Any]:
    said = cast(dict[str, Any], _tidy(schema))
    if "description" in said:
        said["description"] = paragraphs(said["description"])
    if kind is not None and "properties" in said:
        docs = field_docs(kind)
        for name, inner in said["properties"].items():
            if name in docs:
                inner["description"] = docs[name]
    return said


def _tidy(schema: object) -> Any:
    """`anyOf: [string, null]` is `type: [string, null]`, which reads better and means the same."""
    if isinstance(schema, list):
        return [_tidy(item) for item in cast(list[object], schema)]
    if not isinstance(schema, dict):
        return schema
    given = cast(dict[str, Any], schema)
    known = {name: _tidy(value) for name, value in given.items() if not (name == "title" and "properties" in given)}
    either: list[dict[str, Any]] = known.get("anyOf", [])
    if len(either) == 2 and either[1] == {"type": "null"} and isinstance(either[0].get("type"), str) and "enum" not in either[0]:
        del known["anyOf"]
        known = either[0] | {"type": [either[0]["type"], "null"]} | known
    if known.get("default", ...) is None:
        del known["default"]
    return known
