"""The proof of the ledger: what must hold, looked at again in all that is there."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from nexus.core import Query, Rows, Sight, aliased, and_, answers, case, func, literal, or_, select, sql, union_all
from nexus.services.finance.entities import (
    Account,
    AccountBalance,
    Allocation,
    AssetMovement,
    Journal,
    JournalEntry,
    JournalHead,
    JournalLine,
    JournalSeries,
)

_ROW = sql("finance_journal_entry")
"""The whole row, as the function that says what the chain covers takes it."""


class LedgerProof(Query, frozen=True, kw_only=True):
    """What must hold of a company's books, proven again from all lines: how many times each rule is broken, and where first."""

    company_id: UUID


@answers(LedgerProof, needs="finance.journal_line:read")
def ledger_proof(query: LedgerProof, sight: Sight) -> Rows:
    rules = {
        "Every entry balances": _unbalanced(query, sight),
        "Balances are the sums of their lines": _strayed(query, sight),
        "Every entry says what its hash says": _changed(query, sight),
        "Every entry follows the one before it": _unchained(query, sight),
        "Numbers have no gaps": _gaps(query, sight),
        "What is open is what allocations leave": _misstated(query, sight),
        "What assets have cost and lost is in the books": _unbooked(query, sight),
    }
    selects: list[Any] = []
    for at, (rule, broken) in enumerate(rules.items()):
        found = broken.subquery(f"rule_{at}")
        counted = select(
            literal(at).label("place"), literal(rule).label("rule"), func.count().label("broken"), func.min(found.c.what).label("first")
        )
        selects.append(counted.select_from(found))
    proof = union_all(*selects).subquery("proof")
    return select(proof.c.rule, (proof.c.broken == 0).label("holds"), proof.c.broken, proof.c.first).order_by(proof.c.place)


def _unbalanced(query: LedgerProof, sight: Sight) -> Any:
    entry, line = JournalEntry, JournalLine
    return (
        select(entry.number.label("what"))
        .outerjoin(line, and_(line.entry_id == entry.id, sight(line)))
        .where(entry.company_id == query.company_id, entry.number.is_not(None), sight(entry))
        .group_by(entry.id)
        .having(or_(func.count(line.id) < 2, func.sum(line.debit - line.credit) != 0, func.sum(line.debit) != entry.total))
    )


def _strayed(query: LedgerProof, sight: Sight) -> Any:
    """Balances and sums of lines that are not the same, on either side."""
    entry, line, kept = JournalEntry, JournalLine, AccountBalance
    key = func.tenant.finance_dimension_key(line.cost_center_id, line.project_id, line.dimensions)
    sums = (
        select(entry.journal_id, entry.period_id, line.account_id, line.currency, key.label("dimension_key"))
        .add_columns(func.sum(line.debit).label("debit"), func.sum(line.credit).label("credit"), func.sum(line.amount).label("amount"))
        .add_columns(func.count().label("lines"))
        .join(entry, entry.id == line.entry_id)
        .where(entry.company_id == query.company_id, sight(entry), sight(line))
        .group_by(entry.journal_id, entry.period_id, line.account_id, line.currency, key)
    )
    names = ("journal_id", "period_id", "account_id", "currency", "dimension_key")
    values = ("debit", "credit", "amount", "lines")
    balances = select(*[getattr(kept, name) for name in (*names, *values)]).where(kept.company_id == query.company_id, sight(kept))
    is_, should = balances.subquery("kept"), sums.subquery("summed")
    same = and_(*[is_.c[name] == should.c[name] for name in names])
    differs = or_(*[is_.c[name].is_distinct_from(should.c[name]) for name in values])
    account = func.coalesce(is_.c.account_id, should.c.account_id)
    both = is_.join(should, same, full=True)
    return select(Account.code.label("what")).select_from(both).join(Account, Account.id == account).where(differs, sight(Account))


def _changed(query: LedgerProof, sight: Sight) -> Any:
    entry = JournalEntry
    says = func.tenant.finance_chained(entry.prev_hash, func.tenant.finance_canonical(_ROW))
    return select(entry.number.label("what")).where(
        entry.company_id == query.company_id, entry.number.is_not(None), says.is_distinct_from(entry.hash), sight(entry)
    )


