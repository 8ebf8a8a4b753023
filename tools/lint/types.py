"""`Any` is for `core`, `surfaces` and the units that carry them; elsewhere a type can be named."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

OPEN = (
    "nexus/core/",
    "nexus/surfaces/",
    "nexus/runtime/",
    "nexus/activation/",
    "nexus/gateway/",
    "nexus/cli/",
    "nexus/engines/",
    "tools/",
    "tests/",
    "bench/",
)
"""A service's rules are typed in full: a value without a type there is a rule without a check."""


def check(files: dict[Path, str]) -> Iterator[str]:
    """Every `Any` in the commands, flows, reactions and apis of a service."""
    for path, text in files.items():
        name = path.as_posix()
        if path.suffix != ".py" or not name.startswith("nexus/services/") or "/tests/" in name:
            continue
        if not any(part in name for part in ("/commands", "/flows", "/reactions", "/api")):
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Name) and node.id == "Any":
                yield f"{path}:{node.lineno}: Any in a rule; name the type"
