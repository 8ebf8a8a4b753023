"""A file has at most 400 lines and a function 40; what is larger today stands in a ratchet that may only shrink."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

FILE_LINES = 400
FUNCTION_LINES = 40
RATCHET = Path(__file__).parent / "ratchet.json"


def measured(path: Path, text: str) -> Iterator[tuple[str, int, int]]:
    """What is over its limit: name, lines, limit."""
    lines = text.count("\n")
    if lines > FILE_LINES:
        yield str(path), lines, FILE_LINES
    if path.suffix != ".py":
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES:
                yield f"{path}::{node.name}", length, FUNCTION_LINES


def check(files: dict[Path, str], ratchet: dict[str, int] | None = None) -> Iterator[str]:
    """Everything that is over its limit and over what the ratchet allows, and every entry of the ratchet that could be lower."""
    allowed = dict(json.loads(RATCHET.read_text(encoding="utf-8"))) if ratchet is None else dict(ratchet)
    for path, text in files.items():
        if path.suffix not in (".py", ".js", ".css", ".html"):
            continue
        for name, lines, limit in measured(path, text):
            permitted = allowed.pop(name, limit)
            if lines > permitted:
                yield f"{name}: {lines} lines, at most {permitted}"
            elif lines < permitted:
                yield f"{name}: the ratchet allows {permitted} lines and it has {lines}; lower the ratchet"
    for name in allowed:
        yield f"{name}: is within its limit now; take it out of the ratchet"
