"""What a handler is given of records that the caller does not see, however they came into its hands."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID

import pytest

from nexus.core import NotFound
from nexus.core.ids import uuid7
from nexus.core.message import Command
from nexus.engines.oltp.postgres import Postgres
from nexus.runtime.testing import Harness
from nexus.runtime.unit_of_work import UnitOfWork
from nexus.services.crm.entities import Contact, Lead


@pytest.fixture
async def work(tenant: Harness, oltp: Postgres) -> AsyncIterator[UnitOfWork]:
    """The work of a representative."""
    caller = tenant.as_("crm.rep").caller

    async def refuse(work: UnitOfWork, command: Command[Any]) -> Any:
        raise AssertionError

    async with oltp.transaction(caller.schema) as transaction:
        yield UnitOfWork(transaction, caller.cause(), caller.rights, caller.values(), refuse)


@pytest.mark.parametrize("lock", [False, True])
async def test_get_refuses_what_find_and_list_have_read_whoever_owns_it(tenant: Harness, work: UnitOfWork, lock: bool) -> None:
    theirs = await tenant.given(Contact(name="Eve", owner_id=uuid7()))
    assert await work.find(Contact, Contact.id == theirs.id) is not None
    assert len(await work.list(Contact)) == 1
    with pytest.raises(NotFound):
        await work.get(Contact, theirs.id, lock=lock)


async def test_get_answers_what_this_work_made_or_was_shown_whatever_became_of_it(tenant: Harness, work: UnitOfWork) -> None:
    assert work.actor.id is not None
    mine = await tenant.given(Contact(name="Ada", owner_id=work.actor.id))
    made = work.add(Contact(name="Bob", owner_id=uuid7()))
    assert await work.get(Contact, made.id, lock=True) is made
    found = await work.find(Contact, Contact.id == mine.id)
    one = await work.get(Contact, mine.id)
    assert one is found
    one.owner_id = uuid7()
    assert await work.get(Contact, mine.id) is one
    assert (await work.get(Contact, mine.id, lock=True)).owner_id == one.owner_id
    before = work.round_trips
    assert await work.get(Contact, mine.id) is one
    assert work.round_trips == before


async def test_two_kinds_of_record_with_one_id_are_two(tenant: Harness, work: UnitOfWork) -> None:
    assert work.actor.id is not None
    id: UUID = uuid7()
    lead, contact = Lead(name="Lead", owner_id=work.actor.id), Contact(name="Contact", owner_id=work.actor.id)
    lead.id = contact.id = id
    await tenant.given(lead)
    await tenant.given(contact)
    a, b = await work.get(Lead, id), await work.get(Contact, id)
    assert (type(a), a.name, type(b), b.name) == (Lead, "Lead", Contact, "Contact")
    a.name, b.name = "L", "C"
    await work.commit()
    assert ((await tenant.get(Lead, id)).name, (await tenant.get(Contact, id)).name) == ("L", "C")


def harmless(contact: Contact) -> None:
    """Other objects, the same values; a change taken back; a value of the record's own that no one writes."""
    contact.name = "".join(["A", "da"])
    contact.owner_id = UUID(str(contact.owner_id))
    contact.tags = list(contact.tags)
    contact.tags.append("vip")
    contact.tags.remove("vip")
    contact.email, contact.email = "a@example.com", None


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (lambda contact: contact.tags.append("vip"), "tags"),
        (lambda contact: contact.custom.update(size=1), "custom"),
        (lambda contact: setattr(contact, "tags", ["vip"]), "tags"),
        (lambda contact: setattr(contact, "email", "ada@example.com"), "email"),
        (harmless, None),
    ],
    ids=["a list within", "an object within", "a list", "a text", "nothing"],
)
async def test_what_has_changed_is_written_and_told_and_nothing_else(
    tenant: Harness, work: UnitOfWork, change: Callable[[Contact], None], names: str | None
) -> None:
    made = await tenant.given(Contact(name="Ada", owner_id=work.actor.id))
    was = await tenant.get(Contact, made.id)
    one = await work.get(Contact, made.id)
    await work.ask()  # what is written before a read is looked at as well

    change(one)
    await work.ask()
    await work.commit()

    now = await tenant.get(Contact, made.id)
    assert now.version == was.version + (0 if names is None else 1)
    assert [name for name in ("name", "email", "owner_id", "tags", "custom") if getattr(was, name) != getattr(now, name)] == (
        names or ""
    ).split()
    assert [told[3] for told in work._derived] == ([] if names is None else [names])


async def test_a_change_to_a_new_object_after_it_was_written_is_written_too(tenant: Harness, work: UnitOfWork) -> None:
    made = work.add(Contact(name="Ada", owner_id=work.actor.id))
    await work.ask()
    made.tags.append("vip")
    made.email = "ada@example.com"
    await work.commit()
    found = await tenant.get(Contact, made.id)
    assert (found.tags, found.email, found.version) == (["vip"], "ada@example.com", 2)
