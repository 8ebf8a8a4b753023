"""The command `nexus`."""

from __future__ import annotations

import sys

from nexus.cli import app


def main() -> int:
    """Run the command line; the exit code."""
    app()
    return 0


if __name__ == "__main__":
    sys.exit(main())
