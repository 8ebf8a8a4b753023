"""What a survivor takes from those that are merged into it: whatever it has none of itself, and everything of what it may have several."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, TypeVar

from nexus.services.crm.entities import Account, Contact
from nexus.services.crm.terms import DoNotContact, FurtherEmail, FurtherPhone, RefusalReason

P = TypeVar("P", Account, Contact)

_ITS_OWN: Final = frozenset(
    """id created_at created_by updated_at updated_by version archived_at name parent_account_id tags external_refs custom also_known_as
    email email_verified more_emails more_phones do_not_contact""".split()
)
"""What is never taken as it is: the platform's, and what the rules below decide."""
_TOGETHER: Final = ("street", "city", "region", "postal_code", "country")
"""Fields that say one thing together: half of one address and half of another are none."""
_STRICTEST: Final = (RefusalReason.UNSUBSCRIBED, RefusalReason.MANUAL, RefusalReason.BOUNCED)


def absorb(survivor: P, other: P, currency: str) -> None:
    """Give the survivor what the other one had. `currency` is the business's own, which an account without one is billed in."""
    survivor.tags = list(dict.fromkeys([*survivor.tags, *other.tags]))
    survivor.external_refs = {**other.external_refs, **survivor.external_refs}
    survivor.custom = {**other.custom, **survivor.custom}
    survivor.also_known_as = _names(survivor.name, [*survivor.also_known_as, other.name, *other.also_known_as])
    if isinstance(survivor, Contact) and isinstance(other, Contact):
        _absorb_ways(survivor, other)
    taken = [column.key for column in survivor.__table__.c if column.key not in _ITS_OWN and column.key not in _TOGETHER]
    if isinstance(survivor, Account) and isinstance(other, Account) and not _same_money(survivor, other, currency):
        taken = [name for name in taken if name not in ("annual_revenue", "currency")]
    if not _contradicts(survivor, other):
        taken += [name for name in _TOGETHER if name in survivor.__table__.c]
    for name in taken:
        if _none(getattr(survivor, name)):
            setattr(survivor, name, getattr(other, name))


def _none(value: Any) -> bool:
    return value is None or value in ("", [], {})


def _names(own: str, names: Iterable[str]) -> list[str]:
    """Names in their order, each once however it is capitalised, without its own."""
    kept = {own.casefold(): own}
    for name in names:
        kept.setdefault(name.casefold(), name)
    return list(kept.values())[1:]


def _same_money(survivor: Account, other: Account, currency: str) -> bool:
    """Whether the other's amount and currency mean the same beside what the survivor has."""
    if survivor.currency is None and survivor.annual_revenue is None:
        return True
    return (survivor.currency or currency) == (other.currency or currency)


def _contradicts(survivor: Account | Contact, other: Account | Contact) -> bool:
    both = [(getattr(survivor, name), getattr(other, name)) for name in _TOGETHER if name in survivor.__table__.c]
    return any(mine != theirs for mine, theirs in both if not _none(mine) and not _none(theirs))


def _absorb_ways(survivor: Contact, other: Contact) -> None:
    """Every address and number that either could be reached by, and every channel that either refused."""
    first = [FurtherEmail(address=survivor.email, verified=survivor.email_verified)] if survivor.email else []
    theirs = [FurtherEmail(address=other.email, verified=other.email_verified)] if other.email else []
    emails: dict[str, FurtherEmail] = {}
    for one in [*first, *survivor.more_emails, *theirs, *other.more_emails]:
        known = emails.setdefault(one.address, one)
        emails[one.address] = known.changed(verified=known.verified or one.verified, label=known.label or one.label)
    primary = emails.pop(survivor.email or other.email or "", None)
    survivor.more_emails = list(emails.values())
    if primary is not None:
        survivor.email, survivor.email_verified = primary.address, primary.verified
    phones: dict[str, FurtherPhone] = {}
    theirs_by_phone = [FurtherPhone(number=other.phone)] if other.phone else []
    for number in [*survivor.more_phones, *theirs_by_phone, *other.more_phones]:
        phones.setdefault(number.number, number)
    survivor.phone = survivor.phone or other.phone
    survivor.more_phones = [one for one in phones.values() if one.number != survivor.phone]
    survivor.do_not_contact = _refusals([*survivor.do_not_contact, *other.do_not_contact])


def _refusals(several: Iterable[DoNotContact]) -> list[DoNotContact]:
    """Of two refusals of one channel the stricter, of equally strict ones the earlier."""
    kept: dict[str, DoNotContact] = {}
    for one in sorted(several, key=lambda one: (_STRICTEST.index(one.reason), one.at)):
        kept.setdefault(one.channel, one)
    return sorted(kept.values(), key=lambda one: one.channel)
