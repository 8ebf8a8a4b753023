"""Pages set by Typst: a layout, and texts that are put into it as data, so that nothing of them is markup. The same texts make the same bytes.

Typst takes a tenth of a second to load, which processes that set nothing need not spend: it is imported when there is something to set.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import msgspec

if TYPE_CHECKING:
    import typst

Texts: TypeAlias = "str | Sequence[Texts] | Mapping[str, Texts]"
"""What a layout prints, as it stands there."""

_FONTS: Final = ("fontpkg_noto_sans", "fontpkg_noto_sans_arabic")
_UNPRINTABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff\ud800-\udfff]|[\u202a-\u202e\u2066-\u2069]")


class NoShape(ValueError):
    """An archive wants every character to have a shape, and a font has none."""


def printable(text: str) -> str:
    """A text without what neither a page nor XML shows: control characters, and marks that would turn the text around them."""
    return _UNPRINTABLE.sub("", text)


def _printable(texts: Texts) -> Texts:
    if isinstance(texts, str):
        return printable(texts)
    if isinstance(texts, Mapping):
        return {name: _printable(one) for name, one in texts.items()}
    return [_printable(one) for one in texts]


def typeset(
    layout: Path, said: Texts, at: dt.datetime, standard: Literal["1.7", "a-3b"] = "1.7", more: Mapping[str, str] | None = None
) -> bytes:
    """A PDF made at a moment: `said` is what the layout prints, `more` further inputs by name. NoShape where an archive does not take it."""
    import typst

    inputs = {"said": msgspec.json.encode(_printable(said)).decode(), **(more or {})}
    text = layout.read_bytes()
    compiler = typst.Compiler(text, root=layout.parent, font_paths=_fonts(), ignore_system_fonts=True)
    try:
        made = compiler.compile(text, format="pdf", pdf_standards=standard, timestamp=int(at.timestamp()), sys_inputs=inputs)
    except typst.TypstError as error:
        if standard == "1.7" or "could not be displayed" not in error.message:
            raise
        raise NoShape(error.message) from None
    assert isinstance(made, bytes), "one PDF is one file"
    return made


@lru_cache(maxsize=1)
def _fonts() -> typst.Fonts:
    """Fonts of packages alone: what happens to be installed would make a document look different elsewhere."""
    import typst

    places = [str(files(package) / "files") for package in _FONTS]
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=True, font_paths=list(places))
