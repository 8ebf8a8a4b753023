"""Deferred income and expenses: what waits on the balance sheet for its month."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from nexus.core import Query, Rows, Sight, and_, answers, exact, func, select
from nexus.services.finance.entities import Account, DeferralEntry, DeferralSchedule, Invoice, JournalEntry
from nexus.services.finance.queries.open_items import asked_of


class Deferrals(Query, frozen=True, kw_only=True):
    """What of the lines of invoices and bills waited at the end of a day to become income or expense, schedule by schedule.

    What is `deferred` on an account adds up to its balance, but for what others post there.
    """

    company_id: UUID
    on: dt.date


@answers(Deferrals, needs="finance.deferral_schedule:read")
def deferrals(query: Deferrals, sight: Sight) -> Rows:
    one, part, moved = DeferralSchedule, DeferralEntry, JournalEntry
    recognised = func.coalesce(func.sum(part.amount), 0)
    return (
        select(one.id.label("deferral_schedule_id"), Invoice.number, Invoice.kind, Invoice.party_name, one.line, Account.code)
        .add_columns(one.starts_on, one.ends_on, exact(one.amount).label("amount"), exact(recognised).label("recognised"))
        .add_columns(exact(one.amount - recognised).label("deferred"))
        .join(Invoice, Invoice.id == one.invoice_id)
        .join(Account, Account.id == one.deferred_account_id)
        .join(moved, moved.id == one.entry_id)
        .outerjoin(part, and_(part.deferral_schedule_id == one.id, part.date <= query.on, sight(part)))
        .where(one.company_id == query.company_id, moved.date <= query.on, asked_of(query.company_id))
        .where(sight(one), sight(Invoice), sight(Account), sight(moved))
        .group_by(one.id, Invoice.id, Account.id)
        .having(one.amount != recognised)
        .order_by(Account.code, one.starts_on, one.id)
    )
