"""How a payment or a note is shared out: which lines settle each other, and for how much."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Self
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
_UNBOOKED = (InvoiceStatus.DRAFT, InvoiceStatus.CANCELLED)


@dataclass(frozen=True)
class Source:
    """What is shared out: a payment or a note, with the lines that it settles others by."""

    name: str
    company_id: UUID
    party_type: PartyType
    party_id: UUID
    currency: str
    lines: Sequence[Left]

    @classmethod
    def of(cls, one: Payment | Invoice, lines: Sequence[JournalLine]) -> Self:
        """With the lines of its entry, as they are now."""
        name, party_type = ("payment", one.party_type) if isinstance(one, Payment) else ("note", _party_type(one))
        return cls(name, one.company_id, party_type, one.party_id, one.currency, [Left.of(line) for line in lines])

    @property
    def left(self) -> Decimal:
        """What is left of it, in its currency."""
        return sum((line.amount for line in self.lines), Decimal(0))


def _party_type(invoice: Invoice) -> PartyType:
    return PartyType.CUSTOMER if invoice.kind.sale else PartyType.SUPPLIER


def shared(
    source: Source, shares: Sequence[PaymentShare], invoices: Mapping[UUID, Invoice], lines: Sequence[JournalLine]
) -> list[Allocation]:
    """The allocations that some shares of a payment or a note come to; `lines` are those of the invoices' parties.

    Invalid (422) and AllocationRefused (422) name the share.
    """
    by_entry: dict[UUID, list[JournalLine]] = defaultdict(list)
    for line in sorted(lines, key=lambda line: (line.due_date or dt.date.max, line.position)):
        by_entry[line.entry_id].append(line)
    made: list[Allocation] = []
    for at, share in enumerate(shares):
        invoice = invoices.get(share.invoice_id)
        if invoice is None or any(other.invoice_id == share.invoice_id for other in shares[:at]):
            raise Invalid.of(FieldError(f"allocations[{at}].invoice_id", "is no invoice" if invoice is None else "is named before"))
        opposite = by_entry[invoice.entry_id] if invoice.entry_id else []
        _fits(at, source, invoice, opposite)
        taken = _taken(at, share, sum((abs(line.residual or Decimal(0)) for line in opposite), Decimal(0)), source)
        made += _over(source, opposite, taken)
    return made


def _fits(at: int, source: Source, invoice: Invoice, lines: Sequence[JournalLine]) -> None:
    rules: list[tuple[bool, type[AllocationRefused], str]] = [
        (invoice.status in _UNBOOKED, NotPosted, f"is {invoice.status}"),
        (invoice.company_id != source.company_id, OtherCompany, f"is of another company than the {source.name}"),
        (
            (_party_type(invoice), invoice.party_id) != (source.party_type, source.party_id),
            OtherParty,
            f"is another party's than the {source.name}",
        ),
        (invoice.currency != source.currency, OtherCurrency, f"is in {invoice.currency}, the {source.name} in {source.currency}"),
        (
            any(line.amount * own.line.amount > 0 for line in lines for own in source.lines),
            SameSide,
            f"is owed the way that the {source.name} went, so it cannot be settled by it",
        ),
        (invoice.status not in _OPEN or not lines, AlreadyPaid, f"is {invoice.status}, nothing of it is open"),
    ]
    for broken, problem, message in rules:
        if broken:
            raise problem.of(at, "invoice_id", message)


def _taken(at: int, share: PaymentShare, residual: Decimal, source: Source) -> Decimal:
    """How much of its source a share takes: what it says, or all that both sides have left."""
    left, currency = source.left, source.currency
    if not left:
        raise OverAllocation.of(at, "amount", f"finds nothing left of the {source.name}")
    if share.amount is None:
        return min(residual, left)
    taken = amount(share.amount, currency, f"allocations[{at}].amount")
    if taken <= 0:
        raise Invalid.of(FieldError(f"allocations[{at}].amount", "is more than 0"))
    if taken > residual:
        raise OverAllocation.of(at, "amount", f"is more than the {residual} {currency} that are open")
    if taken > left:
        raise OverAllocation.of(at, "amount", f"is more than the {left} {currency} that are left of the {source.name}")
    return taken


def _over(source: Source, lines: Sequence[JournalLine], amount: Decimal) -> list[Allocation]:
    """An amount over the instalments of an invoice, the earliest due first."""
    made: list[Allocation] = []
    for other in (Left.of(line) for line in lines):
        for own in source.lines:
            part = min(amount, own.amount, other.amount)
            if part:
                made.append(_one(source.company_id, own, other, part))
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
