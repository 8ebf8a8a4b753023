"""UN/CEFACT Cross Industry Invoice in the profile EN 16931 of Factur-X and ZUGFeRD."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Final
from xml.etree.ElementTree import Element

from nexus.services.finance.documents.semantics import Breakdown, Category, Electronic, Item
from nexus.services.finance.documents.xml import Vocabulary, basic, document, money
from nexus.services.finance.issue_terms import Side

_CEFACT: Final = "urn:un:unece:uncefact:data:"
_e: Final = Vocabulary(
    {
        "rsm": f"{_CEFACT}standard:CrossIndustryInvoice:100",
        "ram": f"{_CEFACT}standard:ReusableAggregateBusinessInformationEntity:100",
        "qdt": f"{_CEFACT}standard:QualifiedDataType:100",
        "udt": f"{_CEFACT}standard:UnqualifiedDataType:100",
    }
)
_PROFILE: Final = "urn:cen.eu:en16931:2017"
_DAY: Final = "102"


def cii(made: Electronic) -> bytes:
    """The document."""
    said = made.said
    guideline = _e("ram:GuidelineSpecifiedDocumentContextParameter", _e("ram:ID", _PROFILE))
    return document(
        _e(
            "rsm:CrossIndustryInvoice",
            _e("rsm:ExchangedDocumentContext", guideline),
            _e(
                "rsm:ExchangedDocument",
                _e("ram:ID", said.number),
                _e("ram:TypeCode", made.type_code),
                _day("ram:IssueDateTime", said.date),
                _e("ram:IncludedNote", _e("ram:Content", said.notes)),
            ),
            _e(
                "rsm:SupplyChainTradeTransaction",
                *[_line(number, one) for number, one in enumerate(made.items, 1)],
                _e(
                    "ram:ApplicableHeaderTradeAgreement",
                    _e("ram:BuyerReference", said.issued.buyer_reference),
                    _party("ram:SellerTradeParty", made.seller, local=True),
                    _party("ram:BuyerTradeParty", made.buyer, local=False),
                ),
                _delivery(made),
                _settlement(made),
            ),
        )
    )


def _day(name: str, day: dt.date) -> Element | None:
    return _e(name, _e("udt:DateTimeString", basic(day), format=_DAY))


def _line(number: int, one: Item) -> Element | None:
    price = _e("ram:NetPriceProductTradePrice", _e("ram:ChargeAmount", one.price), _e("ram:BasisQuantity", one.per, unitCode=one.unit))
    return _e(
        "ram:IncludedSupplyChainTradeLineItem",
        _e("ram:AssociatedDocumentLineDocument", _e("ram:LineID", str(number))),
        _e("ram:SpecifiedTradeProduct", _e("ram:Name", one.name)),
        _e("ram:SpecifiedLineTradeAgreement", price),
        _e("ram:SpecifiedLineTradeDelivery", _e("ram:BilledQuantity", one.quantity, unitCode=one.unit)),
        _e(
            "ram:SpecifiedLineTradeSettlement",
            _tax("ram:ApplicableTradeTax", one.category),
            _off(one.discount) if one.discount else None,
            _e("ram:SpecifiedTradeSettlementLineMonetarySummation", _e("ram:LineTotalAmount", money(one.net))),
        ),
    )


def _tax(name: str, category: Category) -> Element | None:
    return _e(name, _e("ram:TypeCode", "VAT"), _e("ram:CategoryCode", category.code), _e("ram:RateApplicablePercent", category.percent))


def _off(discount: Decimal, category: Element | None = None) -> Element | None:
    """A discount, or a charge where it is negative."""
    return _e(
        "ram:SpecifiedTradeAllowanceCharge",
        _e("ram:ChargeIndicator", _e("udt:Indicator", "false" if discount > 0 else "true")),
        _e("ram:ActualAmount", money(abs(discount))),
        _e("ram:Reason", "Discount"),
        category,
    )


def _party(name: str, side: Side, *, local: bool) -> Element | None:
    """`local`: also the number by which its own tax office knows it."""
    contact = _e(
        "ram:DefinedTradeContact",
        _e("ram:PersonName", side.name),
        _e("ram:TelephoneUniversalCommunication", _e("ram:CompleteNumber", side.phone)),
        _e("ram:EmailURIUniversalCommunication", _e("ram:URIID", side.email)),
    )
    return _e(
        name,
        _e("ram:Name", side.name),
        _e("ram:SpecifiedLegalOrganization", _e("ram:ID", side.registration_number)),
        contact if side.phone or side.email else None,
        _e(
            "ram:PostalTradeAddress",
            _e("ram:PostcodeCode", side.postal_code),
            _e("ram:LineOne", side.street),
            _e("ram:CityName", side.city),
            _e("ram:CountryID", side.country),
            _e("ram:CountrySubDivisionName", side.region),
        ),
        _e("ram:URIUniversalCommunication", _e("ram:URIID", side.electronic_address, schemeID=side.electronic_scheme)),
        _e("ram:SpecifiedTaxRegistration", _e("ram:ID", side.vat_id, schemeID="VA")),
        _e("ram:SpecifiedTaxRegistration", _e("ram:ID", side.tax_id, schemeID="FC")) if local else None,
    )


def _delivery(made: Electronic) -> Element | None:
    address = _e("ram:PostalTradeAddress", _e("ram:CountryID", made.buyer.country))
    return _e(
        "ram:ApplicableHeaderTradeDelivery",
        _e("ram:ShipToTradeParty", address) if made.delivered_abroad else None,
        _e("ram:ActualDeliverySupplyChainEvent", _day("ram:OccurrenceDateTime", made.delivered_on)),
    )


def _settlement(made: Electronic) -> Element | None:
    said, of = made.said, made.said.issued.preceding
    before = None
    if of is not None:
        day = _e("qdt:DateTimeString", basic(of.date), format=_DAY)
        before = _e("ram:InvoiceReferencedDocument", _e("ram:IssuerAssignedID", of.number), _e("ram:FormattedIssueDateTime", day))
    return _e(
        "ram:ApplicableHeaderTradeSettlement",
        _e("ram:PaymentReference", said.number),
        _e("ram:InvoiceCurrencyCode", said.currency),
        _means(made),
        *[_breakdown(one) for one in made.breakdowns],
        *[_off(one.discount, _tax("ram:CategoryTradeTax", one.category)) for one in made.breakdowns if one.discount],
        _e("ram:SpecifiedTradePaymentTerms", _e("ram:Description", made.terms), _day("ram:DueDateDateTime", said.due_on)),
        _totals(made),
        before,
    )


def _means(made: Electronic) -> Element | None:
    account = made.said.issued.account
    if account is None:
        return _e("ram:SpecifiedTradeSettlementPaymentMeans", _e("ram:TypeCode", "1"))
    held = (_e("ram:IBANID", account.iban), _e("ram:AccountName", account.name), _e("ram:ProprietaryID", account.other))
    return _e(
        "ram:SpecifiedTradeSettlementPaymentMeans",
        _e("ram:TypeCode", "30"),
        _e("ram:PayeePartyCreditorFinancialAccount", *held),
        _e("ram:PayeeSpecifiedCreditorFinancialInstitution", _e("ram:BICID", account.bic)),
    )


def _breakdown(one: Breakdown) -> Element | None:
    return _e(
        "ram:ApplicableTradeTax",
        _e("ram:CalculatedAmount", money(one.tax)),
        _e("ram:TypeCode", "VAT"),
        _e("ram:ExemptionReason", one.reason),
        _e("ram:BasisAmount", money(one.base)),
        _e("ram:CategoryCode", one.category.code),
        _e("ram:ExemptionReasonCode", one.reason_code),
        _e("ram:RateApplicablePercent", one.category.percent),
    )


def _totals(made: Electronic) -> Element | None:
    said = made.said
    return _e(
        "ram:SpecifiedTradeSettlementHeaderMonetarySummation",
        _e("ram:LineTotalAmount", money(made.lines)),
        _e("ram:ChargeTotalAmount", money(made.charges)),
        _e("ram:AllowanceTotalAmount", money(made.allowances)),
        _e("ram:TaxBasisTotalAmount", money(said.net)),
        _e("ram:TaxTotalAmount", money(said.tax), currencyID=said.currency),
        _e("ram:GrandTotalAmount", money(said.total)),
        _e("ram:DuePayableAmount", money(said.payable)),
    )
