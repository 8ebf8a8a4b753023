"""Make the checkout importable in its environment and put the `nexus` command there; no build, no network."""

import stat
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Write the path file and the command."""
    (Path(sysconfig.get_path("purelib")) / "nexus.pth").write_text(f"{ROOT}\n", encoding="utf-8")
    command = Path(sys.executable).parent / "nexus"
    command.write_text(
        f"#!{sys.executable}\nimport sys\n\nfrom nexus.__main__ import main\n\nsys.exit(main())\n",
        encoding="utf-8",
    )
    command.chmod(command.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)


if __name__ == "__main__":
    main()
