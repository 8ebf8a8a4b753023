"""The words of payments that entities and contracts share."""

from __future__ import annotations

import enum
from decimal import Decimal
from uuid import UUID

from nexus.core import Value
from nexus.services.finance.terms import LedgerRole, PartyType


class PaymentDirection(enum.StrEnum):
    """Whether money came in or went out."""

    RECEIVED = "received"
    MADE = "made"

    @property
    def usual(self) -> PartyType:
        """Whom it is exchanged with unless it is a refund."""
        return PartyType.CUSTOMER if self is PaymentDirection.RECEIVED else PartyType.SUPPLIER


class PaymentMethod(enum.StrEnum):
    """How money changed hands."""

    BANK_TRANSFER = "bank_transfer"
    CASH = "cash"
    CARD = "card"
    CHEQUE = "cheque"
    DIRECT_DEBIT = "direct_debit"
    MOBILE_MONEY = "mobile_money"
    OTHER = "other"


class PaymentStatus(enum.StrEnum):
    """Whether a payment holds."""

    POSTED = "posted"
    BOUNCED = "bounced"


class AllocationStatus(enum.StrEnum):
    """Whether an allocation holds."""

    MADE = "made"
    UNDONE = "undone"


class PaymentShare(Value, frozen=True, kw_only=True):
    """How much of a payment goes to an invoice, a bill or a note."""

    invoice_id: UUID
    amount: Decimal | None = None
    """In the payment's currency; empty: all that both have left."""


OWED = {PartyType.CUSTOMER: LedgerRole.RECEIVABLE, PartyType.SUPPLIER: LedgerRole.PAYABLE}
"""Which account keeps what a party owes, or is owed."""
