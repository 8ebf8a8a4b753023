"""What a sentence does with its nouns: what it denies, what it sells, for whom it works, and which noun of several is the head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from nexus.activation.describing.phrases import Found, listed
from nexus.activation.describing.tokens import Token, clean, tokens

_REACH = 3
"""Words between a "not" and what it denies, at most."""
_ONLY = frozenset({"only", "just", "nur", "seulement", "solo", "solamente", "apenas", "tu", "فقط"})
_OF = frozenset({"of", "de", "d", "du", "des", "da", "do", "das", "dos", "del", "von", "ya", "za", "wa", "la"})
_AND = frozenset({"and", "or", "und", "oder", "et", "ou", "y", "o", "e", "na", "au", "و", "plus", "also"})
_SUPPLY = ("suppl", "distribut", "deliver", "beliefer", "fourni", "livr", "suministr", "fornec")
"""Verbs whose object may be the customer: "we supply hotels"."""
_GOODS = frozenset({"supplies", "supply", "delivery", "deliveries", "rental", "rentals", "shipping", "market", "markets"})
"""Words that are a verb after "we" and "company", and goods after any other noun: "medical supplies"."""
_SUBJECTS = frozenset(
    """we i he she it they you who that which and or also company business firm team to now not only mainly us our my
    will can ltd limited gmbh""".split()
)


@dataclass(frozen=True)
class Sentence:
    """A sentence taken apart. Positions are those of its words."""

    text: str
    words: Sequence[Token]

    @classmethod
    def of(cls, text: str) -> Sentence:
        cleaned = clean(text)
        return cls(cleaned, tokens(cleaned))

    def said(self, start: int, end: int) -> str:
        """The words as they were written."""
        return self.text[self.words[start].start : self.words[end - 1].end]

    def starts(self, name: str) -> dict[int, int]:
        """Where the small words of a list stand: start → end. Looked for once."""
        return self._starts[name]

    def ends_before(self, name: str, at: int) -> int | None:
        """Where the small word of a list that stands right before a position begins."""
        return next((start for start, end in self._starts[name].items() if end == at), None)

    @cached_property
    def _starts(self) -> _Lists:
        return _Lists(self)

    @cached_property
    def denied(self) -> list[range]:
        """The words after a "not", up to the end of what it denies."""
        found: list[range] = []
        for start, end in self._starts["no"].items():
            if end < len(self.words) and self.words[end].fold not in _ONLY:
                found.append(range(start, self._end_of_clause(end, _REACH)))
        return found

    @cached_property
    def sold(self) -> list[range]:
        """The words after a verb of selling."""
        verbs = [(start, end) for start, end in self._starts["selling"].items() if not self._is_noun(start)]
        return [range(start, self._end_of_clause(end)) for start, end in verbs]

    @cached_property
    def served(self) -> list[range]:
        """The words after "for", "helps" or "to": customers, not the business."""
        infinitives = self._starts["infinitives"]
        aims = [
            *self._starts["customers"].items(),
            *((start, end) for start, end in self._starts["there"].items() if end not in infinitives),
        ]
        supplied = [
            (start, start + 1) for start, word in enumerate(self.words) if word.fold.startswith(_SUPPLY) and not self._is_noun(start)
        ]
        return [range(start, self._end_of_clause(end)) for start, end in (*aims, *supplied)]

    def _is_noun(self, at: int) -> bool:
        """Whether a word that may be a verb stands for goods."""
        before = self.words[at - 1] if at and not self.words[at].breaks else None
        return self.words[at].fold in _GOODS and before is not None and before.fold not in _SUBJECTS and not before.text[0].isupper()

    def _end_of_clause(self, start: int, reach: int | None = None) -> int:
        """The first word after `start` that begins another clause."""
        limit = len(self.words) if reach is None else min(len(self.words), start + reach + 1)
        listing = {"and", "und", "et", "y", "e", "na"}
        for at in range(start, limit):
            ends = at in self._starts["ends_of_a_clause"] and self.words[at].fold not in listing and at > start
            if (self.words[at].breaks and at > start) or ends:
                return at
        return limit

    def within(self, ranges: Sequence[range], at: int) -> bool:
        """Whether a word lies in one of the ranges, after the word that opens it."""
        return any(at in one and at > one.start for one in ranges)

    def modifies(self, one: Found[object], heads: Sequence[Found[object]]) -> bool:
        """Whether a later noun of the same noun phrase is the head ("hospital software"), or an earlier one, joined by "of" ("shop of …")."""
        for other in heads:
            if other.start >= one.end and self._joined(one.end, other.start):
                return True
            if other.end <= one.start and self._of(other.end, one.start):
                return True
        return False

    def followed(self, one: Found[object]) -> bool:
        """Whether another noun follows directly, so that this one only says of which kind it is ("restaurant equipment")."""
        at = one.end
        return at < len(self.words) and not self.words[at].breaks and not self._closes(at)

    def _joined(self, start: int, end: int) -> bool:
        """Whether nothing but plain words stands between, at most two."""
        return (
            end - start <= 2
            and not any(self.words[at].breaks or self._closes(at) for at in range(start, end))
            and not self.words[end].breaks
        )

    def _of(self, start: int, end: int) -> bool:
        between = self.words[start:end]
        folds = [word.fold for word in between]
        return 0 < len(between) <= 4 and folds[-1] in _OF and not any(word.breaks for word in between) and not _AND & set(folds)

    def _closes(self, at: int) -> bool:
        """Whether a word ends a noun phrase: a preposition, "and", "is", a verb of selling, a customer's "for"."""
        word = self.words[at].fold
        small = ("ends_of_a_clause", "here", "there", "customers", "selling", "is_a", "called", "no", "not_a_name")
        return word in _AND or word in _OF or (any(at in self._starts[name] for name in small) and not self._is_noun(at))


class _Lists(dict[str, dict[int, int]]):
    """The small words of a sentence by list, each looked for once."""

    def __init__(self, sentence: Sentence) -> None:
        super().__init__()
        self._sentence = sentence

    def __missing__(self, name: str) -> dict[int, int]:
        found = self[name] = dict[int, int]()
        for one in listed(name).find(self._sentence.words):
            found.setdefault(one.start, one.end)
        return found
