"""What one sentence says of a business: the table of sentences, every industry and country, and that nothing makes it fail."""

from __future__ import annotations

import random
from typing import Any

import pytest
from babel import Locale
from hypothesis import given, settings
from hypothesis import strategies as st

from nexus import countries
from nexus.activation.business import read
from nexus.activation.describe import Proposal, describe
from nexus.activation.describing.phrases import FOLDER, texts, vocabulary
from nexus.activation.presets import catalogue
from nexus.activation.resolve import resolve
from nexus.documents import mapping

SENTENCES: list[tuple[str, dict[str, Any]]] = [
    # plain
    ("bakery called Ade in Lagos with 12 people", {"industry": "restaurant", "name": "Ade", "country": "NG", "time_zone": "Africa/Lagos", "size": "10-49"}),
    ("Italian restaurant in Accra", {"industry": "restaurant", "country": "GH"}),
    ("Ade Bakery is a bakery in Lagos", {"industry": "restaurant", "name": "Ade Bakery", "country": "NG"}),
    ("law firm in Houston", {"industry": "professional_services", "country": "US", "time_zone": "America/Chicago"}),
    ("our charity feeds orphans in Kampala", {"industry": "non_profit", "country": "UG"}),
    ("we build houses in Dubai", {"industry": "construction", "country": "AE", "time_zone": "Asia/Dubai"}),
    ("A B&B in Cornwall", {"industry": "hospitality", "country": "GB"}),
    ("taxi company in Istanbul", {"industry": "logistics", "country": "TR"}),
    ("driving school in Oslo", {"industry": "education", "country": "NO"}),
    ("pharmacy in Nice, France", {"industry": "retail", "country": "FR"}),
    ("private hospital in Kano with 300 staff", {"industry": "healthcare_clinic", "country": "NG", "size": "250-999"}),
    ("hair salon in Manchester", {"industry": "general", "country": "GB"}),
    ("furniture maker in Nakuru", {"industry": "manufacturing", "country": "KE"}),
    # what the noun is: heads, modifiers, customers
    ("A shop that sells restaurant equipment", {"industry": "retail"}),
    ("restaurant equipment wholesaler", {"industry": "wholesale"}),
    ("we help hospitals with software", {"industry": "software"}),
    ("hospital software company", {"industry": "software"}),
    ("We sell software to restaurants", {"industry": "software"}),
    ("accounting software for small shops", {"industry": "software"}),
    ("consulting firm for hotels", {"industry": "professional_services"}),
    ("marketing agency for restaurants in Cape Town", {"industry": "agency", "country": "ZA"}),
    ("medical school in Abuja", {"industry": "education", "country": "NG"}),
    ("dental laboratory in Pune", {"industry": "healthcare_clinic", "country": "IN"}),
    ("medical supplies distributor in Lusaka", {"industry": "wholesale", "country": "ZM"}),
    ("We supply hotels with linen", {"industry": "wholesale"}),
    ("wholesale distributor supplying restaurants and hotels in Johannesburg", {"industry": "wholesale", "country": "ZA"}),
    ("school uniforms factory in Lahore", {"industry": "manufacturing", "country": "PK"}),
    ("construction materials shop", {"industry": "retail"}),
    ("bakery shop in Kano", {"industry": "restaurant"}),
    ("a hotel with a restaurant and a bar in Zanzibar", {"industry": "hospitality", "country": "TZ"}),
    ("tienda de equipos para restaurantes en México", {"industry": "retail", "country": "MX"}),
    ("Logiciel de gestion pour les hôpitaux", {"industry": "software"}),
    ("we build mobile apps for banks", {"industry": "software"}),
    ("web design studio in Kigali for hotels", {"industry": "agency", "country": "RW"}),
    ("We sell bread to shops in bulk", {"industry": "wholesale"}),
    ("A consultancy called Bakery Minds", {"industry": "professional_services", "name": "Bakery Minds"}),
    ("I want to open a restaurant in Toronto", {"industry": "restaurant", "country": "CA"}),
    # what it is not
    ("We are not a restaurant but a hotel in Nairobi", {"industry": "hospitality", "country": "KE"}),
    ("a coffee shop, not a restaurant", {"industry": "restaurant"}),
    ("Wir sind kein Restaurant, sondern eine Metzgerei", {"industry": "retail"}),
    ("not only a bakery but also a school", {"industry": "restaurant"}),
    ("We don't deliver. We are a pizzeria.", {"industry": "restaurant", "modules": ()}),
    ("An online shop for shoes, no delivery, prices in dollars, in Canada", {"industry": "retail", "country": "CA", "currency": "CAD", "modules": ("online_shop",)}),
    # seven languages
    ("Bäckerei in München mit zwölf Mitarbeitern", {"industry": "restaurant", "country": "DE", "time_zone": "Europe/Berlin", "size": "10-49"}),
    ("Baeckerei in Koeln", {"industry": "restaurant", "country": "DE"}),
    ("Ein Softwarehaus in Hamburg mit 60 Mitarbeitern", {"industry": "software", "country": "DE", "size": "50-249"}),
    ("Boulangerie à Lyon qui livre à domicile, nous sommes 5 employés", {"industry": "restaurant", "country": "FR", "size": "2-9", "modules": ("delivery",)}),
    ("Cabinet d'avocats à Dakar, 15 collaborateurs", {"industry": "professional_services", "country": "SN", "size": "10-49"}),
    ("Une agence de communication à Abidjan", {"industry": "agency", "country": "CI"}),
    ("agence de voyages à Marrakech", {"industry": "hospitality", "country": "MA"}),
    ("Panadería en Madrid con 8 empleados, vende en línea", {"industry": "restaurant", "country": "ES", "size": "2-9", "modules": ("online_shop",)}),
    ("Clínica dental en Bogotá con cita previa", {"industry": "healthcare_clinic", "country": "CO", "modules": ("appointments",)}),
    ("restaurante en Georgia, Estados Unidos", {"industry": "restaurant", "country": "US"}),
    ("Padaria em São Paulo com cinco funcionários", {"industry": "restaurant", "country": "BR", "size": "2-9", "time_zone": "America/Sao_Paulo"}),
    ("Escola de idiomas em Lisboa", {"industry": "education", "country": "PT"}),
    ("Duka la mikate mjini Nairobi lenye wafanyakazi watano", {"industry": "restaurant", "country": "KE", "size": "2-9"}),
    ("kiwanda cha nguo Dar es Salaam", {"industry": "manufacturing", "country": "TZ"}),
    ("مطعم في دبي مع 12 موظفا", {"industry": "restaurant", "country": "AE", "size": "10-49"}),
    ("شركة برمجيات في الرياض", {"industry": "software", "country": "SA"}),
    ("عيادة أسنان في القاهرة", {"industry": "healthcare_clinic", "country": "EG"}),
    # particulars
    ("We export cocoa to Germany from Ghana, 1,200 employees", {"industry": "wholesale", "country": "GH", "size": "1000+"}),
    ("we export to Germany", {"country": None}),
    ("Software for dentists in Berlin, team of eight, adesoft.de", {"industry": "software", "size": "2-9", "domain": "adesoft.de"}),
    ("our website is www.adebakery.com and mail ade@gmail.com", {"domain": "adebakery.com"}),
    ("write to ade@adebakery.ng", {"domain": "adebakery.ng"}),
    ("We bake bread.We also sell it", {"domain": None}),
    ('I run a tech startup in Bengaluru called "Blue Lotus" with 25 people', {"industry": "software", "name": "Blue Lotus", "country": "IN", "size": "10-49"}),
    ("the company called Green Leaf sells plants online in Kigali", {"name": "Green Leaf", "country": "RW", "modules": ("online_shop",)}),
    ("Ade's Kitchen is a food truck in Austin, Texas", {"name": "Ade's Kitchen", "industry": "restaurant", "country": "US", "time_zone": "America/Chicago"}),
    ("I am a freelance photographer in Paris", {"industry": "agency", "country": "FR", "size": "1"}),
    ("solo consultant in Zürich, invoices in CHF", {"industry": "professional_services", "country": "CH", "currency": "CHF", "size": "1"}),
    ("electrical contractor in Leeds, 10 to 20 staff", {"industry": "construction", "country": "GB", "size": "10-49"}),
    ("two hundred people work in our factory", {"industry": "manufacturing", "size": "50-249"}),
    ("catering for 200 people in Accra", {"industry": "restaurant", "size": None}),
    ("property management in New York, speaks English and Spanish", {"industry": "real_estate", "country": "US", "languages": ("en", "es")}),
    ("A language school teaching French in London", {"industry": "education", "country": "GB", "languages": ()}),
    ("can you tell us more about it", {"industry": "general", "country": None, "name": None, "size": None, "domain": None, "modules": ()}),
    ("", {"industry": "general", "confidence": 0.0, "because": ()}),
]  # fmt: skip


