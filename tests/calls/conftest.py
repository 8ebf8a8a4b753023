"""A rule of one service that asks another one: in one process, and in two over gRPC with and without certificates."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from nexus.config import Settings
from nexus.core import Command, Tx
from nexus.core.message import HANDLERS, Handler
from nexus.core.service import Service
from nexus.runtime.authority import Authority
from nexus.runtime.call_wire import CallServer, OverGrpc
from nexus.runtime.identity import Identity
from nexus.runtime.node import Node
from nexus.runtime.statements import Signer, Verifier
from nexus.services.auth.api import InviteUser, UserInvited
from nexus.surfaces.calling import Caller
from tests.activation.conftest import Installation, control_database, opened

__all__ = ["control_database"]


class Probe(Command[UserInvited], frozen=True, kw_only=True):
    """A rule of CRM that invites somebody, which is for access to do."""

    email: str
    roles: list[str] = msgspec.field(default_factory=lambda: ["auth.member"])


Rule = Callable[[Probe, Tx], Awaitable[UserInvited]]


async def invite(probe: Probe, tx: Tx) -> UserInvited:
    return await tx.call(InviteUser(name="Ngozi", email=probe.email, roles=probe.roles))


@pytest.fixture
def rule() -> Iterator[list[Rule]]:
    """What CRM does when it is asked to `crm.lead:probe`; a test may put another rule first."""
    rules: list[Rule] = [invite]

    async def run(probe: Probe, tx: Tx) -> UserInvited:
        return await rules[0](probe, tx)

    HANDLERS[Probe] = Handler(Probe, run, "crm.lead:probe")
    yield rules
    del HANDLERS[Probe]


@dataclass
class Pair:
    """The process that has CRM, and that which has access: the same one, or two."""

    nexus: Installation
    crm: Node
    auth: Node
    token: str
    tenant: UUID
    wiring: OverGrpc | None = None
    server: CallServer | None = None
    port: int = 0
    identities: dict[str, Identity] = field(default_factory=dict[str, Identity])
    authority: Authority | None = None
    folder: Path = Path()

    @property
    def schema(self) -> str:
        return f"t_{self.tenant.hex}"

    async def caller(self, token: str | None = None) -> Caller:
        """As CRM's process knows it."""
        return (await self.crm.principals.of(token or self.token)).caller

    async def probe(self, email: str, token: str | None = None, **how: Any) -> UserInvited:
        answer, _ = await self.crm.run(await self.caller(token), Probe(email=email, roles=how.pop("roles", ["auth.member"])), **how)
        assert isinstance(answer, UserInvited)
        return answer

    async def users(self, email: str) -> int:
        return int((await self.nexus.rows(f"SELECT count(*) FROM {self.schema}.auth_user WHERE email = %s", email))[0][0])

    async def waiting(self) -> int:
        """How many statements wait for a lock of the users."""
        query = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = %s::regclass"
        return int((await self.nexus.rows(query, f"{self.schema}.auth_user"))[0][0])

    async def told(self, user: UUID) -> list[dict[str, Any]]:
        """The audit entries of its invitation, not yet moved."""
        query = "SELECT audit::json FROM nexus_cell.journal WHERE audit LIKE %s AND audit::json ->> 'command' = 'auth.user:invite'"
        return [row[0] for row in await self.nexus.rows(query, f"%{user}%")]


@contextlib.asynccontextmanager
async def apart(pair: Pair, services: dict[str, Service], folder: Path | None, seconds: float) -> AsyncIterator[Pair]:
    """The same with two nodes and gRPC between them; under certificates where a folder for them is given."""
    cells, settings = pair.nexus.cells, Settings(call_seconds=seconds)
    pair.crm, pair.auth = (Node(settings, cells, services, frozenset({name})) for name in ("crm", "auth"))
    if folder is not None:
        pair.authority, pair.folder = Authority(folder / "authority"), folder
        for name in ("crm", "auth"):
            pair.authority.issue(name, "127.0.0.1", folder / name)
            pair.identities[name] = Identity(folder / name)
    pair.server = CallServer(pair.auth, Verifier(cells, pair.auth.directory, pair.auth.principals))
    pair.port = await pair.server.start("127.0.0.1:0", pair.identities.get("auth"))
    pair.wiring = OverGrpc({"auth": f"127.0.0.1:{pair.port}"}, Signer(cells, "crm"), pair.identities.get("crm"))
    pair.crm.calls.elsewhere = pair.wiring
    try:
        yield pair
    finally:
        await pair.wiring.close()
        await pair.server.stop()


@pytest.fixture(scope="session")
async def business(control_database: tuple[str, str], services: dict[str, Service]) -> AsyncIterator[Pair]:
    """One business in one process, for all tests."""
    async with opened([control_database], services) as nexus:
        status, made = await nexus.activate("calls-between-services")
        assert status == 201, made
        yield Pair(nexus, nexus.node, nexus.node, made["credentials"]["api_key"], UUID(made["tenant"]["id"]))


SECONDS = 30.0
"""The deadline of a call in tests that are not about it."""


@pytest.fixture(params=["in process", "over gRPC", "under certificates"])
async def pair(
    request: pytest.FixtureRequest, business: Pair, services: dict[str, Service], rule: list[Rule], tmp_path: Path
) -> AsyncIterator[Pair]:
    """The same tests hold for each wiring."""
    own = Pair(business.nexus, business.crm, business.auth, business.token, business.tenant)
    if request.param == "in process":
        own.crm = own.auth = Node(Settings(call_seconds=SECONDS), business.nexus.cells, services)
        yield own
        return
    async with apart(own, services, tmp_path if request.param == "under certificates" else None, SECONDS):
        yield own


@pytest.fixture
async def two(business: Pair, services: dict[str, Service], rule: list[Rule]) -> AsyncIterator[Pair]:
    """Two processes without certificates."""
    own = Pair(business.nexus, business.crm, business.auth, business.token, business.tenant)
    async with apart(own, services, None, SECONDS):
        yield own
