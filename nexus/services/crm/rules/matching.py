"""Finding who we know already: the accounts and contacts that a lead may be, in one question to the database."""

from __future__ import annotations

import re
from typing import Any, Final

from nexus.core import ColumnElement, Value, and_, case, func, or_, select, sql
from nexus.services.crm.entities import Account, Contact
from nexus.services.crm.entities.parties import DOMAIN

# Addresses that many companies share say nothing of which one it is.
SHARED: Final = frozenset(
    """gmail.com googlemail.com yahoo.com yahoo.co.uk ymail.com hotmail.com outlook.com live.com msn.com icloud.com me.com aol.com gmx.de gmx.net
    web.de mail.com proton.me protonmail.com zoho.com yandex.com mail.ru qq.com 163.com 126.com t-online.de orange.fr wanadoo.fr free.fr laposte.net
    libero.it rediffmail.com""".split()
)


class Party(Value, frozen=True, kw_only=True):
    """What tells one person at one company from others."""

    email: str | None = None
    phone: str | None = None
    company: str | None = None
    website: str | None = None

    @property
    def domain(self) -> str | None:
        """The domain that stands for the company: of its website, else of the address unless that is a provider's for everybody."""
        if self.website:
            host = self.website.split("//", 1)[-1].split("/", 1)[0].split("?", 1)[0].rsplit("@", 1)[-1].split(":", 1)[0]
            domain = host.lower().removeprefix("www.")
        else:
            domain = self.email.rsplit("@", 1)[-1] if self.email else ""
        return domain if re.match(DOMAIN, domain) and domain not in SHARED else None


def has_email(address: str) -> ColumnElement[bool]:
    """The contact has this address, as the primary or a further one."""
    further = Contact.more_emails.contains([{"address": address}])
    return or_(Contact.email == address, and_(some_emails(), further))


def some_emails() -> ColumnElement[bool]:
    """The contact has further addresses: what the index of them says of its rows, so that a condition beside this one uses it."""
    return Contact.more_emails != sql("'[]'::jsonb")


def name_key(name: str) -> str:
    """A name as `Account`'s index keeps it: lower case, letters and digits only."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


def key_of(name: Any) -> ColumnElement[str]:
    """The same of a column, spelled as the index spells it, so that the index is used."""
    return func.regexp_replace(func.lower(name), sql("'[^[:alnum:]]+'"), sql("''"), sql("'g'"))


def matching_contact(party: Party) -> Any:
    """The contact with the address, else with the number, as `[id, account_id]`; null where there is none, or nothing to go by."""
    keys = [has_email(party.email)] if party.email else []
    if party.phone:
        keys.append(Contact.phone == party.phone)
    if not keys:
        return sql("NULL::json")
    found = select(func.json_build_array(Contact.id, Contact.account_id)).where(Contact.archived_at.is_(None), or_(*keys))
    return found.order_by(case((keys[0], 0), else_=1), Contact.id).limit(1).scalar_subquery()


def matching_account(party: Party) -> Any:
    """The id of the account with the domain, else with the name; null where there is none, or nothing to go by."""
    keys = [Account.domain == party.domain] if party.domain else []
    if party.company and (key := name_key(party.company)):
        keys.append(key_of(Account.name) == key)
    if not keys:
        return sql("NULL::uuid")
    found = select(Account.id).where(Account.archived_at.is_(None), or_(*keys))
    return found.order_by(case((keys[0], 0), else_=1), Account.id).limit(1).scalar_subquery()
