"""Words that do not belong into tracked files: hosts of package registries, paths of a machine, module names that say nothing, marks of unfinished work."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

_DOTS = r"\."
HOSTS = re.compile(_DOTS.join(("pypi", "org")) + "|" + _DOTS.join(("pythonhosted", "org")) + "|" + _DOTS.join(("registry", "npmjs", "org")))
MACHINE = re.compile(r"(?<![\w.])/(?:root|home/\w+|work)/")
UNFINISHED = re.compile(r"\b(?:TO" + "DO|FIX" + "ME|XX" + r"X)\b|NotImplemented" + "Error")
EMPTY_NAMES = {"utils", "helpers", "manager", "base", "common", "misc"}


def check(files: dict[Path, str]) -> Iterator[str]:
    """Every line that holds such a word, and every module with such a name."""
    for path, text in files.items():
        if path.suffix == ".py" and path.stem in EMPTY_NAMES:
            yield f"{path}: {path.stem} says nothing of what is in it"
        for number, line in enumerate(text.splitlines(), 1):
            for pattern, what in (
                (HOSTS, "names a host of a package registry"),
                (MACHINE, "holds a path of a machine"),
                (UNFINISHED, "is unfinished"),
            ):
                if pattern.search(line):
                    yield f"{path}:{number}: {what}"
