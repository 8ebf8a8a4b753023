"""Factur-X, in Germany ZUGFeRD: a PDF for archives that holds its own e-invoice, so that people and programs read one file."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Final

from nexus.services.finance.documents.typesetting import pdf
from nexus.typesetting import Texts

_SAYS: Final = Path(__file__).with_name("factur-x.xmp")
_BAG, _END = b"</rdf:Bag></pdfaExtension:schemas>", b"</rdf:RDF>"


def factur_x(texts: Texts, at: dt.datetime, xml: bytes) -> bytes:
    """A page with its XML. CannotBeSet (422) as any PDF for archives."""
    from pypdf import PdfWriter
    from pypdf.generic import StreamObject

    writer = PdfWriter(clone_from=BytesIO(pdf(texts, at, "a-3b", xml)))
    metadata = writer.root_object["/Metadata"]
    assert isinstance(metadata, StreamObject), "a PDF for archives has metadata"
    properties, schema = _parts()
    said = metadata.get_data()
    assert _BAG in said and _END in said, "the typesetter describes the schemas of its metadata"
    metadata.set_data(said.replace(_BAG, schema + _BAG).replace(_END, properties + _END))
    made = BytesIO()
    writer.write(made)
    return made.getvalue()


@lru_cache(maxsize=1)
def _parts() -> tuple[bytes, bytes]:
    """What the metadata says of the XML, and the description of these properties that an archive wants."""
    text = _SAYS.read_bytes()
    cut = text.index(b"</rdf:Description>") + len(b"</rdf:Description>")
    return text[text.index(b"<rdf:Description") : cut], text[text.index(b"<rdf:li", cut) : text.rindex(b"</rdf:RDF>")].strip()
