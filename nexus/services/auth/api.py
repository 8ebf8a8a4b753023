"""What other services and callers may ask of access, and what it tells."""

from __future__ import annotations

from typing import Annotated, ClassVar
from uuid import UUID

from msgspec import Meta, Struct, field

from nexus.core import Command, EmailAsSent, Event, Instant, Line, PhoneText

RoleName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$", examples=["crm.rep"])]
"""A role that a service declares."""
Scope = Annotated[
    str, Meta(pattern=r"^(\*|[a-z][a-z0-9_]*(\.([a-z][a-z0-9_]*|\*))?:([a-z][a-z0-9_]*|\*)|\*:[a-z][a-z0-9_]*)$", examples=["crm.*:read"])
]
"""A pattern of permissions: `*`, `crm.*:read`, `crm.lead:convert`."""


class NewApiKey(Struct, frozen=True, kw_only=True):
    """A key with a new secret. `token` is shown this once: only its hash is kept, so a repeated request shows none."""

    once: ClassVar[frozenset[str]] = frozenset({"token"})
    """Fields that are never stored with the answer."""

    id: UUID
    name: str
    token: str | None
    scopes: list[str]
    expires_at: Instant | None


class UserInvited(Event, frozen=True, kw_only=True):
    """Somebody has been asked to join this business."""

    topic = "auth.user.invited"
    user_id: UUID
    roles: list[str]


class UserActivated(Event, frozen=True, kw_only=True):
    """A user may act from now on."""

    topic = "auth.user.activated"
    user_id: UUID


class UserSuspended(Event, frozen=True, kw_only=True):
    """A user may not act until reactivated; all their keys stand still."""

    topic = "auth.user.suspended"
    user_id: UUID
    reason: str


class UserReactivated(Event, frozen=True, kw_only=True):
    """A suspended user may act again."""

    topic = "auth.user.reactivated"
    user_id: UUID


class UserDeactivated(Event, frozen=True, kw_only=True):
    """A user has left for good."""

    topic = "auth.user.deactivated"
    user_id: UUID


class AccessAssigned(Event, frozen=True, kw_only=True):
    """What a user may do, or which teams and territories they belong to, has changed."""

    topic = "auth.user.access_assigned"
    user_id: UUID
    roles: list[str]
    team_ids: list[UUID]
    territory_ids: list[UUID]


class ApiKeyCreated(Event, frozen=True, kw_only=True):
    """A key has been made; its secret is told to nobody but the one who asked."""

    topic = "auth.api_key.created"
    api_key_id: UUID
    user_id: UUID
    name: str
    scopes: list[str]


class ApiKeyRenewed(Event, frozen=True, kw_only=True):
    """A key has a new secret; the old one stopped working."""

    topic = "auth.api_key.renewed"
    api_key_id: UUID
    user_id: UUID


class ApiKeyRevoked(Event, frozen=True, kw_only=True):
    """A key stopped working."""

    topic = "auth.api_key.revoked"
    api_key_id: UUID
    user_id: UUID


class InviteUser(Command[UserInvited], frozen=True, kw_only=True):
    """Ask somebody to join, with the roles they will have."""

    name: Line
    email: EmailAsSent
    phone: PhoneText | None = None
    roles: list[RoleName]
    team_ids: list[UUID] = field(default_factory=list[UUID])
    territory_ids: list[UUID] = field(default_factory=list[UUID])


class ActivateUser(Command[UserActivated], frozen=True, kw_only=True):
    """Let an invited user act."""

    user_id: UUID


class AssignRoles(Command[AccessAssigned], frozen=True, kw_only=True):
    """Set what a user may do, and the teams and territories they belong to; what is not given stays."""

    user_id: UUID
    roles: list[RoleName] | None = None
    team_ids: list[UUID] | None = None
    territory_ids: list[UUID] | None = None


class SuspendUser(Command[UserSuspended], frozen=True, kw_only=True):
    """Stop a user from acting, for a reason, until reactivated."""

    user_id: UUID
    reason: Line


class ReactivateUser(Command[UserReactivated], frozen=True, kw_only=True):
    """Let a suspended user act again."""

    user_id: UUID


class DeactivateUser(Command[UserDeactivated], frozen=True, kw_only=True):
    """Take leave of a user for good; their records and their name in history stay."""

    user_id: UUID


class CreateApiKey(Command[NewApiKey], frozen=True, kw_only=True):
    """Make a key for oneself, or as an owner for somebody else; the answer shows it this once."""

    name: Line
    user_id: UUID | None = None
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=100)] = field(default_factory=lambda: ["*"])
    expires_at: Instant | None = None


class RenewApiKey(Command[NewApiKey], frozen=True, kw_only=True):
    """Give a key a new secret; the old one stops working at once. The answer shows it this once."""

    final = True
    api_key_id: UUID


class RevokeApiKey(Command[ApiKeyRevoked], frozen=True, kw_only=True):
    """Stop a key from working, at once and for good."""

    final = True
    api_key_id: UUID
