"""Payment files: made from open bills, executed by the bank or cancelled."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from uuid import UUID

from nexus.core import FieldError, Invalid, Tx, among, amount, handles, uuid7
from nexus.services.finance.api import (
    CancelPaymentFile,
    ExecutePaymentFile,
    MakePaymentFile,
    PaymentFileCancelled,
    PaymentFileExecuted,
    PaymentFileMade,
    RecordPayment,
)
from nexus.services.finance.bank_files.pain import Order, Transfer, basic, written
from nexus.services.finance.bank_terms import BillToPay, TransferStatus, valid_bic, valid_iban
from nexus.services.finance.commands.reconciling import bank_journal
from nexus.services.finance.commands.years import today
from nexus.services.finance.entities import BankAccount, Company, Invoice, JournalLine, PaymentFile, PaymentFileTransfer
from nexus.services.finance.flows import payment_file_flow, transfer_flow
from nexus.services.finance.invoice_terms import InvoiceKind, InvoiceStatus
from nexus.services.finance.payment_terms import PaymentDirection, PaymentShare
from nexus.services.finance.rules.refusals import BillInAnotherFile, NotBySepa
from nexus.services.finance.terms import PartyType

_OPEN = (InvoiceStatus.POSTED, InvoiceStatus.PARTLY_PAID)
_SEPA = "EUR"


@handles(MakePaymentFile, needs="finance.bank_account:make_payment_file")
async def make_payment_file(cmd: MakePaymentFile, tx: Tx) -> PaymentFileMade:
    account = await tx.get(BankAccount, cmd.bank_account_id)
    if account.iban is None or account.currency != _SEPA:
        raise NotBySepa(errors=[FieldError("bank_account_id", f"is no account in {_SEPA} with an IBAN")])
    company = await tx.get(Company, account.company_id)
    file, execute_on = uuid7(), cmd.execute_on or today(tx)
    if execute_on < today(tx):
        raise Invalid.of(FieldError("execute_on", "has passed"))
    bills = {one.id: one for one in await tx.list(Invoice, among(Invoice.id, {bill.invoice_id for bill in cmd.bills}), lock=True)}
    transfers = [_transfer(await _amount(at, bill, bills, account, tx), bill, bills[bill.invoice_id]) for at, bill in enumerate(cmd.bills)]
    order = _order(file.hex, execute_on, company.name, account, transfers, bills, tx)
    kept = PaymentFile(
        bank_account_id=account.id,
        message_id=order.message_id,
        execute_on=execute_on,
        transfer_count=len(transfers),
        total=order.total,
        currency=account.currency,
        content=written(order),
    )
    kept.id = file
    tx.add(kept)
    for one in transfers:
        one.payment_file_id = file
        tx.add(one)
    return tx.emit(
        PaymentFileMade(
            payment_file_id=file,
            bank_account_id=account.id,
            message_id=order.message_id,
            transfer_count=len(transfers),
            total=order.total,
            currency=account.currency,
            execute_on=execute_on,
        )
    )


def _order(
    message_id: str,
    execute_on: dt.date,
    name: str,
    account: BankAccount,
    transfers: Sequence[PaymentFileTransfer],
    bills: Mapping[UUID, Invoice],
    tx: Tx,
) -> Order:
    """What the file says: each bill by its supplier's number for it."""
    assert account.iban is not None
    return Order(
        message_id=message_id,
        made_at=tx.now,
        execute_on=execute_on,
        name=name,
        iban=account.iban,
        bic=account.bic,
        currency=account.currency,
        transfers=[
            Transfer(
                end_to_end_id=one.end_to_end_id,
                amount=one.amount,
                name=one.creditor_name,
                iban=one.creditor_iban,
                bic=one.creditor_bic,
                text=bills[one.invoice_id].reference or bills[one.invoice_id].number or one.end_to_end_id,
            )
            for one in transfers
        ],
    )


def _transfer(amount: Decimal, bill: BillToPay, invoice: Invoice) -> PaymentFileTransfer:
    id = uuid7()
    transfer = PaymentFileTransfer(
        payment_file_id=id,
        invoice_id=invoice.id,
        amount=amount,
        currency=invoice.currency,
        creditor_name=basic(invoice.party_name, 70),
        creditor_iban=bill.iban,
        creditor_bic=bill.bic,
        end_to_end_id=id.hex,
    )
    transfer.id = id
    return transfer