def _unchained(query: LedgerProof, sight: Sight) -> Any:
    """Entries whose predecessor has another hash or is missing, and journals that end elsewhere than their last entry."""
    entry, head = JournalEntry, JournalHead
    journal, order = entry.journal_id, entry.position
    before = func.lag(entry.hash, 1, "0" * 64).over(partition_by=journal, order_by=order)
    place = func.row_number().over(partition_by=journal, order_by=order)
    last = func.lead(entry.position).over(partition_by=journal, order_by=order).is_(None)
    links = (
        select(entry.number, entry.prev_hash, entry.position, before.label("before"), place.label("place"))
        .add_columns(last.label("last"), entry.hash, head.hash.label("head"), head.position.label("ends"))
        .join(head, head.journal_id == entry.journal_id)
        .where(entry.company_id == query.company_id, entry.number.is_not(None), sight(entry), sight(head))
        .subquery("links")
    )
    c = links.c
    broken = or_(c.prev_hash != c.before, c.position != c.place, and_(c.last, or_(c.hash != c.head, c.position != c.ends)))
    return select(c.number.label("what")).where(broken)


def _gaps(query: LedgerProof, sight: Sight) -> Any:
    entry, series = JournalEntry, JournalSeries
    same = and_(entry.journal_id == series.journal_id, entry.fiscal_year_id == series.fiscal_year_id, sight(entry))
    return (
        select(Journal.code.label("what"))
        .join(series, series.journal_id == Journal.id)
        .outerjoin(entry, same)
        .where(Journal.company_id == query.company_id, sight(Journal), sight(series))
        .group_by(Journal.id, series.id)
        .having(or_(func.count(entry.id) != series.last_number, func.max(entry.sequence) != series.last_number))
    )


def _misstated(query: LedgerProof, sight: Sight) -> Any:
    """Lines whose residual is not their amount less what settles them: so that what parties owe adds up to what their accounts say."""
    entry, line, one = JournalEntry, JournalLine, Allocation
    holds = and_(one.company_id == query.company_id, one.effective_until.is_(None), sight(one))
    difference = aliased(JournalLine)
    sides = union_all(
        select(one.debit_line_id.label("line_id"), one.amount.label("settled"), one.debit_base.label("base")).where(holds),
        select(one.credit_line_id, -one.amount, -one.credit_base).where(holds),
        select(difference.id, difference.amount, difference.debit - difference.credit)
        .join(one, one.fx_entry_id == difference.entry_id)
        .where(holds, difference.residual.is_not(None), sight(difference)),
    ).subquery("sides")
    sums = [func.sum(sides.c[name]).label(name) for name in ("settled", "base")]
    settled = select(sides.c.line_id, *sums).group_by(sides.c.line_id).subquery("settled")
    mirrored = or_(entry.reversal_of_id.is_not(None), entry.reversed_by_id.is_not(None))
    left = case((mirrored, 0), else_=line.amount - func.coalesce(settled.c.settled, 0))
    base_left = case((mirrored, 0), else_=line.debit - line.credit - func.coalesce(settled.c.base, 0))
    return (
        select(entry.number.label("what"))
        .join(line, line.entry_id == entry.id)
        .outerjoin(settled, settled.c.line_id == line.id)
        .where(entry.company_id == query.company_id, or_(line.residual != left, line.residual_base != base_left))
        .where(sight(entry), sight(line))
    )


def _unbooked(query: LedgerProof, sight: Sight) -> Any:
    """Entries that do not post to an account what assets say of them."""
    entry, moved = JournalEntry, AssetMovement
    of_assets = select(moved.entry_id).where(moved.company_id == query.company_id, sight(moved)).distinct().subquery("of_assets")
    unsaid = select(func.tenant.finance_assets_not_in_entry(of_assets.c.entry_id).label("fault"), of_assets.c.entry_id).subquery("unsaid")
    return select(entry.number.label("what")).join(unsaid, unsaid.c.entry_id == entry.id).where(sight(entry))
