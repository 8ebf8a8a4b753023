"""Payment files: bills that a bank is told to pay."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import ClassVar, Literal
from uuid import UUID

from nexus.core import CheckConstraint, Entity, Index, Mapped, f, sql
from nexus.services.finance.bank_terms import PaymentFileStatus, TransferStatus


class PaymentFile(Entity):
    """A file by which a bank is told to pay bills. It is in the books once the bank has executed it."""

    __table_args__ = (CheckConstraint("total > 0", name="total_more_than_zero"),)
    removal: ClassVar[Literal["archive", "delete"] | None] = None
    creatable: ClassVar[bool] = False
    editable: ClassVar[bool] = False

    bank_account_id: Mapped[UUID] = f.ref("finance.bank_account", read_only=True)
    status: Mapped[PaymentFileStatus] = f.state(default=PaymentFileStatus.MADE)
    message_id: Mapped[str] = f.text(35, read_only=True, unique=True, help="By which the bank knows the file.")
    execute_on: Mapped[dt.date] = f.date(read_only=True)
    transfer_count: Mapped[int] = f.int_(read_only=True)
    total: Mapped[Decimal] = f.money(currency="currency", read_only=True, help="The sum that the file is checked by.")
    currency: Mapped[str] = f.currency(read_only=True)
    content: Mapped[str] = f.long_text(
        1_000_000, read_only=True, sensitive=True, pii="financial", help="pain.001.001.09, as the bank takes it."
    )


class PaymentFileTransfer(Entity):
    """A bill in a payment file. It is in one that is still to be executed at most."""

    __table_args__ = (
        Index("uq_finance_payment_file_transfer_invoice_id", "invoice_id", unique=True, postgresql_where=sql("status = 'ordered'")),
        CheckConstraint("amount > 0", name="amount_more_than_zero"),
    )
    removal: ClassVar[Literal["archive", "delete"] | None] = None
    creatable: ClassVar[bool] = False
    editable: ClassVar[bool] = False

    payment_file_id: Mapped[UUID] = f.ref("finance.payment_file", read_only=True)
    invoice_id: Mapped[UUID] = f.ref("finance.invoice", index=False, read_only=True)
    status: Mapped[TransferStatus] = f.state(default=TransferStatus.ORDERED, index=False)
    amount: Mapped[Decimal] = f.money(currency="currency", read_only=True)
    currency: Mapped[str] = f.currency(read_only=True)
    creditor_name: Mapped[str] = f.text(70, read_only=True, pii="name")
    creditor_iban: Mapped[str] = f.text(34, read_only=True, pii="financial")
    creditor_bic: Mapped[str | None] = f.text(11, default=None, read_only=True)
    end_to_end_id: Mapped[str] = f.text(35, read_only=True, search=True, help="By which the bank's statement names it.")
    payment_id: Mapped[UUID | None] = f.ref("finance.payment", default=None, index=False, read_only=True, help="Once it is executed.")
