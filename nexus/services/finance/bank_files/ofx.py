"""OFX 1 and 2: headers and markup are read by the library ofxtools, and what is needed of them by its names, as banks add elements of their own."""

from __future__ import annotations

import datetime as dt
import io
import re
from decimal import Decimal
from xml.etree.ElementTree import Element, ParseError

from nexus.services.finance.bank_files.reading import ReadLine, ReadStatement, UnreadableBankFile, amount_of, day_of, plain

_DAY = re.compile(r"[0-9]{8}")


def read(content: str) -> list[ReadStatement]:
    """Its bank and credit card statements."""
    if "<!" in content.partition("<OFX>")[0]:
        raise UnreadableBankFile.at("the file", "declares a document type or entities, which no statement does")
    from ofxtools.Parser import OFXTree  # it takes a fifth of what all else takes to start, and few tenants ever need it

    tree = OFXTree()
    try:
        tree.parse(io.BytesIO(_as_said(content)))
    except (SyntaxError, ParseError, ValueError, LookupError, AssertionError) as error:
        raise UnreadableBankFile.at("the file", f"is no OFX: {_first(error)}") from None
    root = tree.getroot()
    found = [one for one in root.iter() if one.tag in ("STMTRS", "CCSTMTRS")] if root is not None else []
    return [_statement(one, f"{one.tag}[{n}]") for n, one in enumerate(found, 1)]


def _as_said(content: str) -> bytes:
    """The bytes of a text in the encoding that its header names, as the library decodes them by it."""
    head = content.partition("<OFX>")[0]
    if "CHARSET:1252" in head and "ENCODING:UTF" not in head:
        return content.encode("cp1252", errors="replace")
    if "ENCODING:USASCII" in head and "CHARSET:" not in head:
        return content.encode("ascii", errors="replace")
    return content.encode()


def _first(error: Exception) -> str:
    return plain(str(error).partition("\n")[0], 80) or "its markup has no end"


def _statement(found: Element, place: str) -> ReadStatement:
    currency = _one(found, place, "CURDEF")
    balance = found.find("LEDGERBAL")
    moved = found.find("BANKTRANLIST")
    lines = [] if moved is None else [_line(one, f"{place}/STMTTRN[{n}]", currency) for n, one in enumerate(moved.iter("STMTTRN"), 1)]
    closes = f"{place}/LEDGERBAL"
    return ReadStatement(
        place=place,
        account=_one(found, place, "BANKACCTFROM/ACCTID", "CCACCTFROM/ACCTID"),
        currency=currency,
        since=_day(moved, place, "DTSTART"),
        until=_day(balance, closes, "DTASOF") or _day(moved, place, "DTEND"),
        closing=None if balance is None else _amount(_one(balance, closes, "BALAMT"), currency, f"{closes}/BALAMT"),
        lines=[one for one in lines if one is not None],
    )


def _day(found: Element | None, place: str, name: str) -> dt.date | None:
    """A day as the bank's clock shows it: the part before its time and its zone."""
    text = None if found is None else _text(found, name)
    if text is None:
        return None
    day = _DAY.match(text)
    if day is None:
        raise UnreadableBankFile.at(f"{place}/{name}", f"is no day: {text[:40]!r}")
    return day_of(day[0], f"{place}/{name}", "%Y%m%d")


def _text(found: Element, *paths: str) -> str | None:
    texts = ((found.findtext(path) or "").strip() for path in paths)
    return next((text for text in texts if text), None)


def _one(found: Element, place: str, *paths: str) -> str:
    text = _text(found, *paths)
    if text is None:
        raise UnreadableBankFile.at(place, f"has no {' or '.join(paths)}")
    return text


def _amount(text: str, currency: str, place: str) -> Decimal:
    return amount_of(text.replace(",", ".") if text.count(",") == 1 and "." not in text else text, currency, place)


def _line(found: Element, place: str, currency: str) -> ReadLine | None:
    booked_on = _day(found, place, "DTPOSTED")
    if booked_on is None:
        raise UnreadableBankFile.at(place, "has no DTPOSTED")
    amount = _amount(_one(found, place, "TRNAMT"), currency, f"{place}/TRNAMT")
    said = _one(found, place, "FITID")
    if not amount:
        return None
    return ReadLine(
        place=place,
        booked_on=booked_on,
        value_on=_day(found, place, "DTAVAIL"),
        amount=amount,
        currency=_text(found, "CURRENCY/CURSYM") or currency,
        name=plain(_text(found, "PAYEE/NAME", "NAME"), 200),
        account=plain(_text(found, "BANKACCTTO/ACCTID"), 60),
        text=plain(" ".join(text for text in (_text(found, "EXTDNAME"), _text(found, "MEMO")) if text), 2000),
        transaction_id=plain(said, 100),
        end_to_end_id=plain(_text(found, "REFNUM", "CHECKNUM"), 60),
    )
