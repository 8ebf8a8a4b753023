"""What is in a document of an invoice: read by one statement, and the same for ever once the invoice is posted."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from uuid import UUID

import msgspec

from nexus.core import Problem, Rows, Sight, select
from nexus.services.finance.entities import Invoice, Letterhead
from nexus.services.finance.invoice_terms import DuePart, InvoiceKind, InvoiceLine, InvoiceStatus, InvoiceTax, LineFigures
from nexus.services.finance.issue_terms import Issued

_KEPT = (
    "number", "kind", "status", "date", "delivered_on", "reference", "currency", "lines", "figures", "taxes", "net", "tax", "total", "withheld", "payable",
    "schedule", "due_on", "notes", "posted_at", "issued",
)  # fmt: skip
_LOOKS = ("color", "tagline", "footer")


class NotPosted(Problem, status=409):
    """The invoice is {state}: a document is given out of what has been posted."""

    state: str


class NotIssuedByUs(Problem, status=422):
    """A {kind} is the supplier's own document: what customers get is given out, invoices and credit notes."""

    kind: str


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """All that a document says."""

    number: str
    kind: InvoiceKind
    date: dt.date
    delivered_on: dt.date | None
    reference: str | None
    currency: str
    lines: list[InvoiceLine]
    figures: list[LineFigures]
    taxes: list[InvoiceTax]
    net: Decimal
    tax: Decimal
    total: Decimal
    withheld: Decimal
    payable: Decimal
    schedule: list[DuePart]
    due_on: dt.date
    notes: str | None
    posted_at: dt.datetime
    issued: Issued
    color: str | None
    tagline: str | None
    footer: str | None

    @property
    def note(self) -> bool:
        """Whether it takes an invoice back."""
        return self.kind is InvoiceKind.CREDIT_NOTE


class _Head(msgspec.Struct, frozen=True):
    kind: InvoiceKind
    status: InvoiceStatus
    issued: msgspec.Raw


def invoice_statement(id: UUID, sight: Sight) -> Rows:
    """The one statement."""
    looks = [getattr(Letterhead, name) for name in _LOOKS]
    known = select(*[getattr(Invoice, name) for name in _KEPT], *looks)
    head = Letterhead.id == Invoice.issued["letterhead_id"].astext.cast(Letterhead.id.type)
    return known.outerjoin(Letterhead, head).where(Invoice.id == id, sight(Invoice))


def read(row: bytes) -> Statement:
    """A row of it. NotIssuedByUs (422) or NotPosted (409) where there is nothing to give out."""
    head = msgspec.json.decode(row, type=_Head)
    if not head.kind.sale:
        raise NotIssuedByUs(kind=head.kind.replace("_", " "))
    if head.status in (InvoiceStatus.DRAFT, InvoiceStatus.CANCELLED) or bytes(head.issued) == b"null":
        raise NotPosted(state=head.status)
    return msgspec.json.decode(row, type=Statement)