async def _amount(at: int, bill: BillToPay, bills: Mapping[UUID, Invoice], account: BankAccount, tx: Tx) -> Decimal:
    """How much of a bill is paid. NotBySepa (422) names what does not fit, BillInAnotherFile (409) a bill that is to be paid already."""
    place = f"bills[{at}]"
    invoice = bills.get(bill.invoice_id)
    if invoice is None:
        raise Invalid.of(FieldError(f"{place}.invoice_id", "is no bill"))
    rules = [
        (invoice.kind is not InvoiceKind.PURCHASE_BILL or invoice.status not in _OPEN, "invoice_id", "is no bill that is open"),
        (invoice.company_id != account.company_id, "invoice_id", "is of another company than the bank account"),
        (invoice.currency != account.currency, "invoice_id", f"is in {invoice.currency}, and the bank account in {account.currency}"),
        (not _passes(valid_iban, bill.iban), "iban", "is no IBAN"),
        (bill.bic is not None and not _passes(valid_bic, bill.bic), "bic", "is no BIC"),
    ]
    if wrong := [FieldError(f"{place}.{field}", says) for broken, field, says in rules if broken]:
        raise NotBySepa(errors=wrong)
    ordered = (PaymentFileTransfer.invoice_id == invoice.id, PaymentFileTransfer.status == TransferStatus.ORDERED)
    if await tx.find(PaymentFileTransfer, *ordered):
        raise BillInAnotherFile(number=invoice.number or "")
    owed = await tx.list(JournalLine, JournalLine.entry_id == invoice.entry_id, JournalLine.residual.is_not(None))
    open_ = abs(sum((one.residual or Decimal(0) for one in owed), Decimal(0)))
    paid = open_ if bill.amount is None else amount(bill.amount, invoice.currency, f"{place}.amount")
    if not 0 < paid <= open_:
        raise Invalid.of(FieldError(f"{place}.amount", f"is not between 0 and the {open_} {invoice.currency} that are open"))
    return paid


def _passes(check: Callable[[str], None], text: str) -> bool:
    try:
        check(text)
    except ValueError:
        return False
    return True


@handles(ExecutePaymentFile, needs="finance.payment_file:execute")
async def execute_payment_file(cmd: ExecutePaymentFile, tx: Tx) -> PaymentFileExecuted:
    file = await tx.get(PaymentFile, cmd.payment_file_id, lock=True)
    payment_file_flow.go(file, "execute")
    account = await tx.get(BankAccount, file.bank_account_id)
    journal = await bank_journal(account, "payment_file_id", tx)
    transfers = await _ordered(file, tx)
    bills = {one.id: one for one in await tx.list(Invoice, among(Invoice.id, {one.invoice_id for one in transfers}), lock=True)}
    paid: list[UUID] = []
    for one in transfers:
        payment = RecordPayment(
            direction=PaymentDirection.MADE,
            journal_id=journal.id,
            party_type=PartyType.SUPPLIER,
            party_id=bills[one.invoice_id].party_id,
            amount=one.amount,
            currency=one.currency,
            date=cmd.date or file.execute_on,
            reference=one.end_to_end_id,
            allocations=[PaymentShare(invoice_id=one.invoice_id)] if bills[one.invoice_id].status in _OPEN else [],
        )
        made = await tx.call(payment)
        transfer_flow.go(one, "close")
        one.payment_id = made.payment_id
        paid.append(made.payment_id)
    return tx.emit(PaymentFileExecuted(payment_file_id=file.id, bank_account_id=account.id, payment_ids=paid))


@handles(CancelPaymentFile, needs="finance.payment_file:cancel")
async def cancel_payment_file(cmd: CancelPaymentFile, tx: Tx) -> PaymentFileCancelled:
    file = await tx.get(PaymentFile, cmd.payment_file_id, lock=True)
    payment_file_flow.go(file, "cancel")
    for one in await _ordered(file, tx):
        transfer_flow.go(one, "close")
    return tx.emit(PaymentFileCancelled(payment_file_id=file.id, bank_account_id=file.bank_account_id, reason=cmd.reason))


async def _ordered(file: PaymentFile, tx: Tx) -> list[PaymentFileTransfer]:
    return await tx.list(PaymentFileTransfer, PaymentFileTransfer.payment_file_id == file.id, lock=True)
