"""Who is measured: NEXUS as `nexus serve` runs it, and the naive peer with as many workers as cores."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import sys
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from psycopg.conninfo import conninfo_to_dict

from bench.ground import ACCOUNTS, ACCOUNTS_COUNT, CONTACTS, DEALS, LEADS, PEOPLE, Ground
from bench.processes import Process, free_port
from nexus.config import Settings
from nexus.core.entity import Entity
from nexus.runtime.databases import own_database, passwords
from nexus.services.crm.entities import Account, Contact, Deal, Lead
from nexus.surfaces.shapes import shape_of
from nexus.surfaces.sql import encode

OWNER = {"name": "Ade", "email": "ade@example.com"}
DONE = (
    "SELECT NOT EXISTS (SELECT FROM nexus_cell.journal)"
    " AND NOT EXISTS (SELECT FROM nexus_cell.consumer c, nexus_cell.log_head h WHERE c.position < h.position)"
)
"""Whether everything has been moved to the log, and every group has handled it."""
BUSINESS = {"name": "Ade Bakery", "industry": "restaurant", "country": "NG", "owner": OWNER}

NO_HURDLE = {"NEXUS_KEY_RATE": "1000000", "NEXUS_TENANT_RATE": "1000000"}
"""Limits that count every request and refuse none."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much there is to work on."""

    contacts: int
    leads: int
    tenants: int
    """Other businesses beside the one that is measured."""


class Side(Protocol):
    """A server under load."""

    name: str
    urls: list[str]
    """Where it answers: the connections are shared out among them."""
    headers: Mapping[str, str]
    pids: list[int]

    async def settle(self) -> None:
        """Wait until the work that requests have left behind is done."""
        ...


async def ask(url: str, method: str = "GET", body: Any = None, headers: Mapping[str, str] | None = None, timeout: float = 120) -> Any:
    """One request and its JSON."""

    def send() -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, {"content-type": "application/json", **(headers or {})}, method=method)
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            raw = answer.read()
            return json.loads(raw) if raw[:1] in b"{[" else raw.decode()

    return await asyncio.to_thread(send)


class Nexus:
    """NEXUS, with one activated business and its owner's key: as many processes as cores, the first of which does the work behind requests."""

    name = "NEXUS"

    def __init__(self, ground: Ground, size: Size, processes: int = 1) -> None:
        self.ground = ground
        self._size = size
        self.processes = processes
        self._processes: list[Process] = []
        self.url = ""
        self.urls: list[str] = []
        self.headers: Mapping[str, str] = {}
        self.schema = ""
        self.operator: Mapping[str, str] = {}
        self.activated: dict[str, Any] = {}
        self.started = 0.0
        """Seconds until it answered."""
        self.environment: dict[str, str] = {}

    @property
    def pid(self) -> int:
        """The first process."""
        return self._processes[0].pid

    @property
    def pids(self) -> list[int]:
        return [one.pid for one in self._processes]

    @property
    def folder(self) -> Path:
        """Its data folder, with the passwords of its roles."""
        return self.ground.folder / "nexus"

    async def start(self, more: Mapping[str, str] | None = None) -> None:
        """Start it, and activate a business."""
        await self.restart(more or {})
        self.activated = await self.activate(BUSINESS)
        self.schema = "t_" + self.activated["tenant"]["id"].replace("-", "")
        self.headers = {"Authorization": f"Bearer {self.activated['credentials']['api_key']}", "Idempotency-Key": "bench-{n}"}

    async def restart(self, more: Mapping[str, str]) -> None:
        """Stop the process where it runs, and start it with more settings."""
        self.stop()
        self.environment = {"NEXUS_DATA": str(self.folder), "NEXUS_DATABASE_URL": await own_database(self.ground.url()), **NO_HURDLE}
        began = time.monotonic()
        self.urls = [await self._launch("all", more)]
        self.url = self.urls[0]
        self.started = time.monotonic() - began
        known = passwords(Settings(data=str(self.folder)))
        shared = {"NEXUS_OWNER_PASSWORD": known.owner, "NEXUS_APP_PASSWORD": known.app}
        for n in range(1, self.processes):
            folder = self.folder.with_name(f"nexus-{n}")
            folder.mkdir(exist_ok=True)
            shutil.copy(self.folder / "operator.key", folder)  # else the process makes a key of its own, and that one is the operator's
            self.urls.append(await self._launch("api", {**more, **shared, "NEXUS_DATA": str(folder)}))
        self.operator = {"authorization": f"Bearer {(self.folder / 'operator.key').read_text().strip()}"}

    async def _launch(self, target: str, more: Mapping[str, str]) -> str:
        port = free_port()
        command = [sys.executable, "-m", "nexus", "serve", "--target", target]
        one = Process(command, {**self.environment, **more, "NEXUS_PORT": str(port)}, self.ground.folder / "nexus.log")
        self._processes.append(one)
        await one.ready(f"http://127.0.0.1:{port}/healthz")
        return f"http://127.0.0.1:{port}"

    async def activate(self, business: Mapping[str, Any]) -> dict[str, Any]:
        """Activate a business."""
        answer: dict[str, Any] = await ask(f"{self.url}/api/v1/activate", "POST", business, self.operator)
        return answer

    async def fill(self) -> None:
        """Rows of the realistic size, and other businesses."""
        for n in range(self._size.tenants):
            await self.activate({**BUSINESS, "name": f"Neighbour {n}", "slug": f"neighbour-{n}"})
        parts: list[tuple[type[Entity], str, int]] = [(Contact, CONTACTS, self._size.contacts), (Lead, LEADS, self._size.leads)]
        parts += [(Account, ACCOUNTS, ACCOUNTS_COUNT), (Contact, PEOPLE, ACCOUNTS_COUNT), (Deal, DEALS, ACCOUNTS_COUNT)]
        for entity, rows, count in parts:
            more, values = defaults(entity, rows)
            if entity is Deal:  # the pipeline and the stage that the activation has planted, and the moments that a command sets
                more, values = in_pipeline(self.schema, more, values)
            text = rows.format(table=f"{self.schema}.{entity.__tablename__}", count=count, more=more, values=values)
            await self.ground.sql(text, "nexus")
        tables = ", ".join(f"{self.schema}.crm_{name}" for name in ("contact", "lead", "account", "deal"))
        await self.ground.sql(f"VACUUM ANALYZE {tables}", "nexus")

    async def settle(self) -> None:
        for _ in range(2_400):
            if (await self.ground.sql(DONE, "nexus"))[0][0]:
                return
            await asyncio.sleep(0.05)
        raise RuntimeError("the relay or a reaction does not come to an end")

    def stop(self) -> None:
        """Stop it."""
        for one in reversed(self._processes):
            one.stop()
        self._processes.clear()


