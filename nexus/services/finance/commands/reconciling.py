"""Reconciling lines of banks with the books. That both say the same is the database's to see to (invariants/banking.sql)."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from nexus.core import FieldError, IllegalMove, Invalid, Tx, among, func, handles, select
from nexus.services.finance.api import (
    AcceptMatch,
    BankLineDismissed,
    BankLineMatched,
    BankLineReconciled,
    BankLineReopened,
    BouncePayment,
    DismissMatch,
    MatchBankLine,
    MatchesSuggested,
    PostEntry,
    RecordPayment,
    ReverseEntry,
    SuggestMatches,
    UndoReconciliation,
    UndoWriteOff,
    WriteOffInvoice,
)
from nexus.services.finance.bank_terms import BankLineStatus, BankMatch, LinkStatus
from nexus.services.finance.entities import (
    Account,
    BankAccount,
    BankReconciliation,
    BankStatementLine,
    Company,
    Invoice,
    Journal,
    JournalEntry,
    JournalLine,
    Payment,
    WriteOff,
)
from nexus.services.finance.flows import bank_line_flow, bank_reconciliation_flow, write_off_flow
from nexus.services.finance.payment_terms import PaymentDirection, PaymentStatus
from nexus.services.finance.rules.refusals import ReconciledOnce
from nexus.services.finance.terms import EntryLine, EntryStatus, JournalType

_NOTHING = Decimal(0)


@handles(SuggestMatches, needs="finance.bank_account:suggest_matches")
async def suggest_matches(cmd: SuggestMatches, tx: Tx) -> MatchesSuggested:
    return MatchesSuggested(suggested=await suggest(await tx.get(BankAccount, cmd.bank_account_id, lock=True), tx))


async def suggest(account: BankAccount, tx: Tx) -> int:
    """Look for what the open lines of an account, which is held, may be about; for how many there is something."""
    (row,) = await tx.rows(select(func.tenant.finance_suggest_matches(account.id).label("suggested")))
    return int(row["suggested"])


@handles(MatchBankLine, needs="finance.bank_statement_line:match")
async def match_bank_line(cmd: MatchBankLine, tx: Tx) -> BankLineMatched:
    line = await tx.get(BankStatementLine, cmd.bank_statement_line_id, lock=True)
    ways = [cmd.party_id is not None, cmd.account_id is not None, bool(cmd.journal_line_ids)]
    if sum(ways) != 1:
        raise Invalid.of(FieldError("party_id", "or account_id or journal_line_ids is needed, and one of them alone"))
    if cmd.party_id is None and (cmd.allocations or cmd.party_type):
        raise Invalid.of(FieldError("party_id", "is needed: whose payment it is"))
    if cmd.account_id is not None:
        tx.need("finance.journal_entry:post")  # which account an amount is booked on is decided by who posts entries, or by a rule
    bank_line_flow.go(line, "match")
    line.match = BankMatch(
        party_type=None if cmd.party_id is None else cmd.party_type or _direction(line).usual,
        party_id=cmd.party_id,
        allocations=cmd.allocations,
        account_id=cmd.account_id,
        memo=cmd.memo,
        journal_line_ids=cmd.journal_line_ids,
    )
    return tx.emit(
        BankLineMatched(bank_statement_line_id=line.id, bank_account_id=line.bank_account_id, amount=line.amount, currency=line.currency)
    )


@handles(DismissMatch, needs="finance.bank_statement_line:dismiss")
async def dismiss_match(cmd: DismissMatch, tx: Tx) -> BankLineDismissed:
    line = await tx.get(BankStatementLine, cmd.bank_statement_line_id, lock=True)
    if line.status is BankLineStatus.SUGGESTED and line.match is not None:
        line.dismissed = sorted({*line.dismissed, *_named(line.match)})
    bank_line_flow.go(line, "dismiss")
    line.match = None
    return tx.emit(BankLineDismissed(bank_statement_line_id=line.id, bank_account_id=line.bank_account_id))


def _named(match: BankMatch) -> list[UUID]:
    """What a suggestion is about: an invoice, a line of the books, or what a rule says."""
    return [*[one.invoice_id for one in match.allocations], *match.journal_line_ids, *([match.rule_id] if match.rule_id else [])]


@handles(AcceptMatch, needs="finance.bank_statement_line:accept")
async def accept_match(cmd: AcceptMatch, tx: Tx) -> BankLineReconciled:
    line = await tx.get(BankStatementLine, cmd.bank_statement_line_id, lock=True)
    match = line.match
    if not bank_line_flow.allows(line, "accept") or match is None:
        raise IllegalMove(entity="BankStatementLine", now=str(line.status), move="accept")
    account = await tx.get(BankAccount, line.bank_account_id)
    ids = match.journal_line_ids
    if not ids:
        line.entry_id = await _booked(cmd, line, match, account, tx)
        own = (JournalLine.entry_id == line.entry_id, JournalLine.account_id == account.account_id)
        ids = [one.id for one in await tx.list(JournalLine, *own)]
    bank_line_flow.go(line, "accept")
    await _link(line, ids, tx)
    return tx.emit(
        BankLineReconciled(
            bank_statement_line_id=line.id,
            bank_account_id=account.id,
            amount=line.amount,
            currency=line.currency,
            booked_on=line.booked_on,
            payment_id=line.payment_id,
            journal_line_ids=ids,
        )
    )


async def _booked(cmd: AcceptMatch, line: BankStatementLine, match: BankMatch, account: BankAccount, tx: Tx) -> UUID:
    """Record the payment that a line is, or post its entry; the id of the entry."""
    journal = await bank_journal(account, "bank_statement_line_id", tx)
    reference = line.end_to_end_id or line.bank_transaction_id
    if match.party_id is None:
        entry = PostEntry(
            journal_id=journal.id,
            date=line.booked_on,
            lines=await _entry(cmd, line, match, account, tx),
            reference=reference[:80],
            memo=match.memo or line.text,
            source_entity="finance.bank_statement_line",
            source_id=line.id,
        )
        return (await tx.call(entry)).journal_entry_id
    payment = RecordPayment(
        direction=_direction(line),
        journal_id=journal.id,
        party_type=match.party_type,
        party_id=match.party_id,
        amount=abs(line.amount),
        currency=line.currency,
        rate=cmd.rate,
        date=line.booked_on,
        reference=reference[:80],
        allocations=match.allocations,
    )
    made = await tx.call(payment)
    line.payment_id = made.payment_id
    await _give_up(line, match, tx)
    return made.journal_entry_id


async def bank_journal(account: BankAccount, field: str, tx: Tx) -> Journal:
    """The journal in which a bank account is booked. Invalid (422) names the field where there is none."""
    kind = (Journal.type == JournalType.BANK, Journal.default_account_id == account.account_id, Journal.archived_at.is_(None))
    journal = await tx.find(Journal, Journal.company_id == account.company_id, *kind)
    if journal is None:
        ledger = await tx.get(Account, account.account_id)
        message = (
            f"is of a bank account on {ledger.code} {ledger.name}, which has no journal: make one of type bank with that default account"
        )
        raise Invalid.of(FieldError(field, message))
    return journal


def _direction(line: BankStatementLine) -> PaymentDirection:
    return PaymentDirection.RECEIVED if line.amount > 0 else PaymentDirection.MADE


async def _entry(cmd: AcceptMatch, line: BankStatementLine, match: BankMatch, account: BankAccount, tx: Tx) -> list[EntryLine]:
    """The lines of an entry: the amount on the account of the bank, and on the other one."""
    assert match.account_id is not None
    company = await tx.get(Company, account.company_id)
    ours, other = EntryLine(account_id=account.account_id), EntryLine(account_id=match.account_id)
    if line.currency != company.base_currency:
        return [one.changed(currency=line.currency, amount=way * line.amount, rate=cmd.rate) for one, way in ((ours, 1), (other, -1))]
    came, went = max(line.amount, _NOTHING), max(_NOTHING - line.amount, _NOTHING)
    return [ours.changed(debit=came, credit=went), other.changed(debit=went, credit=came)]


async def _give_up(line: BankStatementLine, match: BankMatch, tx: Tx) -> None:
    """Write off what a payment leaves open of its invoices, where it is as little as the match says."""
    if not match.write_off_up_to:
        return
    for share in match.allocations:
        invoice = await tx.get(Invoice, share.invoice_id)
        owed = await tx.list(JournalLine, JournalLine.entry_id == invoice.entry_id, JournalLine.residual.is_not(None))
        left = abs(sum((one.residual or _NOTHING for one in owed), _NOTHING))
        if 0 < left <= match.write_off_up_to:
            reason = "Paid but for what is not asked for"
            given_up = await tx.call(WriteOffInvoice(invoice_id=invoice.id, date=max(line.booked_on, invoice.date), reason=reason))
            line.write_off_ids = [*line.write_off_ids, given_up.write_off_id]


async def _link(line: BankStatementLine, ids: Sequence[UUID], tx: Tx) -> None:
    found = await tx.list(JournalLine, among(JournalLine.id, set(ids)))
    if len(found) != len(ids):
        raise Invalid.of(FieldError("journal_line_ids", "names a line that is not there, or one twice"))
    made = (BankReconciliation.status == LinkStatus.MADE, among(BankReconciliation.journal_line_id, set(ids)))
    if await tx.find(BankReconciliation, *made):
        raise ReconciledOnce()
    for one in found:
        link = BankReconciliation(bank_statement_line_id=line.id, journal_line_id=one.id, amount=one.amount, currency=one.currency)
        tx.add(link)


@handles(UndoReconciliation, needs="finance.bank_statement_line:undo")
async def undo_reconciliation(cmd: UndoReconciliation, tx: Tx) -> BankLineReopened:
    line = await tx.get(BankStatementLine, cmd.bank_statement_line_id, lock=True)
    if not bank_line_flow.allows(line, "undo"):
        raise IllegalMove(entity="BankStatementLine", now=str(line.status), move="undo")
    date = cmd.date or line.booked_on
    mine = (BankReconciliation.bank_statement_line_id == line.id, BankReconciliation.status == LinkStatus.MADE)
    for link in await tx.list(BankReconciliation, *mine, lock=True):
        bank_reconciliation_flow.go(link, "undo")
    for id in line.write_off_ids:
        given_up = await tx.get(WriteOff, id)
        if write_off_flow.allows(given_up, "undo"):
            await tx.call(UndoWriteOff(write_off_id=id, date=max(date, given_up.date), reason=cmd.reason))
    if line.payment_id is not None:
        if (await tx.get(Payment, line.payment_id)).status is PaymentStatus.POSTED:
            await tx.call(BouncePayment(payment_id=line.payment_id, date=date, reason=cmd.reason))
    elif line.entry_id is not None and (await tx.get(JournalEntry, line.entry_id)).status is EntryStatus.POSTED:
        await tx.call(ReverseEntry(journal_entry_id=line.entry_id, date=date, reason=cmd.reason))
    bank_line_flow.go(line, "undo")
    line.match, line.payment_id, line.entry_id, line.write_off_ids = None, None, None, []
    return tx.emit(BankLineReopened(bank_statement_line_id=line.id, bank_account_id=line.bank_account_id, reason=cmd.reason))
