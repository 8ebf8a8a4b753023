"""The file and line of a declaration, for whoever has to look at it."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
from pathlib import Path


def place(source: str, field: str, root: Path) -> str:
    """`nexus/services/crm/api/leads.py:120`, relative to `root`: the line of the field, else of the class, else the file alone."""
    module, _, name = source.rpartition(".")
    for kind in _classes(module, name):
        file, lines = _lines(kind)
        if field in lines:
            return _told(file, lines[field], root)
    found = _classes(module, name)
    if found:
        file, lines = _lines(found[0])
        return _told(file, lines[""], root)
    spec = importlib.util.find_spec(module) if module and _exists(module) else None
    return _told(Path(spec.origin), None, root) if spec is not None and spec.origin else module.replace(".", "/")


def _exists(module: str) -> bool:
    """Whether a module can be looked for: its packages are all there."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _classes(module: str, name: str) -> list[type]:
    """The class and what it inherits from, as far as it is ours; nothing where it is gone."""
    if not _exists(module):
        return []
    kind = getattr(importlib.import_module(module), name, None)
    return [one for one in kind.__mro__ if one.__module__.startswith("nexus.")] if isinstance(kind, type) else []


def _lines(kind: type) -> tuple[Path, dict[str, int]]:
    """Where a class and what it declares are written; the class itself is under the empty name."""
    file = Path(inspect.getfile(kind))
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef) and node.name == kind.__name__:
            lines = {"": node.lineno}
            for member in node.body:
                if isinstance(member, ast.AnnAssign) and isinstance(member.target, ast.Name):
                    lines[member.target.id] = member.lineno
            return file, lines
    return file, {"": 1}


def _told(file: Path, line: int | None, root: Path) -> str:
    shown = file.relative_to(root) if file.is_relative_to(root) else file
    return shown.as_posix() if line is None else f"{shown.as_posix()}:{line}"
