"""Makes and upgrades the schema `nexus_cell` of one database."""

from importlib.resources import files
from typing import cast

import psycopg

__all__ = ["install"]

_SCRIPTS = {1: "cell.sql", 2: "cell_2.sql", 3: "cell_3.sql"}
"""What takes a cell from the version before to this one; never edited once released, only added to."""

_LOCK = 0x6E65_7875_7301
"""Two processes that start at once install one after the other."""


async def install(owner: psycopg.AsyncConnection[tuple[object, ...]]) -> int:
    """Bring `nexus_cell` to the newest version, in one transaction, as nexus_owner; the version it had (0: there was none).

    The roles `nexus_owner` and `nexus_app` must exist. Doing it again changes nothing.
    """
    async with owner.transaction():
        await owner.execute("select pg_advisory_xact_lock(%s)", [_LOCK])
        found = await _version(owner)
        for number, name in _SCRIPTS.items():
            if number > found:
                await owner.execute((files("nexus.runtime") / name).read_bytes())
        return found


async def _version(owner: psycopg.AsyncConnection[tuple[object, ...]]) -> int:
    row = await (await owner.execute("select to_regclass('nexus_cell.version') is not null")).fetchone()
    if row is None or not row[0]:
        return 0
    row = await (await owner.execute("select max(number) from nexus_cell.version")).fetchone()
    return int(cast(int, row[0])) if row else 0
