"""The other words of the core: ids, problems, flows, messages, tokens, permissions, and the order of services."""

import enum
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, ClassVar
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.core import Command, Event, FieldError, Flow, IllegalMove, Invalid, Move, Problem, handles, on
from nexus.core.entity import Entity, snake
from nexus.core.flow import FLOWS
from nexus.core.ids import uuid7
from nexus.core.message import HANDLERS, REACTIONS
from nexus.core.policy import matches
from nexus.core.problem import AlreadyExists, NotFound
from nexus.core.service import installed
from nexus.core.tokens import Token, is_operator_key, new_operator_key, new_token, operator_hash, read_token


def test_ids_grow_strictly_and_say_when_they_were_made() -> None:
    before = time.time_ns() // 1_000_000
    ids = [uuid7() for _ in range(20_000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)
    assert {(id.version, id.variant) for id in ids} == {(7, "specified in RFC 4122")}
    assert before <= ids[0].int >> 80 <= ids[-1].int >> 80 <= time.time_ns() // 1_000_000 + 10


def test_ids_of_several_threads_are_unique_and_grow_in_each() -> None:
    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda _: [uuid7() for _ in range(2_000)], range(8)))
    assert all(run == sorted(run) for run in runs)
    assert len({id for run in runs for id in run}) == 16_000


def test_ids_grow_while_the_clock_stands_still_or_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    first, now = uuid7(), time.time_ns()
    for moment in (now, now, now - 10**12):
        monkeypatch.setattr("nexus.core.ids.time.time_ns", lambda moment=moment: moment)
        first, before = uuid7(), first
        assert first > before


class OutOfStock(Problem, status=409):
    """There are only {left} of {what} left.

    Not shown.
    """

    left: int
    what: str


def test_a_problem_is_its_sentence_with_the_facts_in_it() -> None:
    problem = OutOfStock(left=2, what="bread")
    assert str(problem) == problem.detail == "There are only 2 of bread left."
    assert problem.body() == {
        "type": "/problems/out-of-stock",
        "title": "Out of stock",
        "status": 409,
        "detail": "There are only 2 of bread left.",
        "left": 2,
        "what": "bread",
    }


@given(st.text(), st.text())
def test_a_fact_is_text_and_never_a_template(kind: str, id: str) -> None:
    assert " ".join(f"There is no {kind} {id} here.".split()) == NotFound(kind=kind, id=id).detail


def test_an_invalid_request_names_the_first_field_and_counts_the_others() -> None:
    many = Invalid.of(FieldError("a", "is required"), FieldError("b", "is too long"), FieldError("c", "x"))
    assert many.detail == "a: is required (and 2 more)"
    assert msgspec.json.decode(msgspec.json.encode(many.body()))["errors"][1] == {"field": "b", "message": "is too long"}
    assert Invalid.of(FieldError("", "is no object")).detail == "is no object"
    assert "reason" not in AlreadyExists(kind="team", field="key", reason="").body()


class Light(enum.StrEnum):
    """States of a lamp."""

    OFF = "off"
    ON = "on"
    BROKEN = "broken"


def test_a_flow_moves_only_along_its_arrows() -> None:
    column: Any = SimpleNamespace(key="light")
    flow = Flow(column, Move("switch_on", [Light.OFF], Light.ON), Move("drop", [Light.OFF, Light.ON], Light.BROKEN))
    FLOWS.remove(flow)
    lamp = SimpleNamespace(light=Light.OFF)

    assert [name for name in flow.moves if flow.allows(lamp, name)] == ["switch_on", "drop"]
    flow.go(lamp, "switch_on")
    assert lamp.light is Light.ON
    with pytest.raises(IllegalMove, match="SimpleNamespace is on: it cannot switch_on") as refused:
        flow.go(lamp, "switch_on")
    assert (refused.value.status, lamp.light) == (409, Light.ON)


class LampBroken(Event, frozen=True, kw_only=True):
    """A lamp has broken."""

    topic: ClassVar[str] = "house.lamp.broken"
    by_id: UUID
    lamp_id: UUID


class DropLamp(Command[LampBroken], frozen=True, kw_only=True):
    """Drop a lamp."""

    lamp_id: UUID


def test_an_event_is_about_the_entity_of_its_topic() -> None:
    lamp = uuid4()
    assert LampBroken(by_id=uuid4(), lamp_id=lamp).subject == lamp
    assert DropLamp.answer_type() is LampBroken


def test_a_message_refuses_what_it_does_not_know() -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown field `colour`"):
        msgspec.json.decode(b'{"lamp_id":"%s","colour":"red"}' % str(uuid4()).encode(), type=DropLamp)
    with pytest.raises(AttributeError):
        DropLamp(lamp_id=uuid4()).lamp_id = uuid4()  # type: ignore[misc]


