"""Valuing what is held and owed in foreign currencies at the end of a period."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from nexus.core import Problem, Tx, among, case, exact, func, handles, or_, select
from nexus.core.money import exactly, quotient
from nexus.services.finance.api import CompanyRevalued, PostEntry, ReverseEntry, RunRevaluation
from nexus.services.finance.entities import Account, AccountRole, Company, JournalLine
from nexus.services.finance.rules.journals import general_journal
from nexus.services.finance.rules.rates import closing
from nexus.services.finance.rules.refusals import RoleNotPlayed
from nexus.services.finance.terms import AccountType, EntryLine, LedgerRole, PartyType

_DAY = dt.timedelta(days=1)
_OWED = (AccountType.RECEIVABLE, AccountType.PAYABLE)
_MONETARY = (AccountType.BANK, AccountType.CASH, *_OWED)
_RESULT = (LedgerRole.UNREALISED_FX_GAIN, LedgerRole.UNREALISED_FX_LOSS)


class NothingToRevalue(Problem, status=409):
    """Nothing that {company} has or owes in a foreign currency is worth another amount on {on} than the books say."""

    company: str
    on: str


@dataclass(frozen=True)
class _Position:
    """What stands on an account in a foreign currency, of one party where it is owed, and what the books say that it is worth."""

    account_id: UUID
    currency: str
    party_type: PartyType | None
    party_id: UUID | None
    amount: Decimal
    value: Decimal


@handles(RunRevaluation, needs="finance.company:revalue")
async def run_revaluation(cmd: RunRevaluation, tx: Tx) -> CompanyRevalued:
    company = await tx.get(Company, cmd.company_id, lock=True)  # of two at once, the second finds what the first posted
    positions = await _positions(company, cmd.on, tx)
    rates = await closing({one.currency for one in positions}, company.base_currency, cmd.on, cmd.rates, tx)
    lines = list(_differences(positions, rates, company.base_currency))
    if not lines:
        raise NothingToRevalue(company=company.name, on=str(cmd.on))
    gain, loss = _sum(line.debit for line in lines), _sum(line.credit for line in lines)
    result = await _result(company, gain, loss, tx)
    posted = await tx.call(
        PostEntry(
            journal_id=await general_journal(company.id, [line.account_id for line in result], tx),
            date=cmd.on,
            lines=[*lines, *result],
            memo=f"Revaluation of foreign currencies on {cmd.on}",
            source_entity="finance.company",
            source_id=company.id,
        )
    )
    back = ReverseEntry(journal_entry_id=posted.journal_entry_id, date=cmd.on + _DAY, reason=f"Revaluation of {cmd.on} is taken back")
    taken_back = await tx.call(back)
    return tx.emit(
        CompanyRevalued(
            company_id=company.id,
            on=cmd.on,
            gain=gain,
            loss=loss,
            currency=company.base_currency,
            journal_entry_id=posted.journal_entry_id,
            number=posted.number,
            reversed_by_id=taken_back.reversed_by_id,
        )
    )


async def _positions(company: Company, on: dt.date, tx: Tx) -> list[_Position]:
    line = JournalLine
    owed = among(Account.account_type, _OWED)
    party_type, party_id = case((owed, line.party_type)), case((owed, line.party_id))
    amount, value = func.sum(line.amount), func.sum(line.debit - line.credit)
    standing = (
        select(line.account_id, line.currency, party_type.label("party_type"), party_id.label("party_id"))
        .add_columns(exact(amount).label("amount"), exact(value).label("value"))
        .join(Account, Account.id == line.account_id)
        .where(Account.company_id == company.id, among(Account.account_type, _MONETARY))
        .where(line.currency != company.base_currency, line.date <= on)
        .group_by(line.account_id, line.currency, party_type, party_id)
        .having(or_(amount != 0, value != 0))
        .order_by(line.account_id, line.currency, party_type, party_id)
    )
    return [
        _Position(
            account_id=UUID(one["account_id"]),
            currency=one["currency"],
            party_type=None if one["party_type"] is None else PartyType(one["party_type"]),
            party_id=None if one["party_id"] is None else UUID(one["party_id"]),
            amount=Decimal(one["amount"]),
            value=Decimal(one["value"]),
        )
        for one in await tx.rows(standing)
    ]


def _differences(positions: Iterable[_Position], rates: Mapping[str, Decimal], base: str) -> Iterable[EntryLine]:
    """A line for each that is worth something else: it changes the value and not the amount."""
    for one in positions:
        with exactly():
            differs = quotient(one.amount * rates[one.currency], Decimal(1), base) - one.value
        if differs:
            yield EntryLine(
                account_id=one.account_id,
                debit=max(differs, Decimal(0)),
                credit=max(-differs, Decimal(0)),
                currency=one.currency,
                amount=Decimal(0),
                rate=rates[one.currency],
                party_type=one.party_type,
                party_id=one.party_id,
            )


def _sum(amounts: Iterable[Decimal | None]) -> Decimal:
    return sum((one or Decimal(0) for one in amounts), Decimal(0))


async def _result(company: Company, gain: Decimal, loss: Decimal, tx: Tx) -> list[EntryLine]:
    """What the differences come to. RoleNotPlayed (422) where the company has no account for it."""
    plays = (AccountRole.company_id == company.id, AccountRole.archived_at.is_(None), among(AccountRole.role, _RESULT))
    roles = {one.role: one.account_id for one in await tx.list(AccountRole, *plays)}
    sides = {LedgerRole.UNREALISED_FX_GAIN: (Decimal(0), gain), LedgerRole.UNREALISED_FX_LOSS: (loss, Decimal(0))}
    wanted = {role: one for role, one in sides.items() if any(one)}
    for role in wanted.keys() - roles.keys():
        raise RoleNotPlayed(role=role)
    return [EntryLine(account_id=roles[role], debit=debit, credit=credit) for role, (debit, credit) in wanted.items()]
