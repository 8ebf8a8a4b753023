"""The messages of `/ws`, both ways: what the socket reads and writes, and what its documents say."""

from __future__ import annotations

from typing import Annotated, Any, Final
from uuid import UUID

import msgspec

__all__ = ["ASKED", "TOLD", "Ack", "Auth", "Ended", "Heartbeat", "Mistake", "Ping", "Pong", "Ready", "Subscribe", "Subscribed", "Told"]
__all__ += ["Unsubscribe", "Unsubscribed", "asked"]

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class _Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    pass


class Auth(_Asked, frozen=True, tag="auth"):
    """Who I am; the first message where the handshake did not say so."""

    token: Annotated[str, msgspec.Meta(max_length=200)]


class Subscribe(_Asked, frozen=True, tag="subscribe"):
    """Tell me of these topics under this name, from now on or after a position."""

    id: Name
    topics: Annotated[list[str], msgspec.Meta(min_length=1, max_length=50)]
    """Patterns of the log, within my own business: `nexus.crm.*.deal.>`."""
    after: str | None = None
    """The position of an event, a heartbeat or a subscription."""
    window: Annotated[int, msgspec.Meta(ge=1, le=1_000)] | None = None
    """Send at most so many events that I have not acknowledged; without it, as fast as I read."""


class Unsubscribe(_Asked, frozen=True, tag="unsubscribe"):
    """No more of this."""

    id: Name


class Ack(_Asked, frozen=True, tag="ack"):
    """I have handled everything up to this position."""

    id: Name
    position: Annotated[str, msgspec.Meta(max_length=100)]


class Ping(_Asked, frozen=True, tag="ping"):
    """Are you there?"""

    id: Annotated[str, msgspec.Meta(max_length=64)] | None = None


class _Told(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    pass


class Ready(_Told, frozen=True, tag="ready"):
    """You are known: subscribe."""

    tenant: UUID
    heartbeat: float
    """Seconds after which a heartbeat comes where nothing else did."""


class Subscribed(_Told, frozen=True, tag="subscribed"):
    """You will be told, of everything after this position."""

    id: str
    topics: list[str]
    position: str


class Unsubscribed(_Told, frozen=True, tag="unsubscribed"):
    """You will be told no more; everything up to this position has been."""

    id: str
    position: str


class Told(_Told, frozen=True, tag="event"):
    """Something happened."""

    id: str
    """The name of the subscription."""
    position: str
    """Where to go on after it."""
    event: Any
    """CloudEvents 1.0; its schema is that of its topic."""


class Heartbeat(_Told, frozen=True, tag="heartbeat"):
    """Nothing happened; everything up to this position has been told."""

    id: str
    position: str


class Pong(_Told, frozen=True, tag="pong"):
    """I am here."""

    id: str | None = None


class Ended(_Told, frozen=True, tag="ended"):
    """This subscription has ended: not everything that it asked for is kept."""

    id: str
    problem: dict[str, Any]


class Mistake(_Told, frozen=True, tag="error"):
    """A message could not be taken; nothing has changed."""

    id: str | None
    """That of the message, where it had one."""
    problem: dict[str, Any]
    """RFC 9457; `errors` names the fields."""


ASKED: Final[tuple[type[msgspec.Struct], ...]] = (Auth, Subscribe, Unsubscribe, Ack, Ping)
TOLD: Final[tuple[type[msgspec.Struct], ...]] = (Ready, Subscribed, Unsubscribed, Told, Heartbeat, Pong, Ended, Mistake)
asked: Final[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(Auth | Subscribe | Unsubscribe | Ack | Ping)
