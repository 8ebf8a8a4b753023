"""What other services may know of finance: the commands they may send and the events they may hear."""

from nexus.services.finance.api.periods import (
    ClosePeriod,
    CompanyLocked,
    CreateFiscalYear,
    FiscalYearCreated,
    GrantLockException,
    LockExceptionGranted,
    LockExceptionRevoked,
    LockPeriod,
    PeriodClosed,
    PeriodReopened,
    ReopenPeriod,
    RevokeLockException,
)

__all__ = [
    "ClosePeriod",
    "CompanyLocked",
    "CreateFiscalYear",
    "FiscalYearCreated",
    "GrantLockException",
    "LockExceptionGranted",
    "LockExceptionRevoked",
    "LockPeriod",
    "PeriodClosed",
    "PeriodReopened",
    "ReopenPeriod",
    "RevokeLockException",
]
