"""Run every rule over the tracked files; exit code 1 if any has something to say."""

import subprocess
import sys
from pathlib import Path

from tools.lint import sizes, types, words

ROOT = Path(__file__).resolve().parent.parent.parent
SKIPPED = ("requirements/", "docs/api/")


def tracked() -> dict[Path, str]:
    """Every text file that git tracks, or would track, by its path from the root."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    found: dict[Path, str] = {}
    for name in filter(None, listed):
        if name.startswith(SKIPPED) or not (ROOT / name).is_file():
            continue
        try:
            found[Path(name)] = (ROOT / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
    return found


def main() -> int:
    """Print what is wrong."""
    files = tracked()
    wrong = [*sizes.check(files), *words.check(files), *types.check(files)]
    print("\n".join(wrong) or f"{len(files)} files are as they should be")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
