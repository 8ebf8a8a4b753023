"""The command; see the package."""

from __future__ import annotations

import asyncio
import sys

from nexus.core.service import Service, installed
from tools.migration import writing


async def _next(service: Service, name: str) -> str:
    async with writing.scratch() as connection:
        return str(await writing.write_next(connection, service, name))


def main(arguments: list[str]) -> int:
    """Write a file, or check; what was done or is wrong is printed."""
    services = installed()
    if arguments == ["--check"]:
        said = writing.stale(services.values())
        print("\n".join(said) or f"the first versions of {len(services)} services are what they declare")
        return 1 if said else 0
    if not 1 <= len(arguments) <= 2 or arguments[0] not in services:
        print(f"python -m tools.migration SERVICE [NAME], SERVICE being one of {', '.join(services)}", file=sys.stderr)
        return 2
    service = services[arguments[0]]
    try:
        print(writing.write_initial(service) if len(arguments) == 1 else asyncio.run(_next(service, arguments[1])))
    except (writing.Refused, ValueError) as refused:
        print(refused, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
