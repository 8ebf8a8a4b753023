"""Reads the YAML that presets, countries, vocabularies and charts of accounts are written in, as YAML 1.2 has it, and the kinds of word they share.

PyYAML speaks YAML 1.1, where `NO` (Norway) is false, `10:00` is the number 600 and a repeated key silently wins. Here words stay
words, only `true` and `false` are booleans, and a repeated key is refused with its line.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, TypeGuard

import msgspec
import yaml
from msgspec import Meta

Value: TypeAlias = object
"""What YAML can say: None, a bool, a number, a word, a list of values or a tree."""
Tree: TypeAlias = dict[str, Value]

Key = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,47}$")]
"""A name that never changes once published: upgrades find by it what an earlier version planted."""
Name = Annotated[str, Meta(min_length=1, max_length=80)]
Sentence = Annotated[str, Meta(min_length=1, max_length=300)]
Hours = Annotated[str, Meta(pattern=r"^(?:closed|[0-2]\d:[0-5]\d-[0-2]\d:[0-5]\d(?:, [0-2]\d:[0-5]\d-[0-2]\d:[0-5]\d)*)$")]
"""The open hours of a day in local time: `09:00-13:00, 14:00-18:00`, `00:00-24:00` or `closed`."""
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Anything read from a document: immutable, so that what was read once can be shared by every activation of a process."""


if TYPE_CHECKING:
    from yaml import SafeLoader as _Parser
else:
    _Parser = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C parser where libyaml is there: ten times faster


class Loader(_Parser):
    """A safe loader with the plain words of YAML 1.2 (core schema) and no repeated keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """The mapping of a node; yaml.constructor.ConstructorError where a key is repeated or is not a word."""
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:str":
                raise yaml.constructor.ConstructorError(None, None, f"the key {key.value!r} is not a word: quote it", key.start_mark)
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key.value!r} is there twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


_PLAIN: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
for _tag, _pattern, _first in (
    ("null", r"^(?:~|null|)$", ["~", "n", ""]),
    ("bool", r"^(?:true|false)$", ["t", "f"]),
    ("int", r"^-?(?:0|[1-9][0-9]*)$", list("-0123456789")),
    ("float", r"^-?(?:0|[1-9][0-9]*)\.[0-9]+$", list("-0123456789")),
):
    for _letter in _first:
        _PLAIN.setdefault(_letter, []).append((f"tag:yaml.org,2002:{_tag}", re.compile(_pattern)))
Loader.yaml_implicit_resolvers = _PLAIN


def parse(text: str) -> Tree:
    """The mapping that a YAML text holds. Raises yaml.YAMLError with line and column, ValueError where it is no mapping."""
    tree: Value = yaml.load(text, Loader=Loader)  # noqa: S506  # derived from the safe loader
    if not is_tree(tree):
        raise ValueError("a document must be a mapping")
    return tree


@cache
def _read(path: Path) -> Tree:
    try:
        return parse(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(f"{path.name}: {error}") from error


def read(path: Path) -> Tree:
    """The mapping in a file, read once per process: do not change it. Raises FileNotFoundError, and ValueError that names file and line."""
    return _read(path)


def is_tree(value: Value) -> TypeGuard[Tree]:
    """Whether the value is a mapping (documents have no other keys than words)."""
    return isinstance(value, dict)


def is_list(value: Value) -> TypeGuard[list[Value]]:
    """Whether the value is a list."""
    return isinstance(value, list)


def mapping(value: Value) -> Tree:
    """The value where it is a mapping, else an empty one."""
    return value if is_tree(value) else {}


def things(value: Value) -> list[Tree]:
    """The mappings in a list; empty where the value is no list."""
    return [item for item in value if is_tree(item)] if is_list(value) else []


def words(value: Value) -> list[str]:
    """The words in a list; empty where the value is no list."""
    return [item for item in value if isinstance(item, str)] if is_list(value) else []
