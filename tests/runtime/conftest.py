"""Databases and installations for tests of the runtime."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from nexus.engines.oltp.embedded import EmbeddedPostgres
from nexus.surfaces.tables import cell_functions


@dataclass(frozen=True)
class Scratch:
    """A database in which a superuser makes schemas and takes them back."""

    superuser: str


@pytest.fixture(scope="session")
async def scratch_database(postgres: EmbeddedPostgres) -> Scratch:
    """A database with what tables need of the platform, and nothing else."""
    async with await psycopg.AsyncConnection.connect(postgres.superuser_url, autocommit=True) as connection:
        await connection.execute("CREATE DATABASE scratch_tests")
    url = make_conninfo(postgres.superuser_url, dbname="scratch_tests")
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute("CREATE SCHEMA nexus_cell")
        await connection.execute(cell_functions().encode())
    return Scratch(url)
