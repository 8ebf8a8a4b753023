"""How finance's records may change. A state column changes by these moves and in no other way."""

from nexus.core import Flow, Move
from nexus.services.finance.asset_terms import AssetStatus, RunStatus
from nexus.services.finance.bank_terms import BankLineStatus, LinkStatus, PaymentFileStatus, TransferStatus
from nexus.services.finance.budget_terms import BudgetStatus
from nexus.services.finance.deferral_terms import DeferralStatus
from nexus.services.finance.entities import (
    AccountingPeriod,
    Allocation,
    Asset,
    BankReconciliation,
    BankStatementLine,
    Budget,
    DeferralSchedule,
    DepreciationRun,
    FiscalYear,
    Invoice,
    JournalEntry,
    Payment,
    PaymentFile,
    PaymentFileTransfer,
    Subscription,
    WriteOff,
)
from nexus.services.finance.invoice_terms import InvoiceStatus
from nexus.services.finance.payment_terms import AllocationStatus, PaymentStatus
from nexus.services.finance.subscription_terms import SubscriptionStatus
from nexus.services.finance.terms import EntryStatus, PeriodStatus, YearStatus

period_flow = Flow(
    AccountingPeriod.status,
    Move("close", [PeriodStatus.OPEN], PeriodStatus.CLOSED),
    Move("reopen", [PeriodStatus.CLOSED], PeriodStatus.OPEN),
)

year_flow = Flow(
    FiscalYear.status,
    Move("close", [YearStatus.OPEN], YearStatus.CLOSED),
    Move("reopen", [YearStatus.CLOSED], YearStatus.OPEN),
)

entry_flow = Flow(
    JournalEntry.status,
    Move("revise", [EntryStatus.DRAFT], EntryStatus.DRAFT),
    Move("discard", [EntryStatus.DRAFT], EntryStatus.DRAFT),
    Move("post", [EntryStatus.DRAFT], EntryStatus.POSTED),
    Move("reverse", [EntryStatus.POSTED], EntryStatus.REVERSED),
)

_BOOKED = (InvoiceStatus.POSTED, InvoiceStatus.PARTLY_PAID, InvoiceStatus.PAID, InvoiceStatus.REVERSED, InvoiceStatus.WRITTEN_OFF)

invoice_flow = Flow(
    Invoice.status,
    Move("revise", [InvoiceStatus.DRAFT], InvoiceStatus.DRAFT),
    Move("cancel", [InvoiceStatus.DRAFT], InvoiceStatus.CANCELLED),
    Move("post", [InvoiceStatus.DRAFT], InvoiceStatus.POSTED),
    Move("credit", [InvoiceStatus.POSTED], InvoiceStatus.POSTED),
    # these follow from allocations alone
    Move("pay_partly", _BOOKED, InvoiceStatus.PARTLY_PAID),
    Move("pay", _BOOKED, InvoiceStatus.PAID),
    Move("reverse", _BOOKED, InvoiceStatus.REVERSED),
    Move("write_off", _BOOKED, InvoiceStatus.WRITTEN_OFF),
    Move("reopen", _BOOKED, InvoiceStatus.POSTED),
)

payment_flow = Flow(Payment.status, Move("bounce", [PaymentStatus.POSTED], PaymentStatus.BOUNCED))

allocation_flow = Flow(Allocation.status, Move("undo", [AllocationStatus.MADE], AllocationStatus.UNDONE))

write_off_flow = Flow(WriteOff.status, Move("undo", [AllocationStatus.MADE], AllocationStatus.UNDONE))

subscription_flow = Flow(
    Subscription.status,
    Move("revise", [SubscriptionStatus.ACTIVE], SubscriptionStatus.ACTIVE),
    Move("end", [SubscriptionStatus.ACTIVE], SubscriptionStatus.ENDED),
)

deferral_flow = Flow(DeferralSchedule.status, Move("finish", [DeferralStatus.RUNNING], DeferralStatus.DONE))

asset_flow = Flow(
    Asset.status,
    Move("revise", [AssetStatus.DRAFT], AssetStatus.DRAFT),
    Move("discard", [AssetStatus.DRAFT], AssetStatus.DRAFT),
    Move("capitalize", [AssetStatus.DRAFT], AssetStatus.IN_USE),
    Move("undo_capitalization", [AssetStatus.IN_USE], AssetStatus.DRAFT),
    Move("change_useful_life", [AssetStatus.IN_USE], AssetStatus.IN_USE),
    Move("dispose", [AssetStatus.IN_USE, AssetStatus.FULLY_DEPRECIATED], AssetStatus.DISPOSED),
    Move("undo_disposal", [AssetStatus.DISPOSED], AssetStatus.IN_USE),
    # these follow from what is posted alone
    Move("finish", [AssetStatus.IN_USE], AssetStatus.FULLY_DEPRECIATED),
    Move("resume", [AssetStatus.FULLY_DEPRECIATED], AssetStatus.IN_USE),
)

budget_flow = Flow(
    Budget.status,
    Move("revise", [BudgetStatus.DRAFT], BudgetStatus.DRAFT),
    Move("discard", [BudgetStatus.DRAFT], BudgetStatus.DRAFT),
    Move("approve", [BudgetStatus.DRAFT], BudgetStatus.APPROVED),
    Move("reopen", [BudgetStatus.APPROVED], BudgetStatus.DRAFT),
)

run_flow = Flow(DepreciationRun.status, Move("undo", [RunStatus.POSTED], RunStatus.UNDONE))

_OPEN_LINE = (BankLineStatus.UNMATCHED, BankLineStatus.SUGGESTED, BankLineStatus.MATCHED)

bank_line_flow = Flow(
    BankStatementLine.status,
    Move("suggest", [BankLineStatus.UNMATCHED], BankLineStatus.SUGGESTED),
    Move("match", _OPEN_LINE, BankLineStatus.MATCHED),
    Move("dismiss", [BankLineStatus.SUGGESTED, BankLineStatus.MATCHED], BankLineStatus.UNMATCHED),
    Move("accept", [BankLineStatus.SUGGESTED, BankLineStatus.MATCHED], BankLineStatus.RECONCILED),
    Move("undo", [BankLineStatus.RECONCILED], BankLineStatus.UNMATCHED),
)

bank_reconciliation_flow = Flow(BankReconciliation.status, Move("undo", [LinkStatus.MADE], LinkStatus.UNDONE))

payment_file_flow = Flow(
    PaymentFile.status,
    Move("execute", [PaymentFileStatus.MADE], PaymentFileStatus.EXECUTED),
    Move("cancel", [PaymentFileStatus.MADE], PaymentFileStatus.CANCELLED),
)

transfer_flow = Flow(PaymentFileTransfer.status, Move("close", [TransferStatus.ORDERED], TransferStatus.CLOSED))
