"""Who may do what with the books. Everybody who reads them reads all of them."""

from __future__ import annotations

from nexus.core import role

accountant = role("finance.accountant", "Accountant", "finance.*:*")
"""Writes off and exceeds credit limits as well: that is for somebody who neither invoices nor takes the money. Disposes of assets, says how
long they last and takes back what was booked of them: that is for somebody who does not put them into the register."""

bookkeeper = role(
    "finance.bookkeeper",
    "Bookkeeper",
    "finance.*:read",
    "finance.exchange_rate:*",
    "finance.cost_center:*",
    *[f"finance.invoice:{verb}" for verb in ("create", "revise", "cancel", "cancel_drafts", "post", "credit", "allocate", "defer")],
    *[f"finance.company:{verb}" for verb in ("dun", "run_subscriptions", "recognize_deferrals", "run_depreciation")],
    "finance.deferral_schedule:end",
    *[f"finance.asset:{verb}" for verb in ("create", "revise", "discard", "capitalize")],
    *[f"finance.subscription:{verb}" for verb in ("create", "revise", "end")],
    "finance.dunning_block:*",
    *[f"finance.budget:{verb}" for verb in ("create", "revise", "discard")],
    *[f"finance.journal_entry:{verb}" for verb in ("create", "revise", "discard", "post", "post_draft", "reverse")],
)

treasurer = role(
    "finance.treasurer",
    "Treasurer",
    "finance.*:read",
    *[f"finance.payment:{verb}" for verb in ("record", "allocate", "bounce")],
    "finance.allocation:undo",
    *[f"finance.bank_account:{verb}" for verb in ("import_statement", "suggest_matches", "make_payment_file")],
    *[f"finance.payment_file:{verb}" for verb in ("execute", "cancel")],
    *[f"finance.bank_statement_line:{verb}" for verb in ("match", "dismiss", "accept", "undo")],
)
"""Who pays bills neither draws them up nor posts entries by hand."""

auditor = role("finance.auditor", "Auditor", "finance.*:read")
