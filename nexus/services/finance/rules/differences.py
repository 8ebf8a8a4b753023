"""Exchange differences: what two lines that settle each other stand at in the base currency, and the entry of what is between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Self
from uuid import UUID

from nexus.core.money import SCALES, exactly, quotient
from nexus.services.finance.entities import Allocation, JournalLine
from nexus.services.finance.rules.refusals import RoleNotPlayed
from nexus.services.finance.terms import EntryLine, LedgerRole


@dataclass
class Left:
    """What a line has left, in its currency and in that of the books, whatever its side."""

    line: JournalLine
    amount: Decimal
    base: Decimal

    @classmethod
    def of(cls, line: JournalLine) -> Self:
        """As the line stands now."""
        return cls(line, abs(line.residual or Decimal(0)), abs(line.residual_base or Decimal(0)))


def taken_from(debit: Left, credit: Left, amount: Decimal) -> tuple[Decimal, Decimal]:
    """Take an amount from both, and answer what it stood at on each: all that was left with the last of it, in proportion before.

    Where that differs by one unit alone, which roundings make, it is left to a side that is not settled by it.
    """
    ours, theirs = taken(debit, amount), taken(credit, amount)
    if abs(ours - theirs) <= Decimal(1).scaleb(-SCALES[debit.line.base_currency]):
        if amount < debit.amount and theirs <= debit.base:
            ours = theirs
        elif amount < credit.amount and ours <= credit.base:
            theirs = ours
    for side, base in ((debit, ours), (credit, theirs)):
        side.amount, side.base = side.amount - amount, side.base - base
    return ours, theirs


def taken(side: Left, amount: Decimal) -> Decimal:
    """What an amount of a line stands at: all that is left with the last of it, in proportion before."""
    if amount == side.amount:
        return side.base
    with exactly():
        top = side.base * amount
    return quotient(top, side.amount, side.line.base_currency)


def difference(one: Allocation, line: JournalLine, roles: Mapping[LedgerRole, UUID]) -> list[EntryLine]:
    """The lines of the entry that makes up for what an allocation settles at two values; `line` is either of its two.

    RoleNotPlayed (422) where the company has not said where gains or losses go.
    """
    gain = one.credit_base - one.debit_base
    role = LedgerRole.FX_GAIN if gain > 0 else LedgerRole.FX_LOSS
    if role not in roles:
        raise RoleNotPlayed(role=role)
    debit, credit = max(gain, Decimal(0)), max(Decimal(0) - gain, Decimal(0))
    owed = EntryLine(
        account_id=line.account_id,
        party_type=line.party_type,
        party_id=line.party_id,
        debit=debit,
        credit=credit,
        currency=line.currency,
        amount=Decimal(0),
    )
    return [owed, EntryLine(account_id=roles[role], debit=credit, credit=debit)]
