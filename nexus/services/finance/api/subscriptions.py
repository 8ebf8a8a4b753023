"""Subscriptions: commands and events."""

from __future__ import annotations

import datetime as dt
from typing import Annotated
from uuid import UUID

from msgspec import Meta

from nexus.core import Command, CurrencyCode, Event, Line, Value
from nexus.services.finance.invoice_terms import InvoiceLine
from nexus.services.finance.subscription_terms import Cadence

Interval = Annotated[int, Meta(ge=1, le=120)]


class SubscriptionFailure(Value, frozen=True, kw_only=True):
    """Why an invoice of a subscription could not be drawn up, or was drawn up and could not be posted."""

    subscription_id: UUID
    name: str
    date: dt.date
    reason: str
    invoice_id: UUID | None = None
    """The draft, where there is one."""


class SubscriptionCreated(Event, frozen=True, kw_only=True):
    """A customer is to be invoiced again and again."""

    topic = "finance.subscription.created"
    subscription_id: UUID
    company_id: UUID
    party_id: UUID
    name: str
    next_on: dt.date


class SubscriptionRevised(Event, frozen=True, kw_only=True):
    """What a customer is invoiced for again and again has changed, from the next invoice on."""

    topic = "finance.subscription.revised"
    subscription_id: UUID


class SubscriptionEnded(Event, frozen=True, kw_only=True):
    """No more invoices follow of a subscription."""

    topic = "finance.subscription.ended"
    subscription_id: UUID
    occurrences: int
    """How many there were."""


class SubscriptionInvoiced(Event, frozen=True, kw_only=True):
    """An invoice of a subscription has been drawn up."""

    topic = "finance.subscription.invoiced"
    subscription_id: UUID
    occurrence: int
    invoice_id: UUID
    date: dt.date
    posted: bool


class SubscriptionsRun(Event, frozen=True, kw_only=True):
    """A company's subscriptions have been invoiced up to a day."""

    topic = "finance.company.subscriptions_run"
    company_id: UUID
    on: dt.date
    invoices: int
    posted: int
    failures: list[SubscriptionFailure]


class CreateSubscription(Command[SubscriptionCreated], frozen=True, kw_only=True):
    """Have a customer invoiced again and again, from a day on."""

    company_id: UUID | None = None
    """Empty: the business's first company."""
    name: Line
    party_id: UUID
    party_name: Line
    currency: CurrencyCode | None = None
    """Empty: that of the company's books."""
    lines: list[InvoiceLine]
    payment_term_id: UUID | None = None
    cadence: Cadence = Cadence.MONTHS
    interval: Interval = 1
    end_of_month: bool = False
    """Each invoice is of the last day of its month; not with weeks."""
    starts_on: dt.date
    """A 31st is the last day of months that are shorter, and the 31st again in the others."""
    ends_on: dt.date | None = None
    auto_post: bool = False


class ReviseSubscription(Command[SubscriptionRevised], frozen=True, kw_only=True):
    """Change what a subscription invoices from now on; what is not given stays."""

    subscription_id: UUID
    name: Line | None = None
    party_name: Line | None = None
    lines: list[InvoiceLine] | None = None
    payment_term_id: UUID | None = None
    ends_on: dt.date | None = None
    auto_post: bool | None = None


class EndSubscription(Command[SubscriptionEnded], frozen=True, kw_only=True):
    """Have no more invoices follow of a subscription."""

    subscription_id: UUID


class RunSubscriptions(Command[SubscriptionsRun], frozen=True, kw_only=True):
    """Draw up all invoices of a company's subscriptions that are due by a day, those that were missed too, each once.

    One that cannot be drawn up or posted stops no other: the answer says why, and so does the subscription. What cannot be drawn up is tried
    again by the next run; what cannot be posted stays a draft.
    """

    company_id: UUID
    on: dt.date | None = None
    """Empty: today; no later day."""
