"""Text as words that can be compared: without case, accents and articles that stick to them."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

LONGEST = 1000
"""Characters that are read: a sentence about a business is shorter."""

_TOKEN = re.compile(r"\d{1,3}(?:[.,'\u2019 ]\d{3})+(?!\d)|[^\W_]+|[€$£₦₵₹]")
_BREAK = re.compile(r"[.,;:!?()\n\u2013—«»\"“”„]|\s-\s")
_ARABIC = re.compile(r"^[؀-ۿ]+$")
_GROUPS = re.compile(r"[.,'\u2019 ]")
_SHORT = re.compile(r"^[A-Z][a-z]?$")
"""What a full stop after does not end a sentence: "St. Lucia", "U.S."."""


@dataclass(frozen=True, slots=True)
class Token:
    """One word of the sentence."""

    text: str
    """As it was written."""
    fold: str
    forms: frozenset[str]
    """The spellings it may be found by."""
    start: int
    end: int
    breaks: bool
    """Whether punctuation stands before it."""

    @property
    def capital(self) -> bool:
        """Whether it begins with a capital, or belongs to a script that has none."""
        return self.text[0].isupper() or (self.text[0].isalpha() and self.text[0].lower() == self.text[0].upper())


def clean(text: str) -> str:
    """The text with composed letters and without marks that float above them, not longer than what is read."""
    composed = unicodedata.normalize("NFC", text[: LONGEST * 2])
    return "".join(letter for letter in composed if unicodedata.category(letter) != "Mn")[:LONGEST]


def fold(word: str) -> str:
    """A word for comparison: `Bäckerei` is `backerei`, `المطعم` is `مطعم`."""
    plain = unicodedata.normalize("NFKD", word.casefold())
    plain = "".join(letter for letter in plain if unicodedata.category(letter) != "Mn")
    return _without_article(plain) if _ARABIC.match(plain) else plain


def _without_article(word: str) -> str:
    return word[2:] if word.startswith("ال") and len(word) > 4 else word


def _forms(word: str, folded: str) -> frozenset[str]:
    found = {folded}
    if _ARABIC.match(folded):
        found |= {_without_article(folded[1:])} if folded[0] in "وبلكف" and len(folded) > 3 else set()
        found |= {folded[2:]} if folded.startswith("لل") and len(folded) > 4 else set()
    elif folded.isascii():
        found.add(re.sub(r"([aou])e", r"\1", folded))  # Baeckerei is Bäckerei
    if len(digits := _GROUPS.sub("", word)) > 3 and digits.isdigit():
        found = {digits}
    return frozenset(found)


def tokens(text: str) -> list[Token]:
    """The words of a text that `clean` has been through."""
    found: list[Token] = []
    last = 0
    for match in _TOKEN.finditer(text):
        word, folded = match[0], fold(match[0])
        if word[0].isdigit():
            folded = _GROUPS.sub("", word)
        between = text[last : match.start()]
        abbreviated = bool(found) and between.strip() == "." and bool(_SHORT.match(found[-1].text))
        found.append(
            Token(word, folded, _forms(word, folded), match.start(), match.end(), not abbreviated and bool(_BREAK.search(between)))
        )
        last = match.end()
    return found
