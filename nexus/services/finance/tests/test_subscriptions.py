"""Subscriptions are invoiced when they are due: each occurrence once, and none because of another."""

from __future__ import annotations

import asyncio
import datetime as dt
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.core import Forbidden, IllegalMove, Invalid, uuid7
from nexus.services.finance.api import (
    ClosePeriod,
    CreateFiscalYear,
    CreateSubscription,
    EndSubscription,
    LockPeriod,
    ReopenPeriod,
    ReviseSubscription,
    RunSubscriptions,
    SubscriptionCreated,
    SubscriptionsRun,
)
from nexus.services.finance.entities import AccountingPeriod, Invoice, PartyTerm, Subscription, SubscriptionInvoice, TaxRate
from nexus.services.finance.invoice_terms import InvoiceLine, InvoiceStatus
from nexus.services.finance.rules.recurrence import occurrence
from nexus.services.finance.subscription_terms import Cadence, SubscriptionStatus
from nexus.services.finance.tests.conftest import Books, refused

DAY = dt.timedelta(days=1)
BREAD = InvoiceLine(name="Bread", quantity=Decimal(2), unit_price=Decimal("10.50"))


@given(st.dates(dt.date(1990, 1, 1), dt.date(2090, 1, 1)), st.sampled_from(list(Cadence)), st.integers(1, 7), st.booleans())
def test_days_follow_each_other_as_far_apart_as_agreed(start: dt.date, cadence: Cadence, interval: int, end: bool) -> None:
    days = [occurrence(start, cadence, interval, end, number) for number in range(30)]
    assert days[0] == start or (end and cadence is not Cadence.WEEKS and days[0] >= start)
    if cadence is Cadence.WEEKS:
        assert all(two - one == 7 * interval * DAY for one, two in pairwise(days))
        return
    months = interval * {Cadence.MONTHS: 1, Cadence.QUARTERS: 3, Cadence.YEARS: 12}[cadence]
    assert all((two.year * 12 + two.month) - (one.year * 12 + one.month) == months for one, two in pairwise(days))
    assert all((day + DAY).day == 1 if end else day.day == start.day or (day.day < start.day and (day + DAY).day == 1) for day in days)


@pytest.mark.parametrize(
    ("cadence", "end", "days"),
    [
        (Cadence.MONTHS, False, ["2025-01-31", "2025-02-28", "2025-03-31", "2025-04-30"]),
        (Cadence.MONTHS, True, ["2025-01-31", "2025-02-28", "2025-03-31", "2025-04-30"]),
        (Cadence.QUARTERS, False, ["2025-01-31", "2025-04-30", "2025-07-31", "2025-10-31"]),
        (Cadence.WEEKS, False, ["2025-01-31", "2025-02-07", "2025-02-14", "2025-02-21"]),
        (Cadence.YEARS, False, ["2025-01-31", "2026-01-31", "2027-01-31", "2028-01-31"]),
    ],
)
def test_a_31st_comes_again_after_february(cadence: Cadence, end: bool, days: list[str]) -> None:
    assert [str(occurrence(dt.date(2025, 1, 31), cadence, 1, end, number)) for number in range(4)] == days


@pytest.fixture
async def past(books: Books) -> Books:
    """Books that have the year before too, whose days are all over."""
    await books.finance.run(CreateFiscalYear(company_id=books.company.id, starts_on=first(books)))
    books.finance.emitted.clear()
    return books


def first(books: Books) -> dt.date:
    """The first day of the year before."""
    return books.day.replace(year=books.day.year - 1)


async def agreed(books: Books, **more: Any) -> SubscriptionCreated:
    given: dict[str, Any] = {"name": "Bread", "party_id": uuid7(), "party_name": "Ada", "lines": [BREAD], "starts_on": first(books)}
    return await books.finance.run(CreateSubscription(**given | more))


async def run(books: Books, day: dt.date) -> SubscriptionsRun:
    books.finance.emitted.clear()
    return await books.finance.run(RunSubscriptions(company_id=books.company.id, on=day))


def day(books: Books, month: int) -> dt.date:
    """The first of a month of the year before."""
    return first(books).replace(month=month)


