"""Who may do what with the books. Everybody who reads them reads all of them."""

from __future__ import annotations

from nexus.core import role

accountant = role("finance.accountant", "Accountant", "finance.*:*")

bookkeeper = role(
    "finance.bookkeeper",
    "Bookkeeper",
    "finance.*:read",
    "finance.exchange_rate:*",
    "finance.cost_center:*",
)

auditor = role("finance.auditor", "Auditor", "finance.*:read")