@pytest.mark.parametrize(("sentence", "expected"), SENTENCES, ids=[sentence for sentence, _ in SENTENCES])
def test_sentences(sentence: str, expected: dict[str, Any]) -> None:
    proposal = describe(sentence)
    assert {name: getattr(proposal, name) for name in expected} == expected


def test_every_value_has_words_of_the_sentence_as_its_evidence() -> None:
    for sentence, _ in SENTENCES:
        proposal = describe(sentence)
        told = {reason.field: reason.evidence for reason in proposal.because}
        for field in ("name", "country", "currency", "languages", "time_zone", "size", "domain", "modules"):
            assert (field in told) == bool(getattr(proposal, field)), (sentence, field)
        assert ("industry" in told) == (proposal.confidence > 0), sentence
        for evidence in told.values():
            assert all(part in sentence for part in evidence.split(", ")), (sentence, evidence)


def test_a_named_trade_is_sure_and_a_hint_is_not() -> None:
    assert describe("Ade Bakery").confidence >= 0.6
    assert describe("Sunny Rooms").confidence < 0.6
    assert describe("Zuberi Ltd") == Proposal()


@pytest.mark.parametrize("industry", [key for key in catalogue.industries() if key != "general"])
def test_every_strong_word_of_every_language_is_recognised_by_itself(industry: str) -> None:
    for file in ("industries", "industries_more"):
        for language, phrases in mapping(mapping(vocabulary(file).get(industry)).get("strong")).items():
            for phrase in texts(phrases):
                proposal = describe(phrase.replace("*", ""))
                assert proposal.confidence > 0, (language, phrase)


