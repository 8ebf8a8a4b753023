"""Where a business is: the country, and the time zone where a city tells it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

from babel import Locale

from nexus import countries
from nexus.activation.describing.clauses import Sentence
from nexus.activation.describing.phrases import Found, Phrases, grouped, listed, texts, vocabulary, whole
from nexus.documents import is_tree, mapping

LANGUAGES = ("en", "fr", "de", "es", "pt", "sw", "ar")
"""The languages a sentence may be in."""
MAIN: Final = "~"


@dataclass(frozen=True, slots=True)
class Where:
    """A place as a word names it."""

    country: str
    zone: str | None = None
    """Of a city; `~` is the main zone of its country."""
    people: bool = False
    """A word for people and things of the country."""
    exact: str | None = None
    """How it must be written, because in small letters it is another word."""
    city: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where the business is, and the words that say so."""

    country: str
    zone: str | None
    evidence: str


@cache
def _phrases() -> Phrases[Where]:
    return Phrases(dict.fromkeys(_known()))


def _known() -> Iterator[tuple[str, Where]]:
    places = vocabulary("places")
    for code, cities in mapping(places["cities"]).items():
        by_zone = cities if is_tree(cities) else {MAIN: cities}
        for zone, names in by_zone.items():
            for name in texts(names):
                yield name, Where(code, zone, city=True)
    for name, code in grouped(places["demonyms"]):
        yield name, Where(code, people=True)
    for name, code in grouped(places["countries"]):
        yield name, Where(code, exact=name if name.isupper() and len(name) <= 4 and name.isascii() else None)
    yield "US", Where("US", exact="US")
    for language in LANGUAGES:
        names = Locale(language).territories
        for code in sorted(countries.codes()):
            if code in names:
                yield str(names[code]), Where(code)


def place_of(sentence: Sentence) -> Place | None:
    """Where the business is; None where no place is named, or only places to which it sends things."""
    found = [one for one in whole(_phrases().find(sentence.words)) if _score(sentence, one)]
    if not found:
        return None
    order = sorted(found, key=lambda one: (-_score(sentence, one), one.start, not one.meaning.city, one.meaning.country))
    best = order[0]
    country = _said_after(best, found)
    zone = best.meaning.zone if country is None else None
    if zone == MAIN:
        zone = countries.country(best.meaning.country).time_zone
    said = sentence.said(best.start, best.end if country is None else country.end)
    return Place((country or best).meaning.country, zone, said)


def _said_after(best: Found[Where], found: list[Found[Where]]) -> Found[Where] | None:
    """The country that a city is said to be in where another has one of that name: "Birmingham, USA"."""
    may = best.meaning.city or best.meaning.country in _also_words()
    after = (one for one in found if may and best.end <= one.start <= best.end + 1)
    return next((one for one in after if not one.meaning.people and one.meaning.country != best.meaning.country), None)


def _score(sentence: Sentence, one: Found[Where]) -> int:
    """How much a name counts: 0 not at all, 3 after "in"."""
    where, words = one.meaning, sentence.words
    if sentence.within(sentence.denied, one.start) and not _here(sentence, one):
        return 0
    if where.exact is not None and sentence.said(one.start, one.end) != where.exact:
        return 0
    if sentence.ends_before("there", one.start) is not None:
        return 0
    if where.people:
        return 0 if _of_what_is_sold(sentence, one) or not _written_as_name(sentence, one) else 1
    if _here(sentence, one):
        return 3
    if where.country in _also_words() and not where.city:
        return 0
    capital = words[one.start].capital or not any(word.text[0].isupper() for word in words)
    return 2 if capital else 0


def _here(sentence: Sentence, one: Found[Where]) -> bool:
    """Whether "in", "from" and the like stand before it, perhaps with an article between."""
    at = one.start
    if at and sentence.words[at - 1].fold in {"the", "la", "le", "les", "el", "der", "den", "dem", "l", "os", "as"}:
        at -= 1
    return not one.meaning.people and sentence.ends_before("here", at) is not None


def _written_as_name(sentence: Sentence, one: Found[Where]) -> bool:
    """English writes `Polish` for people and `polish` for what is done to floors."""
    word = sentence.words[one.start]
    return word.capital or not word.text.isascii() or len(word.text) > 6


def _of_what_is_sold(sentence: Sentence, one: Found[Where]) -> bool:
    """Whether a word for people stands by food, a language or lessons: an Italian restaurant need not be in Italy."""
    near = listed("cuisine").find(sentence.words[max(0, one.start - 1) : one.end + 2])
    speaks = listed("speaking").find(sentence.words[max(0, one.start - 4) : one.end + 2])
    return bool(near or speaks)


@cache
def _also_words() -> frozenset[str]:
    return frozenset(texts(vocabulary("places")["also_words"]))
