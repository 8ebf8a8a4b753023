"""The shapes of a service as its declarations have them now, without numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, cast

import msgspec

from nexus.core.message import Answer, Event, Handler
from nexus.core.service import Service
from nexus.surfaces import operations as door
from nexus.surfaces.calling import Host
from nexus.surfaces.lock.model import NULLS, Kind, Lock, Member, Message, Operation, Topic, Words
from nexus.surfaces.lock.spelling import Speller, source_of
from nexus.surfaces.openapi.actions import columns_of
from nexus.surfaces.rest import Rest
from nexus.surfaces.shapes import Field, Shape, by_name, shape_of

CALLS = {"get": "nexus.Get", "list": "nexus.List", "archive": "nexus.Change", "restore": "nexus.Change", "delete": "nexus.Change"}
"""What the derived operations without a message of their own are asked with."""
_COLUMNS = {
    "Uuid": "uuid",
    "DateTime": "instant",
    "Date": "date",
    "Boolean": "bool",
    "Integer": "int",
    "BigInteger": "int",
    "SmallInteger": "int",
    "Text": "text",
    "Exact": "text",
    "String": "text",
}
"""How the columns of a report are spelled; what the statement does not say the type of is any JSON."""


def declared(service: Service) -> Lock:
    """What a service promises by its declarations."""
    made = _Declared(service.name)
    rest = Rest(cast(Host, None), [service])  # nobody asks anything of it: it only says what there is
    offered = list(door.Operations(rest, None, [service]))
    for entity in service.entities():
        made.entity(shape_of(entity), {one.kind for one in offered if one.entity is entity})
    for operation in offered:
        made.operation(operation)
    for event in events_of(service):
        made.event(event)
    return made.lock()


def of_structs(service: str, structs: Iterable[type[msgspec.Struct]]) -> Lock:
    """Messages that belong to no service, from the structs that they are."""
    made = _Declared(service)
    for one in structs:
        made.struct(one, "call")
    return made.lock()


def events_of(service: Service) -> list[type[Event]]:
    """The declared events of a service, by topic."""

    def below(kind: type[Event]) -> Iterator[type[Event]]:
        for one in kind.__subclasses__():
            yield one
            yield from below(one)

    mine = {one for one in below(Event) if one.__module__.startswith(f"{service.package}.")}
    return sorted(mine, key=lambda event: event.topic)


class _Declared:
    """A lock in the making."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._speller = Speller()
        self._messages: dict[str, Message] = {}
        self._operations: dict[str, Operation] = {}
        self._topics: dict[str, Topic] = {}

    def lock(self) -> Lock:
        """Everything, with the values and enums that it is made of."""
        while values := [kind for name, kind in self._speller.structs.items() if name not in self._messages]:
            for kind in values:
                self.struct(kind, "value")
        enums = {
            name: Words(source=source_of(kind), numbers={str(member.value): 0 for member in kind})
            for name, kind in sorted(self._speller.enums.items())
        }
        return Lock(
            service=self._service,
            operations=dict(sorted(self._operations.items())),
            topics=dict(sorted(self._topics.items())),
            messages=dict(sorted(self._messages.items())),
            enums=enums,
        )

    def _add(self, name: str, kind: Kind, source: str, fields: dict[str, Member]) -> str:
        known = self._messages.get(name)
        if known is not None and known.source != source:
            raise TypeError(f"{known.source} and {source} would both be called {name}; name one of them otherwise")
        self._messages[name] = Message(kind=kind, source=source, fields=fields)
        return name

    def struct(self, kind: type[msgspec.Struct], what: Kind) -> str:
        """The message that a struct is."""
        name = kind.__name__
        if name in self._messages and self._messages[name].source == source_of(kind):
            return name
        self._speller.member(kind)  # two structs of one name are refused here
        info = msgspec.inspect.type_info(kind)
        assert isinstance(info, msgspec.inspect.StructType)
        fields: dict[str, Member] = {}
        for field in info.fields:
            type_, null = self._speller.of_info(field.type)
            kept = null and not field.required and field.default is not None
            fields[field.encode_name] = Member(type=type_, null=null, required=field.required, kept=kept)
        return self._add(name, what, source_of(kind), _with_nulls(fields))

    def entity(self, shape: Shape, kinds: set[door.Kind]) -> None:
        """A record, what makes and changes it, its page, and what is told of it."""
        name, source = shape.entity.__name__, source_of(shape.entity)
        fields = {field.name: self._field(field) for field in shape.fields.values()}
        self._add(name, "record", source, fields | _relations(shape, fields))
        page = {"items": Member(type=f"[{name}]"), "next_cursor": Member(type="text", null=True)}
        page |= {"count": Member(type="int", null=True), "count_is": Member(type="text", null=True)}
        self._add(f"{name}Page", "page", source, page)
        if "create" in kinds:
            wanted = {field.name: self._wanted(field) for field in shape.writable}
            self._add(f"{name}Create", "create", source, _with_nulls(wanted))
        if "update" in kinds:
            about = {"id": Member(type="uuid", required=True), "update_mask": Member(type="mask")}
            fields = about | {field.name: self._field(field) for field in shape.patchable}
            self._add(f"{name}Patch", "patch", source, fields | {"version": Member(type="int", null=True)})
        verbs = ["created", "updated", "deleted", *(["archived", "restored"] if shape.entity.removal == "archive" else [])]
        self._topics |= {f"{shape.name}.{verb}": Topic(data=name) for verb in verbs}

    def _wanted(self, field: Field) -> Member:
        """A field as a create takes it."""
        required = field.default is ...
        kept = field.nullable and not required and field.default() is not None
        return msgspec.structs.replace(self._field(field), required=required, kept=kept)

    def _field(self, field: Field) -> Member:
        type_, _ = self._speller.member(
            str if field.facts.kind in ("text", "long_text", "email", "phone", "url", "currency") else field.type()
        )
        return Member(type=type_, null=field.nullable)

    def event(self, kind: type[Event]) -> None:
        """A topic that a declared event is told on."""
        derived = self._topics.get(kind.topic)
        record = derived.data if derived is not None else ""
        self._topics[kind.topic] = Topic(version=kind.schema_version, data=self.struct(kind, "event"), record=record)

    def operation(self, one: door.Operation) -> None:
        """One thing that can be asked, and what it is asked with and answers."""
        if one.answer is not None:
            takes, gives = self._report(one.answer)
            group, verb = "Reports", _camel(one.answer.name)
        else:
            assert one.entity is not None, "what is no report is about an entity"
            name = one.entity.__name__
            group, verb = _camel(one.entity.path()), _camel(one.handler.verb if one.handler else one.kind)
            if one.handler is not None:
                takes, gives = self._command(one.handler)
            else:
                takes = CALLS.get(one.kind) or f"{name}{'Create' if one.kind == 'create' else 'Patch'}"
                gives = f"{name}Page" if one.kind == "list" else name
        rest = f"{one.method} /api/v1/{one.service}/{one.path}"
        self._operations[one.name] = Operation(rest=rest, grpc=f"{group}/{verb}", needs=one.needs, takes=takes, gives=gives)

    def _command(self, handler: Handler) -> tuple[str, str]:
        command, answer = handler.command, handler.command.answer_type()
        takes = self.struct(command, "command")
        if isinstance(answer, type) and issubclass(answer, Event):
            return takes, self.struct(answer, "event")
        if isinstance(answer, type) and issubclass(answer, msgspec.Struct):
            return takes, self.struct(answer, "answer")
        type_, null = self._speller.member(answer)
        fields = {} if type_ == "null" else {"value": Member(type=type_, null=null)}
        return takes, self._add(f"{command.__name__}Answer", "answer", source_of(command), fields)

    def _report(self, answer: Answer) -> tuple[str, str]:
        name, source = answer.query.__name__, source_of(answer.query)
        row = {column.name: Member(type=self._column(column.type), null=True) for column in columns_of(answer)}
        items = "[json]"
        if row:
            items = f"[{self._add(f'{name}Row', 'row', source, row)}]"
        return self.struct(answer.query, "query"), self._add(f"{name}Rows", "rows", source, {"items": Member(type=items)})

    def _column(self, type_: Any) -> str:
        words: Any = getattr(type_, "enum_class", None)
        if words is not None:
            return self._speller.member(words)[0]
        return _COLUMNS.get(type(type_).__name__, "json")


def _relations(shape: Shape, fields: dict[str, Member]) -> dict[str, Member]:
    """What a read can show in full beside its id."""
    found: dict[str, Member] = {}
    for name, (_, target) in shape.references.items():
        other = by_name(target)
        if other is not None and other.service == shape.service and name not in fields:
            found[name] = Member(type=other.entity.__name__, null=True)
    return found


def _with_nulls(fields: dict[str, Member]) -> dict[str, Member]:
    """The same, with the field that says what is null where leaving it out says something else."""
    return fields | {NULLS: Member(type="mask")} if any(member.kept for member in fields.values()) else fields


def _camel(name: str) -> str:
    """`move_stage` and `pipeline-by-stage` as gRPC writes them: `MoveStage`, `PipelineByStage`."""
    return "".join(part[:1].upper() + part[1:] for part in name.replace("-", "_").split("_"))
