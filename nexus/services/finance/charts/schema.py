"""What a chart of accounts is: its accounts, what each is used for, and the taxes, journals and payment terms that go with it."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta

from nexus.documents import Key, Name, Part
from nexus.services.finance.invoice_terms import TaxCategory
from nexus.services.finance.terms import AccountType, JournalType, RootType

Number = Annotated[str, Meta(pattern=r"^[0-9A-Za-z][0-9A-Za-z.\-]{0,19}$")]
Series = Annotated[str, Meta(pattern=r"^[A-Z][A-Z0-9]{0,9}$")]
Tag = Annotated[str, Meta(min_length=1, max_length=40)]
"""Where an amount stands in the tax return: the number of the box where the form has one, else a word."""

Role = Literal[
    "receivable", "payable", "bank", "cash", "sales", "purchases", "cogs", "stock", "goods_received", "suspense", "write_off", "rounding",
    "fx_gain", "fx_loss", "unrealised_fx_gain", "unrealised_fx_loss", "capital", "retained_earnings", "opening_balance", "tax_output",
    "tax_input", "tax_settlement", "withholding_payable", "withholding_receivable", "customer_advances", "supplier_advances",
    "deferred_revenue", "deferred_expense", "accrued_revenue", "accrued_expense", "fixed_assets", "accumulated_depreciation",
    "depreciation", "asset_disposal_gain", "asset_disposal_loss", "payroll_payable", "payroll_tax", "social_security", "wages",
    "stock_adjustment", "cash_difference", "discounts_given", "discounts_taken", "bank_charges", "interest_income", "interest_expense",
    "income_tax", "income_tax_payable", "bad_debts", "expense_claims", "other_income", "other_expense", "intercompany",
]  # fmt: skip
"""What the rules of finance look an account up by. Every chart says which account plays each of them."""


class ChartAccount(Part, frozen=True, kw_only=True):
    """An account or a group of accounts, under its official name."""

    number: Number
    name: str
    names: dict[str, str] = {}
    """The name in other languages (ISO 639); English is there wherever the official name is not English."""
    root_type: RootType
    account_type: AccountType = AccountType.OTHER
    parent: Number | None = None
    is_group: bool = False
    must_have_party: bool = False


class Repartition(Part, frozen=True, kw_only=True):
    """Where a part of a tax, or its base, goes: `percent` of the amount of the tax, to an account and into a box of the return."""

    basis: Literal["base", "tax"]
    percent: Decimal = Decimal(100)
    """Negative where it is posted on the other side, as input tax of a reverse charge."""
    account: Number | None = None
    """None for a base: it stays on the account of its line."""
    tag: Tag | None = None


class ChartTax(Part, frozen=True, kw_only=True):
    """A tax as documents charge it."""

    key: Key
    name: str
    names: dict[str, str] = {}
    kind: Literal["percent", "fixed", "group"] = "percent"
    rate: Decimal | None = None
    """Percent of the base, or an amount per unit of a fixed tax. None of a group, and where each place sets its own: it has to be asked for."""
    rate_of: str | None = None
    """The rate of the country that it follows: `vat.standard`."""
    scope: Literal["sale", "purchase"]
    price_included: bool = False
    exigibility: Literal["on_invoice", "on_payment"] = "on_invoice"
    transition_account: Number | None = None
    """Where it waits until it is paid; only with `on_payment`."""
    reverse_charge: bool = False
    withholding: bool = False
    category: TaxCategory | None = None
    """Why it is charged or not; None: as its rate says."""
    members: tuple[Key, ...] = ()
    """Of a group: the taxes that are charged together, in order."""
    invoice: tuple[Repartition, ...] = ()
    refund: tuple[Repartition, ...] = ()
    note: str | None = None


class ChartJournal(Part, frozen=True, kw_only=True):
    """A book of entries with the prefix of their numbers."""

    key: Key
    name: Name
    names: dict[str, str] = {}
    type: JournalType
    series: Series
    default_account: Number | None = None


class Instalment(Part, frozen=True, kw_only=True):
    """A part of an amount and when it is due."""

    portion: Decimal = Decimal(100)
    """Percent of the total."""
    days: Annotated[int, Meta(ge=0, le=730)] = 0
    """After the date of the document."""
    end_of_month: bool = False
    """On the last day of the month in which these days end."""


class Discount(Part, frozen=True, kw_only=True):
    """What may be taken off for paying early."""

    percent: Decimal
    days: Annotated[int, Meta(ge=0, le=365)]


class ChartTerm(Part, frozen=True, kw_only=True):
    """A payment term."""

    key: Key
    name: Name
    names: dict[str, str] = {}
    instalments: tuple[Instalment, ...]
    discount: Discount | None = None


class Chart(Part, frozen=True, kw_only=True):
    """Everything a company's books begin with."""

    code: str
    name: Name
    country: Annotated[str, Meta(pattern=r"^[A-Z]{2}$")] | None
    """None: for any country that has no chart of its own."""
    languages: tuple[str, ...]
    """The language of the official names first."""
    version: int
    accounts: tuple[ChartAccount, ...]
    """Every group stands before what is in it."""
    defaults: dict[Role, Number]
    roles: dict[Key, Number]
    """The same, and what only this country or trade has: `raw_materials`, `tax_output_reduced`."""
    taxes: tuple[ChartTax, ...]
    journals: tuple[ChartJournal, ...]
    terms: tuple[ChartTerm, ...]

    def account(self, number: str) -> ChartAccount:
        """The account with a number. KeyError where there is none."""
        for account in self.accounts:
            if account.number == number:
                return account
        raise KeyError(number)
