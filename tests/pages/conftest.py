"""A whole installation behind a real socket, and a real browser before it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn
from playwright.async_api import Browser, async_playwright, expect

from nexus.activation.control import Control
from nexus.activation.platform import Site
from nexus.config import Settings
from nexus.core.service import Service
from nexus.core.tokens import new_operator_key, operator_hash
from nexus.engines.oltp.embedded import EmbeddedPostgres
from nexus.engines.oltp.postgres import Postgres
from nexus.gateway.graphql import graphql_of, graphql_pages
from nexus.gateway.pages import site_pages
from nexus.gateway.pages.explorer import Explorer
from nexus.runtime.app import App
from nexus.runtime.cells import Cell, Cells
from nexus.runtime.node import Node
from tests.activation.conftest import new_database

CHROMIUM = Path("/usr/bin/chromium")
PATIENCE = 60_000
"""Milliseconds after which a test gives up; nothing is expected to take them."""
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass(frozen=True)
class Served:
    """Where the installation answers, and the key of its operator."""

    url: str
    operator: str


@pytest.fixture(scope="session")
async def site(postgres: EmbeddedPostgres, services: dict[str, Service]) -> AsyncIterator[Served]:
    """Everything a process serves, on a port and a database of its own."""
    owner_url, app_url = await new_database(postgres, "pages_tests")
    cells = Cells([Cell("c0", await Postgres.open(app_url), owner_url)])
    await cells.prepare()
    operator = new_operator_key()
    async with await cells.control.owner() as owner:
        await owner.execute("INSERT INTO nexus_control.operator (key_hash) VALUES (%s)", (operator_hash(operator),))
    listening = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    node = Node(Settings(), cells, services)
    control = Control(node, Site(url=url))
    graphql = graphql_pages(graphql_of(node, node.services), Explorer())
    app = App(node.rest, node.authenticate, [*control.pages(), *site_pages(node, control), *graphql], body_limit=1 << 20)
    control.serve(app)
    server = uvicorn.Server(uvicorn.Config(app, http="httptools", ws="none", lifespan="off", access_log=False, log_config=None))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    yield Served(url, operator)
    server.should_exit = True
    await serving
    await control.stop()
    await node.stop()


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium, without a window."""
    if not CHROMIUM.exists():
        pytest.skip("there is no chromium here; tools/system-parts installs it")
    async with async_playwright() as playwright:
        expect.set_options(timeout=PATIENCE)
        started = await playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield started
        await started.close()
