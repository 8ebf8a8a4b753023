"""Certificates between processes: an authority of the installation's own, and nobody without one of its certificates."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ssl
import stat
from pathlib import Path
from uuid import uuid4

import grpc
import httpx
import psycopg
import pytest
from cryptography import x509

from nexus.config import Settings
from nexus.core.problem import ServiceUnavailable
from nexus.core.service import Service
from nexus.gateway.routes import Look
from nexus.gateway.upstream import Upstream
from nexus.process import configuration
from nexus.runtime.app import App, Raw
from nexus.runtime.authority import LIFE, Authority
from nexus.runtime.call_wire import METHOD, OverGrpc
from nexus.runtime.identity import BadIdentity, Identity
from nexus.runtime.statements import Signer
from nexus.surfaces.rest.message import Response
from tests.calls.conftest import Pair, Rule, apart
from tests.gateway.conftest import QuietServer


def identity(authority: Authority, folder: Path, name: str = "crm", life: dt.timedelta = LIFE) -> Identity:
    authority.issue(name, "127.0.0.1", folder, life=life)
    return Identity(folder)


async def test_a_peer_without_a_certificate_of_the_authority_is_refused(
    business: Pair, services: dict[str, Service], rule: list[Rule], tmp_path: Path
) -> None:
    own = Pair(business.nexus, business.crm, business.auth, business.token, business.tenant)
    other = identity(Authority(tmp_path / "other authority"), tmp_path / "other")
    async with apart(own, services, tmp_path, 30.0):
        address, signer = f"127.0.0.1:{own.port}", Signer(own.nexus.cells, "crm")
        await own.probe("somebody-known@example.com")
        for stranger in (OverGrpc({"auth": address}, signer), OverGrpc({"auth": address}, signer, other)):
            own.crm.calls.elsewhere = stranger
            with pytest.raises(ServiceUnavailable, match="The service auth does not answer"):
                await own.probe("somebody-else@example.com")
            await stranger.close()
        bare = grpc.ssl_channel_credentials((tmp_path / "authority" / "ca.pem").read_bytes())
        async with grpc.aio.secure_channel(address, bare) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await channel.unary_unary(METHOD)(b"{}", timeout=30)
        assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
    assert await own.users("somebody-else@example.com") == 0


async def test_calls_go_on_while_certificates_are_renewed(
    business: Pair, services: dict[str, Service], rule: list[Rule], tmp_path: Path
) -> None:
    own = Pair(business.nexus, business.crm, business.auth, business.token, business.tenant)
    emails = [f"{uuid4().hex}@example.com" for _ in range(3)]
    async with apart(own, services, tmp_path, 60.0), asyncio.timeout(120):
        await own.probe(emails[0])
        before = await shown_to_calls(own)
        async with await psycopg.AsyncConnection.connect(own.nexus.cells.control.owner_url) as blocker:
            await blocker.execute(f"LOCK TABLE {own.schema}.auth_user IN ACCESS EXCLUSIVE MODE".encode())
            under_way = asyncio.create_task(own.probe(emails[1]))
            while not await own.waiting():
                await asyncio.sleep(0.02)

            for name, mine in own.identities.items():
                assert own.authority is not None
                own.authority.issue(name, "127.0.0.1", tmp_path / name)
                assert mine.look()

            await blocker.rollback()
        await under_way
        await own.probe(emails[2])

        assert await shown_to_calls(own) != before
    assert [await own.users(email) for email in emails] == [1, 1, 1]


async def shown_to_calls(pair: Pair) -> int:
    """The serial number of the certificate under which calls are taken now."""
    folder = pair.folder / "crm"
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    context.load_cert_chain(folder / "pair.pem")
    context.set_alpn_protocols(["h2"])
    _, writer = await asyncio.open_connection("127.0.0.1", pair.port, ssl=context)
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return x509.load_der_x509_certificate(der).serial_number


async def test_http_takes_nobody_without_one_and_a_renewed_one_without_a_restart(tmp_path: Path) -> None:
    async def page(raw: Raw) -> Response:
        return Response(200, b"ok")

    authority = Authority(tmp_path / "authority")
    mine = identity(authority, tmp_path / "crm", life=dt.timedelta(hours=1))
    theirs = identity(authority, tmp_path / "gateway", "gateway")
    stranger = identity(Authority(tmp_path / "other authority"), tmp_path / "other")
    config = configuration(Settings(), App(None, None, [("/healthz", page)], body_limit=1024), mine)
    config.port = 0
    server = QuietServer(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.005)
    url = f"https://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        assert (await Upstream("crm", url, patience=30, tls=theirs.client).look(Look("/healthz"))).status == 200
        before = await shown(url, theirs)
        for context in (stranger.client, bare(tmp_path / "authority" / "ca.pem")):
            with pytest.raises((httpx.TransportError, OSError)):
                async with httpx.AsyncClient(verify=context) as client:
                    await client.get(f"{url}/healthz")

        authority.issue("crm", "127.0.0.1", tmp_path / "crm")
        assert mine.look()
        assert not mine.look(), "once"

        assert await shown(url, theirs) != before
    finally:
        server.should_exit = True
        await serving


async def shown(url: str, who: Identity) -> int:
    """The serial number of the certificate that the server shows."""
    async with httpx.AsyncClient(verify=who.client) as client:
        answer = await client.get(f"{url}/healthz")
    stream = answer.extensions["network_stream"]
    der = stream.get_extra_info("ssl_object").getpeercert(binary_form=True)
    return x509.load_der_x509_certificate(der).serial_number


def bare(authority: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(authority))


def test_keys_are_for_their_owner_alone_and_certificates_for_a_day(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    authority.issue("crm", "127.0.0.1", tmp_path / "crm")

    for file in (tmp_path / "authority" / "ca.key", tmp_path / "crm" / "pair.pem"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "authority").stat().st_mode) == 0o700
    certificate = x509.load_pem_x509_certificate((tmp_path / "crm" / "pair.pem").read_bytes())
    assert certificate.not_valid_after_utc - dt.datetime.now(dt.UTC) <= LIFE
    certificate.verify_directly_issued_by(authority.certificate)


def test_the_authority_stays_the_same_one(tmp_path: Path) -> None:
    first = Authority(tmp_path)

    assert Authority(tmp_path).certificate == first.certificate
    assert sorted(one.name for one in tmp_path.iterdir()) == ["ca.key", "ca.pem"]


def test_a_folder_without_a_certificate_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadIdentity, match="does not hold"):
        Identity(tmp_path)
