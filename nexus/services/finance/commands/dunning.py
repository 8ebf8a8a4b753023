"""Reminding customers of what is overdue."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from uuid import UUID

import msgspec

from nexus.core import FieldError, Invalid, Tx, Value, among, amount, func, handles, select
from nexus.services.finance.api import CompanyDunned, CreateInvoice, DunningIssued, IssueDunning
from nexus.services.finance.commands.invoice_posting import book
from nexus.services.finance.commands.years import today
from nexus.services.finance.dunning_terms import DunnedItem
from nexus.services.finance.entities import AccountRole, Company, DunnedInvoice, Dunning, DunningLevel, Invoice
from nexus.services.finance.invoice_terms import InvoiceLine
from nexus.services.finance.queries.overdue import Overdue, overdue
from nexus.services.finance.rules.refusals import RoleNotPlayed
from nexus.services.finance.terms import LedgerRole

_NOTHING = Decimal(0)
_CHARGED = (LedgerRole.OTHER_INCOME, LedgerRole.INTEREST_INCOME)


class _Overdue(Value, frozen=True, kw_only=True):
    """A row of the report of what is overdue."""

    invoice_id: UUID
    number: str
    party_id: UUID
    party_name: str
    due_on: dt.date
    days_overdue: int
    currency: str
    open: Decimal
    base_open: Decimal
    level: int
    dunned_on: dt.date | None
    next_level: int | None
    blocked: bool
    interest: Decimal


@handles(IssueDunning, needs="finance.company:dun")
async def issue_dunning(cmd: IssueDunning, tx: Tx) -> CompanyDunned:
    company = await tx.get(Company, cmd.company_id, lock=True)  # of two at once, the second finds what the first has raised
    on = cmd.on or today(tx)
    await _timely(company, on, tx)
    levels = await _levels(company, tx)
    notices = [_notice(company, on, rows, levels) for rows in await _rising(company, on, tx)]
    roles = await _roles(company, tx) if any(one.fee or one.interest for one in notices) else {}
    told = [await _issued(one, levels, roles, tx) for one in notices]
    return tx.emit(
        CompanyDunned(
            company_id=company.id,
            on=on,
            notices=len(told),
            invoices=sum(item.raised for one in told for item in one.items),
            fees=sum((one.fee for one in told), _NOTHING),
            interest=sum((one.interest for one in told), _NOTHING),
            currency=company.base_currency,
        )
    )


async def _timely(company: Company, on: dt.date, tx: Tx) -> None:
    """Refuse (422) a day that is not over before it has come, or that lies before the last notices."""
    if on > today(tx):
        raise Invalid.of(FieldError("on", "is in the future: what will be overdue then is not known"))
    (last,) = await tx.rows(select(func.max(Dunning.date).label("day")).where(Dunning.company_id == company.id))
    if last["day"] is not None and on < dt.date.fromisoformat(last["day"]):
        raise Invalid.of(FieldError("on", f"is before {last['day']}, the day of the last notices"))


async def _levels(company: Company, tx: Tx) -> dict[int, DunningLevel]:
    """The levels by their numbers. Invalid (422) where there are none, or a fee is no amount of the company's currency."""
    found = await tx.list(DunningLevel, DunningLevel.company_id == company.id, DunningLevel.archived_at.is_(None))
    if not found:
        raise Invalid.of(FieldError("company_id", "has no dunning levels: say first when customers are reminded"))
    for one in found:
        amount(one.fee, company.base_currency, "fee")
    return {one.level: one for one in found}


async def _rising(company: Company, on: dt.date, tx: Tx) -> list[list[_Overdue]]:
    """What is overdue of each customer that has an invoice which comes to its next level."""
    parties: dict[UUID, list[_Overdue]] = defaultdict(list)
    for row in msgspec.convert(await tx.rows(overdue(Overdue(company_id=company.id, on=on), tx.sees)), list[_Overdue]):
        if not row.blocked:
            parties[row.party_id].append(row)
    return [rows for rows in parties.values() if any(row.next_level for row in rows)]


def _notice(company: Company, on: dt.date, rows: Sequence[_Overdue], levels: Mapping[int, DunningLevel]) -> Dunning:
    items = [_item(row) for row in rows]
    reached = levels[max(item.level for item in items if item.raised)]
    return Dunning(
        company_id=company.id,
        date=on,
        party_id=rows[-1].party_id,
        party_name=rows[-1].party_name,
        level=reached.level,
        text_key=reached.text_key,
        items=items,
        open=sum((item.base_open for item in items), _NOTHING),
        fee=amount(reached.fee, company.base_currency, "fee"),
        interest=sum((item.interest for item in items), _NOTHING),
        currency=company.base_currency,
    )


def _item(row: _Overdue) -> DunnedItem:
    return DunnedItem(
        invoice_id=row.invoice_id,
        number=row.number,
        due_on=row.due_on,
        days_overdue=row.days_overdue,
        currency=row.currency,
        open=row.open,
        base_open=row.base_open,
        level=row.next_level or row.level,
        raised=row.next_level is not None,
        interest=row.interest,
    )


async def _roles(company: Company, tx: Tx) -> dict[LedgerRole, UUID]:
    """The accounts of fees and interest. RoleNotPlayed (422) where there is none."""
    plays = (AccountRole.company_id == company.id, AccountRole.archived_at.is_(None), among(AccountRole.role, _CHARGED))
    roles = {one.role: one.account_id for one in await tx.list(AccountRole, *plays)}
    for role in _CHARGED:
        if role not in roles:
            raise RoleNotPlayed(role=role)
    return roles


async def _issued(notice: Dunning, levels: Mapping[int, DunningLevel], roles: Mapping[LedgerRole, UUID], tx: Tx) -> DunningIssued:
    """Keep a notice with what it raises, and invoice what it charges."""
    notice.charge_id = await _charged(notice, roles, tx) if notice.fee or notice.interest else None
    tx.add(notice)
    for item in notice.items:
        if item.raised:
            until = notice.date if levels[item.level].interest_rate else None
            raised = DunnedInvoice(
                dunning_id=notice.id, invoice_id=item.invoice_id, level=item.level, date=notice.date, charged_until=until
            )
            tx.add(raised)
    names = [name for name in DunningIssued.__struct_fields__ if name != "dunning_id"]
    return tx.emit(DunningIssued(dunning_id=notice.id, **{name: getattr(notice, name) for name in names}))


async def _charged(notice: Dunning, roles: Mapping[LedgerRole, UUID], tx: Tx) -> UUID:
    """Invoice fee and interest: they are owed, paid and allocated like anything else. No tax is charged on them."""
    charges = {
        LedgerRole.OTHER_INCOME: (f"Dunning fee, level {notice.level}", notice.fee),
        LedgerRole.INTEREST_INCOME: (f"Interest on arrears up to {notice.date}", notice.interest),
    }
    lines = [
        InvoiceLine(name=name, quantity=Decimal(1), unit_price=charge, account_id=roles[role])
        for role, (name, charge) in charges.items()
        if charge
    ]
    made = await tx.call(
        CreateInvoice(
            company_id=notice.company_id,
            party_id=notice.party_id,
            party_name=notice.party_name,
            date=notice.date,
            currency=notice.currency,
            lines=lines,
        )
    )
    await book(await tx.get(Invoice, made.invoice_id, lock=True), None, tx)  # whatever the customer may owe
    return made.invoice_id
