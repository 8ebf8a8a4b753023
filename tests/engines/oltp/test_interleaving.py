"""Whatever many tasks send at once over few connections, each gets its own answer, and all of its effects or none."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import count
from typing import Protocol

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexus.engines.oltp import DatabaseError, Result, Statement, Timeout, UniqueViolation
from nexus.engines.oltp.postgres import Postgres

ONE = Statement("select $1::text, current_user")
ROWS = Statement("select i, repeat($2, $3::integer) from generate_series(1, $1::integer) i")
FAIL = Statement("select 1 / ($1::integer - $1::integer)")
ADD = Statement("insert into {s}.contact (id, name) values ($1, 'x')")
ADD_ONE = Statement("insert into {s}.contact (id, name) values ($1, 'x') returning id, current_user")
FOUND = Statement("select count(*) from {s}.contact where id = any($1::integer[])")

numbers = count(1000)


class Server(Protocol):
    app: str


@dataclass(frozen=True)
class Job:
    """What one task does."""

    kind: str
    ours: bool
    size: int


JOBS = st.builds(
    Job,
    st.sampled_from(["one", "rows", "fail", "add", "add and fail", "write", "write twice", "leave", "hurry", "fresh", "transaction"]),
    st.booleans(),
    st.integers(0, 60),
)


class Crowd:
    """Runs jobs, and says what is wrong with an answer."""

    def __init__(self, db: Postgres, schemas: tuple[str, str]) -> None:
        self.db = db
        self.schemas = schemas
        self.kept: dict[str, list[int]] = {schema: [] for schema in schemas}
        self.gone: dict[str, list[int]] = {schema: [] for schema in schemas}

    async def do(self, job: Job) -> None:
        schema = self.schemas[0 if job.ours else 1]
        number = next(numbers)
        tag = b"%d" % number
        match job.kind:
            case "one":
                assert _rows(await self.db.run(schema, (ONE, [tag]))) == [[(tag, schema.encode())]]
            case "rows":
                await self.read(schema, job.size * 20, job.size * 10)
            case "fail":
                await self.fail(schema, (ONE, [tag]), (FAIL, [tag]), (ONE, [tag]))
            case "add":
                await self.db.run(schema, *((ADD, [b"%d" % next_id]) for next_id in self.ids(self.kept[schema], 1 + job.size // 10)))
            case "add and fail":
                adds = [(ADD, [b"%d" % next_id]) for next_id in self.ids(self.gone[schema], 1 + job.size // 10)]
                await self.fail(schema, *adds, (FAIL, [tag]))
            case "write" | "write twice":
                await self.write(schema, 1 if job.kind == "write" else 2)
            case "leave":
                task = asyncio.create_task(self.db.run(schema, (ONE, [tag])))
                for _ in range(job.size % 4):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait([task])
            case "hurry":
                try:
                    assert _rows(await self.db.run(schema, (ONE, [tag]), timeout=job.size / 20_000)) == [[(tag, schema.encode())]]
                except Timeout:
                    pass
            case "fresh":
                fresh = Statement(f"select $1::text, {number}")
                await self.fail(schema, (FAIL, [tag]), (fresh, [tag]))
                assert _rows(await self.db.run(schema, (fresh, [tag]), (ONE, [tag]))) == [[(tag, tag)], [(tag, schema.encode())]]
            case _:
                async with self.db.transaction(schema) as tx:
                    (first,) = self.ids(self.kept[schema], 1)
                    await tx.run((ADD, [b"%d" % first]))
                    assert _rows(await tx.commit((ONE, [tag]))) == [[(tag, schema.encode())]]

    async def write(self, schema: str, times: int) -> None:
        (own,) = self.ids(self.kept[schema], 1)
        add = ADD_ONE, [b"%d" % own]
        done = await asyncio.gather(*(self.db.write(schema, add) for _ in range(times)), return_exceptions=True)
        assert [one.rows for one in done if isinstance(one, Result)] == [[(b"%d" % own, schema.encode())]]
        assert sum(isinstance(one, UniqueViolation) for one in done) == times - 1

    async def read(self, schema: str, rows: int, width: int) -> None:
        found = (await self.db.run(schema, (ROWS, [b"%d" % rows, b"y", b"%d" % width])))[0].rows
        assert found == [(b"%d" % row, b"y" * width) for row in range(1, rows + 1)]

    async def fail(self, schema: str, *calls: tuple[Statement, list[bytes | None]]) -> None:
        with pytest.raises(DatabaseError, match="division by zero"):
            await self.db.run(schema, *calls)

    async def settle(self) -> None:
        """What was left in a hurry may still be on its way, on the connection that the last answers did not come by."""
        for _ in range(1_000):
            if self.db.stats.in_flight == 0:
                return
            await self.db.run(self.schemas[0], (ONE, [b"0"]))

    def ids(self, into: list[int], amount: int) -> list[int]:
        new = [next(numbers) for _ in range(amount)]
        into += new
        return new

    async def check(self) -> None:
        for schema in self.schemas:
            for ids, there in ((self.kept[schema], True), (self.gone[schema], False)):
                array = "{" + ",".join(map(str, ids)) + "}"
                assert _rows(await self.db.run(schema, (FOUND, [array.encode()]))) == [[(b"%d" % (len(ids) if there else 0),)]]


def _rows(results: list[Result]) -> list[list[tuple[bytes | None, ...]]]:
    return [result.rows for result in results]


@pytest.fixture
async def pair(server: Server, owner: object) -> AsyncIterator[Postgres]:
    engine = await Postgres.open(server.app, fast=2, slow=1, transactions=3)
    yield engine
    await engine.close()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(jobs=st.lists(JOBS, min_size=1, max_size=80))
async def test_every_task_gets_its_own_answer(pair: Postgres, ours: str, theirs: str, jobs: list[Job]) -> None:
    crowd = Crowd(pair, (ours, theirs))

    await asyncio.gather(*(crowd.do(job) for job in jobs * 12))

    await crowd.check()
    await crowd.settle()
    assert (pair.stats.in_flight, pair.stats.lost) == (0, 0)
