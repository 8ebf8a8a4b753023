"""XML made from nested elements: what has no content is left out, and every text is only text."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import TypeAlias
from xml.etree import ElementTree as ET

from nexus.services.finance.documents.wording import plain
from nexus.typesetting import printable

Content: TypeAlias = "ET.Element | str | Decimal | None"


class Vocabulary:
    """Elements by prefixed names of some namespaces."""

    def __init__(self, namespaces: Mapping[str, str]) -> None:
        self._namespaces = namespaces
        for prefix, address in namespaces.items():
            ET.register_namespace(prefix, address)

    def __call__(self, name: str, *content: Content, **attributes: str | None) -> ET.Element | None:
        """An element with a text or with others in it; None where there is nothing to be in it."""
        held = [one for one in content if one is not None and one != ""]
        if not held:
            return None
        prefix, _, local = name.partition(":")
        made = ET.Element(f"{{{self._namespaces[prefix]}}}{local}", {key: value for key, value in attributes.items() if value is not None})
        for one in held:
            if isinstance(one, ET.Element):
                made.append(one)
            else:
                made.text = printable(one) if isinstance(one, str) else f"{plain(one):f}"
        return made


def money(value: Decimal) -> str:
    """An amount with two decimals, as both syntaxes have it."""
    return f"{value:.2f}"


def basic(day: dt.date) -> str:
    """20261130."""
    return f"{day:%Y%m%d}"


def document(root: ET.Element | None) -> bytes:
    """The bytes of a whole document."""
    assert root is not None, "a document has content"
    made: bytes = ET.tostring(root, encoding="UTF-8", xml_declaration=True)
    return made
