"""The industry of a sentence: the trades it names, weighed by what the sentence does with them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cache

from nexus.activation.describing.clauses import Sentence
from nexus.activation.describing.phrases import Found, Phrases, texts, vocabulary, whole
from nexus.activation.presets.catalogue import industries
from nexus.documents import mapping

STRONG, WEAK = 3.0, 1.0
FIRST = 1.0
"""What being named first adds: people begin with what they are."""
ASIDE = 0.15
"""What is left of a trade that only says of which kind something is, or for whom."""
_SHOP = frozenset({"shop", "shops", "store", "stores", "laden", "duka", "tienda", "loja", "magasin", "business", "company"})


@dataclass(frozen=True, slots=True)
class Trade:
    """What a word says of the industry."""

    industry: str
    strong: bool


@dataclass(frozen=True, slots=True)
class Industry:
    """The industry, how sure it is (0 to 1), and the words that say so."""

    key: str
    confidence: float
    evidence: tuple[str, ...]


@cache
def _phrases() -> Phrases[Trade]:
    found = [(key.replace("_", " "), Trade(key, True)) for key in industries() if key != "general"]
    for file in ("industries", "industries_more"):
        for industry, kinds in vocabulary(file).items():
            for kind, languages in mapping(kinds).items():
                for phrases in mapping(languages).values():
                    found += [(text, Trade(industry, kind == "strong")) for text in texts(phrases)]
    return Phrases(dict.fromkeys(found))


def trades_of(sentence: Sentence) -> list[Found[Trade]]:
    """Every trade that is named, without parts of longer names."""
    return whole(_phrases().find(sentence.words))


def industry_of(sentence: Sentence, named: range) -> Industry | None:
    """The industry of a sentence; None where it says nothing of one. `named`: the words of the business's own name."""
    found = [one for one in trades_of(sentence) if not sentence.within(sentence.denied, one.start)]
    strong = [one for one in found if one.meaning.strong]
    heads = [one for one in strong if not _aside(sentence, one, strong, named)]
    scores: dict[str, float] = defaultdict(float)
    words: dict[str, list[str]] = defaultdict(list)
    for one in found:
        weight = STRONG if one.meaning.strong else WEAK
        hinted = sentence.within(sentence.served, one.start) and not sentence.within(sentence.sold, one.start)
        if one not in heads if one.meaning.strong else hinted:
            weight *= ASIDE
        said = sentence.said(one.start, one.end)
        if said not in words[one.meaning.industry]:  # a word that is said twice says no more
            scores[one.meaning.industry] += weight
            words[one.meaning.industry].append(said)
    if not scores:
        return None
    for one in heads:
        if one.start == heads[0].start:
            scores[one.meaning.industry] += FIRST
    order = sorted(scores, key=lambda key: (-scores[key], min(one.start for one in found if one.meaning.industry == key), key))
    best = scores[order[0]]
    second = scores[order[1]] if len(order) > 1 else 0.0
    return Industry(order[0], round(best / (best + second + 1), 2), tuple(words[order[0]]))


def _aside(sentence: Sentence, one: Found[Trade], strong: list[Found[Trade]], named: range) -> bool:
    """Whether a trade is named without being what the business does."""
    if one.start in named and any(other.start not in named for other in strong):
        return True
    if sentence.within(sentence.served, one.start):
        return True
    if sentence.within(sentence.sold, one.start) and sentence.followed(one):
        return True
    others = [other for other in strong if other.start not in range(one.start, one.end)]
    heads = [other for other in others if not _is_shop_of(sentence, one, other)]
    return sentence.modifies(one, heads)


def _is_shop_of(sentence: Sentence, one: Found[Trade], other: Found[Trade]) -> bool:
    """Whether the later word only repeats that it is a place of business: a bakery shop is a bakery."""
    direct = other.start == one.end or other.meaning.industry == one.meaning.industry
    return direct and (other.meaning.industry == one.meaning.industry or sentence.words[other.start].fold in _SHOP)
