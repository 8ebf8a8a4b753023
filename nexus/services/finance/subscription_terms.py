"""The words of subscriptions that entities and contracts share."""

from __future__ import annotations

import enum


class Cadence(enum.StrEnum):
    """In what a subscription counts."""

    WEEKS = "weeks"
    MONTHS = "months"
    QUARTERS = "quarters"
    YEARS = "years"


class SubscriptionStatus(enum.StrEnum):
    """Whether more invoices follow."""

    ACTIVE = "active"
    ENDED = "ended"
