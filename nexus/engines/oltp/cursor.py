"""A query read some rows at a time, as one moment has them: for exports, whose rows fit in no memory."""

from collections.abc import AsyncGenerator

from nexus.engines.oltp import Call, DatabaseError, Row, Statement
from nexus.engines.oltp.guard import check_arguments, check_query, check_schema, quoted
from nexus.engines.oltp.leases import Leases

__all__ = ["stream"]

_CLOSE = 5.0
"""Seconds the end of a snapshot may take before the connection is closed instead."""


async def stream(leases: Leases, schema: str | None, call: Call, rows: int, patience: float) -> AsyncGenerator[list[Row]]:
    """The rows of a query in pages. Raises DatabaseError, Unavailable, and NotAQuery before anything is sent."""
    statement, args = call
    check_query(statement)
    check_arguments(args)
    text = statement.text
    if schema is not None:
        check_schema(schema)
        text = text.replace("{s}", quoted(schema))
    # sent as the driver's own words, after the role has been switched: under a tenant's role nobody else can say DECLARE
    declare = Statement(f"declare nexus_rows no scroll cursor without hold for {text}")
    fetch = Statement(f"fetch forward {rows} from nexus_rows")
    pipeline = await leases.take(schema, patience)
    try:
        request = pipeline.send(schema, (), begin="snapshot")
        try:
            await pipeline.answer(request, patience)
        except DatabaseError:
            if not request.again:
                raise
            pipeline = await leases.exchange(pipeline)
            await pipeline.answer(pipeline.send(schema, (), begin="snapshot"), patience)
        _, page = await pipeline.answer(pipeline.send(None, [(declare, args), (fetch, ())], role=""), None)
        while page.rows:
            yield page.rows
            if len(page.rows) < rows:
                break
            (page,) = await pipeline.answer(pipeline.send(None, [(fetch, ())], role=""), None)
    finally:
        try:
            if pipeline.alive:
                await pipeline.answer(pipeline.send(None, (), role="", end="rollback"), _CLOSE)
        finally:
            leases.give_back(pipeline)
