"""Files of banks: read into statements, whatever their format. Nothing here knows the database.

reading.py     what a file says, what it is refused with, and how its amounts, days and texts are read
camt.py        CAMT.053 (ISO 20022), by its official structure, in any of its versions
mt940.py       MT940 (SWIFT)
ofx.py         OFX 1 and 2
delimited.py   CSV
"""

from __future__ import annotations

from nexus.services.finance.bank_files import camt, delimited, mt940, ofx
from nexus.services.finance.bank_files.reading import (
    BankFileRefused,
    ReadLine,
    ReadStatement,
    UnreadableBankFile,
)
from nexus.services.finance.bank_terms import CsvLayout, StatementFormat

__all__ = ["BankFileRefused", "ReadLine", "ReadStatement", "UnreadableBankFile", "read"]


def read(format: StatementFormat, content: str, currency: str, layout: CsvLayout | None = None) -> list[ReadStatement]:
    """The statements of a file, for an account of this currency. UnreadableBankFile (422) names the line or the element."""
    if "\0" in content:
        raise UnreadableBankFile.at(f"line {content[: content.index(chr(0))].count(chr(10)) + 1}", "has a character that no text has")
    match format:
        case StatementFormat.CAMT053:
            found = camt.read(content)
        case StatementFormat.MT940:
            found = mt940.read(content)
        case StatementFormat.OFX:
            found = ofx.read(content)
        case StatementFormat.CSV:
            found = delimited.read(content, currency, layout or CsvLayout())
    if not found:
        raise UnreadableBankFile.at("the file", f"has no {format} statement")
    return found
