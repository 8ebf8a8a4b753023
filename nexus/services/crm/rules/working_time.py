"""Working time: when something is due, and how long it took, counting only the hours in which people are there.

Open hours are what the wall clock of the place shows. On the day the clocks go forward an hour of them may be missing, on the day they go back an
hour may count twice, exactly as people work it. Instants are UTC; lengths are in seconds.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from nexus.core import FieldError, Invalid, Problem
from nexus.services.crm.terms import Holiday, OpenHours

_DAY = dt.timedelta(days=1)
_SECOND = dt.timedelta(seconds=1)
_INSTANT = dt.timedelta(microseconds=1)
_SEARCHED = 400
"""Days without an open hour after which nothing will ever be due."""

_FARTHEST = 3660
"""Days after which nothing is due, however little people are there: looking further would keep everybody else waiting."""

Span = tuple[dt.datetime, dt.datetime]


class NeverOpen(Problem, status=422):
    """The business calendar has no open hours, or so few that nothing is due by it within ten years."""


class WorkingTime:
    """A business calendar ready to count with. Invalid (422) where the time zone is not one of the IANA database."""

    def __init__(self, time_zone: str, hours: Iterable[OpenHours], holidays: Iterable[Holiday] = ()) -> None:
        try:
            self._zone = ZoneInfo(time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise Invalid.of(FieldError("time_zone", f"{time_zone!r} is not a time zone; write it as Africa/Lagos")) from None
        self._closed = frozenset(holiday.day for holiday in holidays)
        self._week: dict[int, list[tuple[dt.timedelta, dt.timedelta]]] = defaultdict(list)
        for one in hours:
            self._week[one.weekday].append((_clock(one.start), _clock(one.end)))
        for weekday, spans in self._week.items():
            self._week[weekday] = _joined(spans)

    def due(self, start: dt.datetime, seconds: int) -> dt.datetime:
        """The first moment by which `seconds` of open time have passed since `start`; NeverOpen (422) where that never comes."""
        missing = seconds * _SECOND
        if not missing:
            return start
        chunk, idle = start.astimezone(dt.UTC), 0
        for _ in range(_FARTHEST):
            if idle == _SEARCHED:
                break
            idle += 1
            for opens, closes in self.open(chunk, chunk + _DAY):
                if closes - opens >= missing:
                    return opens + missing
                missing -= closes - opens
                idle = 0
            chunk += _DAY
        raise NeverOpen()

    def seconds(self, start: dt.datetime, end: dt.datetime) -> int:
        """Whole seconds of open time between two moments; 0 where `end` is not after `start`."""
        spans = self.open(start.astimezone(dt.UTC), end.astimezone(dt.UTC))
        return sum((closes - opens for opens, closes in spans), dt.timedelta()) // _SECOND

    def open(self, start: dt.datetime, end: dt.datetime) -> Iterator[Span]:
        """The open spans between two moments, in order and without overlap."""
        for first, last in self._steady(start, end):
            offset = self._offset(first)
            local_end = _local(last, offset)
            day = _local(first, offset).date()
            while (midnight := dt.datetime.combine(day, dt.time())) < local_end:
                if day not in self._closed:
                    for opens, closes in self._week.get(day.weekday(), ()):
                        span = max(first, _utc(midnight + opens, offset)), min(last, _utc(midnight + closes, offset))
                        if span[0] < span[1]:
                            yield span
                day += _DAY

    def _steady(self, start: dt.datetime, end: dt.datetime) -> Iterator[Span]:
        """The time between two moments, cut where the clocks change."""
        while start < end:
            stop = min(start + _DAY, end)
            if self._offset(start) != self._offset(stop - _INSTANT):
                stop = self._change(start, stop - _INSTANT)
            yield start, stop
            start = stop

    def _change(self, before: dt.datetime, after: dt.datetime) -> dt.datetime:
        """The second at which the clocks change, by halving."""
        low, high, offset = int(before.timestamp()), int(after.timestamp()), self._offset(before)
        while high - low > 1:
            middle = (low + high) // 2
            if self._offset(dt.datetime.fromtimestamp(middle, dt.UTC)) == offset:
                low = middle
            else:
                high = middle
        return dt.datetime.fromtimestamp(high, dt.UTC)

    def _offset(self, at: dt.datetime) -> dt.timedelta:
        return at.astimezone(self._zone).utcoffset() or dt.timedelta()


def _local(at: dt.datetime, offset: dt.timedelta) -> dt.datetime:
    return at.replace(tzinfo=None) + offset


def _utc(local: dt.datetime, offset: dt.timedelta) -> dt.datetime:
    return (local - offset).replace(tzinfo=dt.UTC)


def _clock(text: str) -> dt.timedelta:
    hour, minute = text.split(":")
    return dt.timedelta(hours=int(hour), minutes=int(minute))


def _joined(spans: list[tuple[dt.timedelta, dt.timedelta]]) -> list[tuple[dt.timedelta, dt.timedelta]]:
    """Spans of one day in order, those that touch or overlap made one."""
    joined: list[tuple[dt.timedelta, dt.timedelta]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined
