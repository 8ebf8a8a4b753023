"""The phrases of the vocabulary, and where they stand in a sentence.

A phrase is some words; `bake*` takes every ending, `*fabrik` every beginning.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Generic, TypeVar

from nexus.activation.describing.tokens import Token, clean, tokens
from nexus.documents import Tree, Value, mapping, read, words

FOLDER = Path(__file__).parent.parent / "vocabulary"
_SHORTEST = 2
K = TypeVar("K")
M = TypeVar("M", covariant=True)


@dataclass(frozen=True, slots=True)
class Found(Generic[M]):
    """A phrase in a sentence: what it stands for, and its words from `start` up to `end`."""

    meaning: M
    start: int
    end: int

    @property
    def length(self) -> int:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class _Word:
    """One word of a phrase."""

    text: str
    open_start: bool
    open_end: bool
    breaks: bool
    """Whether punctuation may stand before it: "Congo - Kinshasa"."""

    def fits(self, token: Token) -> bool:
        if not self.open_start and not self.open_end:
            return self.text in token.forms
        if self.open_end:
            return any(form.startswith(self.text) for form in token.forms)
        return any(form.endswith(self.text) and len(form) >= len(self.text) for form in token.forms)


class Phrases(Generic[K]):
    """Some phrases and their meanings, ready to be looked for."""

    def __init__(self, meanings: Iterable[tuple[str, K]]) -> None:
        self._exact: dict[str, list[tuple[tuple[_Word, ...], K]]] = {}
        self._begin: dict[str, list[tuple[tuple[_Word, ...], K]]] = {}
        self._other: list[tuple[tuple[_Word, ...], K]] = []
        for phrase, meaning in meanings:
            if (known := _words(phrase)) is not None:
                self._place(known).append((known, meaning))

    def _place(self, known: tuple[_Word, ...]) -> list[tuple[tuple[_Word, ...], K]]:
        first = known[0]
        if not first.open_start and not first.open_end:
            return self._exact.setdefault(first.text, [])
        if first.open_end and not first.open_start and len(first.text) >= _SHORTEST:
            return self._begin.setdefault(first.text[:_SHORTEST], [])
        return self._other

    def find(self, sentence: Sequence[Token]) -> list[Found[K]]:
        """Every phrase in the sentence, in the order of its words, longer ones first."""
        found = [one for at in range(len(sentence)) for one in self._at(sentence, at)]
        return sorted(found, key=lambda one: (one.start, -one.length))

    def _at(self, sentence: Sequence[Token], at: int) -> Iterator[Found[K]]:
        forms = sentence[at].forms
        candidates = [one for form in sorted(forms) for one in self._exact.get(form, ())]
        candidates += [one for start in sorted({form[:_SHORTEST] for form in forms}) for one in self._begin.get(start, ())]
        for known, meaning in [*candidates, *self._other]:
            part = sentence[at : at + len(known)]
            if len(part) != len(known) or any(token.breaks and not word.breaks for word, token in zip(known[1:], part[1:], strict=True)):
                continue
            if all(word.fits(token) for word, token in zip(known, part, strict=True)):
                yield Found(meaning, at, at + len(known))


def _words(phrase: str) -> tuple[_Word, ...] | None:
    """The words of a phrase; None where nothing is left of it."""
    text = clean(phrase)
    found: list[_Word] = []
    for piece in tokens(text):
        before, after = text[piece.start - 1 : piece.start], text[piece.end : piece.end + 1]
        found.append(_Word(piece.fold, before == "*", after == "*", piece.breaks))
    return tuple(found) or None


def whole(found: Sequence[Found[K]]) -> list[Found[K]]:
    """Without those that are a part of a longer one: in "coffee shop" there is no shop."""
    return [
        one for one in found if not any(other.start <= one.start and one.end <= other.end and other.length > one.length for other in found)
    ]


def texts(value: Value) -> list[str]:
    """The phrases in a list of a vocabulary, whatever YAML took them for."""
    return words(value)


@cache
def vocabulary(name: str) -> Tree:
    """A file of the vocabulary."""
    return read(FOLDER / f"{name}.yaml")


@cache
def listed(name: str) -> Phrases[str]:
    """A list of small words, by its name in `words.yaml`."""
    return Phrases((text, name) for text in texts(vocabulary("words")[name]))


def grouped(value: Value) -> Iterator[tuple[str, str]]:
    """(phrase, key) of a mapping whose values are lists of phrases."""
    for key, inner in mapping(value).items():
        for text in texts(inner):
            yield text, key


def spans(found: Iterable[Found[str]]) -> Mapping[int, Found[str]]:
    """Where each phrase begins; of several at one place the longest."""
    at: dict[int, Found[str]] = {}
    for one in found:
        at.setdefault(one.start, one)
    return at
