"""Documents: files that a record is given out as, such as the PDF of an invoice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from nexus.core.entity import Entity

if TYPE_CHECKING:
    from nexus.core.message import Rows
    from nexus.core.policy import Sight


class File(NamedTuple):
    """What is given out: `name` without its ending, which the form gives it."""

    name: str
    body: bytes


class Form(NamedTuple):
    """One kind of file that a document comes as."""

    media: str
    ending: str
    title: str


@dataclass(frozen=True, slots=True)
class Document:
    """A document of an entity's records: `GET …/{id}/{name}`, for whoever may read the record.

    `select` makes the one SELECT whose row is all that is in it, none where there is no such record; `write` turns that row, as the database's
    JSON, into a file of one of the forms, and runs in a thread of its own. Either may refuse with a Problem.
    """

    entity: type[Entity]
    name: str
    forms: Mapping[str, Form]
    """By what `format=` calls them; the first is what is given to who names none."""
    select: Callable[[UUID, Sight], Rows]
    write: Callable[[bytes, str], File]
    summary: str

    @property
    def needs(self) -> str:
        """The permission it takes: that to read the record."""
        return f"{self.entity.entity_name()}:read"


DOCUMENTS: list[Document] = []


def documents(
    entity: type[Entity], *, name: str = "document", forms: Mapping[str, Form], select: Callable[[UUID, Sight], Rows]
) -> Callable[[Callable[[bytes, str], File]], Callable[[bytes, str], File]]:
    """Make a function the writer of an entity's document; its docstring says what the document is."""

    def register(write: Callable[[bytes, str], File]) -> Callable[[bytes, str], File]:
        if any(one.entity is entity and one.name == name for one in DOCUMENTS):
            raise TypeError(f"{entity.entity_name()} has a document named {name} already")
        DOCUMENTS.append(Document(entity, name, forms, select, write, write.__doc__ or ""))
        return write

    return register
