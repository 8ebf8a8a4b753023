"""Who may do what with customers, and which of them they see.

A record is seen by its owner, by whoever covers its territory (or one above it), by whoever made it while nobody owns it, and by its team:
managers see all records of the team, representatives those that nobody owns yet. What hangs on a record (quotes, calls …) is seen with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from nexus.core import ColumnElement, Entity, Me, aliased, and_, exists, literal, or_, role, select
from nexus.services.crm.entities import (
    Account,
    AccountContact,
    Activity,
    CallLog,
    Contact,
    ConversionRecord,
    Deal,
    Lead,
    Owned,
    Quota,
    Quote,
    ResponseClock,
    StageChange,
    Territory,
)

Seen: TypeAlias = ColumnElement[bool]
Condition: TypeAlias = Callable[[type[Me]], Seen]


def _covered(kind: type[Owned], me: type[Me]) -> Seen:
    """The record's territory is the caller's, or below it."""
    here, mine = aliased(Territory), aliased(Territory)
    below = select(here.id).join(mine, here.lineage.startswith(mine.lineage)).where(me.covers(mine.id))
    return kind.territory_id.in_(below)


def _unowned(kind: type[Owned], me: type[Me]) -> Seen:
    """Nobody is responsible yet, and the caller made it or is in its team."""
    return and_(kind.owner_id.is_(None), or_(kind.created_by == me.id, me.leads(kind.team_id)))


def _managed(kind: type[Owned]) -> Condition:
    return lambda me: or_(kind.owner_id == me.id, me.leads(kind.team_id), _unowned(kind, me), _covered(kind, me))


def _worked(kind: type[Owned]) -> Condition:
    return lambda me: or_(kind.owner_id == me.id, _unowned(kind, me), _covered(kind, me))


def _hanging(see: Callable[[type[Owned]], Condition]) -> dict[type[Entity], Condition]:
    """What hangs on leads, deals, accounts and contacts, seen where those are."""

    def with_(kind: type[Owned], id: Any) -> Condition:
        def condition(me: type[Me]) -> Seen:
            holder = aliased(kind)
            return exists(select(literal(1)).select_from(holder).where(holder.id == id, see(holder)(me)))

        return condition

    def any_of(*conditions: Condition) -> Condition:
        return lambda me: or_(*[condition(me) for condition in conditions])

    return {
        Quote: with_(Deal, Quote.deal_id),
        StageChange: with_(Deal, StageChange.deal_id),
        AccountContact: any_of(with_(Account, AccountContact.account_id), with_(Contact, AccountContact.contact_id)),
        ConversionRecord: with_(Lead, ConversionRecord.lead_id),
        ResponseClock: any_of(with_(Lead, ResponseClock.lead_id), with_(Deal, ResponseClock.deal_id)),
        CallLog: any_of(
            lambda me: CallLog.owner_id == me.id,
            with_(Lead, CallLog.lead_id),
            with_(Contact, CallLog.contact_id),
        ),
        Activity: any_of(
            lambda me: or_(Activity.owner_id == me.id, Activity.created_by == me.id),
            with_(Lead, Activity.lead_id),
            with_(Deal, Activity.deal_id),
            with_(Account, Activity.account_id),
            with_(Contact, Activity.contact_id),
        ),
    }


def _sees(see: Callable[[type[Owned]], Condition]) -> dict[type[Entity], Condition]:
    return {kind: see(kind) for kind in (Account, Contact, Lead, Deal)} | _hanging(see)


_SETTINGS = (
    "pipeline",
    "deal_stage",
    "lost_reason",
    "lead_source",
    "assignment_rule",
    "scoring_rule",
    "score_frequency",
    "response_policy",
    "business_calendar",
    "territory",
    "competitor",
)
_RECORDS = ("lead", "deal", "account", "contact", "account_contact", "activity", "quote", "call_log")
_TRACES = ("stage_change", "response_clock", "conversion_record")
_SECRETS: dict[type[Entity], frozenset[str]] = {ConversionRecord: frozenset({"before"})}


def _may(verbs: Iterable[str], entities: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"crm.{entity}:{verb}" for entity in entities for verb in verbs)


admin = role("crm.admin", "Sales administrator", "crm.*:*")

manager = role(
    "crm.manager",
    "Sales manager",
    *_may(["*"], [*_RECORDS, "quota", "competitor"]),
    *_may(["read"], [*_SETTINGS, *_TRACES]),
    sees=_sees(_managed),
    hides=_SECRETS,
)

representative = role(
    "crm.rep",
    "Sales representative",
    *_may(["read", "create", "update", "assign"], ["lead", "deal", "account", "contact"]),
    *_may(["contact", "nurture", "qualify", "convert", "unconvert", "disqualify", "recycle"], ["lead"]),
    *_may(["move_stage", "win", "lose", "reopen", "set_lines"], ["deal"]),
    *_may(["change_consent"], ["contact"]),
    *_may(["*"], ["account_contact", "activity", "quote", "call_log"]),
    *_may(["read"], [*_SETTINGS, *_TRACES, "quota"]),
    sees={**_sees(_worked), Quota: lambda me: Quota.owner_id == me.id},
    hides={**_SECRETS, Account: frozenset({"tax_id", "annual_revenue"})},
)

viewer = role(
    "crm.viewer",
    "Reader of sales",
    *_may(["read"], [*_SETTINGS, *_TRACES, *_RECORDS, "quota"]),
    hides={
        **_SECRETS,
        Account: frozenset({"tax_id", "annual_revenue", "phone", "street", "postal_code"}),
        Contact: frozenset({"email", "more_emails", "phone", "more_phones"}),
        Lead: frozenset({"email", "phone", "message"}),
        Activity: frozenset({"body", "attendees"}),
        CallLog: frozenset({"from_number", "to_number", "recording_url"}),
    },
)
