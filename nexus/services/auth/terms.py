"""The words that entities and contracts of access share."""

from __future__ import annotations

import enum


class UserStatus(enum.StrEnum):
    """Where a person stands: only an active one can act."""

    INVITED = "invited"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    DEACTIVATED = "deactivated"
