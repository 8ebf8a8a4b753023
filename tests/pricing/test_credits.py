"""Parts of a document add up to it to the cent, whatever the parts are and in whatever order they come."""

from __future__ import annotations

import itertools
from collections import defaultdict
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexus.pricing import Line, Priced, Rounding, Tax, Unpriceable, credit, part, price
from tests.pricing.baskets import Basket, baskets, seeded
from tests.pricing.test_documents import adds_up, priced

BOTH = list(Rounding)


def figures(documents: list[Priced]) -> tuple[dict[str, tuple[Decimal, Decimal]], list[Decimal]]:
    """What some documents come to together."""
    taxes: dict[str, tuple[Decimal, Decimal]] = defaultdict(lambda: (Decimal(0), Decimal(0)))
    for one in (tax for document in documents for tax in document.taxes):
        base, amount = taxes[one.tax.code]
        taxes[one.tax.code] = (base + one.base, amount + one.amount)
    sums = [sum((getattr(one, name) for one in documents), Decimal(0)) for name in ("listed", "discount", "net", "tax", "total", "payable")]
    return dict(taxes), sums


def pieces(document: Priced, draw: st.DataObject) -> list[tuple[int, Decimal]]:
    """All of a document, cut into quantities of lines, in any order."""
    found: list[tuple[int, Decimal]] = []
    for at, line in enumerate(document.lines):
        cuts = draw.draw(st.lists(st.integers(1, 999), max_size=4, unique=True))
        marks = [Decimal(0), *(line.quantity * cut / 1000 for cut in sorted(cuts)), line.quantity]
        found += [(at, until - since) for since, until in itertools.pairwise(marks) if line.quantity]
    return draw.draw(st.permutations(found))


@pytest.mark.parametrize("rounding", BOTH)
@settings(max_examples=100, deadline=None)
@given(baskets(), st.data())
def test_credited_in_parts_it_is_credited_whole(rounding: Rounding, basket: Basket, data: st.DataObject) -> None:
    lines = [one for one in basket.lines if one.quantity]
    invoice = priced(Basket(lines, basket.currency, basket.discount), rounding)
    taken: dict[int, Decimal] = defaultdict(Decimal)
    notes: list[Priced] = []
    for at, quantity in pieces(invoice, data):
        note = credit(part(invoice, {at: quantity}, taken))
        adds_up(note)
        taken[at] += quantity
        notes.append(note)
    assert figures([invoice, *notes]) == (
        {tax.tax.code: (Decimal(0), Decimal(0)) for tax in invoice.taxes},
        [Decimal(0)] * 6,
    )


@pytest.mark.parametrize("rounding", BOTH)
def test_line_by_line_a_credit_is_the_whole_of_it(rounding: Rounding) -> None:
    for seed in range(500):
        basket = seeded(seed)
        invoice = priced(Basket([one for one in basket.lines if one.quantity], basket.currency, basket.discount), rounding)
        notes = [credit(part(invoice, {at: line.quantity})) for at, line in enumerate(invoice.lines)]
        assert sum(note.total for note in notes) == -invoice.total
        assert sum(note.payable for note in notes) == -invoice.payable


def test_a_hundred_in_three_parts() -> None:
    vat = Tax(code="VAT", rate=Decimal(19), included=True)
    invoice = price([Line(quantity=Decimal(3), unit_price=Decimal("33.34"), taxes=(vat,))], "EUR")
    parts = [part(invoice, {0: Decimal(1)}, {0: Decimal(before)}) for before in range(3)]
    assert [(str(one.net), str(one.tax), str(one.total)) for one in parts] == [
        ("28.02", "5.32", "33.34"),
        ("28.01", "5.33", "33.34"),
        ("28.02", "5.32", "33.34"),
    ]
    assert (invoice.net, invoice.tax, invoice.total) == (Decimal("84.05"), Decimal("15.97"), Decimal("100.02"))


@pytest.mark.parametrize(
    ("quantities", "taken", "message"),
    [
        ({1: 1}, {}, r"lines\[1\]: is no line"),
        ({-1: 1}, {}, r"lines\[-1\]: is no line"),
        ({0: 4}, {}, r"lines\[0\].quantity: 4 is not within the 3 that are left"),
        ({0: 2}, {0: 2}, r"lines\[0\].quantity: 2 is not within the 1 that are left"),
        ({0: 0}, {}, r"lines\[0\].quantity: 0 is not"),
        ({0: -1}, {0: 2}, r"lines\[0\].quantity: -1 is not"),
    ],
)
def test_no_more_is_taken_than_is_left(quantities: dict[int, int], taken: dict[int, int], message: str) -> None:
    invoice = price([Line(quantity=Decimal(3), unit_price=Decimal(1))], "EUR")
    with pytest.raises(Unpriceable, match=message):
        part(invoice, {at: Decimal(some) for at, some in quantities.items()}, {at: Decimal(some) for at, some in taken.items()})
