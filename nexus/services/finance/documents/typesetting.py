"""The PDF: texts set into invoice.typ."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Final, Literal

from nexus.core import Problem
from nexus.typesetting import NoShape, Texts, typeset

_LAYOUT: Final = Path(__file__).with_name("invoice.typ")


class CannotBeSet(Problem, status=422):
    """The document cannot be set for archives: {reason}."""

    reason: str


def pdf(texts: Texts, at: dt.datetime, standard: Literal["1.7", "a-3b"], xml: bytes | None = None) -> bytes:
    """A document made at a moment, with an e-invoice in it where one is given.

    CannotBeSet (422) where an archive wants every character to have a shape and a font has none.
    """
    try:
        return typeset(_LAYOUT, texts, at, standard, None if xml is None else {"xml": xml.decode()})
    except NoShape as error:
        raise CannotBeSet(reason=str(error)) from None
