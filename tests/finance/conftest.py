"""Books to attack: as the tests of finance plant them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from conftest import Database
from nexus.services.finance.tests.conftest import Books, books, finance

__all__ = ["books", "finance"]


@pytest.fixture
async def tenant_sql(books: Books, database: Database) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """A connection of the runtime's login role that has become the tenant's."""
    async with await psycopg.AsyncConnection.connect(database.app, autocommit=True) as connection:
        await connection.execute(f"SELECT set_config('role', '{books.finance.caller.schema}', false)".encode())
        yield connection
