"""An installation for tests: a database of its own for the control plane and cells, and a client of its API."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from nexus.activation.control import Control, in_process
from nexus.activation.platform import Site
from nexus.activation.steps import Step
from nexus.config import Settings
from nexus.core.service import Service
from nexus.core.tokens import new_operator_key, operator_hash
from nexus.engines.oltp.embedded import EmbeddedPostgres
from nexus.engines.oltp.postgres import Postgres
from nexus.engines.oltp.roles import bootstrap, credentials
from nexus.runtime.app import App
from nexus.runtime.cells import Cell, Cells
from nexus.runtime.node import Node

LEAST = {"name": "Ade Bakery", "industry": "restaurant", "country": "NG", "owner": {"name": "Ade", "email": "ade@example.com"}}


@dataclass
class Installation:
    """One process of NEXUS on real databases, reached through its API as a client does."""

    control: Control
    cells: Cells
    operator: str
    node: Node
    headers: dict[str, str] = dataclasses.field(default_factory=dict)

    async def ask(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> tuple[int, Any]:
        """A request, with the operator's key unless another is given."""
        return await self.control.platform.api(method, path, token or self.operator, body)

    async def activate(self, slug: str, **more: Any) -> tuple[int, Any]:
        return await self.ask("POST", "/api/v1/activate", {**LEAST, "slug": slug, **more})

    async def rows(self, query: str, *args: Any, cell: str | None = None) -> list[tuple[Any, ...]]:
        """What the owner of the tables sees."""
        home = self.cells[cell] if cell else self.cells.control
        async with await psycopg.AsyncConnection.connect(home.owner_url, autocommit=True) as connection:
            return await (await connection.execute(query.encode(), args or None)).fetchall()

    async def traces(self) -> dict[str, int]:
        """Everything an activation could leave behind, counted."""
        counts = {
            "schemas": "SELECT count(*) FROM pg_namespace WHERE nspname ~ '^t_[0-9a-f]{32}$'",
            "roles": "SELECT count(*) FROM pg_roles WHERE rolname ~ '^t_[0-9a-f]{32}$'",
            "tenants": "SELECT count(*) FROM nexus_control.tenant WHERE state <> 'purged'",
            "services": "SELECT count(*) FROM nexus_cell.tenant_service",
            "hosts": "SELECT count(*) FROM nexus_control.tenant_host",
            "features": "SELECT count(*) FROM nexus_control.tenant_feature",
            "journal": "SELECT count(*) FROM nexus_cell.journal",
            "events": "SELECT count(*) FROM nexus_cell.event",
            "audit": "SELECT count(*) FROM nexus_cell.audit",
        }
        return {name: (await self.rows(query))[0][0] for name, query in counts.items()}


Open = Callable[..., contextlib.AbstractAsyncContextManager[Installation]]


async def new_database(postgres: EmbeddedPostgres, name: str) -> tuple[str, str]:
    """The URLs of owner and app in a database that holds nothing yet."""
    async with await psycopg.AsyncConnection.connect(postgres.superuser_url, autocommit=True) as connection:
        await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
        await connection.execute(f"CREATE DATABASE {name}".encode())
    url = make_conninfo(postgres.superuser_url, dbname=name)
    assert await bootstrap(url, "owner's", "app's") == []
    return credentials(url, "nexus_owner", "owner's"), credentials(url, "nexus_app", "app's")


@pytest.fixture(scope="session")
async def control_database(postgres: EmbeddedPostgres) -> tuple[str, str]:
    """The database that tests of activation share; each takes slugs of its own."""
    return await new_database(postgres, f"control_{uuid4().hex[:8]}")


@contextlib.asynccontextmanager
async def opened(
    urls: Sequence[tuple[str, str]],
    services: dict[str, Service],
    *,
    plan: Sequence[Step] | None = None,
    standby: int = 0,
    lease: float = 10.0,
    domain: str | None = "nexus.example",
) -> AsyncIterator[Installation]:
    """An installation on these databases (owner's and app's URL of each cell), for as long as the context lasts."""
    cells = Cells([Cell(f"c{at}", await Postgres.open(app), owner) for at, (owner, app) in enumerate(urls)])
    await cells.prepare()
    operator = new_operator_key()
    async with await cells.control.owner() as owner:
        await owner.execute("INSERT INTO nexus_control.operator (key_hash) VALUES (%s)", (operator_hash(operator),))
    node = Node(Settings(), cells, services)
    control = Control(node, Site(url="http://nexus.example", domain=domain), standby=standby, plan=plan, lease=lease)
    control.serve(App(node.rest, node.authenticate, control.pages(), body_limit=1 << 20, host=node))
    try:
        yield Installation(control, cells, operator, node)
    finally:
        await control.stop()
        await node.stop()


@pytest.fixture
def open_installation(control_database: tuple[str, str], services: dict[str, Service]) -> Open:
    """Opens an installation on the shared database: `async with open_installation(plan=…) as nexus`.

    It has the service of access alone, because what most tests ask does not depend on what a tenant sells.
    """

    def open_(**how: Any) -> contextlib.AbstractAsyncContextManager[Installation]:
        return opened([control_database], {"auth": services["auth"]}, **how)

    return open_


@pytest.fixture
async def nexus(open_installation: Open) -> AsyncIterator[Installation]:
    """An installation as it comes."""
    async with open_installation() as installation:
        yield installation


__all__ = ["LEAST", "Installation", "Open", "in_process", "new_database", "opened"]
