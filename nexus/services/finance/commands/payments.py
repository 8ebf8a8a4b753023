"""Recording payments, and taking back those that did not hold."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from nexus.core import FieldError, IllegalMove, Invalid, Tx, amount, handles, uuid7
from nexus.core.money import exactly, quotient
from nexus.services.finance.api import (
    BouncePayment,
    PaymentBounced,
    PaymentMade,
    PaymentReceived,
    PaymentRecorded,
    PostEntry,
    RecordPayment,
    ReverseEntry,
)
from nexus.services.finance.commands.allocations import allocate, held, reverse_differences, undo_all
from nexus.services.finance.commands.years import today
from nexus.services.finance.entities import Account, AccountRole, Company, Journal, Payment
from nexus.services.finance.flows import payment_flow
from nexus.services.finance.payment_terms import OWED, PaymentDirection, PaymentMethod
from nexus.services.finance.rules.companies import company_of
from nexus.services.finance.rules.rates import worth
from nexus.services.finance.rules.refusals import RoleNotPlayed
from nexus.services.finance.terms import EntryLine, JournalType, LedgerRole

_MONEY = (JournalType.BANK, JournalType.CASH)


@dataclass(frozen=True)
class _Paid:
    """What was paid, in its currency and in that of the books."""

    amount: Decimal
    currency: str
    rate: Decimal
    base: str
    value: Decimal


@handles(RecordPayment, needs="finance.payment:record")
async def record_payment(cmd: RecordPayment, tx: Tx) -> PaymentRecorded:
    company, journal = await _books(cmd, tx)
    party_type = cmd.party_type or cmd.direction.usual
    if party_type not in OWED:
        raise Invalid.of(FieldError("party_type", "is customer or supplier"))
    date, id = cmd.date or today(tx), uuid7()
    paid = await _paid(cmd, company.base_currency, date, tx)
    party = EntryLine(account_id=await _owed(company, OWED[party_type], tx), party_type=party_type, party_id=cmd.party_id)
    entry = PostEntry(
        journal_id=journal.id,
        date=date,
        lines=_booked(paid, cmd.direction, EntryLine(account_id=await _held(journal, paid, tx)), party),
        reference=cmd.reference,
        source_entity="finance.payment",
        source_id=id,
    )
    invoices = await held(cmd.allocations, tx)
    posted = await tx.call(entry)
    payment = Payment(
        company_id=company.id,
        direction=cmd.direction,
        method=cmd.method,
        number=posted.number,
        date=date,
        party_type=party_type,
        party_id=cmd.party_id,
        amount=paid.amount,
        currency=paid.currency,
        rate=paid.rate,
        journal_id=journal.id,
        reference=cmd.reference,
        entry_id=posted.journal_entry_id,
    )
    payment.id = id  # its entry was there before it, and names it
    tx.emit(_told(tx.add(payment)))
    left = (await allocate(payment, cmd.allocations, invoices, tx)).unallocated if cmd.allocations else payment.amount
    return PaymentRecorded(payment_id=payment.id, number=posted.number, journal_entry_id=posted.journal_entry_id, unallocated=left)


async def _paid(cmd: RecordPayment, base: str, date: dt.date, tx: Tx) -> _Paid:
    currency = cmd.currency or base
    paid = amount(cmd.amount, currency, "amount")
    if paid <= 0:
        raise Invalid.of(FieldError("amount", "is more than 0"))
    rate = await worth(currency, base, date, cmd.rate, tx)
    with exactly():
        value = quotient(paid * rate, Decimal(1), base)
    if not value:
        raise Invalid.of(FieldError("amount", f"comes to nothing in {base}"))
    return _Paid(amount=paid, currency=currency, rate=rate, base=base, value=value)


async def _books(cmd: RecordPayment, tx: Tx) -> tuple[Company, Journal]:
    """The journal of a payment and its company. Invalid (422) where it is no journal of money, or of another company."""
    if cmd.journal_id is None:
        company = await company_of(cmd.company_id, tx)
        kind = JournalType.CASH if cmd.method is PaymentMethod.CASH else JournalType.BANK
        own = (Journal.company_id == company.id, Journal.type == kind, Journal.archived_at.is_(None))
        journal = await tx.find(Journal, *own, Journal.default_account_id.is_not(None))
        if journal is None:
            raise Invalid.of(FieldError("journal_id", f"is needed: the company has no {kind} journal with an account"))
        return company, journal
    journal = await tx.get(Journal, cmd.journal_id)
    if journal.type not in _MONEY or journal.default_account_id is None:
        raise Invalid.of(FieldError("journal_id", "is no journal of a bank account or a cash box"))
    if cmd.company_id not in (None, journal.company_id):
        raise Invalid.of(FieldError("journal_id", "is of another company"))
    return await company_of(journal.company_id, tx), journal


async def _held(journal: Journal, paid: _Paid, tx: Tx) -> UUID:
    """The bank account or cash box of a journal. Invalid (422) where it takes another currency only."""
    held = await tx.find(Account, Account.id == journal.default_account_id)
    assert held is not None
    if held.currency not in (None, paid.currency):
        raise Invalid.of(FieldError("currency", f"is not that of {held.code} {held.name}, which takes {held.currency} only"))
    return held.id


async def _owed(company: Company, role: LedgerRole, tx: Tx) -> UUID:
    """The account of a company that plays a role. RoleNotPlayed (422) where none does."""
    own = (AccountRole.company_id == company.id, AccountRole.role == role, AccountRole.archived_at.is_(None))
    found = await tx.find(AccountRole, *own)
    if found is None:
        raise RoleNotPlayed(role=role)
    return found.account_id


def _booked(paid: _Paid, direction: PaymentDirection, held: EntryLine, party: EntryLine) -> list[EntryLine]:
    """The lines of a payment's entry: money on one side, what its party owes or is owed on the other."""
    debit, credit = (held, party) if direction is PaymentDirection.RECEIVED else (party, held)
    if paid.currency == paid.base:
        return [debit.changed(debit=paid.value), credit.changed(credit=paid.value)]
    return [
        debit.changed(debit=paid.value, currency=paid.currency, amount=paid.amount, rate=paid.rate),
        credit.changed(credit=paid.value, currency=paid.currency, amount=-paid.amount, rate=paid.rate),
    ]


