"""Bank accounts, and what banks say of them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import ClassVar, Literal
from uuid import UUID

from nexus.core import CheckConstraint, Entity, Index, Mapped, UniqueConstraint, f, sql
from nexus.services.finance.bank_terms import BankLineStatus, BankMatch, LinkStatus, StatementFormat, valid_bic, valid_iban
from nexus.services.finance.terms import PartyType

_LIVE = "archived_at IS NULL"


class BankAccount(Entity):
    """An account of a company at a bank, and the ledger account that says the same."""

    __table_args__ = (
        Index("uq_finance_bank_account_account_id", "account_id", unique=True, postgresql_where=sql(_LIVE)),
        Index("uq_finance_bank_account_iban", "iban", "currency", unique=True, postgresql_where=sql(f"{_LIVE} AND iban IS NOT NULL")),
        CheckConstraint("num_nonnulls(iban, account_number) > 0", name="iban_or_account_number"),
    )

    company_id: Mapped[UUID] = f.ref("finance.company", index=False, once=True)
    account_id: Mapped[UUID] = f.ref("finance.account", index=False, once=True, help="One of type bank, on which nothing else is booked.")
    name: Mapped[str] = f.text(120, search=True, example="Current account")
    currency: Mapped[str] = f.currency(once=True, help="In which the bank keeps it.")
    iban: Mapped[str | None] = f.text(
        34, default=None, pattern=r"^[A-Z]{2}[0-9]{2}[0-9A-Z]{8,30}$", check=valid_iban, search=True, example="DE89370400440532013000"
    )
    bic: Mapped[str | None] = f.text(11, default=None, pattern=r"^[0-9A-Z]{8}([0-9A-Z]{3})?$", check=valid_bic, example="COBADEFFXXX")
    account_number: Mapped[str | None] = f.text(
        34, default=None, pattern=r"^[0-9A-Z][0-9A-Z\-]*$", example="0123456789", help="Where there are no IBANs."
    )


class BankStatement(Entity):
    """What a bank says happened on an account in a time. It comes from a file and stays as it came."""

    __table_args__ = (
        UniqueConstraint("bank_account_id", "digest"),
        Index("ix_finance_bank_statement_until", "bank_account_id", "until"),
        CheckConstraint("opening + movement = closing", name="closing_of_opening_and_movement"),
    )
    removal: ClassVar[Literal["archive", "delete"] | None] = None
    creatable: ClassVar[bool] = False
    editable: ClassVar[bool] = False

    bank_account_id: Mapped[UUID] = f.ref("finance.bank_account", index=False, read_only=True)
    file_format: Mapped[StatementFormat] = f.enum_(StatementFormat, read_only=True)
    reference: Mapped[str | None] = f.text(60, default=None, read_only=True, search=True, help="What the bank calls it.")
    since: Mapped[dt.date] = f.date(read_only=True)
    until: Mapped[dt.date] = f.date(read_only=True)
    currency: Mapped[str] = f.currency(read_only=True)
    opening: Mapped[Decimal | None] = f.money(currency="currency", default=None, read_only=True)
    movement: Mapped[Decimal] = f.money(currency="currency", read_only=True, help="The sum of all its lines, also of those known before.")
    closing: Mapped[Decimal | None] = f.money(currency="currency", default=None, read_only=True)
    line_count: Mapped[int] = f.int_(read_only=True, help="Of all its lines, also of those known before.")
    digest: Mapped[str] = f.text(64, read_only=True, help="SHA-256 of what it says, by which it is known again.")


class BankStatementLine(Entity):
    """An amount that came into a bank account or went out of it, as the bank says."""

    __table_args__ = (
        UniqueConstraint("bank_account_id", "bank_transaction_id"),
        Index("ix_finance_bank_statement_line_booked_on", "bank_account_id", "booked_on", "id"),
        Index("ix_finance_bank_statement_line_open", "bank_account_id", postgresql_where=sql("status <> 'reconciled'")),
        CheckConstraint("amount <> 0", name="amount_of_something"),
    )
    removal: ClassVar[Literal["archive", "delete"] | None] = None
    creatable: ClassVar[bool] = False
    editable: ClassVar[bool] = False

    bank_account_id: Mapped[UUID] = f.ref("finance.bank_account", index=False, read_only=True)
    bank_statement_id: Mapped[UUID] = f.ref("finance.bank_statement", read_only=True, help="The first that it was on.")
    position: Mapped[int] = f.int_(read_only=True, help="From 1, on that.")
    status: Mapped[BankLineStatus] = f.state(default=BankLineStatus.UNMATCHED, index=False)
    booked_on: Mapped[dt.date] = f.date(read_only=True)
    value_on: Mapped[dt.date | None] = f.date(default=None, read_only=True, help="From when it bears interest.")
    amount: Mapped[Decimal] = f.money(currency="currency", read_only=True, help="What went out is negative.")
    currency: Mapped[str] = f.currency(read_only=True)
    counterparty_name: Mapped[str | None] = f.text(200, default=None, read_only=True, search=True, pii="name")
    counterparty_account: Mapped[str | None] = f.text(60, default=None, read_only=True, search=True, pii="financial")
    text: Mapped[str | None] = f.text(
        2000, default=None, read_only=True, search=True, pii="other", help="What it is for, in the payer's words."
    )
    bank_transaction_id: Mapped[str] = f.text(120, read_only=True, help="The bank's own, or one made of what the line says.")
    end_to_end_id: Mapped[str | None] = f.text(60, default=None, read_only=True, search=True, help="What the payer calls the payment.")
    match: Mapped[BankMatch | None] = f.json(
        BankMatch, default=None, read_only=True, help="What it is about, as it is suggested or has been decided."
    )
    dismissed: Mapped[list[UUID]] = f.json(
        list[UUID],
        default_factory=list,
        read_only=True,
        help="Invoices, lines of the books and rules that it is not about: they are not suggested again.",
    )
    payment_id: Mapped[UUID | None] = f.ref(
        "finance.payment", default=None, read_only=True, help="The payment that was recorded for it when it was reconciled."
    )
    entry_id: Mapped[UUID | None] = f.ref(
        "finance.journal_entry", default=None, index=False, read_only=True, help="The entry that was posted for it when it was reconciled."
    )
    write_off_ids: Mapped[list[UUID]] = f.json(
        list[UUID], default_factory=list, read_only=True, help="What was written off of invoices that it pays but for a little."
    )


class BankReconciliation(Entity):
    """A line of a bank statement and a line of the books that say the same. It holds until it is undone."""

    __table_args__ = (
        Index("uq_finance_bank_reconciliation_journal_line_id", "journal_line_id", unique=True, postgresql_where=sql("status = 'made'")),
        CheckConstraint("amount <> 0", name="amount_of_something"),
    )
    removal: ClassVar[Literal["archive", "delete"] | None] = None
    creatable: ClassVar[bool] = False
    editable: ClassVar[bool] = False

    bank_statement_line_id: Mapped[UUID] = f.ref("finance.bank_statement_line", read_only=True)
    journal_line_id: Mapped[UUID] = f.ref("finance.journal_line", index=False, read_only=True)
    status: Mapped[LinkStatus] = f.state(default=LinkStatus.MADE, index=False)
    amount: Mapped[Decimal] = f.money(currency="currency", read_only=True)
    currency: Mapped[str] = f.currency(read_only=True)


class ReconcileRule(Entity):
    """How lines of bank statements are told that no invoice tells: whose they are, or which account they are booked on."""

    __table_args__ = (
        Index("ix_finance_reconcile_rule_company_id", "company_id", "position"),
        CheckConstraint("num_nonnulls(account_id, party_id) = 1", name="account_id_or_party_id"),
        CheckConstraint("(party_id IS NULL) = (party_type IS NULL)", name="party_type_with_party_id"),
        CheckConstraint("party_type IN ('customer', 'supplier')", name="party_type_customer_or_supplier"),
        CheckConstraint("num_nonnulls(label_contains, counterparty_account, amount_from, amount_to) > 0", name="some_condition"),
        CheckConstraint("amount_from <= amount_to", name="amount_from_up_to_amount_to"),
    )

    company_id: Mapped[UUID] = f.ref("finance.company", index=False, once=True)
    name: Mapped[str] = f.text(120, search=True, example="Fees of the bank")
    position: Mapped[int] = f.int_(ge=0, le=10_000, default=100, help="Of several that apply, the lowest.")
    label_contains: Mapped[str | None] = f.text(
        80, default=None, pattern=r"\S", example="account fee", help="In the text or the name of the other side, large or small."
    )
    counterparty_account: Mapped[str | None] = f.text(60, default=None, pii="financial", help="The account of the other side.")
    amount_from: Mapped[Decimal | None] = f.decimal(24, 4, default=None, example="-50", help="What goes out is negative.")
    amount_to: Mapped[Decimal | None] = f.decimal(24, 4, default=None, example="-1")
    account_id: Mapped[UUID | None] = f.ref("finance.account", default=None, index=False, help="Where it is booked, such as bank charges.")
    party_type: Mapped[PartyType | None] = f.enum_(PartyType, default=None)
    party_id: Mapped[UUID | None] = f.uuid(default=None, help="The customer or supplier whose payment it is.")
    tolerance: Mapped[Decimal] = f.decimal(
        24,
        4,
        ge=0,
        default=Decimal(0),
        example="0.05",
        help="How much less than an open invoice of the party pays it; the rest is written off.",
    )
