"""The words of billing, as sales sees it."""

from __future__ import annotations

import enum


class Billing(enum.StrEnum):
    """How far a deal has been billed and paid."""

    NONE = "none"
    DRAFTED = "drafted"
    INVOICED = "invoiced"
    PARTLY_PAID = "partly_paid"
    PAID = "paid"
    WRITTEN_OFF = "written_off"
