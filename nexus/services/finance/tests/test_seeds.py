"""What a preset plants."""

from __future__ import annotations

from nexus.services.finance.entities import Account, Journal
from nexus.services.finance.terms import JournalType
from nexus.services.finance.tests.conftest import Books


async def test_a_company_begins_with_a_chart_journals_and_its_year(books: Books) -> None:
    finance, company = books.finance, books.company
    assert (company.name, company.country, company.base_currency, company.key) == ("Ade Bakery", "NG", "NGN", "main")
    accounts = {one.id: one for one in await finance.list(Account)}
    for account in accounts.values():
        assert account.company_id == company.id
        if account.parent_id is not None:
            parent = accounts[account.parent_id]
            assert (parent.is_group, parent.root_type) == (True, account.root_type)
    assert any(not one.is_group for one in accounts.values())
    journals = await finance.list(Journal)
    assert {one.type for one in journals} == set(JournalType)
    assert all(accounts[one.default_account_id].company_id == company.id for one in journals if one.default_account_id)
    assert len(books.periods) == 12
