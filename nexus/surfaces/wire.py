"""Wire types: the msgspec structs that check what callers send, derived from the declaration."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from decimal import Context, Decimal
from typing import Any, Final, TypeVar, cast

import msgspec
import phonenumbers

from nexus.core.entity import Entity
from nexus.core.ids import uuid7
from nexus.core.money import SCALES
from nexus.core.problem import FieldError, Invalid, Malformed
from nexus.surfaces.journal import MASK
from nexus.surfaces.kept import kept
from nexus.surfaces.permissions import Rights
from nexus.surfaces.refusals import NO_NUL, NOT_YOURS
from nexus.surfaces.shapes import Field, Shape, shape_of
from nexus.surfaces.wording import not_here, sentence

T = TypeVar("T")

_E164 = re.compile(r"^\+[1-9]\d{6,14}$")
_AT = re.compile(r"^(?P<what>.*?)(?: - at `(?P<path>[^`]*)`)?$", re.DOTALL)
_INDEX = re.compile(r"^\[(\d+|\.\.\.)\]")


def decode(decoder: msgspec.json.Decoder[T], body: bytes, *, parts: bool = False) -> T:
    """Read JSON into a checked struct; `parts` where some of it stays unread for now.

    Malformed (400) where it is not JSON, Invalid (422) naming the field where it does not fit.
    """
    try:
        read = decoder.decode(body)
        if b"\\u0000" in body and not parts:
            refuse_nul(msgspec.json.decode(body), "")
        return read
    except msgspec.ValidationError as error:
        first = field_error(error, decoder.type)
        raise Invalid.of(*(_each_wrong(decoder.type, body) or [first])) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if not body.strip():
            raise Malformed(reason="The body is empty: it takes JSON, such as {}") from None
        raise Malformed(reason=f"The body is not valid JSON in UTF-8: {error}") from None


def _each_wrong(type_: Any, body: bytes) -> list[FieldError]:
    """Every member of an object that does not fit, where the decoder stops at the first. It is asked only once something is wrong."""
    if not (isinstance(type_, type) and issubclass(type_, msgspec.Struct)):
        return []
    try:
        given = _MEMBERS.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return []
    fields = {one.encode_name: one for one in msgspec.structs.fields(type_)}
    elsewhere: Mapping[str, str] = getattr(type_, "elsewhere", {})
    wrong: list[FieldError] = []
    for name, value in given.items():
        if name not in fields:
            if type_.__struct_config__.forbid_unknown_fields:
                wrong.append(FieldError(name, elsewhere.get(name, "there is no such field")))
            continue
        try:
            _alone(type_, name).decode(b'{"%b":%b}' % (name.encode(), bytes(value)))
        except msgspec.ValidationError as error:
            wrong.append(field_error(error, type_))
    return wrong + [FieldError(name, "is required") for name, one in fields.items() if one.required and name not in given]


@kept
def _alone(type_: type[msgspec.Struct], name: str) -> msgspec.json.Decoder[Any]:
    """Reads one field of a struct as the struct does."""
    field = next(one for one in msgspec.structs.fields(type_) if one.encode_name == name)
    return msgspec.json.Decoder(msgspec.defstruct("One", [(name, field.type)]), float_hook=exact_json)


_LARGEST: Final = 300
"""The exponent of numbers in JSON that whoever reads them can still take for a number."""
_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def exact_json(number: str) -> msgspec.Raw:
    """A number of a tenant's own field as it was sent: a binary fraction would round it. ValueError where it has more digits than are kept."""
    value = Decimal(number)
    if abs(value.adjusted()) > _LARGEST:
        raise ValueError("is not a number that can be kept")
    return msgspec.Raw(f"{value:f}".encode())


def refuse_nul(value: Any, path: str) -> None:
    """PostgreSQL keeps every character but U+0000, in a name of an object too."""
    match value:
        case str():
            if "\0" in value:
                raise Invalid.of(FieldError(path, NO_NUL))
        case list():
            for place, one in enumerate(cast(list[object], value)):
                refuse_nul(one, f"{path}[{place}]")
        case dict():
            for name, one in cast(dict[str, Any], value).items():
                refuse_nul(name, path)
                refuse_nul(one, f"{path}.{name}".removeprefix("."))
        case _:
            pass


def field_error(error: Exception, expected: Any) -> FieldError:
    """msgspec's message taken apart: the path of the field, and what it expected there; `expected` is the type that was to be read."""
    found = _AT.match(str(error))
    what, path = (found["what"], found["path"] or "") if found else (str(error), "")
    name = path.removeprefix("$").removeprefix(".")
    if (unknown := re.search(r"unknown field `([^`]+)`", what)) is not None:
        known: Mapping[str, str] = {} if name else getattr(expected, "elsewhere", {})
        return FieldError(f"{name}.{unknown[1]}".strip("."), known.get(unknown[1], "there is no such field"))
    if (missing := re.search(r"missing required field `([^`]+)`", what)) is not None:
        return FieldError(f"{name}.{missing[1]}".strip("."), "is required")
    return FieldError(name, sentence(what, path, expected))


