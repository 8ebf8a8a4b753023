"""Lock dates, and who may post before them."""

from __future__ import annotations

import datetime as dt

import pytest

from nexus.core import Forbidden, Invalid, uuid7
from nexus.services.finance.api import (
    CompanyLocked,
    GrantLockException,
    LockExceptionGranted,
    LockPeriod,
    RevokeLockException,
)
from nexus.services.finance.commands.locks import FIELDS, RevokedAlready
from nexus.services.finance.entities import Company, LockException
from nexus.services.finance.terms import LockScope
from nexus.services.finance.tests.conftest import Books, refused

DAY = dt.date(2026, 3, 31)


@pytest.mark.parametrize("scope", list(LockScope))
async def test_books_are_locked_up_to_a_day_and_unlocked(books: Books, scope: LockScope) -> None:
    finance, id = books.finance, books.company.id

    told = [await finance.run(LockPeriod(company_id=id, scope=scope, until=until)) for until in (DAY, None, DAY)]

    assert finance.emitted == told == [CompanyLocked(company_id=id, scope=scope, until=until) for until in (DAY, None, DAY)]
    company = await finance.get(Company, id)
    assert {one: getattr(company, field) for one, field in FIELDS.items()} == {one: DAY if one is scope else None for one in LockScope}


async def test_an_exception_is_granted_for_a_while_and_revoked(books: Books) -> None:
    finance, user, until = books.finance, uuid7(), dt.datetime.now(dt.UTC) + dt.timedelta(hours=2)

    told = await finance.run(GrantLockException(company_id=books.company.id, user_id=user, reason="Late bill", expires_at=until))
    revoked = await finance.run(RevokeLockException(lock_exception_id=told.lock_exception_id))

    assert isinstance(told, LockExceptionGranted)
    assert finance.emitted == [told, revoked]
    kept = await finance.get(LockException, told.lock_exception_id)
    assert (kept.user_id, kept.scope, kept.reason, kept.expires_at) == (user, LockScope.ALL, "Late bill", until)
    assert kept.revoked_at is not None
    async with refused(finance, RevokedAlready):
        await finance.run(RevokeLockException(lock_exception_id=told.lock_exception_id))


@pytest.mark.parametrize("hours", [-1, 32 * 24])
async def test_an_exception_ends_soon(books: Books, hours: int) -> None:
    until = dt.datetime.now(dt.UTC) + dt.timedelta(hours=hours)
    async with refused(books.finance, Invalid, "expires_at"):
        await books.finance.run(GrantLockException(company_id=books.company.id, user_id=uuid7(), reason="x", expires_at=until))


@pytest.mark.parametrize("role", ["finance.bookkeeper", "finance.auditor", "crm.admin"])
async def test_only_accountants_lock_and_except(books: Books, role: str) -> None:
    other, until = books.finance.as_(role), dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    async with refused(books.finance, Forbidden):
        await other.run(LockPeriod(company_id=books.company.id, until=DAY))
    async with refused(books.finance, Forbidden):
        await other.run(GrantLockException(company_id=books.company.id, user_id=uuid7(), reason="x", expires_at=until))
