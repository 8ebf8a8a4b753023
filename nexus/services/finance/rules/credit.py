"""Credit limits: whether a customer may owe another invoice."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from nexus.core import Conflict, FieldError, Forbidden, Tx, exact, func, select
from nexus.core.money import exactly, quotient
from nexus.services.finance.entities import Account, Invoice, JournalLine, PartyTerm
from nexus.services.finance.invoice_terms import InvoiceKind
from nexus.services.finance.rules.booking import Ledger
from nexus.services.finance.terms import AccountType, PartyType

OVERRIDES = "finance.invoice:exceed_credit"
"""Who may post what a limit stands against."""


class CreditLimitExceeded(Conflict):
    """{party} would owe {exposure} {currency} with this invoice, and the limit is {limit}."""

    party: str
    open: str
    exposure: str
    limit: str
    currency: str
    errors: list[FieldError]
    reason: str = ""


async def within_limit(invoice: Invoice, ledger: Ledger, tx: Tx) -> None:
    """Refuse (409) an invoice with which its customer would owe more than was agreed, unless the caller may exceed that.

    The terms are held until the end: of two invoices at once, the second counts the first.
    """
    if invoice.kind is not InvoiceKind.SALES_INVOICE:
        return
    agreed = (PartyTerm.company_id == invoice.company_id, PartyTerm.party_id == invoice.party_id, PartyTerm.archived_at.is_(None))
    terms = await tx.find(PartyTerm, *agreed, lock=True)
    if terms is None or terms.credit_limit is None:
        return
    open_ = await _open(invoice.company_id, invoice.party_id, tx)
    with exactly():
        exposure = open_ + quotient(invoice.payable * ledger.rate, Decimal(1), ledger.currency)
    if exposure <= terms.credit_limit:
        return
    try:
        tx.need(OVERRIDES)
    except Forbidden:
        raise CreditLimitExceeded(
            party=invoice.party_name,
            open=str(open_),
            exposure=str(exposure),
            limit=f"{terms.credit_limit.normalize():f}",
            currency=ledger.currency,
            errors=[FieldError("invoice_id", f"takes what is owed from {open_} to {exposure}")],
        ) from None


async def _open(company_id: UUID, party_id: UUID, tx: Tx) -> Decimal:
    """What a customer owes now in the currency of the books, less what has been paid in advance."""
    line = JournalLine
    owed = (
        select(exact(func.coalesce(func.sum(line.residual_base), 0)).label("open"))
        .join(Account, Account.id == line.account_id)
        .where(Account.company_id == company_id, Account.account_type == AccountType.RECEIVABLE)
        .where(line.party_id == party_id, line.party_type == PartyType.CUSTOMER)
    )
    (row,) = await tx.rows(owed)
    return Decimal(row["open"])
