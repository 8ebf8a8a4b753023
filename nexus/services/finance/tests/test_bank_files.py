"""Files of banks: each format says the same of the same, and what cannot be read is named by its line or element."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from nexus.services.finance.bank_files import BankFileRefused, ReadStatement, UnreadableBankFile, read
from nexus.services.finance.bank_terms import CsvLayout, DayOrder, DecimalMark, Delimiter, StatementFormat, valid_bic, valid_iban
from nexus.services.finance.tests.bank_samples import CAMT, CSV, MT940, OFX, THEIRS

SAMPLES = {StatementFormat.CAMT053: CAMT, StatementFormat.MT940: MT940, StatementFormat.OFX: OFX, StatementFormat.CSV: CSV}


def only(format: StatementFormat, content: str, layout: CsvLayout | None = None) -> ReadStatement:
    (one,) = read(format, content, "NGN", layout)
    return one


@pytest.mark.parametrize("format", SAMPLES)
def test_each_format_says_the_same(format: StatementFormat) -> None:
    said = only(format, SAMPLES[format])

    went, came = said.lines
    assert (str(went.amount), str(came.amount), went.currency) == ("-50.25", "100.00", "NGN")
    assert (went.booked_on, came.booked_on) == (dt.date(2026, 1, 3), dt.date(2026, 1, 5))
    assert (went.name, went.text) == ("Acme GmbH", "Invoice 42")
    if format is not StatementFormat.OFX:
        assert (went.value_on, went.account, went.end_to_end_id) == (dt.date(2026, 1, 2), THEIRS, "E2E-1")
        assert came.end_to_end_id is None
    if format is not StatementFormat.MT940:
        assert [one.transaction_id for one in said.lines] == ["R1", "R2"]
    if format is not StatementFormat.CSV:
        assert (said.since, said.until, said.closing) == (dt.date(2026, 1, 2), dt.date(2026, 1, 5), Decimal("1049.75"))


def test_several_statements_of_one_file() -> None:
    both = read(StatementFormat.MT940, MT940 + MT940.replace("00001/001", "00002/001"), "NGN")
    assert [(one.reference, one.place, len(one.lines)) for one in both] == [
        ("00001/001", "the statement of line 1", 2),
        ("00002/001", "the statement of line 12", 2),
    ]
    half, other = CAMT.split("<Stmt>")
    stmt = other.split("</Stmt>")[0]
    assert len(read(StatementFormat.CAMT053, f"{half}<Stmt>{stmt}</Stmt><Stmt>{stmt}</Stmt></BkToCstmrStmt></Document>", "NGN")) == 2


def test_an_envelope_and_what_the_bank_says_in_lines() -> None:
    said = only(StatementFormat.MT940, "{1:F01BANKDEFFXXXX0000000000}{4:\n" + MT940.replace("\n-\n", "\n-}\n"))
    assert said.lines[1].text == "Transfer of Ada Obi for bread"


def test_a_batch_is_one_line_of_nobody() -> None:
    detail = "<TxDtls><RltdPties><Dbtr><Nm>Somebody</Nm></Dbtr></RltdPties></TxDtls>"
    said = only(
        StatementFormat.CAMT053, CAMT.replace("<NtryDtls><TxDtls><Refs><EndToEndId>NOT", f"<NtryDtls>{detail}<TxDtls><Refs><EndToEndId>NOT")
    )
    assert (said.lines[1].name, said.lines[1].text) == (None, "Transfer")


def test_xml_of_ofx_2() -> None:
    head = '<?xml version="1.0" encoding="UTF-8"?>\n<?OFX OFXHEADER="200" VERSION="211" SECURITY="NONE" OLDFILEUID="NONE" NEWFILEUID="NONE"?>\n'
    body = "<STMTTRN><DTPOSTED>20260103</DTPOSTED><TRNAMT>1.5</TRNAMT><FITID>1</FITID><BANK.OWN>x</BANK.OWN></STMTTRN>"
    acct = "<CCACCTFROM><ACCTID>0123456789</ACCTID></CCACCTFROM>"
    said = only(StatementFormat.OFX, f"{head}<OFX><CCSTMTRS><CURDEF>NGN</CURDEF>{acct}<BANKTRANLIST>{body}</BANKTRANLIST></CCSTMTRS></OFX>")
    assert (str(said.lines[0].amount), said.closing) == ("1.50", None)


def test_csv_as_other_banks_write_it() -> None:
    layout = CsvLayout(
        delimiter=Delimiter.SEMICOLON,
        decimal_mark=DecimalMark.COMMA,
        days=DayOrder.DAY_DOTS,
        date="Buchung",
        paid_in="Haben",
        paid_out="Soll",
        text="Zweck",
    )
    said = only(StatementFormat.CSV, "\ufeffBuchung;Soll;Haben;Zweck\r\n03.01.2026;1.050,25;;Miete\r\n\r\n04.01.2026;;7;\r\n", layout)
    assert [(str(one.amount), one.text, one.place) for one in said.lines] == [("-1050.25", "Miete", "line 2"), ("7.00", None, "line 4")]


LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'
FAULTS: list[tuple[StatementFormat, str, str, str, str]] = [
    (StatementFormat.CAMT053, CAMT, "", "line 1", "no well-formed XML"),
    (StatementFormat.CAMT053, "<Document", LAUGHS + "<Document", "the file", "entities"),
    (StatementFormat.CAMT053, "</Stmt>", "", "line 25", "no well-formed XML"),
    (StatementFormat.CAMT053, "BkToCstmrStmt", "BkToCstmrAcctRpt", "line 1", "Document/BkToCstmrStmt"),
    (StatementFormat.CAMT053, "<CdtDbtInd>DBIT", "<CdtDbtInd>UP", r"Stmt\[1\]/Ntry\[1\]/CdtDbtInd", "neither CRDT nor DBIT"),
    (StatementFormat.CAMT053, ">50.25<", ">50,25<", r"Stmt\[1\]/Ntry\[1\]/Amt", "is no amount: '50,25'"),
    (StatementFormat.CAMT053, ">50.25<", ">-50.25<", r"Ntry\[1\]/Amt", "less than nothing"),
    (StatementFormat.CAMT053, ">50.25<", ">50.251<", r"Ntry\[1\]/Amt", "more than the 2 decimals of NGN"),
    (StatementFormat.CAMT053, "<BookgDt><Dt>2026-01-03", "<BookgDt><Dt>2026-02-30", r"Ntry\[1\]/BookgDt", "is no day"),
    (StatementFormat.CAMT053, "<BookgDt><Dt>2026-01-03</Dt></BookgDt>", "", r"Ntry\[1\]", "has no BookgDt/Dt or BookgDt/DtTm"),
    (StatementFormat.CAMT053, "<Id>2026-001</Id>", "", r"Stmt\[1\]", "has no Id"),
    (StatementFormat.MT940, MT940, "hello", "line 1", "no field of MT940"),
    (StatementFormat.MT940, ":20:STARTUMSE\n", "", "line 1", "before the field 20"),
    (StatementFormat.MT940, "50,25NTRF", "fiftyNTRF", "line 5", "no line of MT940"),
    (StatementFormat.MT940, ":61:260102", ":61:261332", "line 5", "no line of MT940"),
    (StatementFormat.MT940, ":62F:C260105NGN1049,75\n", "", "the statement of line 1", "no field 62F"),
    (StatementFormat.MT940, "C260105NGN1049,75", "X260105NGN1049,75", "line 10", "no balance"),
    (StatementFormat.MT940, "C260105NGN1049,75", "C260105EUR1049,75", "line 10", "is in EUR"),
    (StatementFormat.MT940, "C260105NGN1049,75", "C260105QQQ1049,75", "line 10", "no currency"),
    (StatementFormat.OFX, OFX, "hello", "the file", "is no OFX"),
    (StatementFormat.OFX, "OFXHEADER:100", LAUGHS + "OFXHEADER:100", "the file", "entities"),
    (StatementFormat.OFX, "-50.25", "fifty", r"STMTRS\[1\]/STMTTRN\[1\]/TRNAMT", "is no amount"),
    (StatementFormat.OFX, "<FITID>R1", "", r"STMTRS\[1\]/STMTTRN\[1\]", "has no FITID"),
    (StatementFormat.OFX, "20260103230000[-5:EST]", "20261399", r"STMTTRN\[1\]/DTPOSTED", "is no day"),
    (StatementFormat.CSV, CSV, "date,amount\n", "the file", "has no csv statement"),
    (StatementFormat.CSV, "date,", "day,", "line 1", "names no column 'date'"),
    (StatementFormat.CSV, "2026-01-05,", "2026-13-05,", "line 4, date", "is no day"),
    (StatementFormat.CSV, ",100,", ",1OO,", "line 4, amount", "is no amount"),
    (StatementFormat.CSV, "Transfer,R2,", "Transfer,R2", "line 4", "has 8 columns, and the header 9"),
    (StatementFormat.CSV, "Transfer", "Trans\0fer", "line 4", "a character that no text has"),
    (StatementFormat.CSV, '"Invoice', '"Inv"oice', "line 2", "is no CSV"),
]


@pytest.mark.parametrize(("format", "was", "now", "place", "why"), FAULTS)
def test_what_cannot_be_read_is_named(format: StatementFormat, was: str, now: str, place: str, why: str) -> None:
    assert was in SAMPLES[format]
    with pytest.raises(UnreadableBankFile, match=f"{place} of the file cannot be read.*{why}") as refused:
        read(format, SAMPLES[format].replace(was, now), "NGN")
    assert isinstance(refused.value, BankFileRefused)
    assert refused.value.facts["errors"][0].field == "content"


@pytest.mark.parametrize("text", ["DE89 3704 0044 0532 0130 00", "DE88370400440532013000", "XX", "de89370400440532013000"])
def test_ibans_are_checked(text: str) -> None:
    valid_iban("DE89370400440532013000")
    with pytest.raises(ValueError, match="is no IBAN"):
        valid_iban(text)
    valid_bic("COBADEFF")
    with pytest.raises(ValueError, match="is no BIC"):
        valid_bic("COBA")