async def test_what_is_due_is_drawn_up_and_what_was_missed_too(past: Books) -> None:
    told = await agreed(past)
    assert told.next_on == first(past)

    ran = await run(past, day(past, 3))

    assert (ran.invoices, ran.posted, ran.failures) == (3, 0, [])
    assert [type(one).__name__ for one in past.finance.emitted] == ["InvoiceCreated", "SubscriptionInvoiced"] * 3 + ["SubscriptionsRun"]
    invoices = sorted(await past.finance.list(Invoice), key=lambda one: one.date)
    assert [(one.date, one.status, one.total) for one in invoices] == [
        (day(past, month), InvoiceStatus.DRAFT, Decimal(21)) for month in (1, 2, 3)
    ]
    kept = await past.finance.get(Subscription, told.subscription_id)
    assert (kept.occurrences, kept.next_on, kept.failure) == (3, day(past, 4), None)
    again = await run(past, day(past, 3))
    assert (again.invoices, again.failures) == (0, [])
    assert await past.finance.count(Invoice) == 3


async def test_one_that_posts_itself_is_in_the_books(past: Books) -> None:
    await agreed(past, auto_post=True, cadence=Cadence.QUARTERS, end_of_month=True)
    ran = await run(past, day(past, 5))
    assert (ran.invoices, ran.posted) == (2, 2)
    assert {(one.date, one.status) for one in await past.finance.list(Invoice)} == {
        (day(past, 2) - DAY, InvoiceStatus.POSTED),
        (day(past, 5) - DAY, InvoiceStatus.POSTED),
    }


async def test_it_ends_on_its_day_or_when_it_is_ended(past: Books) -> None:
    short, long = await agreed(past, ends_on=day(past, 2)), await agreed(past)
    await run(past, day(past, 6))
    kept = await past.finance.get(Subscription, short.subscription_id)
    assert (kept.status, kept.occurrences) == (SubscriptionStatus.ENDED, 2)
    told = await past.finance.run(EndSubscription(subscription_id=long.subscription_id))
    assert told.occurrences == 6
    assert (await run(past, day(past, 9))).invoices == 0
    async with refused(past.finance, IllegalMove, "is ended: it cannot end"):
        await past.finance.run(EndSubscription(subscription_id=long.subscription_id))
    async with refused(past.finance, IllegalMove, "is ended: it cannot revise"):
        await past.finance.run(ReviseSubscription(subscription_id=long.subscription_id, name="x"))


async def test_what_is_changed_holds_from_the_next_invoice_on(past: Books) -> None:
    told = await agreed(past)
    await run(past, day(past, 1))
    await past.finance.run(ReviseSubscription(subscription_id=told.subscription_id, lines=[BREAD.changed(unit_price=Decimal(20))]))
    await run(past, day(past, 2))
    assert sorted(one.total for one in await past.finance.list(Invoice)) == [Decimal(21), Decimal(40)]


async def test_one_that_fails_stops_no_other_and_says_why(past: Books) -> None:
    finance = past.finance
    rate = await finance.given(TaxRate(company_id=past.company.id, code="OLD", name="Old", rate=Decimal(5)))
    taxed = await agreed(past, name="Taxed", lines=[BREAD.changed(taxes=["OLD"])])
    limited = await agreed(past, name="Limited", auto_post=True)
    frozen = await agreed(past, name="Frozen", auto_post=True, lines=[BREAD.changed(account_id=past.accounts["4120"])])
    fine = await agreed(past, name="Fine", auto_post=True)
    await finance.api("DELETE", f"/api/v1/finance/tax_rates/{rate.id}", if_match="*")
    await finance.api("PATCH", f"/api/v1/finance/accounts/{past.accounts['4120']}", {"frozen": True}, if_match="*")
    party = (await finance.get(Subscription, limited.subscription_id)).party_id
    await finance.given(PartyTerm(company_id=past.company.id, party_id=party, credit_limit=Decimal(1)))

    answer = await finance.as_("finance.bookkeeper").run(RunSubscriptions(company_id=past.company.id, on=first(past)))

    assert (answer.invoices, answer.posted) == (3, 1)
    reasons = {one.name: (one.reason, one.invoice_id is not None) for one in answer.failures}
    assert reasons.keys() == {"Taxed", "Limited", "Frozen"}
    assert "OLD is no tax of this company" in reasons["Taxed"][0]
    assert "the limit is 1" in reasons["Limited"][0]
    assert "frozen or archived" in reasons["Frozen"][0]
    assert [reasons[name][1] for name in ("Taxed", "Limited", "Frozen")] == [False, True, True]
    kept = {one.name: (one.occurrences, one.failure is None) for one in await finance.list(Subscription)}
    assert kept == {"Taxed": (0, False), "Limited": (1, False), "Frozen": (1, False), "Fine": (1, True)}
    assert {fine.subscription_id, frozen.subscription_id, limited.subscription_id} == {
        one.subscription_id for one in await finance.list(SubscriptionInvoice)
    }
    await finance.run(ReviseSubscription(subscription_id=taxed.subscription_id, lines=[BREAD]))
    assert (await run(past, first(past))).invoices == 1
    assert (await finance.get(Subscription, taxed.subscription_id)).failure is None


