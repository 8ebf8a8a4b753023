"""`make check`: format, lint, types, contracts and our own lints, several at a time; prints what fails, in full."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
PLACES = [place for place in ("nexus", "tests", "tools", "bench") if (ROOT / place).is_dir()]

CHECKS: list[tuple[str, list[str]]] = [
    ("format", [str(BIN / "ruff"), "format", "--check", *PLACES]),
    ("lint", [str(BIN / "ruff"), "check", *PLACES]),
    ("mypy", [str(BIN / "mypy")]),
    ("pyright", [str(BIN / "pyright")]),
    ("contracts", [str(BIN / "lint-imports"), "--no-cache"]),
    ("migrations", [sys.executable, "-m", "tools.migration", "--check"]),
    ("surfaces", [sys.executable, "-m", "tools.surfaces", "--check"]),
    ("own lints", [sys.executable, "-m", "tools.lint"]),
]


def run(check: tuple[str, list[str]]) -> bool:
    """Run one check; its output is shown where it fails."""
    name, command = check
    began = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    good = done.returncode == 0
    print(f"{'ok  ' if good else 'FAIL'} {name} ({time.monotonic() - began:.0f} s)", flush=True)
    if not good:
        print(done.stdout + done.stderr, flush=True)
    return good


def main() -> int:
    """Run all checks, two at a time."""
    with ThreadPoolExecutor(2) as pool:
        return 0 if all(list(pool.map(run, CHECKS))) else 1


if __name__ == "__main__":
    sys.exit(main())
