"""UBL 2.1 as Peppol BIS Billing 3.0 has it: invoices and credit notes."""

from __future__ import annotations

from decimal import Decimal
from typing import Final
from xml.etree.ElementTree import Element

from nexus.core import FieldError
from nexus.services.finance.documents.semantics import Breakdown, Category, Electronic, Item, refuse
from nexus.services.finance.documents.xml import Vocabulary, document, money
from nexus.services.finance.issue_terms import Side

_OASIS: Final = "urn:oasis:names:specification:ubl:schema:xsd:"
_PARTS: Final = {"cac": f"{_OASIS}CommonAggregateComponents-2", "cbc": f"{_OASIS}CommonBasicComponents-2"}
_INVOICE: Final = Vocabulary({"invoice": f"{_OASIS}Invoice-2", **_PARTS})
_NOTE: Final = Vocabulary({"note": f"{_OASIS}CreditNote-2", **_PARTS})
_CUSTOMIZATION: Final = "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0"
_PROFILE: Final = "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0"
"""One of what the line names (UN/ECE Recommendation 20)."""


def ubl(made: Electronic) -> bytes:
    """The document. NotElectronic (422) names what Peppol wants beyond EN 16931."""
    wrong: list[FieldError] = []
    for place, side in (("company", made.seller), ("billing_profile", made.buyer)):
        if side.electronic_address is None:
            wrong.append(FieldError(f"{place}.electronic_address", "is missing, by which the network finds it"))
        elif side.electronic_scheme == "EM":
            wrong.append(FieldError(f"{place}.electronic_scheme", "is EM, and the network knows no addresses of e-mail"))
    if made.said.issued.buyer_reference is None:
        wrong.append(FieldError("reference", "is missing, by which the buyer finds it; a billing profile may have one for all"))
    if wrong:
        raise refuse(*wrong)
    return document(_Writer(made).whole())


