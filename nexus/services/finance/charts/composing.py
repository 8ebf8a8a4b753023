"""Documents → chart: a trade's accounts join those of the chart, roles become numbers, and rates are the country's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import get_args

from babel.numbers import format_decimal

from nexus import countries
from nexus.services.finance.charts.checks import faults
from nexus.services.finance.charts.documents import AccountRow, ChartDocument, TaxLine, TaxRow, TradeAccount
from nexus.services.finance.charts.reading import Fault, Sources
from nexus.services.finance.charts.schema import Chart, ChartAccount, ChartJournal, ChartTax, ChartTerm, Repartition, Role
from nexus.services.finance.terms import AccountType, RootType

ROLES: tuple[Role, ...] = get_args(Role)
_WITH_PARTY = (AccountType.RECEIVABLE, AccountType.PAYABLE)


def compose(code: str, written: ChartDocument, sources: Sources, trade: Iterable[TradeAccount] = ()) -> Chart:
    """The chart, checked. ChartError names everything that is wrong with it."""
    work = _Work(written)
    work.join(trade)
    chart = Chart(
        code=code,
        name=written.name,
        country=written.country,
        languages=written.languages,
        version=written.version,
        accounts=tuple(work.accounts()),
        defaults={role: work.roles[role] for role in ROLES if role in work.roles},
        roles=work.roles,
        taxes=tuple(work.tax(row) for row in written.taxes),
        journals=tuple(
            ChartJournal(
                key=row.key,
                name=row.name,
                names=_names(row.en),
                type=row.type,
                series=row.series,
                default_account=work.number(row.account, row.key) if row.account else None,
            )
            for row in written.journals
        ),
        terms=tuple(
            ChartTerm(key=row.key, name=row.name, names=_names(row.en), instalments=row.instalments, discount=row.discount)
            for row in written.terms
        ),
    )
    sources.refuse([*work.wrong, *faults(chart)])
    return chart


def _names(english: str | None) -> dict[str, str]:
    return {"en": english} if english is not None else {}


@dataclass(slots=True)
class _Work:
    """A chart while it is composed, and what was found wrong on the way."""

    written: ChartDocument
    rows: dict[str, AccountRow] = field(init=False)
    roles: dict[str, str] = field(init=False)
    wrong: list[Fault] = field(init=False, default_factory=list[Fault])

    def __post_init__(self) -> None:
        self.rows = {row.number: row for row in self.written.accounts}
        self.roles = dict(self.written.roles)

    def join(self, trade: Iterable[TradeAccount]) -> None:
        """Add the accounts of a trade whose role nothing plays yet."""
        family = self.written.family
        for account in trade:
            if account.role in self.roles:
                continue
            number, place = account.numbers.get(family), self.written.places.get(account.place)
            if number is None or place is None:
                missing = f"number in charts like {family}" if number is None else f"place {account.place} in the chart"
                self.wrong.append(Fault(account.role, f"account {account.role} of the trade: no {missing}"))
                continue
            self.roles[account.role] = number
            if number in self.rows:
                self.wrong.append(Fault(number, f"account {account.role} of the trade: {number} is {self.rows[number].name}"))
                continue
            name = {"de": account.de, "fr": account.fr}.get(self.written.languages[0]) or account.name
            english = account.name if self.written.languages[0] != "en" else None
            self.rows[number] = AccountRow(
                number=number, name=name, en=english, type=account.type, under=self._group(number, place), party=account.party
            )

    def _group(self, number: str, place: str) -> str:
        """Where numbers are decimal the group that the number begins with, if it stands on the same side as the place; else the place."""
        if not self.written.decimal or place not in self.rows:
            return place
        side = self._root(self.rows[place])
        fitting = [row.number for row in self.rows.values() if row.group and number.startswith(row.number) and self._root(row) == side]
        return max(fitting, key=len, default=place)

    def number(self, role: str, about: str) -> str:
        """The number of the account that plays a role; empty, and noted, where none does."""
        if role not in self.roles:
            self.wrong.append(Fault(about, f"{about}: no account plays {role}"))
        return self.roles.get(role, "")

    def accounts(self) -> Iterator[ChartAccount]:
        """Groups before what is in them, else in the order written; what hangs on nothing comes last, for the checks to find."""
        below: dict[str | None, list[AccountRow]] = {}
        for row in self.rows.values():
            below.setdefault(row.under, []).append(row)
        waiting, seen = below.get(None, [])[::-1], set[str]()
        while waiting:
            row = waiting.pop()
            seen.add(row.number)
            yield self._account(row)
            waiting += below.get(row.number, [])[::-1]
        yield from (self._account(row) for row in self.rows.values() if row.number not in seen)

    def _account(self, row: AccountRow) -> ChartAccount:
        return ChartAccount(
            number=row.number,
            name=row.name,
            names=_names(row.en),
            root_type=self._root(row),
            account_type=row.type,
            parent=row.under,
            is_group=row.group,
            must_have_party=row.type in _WITH_PARTY if row.party is None else row.party,
        )

    def _root(self, row: AccountRow) -> RootType:
        at = row
        for _ in self.rows:
            if at.root is not None:
                return at.root
            if at.under not in self.rows:
                break
            at = self.rows[at.under]
        if at.under is None:
            self.wrong.append(Fault(row.number, f"account {row.number}: neither it nor a group above it says its root"))
        return RootType.ASSET  # of what hangs on nothing or in a circle, as the checks will say

    def tax(self, row: TaxRow) -> ChartTax:
        """A tax with numbers for roles, and the rate that the country has today under its key."""
        rate = self._rate(row)
        refund = row.lines if row.refund is None else row.refund
        shown = "" if rate is None else str(format_decimal(rate, locale=self.written.languages[0]))
        return ChartTax(
            key=row.key,
            name=row.name.replace("{rate}", shown),
            names=_names(row.en and row.en.replace("{rate}", f"{rate.normalize():f}" if rate is not None else "")),
            kind=row.kind,
            rate=rate,
            rate_of=row.of,
            scope=row.scope,
            price_included=row.included,
            exigibility="on_payment" if row.waits else "on_invoice",
            transition_account=self.number(row.waits, row.key) if row.waits else None,
            reverse_charge=row.reverse,
            withholding=row.withheld,
            category=row.category,
            members=row.members,
            invoice=self._parts(row, row.lines),
            refund=self._parts(row, refund),
            note=row.note,
        )

    def _parts(self, row: TaxRow, lines: Iterable[TaxLine]) -> tuple[Repartition, ...]:
        if row.kind == "group":
            return ()
        tags = (row.base,) if isinstance(row.base, str) else row.base or (None,)
        taxes = (Repartition(basis="tax", percent=line.percent, account=self.number(line.to, row.key), tag=line.tag) for line in lines)
        return (*(Repartition(basis="base", tag=tag) for tag in tags), *taxes)

    def _rate(self, row: TaxRow) -> Decimal | None:
        if row.of is None:
            return row.rate
        if row.rate is not None:
            self.wrong.append(Fault(row.key, f"tax {row.key}: it has a rate of its own and one of the country"))
        rates = _rates_of(self.written.country)
        if row.of not in rates:
            self.wrong.append(
                Fault(row.key, f"tax {row.key}: no rate {row.of} goes on in {self.written.country or 'a chart of no country'}")
            )
            return None
        return rates[row.of] * row.share


def _rates_of(country: str | None) -> Mapping[str, Decimal]:
    """The rates of a country that have no end, by key: `{"vat.standard": 19}`."""
    taxes = countries.country(country).taxes if country is not None else ()
    return {f"{tax.key}.{rate.key}": rate.percent for tax in taxes for rate in tax.rates if rate.until is None}
