"""Who we know: accounts, contacts, how they belong together, competitors, and where merged records went."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar, Literal
from uuid import UUID

from nexus.core import Entity, Index, Mapped, UniqueConstraint, f, sql, time_zone
from nexus.services.crm.entities.owned import Owned, sparse
from nexus.services.crm.places import LANGUAGE, country
from nexus.services.crm.terms import DoNotContact, FurtherEmail, FurtherPhone, Lifecycle

DOMAIN = r"^(?!www\.)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+$"
NAME_KEY = "regexp_replace(lower(name), '[^[:alnum:]]+', '', 'g')"
"""A name as duplicates are found by: lower case, letters and digits only."""


class Account(Owned):
    """A company or household we deal with: the same party that finance bills and support serves."""

    __table_args__ = (
        *sparse("crm_account", "owner_id", "team_id", "territory_id", "parent_account_id", "domain"),
        Index("ix_crm_account_name_key", sql(NAME_KEY)),
    )
    merges: ClassVar[bool] = True
    alike: ClassVar[Mapping[str, str]] = {"domain": "domain", "name": NAME_KEY}

    name: Mapped[str] = f.text(200, search=True, free=True, example="Lagos Foods")
    legal_name: Mapped[str | None] = f.text(200, default=None, search=True, free=True)
    domain: Mapped[str | None] = f.text(
        253,
        default=None,
        pattern=DOMAIN,
        search=True,
        example="lagosfoods.example",
        help="The internet domain, without www and in lower case.",
    )
    website: Mapped[str | None] = f.url(default=None)
    phone: Mapped[str | None] = f.phone(default=None)
    tax_id: Mapped[str | None] = f.text(60, default=None, pii="identifier", label="Tax number")
    industry: Mapped[str | None] = f.text(80, default=None)
    employees_band: Mapped[str | None] = f.text(40, default=None, label="Employees", example="11-50")
    annual_revenue: Mapped[Decimal | None] = f.money(currency="currency", ge=Decimal(0), default=None)
    currency: Mapped[str | None] = f.currency(default=None, help="What it is billed in; empty: the business's own currency.")
    payment_terms_days: Mapped[int | None] = f.int_(ge=0, le=730, default=None)
    price_list_id: Mapped[UUID | None] = f.ref("catalog.price_list", default=None, index=False)
    street: Mapped[str | None] = f.text(200, default=None, pii="address")
    city: Mapped[str | None] = f.text(120, default=None)
    region: Mapped[str | None] = f.text(120, default=None)
    postal_code: Mapped[str | None] = f.text(20, default=None, pii="address")
    country: Mapped[str | None] = f.text(2, default=None, pattern=r"^[A-Z]{2}$", check=country, example="NG", help="ISO 3166 alpha-2.")
    lifecycle_stage: Mapped[Lifecycle] = f.enum_(Lifecycle, default=Lifecycle.LEAD)
    parent_account_id: Mapped[UUID | None] = f.ref(
        "crm.account",
        default=None,
        index=False,
        read_only=True,
        help="The account it is part of; set by set_parent, which refuses circles.",
    )
    description: Mapped[str | None] = f.long_text(default=None)
    also_known_as: Mapped[list[str]] = f.json(
        list[str], default_factory=list, read_only=True, search=True, help="Names of accounts that were merged into this one."
    )


class Contact(Owned):
    """A person we know."""

    __table_args__ = (
        *sparse("crm_contact", "owner_id", "team_id", "territory_id", "account_id", "email", "phone"),
        Index(
            "ix_crm_contact_more_emails",
            "more_emails",
            postgresql_using="gin",
            postgresql_ops={"more_emails": "jsonb_path_ops"},
            postgresql_where=sql("more_emails <> '[]'::jsonb"),
        ),
    )
    merges: ClassVar[bool] = True
    alike: ClassVar[Mapping[str, str]] = {"email": "email", "phone": "phone"}

    name: Mapped[str] = f.text(200, search=True, pii="name", example="Ada Obi")
    given_name: Mapped[str | None] = f.text(120, default=None, pii="name")
    family_name: Mapped[str | None] = f.text(120, default=None, pii="name")
    email: Mapped[str | None] = f.email(default=None, search=True, help="The primary address; others are in more_emails.")
    email_verified: Mapped[bool] = f.bool_(default=False)
    more_emails: Mapped[list[FurtherEmail]] = f.json(list[FurtherEmail], default_factory=list, search=True, pii="contact")
    phone: Mapped[str | None] = f.phone(default=None, help="The primary number; others are in more_phones.")
    more_phones: Mapped[list[FurtherPhone]] = f.json(list[FurtherPhone], default_factory=list, pii="contact")
    title: Mapped[str | None] = f.text(120, default=None, label="Job title")
    account_id: Mapped[UUID | None] = f.ref("crm.account", default=None, index=False, help="The account the person mainly belongs to.")
    city: Mapped[str | None] = f.text(120, default=None)
    country: Mapped[str | None] = f.text(2, default=None, pattern=r"^[A-Z]{2}$", check=country, example="NG", help="ISO 3166 alpha-2.")
    language: Mapped[str | None] = f.text(35, default=None, pattern=LANGUAGE, example="en-NG", help="BCP 47.")
    time_zone: Mapped[str | None] = f.text(60, default=None, check=time_zone, example="Africa/Lagos", help="IANA name.")
    do_not_contact: Mapped[list[DoNotContact]] = f.json(
        list[DoNotContact], default_factory=list, read_only=True, help="Channels that must not be used; changed by change_consent."
    )
    description: Mapped[str | None] = f.long_text(default=None)
    also_known_as: Mapped[list[str]] = f.json(
        list[str], default_factory=list, read_only=True, search=True, pii="name", help="Names of contacts that were merged into this one."
    )


class AccountContact(Entity):
    """A further part that a person plays at an account, beside the main one."""

    __table_args__ = (UniqueConstraint("account_id", "contact_id"),)
    removal: ClassVar[Literal["archive", "delete"] | None] = "delete"

    account_id: Mapped[UUID] = f.ref("crm.account", on_delete="CASCADE", index=False)
    contact_id: Mapped[UUID] = f.ref("crm.contact", on_delete="CASCADE")
    role: Mapped[str] = f.text(120, default="employee", example="accountant")


class Competitor(Entity):
    """Somebody who sells against us."""

    name: Mapped[str] = f.text(200, unique=True)
    website: Mapped[str | None] = f.url(default=None)
    strengths: Mapped[str | None] = f.long_text(default=None)
    weaknesses: Mapped[str | None] = f.long_text(default=None)


class Redirect(Entity):
    """Where a record went that was merged into another: whoever asks for the old id lands on the survivor."""

    __table_args__ = (UniqueConstraint("from_id"),)
    removal: ClassVar[Literal["archive", "delete"] | None] = None
    creatable: ClassVar[bool] = False
    editable: ClassVar[bool] = False

    entity: Mapped[str] = f.text(80, read_only=True, example="crm.contact")
    from_id: Mapped[UUID] = f.uuid(read_only=True, help="The id that is gone.")
    to_id: Mapped[UUID] = f.uuid(read_only=True, index=True, help="The id of the survivor; never itself a merged one.")
    before: Mapped[dict[str, Any]] = f.json(
        dict[str, Any], default_factory=dict, read_only=True, pii="other", sensitive=True, help="The record as it was before the merge."
    )
