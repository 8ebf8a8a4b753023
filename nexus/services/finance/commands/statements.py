"""Taking in statements of banks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from nexus.core import Tx, among, exact, handles, select
from nexus.services.finance.api import FileImported, ImportStatement, StatementImported
from nexus.services.finance.bank_files import ReadLine, ReadStatement, read
from nexus.services.finance.commands.reconciling import suggest
from nexus.services.finance.commands.years import today
from nexus.services.finance.entities import BankAccount, BankStatement, BankStatementLine
from nexus.services.finance.rules.statements import RepeatedTransaction, days, digest, fits, identified, movement


@handles(ImportStatement, needs="finance.bank_account:import_statement")
async def import_statement(cmd: ImportStatement, tx: Tx) -> FileImported:
    account = await tx.get(BankAccount, cmd.bank_account_id, lock=True)  # of two files at once, the second finds what the first brought
    statements = read(cmd.format, cmd.content, account.currency, cmd.csv)
    for one in statements:
        fits(one, account)
    lines = identified([line for one in statements for line in one.lines])
    known = await _known(account, lines, tx)
    told: list[StatementImported] = []
    for statement, mine in _apart(statements, lines):
        if event := await _take_in(cmd, account, statement, mine, known, tx):
            told.append(tx.emit(event))
    imported = sum(one.imported for one in told)
    if imported:
        await suggest(account, tx)
    return FileImported(bank_statement_ids=[one.bank_statement_id for one in told], imported=imported, known=len(lines) - imported)


async def _known(account: BankAccount, lines: Sequence[tuple[str, ReadLine]], tx: Tx) -> set[str]:
    """Which lines are there already. RepeatedTransaction (422) where the bank calls another amount the same."""
    line = BankStatementLine
    mine = (line.bank_account_id == account.id, among(line.bank_transaction_id, [key for key, _ in lines]))
    rows = await tx.rows(select(line.bank_transaction_id, exact(line.amount).label("amount")).where(*mine))
    amounts = {row["bank_transaction_id"]: Decimal(row["amount"]) for row in rows}
    for key, one in lines:
        if amounts.get(key, one.amount) != one.amount:
            raise RepeatedTransaction.at(one.place, f"says {key}, by which {amounts[key]} {account.currency} are known already")
    return set(amounts)


def _apart(
    statements: Sequence[ReadStatement], lines: Sequence[tuple[str, ReadLine]]
) -> Iterator[tuple[ReadStatement, Sequence[tuple[str, ReadLine]]]]:
    at = 0
    for one in statements:
        yield one, lines[at : at + len(one.lines)]
        at += len(one.lines)


async def _take_in(
    cmd: ImportStatement, account: BankAccount, read: ReadStatement, lines: Sequence[tuple[str, ReadLine]], known: set[str], tx: Tx
) -> StatementImported | None:
    """Keep a statement and those of its lines that are new; None where it is known itself."""
    said = digest(read, [key for key, _ in lines])
    if await tx.find(BankStatement, BankStatement.bank_account_id == account.id, BankStatement.digest == said):
        return None
    since, until = days(read, today(tx))
    kept = tx.add(
        BankStatement(
            bank_account_id=account.id,
            file_format=cmd.format,
            reference=read.reference,
            since=since,
            until=until,
            currency=account.currency,
            opening=read.opening,
            movement=movement(read),
            closing=read.closing,
            line_count=len(lines),
            digest=said,
        )
    )
    new = [(n, key, one) for n, (key, one) in enumerate(lines, 1) if key not in known]
    for n, key, one in new:
        tx.add(_line(kept, n, key, one))
    brought = {"imported": len(new), "known": len(lines) - len(new)}
    return StatementImported(bank_statement_id=kept.id, bank_account_id=account.id, since=since, until=until, **brought)


def _line(statement: BankStatement, position: int, key: str, one: ReadLine) -> BankStatementLine:
    return BankStatementLine(
        bank_account_id=statement.bank_account_id,
        bank_statement_id=statement.id,
        position=position,
        booked_on=one.booked_on,
        value_on=one.value_on,
        amount=one.amount,
        currency=one.currency,
        counterparty_name=one.name,
        counterparty_account=one.account,
        text=one.text,
        bank_transaction_id=key,
        end_to_end_id=one.end_to_end_id,
    )
