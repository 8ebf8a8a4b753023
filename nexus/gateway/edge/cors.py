"""CORS: which pages of other origins a browser lets speak to this API."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from nexus.runtime.app import Raw
from nexus.surfaces.rest.message import Header, Response

_EXPOSED: Final[Header] = (
    b"access-control-expose-headers",
    b"etag, location, content-location, retry-after, ratelimit, ratelimit-policy, x-request-id, traceparent, idempotency-replayed,"
    b" preference-applied, content-disposition",
)
_METHODS: Final[Header] = (b"access-control-allow-methods", b"GET, HEAD, POST, PATCH, PUT, DELETE, OPTIONS")
_AGE: Final[Header] = (b"access-control-max-age", b"7200")
_OURS: Final = frozenset({b"access-control-allow-origin", b"access-control-allow-credentials", _EXPOSED[0]})
_LONGEST: Final = 2_000


class Cors:
    """Answers preflights and lets the origins through that are named."""

    def __init__(self, origins: Iterable[str], *, credentials: bool = False) -> None:
        """`*` among the origins lets every one through, and then never with credentials."""
        self._origins = frozenset(one.lower().encode() for one in origins)
        self._any = b"*" in self._origins
        self._credentials = credentials and not self._any

    def preflight(self, raw: Raw) -> Response | None:
        """The answer to a browser that asks whether it may; None for every other request."""
        asked = raw.headers.get(b"access-control-request-method")
        if raw.method != "OPTIONS" or asked is None or b"origin" not in raw.headers:
            return None
        response = Response(204, b"", [(b"vary", b"access-control-request-headers")])
        wanted = raw.headers.get(b"access-control-request-headers", b"")
        if self._lets(raw.headers[b"origin"]) and len(wanted) <= _LONGEST and wanted.isascii():
            response.headers += [_METHODS, _AGE]
            if wanted:
                response.headers.append((b"access-control-allow-headers", wanted))
        return response

    def allow(self, raw: Raw, response: Response) -> None:
        """Say on a response that the page that asked may read it. What differs by origin says so to caches, whoever asked."""
        origin = raw.headers.get(b"origin")
        headers: list[Header] = [] if self._any else [(b"vary", b"origin")]
        if origin is not None and self._lets(origin):
            headers += [(b"access-control-allow-origin", b"*" if self._any else origin), _EXPOSED]
            if self._credentials:
                headers.append((b"access-control-allow-credentials", b"true"))
        said = [one for one in response.headers if one[0] not in _OURS]  # a process behind a gateway says them too
        response.headers = [*said, *headers]

    def _lets(self, origin: bytes) -> bool:
        return self._any or origin in self._origins
