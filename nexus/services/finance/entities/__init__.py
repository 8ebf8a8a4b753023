"""What finance keeps."""

from nexus.services.finance.entities.accounts import Account, AccountRole, CostCenter, ExchangeRate, Journal
from nexus.services.finance.entities.allocations import Allocation
from nexus.services.finance.entities.assets import Asset, AssetMovement, DepreciationRun
from nexus.services.finance.entities.balances import AccountBalance, JournalHead, JournalSeries
from nexus.services.finance.entities.banking import BankAccount, BankReconciliation, BankStatement, BankStatementLine, ReconcileRule
from nexus.services.finance.entities.budgets import Budget, BudgetLine
from nexus.services.finance.entities.companies import Company
from nexus.services.finance.entities.deferrals import DeferralEntry, DeferralSchedule
from nexus.services.finance.entities.dunning import DunnedInvoice, Dunning, DunningBlock, DunningLevel
from nexus.services.finance.entities.entries import JournalEntry, JournalLine
from nexus.services.finance.entities.invoices import Invoice, PaymentTerm, TaxRate
from nexus.services.finance.entities.parties import BillingProfile, Letterhead
from nexus.services.finance.entities.party_terms import PartyTerm
from nexus.services.finance.entities.payment_files import PaymentFile, PaymentFileTransfer
from nexus.services.finance.entities.payments import Payment
from nexus.services.finance.entities.periods import AccountingPeriod, FiscalYear, LockException
from nexus.services.finance.entities.subscriptions import Subscription, SubscriptionInvoice
from nexus.services.finance.entities.write_offs import WriteOff

__all__ = [
    "Account",
    "AccountBalance",
    "AccountRole",
    "AccountingPeriod",
    "Allocation",
    "Asset",
    "AssetMovement",
    "BankAccount",
    "BankReconciliation",
    "BankStatement",
    "BankStatementLine",
    "BillingProfile",
    "Budget",
    "BudgetLine",
    "Company",
    "CostCenter",
    "DeferralEntry",
    "DeferralSchedule",
    "DepreciationRun",
    "DunnedInvoice",
    "Dunning",
    "DunningBlock",
    "DunningLevel",
    "ExchangeRate",
    "FiscalYear",
    "Invoice",
    "Journal",
    "JournalEntry",
    "JournalHead",
    "JournalLine",
    "JournalSeries",
    "Letterhead",
    "LockException",
    "PartyTerm",
    "Payment",
    "PaymentFile",
    "PaymentFileTransfer",
    "PaymentTerm",
    "ReconcileRule",
    "Subscription",
    "SubscriptionInvoice",
    "TaxRate",
    "WriteOff",
]
