"""What must be so before books are closed: control accounts say what is open on them, and nothing waits to be posted or depreciated."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from uuid import UUID

from nexus.core import Conflict, Tx
from nexus.services.finance.asset_terms import AssetStatus
from nexus.services.finance.entities import Asset, Invoice, JournalEntry
from nexus.services.finance.invoice_terms import InvoiceStatus
from nexus.services.finance.queries.control_accounts import ControlAccounts, control_accounts
from nexus.services.finance.terms import EntryStatus, Subledger


class ControlAccountDiffers(Conflict):
    """{account} stands at {balance} on {on}, and what is open on it comes to {open}: {difference} is on lines that say no party."""

    account: str
    on: str
    balance: str
    open: str
    difference: str
    reason: str = ""


class DraftsLeft(Conflict):
    """{entries} entries and {invoices} invoices of {since} to {until} are still drafts: post them, throw them away or give them another day."""

    entries: int
    invoices: int
    since: str
    until: str
    reason: str = ""


class DepreciationDue(Conflict):
    """Depreciation of {assets} assets that is due by {until} has not been posted: run it first."""

    assets: int
    until: str
    reason: str = ""


async def proven(company_id: UUID, since: dt.date, until: dt.date, tx: Tx) -> None:
    """Refuse (409) what stands against closing some days, of which nothing can be posted any more. It names the account, or counts the drafts."""
    entry, invoice = JournalEntry, Invoice
    entries = await tx.count(entry, entry.company_id == company_id, entry.status == EntryStatus.DRAFT, entry.date.between(since, until))
    invoices = await tx.count(
        invoice, invoice.company_id == company_id, invoice.status == InvoiceStatus.DRAFT, invoice.date.between(since, until)
    )
    if entries or invoices:
        raise DraftsLeft(entries=entries, invoices=invoices, since=str(since), until=str(until))
    due = (Asset.company_id == company_id, Asset.status == AssetStatus.IN_USE, Asset.next_on <= until)
    if assets := await tx.count(Asset, *due):
        raise DepreciationDue(assets=assets, until=str(until))
    for subledger in Subledger:
        for row in await tx.rows(control_accounts(ControlAccounts(company_id=company_id, on=until, subledger=subledger), tx.sees)):
            if Decimal(row["difference"]):
                figures = {name: row[name] for name in ("balance", "open", "difference")}
                raise ControlAccountDiffers(account=f"{row['code']} {row['name']}", on=str(until), **figures)
