"""Makes sample data look at home: names, cities and telephone numbers of the country, amounts in its currency.

A preset writes `person: 3` for somebody, `{family1}`, `{given2}` and `{city1}` inside names and sentences, and amounts in dollars.
All people are invented; mail goes to example.com, and telephones to numbers that reach nobody.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import cache

import msgspec

from nexus.activation.presets.catalogue import FOLDER
from nexus.activation.presets.merging import Blame
from nexus.activation.slugs import plain
from nexus.core.money import scale
from nexus.countries import Country
from nexus.documents import Tree, Value, mapping, read, things

_SLOT = re.compile(r"\{(given|family|city)([1-9]\d?)\}")
_TWO_DIGITS = Context(prec=2, rounding=ROUND_HALF_EVEN)


def localised(tree: Tree, country: Country, blame: Blame) -> Tree:
    """The tree with its sample data filled in for the country; the input is left as it was."""
    crm = mapping(tree["crm"])
    sample = mapping(crm.get("sample"))
    currency = str(tree["currency"])
    filled: Tree = {kind: [_thing(kind, thing, country, currency, blame) for thing in things(of_kind)] for kind, of_kind in sample.items()}
    return tree | {"crm": crm | {"sample": filled}}


def in_currency(dollars: Decimal, currency: str) -> Decimal:
    """A plausible amount of the same order as so many dollars, with two significant digits and the currency's decimals."""
    rough = _TWO_DIGITS.create_decimal(dollars * magnitudes().get(currency, 1))
    return rough.quantize(Decimal(1).scaleb(-scale(currency)))


@cache
def magnitudes() -> dict[str, int]:
    """Rough units per US dollar, by currency; 1 where none is given."""
    return msgspec.convert(read(FOLDER / "magnitudes.yaml")["per_dollar"], dict[str, int])


def _thing(kind: str, thing: Tree, country: Country, currency: str, blame: Blame) -> Tree:
    made: Tree = {name: _filled(value, country) for name, value in thing.items() if name != "person"}
    derived: Tree = {}
    if isinstance(number := thing.get("person"), int):
        derived |= _person(number - 1, country)
    if kind == "deals" and isinstance(amount := thing.get("amount"), int):
        derived |= {"amount": str(in_currency(Decimal(amount), currency)), "currency": currency}
    for name in derived:
        blame[f"crm.sample.{kind}.{thing['key']}.{name}"] = f"country {country.country}"
    return made | derived


def _filled(value: Value, country: Country) -> Value:
    if not isinstance(value, str):
        return value

    def fill(slot: re.Match[str]) -> str:
        number = int(slot[2]) - 1
        if slot[1] == "city":
            return country.cities[number % len(country.cities)]
        person = country.people[number % len(country.people)]
        return person.given if slot[1] == "given" else person.family

    return _SLOT.sub(fill, value)


def _person(number: int, country: Country) -> Tree:
    person = country.people[number % len(country.people)]
    phones = country.phones.numbers
    return {
        "given_name": person.given,
        "family_name": person.family,
        "email": f"{_mailbox(person.given)}.{_mailbox(person.family)}@example.com",
        "phone": phones[number % len(phones)] if phones else None,
    }


def _mailbox(name: str) -> str:
    return "".join(letter for letter in plain(name) if letter.isascii() and letter.isalnum())
