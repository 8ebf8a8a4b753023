"""By which ways a person may be reached."""

from __future__ import annotations

from nexus.core import FieldError, Invalid, Tx, handles
from nexus.services.crm.api import ChangeConsent, ConsentChanged
from nexus.services.crm.entities import Contact
from nexus.services.crm.terms import DoNotContact


@handles(ChangeConsent, needs="crm.contact:change_consent")
async def change_consent(cmd: ChangeConsent, tx: Tx) -> ConsentChanged:
    if not cmd.allowed and cmd.reason is None:
        raise Invalid.of(FieldError("reason", "is required to forbid a channel"))
    if cmd.allowed and cmd.reason is not None:
        raise Invalid.of(FieldError("reason", "is given to forbid a channel, not to allow it"))
    contact = await tx.get(Contact, cmd.contact_id, lock=True)
    others = [one for one in contact.do_not_contact if one.channel is not cmd.channel]
    was = next((one for one in contact.do_not_contact if one.channel is cmd.channel), None)
    changed = ConsentChanged(contact_id=contact.id, channel=cmd.channel, allowed=cmd.allowed, reason=cmd.reason)
    if (was.reason if was else None) is cmd.reason and (was.note if was else None) == cmd.note:
        return changed
    if cmd.reason is not None:
        others.append(DoNotContact(channel=cmd.channel, reason=cmd.reason, at=tx.now, note=cmd.note))
    contact.do_not_contact = others
    return tx.emit(changed)
