"""What the ledger refuses. Most of these are raised by the database itself (invariants/), which finds them by their names here."""

from __future__ import annotations

from typing import Self

from nexus.core import Conflict, FieldError, Problem


class LinesRefused(Problem, status=422):
    """Lines {lines} of the entry cannot be posted; each is named in `errors`."""

    lines: str
    errors: list[FieldError]


class UnknownAccount(LinesRefused):
    """Line {lines}: the account is none of this company's."""


class GroupAccount(LinesRefused):
    """Line {lines}: a group takes no postings, only the accounts in it do."""


class FrozenAccount(LinesRefused):
    """Line {lines}: the account is frozen or archived."""


class BothSides(LinesRefused):
    """Line {lines}: a line has either a debit or a credit, and neither is negative."""


class NeitherSide(LinesRefused):
    """Line {lines}: there is neither a debit nor a credit."""


class WrongCurrency(LinesRefused):
    """Line {lines}: the account takes another currency only."""


class TooManyDecimals(LinesRefused):
    """Line {lines}: an amount has more decimals than its currency."""


class Unconverted(LinesRefused):
    """Line {lines}: the amount in the other currency does not fit the debit and the credit."""


class PartyMissing(LinesRefused):
    """Line {lines}: the account needs to know whose it is."""


class TooFewLines(Problem, status=422):
    """An entry has at least two lines."""


class Unbalanced(Problem, status=422):
    """The debits and credits of the entry differ by {difference} {currency}."""

    difference: str
    currency: str


class OutsideFiscalYears(Problem, status=422):
    """{date} is in none of the company's fiscal years: create that year first."""

    date: str


class PeriodIsClosed(Conflict):
    """{date} is in {period}, which is closed."""

    period: str
    date: str
    reason: str = ""


class YearIsClosed(Conflict):
    """The fiscal year {year} is closed, its result is carried forward: reopen it first."""

    year: str
    reason: str = ""


class PeriodIsLocked(Conflict):
    """The books are locked up to {until} ({scope}), and the entry is of {date}."""

    scope: str
    until: str
    date: str
    reason: str = ""


class JournalArchived(Conflict):
    """The journal {journal} is archived, or of another company."""

    journal: str
    reason: str = ""


class NotReversible(Conflict):
    """{number} is not a posted entry of this journal, or is reversed already."""

    number: str
    reason: str = ""


class NotAMirror(Problem, status=422):
    """The entry does not take back what {number} did."""

    number: str


class PostedIsFinal(Conflict):
    """A posted entry never changes: reverse it instead."""

    reason: str = ""


class WrittenByPosting(Conflict):
    """The {what} of the ledger are written by posting alone."""

    what: str
    reason: str = ""


class UnfitParent(Problem, status=422):
    """Account {account} cannot be part of that one: {why}."""

    account: str
    why: str


class AccountInUse(Conflict):
    """Account {account} has postings: its company, kind, currency and whether it is a group stay as they are."""

    account: str
    reason: str = ""


class NoExchangeRate(LinesRefused):
    """Line {lines}: there is no exchange rate for the currency on that day, so give the rate, or a debit or credit."""


class UnfitAccount(Problem, status=422):
    """That account cannot play the role {role}: it is a group, or none of this company's."""

    role: str


class RoleNotPlayed(Problem, status=422):
    """No account of the company plays the role {role}: say which does with an account role."""

    role: str


class EntryOfDocument(Conflict):
    """{number} is the entry of {document}: take back that instead."""

    number: str
    document: str
    reason: str = ""


class PaymentIsFinal(Conflict):
    """A payment is what its entry says, and does not change: bounce it and record another."""

    reason: str = ""


class AllocationRefused(Problem, status=422):
    """Allocation {line} cannot be made; what is wrong is in `errors`."""

    line: int
    errors: list[FieldError]

    @classmethod
    def of(cls, at: int, field: str, message: str) -> Self:
        """Of the allocation at a place of the request, from 0."""
        return cls(line=at + 1, errors=[FieldError(f"allocations[{at}].{field}", message)])


class OverAllocation(AllocationRefused):
    """Allocation {line}: there is less left than it says."""


class NotPosted(AllocationRefused):
    """Allocation {line}: the invoice is not in the books."""


class AlreadyPaid(AllocationRefused):
    """Allocation {line}: nothing of the invoice is open."""


class OtherParty(AllocationRefused):
    """Allocation {line}: the invoice is another party's."""


class OtherCompany(AllocationRefused):
    """Allocation {line}: the invoice is another company's."""


class OtherCurrency(AllocationRefused):
    """Allocation {line}: the invoice is in another currency."""


class SameSide(AllocationRefused):
    """Allocation {line}: both go the same way, so neither settles the other."""


class UnfitAllocation(Problem, status=422):
    """These lines cannot settle each other: {why}."""

    why: str


class ResidualExceeded(Conflict):
    """More is allocated than a line has left: {residual} {currency}."""

    residual: str
    currency: str
    reason: str = ""


class AllocationIsFinal(Conflict):
    """An allocation does not change: undo it and make another."""

    reason: str = ""


class DifferenceRemains(Conflict):
    """The exchange difference of an allocation is reversed when the allocation is undone."""

    reason: str = ""


class WriteOffIsFinal(Conflict):
    """A write-off is what its entry says, as long as that settles its invoice: undo it instead."""

    reason: str = ""


class StillAllocated(Conflict):
    """{number} is allocated: undo that before it is reversed."""

    number: str
    reason: str = ""


class PaidStateIsDerived(Conflict):
    """Whether {number} is paid follows from what is allocated to it, and is not set."""

    number: str
    reason: str = ""


class DunningLevelSkipped(Conflict):
    """An invoice comes to its dunning levels one by one, and {level} is not its next."""

    level: int
    reason: str = ""


class UnknownCompany(Problem, status=422):
    """There is no company with this id."""

    errors: list[FieldError]


class UnknownParty(Problem, status=422):
    """Nothing has been posted of this party in the books of this company."""

    errors: list[FieldError]


class UnknownBudget(Problem, status=422):
    """There is no budget with this id."""

    errors: list[FieldError]


class UnfitBankAccount(Problem, status=422):
    """A bank account cannot stand for this ledger account: {why}."""

    why: str


class StatementIsFinal(Conflict):
    """What a bank said or was told stays as it came or went."""

    reason: str = ""


class ReconciledOnce(Conflict):
    """That line of the books is reconciled with another line of a bank."""

    reason: str = ""


class UnfitReconciliation(Problem, status=422):
    """The line of the bank and those of the books do not say the same: {why}."""

    why: str


class ReconciliationIsFinal(Conflict):
    """What is reconciled stays as it is until it is undone."""

    reason: str = ""


class BillInAnotherFile(Conflict):
    """Bill {number} is in a payment file already that is neither executed nor cancelled."""

    number: str
    reason: str = ""


class NotBySepa(Problem, status=422):
    """That cannot be paid by a SEPA credit transfer; what is wrong is in `errors`."""

    errors: list[FieldError]


class AssetMovementIsFinal(Conflict):
    """What was booked of an asset stays as it is: it is taken back with its run, its disposal or its capitalization."""

    reason: str = ""


class AssetNotInEntry(Conflict):
    """{number} does not post to account {account} what assets say of it: {said}, and it posts {booked}."""

    number: str
    account: str
    said: str
    booked: str
    reason: str = ""


class AssetDiffers(Conflict):
    """{name} is not what its movements come to."""

    name: str
    reason: str = ""
