"""Subscriptions: agreed, changed, ended, and invoiced when they are due."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from uuid import UUID

from nexus.core import FieldError, Invalid, Problem, Tx, among, handles, or_
from nexus.services.finance.api import (
    CreateInvoice,
    CreateSubscription,
    EndSubscription,
    PostInvoice,
    ReviseSubscription,
    RunSubscriptions,
    SubscriptionCreated,
    SubscriptionEnded,
    SubscriptionFailure,
    SubscriptionInvoiced,
    SubscriptionRevised,
    SubscriptionsRun,
)
from nexus.services.finance.commands.invoice_posting import books_of
from nexus.services.finance.commands.invoices import drawn_up
from nexus.services.finance.commands.years import today
from nexus.services.finance.entities import Account, AccountingPeriod, Company, Invoice, Subscription, SubscriptionInvoice
from nexus.services.finance.flows import subscription_flow
from nexus.services.finance.rules.booking import booked
from nexus.services.finance.rules.companies import company_of
from nexus.services.finance.rules.recurrence import occurrence
from nexus.services.finance.rules.refusals import FrozenAccount, OutsideFiscalYears, PeriodIsClosed, PeriodIsLocked
from nexus.services.finance.subscription_terms import Cadence, SubscriptionStatus
from nexus.services.finance.terms import LockScope, PeriodStatus

_MANY = 10_000


@handles(CreateSubscription, needs="finance.subscription:create")
async def create_subscription(cmd: CreateSubscription, tx: Tx) -> SubscriptionCreated:
    company = await company_of(cmd.company_id, tx)
    if cmd.end_of_month and cmd.cadence is Cadence.WEEKS:
        raise Invalid.of(FieldError("end_of_month", "goes with months, quarters and years"))
    made = Subscription(
        company_id=company.id,
        name=cmd.name,
        party_id=cmd.party_id,
        party_name=cmd.party_name,
        currency=cmd.currency or company.base_currency,
        lines=cmd.lines,
        payment_term_id=cmd.payment_term_id,
        cadence=cmd.cadence,
        interval=cmd.interval,
        end_of_month=cmd.end_of_month,
        starts_on=cmd.starts_on,
        ends_on=cmd.ends_on,
        auto_post=cmd.auto_post,
        next_on=occurrence(cmd.starts_on, cmd.cadence, cmd.interval, cmd.end_of_month, 0),
    )
    await _sound(made, tx)
    tx.add(made)
    return tx.emit(
        SubscriptionCreated(subscription_id=made.id, company_id=company.id, party_id=made.party_id, name=made.name, next_on=made.next_on)
    )


async def _sound(one: Subscription, tx: Tx) -> None:
    """Refuse (422) what could not be invoiced, or would end before its next invoice; it names the field."""
    if one.ends_on is not None and one.ends_on < one.next_on:
        raise Invalid.of(FieldError("ends_on", f"is before {one.next_on}, the day of the next invoice"))
    await drawn_up(_invoice(one), tx)


def _invoice(one: Subscription) -> CreateInvoice:
    return CreateInvoice(
        company_id=one.company_id,
        party_id=one.party_id,
        party_name=one.party_name,
        date=one.next_on,
        currency=one.currency,
        lines=one.lines,
        payment_term_id=one.payment_term_id,
        reference=None,
    )


@handles(ReviseSubscription, needs="finance.subscription:revise")
async def revise_subscription(cmd: ReviseSubscription, tx: Tx) -> SubscriptionRevised:
    one = await tx.get(Subscription, cmd.subscription_id, lock=True)
    subscription_flow.go(one, "revise")
    for name in cmd.__struct_fields__:
        if name != "subscription_id" and (given := getattr(cmd, name)) is not None:
            setattr(one, name, given)
    await _sound(one, tx)
    return tx.emit(SubscriptionRevised(subscription_id=one.id))


@handles(EndSubscription, needs="finance.subscription:end")
async def end_subscription(cmd: EndSubscription, tx: Tx) -> SubscriptionEnded:
    return _ended(await tx.get(Subscription, cmd.subscription_id, lock=True), tx)


def _ended(one: Subscription, tx: Tx) -> SubscriptionEnded:
    subscription_flow.go(one, "end")
    return tx.emit(SubscriptionEnded(subscription_id=one.id, occurrences=one.occurrences))


@handles(RunSubscriptions, needs="finance.company:run_subscriptions")
async def run_subscriptions(cmd: RunSubscriptions, tx: Tx) -> SubscriptionsRun:
    company, on = await tx.get(Company, cmd.company_id), cmd.on or today(tx)
    if on > today(tx):
        raise Invalid.of(FieldError("on", "is in the future"))
    due = (Subscription.company_id == company.id, Subscription.status == SubscriptionStatus.ACTIVE, Subscription.next_on <= on)
    made: list[SubscriptionInvoiced] = []
    failures: list[SubscriptionFailure] = []
    for one in await tx.list(Subscription, *due, lock=True, limit=_MANY):  # of two runs at once, the second finds what the first has left
        one.failure = None
        async for found in _missed(one, on, tx):
            if isinstance(found, SubscriptionInvoiced):
                made.append(found)
            else:
                failures.append(found)
                one.failure = found.reason[:500]
    posted = sum(one.posted for one in made)
    return tx.emit(SubscriptionsRun(company_id=company.id, on=on, invoices=len(made), posted=posted, failures=failures))


async def _missed(one: Subscription, on: dt.date, tx: Tx) -> AsyncIterator[SubscriptionInvoiced | SubscriptionFailure]:
    """Draw up all invoices of a subscription up to a day: what has been made, and what has failed."""
    while one.status is SubscriptionStatus.ACTIVE and one.next_on <= on:
        try:
            invoice_id = (await tx.call(_invoice(one))).invoice_id
        except Problem as problem:
            yield SubscriptionFailure(subscription_id=one.id, name=one.name, date=one.next_on, reason=problem.detail)
            return
        reason = await _refused(invoice_id, tx) if one.auto_post else None
        if reason is not None:
            yield SubscriptionFailure(subscription_id=one.id, name=one.name, date=one.next_on, reason=reason, invoice_id=invoice_id)
        yield _drawn(one, invoice_id, posted=one.auto_post and reason is None, tx=tx)


def _drawn(one: Subscription, invoice_id: UUID, posted: bool, tx: Tx) -> SubscriptionInvoiced:
    """Note an invoice, and go on to the day of the next."""
    one.occurrences += 1
    number, date = one.occurrences, one.next_on
    tx.add(SubscriptionInvoice(subscription_id=one.id, occurrence=number, invoice_id=invoice_id, date=date))
    one.next_on = occurrence(one.starts_on, one.cadence, one.interval, one.end_of_month, number)
    if one.ends_on is not None and one.next_on > one.ends_on:
        _ended(one, tx)
    return tx.emit(SubscriptionInvoiced(subscription_id=one.id, occurrence=number, invoice_id=invoice_id, date=date, posted=posted))


async def _refused(invoice_id: UUID, tx: Tx) -> str | None:
    """Post an invoice, or say why that is not possible: then it stays a draft."""
    invoice = await tx.get(Invoice, invoice_id)
    try:
        await _postable(invoice, tx)
        await tx.call(PostInvoice(invoice_id=invoice.id))
    except Problem as problem:
        return problem.detail
    return None


async def _postable(invoice: Invoice, tx: Tx) -> None:
    """Refuse what the database would refuse, before it is asked: a refusal of its own ends the transaction, and all other invoices with it."""
    company = await tx.get(Company, invoice.company_id)
    day = (AccountingPeriod.starts_on <= invoice.date, AccountingPeriod.ends_on >= invoice.date)
    period = await tx.find(AccountingPeriod, AccountingPeriod.company_id == company.id, *day)
    if period is None:
        raise OutsideFiscalYears(date=str(invoice.date))
    if period.status is not PeriodStatus.OPEN:
        raise PeriodIsClosed(period=period.name, date=str(invoice.date))
    locks = {LockScope.ALL: company.lock_date, LockScope.SALE: company.sale_lock_date, LockScope.TAX: company.tax_lock_date}
    for scope, until in locks.items():
        if until is not None and invoice.date <= until and (scope is not LockScope.TAX or invoice.taxes):
            raise PeriodIsLocked(scope=scope, until=str(until), date=str(invoice.date))
    _, ledger = await books_of(invoice, None, tx)
    ids = {line.account_id for line in booked(invoice, ledger)}
    for account in await tx.list(Account, among(Account.id, ids), or_(Account.frozen, Account.archived_at.is_not(None)), limit=1):
        raise FrozenAccount(lines=f"on {account.code} {account.name}", errors=[])
