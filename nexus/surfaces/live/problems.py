"""Why a subscription does not begin, and why one ends."""

from __future__ import annotations

from nexus.core.problem import Problem, Unavailable

__all__ = ["Gap", "GoingAway", "Relocated", "TooSlow"]


class TooSlow(Problem, status=408):
    """More than {limit} waited to be taken: events come faster than this connection takes them. Go on after the last one taken."""

    limit: str


class Gap(Problem, status=410):
    """What came after {after} is not all kept here any more: read the records again, then follow from now on."""

    after: str


class GoingAway(Unavailable):
    """The server stops: connect again and go on after the last event taken."""

    what: str = "This server"


class Relocated(Unavailable):
    """The business has moved to another database: connect again, and go on after the position that `after` says."""

    what: str = "The database"
    after: str | None = None
