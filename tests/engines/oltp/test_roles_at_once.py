"""A role is usable as soon as it is granted, also while many others are being granted.

PostgreSQL (roles_is_member_of) reads a session's roles one after the other and keeps the list; a GRANT that commits while it reads is missing
from what it keeps, until the next one. Under a dozen sessions and four granters that happens within the first hundred grants.
"""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest

from nexus.engines.oltp import Oltp, PermissionDenied, Statement
from nexus.engines.oltp.postgres import Postgres
from tests.engines.oltp.conftest import Server

ME = Statement("select current_user")
GRANTERS = 4
EACH = 60


def _roles(granter: int) -> list[str]:
    return [f"t_{granter:08x}{number:024x}" for number in range(EACH)]


@pytest.fixture
async def granting(server: Server) -> AsyncIterator[list[psycopg.AsyncConnection[tuple[object, ...]]]]:
    connections = [await psycopg.AsyncConnection.connect(server.owner, autocommit=True) for _ in range(GRANTERS)]
    yield connections
    for granter, connection in enumerate(connections):
        await connection.execute("; ".join(f"drop role if exists {role}" for role in _roles(granter)).encode())
        await connection.close()


async def _grant(connection: psycopg.AsyncConnection[tuple[object, ...]], role: str) -> None:
    await connection.execute(f"create role {role} nologin; grant {role} to nexus_app with inherit false, set true".encode())


async def _by_transaction(db: Oltp, role: str) -> bytes | None:
    async with db.transaction(role) as transaction:
        (result,) = await transaction.commit((ME, []))
        return result.rows[0][0]


async def _by_stream(db: Oltp, role: str) -> bytes | None:
    pages = [page async for page in db.stream(role, (ME, []))]
    return pages[0][0][0]


async def test_a_role_is_usable_as_soon_as_it_is_granted(db: Postgres, granting: list[psycopg.AsyncConnection[tuple[object, ...]]]) -> None:
    async def grant_and_use(granter: int) -> list[bytes | None]:
        seen: list[bytes | None] = []
        for role in _roles(granter):
            await _grant(granting[granter], role)
            found = await asyncio.gather(*(db.run(role, (ME, []), lane=lane) for lane in ("fast", "write", "slow")))
            seen += [one[0].rows[0][0] for one in found]
            seen += await asyncio.gather(_by_transaction(db, role), _by_stream(db, role))
        return seen

    used = await asyncio.gather(*(grant_and_use(granter) for granter in range(GRANTERS)))

    assert used == [[role.encode() for role in _roles(granter) for _ in range(5)] for granter in range(GRANTERS)]


async def test_a_role_that_is_not_granted_is_refused_after_a_few_attempts(
    db: Postgres, server: Server, granting: list[psycopg.AsyncConnection[tuple[object, ...]]]
) -> None:
    role = _roles(0)[0]
    await granting[0].execute(f"create role {role} nologin".encode())
    before = db.stats.connects

    for asked in (db.run(role, (ME, [])), _by_transaction(db, role), _by_stream(db, role)):
        with pytest.raises(PermissionDenied):
            await asked

    assert db.stats.connects - before <= 9
    await granting[0].execute(f"grant {role} to nexus_app with inherit false, set true".encode())
    assert (await db.run(role, (ME, [])))[0].rows == [(role.encode(),)]
