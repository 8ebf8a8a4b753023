"""The scorecard: how promising a lead is, as points that add up.

Experience is naive Bayes over how many leads of a team were won and lost, in all and with each value of each field, smoothed by 0.1 (as Odoo's
predictive lead scoring does). Its logarithms are scaled as credit scorecards are: 50 is an even chance and every 10 points double the odds, so
each value's evidence is a number of points of its own, and the explanation adds up to the score by construction. Points of rules come on top.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final
from uuid import UUID

from nexus.core import Value
from nexus.services.crm.entities import ScoreFrequency
from nexus.services.crm.rules.conditions import Known, holds
from nexus.services.crm.terms import Condition, ScoreReason, WonLost

EVEN: Final = 50
"""The score of a lead of which nothing is known, where as many were won as lost."""
DOUBLE: Final = 10
"""Points that double the odds."""
SMOOTHING: Final = 0.1
LEARNED_FROM: Final = ("source", "industry", "employees_band", "country", "language", "utm_source", "utm_medium")
_THERE: Final = ("email", "phone", "company", "message")
MOST_VALUES: Final = 200
"""Different values of one field that are counted. What comes with a link (utm_source) is anybody's to choose and must not grow without end."""


class Rule(Value, frozen=True, kw_only=True):
    """A scoring rule in force."""

    id: UUID
    name: str
    points: int
    conditions: list[Condition]


class Experience(Value, frozen=True, kw_only=True):
    """How many leads of a team were won and lost, in all and with each value of each field."""

    team_id: UUID | None
    total: WonLost
    values: dict[str, dict[str, WonLost]]


def features_of(known: Known) -> dict[str, str]:
    """What experience is kept of: some fields by their value, others by whether they are there."""
    said = {name: known[name] for name in LEARNED_FROM if name in known}
    return said | {name: "given" if name in known else "missing" for name in _THERE}


def probability(score: int) -> float:
    """The chance of winning that a score stands for, from 0 to 1."""
    return 1 / (1 + 2 ** ((EVEN - score) / DOUBLE))


def explained(known: Known, rules: Iterable[Rule], experience: Experience | None) -> list[ScoreReason]:
    """The lines of a score. Their points add up to it exactly."""
    lines = [ScoreReason(points=EVEN, reason="start")]
    if experience is not None and experience.total.won + experience.total.lost:
        total = experience.total
        lines.append(ScoreReason(points=_points(total.won, total.lost), reason=f"{total.won} won, {total.lost} lost so far"))
        lines += _evidence(features_of(known), experience.values, total)
    lines += [ScoreReason(points=rule.points, reason=rule.name) for rule in rules if holds(rule.conditions, known)]
    return [line for line in lines if line.points]


def _evidence(features: Mapping[str, str], values: Mapping[str, Mapping[str, WonLost]], total: WonLost) -> Iterable[ScoreReason]:
    for field, value in features.items():
        counts = values.get(field, {})
        seen = counts.get(value)
        if seen is None:  # never met before: it says nothing
            continue
        room = SMOOTHING * len(counts)
        won = (seen.won + SMOOTHING) / (total.won + room)
        lost = (seen.lost + SMOOTHING) / (total.lost + room)
        yield ScoreReason(points=round(DOUBLE * math.log2(won / lost)), reason=f"{field}={value}")


def _points(won: int, lost: int) -> int:
    return round(DOUBLE * math.log2((won + SMOOTHING) / (lost + SMOOTHING)))


def countable(features: Mapping[str, str], values: Mapping[str, Mapping[str, WonLost]]) -> dict[str, str]:
    """The features that are counted: those whose field has room for another value, or has this one."""
    return {field: value for field, value in features.items() if value in (counts := values.get(field, {})) or len(counts) < MOST_VALUES}


def learn(experience: ScoreFrequency, features: Mapping[str, str], *, won: bool, by: int) -> None:
    """Count one lead more (`by` 1) or take it back (`by` -1). What nobody is counted for any more is forgotten."""
    experience.total = _counted(experience.total, won, by)
    values = {field: dict(counts) for field, counts in experience.values.items()}
    for field, value in features.items():
        counts = values.setdefault(field, {})
        counts[value] = _counted(counts.get(value, WonLost()), won, by)
        if counts[value] == WonLost():
            del counts[value]
        if not counts:
            del values[field]
    experience.values = values


def _counted(count: WonLost, won: bool, by: int) -> WonLost:
    return WonLost(won=count.won + by, lost=count.lost) if won else WonLost(won=count.won, lost=count.lost + by)