def _told(payment: Payment) -> PaymentReceived | PaymentMade:
    told = PaymentReceived if payment.direction is PaymentDirection.RECEIVED else PaymentMade
    return told(
        payment_id=payment.id,
        company_id=payment.company_id,
        party_type=payment.party_type,
        party_id=payment.party_id,
        amount=payment.amount,
        currency=payment.currency,
        date=payment.date,
        number=payment.number,
        journal_entry_id=payment.entry_id,
    )


@handles(BouncePayment, needs="finance.payment:bounce")
async def bounce_payment(cmd: BouncePayment, tx: Tx) -> PaymentBounced:
    payment = await tx.get(Payment, cmd.payment_id, lock=True)
    date = cmd.date or today(tx)
    if not payment_flow.allows(payment, "bounce"):
        raise IllegalMove(entity="Payment", now=str(payment.status), move="bounce")
    if date < payment.date:
        raise Invalid.of(FieldError("date", f"is before {payment.date}, the day of the payment"))
    undone = await undo_all(payment, date, tx)
    taken_back = await tx.call(ReverseEntry(journal_entry_id=payment.entry_id, date=date, reason=cmd.reason))
    payment_flow.go(payment, "bounce")  # only now, as a bounced payment has the entry that took it back
    payment.bounce_entry_id = taken_back.reversed_by_id
    await reverse_differences(undone, date, tx)
    return tx.emit(
        PaymentBounced(
            payment_id=payment.id,
            party_id=payment.party_id,
            amount=payment.amount,
            currency=payment.currency,
            date=date,
            number=taken_back.number,
            reason=cmd.reason,
            journal_entry_id=taken_back.reversed_by_id,
        )
    )