def test_a_handler_must_take_its_command_and_be_the_only_one() -> None:
    async def other(cmd: LampBroken, tx: Any) -> LampBroken:
        return cmd

    async def drop(cmd: DropLamp, tx: Any) -> LampBroken:
        return LampBroken(by_id=cmd.lamp_id, lamp_id=cmd.lamp_id)

    with pytest.raises(TypeError, match="cannot handle DropLamp"):
        handles(DropLamp, needs="house.lamp:drop")(other)  # type: ignore[arg-type]
    try:
        handles(DropLamp, needs="house.lamp:drop")(drop)
        assert (HANDLERS[DropLamp].entity, HANDLERS[DropLamp].verb, HANDLERS[DropLamp].target_field) == ("house.lamp", "drop", "lamp_id")
        with pytest.raises(TypeError, match="cannot handle DropLamp"):
            handles(DropLamp, needs="house.lamp:drop")(drop)
        with pytest.raises(TypeError, match="does not take LampBroken"):
            on(LampBroken)(drop)  # type: ignore[arg-type]
    finally:
        HANDLERS.pop(DropLamp, None)
        REACTIONS.pop(LampBroken.topic, None)


@given(st.uuids(), st.uuids())
def test_a_token_is_read_as_it_was_written_and_keeps_its_secret(tenant: UUID, key: UUID) -> None:
    token = new_token(tenant, key)
    assert read_token(str(token)) == token
    assert token.secret not in repr(token)
    assert (len(token.hash), token.prefix) == (64, token.secret[:6])
    assert Token(tenant, key, token.secret[:-1] + ("A" if token.secret[-1] != "A" else "B")).hash != token.hash


@given(st.text())
def test_what_has_not_the_form_of_a_token_is_none(text: str) -> None:
    assert read_token(text) is None
    assert not is_operator_key(text)


def test_tokens_are_never_alike() -> None:
    assert len({new_token(uuid7(), uuid7()).secret for _ in range(1_000)}) == 1_000
    key = new_operator_key()
    assert is_operator_key(key)
    assert not is_operator_key(key + "\n")
    assert operator_hash(key) != operator_hash(new_operator_key())


@pytest.mark.parametrize(
    ("pattern", "permission", "covers"),
    [
        ("*", "crm.lead:convert", True),
        ("crm.lead:*", "crm.lead:convert", True),
        ("crm.lead:convert", "crm.lead:convert", True),
        ("crm.lead:convert", "crm.lead:read", False),
        ("crm.lead:*", "crm.lead_source:read", False),
        ("crm.*:read", "crm.lead:read", True),
        ("crm.*:read", "crm.lead:create", False),
        ("crm.*:*", "crmx.lead:read", False),
        ("*:read", "auth.user:read", True),
        ("", "crm.lead:read", False),
        ("crm.lead", "crm.lead:read", False),
    ],
)
def test_a_pattern_covers_what_it_says(pattern: str, permission: str, covers: bool) -> None:
    assert matches(pattern, permission) is covers


@pytest.mark.parametrize(("name", "words"), [("Lead", "lead"), ("LostReason", "lost_reason"), ("ApiKey", "api_key"), ("A1B", "a1_b")])
def test_class_names_become_words(name: str, words: str) -> None:
    assert snake(name) == words


def test_services_and_tables_stand_after_what_they_need() -> None:
    services = installed()
    names = list(services)
    for service in services.values():
        assert all(names.index(need) < names.index(service.name) for need in service.needs)
        tables = [entity.__tablename__ for entity in service.entities()]
        assert all(name.startswith(f"{service.name}_") for name in tables)
        for place, entity in enumerate(service.entities()):
            for column in entity.__table__.columns:
                known = column.info["nexus"]
                target = (known.refers_to or "").replace(".", "_")
                if known.of != "NOTHING" and target in tables and target != entity.__tablename__:
                    assert tables.index(target) < place, (entity, column)
    assert len({entity.path() + entity.service() for service in services.values() for entity in service.entities()}) == sum(
        len(service.entities()) for service in services.values()
    )


def test_everything_that_is_shown_has_a_sentence() -> None:
    services = installed().values()
    shown: list[type[Any]] = [entity for service in services for entity in service.entities()]
    shown += [handler.command for service in services for handler in service.handlers()]
    shown += [reaction.event for service in services for reaction in service.reactions()]
    shown += [answer.query for service in services for answer in service.answers()]
    assert [one for one in shown if not (vars(one).get("__doc__") or "").strip().split("\n\n")[0].rstrip().endswith(".")] == []
    assert issubclass(shown[0], Entity)
