"""The request of an activation: a business, and every reason why it cannot be one, all told at once.

The least that activates:

    {"name": "Ade Bakery", "industry": "restaurant", "country": "NG", "owner": {"name": "Ade", "email": "ade@example.com"}}

`read` checks the shape (types, missing and unknown fields) and `faults` the meaning (unknown industry, bad slug); both collect instead of
stopping, and say what to change. `resolve.py` fills in the rest.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import Annotated

import msgspec
from msgspec import Meta

from nexus.activation import checks
from nexus.activation.describe import describe
from nexus.core.problem import FieldError
from nexus.documents import Tree, Value, is_tree, mapping

__all__ = ["Branding", "Business", "FieldError", "InvalidBusiness", "Owner", "faults", "read"]


class Owner(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The person who gets the keys."""

    name: Annotated[str, Meta(min_length=1, max_length=120)]
    email: str
    phone: str | None = None
    """International (`+234…`) or as written in the country of the business."""
    language: str | None = None
    """BCP 47; the first language of the business unless given."""


class Branding(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How it looks to customers."""

    color: str | None = None
    """`#0f766e`."""
    logo_url: str | None = None
    tagline: Annotated[str, Meta(max_length=160)] | None = None


class Business(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A business to activate. Only name, owner and country are needed; the country may also be told in `describe`."""

    name: Annotated[str, Meta(min_length=1, max_length=120)]
    owner: Owner
    industry: str | None = None
    """A preset or one of its aliases; proposed from `describe`, else from the name, else `general`."""
    country: str | None = None
    """ISO 3166-1 alpha-2."""
    currency: str | None = None
    """ISO 4217; the country's unless given."""
    languages: list[str] = []
    """BCP 47, the main one first; the country's business languages unless given."""
    time_zone: str | None = None
    """IANA; the country's main one unless given."""
    size: str | int | None = None
    """A band of employees (`10-49`) or their number."""
    domain: str | None = None
    """The business's own domain, without scheme: `adebakery.com`."""
    chart: str | None = None
    """The chart of accounts: `de_skr04`; the usual one of the country unless given."""
    slug: str | None = None
    """The name in addresses; made from the business name unless given."""
    modules: list[str] = []
    """Modules and services beyond those of the preset: `online_shop`, `delivery`, `support`."""
    branding: Branding = Branding()
    plan: str | None = None
    region: str | None = None
    """Where the data shall be; any region unless given."""
    sample_data: bool = False
    """Plant invented accounts, leads and deals to look at."""
    describe: Annotated[str, Meta(max_length=1000)] | None = None
    """The business in a sentence, from which whatever is not given is proposed."""


class InvalidBusiness(Exception):
    """The request cannot be a business; `errors` names every field and what to change."""

    def __init__(self, errors: list[FieldError]) -> None:
        self.errors = errors
        super().__init__("; ".join(f"{error.field}: {error.message}" for error in errors))


def read(body: object) -> Business:
    """The business in a decoded JSON body. Raises InvalidBusiness with everything wrong in it, in the order of the fields."""
    if not is_tree(body):
        raise InvalidBusiness([FieldError("body", f"must be an object, for example {_EXAMPLES['']}")])
    errors: list[FieldError] = []
    given = _struct(Business, body, "", errors)
    broken = {_whole(error) for error in errors}
    stand_in: Tree = {"name": "Stand-in", "email": "stand-in@example.com"}
    owner: Tree = stand_in | mapping(given.get("owner"))
    business = msgspec.convert({"name": "Stand-in", **given, "owner": owner}, Business)
    errors += [error for error in faults(business) if _whole(error) not in broken]
    if errors:
        raise InvalidBusiness(sorted(errors, key=_position))
    return business


def faults(business: Business) -> list[FieldError]:
    """What is wrong with the meaning of a business whose shape is right, in the order of the fields."""
    found = (FieldError(field, message) for field, message in _meaning(business) if message is not None)
    return sorted(found, key=_position)


def _meaning(business: Business) -> Iterator[tuple[str, str | None]]:
    owner, branding = business.owner, business.branding
    yield "name", checks.name(business.name)
    yield "owner.name", checks.name(owner.name)
    yield "owner.email", checks.email(owner.email)
    yield "owner.phone", checks.phone(owner.phone, business.country)
    yield "owner.language", checks.language(owner.language)
    yield "industry", checks.industry(business.industry)
    yield "country", checks.country(business.country) if business.country else _somewhere(business)
    yield "currency", checks.currency(business.currency)
    yield from ((f"languages[{i}]", checks.language(tag)) for i, tag in enumerate(business.languages))
    yield "time_zone", checks.time_zone(business.time_zone)
    yield "size", checks.size(business.size)
    yield "domain", checks.domain(business.domain)
    yield "chart", checks.chart(business.chart, business.country or _described(business))
    yield "slug", checks.slug(business.slug)
    yield from ((f"modules[{i}]", checks.module(key)) for i, key in enumerate(business.modules))
    yield "branding.color", checks.color(branding.color)
    yield "branding.logo_url", checks.web_address(branding.logo_url)
    yield "plan", checks.word(business.plan)
    yield "region", checks.word(business.region)


def _somewhere(business: Business) -> str | None:
    if _described(business):
        return None
    return "is required: use ISO 3166-1 alpha-2, like 'NG'" + (", or name the place in 'describe'" if business.describe else "")


def _described(business: Business) -> str | None:
    return describe(business.describe).country if business.describe else None


_PARTS: dict[str, type[msgspec.Struct]] = {"owner": Owner, "branding": Branding}


def _struct(kind: type[msgspec.Struct], body: Value, path: str, errors: list[FieldError]) -> Tree:
    """The fields of a body that have the right type; every other one is told to `errors`."""
    if not is_tree(body):
        errors.append(FieldError(path, f"must be an object, for example {_EXAMPLES[path]}"))
        return {}
    prefix = f"{path}." if path else ""
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    errors += [FieldError(f"{prefix}{name}", _unknown(name, list(fields))) for name in body if name not in fields]
    good: Tree = {}
    for name, field in fields.items():
        if name not in body:
            if field.required:
                errors.append(FieldError(f"{prefix}{name}", "is required"))
        elif kind is Business and name in _PARTS:
            good[name] = _struct(_PARTS[name], body[name], name, errors)
        elif fault := _shape(field, body[name]):
            errors.append(FieldError(f"{prefix}{name}{fault[0]}", fault[1]))
        else:
            good[name] = body[name]
    return good


_EXAMPLES = {
    "": '{"name": "Ade Bakery", "country": "NG", "owner": {"name": "Ade", "email": "ade@example.com"}}',
    "owner": '{"name": "Ade", "email": "ade@example.com"}',
    "branding": '{"color": "#0f766e"}',
}


def _shape(field: msgspec.structs.FieldInfo, value: Value) -> tuple[str, str] | None:
    """Where inside the value it has not the field's type (`[1]`), and what it must be; None where it is right."""
    try:
        msgspec.convert(value, field.type)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at `$")
        message = re.sub(r"Expected `([^`]+)`, got `([^`]+)`", r"must be \1, not \2", message)
        return where.rstrip("`"), re.sub(r"Expected `str` of length ([<>]=) (\d+)", _length, message)
    return None


def _length(found: re.Match[str]) -> str:
    return f"must have at most {found[2]} characters" if found[1] == "<=" else "must not be empty"


def _unknown(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return "there is no such field" + (f": did you mean {near[0]!r}?" if near else f": take it out; the fields are {', '.join(known)}")


_ORDER = {name: number for number, name in enumerate(Business.__struct_fields__)}


def _whole(error: FieldError) -> str:
    """The field without the place inside it: `languages[1]` → `languages`."""
    return error.field.partition("[")[0]


def _position(error: FieldError) -> int:
    """Where a field stands in the request; what is not in it comes last. Sorting is stable, so parts keep their own order."""
    top = re.split(r"[.\[]", error.field)[0]
    return _ORDER.get(top, len(_ORDER))
