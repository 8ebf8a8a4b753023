"""The types of an entity: its records, pages of them, what they are filtered and sorted by, and what they lead to."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Final, Literal, cast

from nexus.core.entity import Entity
from nexus.core.policy import ROLES
from nexus.links import Link
from nexus.surfaces.filters import OPERATORS
from nexus.surfaces.graphql import names
from nexus.surfaces.graphql.model import SHAREABLE, Argument, Directive, Graph, Kind, Member
from nexus.surfaces.graphql.sources import Column, Edge, Elsewhere, Linked, Many, One, Single, Source, Stub
from nexus.surfaces.graphql.values import Values, enumeration, whole
from nexus.surfaces.openapi.structs import paragraphs
from nexus.surfaces.shapes import Field, Shape, by_name

KEY: Final = Directive("key", {"fields": "id"})
KNOWN: Final = Directive("key", {"fields": "id", "resolvable": False})
PAGE: Final = 20
"""Records of a page where no number is given."""
_STAMPS: Final = ("created_by", "updated_by")
_BY_KIND: Final = {
    "uuid": "UUID",
    "ref": "ID",
    "money": "Decimal",
    "decimal": "Decimal",
    "quantity": "Decimal",
    "bool": "Boolean",
    "date": "Date",
    "instant": "DateTime",
    "tags": "[String!]",
}
_ON_VALUES: Final[tuple[str, ...]] = ("contains", "null")
"""The operators of fields that hold structured values."""
_OPERATORS: Final = {
    "eq": "Is this.",
    "ne": "Is not this; an empty field is not.",
    "gt": "Is more than this.",
    "gte": "Is this or more.",
    "lt": "Is less than this.",
    "lte": "Is this or less.",
    "in": "Is one of these.",
    "nin": "Is none of these.",
    "null": "Whether it is empty.",
    "contains": "Has this in it, in upper or lower case.",
    "starts": "Begins with this, in upper or lower case.",
}


def scalar(graph: Graph, field: Field) -> str:
    """The type of a column that is not structured, without its exclamation mark."""
    known = field.facts
    if known.kind == "enum":
        return enumeration(graph, known.of)
    if known.kind == "int":
        return "Int" if field.name == "version" else whole(known.ge, known.le)
    if field.name == "id":
        return "ID"
    return _BY_KIND.get(known.kind, "String")


def shown(graph: Graph, field: Field) -> str:
    """The type of a column as records show it, without its exclamation mark."""
    if field.facts.kind == "json":
        return "JSON" if field.facts.of is None else Values(graph).answered(field.facts.of).removesuffix("!")
    return scalar(graph, field)


def concealable(entity: type[Entity]) -> frozenset[str]:
    """Fields that some role does not show: whatever the column says, an answer may have none."""
    return frozenset[str]().union(*(role.hides.get(entity, frozenset[str]()) for role in ROLES.values()))


def doc_of(field: Field) -> str:
    """What is said of a field: its help, else its label where that says more than its name."""
    return (field.facts.help or field.facts.label or "").strip()


class Records:
    """Adds the types of a graph's entities; `services` are those whose records it has in full."""

    def __init__(self, graph: Graph, services: Collection[str]) -> None:
        self.graph = self._graph = graph
        self.services = self._services = services

    def add(self, shape: Shape) -> None:
        """The types of one entity, and its fields of the query."""
        self._record(shape)
        self._connection(shape)
        self._filter(shape)
        self._sort(shape)
        single, several = names.of_entity(shape), names.pascal(shape.service) + names.pascal(shape.path)
        if single == several:
            several += "List"
        title = paragraphs(shape.entity.__doc__)
        on_id = Argument(name="id", type="ID!")
        self._graph.query.add(
            Member(name=names.camel(single), type=single, doc=f"One record: {title}", source=Single(shape), arguments=(on_id,))
        )
        self._graph.query.add(self._many(shape, names.camel(several), f"Records, the newest first: {title}", Many(shape)))

    def _record(self, shape: Shape) -> None:
        kind = self._graph.add(
            Kind(
                name=names.of_entity(shape),
                kind="object",
                doc=paragraphs(shape.entity.__doc__),
                directives=(KEY,),
                origin=_origin(shape),
                source=shape,
            )
        )
        hidden = concealable(shape.entity)
        for field in shape.fields.values():
            bang = "" if field.nullable or field.name in hidden else "!"
            type_ = shown(self._graph, field) + bang
            personal = (Directive("personal", {"kind": field.facts.pii}),) if field.facts.pii else ()
            kind.add(Member(name=names.camel(field.name), type=type_, doc=doc_of(field), source=Column(field), directives=personal))
        for name, field, target in _references(shape):
            source = self._reference(shape, field, target)
            kind.add(Member(name=name, type=names.of_entity(target), doc=doc_of(field) or target.summary, source=source))

    def _reference(self, shape: Shape, field: Field, target: Shape) -> Source:
        if target.service == shape.service:
            return One(field, target)
        if target.service in self._services:
            return Elsewhere(field, target)
        self.stub(target)
        return Stub(field, target)

    def known(self, target: Shape) -> Kind:
        """The type of a record: in full, or as far as it is known here."""
        return self._graph[names.of_entity(target)] if target.service in self._services else self.stub(target)

    def stub(self, target: Shape) -> Kind:
        """The record of another service, of which this one knows the id alone."""
        kind = Kind(name=names.of_entity(target), kind="object", directives=(KNOWN,), origin=_origin(target), source=target, elsewhere=True)
        known = self._graph.add(kind)
        if known is kind:
            known.doc = paragraphs(target.entity.__doc__)
            known.add(Member(name="id", type="ID!", source=Column(target.fields["id"])))
        return known

    def external(self, kind: Kind, field: Field) -> str:
        """A field of another service's record of which this one must know: its name there."""
        name, shape = names.camel(field.name), cast(Shape, kind.source)
        if name not in kind.members:
            type_ = shown(self._graph, field) + ("" if field.nullable or field.name in concealable(shape.entity) else "!")
            kind.add(Member(name=name, type=type_, source=Column(field), directives=(Directive("external"),)))
        return name

    def lead(self, shapes: Iterable[Shape]) -> None:
        """What refers to a record of the same service, as pages of that record."""
        for shape in shapes:
            for _, field, target in _references(shape):
                if target.service == shape.service and field.name not in _STAMPS:
                    kind = self._graph[names.of_entity(target)]
                    name = led(shape, field, target)
                    kind.add(
                        self._many(
                            shape, name, f"Each {shape.title} whose {field.label.lower()} this is, the newest first.", Many(shape, field)
                        )
                    )

    def link(self, links: Iterable[Link]) -> None:
        """What joins records of these services to others'. Whoever holds the key answers both sides; the other one need not know."""
        for link in links:
            holder, targets = by_name(link.holder), [shape for name in link.targets if (shape := by_name(name)) is not None]
            if holder is None or len(targets) < len(link.targets):
                continue
            here = targets[0].service in self._services
            if holder.service in self._services:
                kinds = [self.known(target) for target in targets] if here or not link.among else [self._together(link, targets, "object")]
                for kind in kinds:
                    self._joined(link, holder, kind, here)
            elif here and link.among:
                together = self._together(link, targets, "interface")
                for target in targets:
                    kind = self._graph[names.of_entity(target)]
                    kind.of = (*kind.of, together.name)

    def _together(self, link: Link, targets: list[Shape], as_: Literal["object", "interface"]) -> Kind:
        """What several entities of a service are together: their interface there, and one type that stands for all of them elsewhere."""
        name = names.pascal(link.to.replace(".", "_"))
        marks = (KEY,) if as_ == "interface" else (KEY, Directive("interfaceObject"))
        doc, source = f"Any of {', '.join(target.title for target in targets)}.", targets[0]
        kind = self._graph.add(
            Kind(name=name, kind=as_, doc=doc, directives=marks, origin=f"{link.to} (link)", source=source, elsewhere=True)
        )
        kind.members.setdefault("id", Member(name="id", type="ID!", source=Column(source.fields["id"])))
        return kind

    def _joined(self, link: Link, holder: Shape, kind: Kind, here: bool) -> None:
        target, field = cast(Shape, kind.source), holder.fields[link.key]
        if not here and kind.directives == (KNOWN,):
            kind.directives = (KEY,)
        if link.one:
            source = Elsewhere(field, target) if here else Stub(field, target)
            self._graph[names.of_entity(holder)].add(Member(name=names.camel(link.one), type=names.of_entity(target), source=source))
        sole, of = link.cardinality == "one", None if link.by == "id" else target.fields[link.by]
        many = Linked(holder, field, sole, of) if here else Many(holder, field, sole, of)
        needs: tuple[Directive, ...] = ()
        if of is not None and not here:
            needs = (Directive("requires", {"fields": self.external(kind, of)}),)
        member = self._many(holder, names.camel(link.back), link.help, many)
        if sole:
            member = Member(name=member.name, type=names.of_entity(holder), doc=link.help, source=many)
        # who may not read these may read what leads to them
        kind.add(replace(member, type=member.type.removesuffix("!"), directives=needs))

    def _many(self, shape: Shape, name: str, doc: str, source: Many) -> Member:
        of = names.of_entity(shape)
        arguments = [
            Argument(name="first", type="Int", doc=f"So many from the beginning, {PAGE} where neither is given."),
            Argument(name="after", type="String", doc="Those behind this cursor."),
            Argument(name="last", type="Int", doc="So many from the end."),
            Argument(name="before", type="String", doc="Those before this cursor."),
            Argument(name="filter", type=f"{of}Filter", doc="Conditions that all hold."),
            Argument(name="sort", type=f"[{of}Sort!]", doc="At most four; the id is always last, so that the order is total."),
            Argument(name="archived", type="Archived", default="EXCLUDED", doc="Whether archived records are among them."),
        ]
        if shape.searchable:
            arguments.append(Argument(name="search", type="String", doc="Words, each of which may be the beginning of one."))
        type_ = f"{of}Connection" + ("!" if source.by is not None else "")
        return Member(name=name, type=type_, doc=doc, source=source, arguments=tuple(arguments))

    def _connection(self, shape: Shape) -> None:
        of, origin = names.of_entity(shape), _origin(shape)
        edge = self._graph.add(Kind(name=f"{of}Edge", kind="object", doc="A record in a page.", origin=f"{origin} (edge)"))
        edge.add(Member(name="cursor", type="String!", doc="Its place in the order.", source=Edge("cursor")))
        edge.add(Member(name="node", type=f"{of}!", doc="The record.", source=Edge("node")))
        page = self._graph.add(Kind(name=f"{of}Connection", kind="object", doc="A page of records.", origin=f"{origin} (page)"))
        page.add(Member(name="edges", type=f"[{of}Edge!]!", doc="The records with their cursors.", source=Edge("edges")))
        page.add(Member(name="nodes", type=f"[{of}!]!", doc="The records without their cursors.", source=Edge("nodes")))
        page.add(Member(name="pageInfo", type="PageInfo!", doc="Where it is in the whole.", source=Edge("pageInfo")))
        page.add(Member(name="totalCount", type="BigInt!", doc="How many records there are on all pages.", source=Edge("totalCount")))

    def _filter(self, shape: Shape) -> None:
        of = names.of_entity(shape)
        kind = self._graph.add(
            Kind(name=f"{of}Filter", kind="input", doc="Conditions that all hold.", origin=f"{_origin(shape)} (filter)", source=shape)
        )
        kind.add(Member(name="and", type=f"[{of}Filter!]", doc="All of these hold."))
        kind.add(Member(name="or", type=f"[{of}Filter!]", doc="One of these holds."))
        kind.add(Member(name="not", type=f"{of}Filter", doc="This does not hold."))
        for field in shape.fields.values():
            kind.add(Member(name=names.camel(field.name), type=self._condition(field), source=Column(field)))

    def _condition(self, field: Field) -> str:
        if field.facts.kind in ("json", "tags"):
            name, operators, value = ("TagsFilter" if field.facts.kind == "tags" else "JSONFilter"), _ON_VALUES, "String"
        else:
            value = scalar(self._graph, field)
            name, operators = f"{value}Filter", OPERATORS
        if name not in self._graph:
            made = self._graph.add(
                Kind(name=name, kind="input", doc="Conditions on one field, all of which hold.", origin=f"filter of {value}")
            )
            types = {"in": f"[{value}!]", "nin": f"[{value}!]", "null": "Boolean", "contains": "String", "starts": "String"}
            for operator in operators:
                doc = "Has this tag." if name == "TagsFilter" and operator == "contains" else _OPERATORS[operator]
                made.add(Member(name=operator, type=types.get(operator, value), doc=doc))
        return name

    def _sort(self, shape: Shape) -> None:
        words = {
            f"{names.camel_upper(field.name)}_{way}": ("-" if way == "DESC" else "") + field.name
            for field in shape.fields.values()
            if field.facts.kind not in ("json", "tags")
            for way in ("ASC", "DESC")
        }
        name, origin = f"{names.of_entity(shape)}Sort", f"{_origin(shape)} (sort)"
        self._graph.add(Kind(name=name, kind="enum", doc="What records are sorted by.", words=words, origin=origin))


