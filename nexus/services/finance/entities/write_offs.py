"""Write-offs: what is given up of an invoice."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import ClassVar, Literal
from uuid import UUID

from nexus.core import CheckConstraint, Entity, Mapped, UniqueConstraint, f
from nexus.services.finance.payment_terms import AllocationStatus


class WriteOff(Entity):
    """What of an invoice or a bill is given up, with its entry in the books. It holds until it is undone."""

    __table_args__ = (UniqueConstraint("entry_id"), CheckConstraint("amount > 0", name="amount_more_than_zero"))
    removal: ClassVar[Literal["archive", "delete"] | None] = None
    creatable: ClassVar[bool] = False
    editable: ClassVar[bool] = False

    company_id: Mapped[UUID] = f.ref("finance.company", index=False, read_only=True)
    invoice_id: Mapped[UUID] = f.ref("finance.invoice", read_only=True)
    status: Mapped[AllocationStatus] = f.state(default=AllocationStatus.MADE, index=False)
    date: Mapped[dt.date] = f.date(read_only=True)
    amount: Mapped[Decimal] = f.money(currency="currency", ge=Decimal(0), read_only=True)
    currency: Mapped[str] = f.currency(read_only=True)
    reason: Mapped[str] = f.text(200, read_only=True, free=True)
    entry_id: Mapped[UUID] = f.ref("finance.journal_entry", index=False, read_only=True, help="Its entry in the books.")
