"""The words of budgets that entities and contracts share."""

from __future__ import annotations

import enum
from decimal import Decimal
from uuid import UUID

from nexus.core import Value


class BudgetStatus(enum.StrEnum):
    """Whether a budget is being drawn up, or is what was agreed."""

    DRAFT = "draft"
    APPROVED = "approved"


class BudgetControl(enum.StrEnum):
    """What happens when a bill takes an account over an approved budget: nothing, somebody is told, or it is not posted."""

    NONE = "none"
    WARN = "warn"
    REFUSE = "refuse"


class PlannedAmount(Value, frozen=True, kw_only=True):
    """What an account is planned to bring or to cost: in a period, or in the whole year and then in equal parts."""

    account_id: UUID
    amount: Decimal
    """In the currency of the books; income and expenses alike are positive."""
    period_id: UUID | None = None
    """Empty: spread over all periods of the year."""
    cost_center_id: UUID | None = None
    """Empty: of the whole company."""