def _references(shape: Shape) -> Iterable[tuple[str, Field, Shape]]:
    """The references of an entity to what is installed: what they are called, their column and their target."""
    for name, (field, target_name) in shape.references.items():
        if (target := by_name(target_name)) is not None:
            yield names.camel(name), field, target
    for name in _STAMPS:
        if (target := by_name(shape.fields[name].facts.refers_to or "")) is not None:
            yield names.camel(f"{name}_{target.name.split('.')[1]}"), shape.fields[name], target


def led(shape: Shape, field: Field, target: Shape) -> str:
    """What the records that refer to one are called there: `deals`, or `dealsByLostReason` where the reference has a name of its own."""
    relation, plural = field.name.removesuffix("_id"), names.camel(shape.path)
    return plural if relation == target.name.split(".")[1] else f"{plural}By{names.pascal(relation)}"


def _origin(shape: Shape) -> str:
    return f"{shape.entity.__module__}.{shape.entity.__qualname__}"


def shared(graph: Graph) -> None:
    """The types that every endpoint has."""
    page = graph.add(Kind(name="PageInfo", kind="object", doc="Where a page is in the whole.", origin="PageInfo", directives=(SHAREABLE,)))
    page.add(Member(name="hasNextPage", type="Boolean!", doc="Whether more follow.", source=Edge("hasNextPage")))
    page.add(Member(name="hasPreviousPage", type="Boolean!", doc="Whether there are some before.", source=Edge("hasPreviousPage")))
    page.add(Member(name="startCursor", type="String", doc="The cursor of the first record.", source=Edge("startCursor")))
    page.add(Member(name="endCursor", type="String", doc="The cursor of the last record.", source=Edge("endCursor")))
    words = {"EXCLUDED": "false", "ONLY": "true", "INCLUDED": "any"}
    graph.add(Kind(name="Archived", kind="enum", doc="Whether archived records are among those answered.", words=words, origin="Archived"))