async def test_closed_and_locked_days_leave_a_draft(past: Books) -> None:
    finance = past.finance
    await agreed(past, auto_post=True)
    (period,) = await finance.list(AccountingPeriod, AccountingPeriod.starts_on == day(past, 2))
    await finance.run(LockPeriod(company_id=past.company.id, until=first(past)))
    await finance.run(ClosePeriod(accounting_period_id=period.id))
    ran = await run(past, day(past, 3))
    assert [(one.date, one.invoice_id is not None) for one in ran.failures] == [(first(past), True), (day(past, 2), True)]
    assert ["locked up to" in ran.failures[0].reason, "is closed" in ran.failures[1].reason] == [True, True]
    assert (ran.invoices, ran.posted) == (3, 1)
    await finance.run(ReopenPeriod(accounting_period_id=period.id, reason="x"))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"cadence": Cadence.WEEKS, "end_of_month": True}, "end_of_month: goes with months"),
        ({"ends_on": dt.date(1999, 1, 1)}, "ends_on: is before"),
        ({"lines": []}, "lines: must not be empty"),
        ({"lines": [BREAD.changed(taxes=["NONE"])]}, r"lines\[0\].taxes: NONE is no tax"),
        ({"lines": [BREAD.changed(account_id=uuid7())]}, r"lines\[0\].account_id"),
        ({"currency": "QQQ"}, "currency"),
        ({"payment_term_id": uuid7()}, "payment_term_id: is no payment term"),
    ],
)
async def test_what_could_not_be_invoiced_is_not_agreed(past: Books, given: dict[str, Any], says: str) -> None:
    async with refused(past.finance, Invalid, says):
        await agreed(past, **given)
    assert await past.finance.count(Subscription) == 0


async def test_the_future_is_not_invoiced(past: Books) -> None:
    await agreed(past)
    async with refused(past.finance, Invalid, "on: is in the future"):
        await past.finance.run(RunSubscriptions(company_id=past.company.id, on=past.periods[-1].ends_on + 400 * DAY))


async def test_of_runs_at_once_each_occurrence_is_drawn_up_once(past: Books) -> None:
    for _ in range(3):
        await agreed(past, auto_post=True)
    command = RunSubscriptions(company_id=past.company.id, on=day(past, 2))
    answers = await asyncio.gather(*[past.finance.run(command) for _ in range(3)])
    assert sum(one.invoices for one in answers) == 6 == await past.finance.count(Invoice)
    assert sum(one.posted for one in answers) == 6


@pytest.mark.parametrize(("role", "may"), [("finance.bookkeeper", True), ("finance.treasurer", False), ("finance.auditor", False)])
async def test_bookkeepers_run_subscriptions(past: Books, role: str, may: bool) -> None:
    command = RunSubscriptions(company_id=past.company.id, on=first(past))
    if may:
        await past.finance.as_(role).run(command)
        return
    async with refused(past.finance, Forbidden):
        await past.finance.as_(role).run(command)
