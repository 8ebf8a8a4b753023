"""A query read in pages: one moment, one tenant, a connection given back whatever happens."""

import pytest

from nexus.engines.oltp import InvalidText, NotAQuery, PermissionDenied, Statement, Unavailable
from nexus.engines.oltp.postgres import Postgres
from nexus.engines.oltp.settings import Settings

from .conftest import OURS, Server

NUMBERS = Statement("select n from generate_series(1, $1::int) n, {s}.contact where contact.id = 1 order by n")
NAMES = Statement("select name from {s}.contact order by id")
DIVIDED = Statement("select 1 / (5 - n) from generate_series(1, 10) n")


@pytest.fixture
async def engine(server: Server):  # type: ignore[no-untyped-def]
    made = await Postgres.open(server.app, slow=1)
    yield made
    await made.close()


async def test_all_rows_come_in_pages_of_the_size(engine: Postgres) -> None:
    pages = [page async for page in engine.stream(OURS, (NUMBERS, [b"25"]), rows=10)]

    assert [len(page) for page in pages] == [10, 10, 5]
    assert [row[0] for page in pages for row in page] == [b"%d" % n for n in range(1, 26)]
    assert [page async for page in engine.stream(OURS, (NUMBERS, [b"0"]))] == []


async def test_pages_show_one_moment(engine: Postgres) -> None:
    pages = engine.stream(OURS, (NAMES, []), rows=1)
    first = await anext(pages)
    await engine.run(OURS, (Statement("insert into {s}.contact (id, name) values (77, 'Late')"), []))
    assert [first, *[page async for page in pages]] == [[(f'Ann of "{OURS}"'.replace('"', "").encode(),)]]
    await engine.run(OURS, (Statement("delete from {s}.contact where id = 77"), []))


async def test_one_that_is_left_early_gives_its_connection_back(engine: Postgres) -> None:
    for _ in range(3):
        pages = engine.stream(OURS, (NUMBERS, [b"25"]), rows=10)
        await anext(pages)
        await pages.aclose()
    assert len([page async for page in engine.stream(OURS, (NUMBERS, [b"1"]))]) == 1


async def test_no_more_of_them_than_connections(engine: Postgres) -> None:
    held = engine.stream(OURS, (NUMBERS, [b"25"]), rows=10)
    await anext(held)
    engine._settings = Settings(patience=0.2)
    with pytest.raises(Unavailable):
        await anext(engine.stream(OURS, (NUMBERS, [b"1"])))
    await held.aclose()


async def test_only_queries_of_the_tenant(engine: Postgres) -> None:
    with pytest.raises(NotAQuery):
        await anext(engine.stream(OURS, (Statement("set role none"), [])))
    with pytest.raises(PermissionDenied):
        await anext(engine.stream(OURS, (Statement("select * from t_" + "b" * 32 + ".contact"), [])))
    assert await anext(engine.stream(OURS, (NAMES, [])))


async def test_an_error_on_a_later_page_is_raised_there(engine: Postgres) -> None:
    pages = engine.stream(OURS, (DIVIDED, []), rows=2)
    assert await anext(pages) == [(b"0",), (b"0",)]
    assert await anext(pages) == [(b"0",), (b"1",)]
    with pytest.raises(InvalidText, match="division by zero"):
        await anext(pages)
    assert await anext(engine.stream(OURS, (NAMES, [])))
