"""The roles that every business has; other services add their own."""

from __future__ import annotations

from collections.abc import Mapping

from nexus.core import Entity, role
from nexus.services.auth.entities import ApiKey

_SECRETS: Mapping[type[Entity], frozenset[str]] = {ApiKey: frozenset({"secret_hash"})}

owner = role("auth.owner", "Owner", "*", hides=_SECRETS)
administrator = role("auth.administrator", "Administrator", "auth.*:*", hides=_SECRETS)
member = role("auth.member", "Member", "auth.user:read", "auth.team:read")
