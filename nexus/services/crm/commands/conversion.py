"""Converting a lead into a contact, an account and a deal, in one transaction."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

from nexus.core import ColumnElement, Problem, Tx, Value, among, amount, func, handles, not_, select, sql, update
from nexus.services.crm.api import ConvertLead, LeadConverted
from nexus.services.crm.commands.deals import own_rate, told
from nexus.services.crm.entities import Account, AccountContact, Activity, Contact, ConversionRecord, Deal, DealStage, Lead, Pipeline
from nexus.services.crm.flows import lead_flow
from nexus.services.crm.rules.clocks import stop_clocks
from nexus.services.crm.rules.images import image, written
from nexus.services.crm.rules.matching import Party, matching_account, matching_contact
from nexus.services.crm.rules.stages import CLOSING, NoStage
from nexus.services.crm.terms import MovedActivity


class _Stage(Value, frozen=True, kw_only=True):
    id: UUID
    pipeline_id: UUID
    probability: int


class LeadIsArchived(Problem, status=409):
    """The lead is archived: restore it before it is converted."""


class _Row(Value, frozen=True, kw_only=True):
    """What one statement finds: a contact with its main account, an account, a stage, and the activities about the lead."""

    contact: tuple[UUID, UUID | None] | None
    account: UUID | None
    stage: _Stage | None
    activities: list[MovedActivity] | None


@dataclass(slots=True, kw_only=True)
class _Known:
    """What there was before the conversion, and what the conversion adds to it."""

    contact_id: UUID | None
    account_id: UUID | None
    main_account_id: UUID | None
    """The account that the contact mainly belongs to."""
    stage: _Stage | None
    activities: list[MovedActivity]
    has_part: bool = False
    """Whether the contact has a further part at the account."""
    made_account: bool = False
    made_contact: bool = False
    made_role_id: UUID | None = None
    deal_id: UUID | None = None
    made: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    """What is written into the records that are made."""


@handles(ConvertLead, needs="crm.lead:convert")
async def convert_lead(cmd: ConvertLead, tx: Tx) -> LeadConverted:
    lead = await tx.get(Lead, cmd.lead_id, lock=True)
    if lead.archived_at is not None:
        raise LeadIsArchived()
    known = await _known(cmd, lead, tx)
    before = image(lead)
    lead_flow.go(lead, "convert")

    account_id = _account(lead, known, tx)
    contact_id = _contact(lead, known, account_id, tx)
    if cmd.make_deal:
        known.deal_id = _deal(cmd, lead, known, account_id, contact_id, tx)
    lead.converted_at = tx.now
    lead.converted_account_id, lead.converted_contact_id, lead.converted_deal_id = account_id, contact_id, known.deal_id
    _remember(lead, known, before, tx)
    await stop_clocks(lead, tx)
    if known.activities:
        await _take_along(lead, known, tx)
    done = LeadConverted(lead_id=lead.id, contact_id=contact_id, account_id=account_id, deal_id=known.deal_id, campaign_id=lead.campaign_id)
    return tx.emit(done)


async def _known(cmd: ConvertLead, lead: Lead, tx: Tx) -> _Known:
    """Everything that is asked before anything is written, in one statement; what the caller chose is looked up beside it."""
    party = Party(email=lead.email, phone=lead.phone, company=lead.company, website=lead.website) if cmd.match else Party()
    (found,) = await tx.rows(
        select(
            matching_contact(party).label("contact"),
            matching_account(party).label("account"),
            _first_stage(cmd.pipeline_id).label("stage"),
            _activities(lead.id).label("activities"),
        )
    )
    row = _Row.of(found)
    contact_id, main_account_id = row.contact or (None, None)
    known = _Known(
        contact_id=contact_id,
        account_id=main_account_id or row.account,
        main_account_id=main_account_id,
        stage=row.stage,
        activities=row.activities or [],
    )
    await _chosen(cmd, known, tx)
    return known


async def _chosen(cmd: ConvertLead, known: _Known, tx: Tx) -> None:
    """What the caller chose instead of what was found; NotFound (404) where the caller may not see it."""
    if cmd.contact_id is not None:
        contact = await tx.get(Contact, cmd.contact_id)
        known.contact_id, known.main_account_id = contact.id, contact.account_id
        known.account_id = contact.account_id or known.account_id
    if cmd.account_id is not None:
        known.account_id = (await tx.get(Account, cmd.account_id)).id
    if known.contact_id and known.account_id not in (None, known.main_account_id):
        part = AccountContact.account_id == known.account_id, AccountContact.contact_id == known.contact_id
        known.has_part = await tx.find(AccountContact, *part) is not None


def _first_stage(pipeline_id: UUID | None) -> ColumnElement[object]:
    """The first open stage of the pipeline, or of the first pipeline, as JSON."""
    open_stage = not_(among(DealStage.type, list(CLOSING)))
    return (
        select(func.json_build_object("id", DealStage.id, "pipeline_id", Pipeline.id, "probability", DealStage.probability))
        .join(Pipeline, Pipeline.id == DealStage.pipeline_id)
        .where(open_stage, DealStage.archived_at.is_(None), Pipeline.archived_at.is_(None))
        .where(Pipeline.id == pipeline_id if pipeline_id else sql("true"))
        .order_by(Pipeline.position, Pipeline.id, DealStage.position, DealStage.id)
        .limit(1)
        .scalar_subquery()
    )


def _activities(lead_id: UUID) -> ColumnElement[object]:
    parts = ("account_id", Activity.account_id, "contact_id", Activity.contact_id, "deal_id", Activity.deal_id)
    one = func.json_build_object("activity_id", Activity.id, *parts)
    return select(func.json_agg(one)).where(Activity.lead_id == lead_id).scalar_subquery()


def _account(lead: Lead, known: _Known, tx: Tx) -> UUID | None:
    """The account: that of the contact, one found, or a new one where the lead names a company."""
    if known.account_id is not None:
        return known.account_id
    if not lead.company:
        return None
    known.made_account = True
    made = Account(
        name=lead.company,
        domain=Party(email=lead.email, website=lead.website).domain,
        website=lead.website,
        industry=lead.industry,
        employees_band=lead.employees_band,
        city=lead.city,
        country=lead.country,
        owner_id=lead.owner_id,
        team_id=lead.team_id,
        territory_id=lead.territory_id,
    )
    known.made["account"] = written(made)
    return tx.add(made).id


def _contact(lead: Lead, known: _Known, account_id: UUID | None, tx: Tx) -> UUID:
    """The contact: one found, with a further part where it mainly belongs elsewhere, or a new one."""
    if known.contact_id is not None:
        if account_id is not None and account_id != known.main_account_id and not known.has_part:
            known.made_role_id = tx.add(AccountContact(account_id=account_id, contact_id=known.contact_id)).id
        return known.contact_id
    known.made_contact = True
    made = Contact(
        name=lead.name,
        given_name=lead.given_name,
        family_name=lead.family_name,
        email=lead.email,
        phone=lead.phone,
        title=lead.title,
        account_id=account_id,
        city=lead.city,
        country=lead.country,
        language=lead.language,
        owner_id=lead.owner_id,
        team_id=lead.team_id,
        territory_id=lead.territory_id,
    )
    known.made["contact"] = written(made)
    return tx.add(made).id


def _deal(cmd: ConvertLead, lead: Lead, known: _Known, account_id: UUID | None, contact_id: UUID, tx: Tx) -> UUID:
    if known.stage is None:
        raise NoStage()
    currency = cmd.currency or lead.currency or tx.tenant.currency
    worth = cmd.amount if cmd.amount is not None else lead.estimated_amount or Decimal(0)
    deal = Deal(
        name=cmd.deal_name or lead.company or lead.name,
        account_id=account_id,
        contact_id=contact_id,
        pipeline_id=known.stage.pipeline_id,
        stage_id=known.stage.id,
        amount=amount(worth, currency, "amount"),
        currency=currency,
        fx_rate=own_rate(currency, tx),
        probability=known.stage.probability,
        priority=lead.priority,
        source_id=lead.source_id,
        campaign_id=lead.campaign_id,
        lead_id=lead.id,
        owner_id=lead.owner_id or tx.actor.id,
        team_id=lead.team_id,
        territory_id=lead.territory_id,
        opened_at=tx.now,
        stage_entered_at=tx.now,
    )
    known.made["deal"] = written(deal)
    tx.emit(told(tx.add(deal)))
    return deal.id


def _remember(lead: Lead, known: _Known, before: dict[str, object], tx: Tx) -> None:
    tx.add(
        ConversionRecord(
            lead_id=lead.id,
            account_id=lead.converted_account_id,
            contact_id=lead.converted_contact_id,
            deal_id=lead.converted_deal_id,
            made_account=known.made_account,
            made_contact=known.made_contact,
            made_role_id=known.made_role_id,
            before=before,
            made=known.made,
            moved=known.activities,
            converted_at=tx.now,
        )
    )


async def _take_along(lead: Lead, known: _Known, tx: Tx) -> None:
    """What was done about the lead was done about the deal, the contact and the account too."""
    about = update(Activity).where(among(Activity.id, [one.activity_id for one in known.activities]))
    await tx.execute(
        about.values(
            account_id=func.coalesce(Activity.account_id, lead.converted_account_id),
            contact_id=func.coalesce(Activity.contact_id, lead.converted_contact_id),
            deal_id=func.coalesce(Activity.deal_id, lead.converted_deal_id),
            version=Activity.version + 1,
            updated_at=func.now(),
        )
    )
