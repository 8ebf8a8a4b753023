"""Whole clocks against a slow reference that looks at every minute."""

from __future__ import annotations

import datetime as dt
from typing import Any, cast
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from nexus.core import Event, Tx, uuid7
from nexus.services.crm.api import FirstResponseBreached
from nexus.services.crm.entities import ResponseClock
from nexus.services.crm.rules.clocks import Promise, passed
from nexus.services.crm.terms import ClockStatus, Direction, Exchange, Holiday, OpenHours, Priority
from nexus.services.crm.tests.test_working_time import DAYS, MINUTE, ZONES, is_open, weeks

IN, OUT = Direction.INBOUND, Direction.OUTBOUND


class Told:
    """Stands for the unit of work where nothing is kept: it remembers what was told."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def emit(self, event: Event) -> Event:
        self.events.append(event)
        return event


class Slow:
    """Counts open minutes one by one."""

    def __init__(self, zone: str, hours: list[OpenHours], off: set[dt.date]) -> None:
        self._zone, self._hours, self._off = ZoneInfo(zone), hours, off

    def minutes(self, start: dt.datetime, end: dt.datetime) -> int:
        return sum(is_open(self._zone, self._hours, self._off, start + n * MINUTE) for n in range(max(0, (end - start) // MINUTE)))

    def due(self, start: dt.datetime, minutes: int) -> dt.datetime:
        at = start
        while minutes:
            minutes -= is_open(self._zone, self._hours, self._off, at)
            at += MINUTE
        return at


MESSAGES = st.lists(st.tuples(st.integers(-60, 4 * 1440), st.sampled_from([IN, OUT])), max_size=8, unique_by=lambda one: one[0])


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(ZONES),
    weeks(),
    st.sets(st.integers(0, 3), max_size=2),
    DAYS,
    st.integers(0, 1440),
    st.integers(1, 300),
    st.none() | st.integers(1, 120),
    MESSAGES,
)
def test_a_clock_is_what_every_minute_says(
    zone: str,
    hours: list[OpenHours],
    off: set[int],
    day: dt.datetime,
    offset: int,
    first: int,
    rolling: int | None,
    messages: list[tuple[int, Direction]],
) -> None:
    start, closed = day + offset * MINUTE, {(day + dt.timedelta(days=one)).date() for one in off}
    promise = Promise(
        id=uuid7(),
        conditions=[],
        first_response_minutes={Priority.NORMAL: first},
        rolling_response_minutes=rolling,
        time_zone=zone,
        hours=hours,
        holidays=[Holiday(day=one, name="off") for one in closed],
    )
    clock = ResponseClock(policy_id=promise.id, lead_id=uuid7(), started_at=start, due_at=promise.time().due(start, first * 60))
    slow, told, said = Slow(zone, hours, closed), Told(), sorted((start + at * MINUTE, way) for at, way in messages)

    for at, way in said:
        passed(clock, way, at, None, promise, cast(Tx, told))

    assert clock.due_at == slow.due(start, first)
    answers = [max(at, start) for at, way in said if way is OUT]
    if not answers:
        assert (clock.status, clock.responded_at, clock.exchanges, told.events) == (ClockStatus.RUNNING, None, [], [])
        return
    kept = answers[0] <= clock.due_at
    assert clock.status is (ClockStatus.MET if kept else ClockStatus.LATE)
    assert (clock.responded_at, clock.response_seconds) == (answers[0], slow.minutes(start, answers[0]) * 60)
    assert [type(event) for event in told.events] == ([] if kept else [FirstResponseBreached])
    assert clock.exchanges == slow_exchanges(said, answers[0], rolling, slow)


def slow_exchanges(said: list[tuple[dt.datetime, Direction]], first: dt.datetime, rolling: int | None, slow: Slow) -> list[Exchange]:
    found: list[Exchange] = []
    asked: dt.datetime | None = None
    for at, way in said:
        if at <= first or rolling is None:
            continue
        if way is IN and asked is None:
            asked = at
            found.append(Exchange(asked_at=at, due_at=slow.due(at, rolling)))
        elif way is OUT and asked is not None:
            found[-1] = found[-1].changed(answered_at=at, seconds=slow.minutes(asked, at) * 60)
            asked = None
    return found


@settings(max_examples=60, deadline=None)
@given(
    weeks(), st.integers(1, 500), st.lists(st.integers(0, 3 * 1440), min_size=1, max_size=6, unique=True), st.randoms(use_true_random=False)
)
def test_answers_may_be_noted_in_any_order(hours: list[OpenHours], first: int, answers: list[int], random: Any) -> None:
    start = dt.datetime(2026, 6, 11, 8, tzinfo=dt.UTC)
    promise = Promise(
        id=uuid7(),
        conditions=[],
        first_response_minutes={},
        rolling_response_minutes=60,
        time_zone="Africa/Lagos",
        hours=hours,
        holidays=[],
    )

    def run(order: list[int]) -> ResponseClock:
        clock = ResponseClock(policy_id=promise.id, lead_id=promise.id, started_at=start, due_at=promise.time().due(start, first * 60))
        for at in order:
            passed(clock, OUT, start + at * MINUTE, None, promise, cast(Tx, Told()))
        return clock

    shuffled = list(answers)
    random.shuffle(shuffled)
    one, other = run(sorted(answers)), run(shuffled)
    assert (one.status, one.responded_at, one.response_seconds) == (other.status, other.responded_at, other.response_seconds)
    assert (one.breached_at is None) == (other.breached_at is None) == (one.status is ClockStatus.MET)
