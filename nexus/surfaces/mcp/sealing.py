"""Sealing: what a client keeps for us and brings back: a session's beginning, a confirmation. Every process of an installation can read it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from typing import Any, Final, TypeVar

import msgspec

from nexus.surfaces.calling import Caller

S = TypeVar("S", bound=msgspec.Struct)

LONGEST: Final = 8_000


class _Sealed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    kind: str
    whose: str
    until: float | None = None
    said: msgspec.Raw


class Seal:
    """Signs with a secret that the processes of an installation share and nobody else knows."""

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, b"nexus tools for agents 1", "sha256")
        self._decoder = msgspec.json.Decoder(_Sealed)

    def close(self, kind: str, caller: Caller, said: msgspec.Struct, seconds: float | None = None) -> str:
        """A text that only this caller can bring back, for so many seconds."""
        until = None if seconds is None else time.time() + seconds
        body = msgspec.json.encode(_Sealed(kind=kind, whose=_whose(caller), until=until, said=msgspec.Raw(msgspec.json.encode(said))))
        return _text(body + self._sign(body))

    def open(self, kind: str, caller: Caller, text: str, into: type[S]) -> S | None:
        """What was sealed; None where it is none of ours, another caller's, of another kind, or too old."""
        raw = _bytes(text)
        if raw is None or not hmac.compare_digest(self._sign(raw[:-32]), raw[-32:]):
            return None
        try:
            found = self._decoder.decode(raw[:-32])
            if found.kind != kind or found.whose != _whose(caller) or (found.until is not None and found.until < time.time()):
                return None
            return msgspec.json.decode(found.said, type=into)
        except msgspec.MsgspecError:  # sealed by another version of this code
            return None

    def _sign(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, "sha256")


def _whose(caller: Caller) -> str:
    return f"{caller.tenant.id}/{caller.key_id or caller.actor.id}"


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes | None:
    if not text.isascii() or len(text) > LONGEST:
        return None
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None


def digest(value: Any) -> str:
    """The same for the same JSON, whatever the order of its members."""
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()
