"""CAMT.053 of ISO 20022: read by the structure that all its versions share. Entities are refused, so that no file grows as it is read."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from nexus.services.finance.bank_files.reading import ReadLine, ReadStatement, UnreadableBankFile, amount_of, day_of, plain

_OPENING, _CLOSING = ("OPBD", "PRCD"), ("CLBD",)


def read(content: str) -> list[ReadStatement]:
    """Its statements; only booked entries are lines."""
    try:
        root = fromstring(content.strip().encode(), forbid_dtd=True)
    except DefusedXmlException:
        raise UnreadableBankFile.at("the file", "declares a document type or entities, which no statement does") from None
    except ParseError as error:
        raise UnreadableBankFile.at(f"line {error.position[0]}", "is no well-formed XML") from None
    except (LookupError, ValueError):
        raise UnreadableBankFile.at("line 1", "names an encoding that it is not in") from None
    report = next((one for one in root if _name(one) == "BkToCstmrStmt"), None)
    if _name(root) != "Document" or report is None:
        raise UnreadableBankFile.at("line 1", "does not begin as Document/BkToCstmrStmt")
    return [_statement(one, f"Stmt[{n}]") for n, one in enumerate((one for one in report if _name(one) == "Stmt"), 1)]


def _name(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _all(element: Element, *path: str) -> list[Element]:
    found = [element]
    for name in path:
        found = [child for one in found for child in one if _name(child) == name]
    return found


def _text(element: Element, *paths: str) -> str | None:
    """What the first of these paths that is there says, such as `Dt/Dt`."""
    texts = ((one.text or "").strip() for path in paths for one in _all(element, *path.split("/")))
    return next((text for text in texts if text), None)


def _one(element: Element, place: str, *paths: str) -> str:
    found = _text(element, *paths)
    if found is None:
        raise UnreadableBankFile.at(place, f"has no {' or '.join(paths)}")
    return found


def _statement(found: Element, place: str) -> ReadStatement:
    balances = [(one, f"{place}/Bal[{n}]") for n, one in enumerate(_all(found, "Bal"), 1)]
    entries = [(one, f"{place}/Ntry[{n}]") for n, one in enumerate(_all(found, "Ntry"), 1)]
    amounts = [*_all(found, "Bal", "Amt"), *_all(found, "Ntry", "Amt")]
    currency = _text(found, "Acct/Ccy") or next((one.get("Ccy") for one in amounts if one.get("Ccy")), None)
    if currency is None:
        raise UnreadableBankFile.at(place, "names no currency")
    opening, closing = _balance(balances, _OPENING, currency), _balance(balances, _CLOSING, currency)
    since, until = _text(found, "FrToDt/FrDtTm", "FrToDt/FrDt"), _text(found, "FrToDt/ToDtTm", "FrToDt/ToDt")
    return ReadStatement(
        place=place,
        account=_one(found, place, "Acct/Id/IBAN", "Acct/Id/Othr/Id"),
        currency=currency,
        reference=plain(_one(found, place, "Id"), 60),
        since=day_of(since[:10], f"{place}/FrToDt") if since else opening[1] if opening else None,
        until=day_of(until[:10], f"{place}/FrToDt") if until else closing[1] if closing else None,
        opening=opening[0] if opening else None,
        closing=closing[0] if closing else None,
        lines=[line for one, at in entries for line in _line(one, at)],
    )


def _balance(balances: list[tuple[Element, str]], kinds: tuple[str, ...], currency: str) -> tuple[Decimal, dt.date] | None:
    for kind in kinds:
        for one, place in balances:
            if _text(one, "Tp/CdOrPrtry/Cd") == kind:
                amount, said = _signed(one, place)
                if said != currency:
                    raise UnreadableBankFile.at(f"{place}/Amt", f"is in {said}, and the account in {currency}")
                return amount, day_of(_one(one, place, "Dt/Dt", "Dt/DtTm")[:10], f"{place}/Dt")
    return None


def _signed(found: Element, place: str) -> tuple[Decimal, str]:
    """An amount with its sign, and its currency."""
    at = f"{place}/Amt"
    currency = next((one.get("Ccy", "") for one in _all(found, "Amt")), "")
    amount = amount_of(_one(found, place, "Amt"), currency, at)
    if amount < 0:
        raise UnreadableBankFile.at(at, "is less than nothing, and CdtDbtInd says which way")
    match _one(found, place, "CdtDbtInd"):
        case "CRDT":
            return amount, currency
        case "DBIT":
            return -amount + 0, currency
        case other:
            raise UnreadableBankFile.at(f"{place}/CdtDbtInd", f"is neither CRDT nor DBIT: {other[:20]!r}")


def _line(found: Element, place: str) -> Iterator[ReadLine]:
    if _one(found, place, "Sts/Cd", "Sts") != "BOOK":
        return
    amount, currency = _signed(found, place)
    details = _all(found, "NtryDtls", "TxDtls")
    about = details[0] if len(details) == 1 else Element("TxDtls")  # of several, none is what the whole line is
    other, account = ("Dbtr", "DbtrAcct") if amount > 0 else ("Cdtr", "CdtrAcct")
    value_on = _text(found, "ValDt/Dt", "ValDt/DtTm")
    said = [
        *_all(about, "RmtInf", "Ustrd"),
        *_all(about, "RmtInf", "Strd", "CdtrRefInf", "Ref"),
        *_all(about, "RmtInf", "Strd", "RfrdDocInf", "Nb"),
    ]
    text = " ".join(one.text or "" for one in said) or _text(found, "AddtlNtryInf")
    end_to_end = _text(about, "Refs/EndToEndId")
    if not amount:
        return
    yield ReadLine(
        place=place,
        booked_on=day_of(_one(found, place, "BookgDt/Dt", "BookgDt/DtTm")[:10], f"{place}/BookgDt"),
        value_on=day_of(value_on[:10], f"{place}/ValDt") if value_on else None,
        amount=amount,
        currency=currency,
        name=plain(_text(about, f"RltdPties/{other}/Pty/Nm", f"RltdPties/{other}/Nm"), 200),
        account=plain(_text(about, f"RltdPties/{account}/Id/IBAN", f"RltdPties/{account}/Id/Othr/Id"), 60),
        text=plain(text, 2000),
        transaction_id=plain(_text(found, "AcctSvcrRef"), 100),
        end_to_end_id=None if end_to_end == "NOTPROVIDED" else plain(end_to_end, 60),
        bank_reference=_text(found, "NtryRef"),
    )
