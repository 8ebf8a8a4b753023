"""What finance keeps."""

from nexus.services.finance.entities.accounts import Account, CostCenter, ExchangeRate, Journal
from nexus.services.finance.entities.companies import Company
from nexus.services.finance.entities.periods import AccountingPeriod, FiscalYear, LockException

__all__ = [
    "Account",
    "AccountingPeriod",
    "Company",
    "CostCenter",
    "ExchangeRate",
    "FiscalYear",
    "Journal",
    "LockException",
]
