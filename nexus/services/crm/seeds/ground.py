"""The ground of a new business: pipelines, sources, reasons, territories, scoring rules, calendars, promises and competitors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias
from uuid import UUID

from nexus.core import Tx
from nexus.services.crm.entities import (
    BusinessCalendar,
    Competitor,
    DealStage,
    LeadSource,
    LostReason,
    Pipeline,
    ResponsePolicy,
    ScoringRule,
    Territory,
)
from nexus.services.crm.terms import Condition, Holiday, OpenHours, Operator, Priority, SourceChannel, StageType

Seeds: TypeAlias = dict[str, Any]
"""A part of a preset as plain values."""

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True)
class Ground:
    """What was planted, by its key."""

    stages: dict[str, list[DealStage]] = field(default_factory=dict[str, list[DealStage]])
    """The stages of each pipeline, in order."""
    sources: dict[str, UUID] = field(default_factory=dict[str, UUID])
    lost_reasons: dict[str, UUID] = field(default_factory=dict[str, UUID])
    territories: dict[str, Territory] = field(default_factory=dict[str, Territory])
    calendars: dict[str, UUID] = field(default_factory=dict[str, UUID])


def lay_ground(seeds: Seeds, tx: Tx) -> Ground:
    """Plant everything but sample data, in the order written. The default pipeline comes first."""
    ground = Ground()
    for position, given in enumerate(sorted(seeds["pipelines"], key=lambda one: not one["default"])):
        ground.stages[given["key"]] = _pipeline(given, position, tx)
    for at, source in enumerate(seeds["sources"]):
        made = LeadSource(key=source["key"], name=source["name"], channel=SourceChannel(source["channel"]), position=at)
        ground.sources[source["key"]] = tx.add(made).id
    for at, reason in enumerate(seeds["lost_reasons"]):
        ground.lost_reasons[reason["key"]] = tx.add(LostReason(key=reason["key"], name=reason["name"], position=at)).id
    _territories(seeds.get("territories", ()), ground, tx)
    for rule in seeds.get("scoring_rules", ()):
        condition = Condition(field=rule["field"], op=Operator(rule["op"]), value=_value(rule["value"]))
        tx.add(ScoringRule(key=rule["key"], name=rule["reason"], conditions=[condition], points=rule["points"]))
    for calendar in seeds.get("calendars", ()):
        ground.calendars[calendar["key"]] = _calendar(calendar, seeds, tx)
    _policies(seeds.get("response_policies", ()), ground, tx)
    for competitor in seeds.get("competitors", ()):
        tx.add(Competitor(name=competitor["name"]))
    return ground


def _pipeline(given: Seeds, position: int, tx: Tx) -> list[DealStage]:
    pipeline = tx.add(Pipeline(key=given["key"], name=given["name"], position=position))
    return [
        tx.add(
            DealStage(
                pipeline_id=pipeline.id,
                key=stage["key"],
                name=stage["name"],
                position=at,
                type=StageType(stage["type"]),
                probability=stage["probability"],
                rotting_days=stage["rotting_days"],
                required_fields=list(stage["required_fields"]),
            )
        )
        for at, stage in enumerate(given["stages"])
    ]


def _territories(given: Any, ground: Ground, tx: Tx) -> None:
    """A tree by `parent`, whatever the order it is written in."""
    by_key = {one["key"]: one for one in given}

    def planted(key: str) -> Territory:
        if key not in ground.territories:
            one = by_key[key]
            parent = planted(one["parent"]) if one["parent"] else None
            made = Territory(key=key, name=one["name"], parent_id=parent.id if parent else None, lineage="")
            made.lineage = f"{parent.lineage if parent else ''}{made.id}/"
            ground.territories[key] = tx.add(made)
        return ground.territories[key]

    for key in by_key:
        planted(key)


def _value(value: Any) -> str | list[str] | None:
    return value if value is None or isinstance(value, str) else [str(one) for one in value]


def _calendar(given: Seeds, seeds: Seeds, tx: Tx) -> UUID:
    hours: list[OpenHours] = []
    for weekday, day in enumerate(_DAYS):
        spans = str(given["hours"].get(day, "closed"))
        for span in [] if spans == "closed" else spans.split(", "):
            start, end = span.split("-")
            hours.append(OpenHours(weekday=weekday, start=start, end=end))
    holidays = [Holiday.of(one) for one in seeds.get("holidays", ())] if given["holidays"] else []
    made = BusinessCalendar(key=given["key"], name=given["name"], time_zone=seeds["time_zone"], hours=hours, holidays=holidays)
    return tx.add(made).id


def _policies(given: Any, ground: Ground, tx: Tx) -> None:
    """Policies for some sources stand before those for all, which would else hide them."""
    for position, policy in enumerate(sorted(given, key=lambda one: not one["sources"])):
        only = [Condition(field="source", op=Operator.IN, value=list(policy["sources"]))] if policy["sources"] else []
        tx.add(
            ResponsePolicy(
                key=policy["key"],
                name=policy["name"],
                applies_to=policy["applies_to"],
                position=position,
                conditions=only,
                calendar_id=ground.calendars[policy["calendar"]],
                first_response_minutes={Priority(name): minutes for name, minutes in policy["first_response_minutes"].items()},
            )
        )
