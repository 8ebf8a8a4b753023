"""Boundaries: what imports say, and what SQL does: no statement of a service touches a table of another one."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from nexus.core.ids import uuid7
from nexus.core.policy import ROLES
from nexus.core.service import Service, installed
from nexus.engines.oltp import Call, Lane, Oltp, Result, Transaction
from nexus.engines.oltp.postgres import Postgres
from nexus.runtime.testing import Harness
from nexus.surfaces.permissions import rights_of
from nexus.surfaces.tables import full_table
from tests.surfaces.hostile import OPERATIONS, Operation

ROOT = Path(__file__).parents[2]
TABLE = re.compile(r"\{s\}\.([a-z_][a-z0-9_]*)")
EVERYWHERE = "nexus_"
"""The platform's own tables in a tenant's schema: idempotency, inbox, imports."""


class Recorder(Oltp):
    """The database, with a note of every statement that is sent."""

    def __init__(self, inner: Postgres) -> None:
        self._inner = inner
        self.texts: list[str] = []

    async def run(self, schema: str | None, *calls: Call, lane: Lane = "fast", timeout: float | None = None) -> list[Result]:
        self.texts += [statement.text for statement, _ in calls]
        return await self._inner.run(schema, *calls, lane=lane, timeout=timeout)

    async def read(self, schema: str, call: Call) -> Result:
        self.texts.append(call[0].text)
        return await self._inner.read(schema, call)

    async def write(self, schema: str, call: Call) -> Result:
        self.texts.append(call[0].text)
        return await self._inner.write(schema, call)

    def transaction(self, schema: str | None, *, timeout: float | None = None) -> AbstractAsyncContextManager[Transaction]:
        return _Recorded(self, self._inner.transaction(schema, timeout=timeout))

    async def close(self) -> None:
        """The inner one is the session's."""


class _Recorded:
    """A transaction whose statements are noted."""

    def __init__(self, recorder: Recorder, inner: Any) -> None:
        self._recorder = recorder
        self._inner = inner

    async def __aenter__(self) -> Any:
        self._transaction = await self._inner.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> Any:
        return await self._inner.__aexit__(*error)

    @property
    def round_trips(self) -> int:
        return int(self._transaction.round_trips)

    async def run(self, *calls: Call) -> list[Result]:
        self._recorder.texts += [statement.text for statement, _ in calls]
        return list(await self._transaction.run(*calls))

    async def commit(self, *calls: Call) -> list[Result]:
        self._recorder.texts += [statement.text for statement, _ in calls]
        return list(await self._transaction.commit(*calls))


def strangers(texts: list[str], service: str) -> set[str]:
    """Tables that the statements name and that are neither the service's nor the platform's."""
    named = {table for text in texts for table in TABLE.findall(text)}
    assert all("tenant." not in text for text in texts), "a schema was not put in its place"
    return {table for table in named if not table.startswith((f"{service}_", EVERYWHERE))}


@pytest.fixture(scope="module")
async def recorded(oltp: Postgres, database: Any, services: dict[str, Service]) -> tuple[Harness, Recorder]:
    """A tenant whose statements are noted."""
    recorder = Recorder(oltp)
    return await Harness.fresh(recorder, database.owner, services.values()), recorder


def _service(operation: Operation) -> str:
    return operation.path.split("/")[3]


@pytest.mark.parametrize("role", sorted(ROLES))
async def test_no_operation_sends_sql_about_another_services_tables(recorded: tuple[Harness, Recorder], role: str) -> None:
    tenant, recorder = recorded
    caller = tenant.as_(role, id=uuid7(), teams=(uuid7(),), territories=(uuid7(),))
    asked = silent = 0
    for operation in OPERATIONS:
        if not rights_of(frozenset([role]), frozenset("*")).allow(operation.needs):
            continue
        recorder.texts.clear()
        asked += 1
        for body in _bodies(operation):
            named = {"if_match": "*", "content_type": "application/x-ndjson" if operation.takes_a_file else "application/json"}
            await caller.api(operation.method, operation.path.replace("{id}", str(uuid4())) + _query(operation), body, **named)
        assert strangers(recorder.texts, _service(operation)) == set(), operation
        silent += not recorder.texts
    assert silent <= asked / 3, "too many operations were refused before they sent anything"


def _query(operation: Operation) -> str:
    if operation.path.endswith("/import"):
        return "?mode=upsert"
    if operation.method != "GET" or "/reports/" in operation.path or "/imports" in operation.path or operation.path.endswith("/export"):
        return ""
    expand = [name.removesuffix("_id") for name in operation.fields if name.endswith("_id")]
    return "?count=exact&limit=1" if "{id}" not in operation.path else f"?fields=id&expand={expand[0]}" if expand else ""


def _bodies(operation: Operation) -> Iterator[Any]:
    """No body, and one with the name and references to what is not there, so that statements are made."""
    if operation.body is None:
        yield None
        return
    yield {}
    known = {one.encode_name: one for one in _members(operation.body)}
    filled: dict[str, Any] = {name: str(uuid4()) for name, one in known.items() if one.type is UUID}
    yield filled | {name: "x" for name in ("name", "title", "reason", "key") if name in known}
    if operation.path.endswith("/bulk"):
        yield {"items": [{"id": str(uuid4()), "version": None}] if operation.method == "PATCH" else [{"name": "x"}], "mode": "each"}


def _members(body: Any) -> Any:
    import msgspec

    return msgspec.structs.fields(body)


def test_no_table_refers_to_another_services_table() -> None:
    for service in installed().values():
        for entity in service.entities():
            for constraint in full_table(entity).foreign_key_constraints:
                assert isinstance(constraint, sa.ForeignKeyConstraint)
                assert constraint.referred_table.name.startswith(f"{service.name}_"), entity


def test_the_contracts_of_imports_are_kept() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_a_broken_contract_is_found(tmp_path: Path) -> None:
    """The contracts are by pattern: a service that nobody listed is held to them as well."""
    package = tmp_path / "nexus"
    for path, text in {
        "core/__init__.py": "",
        "services/__init__.py": "",
        "services/loyalty/__init__.py": "",
        "services/loyalty/commands.py": "from nexus.services.crm import entities\n",
        "services/loyalty/queries.py": "import psycopg\n",
        "services/crm/__init__.py": "",
        "services/loyalty/flows.py": "from nexus.services.crm.api import deals\nfrom nexus.services.crm import api\n",
        "services/loyalty/seeds.py": "import nexus.runtime\n",
        "services/crm/entities.py": "",
        "flows/gifts.py": "from nexus.services.crm import entities\n",
        **{f"{name}.py": "" for name in ("documents", "typesetting")},
        "services/crm/api/__init__.py": "",
        "services/crm/api/deals.py": "",
        **{
            f"{name}/__init__.py": ""
            for name in ("surfaces", "runtime", "engines", "activation", "gateway", "cli", "links", "flows", "pricing", "countries")
        },
    }.items():
        (package / path).parent.mkdir(parents=True, exist_ok=True)
        (package / path).write_text(text, encoding="utf-8")
    (package / "__init__.py").write_text("", encoding="utf-8")
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": "."},
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "nexus.services.loyalty.commands -> nexus.services.crm.entities" in done.stdout
    assert "nexus.services.loyalty.queries -> psycopg" in done.stdout
    assert "nexus.flows.gifts -> nexus.services.crm.entities" in done.stdout
    assert "nexus.services.loyalty.seeds -> nexus.runtime" in done.stdout
    assert "loyalty.flows" not in done.stdout
