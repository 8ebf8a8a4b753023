"""The graph as text: what a gateway composes, with federation's directives, or what people read, without."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from nexus.surfaces.graphql.federation import IMPORTS, PERSONAL, SPECIFICATION
from nexus.surfaces.graphql.model import Argument, Directive, Graph, Kind, Member

_OWN = ("_Any", "_Service", "_Entity")
_WORDS = {"object": "type", "interface": "interface", "input": "input", "enum": "enum", "union": "union", "scalar": "scalar"}


def sdl(graph: Graph, *, directives: bool = True) -> str:
    """All types of a graph. `directives`: with those of federation, which a subgraph needs."""
    parts: list[str] = []
    if directives:
        imports = ", ".join(msgspec.json.encode(name).decode() for name in IMPORTS)
        personal = f'@link(url: "{PERSONAL}", import: ["@personal"])\n  @composeDirective(name: "@personal")'
        parts.append(f'extend schema\n  @link(url: "{SPECIFICATION}", import: [{imports}])\n  {personal}')
        parts.append("directive @personal(kind: String!) on FIELD_DEFINITION")
    for kind in graph:
        if directives and (kind.name in _OWN):
            continue  # a gateway knows them
        parts.append("\n".join(_kind(kind, directives)))
    return "\n\n".join(parts) + "\n"


def _kind(kind: Kind, directives: bool) -> Iterator[str]:
    yield from _doc(kind.doc, "")
    applied = _applied(kind.directives) if directives else ""
    interfaces = f" implements {' & '.join(kind.of)}" if kind.kind == "object" and kind.of else ""
    head = f"{_WORDS[kind.kind]} {kind.name}{interfaces}{applied}"
    if kind.kind == "union":
        yield f"{head} = {' | '.join(kind.of)}"
    elif kind.kind == "scalar":
        yield head
    elif kind.kind == "enum":
        yield head + " {"
        yield from (f"  {word}" for word in kind.words)
        yield "}"
    else:
        yield head + " {"
        for member in kind.members.values():
            if directives and member.name in ("_service", "_entities"):
                continue
            yield from _member(member, directives)
        yield "}"


def _member(member: Member, directives: bool) -> Iterator[str]:
    yield from _doc(member.doc, "  ")
    arguments = ""
    if member.arguments and any(one.doc for one in member.arguments):
        arguments = "(\n" + "".join("\n".join(_argument(one, "    ")) + "\n" for one in member.arguments) + "  )"
    elif member.arguments:
        arguments = "(" + ", ".join("".join(_argument(one, "")) for one in member.arguments) + ")"
    yield f"  {member.name}{arguments}: {member.type}{_applied(member.directives) if directives else ''}"


def _argument(argument: Argument, indent: str) -> Iterator[str]:
    if indent:
        yield from _doc(argument.doc, indent)
    yield f"{indent}{argument.name}: {argument.type}{'' if argument.default is None else f' = {argument.default}'}"


def _applied(directives: Iterable[Directive]) -> str:
    return "".join(f" @{one.name}{_arguments(one)}" for one in directives)


def _arguments(directive: Directive) -> str:
    given = ", ".join(f"{name}: {_literal(value)}" for name, value in directive.arguments.items())
    return f"({given})" if given else ""


def _literal(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _doc(text: str, indent: str) -> Iterator[str]:
    if not text:
        return
    text = text.replace('"""', '\\"""')
    if "\n" not in text and len(text) < 120 and not text.endswith(('"', "\\")):
        yield f'{indent}"""{text}"""'
        return
    yield f'{indent}"""'
    for line in text.split("\n"):
        yield from textwrap.wrap(line, 118, initial_indent=indent, subsequent_indent=indent, break_long_words=False) or [""]
    yield f'{indent}"""'