class Wire:
    """The create and patch types of one entity, with what turns their fields into the stored form."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        title = shape.entity.__name__
        create = [_create_member(field) for field in shape.writable]
        patch = [(field.name, _nullable(field) | msgspec.UnsetType, msgspec.UNSET) for field in shape.patchable]
        options: dict[str, Any] = {"kw_only": True, "forbid_unknown_fields": True, "module": shape.entity.__module__}
        self.elsewhere = {name: not_here(shape, field) for name, field in shape.fields.items() if not field.patchable}
        """Why a field that records show is none that a patch takes."""
        told = {name: said for name, said in self.elsewhere.items() if not shape.fields[name].writable}
        self.Create = msgspec.defstruct(f"{title}Create", create, namespace={"elsewhere": told}, **options)
        self.Patch = msgspec.defstruct(f"{title}Patch", patch, namespace={"elsewhere": self.elsewhere}, **options)
        self.create = msgspec.json.Decoder(self.Create, float_hook=exact_json)
        self.create_many = msgspec.json.Decoder(list[self.Create], float_hook=exact_json)  # type: ignore[name-defined]
        self.patch = msgspec.json.Decoder(self.Patch, float_hook=exact_json)
        fixed = {
            field.name: field.default() for field in shape.initial if not field.writable and field.default is not ... and field.name != "id"
        }
        self._fixed = msgspec.json.encode(fixed)[1:-1]
        self._audited = [(one.name, bool(one.facts.pii or one.facts.sensitive), one if one.exact else None) for one in shape.writable]
        self._normal: list[tuple[str, Callable[[Any, str], Any]]] = [
            (field.name, _NORMAL[field.facts.kind]) for field in shape.writable if field.facts.kind in _NORMAL
        ]
        self._normal += [(field.name, _checked(field.facts.check)) for field in shape.writable if field.facts.check is not None]

    def normalise(self, record: Any, country: str) -> None:
        """Bring e-mail addresses and telephone numbers to their stored form; Invalid where a number or a moment cannot be one."""
        wrong: list[FieldError] = []
        for name, normal in self._normal:
            value = getattr(record, name, msgspec.UNSET)
            if value is not None and value is not msgspec.UNSET:
                try:
                    setattr(record, name, normal(value, country))
                except ValueError as error:
                    wrong.append(FieldError(name, str(error)))
        if wrong:
            raise Invalid.of(*wrong)

    def refuse_hidden(self, rights: Rights, record: Any) -> None:
        """Invalid (422) where a field that the caller cannot see is set: it cannot be written by it either."""
        for name in rights.hidden(self.shape.entity):
            value = getattr(record, name, msgspec.UNSET)
            default = self.shape.fields[name].default
            if value is msgspec.UNSET or (isinstance(record, self.Create) and default is not ... and value == default()):
                continue
            raise Invalid.of(FieldError(name, NOT_YOURS))

    def given(self, change: Any) -> tuple[str, ...]:
        """The fields that a patch names, in the order of the declaration. Invalid (422) where it names none."""
        names = tuple(field.name for field in self.shape.patchable if getattr(change, field.name) is not msgspec.UNSET)
        if not names:
            raise Invalid.of(FieldError("", "nothing is given to change; give at least one field"))
        return names

    def audited(self, record: Any) -> bytes:
        """What audit keeps of a checked record, as the database would write it: secrets as three stars, empty fields left out."""
        kept: dict[str, Any] = {}
        for name, secret, exact in self._audited:
            value = getattr(record, name)
            if value is not None:
                kept[name] = MASK if secret else value if exact is None else _exact(exact, value, record)
        return msgspec.json.encode(kept)

    def row(self, record: Any) -> tuple[str, bytes]:
        """A checked record as the JSON object that the insert takes, and the id it was given."""
        id = str(uuid7())
        parts = (b'"id":"' + id.encode() + b'"', self._fixed, msgspec.json.encode(record)[1:-1])
        return id, b"{" + b",".join(filter(None, parts)) + b"}"


def phone(value: str, country: str) -> str:
    """A telephone number as E.164; national spellings are read in `country` (ISO 3166 alpha-2). ValueError where it cannot be one."""
    if _E164.match(value):
        return value
    try:
        number = phonenumbers.parse(value, country)
    except phonenumbers.NumberParseException:
        raise ValueError(f"{value!r} is not a telephone number; write it as +2348031234567") from None
    if not phonenumbers.is_possible_number(number):
        raise ValueError(f"{value!r} has too many or too few digits for a telephone number of {country}; write it as +2348031234567")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _checked(check: Callable[[str], None]) -> Callable[[str, str], str]:
    def checked(value: str, country: str) -> str:
        check(value)
        return value

    return checked


def _email(value: str, country: str) -> str:
    return value.lower()


def _number(value: Decimal, country: str) -> Decimal:
    """An exact number as it is; what is none, or has more digits than any column takes, never reaches the database."""
    if not value.is_finite() or abs(value.adjusted()) > 1000:
        raise ValueError("is not a number that can be kept")
    return value


def _moment(value: dt.datetime, country: str) -> dt.datetime:
    """A moment that is in a year from 1 to 9999 wherever it is read."""
    if not 1 < value.year < 9999:
        raise ValueError("is not a moment that can be kept; years are 2 to 9998")
    return value


_ANY_SIZE = Context(prec=2_000)

_NORMAL: dict[str, Callable[[Any, str], Any]] = {
    "phone": phone,
    "email": _email,
    "money": _number,
    "decimal": _number,
    "quantity": _number,
    "instant": _moment,
}


def _exact(field: Field, value: Decimal, record: Any) -> str:
    """A number as the database writes it: an amount with the decimals of its currency, any other without zeros behind it."""
    if field.facts.currency is None:
        return f"{value.normalize() if value else Decimal(0):f}"
    decimals = SCALES.get(getattr(record, field.facts.currency) or "", 0)
    whole = value.quantize(Decimal(1).scaleb(-decimals), context=_ANY_SIZE)
    return f"{whole if whole == value else value:f}"


def _nullable(field: Field) -> Any:
    return field.type() | None if field.nullable else field.type()


def _create_member(field: Field) -> Any:
    if field.default is ...:
        return (field.name, _nullable(field))
    return (field.name, _nullable(field), msgspec.field(default_factory=field.default))


@kept
def wire_of(entity: type[Entity]) -> Wire:
    """The wire types of an entity, made on first use."""
    return Wire(shape_of(entity))