def test_every_industry_has_words_in_every_language() -> None:
    written = set(vocabulary("industries")) | set(vocabulary("industries_more"))
    assert written == set(catalogue.industries())
    for file in ("industries", "industries_more"):
        for industry, kinds in vocabulary(file).items():
            assert set(mapping(mapping(kinds)["strong"])) == {"en", "fr", "de", "es", "pt", "sw", "ar"}, industry


def test_every_industry_is_recognised_by_its_name() -> None:
    for industry in catalogue.industries():
        assert describe(industry.replace("_", " ")).industry == industry


@pytest.mark.parametrize("code", sorted(countries.codes()))
def test_every_country_is_recognised_by_its_english_name(code: str) -> None:
    assert describe(f"a shop in {Locale('en').territories[code]}").country == code


def test_countries_are_recognised_in_every_language() -> None:
    sentence = {"en": "in {}", "fr": "en {}", "de": "in {}", "es": "en {}", "pt": "em {}", "sw": "katika {}", "ar": "في {}"}
    for code in countries.covered():
        for language, words in sentence.items():
            name = str(Locale(language).territories[code])
            assert describe(words.format(name)).country == code, (language, name)


def test_every_city_tells_its_country_and_zone() -> None:
    for code, cities in mapping(vocabulary("places")["cities"]).items():
        for zone, names in mapping(cities).items() if isinstance(cities, dict) else [("~", cities)]:
            for name in texts(names):
                proposal = describe(f"a bakery in {name}")
                assert proposal.country == code, name
                assert proposal.time_zone == (countries.country(code).time_zone if zone == "~" else zone), name


def test_modules_and_currencies_of_the_vocabulary_are_known() -> None:
    assert set(vocabulary("modules")) <= set(catalogue.modules())
    for file in FOLDER.glob("*.yaml"):
        assert vocabulary(file.stem)


@given(st.text(max_size=400))
@settings(max_examples=150, deadline=None)
def test_no_text_makes_it_fail(text: str) -> None:
    _fits(describe(text))


WORDS = sorted(
    {word for sentence, _ in SENTENCES for word in sentence.split()}
    | {"not", "called", "is a", "12", "people", "@", "www.", "\ud800", "\0"}
)


@given(st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join))
@settings(max_examples=150, deadline=None)
def test_no_order_of_words_makes_it_fail_and_the_answer_is_always_one_that_can_be(text: str) -> None:
    _fits(describe(text))


def _fits(proposal: Proposal) -> None:
    """Every value is one that the request would take."""
    assert proposal.industry in catalogue.industries() and 0 <= proposal.confidence <= 1
    assert proposal.country is None or proposal.country in countries.codes()
    assert proposal.size is None or proposal.size in catalogue.sizes()
    assert set(proposal.modules) <= set(catalogue.modules())


def test_it_is_the_same_every_time_and_reads_only_so_much() -> None:
    sentences = [sentence for sentence, _ in SENTENCES]
    first = [describe(sentence) for sentence in sentences]
    describe.cache_clear()
    random.Random(7).shuffle(order := list(range(len(sentences))))
    again = {at: describe(sentences[at]) for at in order}
    assert [again[at] for at in range(len(sentences))] == first
    assert describe("x " * 100_000 + "bakery in Lagos") == Proposal()


def test_what_a_sentence_proposes_fills_a_business() -> None:
    body = {"name": "Ade", "owner": {"name": "Ade", "email": "ade@example.com"}, "describe": SENTENCES[0][0] + ", we deliver"}
    filled = resolve(read(body))
    assert (filled.industry, filled.country, filled.currency, filled.size, filled.modules) == (
        "restaurant",
        "NG",
        "NGN",
        "10-49",
        ("delivery",),
    )
    assert filled.because["industry"] == "described: bakery"
    assert filled.because["size"] == "described: 12 people"
    given = resolve(read(body | {"industry": "software", "country": "DE", "size": 3}))
    assert (given.industry, given.country, given.size) == ("software", "DE", "2-9")
