"""Every command of the documentation runs, in the order in which a reader meets it, in a copy of the checkout with a NEXUS of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from nexus.config import Settings
from tests.process.conftest import ROOT, Nexus, free_port, nexus

__all__ = ["nexus"]

PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"))
    if "```sh" in path.read_text(encoding="utf-8") and path.relative_to(ROOT / "docs" if path.parent != ROOT else ROOT).parts[0] != "api"
)
_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MAKE = re.compile(r"^(?:[A-Z_]+=\S+ )*make ([a-z]+)(?: |$)")
STARTED_BY_US = {"run"}
NOT_FROM_WITHIN = {"test", "check", "bench", "setup", "lock"}
"""What would run this test again or takes long: only that there is such a target is looked at."""


def blocks(page: str) -> list[str]:
    """The commands of a page."""
    return _BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))


def targets() -> set[str]:
    """What can be made."""
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[Path]:
    """The checkout as a reader has it after cloning, with the environment that is there already."""
    place = tmp_path / "clone"
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    for name in listed:
        if (ROOT / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, place / name)
    for made in (ROOT / "nexus").rglob("__pycache__"):
        shutil.copytree(made, place / made.relative_to(ROOT), dirs_exist_ok=True)  # they say of which moment of a file they are
    (place / ".venv").symlink_to(Path(sys.prefix))
    yield place


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_do_what_they_say(page: str, copy: Path, nexus: Nexus) -> None:
    lines = "\n".join(blocks(page)).splitlines()
    made = {found[1] for line in lines if (found := _MAKE.match(line))}
    assert made <= targets() & (STARTED_BY_US | NOT_FROM_WITHIN), "a target that is not there, or that nobody has thought about here"
    script = "\n".join(line for line in lines if not _MAKE.match(line))
    if "localhost:8080" in script or "nexus " in script:
        nexus.start()
    (copy / ".nexus").symlink_to(nexus.folder / "data")
    # curl says nothing of a refusal by its exit code unless told to
    prepared = 'set -euo pipefail\ncurl() { command curl --fail-with-body "$@"; }\n' + script.replace(
        "localhost:8080", f"127.0.0.1:{nexus.port}"
    )

    done = subprocess.run(
        ["bash", "-c", prepared], cwd=copy, env=environment(copy, nexus), capture_output=True, text=True, timeout=300, check=False
    )

    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


def environment(copy: Path, running: Nexus) -> dict[str, str]:
    """A reader's shell, in the copy."""
    more = {"PYTHONPATH": str(copy), "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "NEXUS_DATA": ".nexus"}
    return running.environment(**more)


def test_every_page_that_is_linked_is_there() -> None:
    for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for link in re.findall(r"\]\(([^)#\s]+)", path.read_text(encoding="utf-8")):
            if not link.startswith(("http:", "https:", "mailto:")):
                assert (path.parent / link).exists(), f"{path.relative_to(ROOT)} links to {link}"


def test_a_free_port_is_free() -> None:
    assert 1024 < free_port() < 65536


def test_every_setting_is_written_down_as_it_is() -> None:
    page = (ROOT / "docs/operations/settings.md").read_text(encoding="utf-8")
    for field in msgspec.structs.fields(Settings):
        default = f"`{field.default}`" if field.default != "" else ""
        assert f"| `NEXUS_{field.name.upper()}` | {default} |" in page
