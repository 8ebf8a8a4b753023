"""How an invoice is booked: what it does to the accounts, in its own currency and in that of the books."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from nexus.core import FieldError, Invalid
from nexus.core.money import exactly, settle
from nexus.services.finance.entities import Invoice, TaxRate
from nexus.services.finance.invoice_terms import InvoiceKind, InvoiceTax
from nexus.services.finance.rules.refusals import RoleNotPlayed
from nexus.services.finance.terms import EntryLine, LedgerRole, PartyType

_OWED = {True: (PartyType.CUSTOMER, LedgerRole.RECEIVABLE), False: (PartyType.SUPPLIER, LedgerRole.PAYABLE)}
_TRADED = {True: LedgerRole.SALES, False: LedgerRole.PURCHASES}
_TAXED = {True: LedgerRole.TAX_OUTPUT, False: LedgerRole.TAX_INPUT}
_WITHHELD = {True: LedgerRole.WITHHOLDING_RECEIVABLE, False: LedgerRole.WITHHOLDING_PAYABLE}


class _Amount(NamedTuple):
    """What an account is debited, or credited where it is negative, in the invoice's currency."""

    line: EntryLine
    amount: Decimal


@dataclass(frozen=True)
class Ledger:
    """What booking needs to know: the company's currency, where it posts what, and what the invoice's currency is worth."""

    currency: str
    roles: Mapping[LedgerRole, UUID]
    """The account that plays each role."""
    traded: UUID | None
    """The account of the journal, where lines go that name none."""
    rates: Mapping[str, TaxRate]
    rate: Decimal

    def account(self, role: LedgerRole) -> UUID:
        """The account that plays a role. RoleNotPlayed (422) where none does."""
        if role not in self.roles:
            raise RoleNotPlayed(role=role)
        return self.roles[role]


def booked(invoice: Invoice, ledger: Ledger) -> list[EntryLine]:
    """The lines of an invoice's entry: they balance in its currency, and converted by largest remainder in that of the books.

    Invalid (422) where it comes to nothing, RoleNotPlayed (422) where the company has not said which account it goes to.
    """
    amounts = [one for one in _amounts(invoice, ledger) if one.amount]
    if not amounts:
        raise Invalid.of(FieldError("lines", "come to nothing, so there is nothing to post"))
    # who owes is owed the rounded total, and the rest settles on that: both come to the same, so the entry balances
    owed, rest = [one for one in amounts if one.line.party_id], [one for one in amounts if not one.line.party_id]
    return [*_converted(owed, invoice.currency, ledger), *_converted(rest, invoice.currency, ledger)]


def _converted(amounts: list[_Amount], currency: str, ledger: Ledger) -> list[EntryLine]:
    with exactly():
        based = settle([one.amount * ledger.rate for one in amounts], Decimal(1), ledger.currency)
    foreign = currency != ledger.currency
    return [
        one.line.changed(
            debit=max(value, Decimal(0)),
            credit=max(Decimal(0) - value, Decimal(0)),
            currency=currency if foreign else None,
            amount=one.amount if foreign else None,
            rate=ledger.rate if foreign else None,
        )
        for one, value in zip(amounts, based, strict=True)
        if value
    ]


def _amounts(invoice: Invoice, ledger: Ledger) -> Iterator[_Amount]:
    """Debits are positive: what a customer owes, what was bought, and the notes the other way round."""
    sale = invoice.kind.sale
    sign = 1 if invoice.kind in (InvoiceKind.SALES_INVOICE, InvoiceKind.DEBIT_NOTE) else -1
    party_type, owed = _OWED[sale]
    for part in invoice.schedule:
        line = EntryLine(account_id=ledger.account(owed), party_type=party_type, party_id=invoice.party_id, due_date=part.due_on)
        yield _Amount(line, sign * part.amount)
    for sold, figures in zip(invoice.lines, invoice.figures, strict=True):
        account = sold.account_id or ledger.traded or ledger.account(_TRADED[sale])
        yield _Amount(EntryLine(account_id=account, cost_center_id=sold.cost_center_id, memo=sold.name), -sign * figures.net)
    for tax in invoice.taxes:
        yield from _tax(tax, sale, sign, ledger)


def _tax(tax: InvoiceTax, sale: bool, sign: int, ledger: Ledger) -> Iterator[_Amount]:
    rate = ledger.rates.get(tax.code)
    own = rate.account_id if rate else None
    if not tax.amount or (tax.reverse_charge and sale):  # the buyer books it
        return
    if tax.withholding:
        yield _Amount(EntryLine(account_id=own or ledger.account(_WITHHELD[sale]), memo=tax.name), sign * tax.amount)
        return
    yield _Amount(EntryLine(account_id=own or ledger.account(_TAXED[sale]), memo=tax.name), -sign * tax.amount)
    if tax.reverse_charge:
        owed = rate.reverse_account_id if rate else None
        yield _Amount(EntryLine(account_id=owed or ledger.account(LedgerRole.TAX_OUTPUT), memo=tax.name), sign * tax.amount)
