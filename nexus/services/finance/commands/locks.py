"""Lock dates, and who may post before them."""

from __future__ import annotations

import datetime as dt
from typing import Final

from nexus.core import FieldError, Invalid, Problem, Tx, handles
from nexus.services.finance.api import (
    CompanyLocked,
    GrantLockException,
    LockExceptionGranted,
    LockExceptionRevoked,
    LockPeriod,
    RevokeLockException,
)
from nexus.services.finance.entities import Company, LockException
from nexus.services.finance.terms import LockScope

FIELDS: Final = {
    LockScope.ALL: "lock_date",
    LockScope.TAX: "tax_lock_date",
    LockScope.SALE: "sale_lock_date",
    LockScope.PURCHASE: "purchase_lock_date",
}
_LONGEST: Final = dt.timedelta(days=31)


class RevokedAlready(Problem, status=409):
    """The exception has been revoked already."""


@handles(LockPeriod, needs="finance.company:lock")
async def lock_period(cmd: LockPeriod, tx: Tx) -> CompanyLocked:
    company = await tx.get(Company, cmd.company_id, lock=True)
    setattr(company, FIELDS[cmd.scope], cmd.until)
    return tx.emit(CompanyLocked(company_id=company.id, scope=cmd.scope, until=cmd.until))


@handles(GrantLockException, needs="finance.lock_exception:grant")
async def grant_lock_exception(cmd: GrantLockException, tx: Tx) -> LockExceptionGranted:
    company = await tx.get(Company, cmd.company_id)
    expires_at = cmd.expires_at.astimezone(dt.UTC)
    if not tx.now < expires_at <= tx.now + _LONGEST:
        raise Invalid.of(FieldError("expires_at", f"is in the future, at most {_LONGEST.days} days ahead"))
    made = tx.add(LockException(company_id=company.id, user_id=cmd.user_id, scope=cmd.scope, reason=cmd.reason, expires_at=expires_at))
    return tx.emit(
        LockExceptionGranted(
            lock_exception_id=made.id,
            company_id=company.id,
            user_id=cmd.user_id,
            scope=cmd.scope,
            reason=cmd.reason,
            expires_at=expires_at,
        )
    )


@handles(RevokeLockException, needs="finance.lock_exception:revoke")
async def revoke_lock_exception(cmd: RevokeLockException, tx: Tx) -> LockExceptionRevoked:
    granted = await tx.get(LockException, cmd.lock_exception_id, lock=True)
    if granted.revoked_at is not None:
        raise RevokedAlready()
    granted.revoked_at = tx.now
    return tx.emit(LockExceptionRevoked(lock_exception_id=granted.id, company_id=granted.company_id, user_id=granted.user_id))
