"""`nexus new service`: a folder with one entity, one command, one event, its policies and its tests, that holds as it is written."""

from __future__ import annotations

import keyword
import re
import shutil
import subprocess
import sys
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template
from typing import Annotated, Final

import typer

import nexus
import nexus.core
from nexus.cli.output import err, out
from nexus.cli.up import fail
from nexus.core.entity import snake
from nexus.targets import TARGETS

ROOT: Final = Path(nexus.__file__).parent.parent
_SERVICE: Final = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
_ENTITY: Final = re.compile(r"[A-Z][a-z0-9]+(?:[A-Z][a-z0-9]+)*")
_TITLE: Final = re.compile(r"[^\"\\\n{}$]{1,40}")
_LONGEST: Final = 24
_TAKEN: Final = {"activate", "activations", "tenants", "problems", "stream", "supervisor", *TARGETS}
"""First parts of paths under /api/v1 that are not services, and names of processes that run none."""

group = typer.Typer(name="new", no_args_is_help=True, help="Make the beginning of something new in a checkout.")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(group)


@group.callback()
def new() -> None:
    """Make the beginning of something new in a checkout."""


@group.command()
def service(
    name: Annotated[str, typer.Argument(help="Its name everywhere: folder, paths, permissions, topics; loyalty for instance.")],
    entity: Annotated[str, typer.Option(help="The first thing it keeps.")] = "Item",
    title: Annotated[str | None, typer.Option(help="Its name for people; made from the name unless given.")] = None,
    part: Annotated[str, typer.Option("--group", help="The part of the business: customers, money, people, goods, platform.")] = "platform",
) -> None:
    """Write a service that passes its checks and tests as it is: one entity, one command, one event, its policies."""
    title = title or name.replace("_", " ").capitalize()
    if fault := _fault(name, entity, title, part):
        fail(fault, 2)
    folder = ROOT / "nexus" / "services" / name
    if not (ROOT / "tools" / "migration").is_dir():
        fail(f"{ROOT} is no checkout of NEXUS: services are written there.")
    if folder.exists():
        fail(f"{folder} is there already: nothing was written.")
    _write(folder, _words(name, entity, title, part))
    out().print(f"{folder.relative_to(ROOT)} is there:")
    for file in sorted(folder.rglob("*.*")):
        if file.is_file():
            out().print(f"  {file.relative_to(folder)}", markup=False)
    err().print(f"Next: make test ARGS=nexus/services/{name}, make check, then docs/write-a-service.md.", style="dim")


def _fault(name: str, entity: str, title: str, part: str) -> str | None:
    """Why there cannot be such a service, or None."""
    if not _SERVICE.fullmatch(name) or len(name) > _LONGEST or keyword.iskeyword(name) or name in _TAKEN:
        taken = " and it is taken" if name in _TAKEN else ""
        return f"{name!r} cannot name a service{taken}: use a-z, 0-9 and single _ inside, at most {_LONGEST} characters, no word of Python"
    if not _ENTITY.fullmatch(entity) or len(entity) > _LONGEST or entity in nexus.core.__all__:
        return (
            f"{entity!r} cannot name an entity: use a singular like Item or GiftCard, at most {_LONGEST} characters, no word of nexus.core"
        )
    if not _TITLE.fullmatch(title):
        return f"{title!r} cannot be a title: use one line of at most 40 characters without quotes"
    if not _SERVICE.fullmatch(part):
        return f"{part!r} cannot be a group: use a word like customers, money or goods"
    return None


def _words(name: str, entity: str, title: str, part: str) -> dict[str, str]:
    contracts = sorted((f"Close{entity}", f"{entity}Closed"), key=str.lower)
    return {"service": name, "Entity": entity, "entity": snake(entity), "title": title, "group": part, "contracts": ", ".join(contracts)}


def _write(folder: Path, words: dict[str, str]) -> None:
    """All of it or nothing."""
    try:
        _fill(resources.files("nexus.cli") / "templates" / "service", folder, words)
        for command, what in (
            (["tools.migration", words["service"]], "The first version of its tables"),
            (["tools.surfaces", "--only", words["service"]], "What it promises"),
        ):
            done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
            if done.returncode:
                fail(f"{what} could not be written, so nothing was: {done.stderr.strip() or done.stdout.strip()}")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _fill(template: Traversable, folder: Path, words: dict[str, str]) -> None:
    folder.mkdir()
    for part in template.iterdir():
        if part.is_dir():
            _fill(part, folder / part.name, words)
            continue
        name = part.name.removesuffix(".tmpl").replace("_entity.", f"_{words['entity']}.")
        (folder / name).write_text(Template(part.read_text(encoding="utf-8")).substitute(words), encoding="utf-8")
