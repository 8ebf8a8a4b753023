"""How a payment is shared out: which lines settle each other, and for how much."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from uuid import UUID

from nexus.core import FieldError, Invalid, amount
from nexus.services.finance.entities import Allocation, Invoice, JournalLine, Payment
from nexus.services.finance.invoice_terms import InvoiceStatus
from nexus.services.finance.payment_terms import PaymentShare
from nexus.services.finance.rules.differences import Left, taken_from
from nexus.services.finance.rules.refusals import (
    AllocationRefused,
    AlreadyPaid,
    NotPosted,
    OtherCompany,
    OtherCurrency,
    OtherParty,
    OverAllocation,
    SameSide,
)
from nexus.services.finance.terms import PartyType

_OPEN = (InvoiceStatus.POSTED, InvoiceStatus.PARTLY_PAID)
_BOOKED = (*_OPEN, InvoiceStatus.PAID)


def shared(
    payment: Payment,
    own: JournalLine,
    shares: Sequence[PaymentShare],
    invoices: Mapping[UUID, Invoice],
    lines: Sequence[JournalLine],
) -> list[Allocation]:
    """The allocations that some shares of a payment come to; `own` is the payment's line, `lines` are those of the invoices' parties.

    Invalid (422) and AllocationRefused (422) name the share.
    """
    by_entry: dict[UUID, list[JournalLine]] = defaultdict(list)
    for line in sorted(lines, key=lambda line: (line.due_date or dt.date.max, line.position)):
        by_entry[line.entry_id].append(line)
    left = Left.of(own)
    made: list[Allocation] = []
    for at, share in enumerate(shares):
        invoice = invoices.get(share.invoice_id)
        if invoice is None or any(other.invoice_id == share.invoice_id for other in shares[:at]):
            raise Invalid.of(FieldError(f"allocations[{at}].invoice_id", "is no invoice" if invoice is None else "is named before"))
        opposite = by_entry[invoice.entry_id] if invoice.entry_id else []
        _fits(at, payment, own, invoice, opposite)
        taken = _taken(at, share, sum((abs(line.residual or Decimal(0)) for line in opposite), Decimal(0)), left.amount, payment.currency)
        made += _over(payment.company_id, left, opposite, taken)
    return made


def _fits(at: int, payment: Payment, own: JournalLine, invoice: Invoice, lines: Sequence[JournalLine]) -> None:
    party_type = PartyType.CUSTOMER if invoice.kind.sale else PartyType.SUPPLIER
    rules: list[tuple[bool, type[AllocationRefused], str]] = [
        (invoice.status not in _BOOKED, NotPosted, f"is {invoice.status}"),
        (invoice.company_id != payment.company_id, OtherCompany, "is of another company than the payment"),
        ((party_type, invoice.party_id) != (payment.party_type, payment.party_id), OtherParty, "is another party's than the payment"),
        (invoice.currency != payment.currency, OtherCurrency, f"is in {invoice.currency}, the payment in {payment.currency}"),
        (
            any(line.amount * own.amount > 0 for line in lines),
            SameSide,
            "is owed the way that the payment went, so it cannot be paid by it",
        ),
        (invoice.status not in _OPEN or not lines, AlreadyPaid, "is paid, nothing of it is open"),
    ]
    for broken, problem, message in rules:
        if broken:
            raise problem.of(at, "invoice_id", message)


def _taken(at: int, share: PaymentShare, residual: Decimal, left: Decimal, currency: str) -> Decimal:
    """How much of the payment a share takes: what it says, or all that both sides have left."""
    if not left:
        raise OverAllocation.of(at, "amount", "finds nothing left of the payment")
    if share.amount is None:
        return min(residual, left)
    taken = amount(share.amount, currency, f"allocations[{at}].amount")
    if taken <= 0:
        raise Invalid.of(FieldError(f"allocations[{at}].amount", "is more than 0"))
    if taken > residual:
        raise OverAllocation.of(at, "amount", f"is more than the {residual} {currency} that are open")
    if taken > left:
        raise OverAllocation.of(at, "amount", f"is more than the {left} {currency} that are left of the payment")
    return taken


def _over(company: UUID, own: Left, lines: Sequence[JournalLine], amount: Decimal) -> list[Allocation]:
    """An amount over the instalments of an invoice, the earliest due first."""
    made: list[Allocation] = []
    for line in lines:
        part = min(amount, abs(line.residual or Decimal(0)))
        if part:
            made.append(_one(company, own, Left.of(line), part))
        amount -= part
    return made


def _one(company: UUID, own: Left, other: Left, amount: Decimal) -> Allocation:
    debit, credit = (other, own) if other.line.amount > 0 else (own, other)
    debit_base, credit_base = taken_from(debit, credit, amount)
    return Allocation(
        company_id=company,
        debit_line_id=debit.line.id,
        credit_line_id=credit.line.id,
        amount=amount,
        currency=own.line.currency,
        debit_base=debit_base,
        credit_base=credit_base,
        base_currency=own.line.base_currency,
    )
