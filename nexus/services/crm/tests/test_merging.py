"""Merging accounts and contacts: what is refused, and what happens at once."""

from __future__ import annotations

import asyncio

import pytest

from nexus.core import Invalid, NotFound, uuid7
from nexus.runtime.testing import Harness
from nexus.services.crm.api import (
    ActivityLogged,
    LogActivity,
    MergeAccounts,
    MergeContacts,
    SetParentAccount,
)
from nexus.services.crm.commands.merging import IntoItself, SurvivorArchived
from nexus.services.crm.entities import (
    Account,
    Activity,
    Contact,
    Redirect,
)
from nexus.services.crm.rules.trees import OwnAncestor
from nexus.services.crm.terms import (
    ActivityKind,
)


async def pair(crm: Harness) -> tuple[Contact, Contact]:
    a, b = Contact(name="Ada Obi"), Contact(name="A. Obi")
    await crm.given(a, b)
    return a, b


async def accounts(crm: Harness, *names: str) -> list[Account]:
    made = [Account(name=name) for name in names]
    await crm.given(*made)
    return made


async def test_refusals_change_nothing(crm: Harness) -> None:
    a, b = await pair(crm)
    gone = await crm.given(Contact(name="Gone"))
    await crm.api("DELETE", f"/api/v1/crm/contacts/{gone.id}", if_match="*")
    manager = crm.as_("crm.manager")

    with pytest.raises(IntoItself, match=f"leave {a.id} out"):
        await crm.run(MergeContacts(contact_id=a.id, others=[b.id, a.id]))
    with pytest.raises(Invalid, match="others: names from 1 to 50"):
        await crm.run(MergeContacts(contact_id=a.id, others=[]))
    with pytest.raises(Invalid, match="others: names from 1 to 50"):
        await crm.run(MergeContacts(contact_id=a.id, others=[uuid7() for _ in range(51)]))
    with pytest.raises(NotFound):
        await crm.run(MergeContacts(contact_id=a.id, others=[b.id, uuid7()]))
    with pytest.raises(SurvivorArchived, match="Gone is archived"):
        await crm.run(MergeContacts(contact_id=gone.id, others=[a.id]))
    with pytest.raises(NotFound):
        await manager.run(MergeContacts(contact_id=a.id, others=[b.id]))
    refused = await crm.as_("crm.rep").api("POST", f"/api/v1/crm/contacts/{a.id}/merge", {"others": [str(b.id)]})

    assert refused.status == 403
    assert (await crm.count(Contact), await crm.count(Redirect), (await crm.get(Contact, a.id)).version) == (3, 0, 1)
    assert crm.emitted == manager.emitted == []


async def family(crm: Harness, *links: tuple[Account, Account]) -> None:
    for child, parent in links:
        await crm.run(SetParentAccount(account_id=child.id, parent_account_id=parent.id))
    crm.emitted.clear()


async def test_the_survivor_is_never_part_of_itself(crm: Harness) -> None:
    top, a, b, c = await accounts(crm, "Top", "A", "B", "C")
    await family(crm, (b, top), (a, b), (c, a))

    await crm.run(MergeAccounts(account_id=a.id, others=[b.id]))
    assert (await crm.get(Account, a.id)).parent_account_id == top.id

    await crm.run(MergeAccounts(account_id=a.id, others=[c.id]))
    assert (await crm.get(Account, a.id)).parent_account_id == top.id

    await crm.run(MergeAccounts(account_id=a.id, others=[top.id]))
    assert (await crm.get(Account, a.id)).parent_account_id is None
    assert await crm.count(Account) == 1


async def test_refuses_to_merge_what_lies_above_with_another_one_between(crm: Harness) -> None:
    a, between, b = await accounts(crm, "A", "Between", "B")
    await family(crm, (between, b), (a, between))

    with pytest.raises(OwnAncestor, match="A lies below it"):
        await crm.run(MergeAccounts(account_id=a.id, others=[b.id]))
    assert (await crm.count(Account), await crm.count(Redirect), crm.emitted) == (3, 0, [])

    await crm.run(MergeAccounts(account_id=b.id, others=[a.id]))
    assert {one.name: one.parent_account_id for one in await crm.list(Account)} == {"Between": b.id, "B": None}


async def test_takes_no_parent_that_lies_below(crm: Harness) -> None:
    a, between, b, far = await accounts(crm, "A", "Between", "B", "Far")
    await family(crm, (between, a), (b, between))

    await crm.run(MergeAccounts(account_id=a.id, others=[b.id]))

    assert (await crm.get(Account, a.id)).parent_account_id is None
    await family(crm, (far, between))
    await crm.run(MergeAccounts(account_id=far.id, others=[between.id]))
    assert (await crm.get(Account, far.id)).parent_account_id == a.id


async def test_merging_both_ways_at_once_leaves_one(crm: Harness) -> None:
    a, b = await pair(crm)
    both = [MergeContacts(contact_id=one.id, others=[other.id]) for one, other in [(a, b), (b, a)] * 3]

    results = await asyncio.gather(*[crm.run(one) for one in both], return_exceptions=True)

    assert sorted(type(one).__name__ for one in results) == ["ContactMerged"] + ["Merged"] * 5
    (left,) = await crm.list(Contact)
    (redirect,) = await crm.list(Redirect)
    assert {left.id, redirect.from_id} == {a.id, b.id}
    assert (redirect.to_id, left.version) == (left.id, 2)


async def test_a_record_added_while_the_merge_waits_is_moved_or_refused(crm: Harness) -> None:
    a, b = await pair(crm)

    results = await asyncio.gather(
        crm.run(MergeContacts(contact_id=a.id, others=[b.id])),
        *[crm.run(LogActivity(kind=ActivityKind.NOTE, subject="Hello", contact_id=b.id)) for _ in range(10)],
        return_exceptions=True,
    )

    kept = sum(isinstance(one, ActivityLogged) for one in results)
    assert {type(one).__name__ for one in results} <= {"ContactMerged", "ActivityLogged", "Merged", "Invalid"}
    assert await crm.count(Activity, Activity.contact_id == a.id) == kept == await crm.count(Activity)
