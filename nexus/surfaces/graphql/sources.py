"""What a field of the graph stands for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any, Literal

from nexus.core.message import Answer
from nexus.surfaces.live import Topic
from nexus.surfaces.operations import Operation
from nexus.surfaces.shapes import Field, Shape


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a record."""

    field: Field


@dataclass(frozen=True, slots=True)
class Part:
    """A member of a structured value, by its name in JSON."""

    name: str


@dataclass(frozen=True, slots=True)
class One:
    """The record that a column refers to, in the same service."""

    field: Field
    target: Shape


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The record of another service that a column refers to."""

    field: Field
    target: Shape


@dataclass(frozen=True, slots=True)
class Stub:
    """A record of another service of which this endpoint knows the id, and what the record that leads to it keeps a copy of."""

    field: Field
    target: Shape
    copies: Mapping[str, Field] = dataclass_field(default_factory=dict[str, Field])
    """The columns with the copies, by the names of the fields there."""


@dataclass(frozen=True, slots=True)
class Many:
    """A page of records; `by` is their column that refers to the record it is asked of, None at the root."""

    shape: Shape
    by: Field | None = None
    sole: bool = False
    """Whether there is one at most, which is then answered itself."""
    of: Field | None = None
    """The field of the record it is asked of that the column holds; None for its id."""


@dataclass(frozen=True, slots=True)
class Linked(Many):
    """Another service's records that hold the id of the record it is asked of."""


@dataclass(frozen=True, slots=True)
class Told:
    """The record whose id is a member of what a command or an event tells."""

    part: str
    target: Shape
    here: bool
    """Whether the record is of the service that tells it."""


@dataclass(frozen=True, slots=True)
class Single:
    """A record by its id."""

    shape: Shape


@dataclass(frozen=True, slots=True)
class Report:
    """The rows of a report; `columns` are those known beforehand."""

    service: str
    answer: Answer


@dataclass(frozen=True, slots=True)
class Change:
    """What a mutation does."""

    operation: Operation


@dataclass(frozen=True, slots=True)
class Listen:
    """The events of a topic."""

    topic: Topic


@dataclass(frozen=True, slots=True)
class Now:
    """The record that an event is about."""

    shape: Shape


@dataclass(frozen=True, slots=True)
class Sdl:
    """The text of a subgraph's schema."""


@dataclass(frozen=True, slots=True)
class Entities:
    """Records of several types by their keys, as a gateway asks for them."""


@dataclass(frozen=True, slots=True)
class Edge:
    """A part of a connection."""

    what: Literal[
        "edges", "nodes", "pageInfo", "totalCount", "node", "cursor", "hasNextPage", "hasPreviousPage", "startCursor", "endCursor"
    ]


Source = Any