def in_pipeline(schema: str, more: str, values: str) -> tuple[str, str]:
    """Columns and values of a deal in the first stage, in place of those that have no default."""
    stage = f"(SELECT {{}} FROM {schema}.crm_deal_stage ORDER BY position LIMIT 1)"
    own = {"pipeline_id": stage.format("pipeline_id"), "stage_id": stage.format("id"), "opened_at": "now()", "stage_entered_at": "now()"}
    return more + "".join(f", {name}" for name in own), values + "".join(f", {value}" for value in own.values())


def defaults(entity: type[Entity], rows: str) -> tuple[str, str]:
    """Columns that must have a value and that the rows do not name, with what the declaration gives them."""
    named = set(re.findall(r"\w+", rows.partition("SELECT")[0]))
    others = [field for field in shape_of(entity).initial if not field.nullable and field.name not in named and field.default is not ...]
    values = ["'" + (encode(field.default()) or b"").decode().replace("'", "''") + "'" for field in others]
    return "".join(f", {field.name}" for field in others), "".join(f", {value}" for value in values)


class Naive:
    """The naive peer: uvicorn with as many workers as cores."""

    name = "naive"
    headers = {"X-Tenant": "tenant_one", "X-User": "018f0000-0000-7000-8000-000000000001", "Idempotency-Key": "bench-{n}"}

    def __init__(self, ground: Ground, size: Size) -> None:
        self._ground = ground
        self._size = size
        self._process: Process | None = None
        self.url = ""

    @property
    def urls(self) -> list[str]:
        return [self.url]

    @property
    def pids(self) -> list[int]:
        assert self._process is not None
        return [self._process.pid]

    async def start(self) -> None:
        """Make its database and start it."""
        await self._ground.sql("CREATE DATABASE naive")
        await self._ground.sql(naive_tables(self.headers["X-Tenant"], self.headers["X-User"]), "naive")
        given = conninfo_to_dict(self._ground.url("naive"))
        place = f"{given['host']}:{given['port']}/naive"
        url = f"postgresql+asyncpg://{quote(str(given['user']))}:{quote(str(given['password']))}@{place}"
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        workers = ["--workers", str(os.cpu_count() or 1), "--loop", "uvloop", "--http", "httptools"]
        command = [sys.executable, "-m", "uvicorn", "bench.naive.app:app", "--port", str(port), "--no-access-log", "--log-level", "warning"]
        self._process = Process([*command, *workers], {"NAIVE_URL": url}, self._ground.folder / "naive.log")
        await self._process.ready(f"{self.url}/healthz")

    async def fill(self) -> None:
        """The same rows."""
        await self._ground.sql(CONTACTS.format(table="tenant_one.contact", count=self._size.contacts, more="", values=""), "naive")
        leads = LEADS.format(table="tenant_one.lead", count=self._size.leads, more="", values="")
        await self._ground.sql(leads, "naive")
        for table, rows in (("account", ACCOUNTS), ("contact", PEOPLE), ("deal", DEALS)):
            more, values = (", stage", ", 'new'") if table == "deal" else ("", "")
            await self._ground.sql(rows.format(table=f"tenant_one.{table}", count=ACCOUNTS_COUNT, more=more, values=values), "naive")
        await self._ground.sql("VACUUM ANALYZE tenant_one.contact, tenant_one.lead, tenant_one.account, tenant_one.deal", "naive")

    async def settle(self) -> None:
        """It leaves nothing behind."""

    def stop(self) -> None:
        """Stop it."""
        if self._process is not None:
            self._process.stop()


def naive_tables(schema: str, user: str) -> str:
    """Its tables, and the permissions of its user, as one text."""
    from sqlalchemy.dialects import postgresql
    from sqlalchemy.schema import CreateIndex, CreateTable

    from bench.naive.models import Base

    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    parts = [f"CREATE SCHEMA {schema}", f"SET search_path = {schema}"]
    for table in Base.metadata.sorted_tables:
        parts.append(str(CreateTable(table).compile(dialect=dialect)))
        parts += [str(CreateIndex(index).compile(dialect=dialect)) for index in table.indexes]
    for permission in ("crm.contact.create", "crm.lead.convert"):
        parts.append(f"INSERT INTO user_permission VALUES ('{user}', '{permission}')")
    return ";\n".join(parts)