class _Writer:
    def __init__(self, made: Electronic) -> None:
        self.made = made
        self.e = _NOTE if made.said.note else _INVOICE
        self.currency = made.said.currency

    def whole(self) -> Element | None:
        made, said, e = self.made, self.made.said, self.e
        return e(
            "note:CreditNote" if said.note else "invoice:Invoice",
            e("cbc:CustomizationID", _CUSTOMIZATION),
            e("cbc:ProfileID", _PROFILE),
            e("cbc:ID", said.number),
            e("cbc:IssueDate", said.date.isoformat()),
            None if said.note else e("cbc:DueDate", said.due_on.isoformat()),
            e("cbc:CreditNoteTypeCode" if said.note else "cbc:InvoiceTypeCode", made.type_code),
            e("cbc:Note", said.notes),
            e("cbc:DocumentCurrencyCode", said.currency),
            e("cbc:BuyerReference", said.issued.buyer_reference),
            self._preceding(),
            e("cac:AccountingSupplierParty", self._party(made.seller)),
            e("cac:AccountingCustomerParty", self._party(made.buyer)),
            self._delivery(),
            self._means(),
            e("cac:PaymentTerms", e("cbc:Note", made.terms)),
            *[self._allowance(one) for one in made.breakdowns if one.discount],
            self._taxes(),
            self._totals(),
            *[self._line(number, one) for number, one in enumerate(made.items, 1)],
        )

    def _amount(self, name: str, value: Decimal) -> Element | None:
        return self.e(name, money(value), currencyID=self.currency)

    def _preceding(self) -> Element | None:
        e, of = self.e, self.made.said.issued.preceding
        if of is None:
            return None
        named = e("cac:InvoiceDocumentReference", e("cbc:ID", of.number), e("cbc:IssueDate", of.date.isoformat()))
        return e("cac:BillingReference", named)

    def _party(self, side: Side) -> Element | None:
        e = self.e
        scheme = e("cac:TaxScheme", e("cbc:ID", "VAT"))
        other = e("cac:TaxScheme", e("cbc:ID", "TAX"))
        return e(
            "cac:Party",
            e("cbc:EndpointID", side.electronic_address, schemeID=side.electronic_scheme),
            e(
                "cac:PostalAddress",
                e("cbc:StreetName", side.street),
                e("cbc:CityName", side.city),
                e("cbc:PostalZone", side.postal_code),
                e("cbc:CountrySubentity", side.region),
                e("cac:Country", e("cbc:IdentificationCode", side.country)),
            ),
            e("cac:PartyTaxScheme", e("cbc:CompanyID", side.vat_id), scheme) if side.vat_id else None,
            e("cac:PartyTaxScheme", e("cbc:CompanyID", side.tax_id), other) if side.tax_id and side is self.made.seller else None,
            e("cac:PartyLegalEntity", e("cbc:RegistrationName", side.name), e("cbc:CompanyID", side.registration_number)),
            self._contact(side),
        )

    def _contact(self, side: Side) -> Element | None:
        e = self.e
        reached = (e("cbc:Telephone", side.phone), e("cbc:ElectronicMail", side.email))
        return e("cac:Contact", e("cbc:Name", side.name), *reached) if side.phone or side.email else None

    def _delivery(self) -> Element | None:
        e, made = self.e, self.made
        country = e("cac:Country", e("cbc:IdentificationCode", made.buyer.country))
        place = e("cac:DeliveryLocation", e("cac:Address", country)) if made.delivered_abroad else None
        return e("cac:Delivery", e("cbc:ActualDeliveryDate", made.delivered_on.isoformat()), place)

    def _means(self) -> Element | None:
        e, said = self.e, self.made.said
        account = said.issued.account
        if account is None:
            paid_to = None
        else:
            branch = e("cac:FinancialInstitutionBranch", e("cbc:ID", account.bic))
            paid_to = e("cac:PayeeFinancialAccount", e("cbc:ID", account.iban or account.other), e("cbc:Name", account.name), branch)
        return e(
            "cac:PaymentMeans",
            e("cbc:PaymentMeansCode", "1" if paid_to is None else "30"),
            e("cbc:PaymentDueDate", said.due_on.isoformat()) if said.note else None,
            e("cbc:PaymentID", said.number),
            paid_to,
        )

    def _category(self, name: str, category: Category, *reasons: Element | None) -> Element | None:
        e = self.e
        return e(name, e("cbc:ID", category.code), e("cbc:Percent", category.percent), *reasons, e("cac:TaxScheme", e("cbc:ID", "VAT")))

    def _allowance(self, one: Breakdown) -> Element | None:
        return self._off(one.discount, self._category("cac:TaxCategory", one.category))

    def _off(self, discount: Decimal, category: Element | None = None) -> Element | None:
        """A discount, or a charge where it is negative."""
        e, less = self.e, discount > 0
        return e(
            "cac:AllowanceCharge",
            e("cbc:ChargeIndicator", "false" if less else "true"),
            e("cbc:AllowanceChargeReason", "Discount"),
            self._amount("cbc:Amount", abs(discount)),
            category,
        )

    def _taxes(self) -> Element | None:
        e = self.e
        parts = [
            e(
                "cac:TaxSubtotal",
                self._amount("cbc:TaxableAmount", one.base),
                self._amount("cbc:TaxAmount", one.tax),
                self._category(
                    "cac:TaxCategory",
                    one.category,
                    e("cbc:TaxExemptionReasonCode", one.reason_code),
                    e("cbc:TaxExemptionReason", one.reason),
                ),
            )
            for one in self.made.breakdowns
        ]
        return e("cac:TaxTotal", self._amount("cbc:TaxAmount", self.made.said.tax), *parts)

    def _totals(self) -> Element | None:
        made, said = self.made, self.made.said
        return self.e(
            "cac:LegalMonetaryTotal",
            self._amount("cbc:LineExtensionAmount", made.lines),
            self._amount("cbc:TaxExclusiveAmount", said.net),
            self._amount("cbc:TaxInclusiveAmount", said.total),
            self._amount("cbc:AllowanceTotalAmount", made.allowances) if made.allowances else None,
            self._amount("cbc:ChargeTotalAmount", made.charges) if made.charges else None,
            self._amount("cbc:PayableAmount", said.payable),
        )

    def _line(self, number: int, one: Item) -> Element | None:
        e, note = self.e, self.made.said.note
        return e(
            "cac:CreditNoteLine" if note else "cac:InvoiceLine",
            e("cbc:ID", str(number)),
            e("cbc:CreditedQuantity" if note else "cbc:InvoicedQuantity", one.quantity, unitCode=one.unit),
            self._amount("cbc:LineExtensionAmount", one.net),
            self._off(one.discount) if one.discount else None,
            e("cac:Item", e("cbc:Name", one.name), self._category("cac:ClassifiedTaxCategory", one.category)),
            e(
                "cac:Price",
                e("cbc:PriceAmount", one.price, currencyID=self.currency),
                e("cbc:BaseQuantity", one.per, unitCode=one.unit),
            ),
        )
