"""The particulars of a sentence: name, size, domain, languages, currency, modules."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import cast

from babel import Locale

from nexus import countries
from nexus.activation.checks import canonical_domain
from nexus.activation.describing.clauses import Sentence
from nexus.activation.describing.phrases import Found, Phrases, grouped, texts, vocabulary, whole
from nexus.activation.describing.places import LANGUAGES
from nexus.activation.describing.trades import trades_of
from nexus.activation.presets.catalogue import modules, size_of
from nexus.core.money import SCALES
from nexus.documents import things

_NAME_WORDS = 6
_QUOTES = {'"': '"', "“": "”", "„": "“", "«": "»", "'": "'"}
_DOMAIN = re.compile(r"(?P<by>https?://|www\.|@)?(?P<host>(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W\d_]{2,24})\b", re.IGNORECASE)
_SITE = re.compile(r"(?:website|web site|domain|site|online at|visit|at|on|www)[\s:]*(?:is\s+)?$", re.IGNORECASE)
_TLDS = frozenset(
    """com org net info biz shop store app dev online site website cloud tech africa cafe restaurant bakery pizza bar hotel travel legal law
    clinic health care school academy agency studio design media digital software systems solutions services consulting company business
    global group world market delivery express farm fashion boutique coffee eco energy finance fit fund house homes land ngo ong edu gov"""
    .split()
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Said:
    """A value, and the words that say it."""

    value: str
    evidence: str


# Name


def name_of(sentence: Sentence) -> tuple[str, range] | None:
    """The name of the business and the words it is made of: what follows "called", or stands before "is a"."""
    for start, end in sentence.starts("called").items():
        if (named := _after(sentence, end)) and sentence.words[start].fold:
            return named
    for start, end in sentence.starts("is_a").items():
        if end <= len(sentence.words) and (named := _before(sentence, start)):
            return named
    return None


def _after(sentence: Sentence, start: int) -> tuple[str, range] | None:
    words = sentence.words
    if start >= len(words):
        return None
    opening = sentence.text[words[start - 1].end : words[start].start].strip(" :")
    if opening in _QUOTES and opening and (closing := sentence.text.find(_QUOTES[opening], words[start].start)) > 0:
        inside = [at for at in range(start, len(words)) if words[at].end <= closing]
        return (sentence.text[words[start].start : closing].strip(), range(start, inside[-1] + 1)) if inside else None
    if words[start].breaks:
        return None
    small = sentence.starts("ends_of_a_clause") | sentence.starts("here") | sentence.starts("is_a") | sentence.starts("there")
    end = start
    while end < len(words) and end - start < _NAME_WORDS and not (end > start and (_breaks_name(sentence, end) or end in small)):
        end += 1
    if any(word.capital for word in words[start:end]):  # a name in capitals ends where they do
        while end - start > 1 and not words[end - 1].capital and not words[end - 1].text.isdigit():
            end -= 1
    return sentence.said(start, end), range(start, end)


def _breaks_name(sentence: Sentence, at: int) -> bool:
    """Whether a name ends before a word; `&`, `-` and `'` do not end it."""
    between = sentence.text[sentence.words[at - 1].end : sentence.words[at].start]
    return sentence.words[at].breaks or bool(between.strip(" &'\u2019-."))


def _before(sentence: Sentence, end: int) -> tuple[str, range] | None:
    words, start = sentence.words, end
    while start > 0 and not (start < end and words[start].breaks) and end - start < _NAME_WORDS:
        start -= 1
    clause = words[start].breaks or start == 0
    first = sentence.starts("not_a_name")
    if (
        start == end
        or not clause
        or start in first
        or not all(
            word.capital or word.text.isdigit() or word.fold in {"and", "of", "the", "s", "und", "et", "y", "e", "de"}
            for word in words[start:end]
        )
    ):
        return None
    if end - start == 1 and any(one.start == start for one in trades_of(sentence)):
        return None
    return sentence.said(start, end), range(start, end)


# Size


def size_of_business(sentence: Sentence) -> Said | None:
    """The band of employees: "12 people", "a team of eight", "on my own"."""
    numbers = _numbers(sentence)
    people = sentence.starts("people")
    teams = {end: start for start, end in sentence.starts("team_of").items()}
    for start, (value, end) in sorted(numbers.items()):
        if start in teams:
            return Said(size_of(value), sentence.said(teams[start], end))
        if (before := next((first for first, last in people.items() if last == start), None)) is not None and not sentence.words[
            start
        ].breaks:
            return Said(size_of(value), sentence.said(before, end))
        if sentence.ends_before("customers", start) is not None:
            continue
        after = next(
            (at for at in range(end, min(end + 3, len(sentence.words))) if at in people or at in numbers or sentence.words[at].breaks), None
        )
        if after is not None and after in people and not sentence.words[after].breaks:
            return Said(size_of(_range(sentence, numbers, start, value)), sentence.said(start, people[after]))
    for start, end in sentence.starts("alone").items():
        return Said(size_of(1), sentence.said(start, end))
    return None


def _range(sentence: Sentence, numbers: dict[int, tuple[int, int]], start: int, value: int) -> int:
    """The larger number of a range; it stands last."""
    return max(value, max((one for one, end in numbers.values() if end in (start, start - 1)), default=0))


@cache
def _number_words() -> Phrases[int]:
    return Phrases((text, int(value)) for text, value in grouped(vocabulary("words")["numbers"]))


def _numbers(sentence: Sentence) -> dict[int, tuple[int, int]]:
    """The numbers of a sentence: where each starts → its value and end."""
    found: dict[int, tuple[int, int]] = {}
    for at, word in enumerate(sentence.words):
        if word.fold.isdecimal():
            found[at] = (min(int(word.fold[:9]), 9_999_999), at + 1)
    for one in whole(_number_words().find(sentence.words)):
        found.setdefault(one.start, (one.meaning, one.end))
    for at, (value, end) in sorted(found.items()):
        if end in found and found[end][0] == 100 and value < 100:
            found[at] = (value * 100, found.pop(end)[1])
            break
    return found


# Domain


def domain_of(sentence: Sentence) -> Said | None:
    """The domain of its own that a sentence names; those of mail that anyone may have are not."""
    free, loose = set(texts(vocabulary("words")["free_mail"])), set(texts(vocabulary("words")["loose_tlds"]))
    countries_too = {code.lower() for code in countries.codes()} | {"uk", "eu"}
    for found in _DOMAIN.finditer(sentence.text):
        host = canonical_domain(found["host"])
        if host is None:
            continue
        host = host.removeprefix("www.")
        last = host.rpartition(".")[2]
        named = bool(found["by"]) or bool(_SITE.search(sentence.text[: found.start()]))
        if host in free or "." not in host or (last not in _TLDS and last not in countries_too and not last.startswith("xn--")):
            continue
        if last in loose and not named:
            continue
        return Said(host, found["host"])
    return None


# Languages


@cache
def _languages() -> Phrases[str]:
    found: dict[tuple[str, str], None] = {}
    for language in LANGUAGES:
        known = cast(Mapping[str, str], Locale(language).languages)
        for tag, name in known.items():
            if len(tag) in (2, 3) and "(" not in name:
                found[name, tag] = None
    return Phrases(found)


def languages_of(sentence: Sentence) -> tuple[tuple[str, ...], str]:
    """The languages that people there are said to speak, in the order of the sentence, and the words that say so."""
    near = [at for start, end in sentence.starts("speaking").items() for at in range(start - 4, end + 9)]
    taught = sentence.starts("cuisine")
    speaks = [start for start, end in sentence.starts("speaking").items() if end not in taught]
    found = [one for one in whole(_languages().find(sentence.words)) if one.start in near and _same_clause(sentence, speaks, one)]
    tags = tuple(dict.fromkeys(one.meaning for one in found))
    return tags, ", ".join(dict.fromkeys(sentence.said(one.start, one.end) for one in found))


def _same_clause(sentence: Sentence, speaks: Sequence[int], one: Found[str]) -> bool:
    """Whether only other languages, commas and "and" stand between the word of speaking and the language."""
    if one.end - one.start == 1 and len(sentence.words[one.start].text) < 4:
        return False
    for start in speaks:
        low, high = min(start, one.start), max(start, one.start)
        between = sentence.text[sentence.words[low].end : sentence.words[high].start]
        if not any(mark in between for mark in ".;!?("):
            return True
    return False


# Currency


@cache
def _currencies() -> Phrases[tuple[str, ...]]:
    words = vocabulary("words")
    own = [(text, (code,)) for text, code in grouped(words["currencies"])]
    shared = [(text, tuple(texts(group["of"]))) for group in things(words["shared_currencies"]) for text in texts(group["words"])]
    codes = [(code, (code,)) for code in SCALES]
    return Phrases([*own, *shared, *codes])


def currency_of(sentence: Sentence, country: str | None) -> Said | None:
    """The currency that a sentence names; of those that share a word, the country's own."""
    for one in whole(_currencies().find(sentence.words)):
        said = sentence.said(one.start, one.end)
        if said.upper() in SCALES and said != said.upper():
            continue  # `top` is a word, `TOP` the money of Tonga
        own = countries.country(country).currency if country else None
        if said.upper() in SCALES and not _amount_near(sentence, one):
            continue
        return Said(own if own in one.meaning else one.meaning[0], said)
    return None


