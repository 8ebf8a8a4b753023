"""MT940 of SWIFT: split into its statements and fields here, so that refusals name the line; what a field says is read by the library mt940."""

from __future__ import annotations

import datetime as dt
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from mt940.models import Transactions
from mt940.options import Options

from nexus.services.finance.bank_files.reading import ReadLine, ReadStatement, UnreadableBankFile, amount_of, day_of, plain

_FIELD = re.compile(r":([0-9]{2}[A-Z]?):(.*)", re.DOTALL)
_BALANCE = re.compile(r"([CD])([0-9]{6})([A-Z]{3})([0-9]{1,15},[0-9]{0,8})")
_ENVELOPE = re.compile(r"\{[14]:[^}\n]*\}?")

# the library logs what it cannot read, which is other people's payments
logging.getLogger("mt940").setLevel(logging.CRITICAL + 1)


@dataclass
class _Field:
    """A field, such as `61`, and the line that it begins in."""

    tag: str
    line: int
    text: str

    @property
    def place(self) -> str:
        return f"line {self.line}"


def read(content: str) -> list[ReadStatement]:
    """Its statements: each begins with field 20."""
    statements: list[list[_Field]] = []
    for field in _fields(content):
        if field.tag == "20":
            statements.append([])
        elif not statements:
            raise UnreadableBankFile.at(field.place, "is before the field 20, with which a statement begins")
        statements[-1].append(field)
    return [_statement(fields) for fields in statements]


def _fields(content: str) -> list[_Field]:
    fields: list[_Field] = []
    for n, line in enumerate(content.splitlines(), 1):
        if found := _FIELD.fullmatch(line):
            fields.append(_Field(found[1], n, found[2].strip()))
        elif line.strip() in ("", "-", "-}") or _ENVELOPE.match(line):
            continue
        elif not fields:
            raise UnreadableBankFile.at(f"line {n}", "is no field of MT940, such as :20:")
        else:
            fields[-1].text += "\n" + line.rstrip()
    return fields


def _statement(fields: list[_Field]) -> ReadStatement:
    first = {field.tag: field for field in reversed(fields)}
    opens, closes = first.get("60F") or first.get("60M"), first.get("62F") or first.get("62M")
    for wanted, name in ((opens, "60F"), (closes, "62F"), (first.get("25"), "25")):
        if wanted is None:
            raise UnreadableBankFile.at(f"the statement of {fields[0].place}", f"has no field {name}")
    assert opens and closes
    opening, since, currency = _balance(opens)
    closing, until, other = _balance(closes)
    if other != currency:
        raise UnreadableBankFile.at(closes.place, f"is in {other}, and the statement in {currency}")
    return ReadStatement(
        place=f"the statement of {fields[0].place}",
        account=first["25"].text,
        currency=currency,
        reference=plain(first["28C"].text if "28C" in first else fields[0].text, 60),
        since=since,
        until=until,
        opening=opening,
        closing=closing,
        lines=_lines(fields, opens, currency),
    )


def _balance(field: _Field) -> tuple[Decimal, dt.date, str]:
    said = _BALANCE.fullmatch(field.text)
    if said is None:
        raise UnreadableBankFile.at(field.place, "is no balance, such as C261130EUR1000,00")
    side, day, currency, amount = said.groups()
    exact = amount_of(amount.replace(",", "."), currency, field.place)
    return (exact if side == "C" else -exact + 0), day_of(day, field.place, "%y%m%d"), currency


def _lines(fields: list[_Field], opens: _Field, currency: str) -> list[ReadLine]:
    """The lines of a statement: each field 61, with the 86 behind it."""
    lines: list[ReadLine] = []
    for at, field in enumerate(fields):
        if field.tag == "61":
            more = fields[at + 1] if at + 1 < len(fields) and fields[at + 1].tag == "86" else None
            if line := _line(field, more, opens, currency):
                lines.append(line)
    return lines


def _line(field: _Field, more: _Field | None, opens: _Field, currency: str) -> ReadLine | None:
    text = f":60F:{opens.text}\n:61:{field.text}\n" + (f":86:{more.text}\n" if more else "")
    said = _said(text, field)
    amount = amount_of(str(said["amount"].amount), currency, field.place)
    if not amount:
        return None
    value_on, booked_on = said["date"], said.get("entry_date") or said["date"]
    details = " ".join(said.get(name) or "" for name in ("purpose", "additional_purpose")) if said.get("transaction_code") else ""
    given = [said.get(name) for name in ("customer_reference", "end_to_end_reference")]
    reference = next((one for one in reversed(given) if one and one not in ("NONREF", "NOTPROVIDED")), None)
    return ReadLine(
        place=field.place,
        booked_on=dt.date(booked_on.year, booked_on.month, booked_on.day),
        value_on=dt.date(value_on.year, value_on.month, value_on.day),
        amount=amount,
        currency=currency,
        name=plain(said.get("applicant_name"), 200),
        account=plain(said.get("applicant_iban") or said.get("gvc_applicant_iban"), 60),
        text=plain(details or said.get("posting_text") or said.get("transaction_details") or (more.text if more else ""), 2000),
        end_to_end_id=plain(reference, 60),
        bank_reference=said.get("bank_reference"),
    )


def _said(text: str, field: _Field) -> Mapping[str, Any]:
    """What the library finds in one line. It raises what comes to hand where it cannot read it."""
    try:
        found = Transactions(options=Options(applicant_iban=True))
        found.parse(text)
        (one,) = found
    except (ValueError, RuntimeError, ArithmeticError, TypeError, KeyError, AssertionError):
        raise UnreadableBankFile.at(field.place, "is no line of MT940, such as 2611021102D50,25NTRFREF//BANKREF") from None
    return one.data
