"""The PDF: texts set into invoice.typ. The same texts make the same bytes."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from nexus.core import Problem
from nexus.services.finance.documents.pages import Texts

if TYPE_CHECKING:
    import typst

_FONTS: Final = ("fontpkg_noto_sans", "fontpkg_noto_sans_arabic")
_LAYOUT: Final = Path(__file__).with_name("invoice.typ")


class CannotBeSet(Problem, status=422):
    """The document cannot be set for archives: {reason}."""

    reason: str


def pdf(texts: Texts, at: dt.datetime, standard: Literal["1.7", "a-3b"], xml: bytes | None = None) -> bytes:
    """A document made at a moment, with an e-invoice in it where one is given.

    CannotBeSet (422) where an archive wants every character to have a shape and a font has none.
    """
    import typst  # it takes a tenth of a second, which processes that set nothing need not spend

    inputs = {"said": msgspec.json.encode(texts).decode()}
    if xml is not None:
        inputs["xml"] = xml.decode()
    layout = _LAYOUT.read_bytes()
    compiler = typst.Compiler(layout, root=_LAYOUT.parent, font_paths=_fonts(), ignore_system_fonts=True)
    try:
        made = compiler.compile(layout, format="pdf", pdf_standards=standard, timestamp=int(at.timestamp()), sys_inputs=inputs)
    except typst.TypstError as error:
        if standard == "1.7" or "could not be displayed" not in error.message:
            raise
        raise CannotBeSet(reason=error.message) from None
    assert isinstance(made, bytes), "one PDF is one file"
    return made


@lru_cache(maxsize=1)
def _fonts() -> typst.Fonts:
    """Fonts of packages alone: what happens to be installed would make a document look different elsewhere."""
    import typst

    places = [str(files(package) / "files") for package in _FONTS]
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=True, font_paths=list(places))
