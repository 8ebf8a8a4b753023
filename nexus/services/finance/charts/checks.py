"""What the types of a chart cannot say: the accounts are a tree, references lead somewhere, portions add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import get_args

from nexus.services.finance.charts.reading import Fault
from nexus.services.finance.charts.schema import Chart, ChartAccount, ChartTax, ChartTerm, Role
from nexus.services.finance.terms import AccountType, JournalType, RootType

Known = Mapping[str, ChartAccount]

TYPE_OF: Mapping[Role, AccountType] = {
    "receivable": AccountType.RECEIVABLE,
    "payable": AccountType.PAYABLE,
    "bank": AccountType.BANK,
    "cash": AccountType.CASH,
    "sales": AccountType.REVENUE,
    "cogs": AccountType.COST_OF_SALES,
    "stock": AccountType.STOCK,
    "goods_received": AccountType.GOODS_RECEIVED,
    "rounding": AccountType.ROUNDING,
    "fx_gain": AccountType.FX_GAIN,
    "fx_loss": AccountType.FX_LOSS,
    "unrealised_fx_gain": AccountType.FX_GAIN,
    "unrealised_fx_loss": AccountType.FX_LOSS,
    "capital": AccountType.CAPITAL,
    "retained_earnings": AccountType.RETAINED_EARNINGS,
    "tax_output": AccountType.TAX,
    "tax_input": AccountType.TAX,
    "tax_settlement": AccountType.TAX,
    "withholding_payable": AccountType.WITHHOLDING,
    "withholding_receivable": AccountType.WITHHOLDING,
    "fixed_assets": AccountType.FIXED_ASSET,
    "accumulated_depreciation": AccountType.ACCUMULATED_DEPRECIATION,
    "depreciation": AccountType.DEPRECIATION,
}
"""The type of the account that plays a role, where the role decides it."""

ROOTS_OF: Mapping[AccountType, tuple[RootType, ...]] = {
    AccountType.BANK: (RootType.ASSET, RootType.LIABILITY),
    AccountType.CASH: (RootType.ASSET,),
    AccountType.RECEIVABLE: (RootType.ASSET,),
    AccountType.PAYABLE: (RootType.LIABILITY,),
    AccountType.STOCK: (RootType.ASSET,),
    AccountType.FIXED_ASSET: (RootType.ASSET,),
    AccountType.ACCUMULATED_DEPRECIATION: (RootType.ASSET,),
    AccountType.CAPITAL: (RootType.EQUITY,),
    AccountType.RETAINED_EARNINGS: (RootType.EQUITY,),
    AccountType.REVENUE: (RootType.INCOME,),
    AccountType.COST_OF_SALES: (RootType.EXPENSE,),
    AccountType.DEPRECIATION: (RootType.EXPENSE,),
    AccountType.FX_GAIN: (RootType.INCOME,),
    AccountType.FX_LOSS: (RootType.EXPENSE,),
}
"""On which statements an account of a type can stand. A bank account may be overdrawn."""


def faults(chart: Chart) -> Iterator[Fault]:
    """Everything wrong with a chart; nothing for one that may be planted."""
    known = {account.number: account for account in chart.accounts}
    yield from _unique(chart)
    yield from _tree(chart, known)
    yield from _roles(chart, known)
    yield from _taxes(chart, known)
    yield from _journals(chart, known)
    for term in chart.terms:
        yield from _term(term)


def _unique(chart: Chart) -> Iterator[Fault]:
    lists: list[tuple[str, Iterable[str]]] = [
        ("account", (account.number for account in chart.accounts)),
        ("tax", (tax.key for tax in chart.taxes)),
        ("journal", (journal.key for journal in chart.journals)),
        ("series", (journal.series for journal in chart.journals)),
        ("term", (term.key for term in chart.terms)),
    ]
    for what, keys in lists:
        for key, times in Counter(keys).items():
            if times > 1:
                yield Fault(key, f"{what} {key}: it is there twice")


def _tree(chart: Chart, known: Known) -> Iterator[Fault]:
    held = {account.parent for account in chart.accounts}
    for account in chart.accounts:
        number, parent = account.number, known.get(account.parent or "")
        if account.parent is not None and parent is None:
            yield Fault(number, f"account {number}: its group {account.parent} is not there")
        elif parent is not None and not parent.is_group:
            yield Fault(number, f"account {number}: {parent.number} above it is no group")
        elif parent is not None and parent.root_type != account.root_type:
            yield Fault(number, f"account {number}: it is {account.root_type}, and its group {parent.number} is {parent.root_type}")
        elif parent is None and not account.is_group:
            yield Fault(number, f"account {number}: it is in no group")
        if account.is_group and number not in held:
            yield Fault(number, f"account {number}: a group with nothing in it")
        if account.root_type not in ROOTS_OF.get(account.account_type, (account.root_type,)):
            yield Fault(number, f"account {number}: {account.account_type} cannot be {account.root_type}")
        if chart.languages[0] != "en" and "en" not in account.names:
            yield Fault(number, f"account {number}: its English name is missing")
        if _in_circle(account, known):
            yield Fault(number, f"account {number}: it is in a circle of groups")


def _in_circle(account: ChartAccount, known: Known) -> bool:
    at, seen = account.parent, set[str]()
    while at is not None and at not in seen and at in known:
        if at == account.number:
            return True
        seen.add(at)
        at = known[at].parent
    return False


def _roles(chart: Chart, known: Known) -> Iterator[Fault]:
    for missing in sorted(set(get_args(Role)) - chart.defaults.keys()):
        yield Fault("roles", f"no account plays {missing}")
    for role, number in chart.roles.items():
        account = known.get(number)
        if account is None or account.is_group:
            yield Fault(role, f"role {role}: {number} {'is a group' if account else 'is not there'}")
    for role, type_ in TYPE_OF.items():
        account = known.get(chart.defaults.get(role, ""))
        if account is not None and account.account_type != type_:
            yield Fault(role, f"role {role}: {account.number} is {account.account_type}, not {type_}")


def _taxes(chart: Chart, known: Known) -> Iterator[Fault]:
    taxes = {tax.key: tax for tax in chart.taxes}
    for tax in chart.taxes:
        for text in _tax(tax, taxes):
            yield Fault(tax.key, f"tax {tax.key}: {text}")
        parts = (*tax.invoice, *tax.refund)
        for number in sorted({part.account for part in parts if part.account} | {tax.transition_account or ""} - {""}):
            account = known.get(number)
            if account is None or account.is_group:
                yield Fault(tax.key, f"tax {tax.key}: {number} {'is a group' if account else 'is not there'}")


def _tax(tax: ChartTax, taxes: Mapping[str, ChartTax]) -> Iterator[str]:
    if (tax.kind == "group") != bool(tax.members):
        yield "a group has members, and nothing else has"
    for member in tax.members:
        one = taxes.get(member)
        if one is None or one.kind == "group" or one.scope != tax.scope:
            yield f"{member} is {'no single tax of its scope' if one else 'not there'}"
    if tax.kind == "group":
        return
    if tax.rate is not None and tax.rate < 0:
        yield "its rate is less than zero"
    if tax.reverse_charge and tax.withholding:
        yield "it is either reverse charge or withheld"
    if tax.price_included and (tax.reverse_charge or tax.withholding):
        yield "no price contains what the seller does not charge"
    for what, parts in (("invoice", tax.invoice), ("refund", tax.refund)):
        total = sum((part.percent for part in parts if part.basis == "tax"), Decimal(0))
        wanted = Decimal(0) if tax.reverse_charge or tax.rate == 0 else Decimal(100)
        if total != wanted:
            yield f"its parts on the {what} come to {total} %, not {wanted} %"


def _journals(chart: Chart, known: Known) -> Iterator[Fault]:
    for missing in sorted(set(JournalType) - {journal.type for journal in chart.journals}):
        yield Fault("journals", f"no journal is of type {missing}")
    fits: dict[JournalType, Callable[[ChartAccount], bool]] = {
        JournalType.BANK: lambda account: account.account_type == AccountType.BANK,
        JournalType.CASH: lambda account: account.account_type == AccountType.CASH,
    }
    for journal in chart.journals:
        account = known.get(journal.default_account or "")
        if journal.type in fits and (account is None or not fits[journal.type](account)):
            yield Fault(journal.key, f"journal {journal.key}: its account must be a {journal.type} account")
        if account is not None and account.is_group:
            yield Fault(journal.key, f"journal {journal.key}: {account.number} is a group")


def _term(term: ChartTerm) -> Iterator[Fault]:
    portions = [part.portion for part in term.instalments]
    if sum(portions) != 100:
        yield Fault(term.key, f"term {term.key}: its portions come to {sum(portions)} %, not 100 %")
    if any(portion <= 0 for portion in portions):
        yield Fault(term.key, f"term {term.key}: a portion is not more than zero")
    if term.discount is not None and not 0 < term.discount.percent < 100:
        yield Fault(term.key, f"term {term.key}: its discount is not between 0 and 100 %")
