"""What hangs on another record is changed by whoever sees that one, and by nobody else: such a condition holds constants of its own."""

from __future__ import annotations

import pytest

from nexus.runtime.testing import Harness
from nexus.services.crm.entities import Account, AccountContact, Activity, Contact
from nexus.services.crm.terms import ActivityKind


@pytest.mark.parametrize("role", ["crm.rep", "crm.manager"])
async def test_it_is_changed_archived_and_restored_where_it_is_seen(tenant: Harness, role: str) -> None:
    caller = tenant.as_(role)
    mine, theirs = Account(name="Mine", owner_id=caller.caller.actor.id), Account(name="Theirs", owner_id=tenant.caller.actor.id)
    contact = Contact(name="Ada", owner_id=tenant.caller.actor.id)
    await tenant.given(mine, theirs)
    await tenant.given(contact)
    for account, status in ((mine, 200), (theirs, 404)):
        activity = await tenant.given(Activity(kind=ActivityKind.NOTE, subject="Hello", account_id=account.id))
        place = f"/api/v1/crm/activities/{activity.id}"
        assert (await caller.api("PATCH", place, {"subject": "Good day"}, if_match="*")).status == status
        assert (await caller.api("DELETE", place, if_match="*")).status == status
        assert (await caller.api("POST", f"{place}/restore")).status == status
        assert (await tenant.get(Activity, activity.id)).subject == ("Good day" if status == 200 else "Hello")
        part = await tenant.given(AccountContact(account_id=account.id, contact_id=contact.id))
        assert (await caller.api("DELETE", f"/api/v1/crm/account_contacts/{part.id}", if_match="*")).status == status
    assert await tenant.count(AccountContact) == 1
