"""What an invoice says about its two sides, taken when it is posted."""

from __future__ import annotations

from typing import Any

from nexus.core import Tx, and_, select
from nexus.services.finance.entities import BankAccount, BillingProfile, Company, Invoice, Letterhead, PaymentTerm
from nexus.services.finance.issue_terms import Issued, PayTo, Preceding, Side, TermsGiven
from nexus.typesetting import printable

_SIDE = tuple(name for name in Side.__struct_fields__ if name != "name")


async def issued(invoice: Invoice, tx: Tx) -> Issued | None:
    """What the documents of an invoice or note to a customer say beside its figures; None of what suppliers issue."""
    if not invoice.kind.sale:
        return None
    (row,) = await tx.rows(_statement(invoice))
    buyer = _side(row, "buyer", row["buyer_name"] or invoice.party_name)
    preceding = None
    if row["credited_number"] is not None:
        preceding = Preceding.of({name: row[f"credited_{name}"] for name in ("number", "date", "reference")})
    return Issued(
        seller=_side(row, "seller", row["seller_name"]),
        buyer=buyer,
        language=row["buyer_language"] or row["language"] or tx.tenant.language,
        letterhead_id=row["letterhead_id"],
        buyer_reference=_reference(invoice, preceding) or row["buyer_reference"],
        terms=None if row["term_name"] is None else TermsGiven.of({name: row[f"term_{name}"] for name in TermsGiven.__struct_fields__}),
        account=_pay_to(row),
        preceding=preceding,
    )


def _pay_to(row: dict[str, Any]) -> PayTo | None:
    """Where the buyer pays to: the company's first account in the currency of the invoice."""
    if row["iban"] is None and row["account_number"] is None:
        return None
    return PayTo(name=printable(row["seller_name"]), iban=row["iban"], other=row["account_number"], bic=row["bic"])


def _reference(invoice: Invoice, preceding: Preceding | None) -> str | None:
    """The buyer's own number: a note names the invoice where that has none to give."""
    return preceding.reference if preceding else invoice.reference


def _statement(invoice: Invoice) -> Any:
    own = select(Letterhead.id).where(Letterhead.company_id == invoice.company_id)
    newest = own.order_by(Letterhead.id.desc()).limit(1).correlate(None).scalar_subquery()
    held = select(BankAccount.id).where(BankAccount.company_id == invoice.company_id, BankAccount.currency == invoice.currency)
    first = held.where(BankAccount.archived_at.is_(None)).order_by(BankAccount.id).limit(1).correlate(None).scalar_subquery()
    known = (
        select(Company.name.label("seller_name"), *[getattr(Company, name).label(f"seller_{name}") for name in _SIDE])
        .add_columns(
            BillingProfile.legal_name.label("buyer_name"), BillingProfile.buyer_reference, BillingProfile.language.label("buyer_language")
        )
        .add_columns(*[getattr(BillingProfile, name).label(f"buyer_{name}") for name in _SIDE if hasattr(BillingProfile, name)])
        .add_columns(BankAccount.iban, BankAccount.account_number, BankAccount.bic)
        .add_columns(Letterhead.id.label("letterhead_id"), Letterhead.language)
        .add_columns(*[getattr(PaymentTerm, name).label(f"term_{name}") for name in TermsGiven.__struct_fields__])
        .add_columns(*[getattr(Invoice, name).label(f"credited_{name}") for name in ("number", "date", "reference")])
    )
    return (
        known.select_from(Company)
        .outerjoin(BillingProfile, and_(BillingProfile.party_id == invoice.party_id, BillingProfile.archived_at.is_(None)))
        .outerjoin(Letterhead, Letterhead.id == newest)
        .outerjoin(BankAccount, BankAccount.id == first)
        .outerjoin(PaymentTerm, PaymentTerm.id == invoice.payment_term_id)
        .outerjoin(Invoice, Invoice.id == invoice.credit_of_id)
        .where(Company.id == invoice.company_id)
    )


def _side(row: dict[str, Any], who: str, name: str) -> Side:
    known = {field: value for field in _SIDE if (value := row.get(f"{who}_{field}")) is not None}
    return Side(name=printable(name), **known)
