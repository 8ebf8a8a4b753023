"""`nexus new service`: what it writes holds as it is written, in a copy of the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process.conftest import PATIENCE, ROOT

BIN = Path(sys.executable).parent
FILES = [
    "__init__.py",
    "api.py",
    "commands.py",
    "entities.py",
    "flows.py",
    "migrations/0001_initial.sql",
    "policies.py",
    "surfaces.lock",
    "terms.py",
    "tests/__init__.py",
    "tests/test_close_{}.py",
]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The checkout without its environment, as git knows it."""
    place = tmp_path_factory.mktemp("copy")
    for name in ("nexus", "proto", "tools", "conftest.py", "pyproject.toml"):
        here, there = ROOT / name, place / name
        if here.is_dir():
            shutil.copytree(here, there, ignore=shutil.ignore_patterns("node_modules"))
        else:
            shutil.copy(here, there)
    subprocess.run(["git", "init", "--quiet", str(place)], check=True)
    yield place
    shutil.rmtree(place)


def run(place: Path, *command: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NEXUS_")}
    return subprocess.run(
        command, cwd=place, env=kept | {"PYTHONPATH": str(place)}, capture_output=True, text=True, timeout=PATIENCE * 5, check=False
    )


def new(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(place, sys.executable, "-m", "nexus", "new", "service", *arguments)


def services(place: Path) -> set[str]:
    return {one.name for one in (place / "nexus" / "services").iterdir() if one.is_dir() and one.name != "__pycache__"}


def test_what_it_writes_passes_its_tests_and_its_checks(copy: Path, request: pytest.FixtureRequest) -> None:
    longest = ("gift_cards_of_every_shop", "--entity", "VoucherOfAnyCustomerHere", "--title", "Gift cards", "--group", "money")

    for folder in ("loyalty", longest[0]):
        request.addfinalizer(lambda name=folder: shutil.rmtree(copy / "nexus" / "services" / name, ignore_errors=True))
    made, other = new(copy, "loyalty"), new(copy, *longest)

    assert (made.returncode, other.returncode) == (0, 0), made.stderr + other.stderr
    folders = ["nexus/services/loyalty", "nexus/services/gift_cards_of_every_shop"]
    for folder, entity in zip(folders, ("item", "voucher_of_any_customer_here"), strict=True):
        there = sorted(str(file.relative_to(copy / folder)) for file in (copy / folder).rglob("*.*") if "__pycache__" not in str(file))
        assert there == sorted(name.format(entity) for name in FILES)
    for check in (
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *folders],
        [str(BIN / "ruff"), "format", "--check", *folders],
        [str(BIN / "ruff"), "check", *folders],
        [str(BIN / "mypy")],
        [str(BIN / "lint-imports"), "--no-cache"],
        [sys.executable, "-m", "tools.migration", "--check"],
        [sys.executable, "-m", "tools.surfaces", "--check"],
        [sys.executable, "-m", "tools.lint"],
    ):
        done = run(copy, *check)
        assert done.returncode == 0, done.stdout + done.stderr
    pyright = run(copy, str(BIN / "pyright"), "--pythonpath", sys.executable, *folders)
    assert pyright.returncode == 0, pyright.stdout


@pytest.mark.parametrize("name", ["Loyalty", "9lives", "class", "a__b", "a_", "a-b", "../crm", "tenants", "a" * 25, ""])
def test_refuses_a_name_that_cannot_be_one(copy: Path, name: str) -> None:
    before = services(copy)

    done = new(copy, "--", name)

    assert (done.returncode, done.stdout) == (2, "")
    assert "cannot name a service" in done.stderr
    assert services(copy) == before


@pytest.mark.parametrize(
    "option", [("--entity", "item"), ("--entity", "Event"), ("--entity", "SLA"), ("--title", 'Say "hi"'), ("--group", "the money")]
)
def test_refuses_words_that_would_not_hold(copy: Path, option: tuple[str, str]) -> None:
    done = new(copy, "loyalty", *option)

    assert (done.returncode, done.stdout) == (2, "")
    assert "cannot" in done.stderr
    assert "loyalty" not in services(copy)


def test_refuses_a_service_that_is_there(copy: Path) -> None:
    before = {file: file.read_bytes() for file in (copy / "nexus" / "services" / "auth").rglob("*.py")}

    done = new(copy, "auth")

    assert done.returncode == 1
    assert "is there already: nothing was written" in done.stderr
    assert {file: file.read_bytes() for file in (copy / "nexus" / "services" / "auth").rglob("*.py")} == before


def test_leaves_nothing_where_it_cannot_finish(copy: Path) -> None:
    broken = copy / "nexus" / "services" / "broken"
    broken.mkdir()
    (broken / "__init__.py").write_text("raise RuntimeError('half written')\n")

    done = new(copy, "loyalty")
    shutil.rmtree(broken)

    assert done.returncode == 1
    assert "half written" in done.stderr
    assert "loyalty" not in services(copy)
