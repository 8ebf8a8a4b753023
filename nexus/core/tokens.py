"""Tokens: what a credential looks like, and what is kept of it (its SHA-256, never itself).

    nx_<tenant id>_<key id>_<secret>     an API key; ids as 32 hexadecimal digits, the secret 43 characters of base64url (256 bits)
    nxo_<secret>                         the operator's key

A secret of 256 random bits needs no slow hash: there is nothing to guess.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from uuid import UUID

_TOKEN = re.compile(r"nx_([0-9a-f]{32})_([0-9a-f]{32})_([A-Za-z0-9_-]{43})")
_OPERATOR = re.compile(r"nxo_[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True, repr=False)
class Token:
    """An API key taken apart."""

    tenant: UUID
    key: UUID
    secret: str

    def __str__(self) -> str:
        return f"nx_{self.tenant.hex}_{self.key.hex}_{self.secret}"

    @property
    def hash(self) -> str:
        """What the database keeps: SHA-256 of the secret in hexadecimal."""
        return hashlib.sha256(self.secret.encode()).hexdigest()

    @property
    def prefix(self) -> str:
        """The beginning of the secret, to tell keys apart in a list."""
        return self.secret[:6]


def new_token(tenant: UUID, key: UUID) -> Token:
    """A token with a fresh secret."""
    return Token(tenant, key, secrets.token_urlsafe(32))


def read_token(text: str) -> Token | None:
    """A token from its text, or None where it has not the form of one."""
    found = _TOKEN.fullmatch(text)
    return Token(UUID(found[1]), UUID(found[2]), found[3]) if found else None


def new_operator_key() -> str:
    """A fresh operator key."""
    return f"nxo_{secrets.token_urlsafe(32)}"


def is_operator_key(text: str) -> bool:
    """Whether it has the form of an operator key."""
    return _OPERATOR.fullmatch(text) is not None


def operator_hash(key: str) -> bytes:
    """What the control plane keeps of an operator key."""
    return hashlib.sha256(key.encode()).digest()
