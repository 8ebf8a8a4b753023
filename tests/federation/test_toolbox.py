"""The toolbox: which Node is used, which packages it has, and how a script of it is asked."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from nexus.gateway.federation.toolbox import FOLDER, NodeFailed, NoNode, Toolbox

LOCK = json.loads((FOLDER / "package-lock.json").read_text(encoding="utf-8"))
FREE = {"MIT", "ISC", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "0BSD", "BlueOak-1.0.0", "CC0-1.0", "Unlicense", "Python-2.0", "WTFPL"}
ECHO = """
import { text } from "node:stream/consumers";
import { version } from "graphql";
console.log(JSON.stringify({ given: JSON.parse(await text(process.stdin)), version }));
"""


def executable(folder: Path, text: str) -> Path:
    file = folder / "node"
    file.write_text(f"#!/bin/sh\n{text}\n", encoding="ascii")
    file.chmod(0o755)
    return file


def test_a_script_answers_with_the_packages_of_the_lock(toolbox: Toolbox) -> None:
    answer = toolbox.evaluate(ECHO, {"é": [1, None]})

    assert answer == {"given": {"é": [1, None]}, "version": LOCK["packages"]["node_modules/graphql"]["version"]}


def test_a_script_that_fails_is_told_in_its_own_words(toolbox: Toolbox) -> None:
    with pytest.raises(NodeFailed, match="not that one"):
        toolbox.evaluate('throw new Error("not that one")')


def test_the_lock_names_no_place_and_every_package_has_a_hash() -> None:
    packages = {name: one for name, one in LOCK["packages"].items() if name}

    assert not [name for name, one in packages.items() if "resolved" in one]
    assert not [name for name, one in packages.items() if not one.get("integrity")]


def test_every_package_may_be_used_and_passed_on() -> None:
    """A licence that is none of these is looked at by a person before it is added."""
    assert not {name: one.get("license") for name, one in LOCK["packages"].items() if name and one.get("license") not in FREE}


def test_an_executable_that_is_not_there_is_named() -> None:
    with pytest.raises(NoNode, match="NEXUS_NODE names /nowhere/node, which cannot be run"):
        Toolbox.find("/nowhere/node")


def test_an_old_node_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoNode, match=r"is v18\.19\.0; version 20 or later is needed"):
        Toolbox.find(str(executable(tmp_path, "echo v18.19.0")))


def test_what_is_no_node_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoNode, match="is no Node; version 20"):
        Toolbox.find(str(executable(tmp_path, "exit 1")))


def test_other_packages_than_the_lock_pins_are_not_ready(toolbox: Toolbox, tmp_path: Path) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(FOLDER / name, tmp_path / name)
    copy = Toolbox(toolbox.node, tmp_path)
    (tmp_path / "node_modules").mkdir()
    shutil.copy(FOLDER / "node_modules" / ".installed", tmp_path / "node_modules" / ".installed")
    assert copy.ready

    (tmp_path / "package-lock.json").write_text("{}", encoding="ascii")

    assert not copy.ready


def test_packages_that_cannot_be_installed_are_told(toolbox: Toolbox, tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"name": "x", "dependencies": {"graphql": "1"}}', encoding="ascii")
    (tmp_path / "package-lock.json").write_text("{}", encoding="ascii")

    with pytest.raises(NoNode, match="npm could not install the packages of "):
        Toolbox(toolbox.node, tmp_path).install()


def test_a_secret_of_ours_is_not_passed_on(toolbox: Toolbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEXUS_OWNER_PASSWORD", "secret")
    monkeypatch.setenv("NODE_OPTIONS", "--nonsense")

    assert toolbox.evaluate('console.log(JSON.stringify(process.env.NEXUS_OWNER_PASSWORD ?? "none"))') == "none"
