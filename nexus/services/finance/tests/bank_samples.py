"""Small files of banks, as tests change them."""

from __future__ import annotations

from typing import Final

IBAN: Final = "DE89370400440532013000"
THEIRS: Final = "DE02120300000000202051"

CAMT: Final = f"""<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08">
 <BkToCstmrStmt>
  <GrpHdr><MsgId>M1</MsgId><CreDtTm>2026-01-05T06:00:00</CreDtTm></GrpHdr>
  <Stmt>
   <Id>2026-001</Id>
   <Acct><Id><IBAN>{IBAN}</IBAN></Id><Ccy>NGN</Ccy></Acct>
   <Bal><Tp><CdOrPrtry><Cd>OPBD</Cd></CdOrPrtry></Tp><Amt Ccy="NGN">1000.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-01-02</Dt></Dt></Bal>
   <Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy="NGN">1049.75</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-01-05</Dt></Dt></Bal>
   <Ntry>
    <Amt Ccy="NGN">50.25</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>
    <BookgDt><Dt>2026-01-03</Dt></BookgDt><ValDt><Dt>2026-01-02</Dt></ValDt><AcctSvcrRef>R1</AcctSvcrRef>
    <NtryDtls><TxDtls><Refs><EndToEndId>E2E-1</EndToEndId></Refs>
     <RltdPties><Cdtr><Pty><Nm>Acme GmbH</Nm></Pty></Cdtr><CdtrAcct><Id><IBAN>{THEIRS}</IBAN></Id></CdtrAcct></RltdPties>
     <RmtInf><Ustrd>Invoice</Ustrd><Ustrd>42</Ustrd></RmtInf></TxDtls></NtryDtls>
   </Ntry>
   <Ntry>
    <Amt Ccy="NGN">100.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts>
    <BookgDt><DtTm>2026-01-05T10:00:00</DtTm></BookgDt><AcctSvcrRef>R2</AcctSvcrRef>
    <NtryDtls><TxDtls><Refs><EndToEndId>NOTPROVIDED</EndToEndId></Refs><RltdPties><Dbtr><Nm>Ada Obi</Nm></Dbtr></RltdPties></TxDtls></NtryDtls>
    <AddtlNtryInf>Transfer</AddtlNtryInf>
   </Ntry>
   <Ntry><Amt Ccy="NGN">7.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>PDNG</Sts></Ntry>
  </Stmt>
 </BkToCstmrStmt>
</Document>
"""

MT940: Final = f""":20:STARTUMSE
:25:{IBAN}
:28C:00001/001
:60F:C260102NGN1000,00
:61:2601020103D50,25NTRFE2E-1//R1
:86:166?00TRANSFER?20EREF+E2E-1?21SVWZ+Invoice 42?30COBADEFF?31{THEIRS}?32Acme GmbH
:61:2601050105C100,00NMSCNONREF
:86:Transfer of Ada Obi
 for bread
:62F:C260105NGN1049,75
-
"""

OFX: Final = """OFXHEADER:100
DATA:OFXSGML
VERSION:102
SECURITY:NONE
ENCODING:UTF-8
CHARSET:NONE
COMPRESSION:NONE
OLDFILEUID:NONE
NEWFILEUID:NONE

<OFX><SIGNONMSGSRSV1><SONRS><STATUS><CODE>0<SEVERITY>INFO</STATUS><DTSERVER>20260105<LANGUAGE>ENG</SONRS></SIGNONMSGSRSV1>
<BANKMSGSRSV1><STMTTRNRS><TRNUID>1<STATUS><CODE>0<SEVERITY>INFO</STATUS><STMTRS><CURDEF>NGN
<BANKACCTFROM><BANKID>058<ACCTID>0123456789<ACCTTYPE>CHECKING</BANKACCTFROM>
<BANKTRANLIST><DTSTART>20260102<DTEND>20260105
<STMTTRN><TRNTYPE>DEBIT<DTPOSTED>20260103230000[-5:EST]<TRNAMT>-50.25<FITID>R1<NAME>Acme GmbH<MEMO>Invoice 42</STMTTRN>
<STMTTRN><TRNTYPE>CREDIT<DTPOSTED>20260105<TRNAMT>100,00<FITID>R2<NAME>Ada &amp; Obi</STMTTRN>
</BANKTRANLIST><LEDGERBAL><BALAMT>1049.75<DTASOF>20260105</LEDGERBAL></STMTRS></STMTTRNRS></BANKMSGSRSV1></OFX>
"""

CSV: Final = """date,value_date,amount,currency,name,account,text,transaction_id,end_to_end_id
2026-01-03,2026-01-02,-50.25,NGN,Acme GmbH,DE02120300000000202051,"Invoice
42",R1,E2E-1
2026-01-05,,100,,Ada Obi,,Transfer,R2,
"""
