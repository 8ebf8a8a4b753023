"""Which accounts and which contacts may be the same: pairs with a score and what speaks for it, for whoever may merge them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final
from uuid import UUID

from msgspec import Meta
from sqlalchemy import ARRAY, CTE, Numeric, Text, type_coerce

from nexus.core import ColumnElement, Percent, Query, Rows, Sight, aliased, and_, answers, func, not_, or_, select, sql
from nexus.core.entity import TENANT, table_of
from nexus.services.crm.entities import Account, Contact
from nexus.services.crm.rules.duplicates import ALIKE, Evidence, likeness, reasons, score, shared, trigrams
from nexus.services.crm.rules.matching import SHARED, key_of, some_emails

Count = Annotated[int, Meta(ge=1, le=1000)]

_CANDIDATES: Final = 60
"""Records that one is compared with: so many that share an address, a number, a domain or all words of the name, and as many with a similar name."""


class DuplicateContacts(Query, frozen=True, kw_only=True):
    """Contacts that may be the same person: those like one contact, or those like any of the newest or of those with an address or number in common.

    `score` is from 0 to 100. `reasons` are email, phone, name, name_there (at the same company), similar_name and similar_name_there; `likeness` of
    the names is from 0 to 1.
    """

    contact_id: UUID | None = None
    min_score: Percent = 50
    newest: Count = 200
    limit: Count = 100


class DuplicateAccounts(Query, frozen=True, kw_only=True):
    """Accounts that may be the same company: those like one account, or those like any of the newest or of those with a domain or name in common.

    `score` is from 0 to 100. `reasons` are domain, phone, name and similar_name; `likeness` of the names is from 0 to 1. An account and what it is
    part of are no duplicates.
    """

    account_id: UUID | None = None
    min_score: Percent = 50
    newest: Count = 200
    limit: Count = 100


@answers(DuplicateContacts, needs="crm.contact:merge")
def duplicate_contacts(query: DuplicateContacts, sight: Sight) -> Rows:
    live = Contact.archived_at.is_(None), sight(Contact)
    table = f"{TENANT}.{table_of(Contact).name}"
    taken = _taken(Contact, query.contact_id, query.newest, live, [Contact.email, Contact.phone])
    known = [_addresses(table).label("addresses"), _numbers(table).label("numbers"), _domain(table).label("domain"), _words(table)]
    known.append(_beginnings(table, 3, 6, " | "))
    one = select(Contact.id, Contact.email, Contact.account_id, *known).where(*live, taken).limit(2 * query.newest).cte("one")
    exact = or_(
        Contact.email == func.any(one.c.addresses),
        and_(some_emails(), Contact.more_emails.op("@>")(sql("jsonb_build_array(jsonb_build_object('address', one.email))"))),
        Contact.phone == func.any(one.c.numbers),
        _finds(Contact, one.c.words),
    )
    there = _finds(Contact, sql("plainto_tsquery('simple'::regconfig, translate(one.domain, '.-', '  '))"))
    near = and_(or_(Contact.account_id == one.c.account_id, there), _finds(Contact, one.c.beginnings))
    found = _found(Contact, one, live, exact, near, query.contact_id)
    a, b = aliased(Contact, name="a"), aliased(Contact, name="b")
    together = or_(a.account_id == b.account_id, _domain("a") == _domain("b"))
    met = [
        _addresses("a").op("&&")(_addresses("b")).label("email"),
        _numbers("a").op("&&")(_numbers("b")).label("phone"),
        (key_of(a.name) == key_of(b.name)).label("name"),
        func.coalesce(together, sql("false")).label("there"),
    ]
    pairs = _compared(select(*_sides(a, b), *met).select_from(found).join(a, a.id == found.c.a).join(b, b.id == found.c.b))
    return _ranked("contact", pairs, _of_contacts(pairs), query.min_score, query.limit)


def _of_contacts(pairs: CTE) -> list[Evidence]:
    named, there = pairs.c.name, pairs.c.there
    similar = and_(not_(named), pairs.c.likeness >= sql(ALIKE))
    return [
        Evidence(reason="email", met=pairs.c.email, worth="0.9", unlike="0.5"),
        Evidence(reason="phone", met=pairs.c.phone, worth="0.75", unlike="0.35"),
        Evidence(reason="name", met=and_(named, not_(there)), worth="0.5"),
        Evidence(reason="name_there", met=and_(named, there), worth="0.85"),
        Evidence(reason="similar_name", met=and_(similar, not_(there)), worth="0.4 * pairs.likeness"),
        Evidence(reason="similar_name_there", met=and_(similar, there), worth="0.8 * pairs.likeness"),
    ]


@answers(DuplicateAccounts, needs="crm.account:merge")
def duplicate_accounts(query: DuplicateAccounts, sight: Sight) -> Rows:
    live = Account.archived_at.is_(None), sight(Account)
    table = f"{TENANT}.{table_of(Account).name}"
    taken = _taken(Account, query.account_id, query.newest, live, [Account.domain, key_of(Account.name)])
    known = [key_of(Account.name).label("key"), _beginnings(table, 4, 2, " & "), _words(table)]
    one = select(Account.id, Account.domain, *known).where(*live, taken).limit(2 * query.newest).cte("one")
    exact = or_(Account.domain == one.c.domain, key_of(Account.name) == one.c.key, _finds(Account, one.c.words))
    found = _found(Account, one, live, exact, _finds(Account, one.c.beginnings), query.account_id)
    a, b = aliased(Account, name="a"), aliased(Account, name="b")
    met = [
        func.coalesce(a.domain == b.domain, sql("false")).label("domain"),
        func.coalesce(a.phone == b.phone, sql("false")).label("phone"),
        (key_of(a.name) == key_of(b.name)).label("named"),
    ]
    apart = func.coalesce(or_(a.id == b.parent_account_id, b.id == a.parent_account_id), sql("false"))
    joined = select(*_sides(a, b), *met).select_from(found).join(a, a.id == found.c.a).join(b, b.id == found.c.b)
    pairs = _compared(joined.where(not_(apart)))
    return _ranked("account", pairs, _of_accounts(pairs), query.min_score, query.limit)


def _of_accounts(pairs: CTE) -> list[Evidence]:
    return [
        Evidence(reason="domain", met=pairs.c.domain, worth="0.8", unlike="0.5"),
        Evidence(reason="phone", met=pairs.c.phone, worth="0.6", unlike="0.35"),
        Evidence(reason="name", met=pairs.c.named, worth="0.8"),
        Evidence(reason="similar_name", met=and_(not_(pairs.c.named), pairs.c.likeness >= sql(ALIKE)), worth="0.7 * pairs.likeness"),
    ]


def _taken(
    kind: type[Account] | type[Contact], id: UUID | None, newest: int, live: Sequence[ColumnElement[bool]], keys: Sequence[Any]
) -> ColumnElement[bool]:
    """Which records are compared with all others: the one that was asked about, else the newest and those that have a key in common."""
    if id is not None:
        return kind.id == id
    last = select(kind.id).where(*live).order_by(kind.id.desc()).limit(newest)
    several = [select(key).where(*live, key.is_not(None)).group_by(key).having(func.count() > 1).limit(newest) for key in keys]
    return or_(kind.id.in_(last), *[key.in_(twins) for key, twins in zip(keys, several, strict=True)])


def _found(
    kind: type[Account] | type[Contact],
    one: CTE,
    live: Sequence[ColumnElement[bool]],
    exact: ColumnElement[bool],
    near: ColumnElement[bool],
    id: UUID | None,
) -> CTE:
    """The pairs to compare, each once: from the record that was asked about, else from the older one."""

    def paired(which: ColumnElement[bool], name: str) -> Rows:
        # in an order that no index has: for "any sixty" PostgreSQL would read the whole table rather than four indexes
        candidates = select(kind.id).where(*live, kind.id != one.c.id, which).order_by(kind.updated_at.desc(), kind.id)
        other = candidates.limit(_CANDIDATES).lateral(name)
        ends = (one.c.id, other.c.id) if id is not None else (func.least(one.c.id, other.c.id), func.greatest(one.c.id, other.c.id))
        return select(ends[0].label("a"), ends[1].label("b")).select_from(one.join(other, sql("true")))

    return paired(exact, "same").union(paired(near, "similar")).cte("found")


def _sides(a: type[Account] | type[Contact], b: type[Account] | type[Contact]) -> list[Any]:
    grams = [trigrams("a.name").label("a_grams"), trigrams("b.name").label("b_grams")]
    return [a.id.label("a_id"), a.name.label("a_name"), b.id.label("b_id"), b.name.label("b_name"), *grams]


def _compared(joined: Rows) -> CTE:
    """The pairs with how alike their names are. Materialised, or PostgreSQL would take the names apart again for every mention."""
    sides = joined.cte("sides").prefix_with("MATERIALIZED")
    counted = select(*sides.c, shared("sides.a_grams", "sides.b_grams").label("both")).cte("counted").prefix_with("MATERIALIZED")
    alike = likeness("counted.a_grams", "counted.b_grams", "counted.both").label("likeness")
    return select(*counted.c, alike).cte("pairs").prefix_with("MATERIALIZED")


def _ranked(name: str, pairs: CTE, evidence: Sequence[Evidence], least: int, limit: int) -> Rows:
    alike: ColumnElement[Any] = pairs.c.likeness
    points = score(alike, evidence)
    record = [
        pairs.c.a_id.label(f"{name}_id"),
        pairs.c.a_name.label("name"),
        pairs.c.b_id.label("other_id"),
        pairs.c.b_name.label("other_name"),
    ]
    shown = select(
        *record,
        points.label("score"),
        type_coerce(reasons(evidence), ARRAY(Text)).label("reasons"),
        type_coerce(alike, Numeric).label("likeness"),
    ).where(points >= least)
    return shown.order_by(points.desc(), pairs.c.a_id, pairs.c.b_id).limit(limit)


def _words(table: str) -> ColumnElement[Any]:
    """The name as a text search for all its words."""
    return sql(f"plainto_tsquery('simple'::regconfig, regexp_replace({table}.name, '[^[:alnum:]]+', ' ', 'g'))").label("words")


def _beginnings(table: str, letters: int, words: int, joined: str) -> ColumnElement[Any]:
    """The first letters of the first words of the name as a text search: what is after them may be misspelt."""
    each = f"regexp_split_to_table(lower({table}.name), '[^[:alnum:]]+') WITH ORDINALITY AS t(word, place) WHERE word <> ''"
    parts = f"ARRAY(SELECT left(word, {letters}) || ':*' FROM {each} ORDER BY place LIMIT {words})"
    return sql(f"to_tsquery('simple'::regconfig, array_to_string({parts}, '{joined}'))").label("beginnings")


def _finds(kind: type[Account] | type[Contact], words: Any) -> ColumnElement[bool]:
    """Whether text search finds the record."""
    return sql(f"{TENANT}.{table_of(kind).name}.search").op("@@")(words)


def _addresses(of: str) -> ColumnElement[Any]:
    """All e-mail addresses of a contact."""
    return sql(f"array_remove({of}.email || ARRAY(SELECT e ->> 'address' FROM jsonb_array_elements({of}.more_emails) AS e), NULL)")


def _numbers(of: str) -> ColumnElement[Any]:
    """All telephone numbers of a contact."""
    return sql(f"array_remove({of}.phone || ARRAY(SELECT e ->> 'number' FROM jsonb_array_elements({of}.more_phones) AS e), NULL)")


def _domain(of: str) -> ColumnElement[Any]:
    """The domain of a contact's address, unless it is a provider's for everybody."""
    shared = ", ".join(f"'{domain}'" for domain in sorted(SHARED))
    part = f"nullif(split_part({of}.email, '@', 2), '')"
    return sql(f"CASE WHEN {part} IN ({shared}) THEN NULL ELSE {part} END")
