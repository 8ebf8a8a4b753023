"""Who a process is to the others: a certificate of the authority that all of them trust, taken up anew when it has been renewed."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from nexus.engines.endings import end

LOOK: Final = 5.0
"""Seconds between looks at whether the certificate has been renewed."""
_log = logging.getLogger("nexus.identity")


class BadIdentity(Exception):
    """The folder that should hold a certificate, its key and the authority's certificate does not."""


class Identity:
    """The certificate in a folder: `pair.pem` (key and certificate in one file, so that they always fit) and `ca.pem`.

    Both contexts ask the other side for a certificate of that authority, and take nothing older than TLS 1.3.
    """

    def __init__(self, folder: Path) -> None:
        """Raises BadIdentity."""
        self._pair, self._authority = folder / "pair.pem", folder / "ca.pem"
        self.server: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.client: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.renewals = 0
        self._told: list[Callable[[], None]] = []
        for context in (self.server, self.client):
            context.minimum_version = ssl.TLSVersion.TLSv1_3
            context.verify_mode = ssl.CERT_REQUIRED
        self.server.num_tickets = 0  # a resumed session would not show a certificate again
        try:
            for context in (self.server, self.client):
                context.load_verify_locations(self._authority)
            self._since = self._load()
        except (OSError, ssl.SSLError) as error:
            raise BadIdentity(f"{folder} does not hold pair.pem and ca.pem that can be used: {error}") from None

    def pair(self) -> tuple[bytes, bytes]:
        """The key and the certificate, as PEM."""
        both = self._pair.read_bytes()
        at = both.index(b"-----BEGIN CERTIFICATE")
        return both[:at], both[at:]

    def authority(self) -> bytes:
        """The authority's certificate, as PEM."""
        return self._authority.read_bytes()

    def files(self) -> dict[str, str]:
        """Where both are, for a process of others that reads them itself."""
        return {"pair": str(self._pair.absolute()), "authority": str(self._authority.absolute())}

    def on_renewal(self, tell: Callable[[], None]) -> None:
        """Tell somebody whenever the certificate has been renewed."""
        self._told.append(tell)

    async def keep(self) -> None:
        """Take up what has been renewed, for ever; connections that stand go on."""
        while True:
            await asyncio.sleep(LOOK)
            self.look()

    def look(self) -> bool:
        """Take up the certificate if it has been renewed: whether it was."""
        try:
            if self._stamp() == self._since:
                return False
            self._since = self._load()
        except (OSError, ssl.SSLError) as error:
            _log.warning("the renewed certificate cannot be used: %s", error)
            return False
        self.renewals += 1
        for tell in self._told:
            tell()
        return True

    def _stamp(self) -> tuple[int, int]:
        found = self._pair.stat()
        return found.st_mtime_ns, found.st_ino

    def _load(self) -> tuple[int, int]:
        stamp = self._stamp()
        for context in (self.server, self.client):
            context.load_cert_chain(self._pair)
        return stamp


@asynccontextmanager
async def identity_of(folder: str) -> AsyncGenerator[Identity | None]:
    """Who a process is to the others, kept up to date for as long as the context lasts; None without a folder, where they speak without TLS."""
    if not folder:
        yield None
        return
    identity = Identity(Path(folder))
    keeping = asyncio.create_task(identity.keep(), name="identity")
    try:
        yield identity
    finally:
        await end([keeping])
