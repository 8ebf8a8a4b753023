"""Working time against a slow reference that looks at every minute."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexus.core import Invalid
from nexus.services.crm.rules.working_time import NeverOpen, WorkingTime
from nexus.services.crm.terms import Holiday, OpenHours

MINUTE = dt.timedelta(minutes=1)
# zones whose clocks change at 2 o'clock, at midnight, by half an hour, not at all, and by a day that never was
ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "Africa/Cairo",
    "Asia/Beirut",
    "Australia/Lord_Howe",
    "Africa/Lagos",
    "Asia/Kolkata",
    "Pacific/Apia",
]


def utc(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC)  # type: ignore[misc, arg-type]


def clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def is_open(zone: ZoneInfo, hours: list[OpenHours], closed: set[dt.date], at: dt.datetime) -> bool:
    here = at.astimezone(zone)
    now = clock(here.hour * 60 + here.minute)
    return here.date() not in closed and any(one.weekday == here.weekday() and one.start <= now < one.end for one in hours)


@st.composite
def weeks(draw: st.DrawFn) -> list[OpenHours]:
    spans: list[OpenHours] = []
    for _ in range(draw(st.integers(1, 8))):
        start = draw(st.integers(0, 1439))
        end = draw(st.integers(start + 1, 1440))
        spans.append(OpenHours(weekday=draw(st.integers(0, 6)), start=clock(start), end=clock(end)))
    return spans


# days around which the clocks of those zones change, and others
DAYS = st.sampled_from(
    [utc(2026, 3, 28), utc(2026, 10, 24), utc(2026, 3, 7), utc(2026, 10, 31), utc(2026, 4, 23), utc(2026, 4, 4), utc(2011, 12, 29)]
)


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(ZONES), weeks(), st.sets(st.integers(0, 4), max_size=2), DAYS, st.integers(0, 2 * 1440), st.integers(0, 3 * 1440))
def test_open_time_between_two_moments_is_the_open_minutes_between_them(
    name: str, hours: list[OpenHours], off: set[int], day: dt.datetime, offset: int, length: int
) -> None:
    zone, start = ZoneInfo(name), day + offset * MINUTE
    closed = {(day + dt.timedelta(days=one)).date() for one in off}
    time = WorkingTime(name, hours, [Holiday(day=one, name="off") for one in closed])

    slow = sum(is_open(zone, hours, closed, start + minute * MINUTE) for minute in range(length))

    assert time.seconds(start, start + length * MINUTE) == slow * 60


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(ZONES), weeks(), DAYS, st.integers(0, 2 * 1440), st.integers(1, 600))
def test_due_is_the_first_moment_at_which_enough_open_minutes_have_passed(
    name: str, hours: list[OpenHours], day: dt.datetime, offset: int, minutes: int
) -> None:
    zone, start = ZoneInfo(name), day + offset * MINUTE

    due = WorkingTime(name, hours).due(start, minutes * 60)

    passed, at = 0, start
    while passed < minutes:
        passed += is_open(zone, hours, set(), at)
        at += MINUTE
    assert due == at


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(ZONES), weeks(), DAYS, st.integers(0, 3 * 86_400), st.integers(0, 30_000))
def test_due_and_seconds_are_each_others_inverse(name: str, hours: list[OpenHours], day: dt.datetime, offset: int, seconds: int) -> None:
    time, start = WorkingTime(name, hours), day + dt.timedelta(seconds=offset)

    due = time.due(start, seconds)

    assert time.seconds(start, due) == seconds
    assert seconds == 0 or time.seconds(start, due - dt.timedelta(microseconds=1)) == seconds - 1


OFFICE = [OpenHours(weekday=day, start=start, end=end) for day in range(5) for start, end in (("09:00", "13:00"), ("14:00", "17:00"))]


def test_lunch_nights_weekends_and_holidays_do_not_count() -> None:
    lagos = WorkingTime("Africa/Lagos", OFFICE, [Holiday(day=dt.date(2026, 6, 12), name="Democracy Day")])

    # Thursday 16:30 in Lagos (UTC+1): half an hour today, Friday is a holiday, the rest on Monday before and after lunch
    assert lagos.due(utc(2026, 6, 11, 15, 30), 5 * 3600) == utc(2026, 6, 15, 13, 30)
    assert lagos.seconds(utc(2026, 6, 11, 15, 30), utc(2026, 6, 15, 13, 30)) == 5 * 3600


def test_the_night_in_which_the_clocks_go_forward_is_an_hour_shorter() -> None:
    berlin = WorkingTime("Europe/Berlin", [OpenHours(weekday=day, start="00:00", end="24:00") for day in range(7)])

    assert berlin.seconds(utc(2026, 3, 28, 23), utc(2026, 3, 29, 22)) == 23 * 3600  # the whole local Sunday
    assert berlin.due(utc(2026, 3, 28, 23), 23 * 3600) == utc(2026, 3, 29, 22)


def test_a_calendar_without_hours_is_refused() -> None:
    with pytest.raises(NeverOpen):
        WorkingTime("Africa/Lagos", []).due(utc(2026, 1, 1), 60)
    with pytest.raises(Invalid, match="'Lagos' is not a time zone"):
        WorkingTime("Lagos", OFFICE)
    with pytest.raises(ValueError, match="end is after start"):
        OpenHours(weekday=0, start="17:00", end="09:00")


def test_what_is_due_in_ten_years_is_never_due() -> None:
    """A minute a week, and a year of minutes: it is found out at once, not by looking at every day until the end of time."""
    seldom = WorkingTime("Africa/Lagos", [OpenHours(weekday=0, start="09:00", end="09:01")])
    assert seldom.due(dt.datetime(2026, 6, 1, tzinfo=dt.UTC), 500 * 60) > dt.datetime(2035, 1, 1, tzinfo=dt.UTC)
    with pytest.raises(NeverOpen):
        seldom.due(dt.datetime(2026, 6, 1, tzinfo=dt.UTC), 525_600 * 60)
