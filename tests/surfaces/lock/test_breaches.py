"""What the lock refuses, and what may change under it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from nexus.surfaces.lock import Lock, Member, Message, Operation, Topic, Words, breaches, merged, read, written
from nexus.surfaces.lock.file import BadLock, fresh

Change = Callable[[Lock], Lock]


def member(type_: str, *, null: bool = False, required: bool = False) -> Member:
    return Member(type=type_, null=null, required=required)


def shop() -> Lock:
    """A small service: a record, a command that answers an event, and a value within both."""
    thing = {"id": member("uuid"), "name": member("text"), "note": member("text", null=True), "lines": member("[Line]")}
    buy = {"thing_id": member("uuid", required=True), "how": member("words(card cash)"), "note": member("text", null=True)}
    messages = {
        "BuyThing": Message(kind="command", source="nexus.services.shop.api.BuyThing", fields=buy),
        "Line": Message(kind="value", source="nexus.services.shop.terms.Line", fields={"count": member("int", required=True)}),
        "Thing": Message(kind="record", source="nexus.services.shop.entities.Thing", fields=thing | {"color": member("Color")}),
        "ThingBought": Message(
            kind="event", source="nexus.services.shop.api.ThingBought", fields={"thing_id": member("uuid", required=True)}
        ),
        "ThingLost": Message(
            kind="event",
            source="nexus.services.shop.api.ThingLost",
            fields={"thing_id": member("uuid", required=True), "why": member("text", null=True)},
        ),
    }
    get = Operation(rest="GET /api/v1/shop/things/{id}", grpc="Things/Get", needs="shop.thing:read", takes="nexus.Get", gives="Thing")
    buying = Operation(
        rest="POST /api/v1/shop/things/{id}/buy", grpc="Things/Buy", needs="shop.thing:buy", takes="BuyThing", gives="ThingBought"
    )
    return Lock(
        service="shop",
        operations={"shop.thing.buy": buying, "shop.thing.get": get},
        topics={"shop.thing.bought": Topic(data="ThingBought"), "shop.thing.lost": Topic(data="ThingLost")},
        messages=messages,
        enums={"Color": Words(source="nexus.services.shop.terms.Color", numbers={"red": 0, "blue": 0})},
    )


def with_field(message: str, field: str, new: Member | None, *, first: bool = False) -> Change:
    """The service with a field added, changed, or gone."""

    def change(lock: Lock) -> Lock:
        fields = dict(lock.messages[message].fields)
        if new is None:
            del fields[field]
        else:
            fields = {field: new, **fields} if first else {**fields, field: new}
        return msgspec.structs.replace(
            lock, messages=lock.messages | {message: msgspec.structs.replace(lock.messages[message], fields=fields)}
        )

    return change


def with_words(*words: str) -> Change:
    def change(lock: Lock) -> Lock:
        numbers = dict.fromkeys(words, 0)
        return msgspec.structs.replace(lock, enums={"Color": msgspec.structs.replace(lock.enums["Color"], numbers=numbers)})

    return change


def with_operation(name: str, **parts: str) -> Change:
    def change(lock: Lock) -> Lock:
        operations = dict(lock.operations)
        if parts:
            operations[name] = msgspec.structs.replace(operations[name], **parts)
        else:
            del operations[name]
        return msgspec.structs.replace(lock, operations=operations)

    return change


def with_topic(name: str, topic: Topic | None) -> Change:
    def change(lock: Lock) -> Lock:
        topics = {one: known for one, known in lock.topics.items() if one != name}
        return msgspec.structs.replace(lock, topics=topics | ({name: topic} if topic else {}))

    return change


def after(*changes: Change) -> Lock:
    lock = shop()
    for change in changes:
        lock = change(lock)
    return lock


BROKEN: list[tuple[str, tuple[Change, ...], str, str]] = [
    ("a field of a record is gone", (with_field("Thing", "name", None),), "shop.Thing.name", "is gone: callers read it"),
    (
        "a field has another type",
        (with_field("Thing", "name", member("int")),),
        "shop.Thing.name",
        "is int, where text is promised: callers read it",
    ),
    ("a record's field may be null", (with_field("Thing", "name", member("text", null=True)),), "shop.Thing.name", "may be null"),
    (
        "a command needs more",
        (with_field("BuyThing", "count", member("int", required=True)),),
        "shop.BuyThing.count",
        "is new and must be given",
    ),
    (
        "a command needs what it did not",
        (with_field("BuyThing", "how", member("words(card cash)", required=True)),),
        "shop.BuyThing.how",
        "must be given: callers may leave it out",
    ),
    ("a command takes no null", (with_field("BuyThing", "note", member("text")),), "shop.BuyThing.note", "takes no null any more"),
    ("a command's field is gone", (with_field("BuyThing", "note", None),), "shop.BuyThing.note", "is gone: callers send it"),
    ("a word is gone", (with_words("red"),), "shop.Color.blue", "is gone"),
    (
        "a choice is gone",
        (with_field("BuyThing", "how", member("words(card)")),),
        "shop.BuyThing.how",
        "is words(card), where words(card cash) is promised",
    ),
    ("a field within a value is gone", (with_field("Line", "count", None),), "shop.Line.count", "is gone: callers read it"),
    (
        "an operation is gone",
        (with_operation("shop.thing.buy"),),
        "shop.thing.buy",
        "is gone: POST /api/v1/shop/things/{id}/buy and Things/Buy are promised",
    ),
    ("an operation has another path", (with_operation("shop.thing.buy", rest="POST /x"),), "shop.thing.buy", "has another path: POST /x"),
    ("an operation needs another permission", (with_operation("shop.thing.buy", needs="x"),), "shop.thing.buy", "has another permission"),
    ("an operation answers something else", (with_operation("shop.thing.buy", gives="Thing"),), "shop.thing.buy", "has another answer"),
    ("a topic is gone", (with_topic("shop.thing.lost", None),), "shop.thing.lost", "is told no more"),
    (
        "a topic has an earlier version",
        (with_topic("shop.thing.lost", Topic(version=0, data="ThingLost")),),
        "shop.thing.lost",
        "versions only grow",
    ),
    (
        "a topic tells something else",
        (with_topic("shop.thing.lost", Topic(data="ThingBought")),),
        "shop.thing.lost",
        "tells ThingBought, where ThingLost is promised: raise schema_version",
    ),
    (
        "an event's field is gone",
        (with_field("ThingLost", "why", None),),
        "shop.ThingLost.why",
        "is gone: whoever follows the topic reads (raise schema_version) it",
    ),
    (
        "an event holds more than its log",
        (with_field("ThingLost", "where", member("text", required=True)),),
        "shop.ThingLost.where",
        "is new and must be given: the log holds events without it",
    ),
    (
        "an event that is also an answer changes with its version",
        (with_field("ThingBought", "thing_id", None), with_topic("shop.thing.bought", Topic(version=2, data="ThingBought"))),
        "shop.ThingBought.thing_id",
        "is gone: callers read it",
    ),
]


@pytest.mark.parametrize(("changes", "what", "why"), [one[1:] for one in BROKEN], ids=[one[0] for one in BROKEN])
def test_what_breaks_a_caller_is_named(changes: tuple[Change, ...], what: str, why: str) -> None:
    found = breaches(fresh(shop()), after(*changes))

    assert [one.what for one in found] == [what]
    assert why in found[0].why
    assert found[0].source.startswith("nexus.services.shop.")


HARMLESS: list[tuple[str, tuple[Change, ...]]] = [
    ("nothing", ()),
    ("a record holds more", (with_field("Thing", "weight", member("decimal"), first=True),)),
    ("a command can be told more", (with_field("BuyThing", "count", member("int")),)),
    ("a command needs less", (with_field("BuyThing", "thing_id", member("uuid")),)),
    ("a command takes null", (with_field("BuyThing", "how", member("words(card cash)", null=True)),)),
    ("a record's field is never null", (with_field("Thing", "note", member("text")),)),
    ("a word more", (with_words("green", "red", "blue"),)),
    ("a choice more", (with_field("BuyThing", "how", member("words(card cash cheque)")),)),
    ("an event tells more", (with_field("ThingLost", "where", member("text")),)),
    (
        "an event tells something else in its next version",
        (with_field("ThingLost", "why", None), with_topic("shop.thing.lost", Topic(version=2, data="ThingLost"))),
    ),
]


@pytest.mark.parametrize("changes", [one[1] for one in HARMLESS], ids=[one[0] for one in HARMLESS])
def test_what_breaks_nobody_may_change(changes: tuple[Change, ...]) -> None:
    assert breaches(fresh(shop()), after(*changes)) == []


def test_a_field_in_the_middle_takes_no_number() -> None:
    lock = merged(fresh(shop()), after(with_field("Thing", "weight", member("decimal"), first=True), with_words("green", "red", "blue")))

    numbers = {name: one.number for name, one in lock.messages["Thing"].fields.items()}
    assert numbers == {"weight": 6, "id": 1, "name": 2, "note": 3, "lines": 4, "color": 5}
    assert lock.enums["Color"].numbers == {"green": 3, "red": 1, "blue": 2}


def test_a_number_that_was_given_up_is_never_given_again() -> None:
    once = merged(fresh(shop()), after(with_field("Thing", "name", None)))
    again = merged(once, shop())
    retyped = merged(again, after(with_field("Thing", "name", member("int"))))

    assert once.messages["Thing"].reserved == {"name": 2}
    assert (again.messages["Thing"].fields["name"].number, again.messages["Thing"].reserved) == (6, {"name": 2})
    assert (retyped.messages["Thing"].fields["name"].number, retyped.messages["Thing"].reserved) == (7, {"name": 2, "name~2": 6})


def test_a_message_that_comes_back_has_its_numbers_again() -> None:
    lock = fresh(shop())
    less = msgspec.structs.replace(shop(), messages={name: one for name, one in shop().messages.items() if name != "Line"})

    gone = merged(lock, less)
    back = merged(gone, shop())

    assert set(gone.retired) == {"Line"}
    assert back == lock


def test_a_new_version_of_an_event_remembers_the_one_before() -> None:
    now = after(with_field("ThingLost", "why", None), with_topic("shop.thing.lost", Topic(version=2, data="ThingLost")))

    lock = merged(fresh(shop()), now)

    assert lock.topics["shop.thing.lost"].earlier == {"1": {"thing_id": member("uuid", required=True), "why": member("text", null=True)}}
    assert lock.messages["ThingLost"].reserved == {"why": 2}
    assert breaches(lock, now) == []


def test_a_lock_is_read_as_it_was_written(tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("lock") / "surfaces.lock"
    lock = merged(fresh(shop()), after(with_field("Thing", "name", None), with_words("red", "green")))

    assert read(file) is None
    file.write_text(written(lock))
    assert read(file) == lock
    file.write_text(written(lock).replace('"service"', '"servant"'))
    with pytest.raises(BadLock, match=r"surfaces\.lock is no lock"):
        read(file)
