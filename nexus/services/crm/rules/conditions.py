"""Conditions of rules: what an assignment, a scoring rule or a response policy asks of a lead or deal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Final
from uuid import UUID

from nexus.services.crm.entities import Deal, Lead
from nexus.services.crm.terms import Condition, Operator

Known = Mapping[str, str]
"""What is known of a record, by the names that conditions use: a field without a value is not there."""

_LEAD_FIELDS: Final = (
    "email",
    "phone",
    "company",
    "title",
    "industry",
    "employees_band",
    "city",
    "country",
    "language",
    "message",
    "priority",
    "status",
    "utm_source",
    "utm_medium",
    "utm_campaign",
)
_DEAL_FIELDS: Final = ("name", "priority", "amount", "currency", "forecast_category", "next_step")


def known_of(record: Lead | Deal, sources: Mapping[UUID, str]) -> dict[str, str]:
    """What conditions may ask of a record. `sources` gives the key (or name) of a source by its id."""
    fields = _LEAD_FIELDS if isinstance(record, Lead) else _DEAL_FIELDS
    found = {name: str(value) for name in fields if (value := getattr(record, name)) not in (None, "")}
    if record.source_id is not None and record.source_id in sources:
        found["source"] = sources[record.source_id]
    if isinstance(record, Lead):
        if record.consent:
            found["consent"] = "yes"
        if record.estimated_amount is not None:
            found["amount"] = str(record.estimated_amount)
    return found


def holds(conditions: Sequence[Condition], known: Known) -> bool:
    """Whether all conditions are met; no conditions are always met."""
    return all(_OPERATORS[one.op](known.get(one.field), _wanted(one)) for one in conditions)


def _wanted(condition: Condition) -> list[str]:
    if condition.value is None:
        return []
    return [condition.value] if isinstance(condition.value, str) else condition.value


def _contains(value: str | None, wanted: list[str]) -> bool:
    return value is not None and any(one.casefold() in value.casefold() for one in wanted)


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _compares(value: str | None, wanted: list[str], fits: Callable[[Decimal, Decimal], bool]) -> bool:
    if value is None or len(wanted) != 1:
        return False
    left, right = _number(value), _number(wanted[0])
    return left is not None and right is not None and fits(left, right)


_OPERATORS: Final[dict[Operator, Callable[[str | None, list[str]], bool]]] = {
    Operator.IS: lambda value, wanted: value is not None and value in wanted,
    Operator.IN: lambda value, wanted: value is not None and value in wanted,
    Operator.IS_NOT: lambda value, wanted: value not in wanted,
    Operator.CONTAINS: _contains,
    Operator.PRESENT: lambda value, wanted: value is not None,
    Operator.ABSENT: lambda value, wanted: value is None,
    Operator.AT_LEAST: lambda value, wanted: _compares(value, wanted, lambda left, right: left >= right),
    Operator.AT_MOST: lambda value, wanted: _compares(value, wanted, lambda left, right: left <= right),
}
