"""pain.001.001.09 of ISO 20022: a file of SEPA credit transfers, in the characters that every bank takes."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from xml.etree.ElementTree import Element, SubElement, tostring

_NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
_TAKEN = re.compile(r"[^0-9A-Za-z/\-?:().,'+ ]")


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """One payment of a file."""

    end_to_end_id: str
    amount: Decimal
    name: str
    iban: str
    bic: str | None
    text: str


@dataclass(frozen=True, kw_only=True)
class Order:
    """A file: who pays from which account, when and what. All amounts are in one currency."""

    message_id: str
    made_at: dt.datetime
    execute_on: dt.date
    name: str
    iban: str
    bic: str | None
    currency: str
    transfers: Sequence[Transfer]

    @property
    def total(self) -> Decimal:
        """The sum that the file is checked by."""
        return sum((one.amount for one in self.transfers), Decimal(0))


def basic(text: str, longest: int) -> str:
    """A text in the characters of SEPA: letters lose their marks, what has no equal becomes a point."""
    bare = "".join(one for one in unicodedata.normalize("NFKD", text.replace("ß", "ss")) if not unicodedata.combining(one))
    return _TAKEN.sub(".", " ".join(bare.split()))[:longest].strip() or "."


def written(order: Order) -> str:
    """The file."""
    root = Element("Document", xmlns=_NAMESPACE)
    initiation = SubElement(root, "CstmrCdtTrfInitn")
    header = SubElement(initiation, "GrpHdr")
    _put(header, "MsgId", order.message_id)
    _put(header, "CreDtTm", order.made_at.strftime("%Y-%m-%dT%H:%M:%SZ"))
    _sums(header, order)
    _put(header, "InitgPty/Nm", basic(order.name, 70))
    _payment(SubElement(initiation, "PmtInf"), order)
    return tostring(root, encoding="unicode", xml_declaration=False).join(('<?xml version="1.0" encoding="UTF-8"?>\n', "\n"))


def _put(parent: Element, path: str, text: str) -> Element:
    """Write a text below elements that are made for it."""
    for name in path.split("/"):
        parent = SubElement(parent, name)
    parent.text = text
    return parent


def _sums(parent: Element, order: Order) -> None:
    _put(parent, "NbOfTxs", str(len(order.transfers)))
    _put(parent, "CtrlSum", str(order.total))


def _payment(parent: Element, order: Order) -> None:
    _put(parent, "PmtInfId", order.message_id)
    _put(parent, "PmtMtd", "TRF")
    _sums(parent, order)
    _put(parent, "PmtTpInf/SvcLvl/Cd", "SEPA")
    _put(parent, "ReqdExctnDt/Dt", order.execute_on.isoformat())
    _put(parent, "Dbtr/Nm", basic(order.name, 70))
    _put(parent, "DbtrAcct/Id/IBAN", order.iban)
    _put(parent, "DbtrAgt/FinInstnId/BICFI" if order.bic else "DbtrAgt/FinInstnId/Othr/Id", order.bic or "NOTPROVIDED")
    _put(parent, "ChrgBr", "SLEV")
    for one in order.transfers:
        transfer = SubElement(parent, "CdtTrfTxInf")
        _put(transfer, "PmtId/EndToEndId", one.end_to_end_id)
        _put(transfer, "Amt/InstdAmt", str(one.amount)).set("Ccy", order.currency)
        if one.bic:
            _put(transfer, "CdtrAgt/FinInstnId/BICFI", one.bic)
        _put(transfer, "Cdtr/Nm", basic(one.name, 70))
        _put(transfer, "CdtrAcct/Id/IBAN", one.iban)
        _put(transfer, "RmtInf/Ustrd", basic(one.text, 140))
