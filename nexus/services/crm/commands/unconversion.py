"""Undoing a conversion: the lead is what it was, what the conversion made is gone, and what was done meanwhile is about the lead again."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from nexus.core import (
    ColumnElement,
    Entity,
    Mapped,
    Problem,
    Tx,
    among,
    and_,
    case,
    delete,
    func,
    handles,
    literal,
    null,
    or_,
    select,
    sql,
    update,
)
from nexus.services.crm.api import LeadUnconverted, UnconvertLead
from nexus.services.crm.entities import (
    Account,
    AccountContact,
    Activity,
    CallLog,
    Contact,
    ConversionRecord,
    Deal,
    Lead,
    Quote,
    Redirect,
    ResponseClock,
    StageChange,
)
from nexus.services.crm.flows import lead_flow
from nexus.services.crm.rules.clocks import resume_clock
from nexus.services.crm.rules.images import rewritten
from nexus.services.crm.terms import DealStatus


class WorkHasGoneOn(Problem, status=409):
    """The conversion cannot be undone: {because}."""

    because: str


class NotRemembered(Problem, status=409):
    """How this lead was converted is not known here, so it cannot be undone."""


@handles(UnconvertLead, needs="crm.lead:unconvert")
async def unconvert_lead(cmd: UnconvertLead, tx: Tx) -> LeadUnconverted:
    lead = await tx.get(Lead, cmd.lead_id, lock=True)
    if not lead_flow.allows(lead, "unconvert"):
        lead_flow.go(lead, "unconvert")
    record = await tx.find(ConversionRecord, ConversionRecord.lead_id == lead.id, ConversionRecord.undone_at.is_(None), lock=True)
    if record is None:
        raise NotRemembered()
    made = await _made(record, tx)
    await _refuse_where_work_has_gone_on(record, made, tx)

    await _give_back(record, tx)
    await _let_go(record, tx)
    lead_flow.go(lead, "unconvert")
    lead.converted_at = lead.converted_account_id = lead.converted_contact_id = lead.converted_deal_id = None
    record.undone_at = record.archived_at = tx.now
    await resume_clock(lead, tx)
    for one in made.values():  # they go after the lead has let go of them
        tx.remove(one)
    undone = LeadUnconverted(
        lead_id=lead.id,
        contact_id=record.contact_id if record.made_contact else None,
        account_id=record.account_id if record.made_account else None,
        deal_id=record.deal_id,
    )
    return tx.emit(undone)


async def _refuse_where_work_has_gone_on(record: ConversionRecord, made: Mapping[str, Entity], tx: Tx) -> None:
    deal = made.get("deal")
    if isinstance(deal, Deal) and deal.status is not DealStatus.OPEN:
        raise WorkHasGoneOn(because=f"the deal is {deal.status}")
    reasons: list[str] = []
    if asked := _signs_of_work(record):
        (found,) = await tx.rows(select(*[sign.label(f"sign_{n}") for n, (sign, _) in enumerate(asked)]))
        reasons += [sentence for n, (_, sentence) in enumerate(asked) if found[f"sign_{n}"]]
    for name, one in made.items():
        if changed := rewritten(one, record.made.get(name, {})):
            reasons.append(f"of the {name} {', '.join(changed)} changed")
    if reasons:
        raise WorkHasGoneOn(because=", ".join(reasons))


def _any(*where: ColumnElement[bool]) -> ColumnElement[bool]:
    return select(literal(1)).where(*where).exists()


def _signs_of_work(record: ConversionRecord) -> list[tuple[ColumnElement[bool], str]]:
    """What would be lost or left hanging, as conditions on the whole database and the words for them."""
    lead, deal, contact, account = record.lead_id, record.deal_id, record.contact_id, record.account_id
    others = Deal.id != deal if deal is not None else sql("true")
    signs: list[tuple[ColumnElement[bool], str]] = []
    if deal is not None:
        signs.append((_any(Quote.deal_id == deal), "the deal has quotes"))
        signs.append((_any(StageChange.deal_id == deal), "the deal has moved to another stage"))
    if record.made_contact and contact is not None:
        named = or_(Deal.contact_id == contact, Deal.people.contains([{"contact_id": str(contact)}]))
        parts = AccountContact.contact_id == contact, AccountContact.account_id != account
        signs.append((_any(others, named), "the contact has other deals"))
        signs.append((_any(Lead.converted_contact_id == contact, Lead.id != lead), "another lead became the same contact"))
        signs.append((_any(*parts), "the contact plays a part at another account"))
        signs.append((_any(Redirect.to_id == contact), "another contact was merged into the contact"))
    if record.made_account and account is not None:
        signs.append((_any(others, Deal.account_id == account), "the account has other deals"))
        signs.append((_any(Contact.account_id == account, Contact.id != contact), "the account has other contacts"))
        signs.append(
            (_any(AccountContact.account_id == account, AccountContact.contact_id != contact), "others play a part at the account")
        )
        signs.append((_any(Lead.converted_account_id == account, Lead.id != lead), "another lead became the same account"))
        signs.append((_any(Account.parent_account_id == account), "other accounts are part of the account"))
        signs.append((_any(Redirect.to_id == account), "another account was merged into the account"))
    return signs


async def _give_back(record: ConversionRecord, tx: Tx) -> None:
    """What is about the deal, contact and account that go is about the lead again; what the conversion took along is as it was."""
    moved = record.moved
    contact, account = record.contact_id, record.account_id
    going: list[ColumnElement[bool]] = [among(Activity.id, [one.activity_id for one in moved])]
    going += [Activity.deal_id == record.deal_id] if record.deal_id else []
    going += [Activity.contact_id == contact] if record.made_contact else []
    going += [Activity.account_id == account] if record.made_account else []
    await tx.execute(
        update(Activity)
        .where(or_(*going))
        .values(
            lead_id=func.coalesce(Activity.lead_id, record.lead_id),
            deal_id=_without(Activity.deal_id, record.deal_id, True, []),
            contact_id=_without(
                Activity.contact_id, contact, record.made_contact, [one.activity_id for one in moved if not one.contact_id]
            ),
            account_id=_without(
                Activity.account_id, account, record.made_account, [one.activity_id for one in moved if not one.account_id]
            ),
            version=Activity.version + 1,
            updated_at=func.now(),
        )
    )
    if record.made_contact:
        calls = update(CallLog).where(CallLog.contact_id == contact)
        await tx.execute(calls.values(lead_id=func.coalesce(CallLog.lead_id, record.lead_id), contact_id=null()))


def _without(
    column: Mapped[UUID | None], id: UUID | None, always: bool, moved: list[UUID]
) -> Mapped[UUID | None] | ColumnElement[UUID | None]:
    """The column without the id: of all activities where what it names goes, else of those that had nothing there before."""
    if id is None:
        return column
    named = column == id if always else and_(column == id, among(Activity.id, moved))
    return case((named, null()), else_=column)


async def _made(record: ConversionRecord, tx: Tx) -> dict[str, Entity]:
    """What the conversion made, in the order in which it can go."""
    found: dict[str, Entity | None] = {
        "deal": await tx.find(Deal, Deal.id == record.deal_id, lock=True) if record.deal_id else None,
        "contact": await tx.find(Contact, Contact.id == record.contact_id, lock=True) if record.made_contact else None,
        "account": await tx.find(Account, Account.id == record.account_id, lock=True) if record.made_account else None,
    }
    return {name: one for name, one in found.items() if one is not None}


async def _let_go(record: ConversionRecord, tx: Tx) -> None:
    """What hangs on the records that go goes first."""
    if record.deal_id is not None:
        await tx.execute(delete(ResponseClock).where(ResponseClock.deal_id == record.deal_id))
    if record.made_role_id is not None:
        await tx.execute(delete(AccountContact).where(AccountContact.id == record.made_role_id))
