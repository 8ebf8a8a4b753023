"""The login roles are the whole server's: a start that does not know their passwords must not lock out who uses them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from nexus.engines.oltp.embedded import EmbeddedPostgres
from nexus.engines.oltp.roles import APP, OWNER, RolesTaken, bootstrap, credentials
from tests.engines.oltp.conftest import reachable

FIRST, SECOND = "first_installation", "second_installation"


@pytest.fixture(scope="module")
async def fresh(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The superuser's address of a server that nobody else uses."""
    folder = tmp_path_factory.mktemp("passwords")
    reachable(folder)
    server = EmbeddedPostgres(folder, settings={"fsync": "off"})
    await server.start()
    yield server.superuser_url
    await server.stop()


@pytest.fixture
async def urls(fresh: str) -> AsyncIterator[tuple[str, str]]:
    """Two databases of it, and no role of ours."""
    async with await psycopg.AsyncConnection.connect(fresh, autocommit=True) as superuser:
        for name in (FIRST, SECOND):
            await superuser.execute(f"create database {name}".encode())
        yield make_conninfo(fresh, dbname=FIRST), make_conninfo(fresh, dbname=SECOND)
        for name in (FIRST, SECOND):
            await superuser.execute(f"drop database if exists {name} with (force)".encode())
        await superuser.execute(f"drop role if exists {OWNER}, {APP}".encode())


async def log_in(url: str, owner: str, app: str) -> None:
    for role, password in ((OWNER, owner), (APP, app)):
        async with await psycopg.AsyncConnection.connect(credentials(url, role, password)):
            pass


@pytest.mark.parametrize(("owner", "app"), [("other", "other"), ("owner", "other"), ("other", "app")])
async def test_passwords_in_use_are_not_set_anew(urls: tuple[str, str], owner: str, app: str) -> None:
    first, second = urls
    await bootstrap(first, "owner", "app")

    for url in (second, first):  # another database of the server, and the same one from another data folder
        with pytest.raises(RolesTaken, match="Give them as NEXUS_OWNER_PASSWORD and NEXUS_APP_PASSWORD") as refused:
            await bootstrap(url, owner, app)
        assert "other" not in str(refused.value).replace("another", "")

    await log_in(first, "owner", "app")
    async with await psycopg.AsyncConnection.connect(second) as superuser:
        row = await (await superuser.execute("select datacl from pg_database where datname = current_database()")).fetchone()
    assert row == (None,)  # no wall was put there


async def test_who_knows_them_may_use_another_database(urls: tuple[str, str]) -> None:
    for url in urls:
        assert await bootstrap(url, "owner", "app") == []
    assert await bootstrap(urls[0], "owner", "app") == []

    for url in urls:
        await log_in(url, "owner", "app")


async def test_what_no_database_uses_gets_new_ones(fresh: str, urls: tuple[str, str]) -> None:
    await bootstrap(urls[0], "owner", "app")
    async with await psycopg.AsyncConnection.connect(fresh, autocommit=True) as superuser:
        await superuser.execute(f"drop database {FIRST} with (force)".encode())

    assert await bootstrap(urls[1], "new", "newer") == []

    await log_in(urls[1], "new", "newer")


async def test_a_server_of_ours_gets_new_ones(urls: tuple[str, str]) -> None:
    await bootstrap(urls[0], "owner", "app")

    assert await bootstrap(urls[0], "new", "newer", ours=True) == []

    await log_in(urls[0], "new", "newer")
