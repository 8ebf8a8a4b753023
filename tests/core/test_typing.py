"""Both type checkers find every planted mistake of a service's author, and nothing else."""

import json
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
MISTAKES = HERE / "mistakes.py"
BIN = Path(sys.executable).parent


def planted() -> set[int]:
    return {number for number, line in enumerate(MISTAKES.read_text(encoding="utf-8").splitlines(), 1) if line.endswith("# mistake")}


def test_mypy_finds_every_planted_mistake(tmp_path: Path) -> None:
    command = [str(BIN / "mypy"), "--no-error-summary", "--cache-dir", str(tmp_path), str(MISTAKES)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    found = {int(line) for line in re.findall(rf"{MISTAKES.name}:(\d+): error", done.stdout)}
    assert found == planted(), done.stdout + done.stderr


def test_pyright_finds_every_planted_mistake(tmp_path: Path) -> None:
    copy = tmp_path / MISTAKES.name
    copy.write_bytes(MISTAKES.read_bytes())
    settings = tmp_path / "pyrightconfig.json"
    settings.write_text(json.dumps({"typeCheckingMode": "strict", "include": [MISTAKES.name], "extraPaths": [str(ROOT)]}), encoding="utf-8")
    command = [str(BIN / "pyright"), "--outputjson", "--pythonpath", sys.executable, "--project", str(settings)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    errors = json.loads(done.stdout)["generalDiagnostics"]
    found = {error["range"]["start"]["line"] + 1 for error in errors if error["severity"] == "error"}
    assert found == planted(), [(error["range"]["start"]["line"] + 1, error["message"]) for error in errors]