def _amount_near(sentence: Sentence, one: Found[tuple[str, ...]]) -> bool:
    """Whether a code in capitals stands where money does: after "in" or beside a number."""
    near = sentence.words[max(0, one.start - 1) : one.end + 1]
    return any(word.fold.isdecimal() or word.fold in {"in", "en", "em", "katika", "accept", "charge", "invoice", "bill"} for word in near)


# Modules


@cache
def _modules() -> Phrases[str]:
    return Phrases((text, key) for text, key in grouped(vocabulary("modules")) if key in modules())


def modules_of(sentence: Sentence) -> list[Said]:
    """The modules that are asked for, in the order of the catalogue."""
    trades = trades_of(sentence)
    found: dict[str, str] = {}
    for one in _modules().find(sentence.words):
        denied = sentence.within(sentence.denied, one.start)
        part = any(trade.start <= one.start and one.end <= trade.end and trade.length > one.length for trade in trades)
        if not denied and not part:
            found.setdefault(one.meaning, sentence.said(one.start, one.end))
    for selling in sentence.sold:
        for start, end in sentence.starts("online").items():
            if start in selling and not sentence.within(sentence.denied, start):
                found.setdefault("online_shop", sentence.said(selling.start, end))
    return [Said(key, found[key]) for key in modules() if key in found]
