"""What access keeps: users, teams and API keys."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from nexus.core import Entity, Mapped, f, time_zone
from nexus.services.auth.terms import UserStatus


class Team(Entity):
    """People who share their work: what one of them owns, the others may see."""

    name: Mapped[str] = f.text(120, search=True)
    key: Mapped[str] = f.text(
        60, unique=True, pattern=r"^[a-z0-9][a-z0-9_-]*$", example="sales", help="A short name for imports and rules."
    )


class User(Entity):
    """A person who works in this business."""

    removal = None
    creatable = False

    name: Mapped[str] = f.text(120, search=True, pii="name")
    email: Mapped[str] = f.email(unique=True, search=True)
    phone: Mapped[str | None] = f.phone(default=None)
    status: Mapped[UserStatus] = f.state(default=UserStatus.INVITED)
    roles: Mapped[list[str]] = f.json(list[str], default_factory=list, read_only=True, help="Names of roles; AssignRoles changes them.")
    team_ids: Mapped[list[UUID]] = f.json(list[UUID], default_factory=list, read_only=True, help="The teams the person is in.")
    territory_ids: Mapped[list[UUID]] = f.json(
        list[UUID], default_factory=list, read_only=True, help="The territories the person covers, with all below them."
    )
    language: Mapped[str | None] = f.text(35, default=None, example="en-NG", help="BCP 47; the business's own where empty.")
    time_zone: Mapped[str | None] = f.text(
        60, default=None, check=time_zone, example="Africa/Lagos", help="IANA; the business's own where empty."
    )


class ApiKey(Entity):
    """A credential for programs: it acts as its user, within its scopes."""

    removal = None
    creatable = False
    editable = False

    name: Mapped[str] = f.text(120, search=True)
    user_id: Mapped[UUID] = f.ref("auth.user")
    prefix: Mapped[str] = f.text(16, help="The first characters of the secret, to tell keys apart.")
    secret_hash: Mapped[str] = f.text(64, sensitive=True, read_only=True, help="SHA-256 of the secret; never shown.")
    scopes: Mapped[list[str]] = f.json(
        list[str], default_factory=list, help='Patterns of permissions; ["*"] is all its user may.', example=["crm.*:read"]
    )
    expires_at: Mapped[dt.datetime | None] = f.instant(default=None)
    revoked_at: Mapped[dt.datetime | None] = f.instant(default=None)
    last_used_at: Mapped[dt.datetime | None] = f.instant(default=None, help="To the minute.")
