"""The tree of territories: adding to it, and moving parts of it."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexus.core import Forbidden, Invalid, NotFound, uuid7
from nexus.runtime.testing import Harness
from nexus.services.crm.api import CreateTerritory, MoveTerritory, TerritoryCreated, TerritoryMoved
from nexus.services.crm.commands.territories import DEEPEST, TooDeep
from nexus.services.crm.entities import Territory
from nexus.services.crm.rules.trees import OwnAncestor


async def plant(crm: Harness, *path: str) -> list[TerritoryCreated]:
    """Territories below each other, from the top."""
    made: list[TerritoryCreated] = []
    for name in path:
        made.append(await crm.run(CreateTerritory(name=name, parent_id=made[-1].territory_id if made else None)))
    return made


async def tree(crm: Harness) -> dict[str, str]:
    """The path of names of each territory, checked against the parents."""
    found = {one.id: one for one in await crm.list(Territory)}
    for one in found.values():
        above = found[one.parent_id].lineage if one.parent_id else ""
        assert one.lineage == f"{above}{one.id}/"
    names = {str(one.id): one.name for one in found.values()}
    return {one.name: "/".join(names[id] for id in one.lineage.split("/")[:-1]) for one in found.values()}


async def test_grows_below_and_at_the_top(crm: Harness) -> None:
    manager = uuid7()
    answered = await crm.api("POST", "/api/v1/crm/territories", {"name": "Nigeria", "key": "ng", "manager_id": str(manager)})
    assert answered.status == 201
    top = await crm.get(Territory, answered.json()["territory_id"])
    below = await crm.run(CreateTerritory(name="Lagos", parent_id=top.id))

    assert (top.key, top.manager_id, top.parent_id) == ("ng", manager, None)
    assert await tree(crm) == {"Nigeria": "Nigeria", "Lagos": "Nigeria/Lagos"}
    assert crm.emitted[-1] == below == TerritoryCreated(territory_id=below.territory_id, name="Lagos", parent_id=top.id)


async def test_moves_with_all_below_it(crm: Harness) -> None:
    a, b, c = await plant(crm, "A", "B", "C")
    x, y = await plant(crm, "X", "Y")
    crm.emitted.clear()

    done = await crm.run(MoveTerritory(territory_id=b.territory_id, parent_id=y.territory_id))

    assert await tree(crm) == {"A": "A", "B": "X/Y/B", "C": "X/Y/B/C", "X": "X", "Y": "X/Y"}
    assert crm.emitted == [done] == [TerritoryMoved(territory_id=b.territory_id, parent_id=y.territory_id)]
    versions = {one.name: one.version for one in await crm.list(Territory)}
    assert versions == {"A": 1, "B": 2, "C": 2, "X": 1, "Y": 1}

    await crm.run(MoveTerritory(territory_id=b.territory_id))
    await crm.run(MoveTerritory(territory_id=b.territory_id))
    await crm.run(MoveTerritory(territory_id=x.territory_id, parent_id=c.territory_id))

    assert await tree(crm) == {"A": "A", "B": "B", "C": "B/C", "X": "B/C/X", "Y": "B/C/X/Y"}
    assert len(crm.emitted) == 3, "where it lies already is no news"
    assert a.territory_id != b.territory_id


async def test_refusals_change_nothing(crm: Harness) -> None:
    a, b, c = await plant(crm, "A", "B", "C")
    await crm.run(CreateTerritory(name="D", key="d"))
    before, told = await tree(crm), list(crm.emitted)

    for below in (a, b, c):
        with pytest.raises(OwnAncestor, match=f"The territory would be part of itself: {below.name} lies below it"):
            await crm.run(MoveTerritory(territory_id=a.territory_id, parent_id=below.territory_id))
    for key in ("D", "1st", "a-b", "x" * 49):
        with pytest.raises(Invalid, match="key: is up to 48"):
            await crm.run(CreateTerritory(name="E", key=key))
    with pytest.raises(Invalid, match="name: has more than 120"):
        await crm.run(CreateTerritory(name="E" * 121))
    with pytest.raises(NotFound):
        await crm.run(CreateTerritory(name="E", parent_id=uuid7()))
    with pytest.raises(NotFound):
        await crm.run(MoveTerritory(territory_id=a.territory_id, parent_id=uuid7()))
    with pytest.raises(Forbidden):
        await crm.as_("crm.manager").run(MoveTerritory(territory_id=b.territory_id))
    taken = await crm.api("POST", "/api/v1/crm/territories", {"name": "E", "key": "d"})
    assert (taken.status, taken.json()["field"]) == (409, "key")

    assert (await tree(crm), crm.emitted) == (before, told)


async def test_is_as_deep_as_it_may_be_and_no_deeper(crm: Harness) -> None:
    names = [f"T{n}" for n in range(DEEPEST)]
    path = await plant(crm, *names)
    other, below = await plant(crm, "Other", "Below")

    with pytest.raises(TooDeep, match=f"at most {DEEPEST} levels"):
        await crm.run(CreateTerritory(name="Too deep", parent_id=path[-1].territory_id))
    with pytest.raises(TooDeep):
        await crm.run(MoveTerritory(territory_id=other.territory_id, parent_id=path[-2].territory_id))
    assert (await tree(crm))["Below"] == "Other/Below"

    await crm.run(MoveTerritory(territory_id=other.territory_id, parent_id=path[-3].territory_id))
    assert (await tree(crm))["Below"].endswith(f"T{DEEPEST - 3}/Other/Below")
    assert below.parent_id == other.territory_id


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 6)), min_size=6, max_size=12))
async def test_whoever_moves_at_once_the_lineages_are_those_of_the_tree(crm: Harness, moves: list[tuple[int, int]]) -> None:
    for one in await crm.list(Territory):
        await crm.run(MoveTerritory(territory_id=one.id))
    made = [await crm.run(CreateTerritory(name=name)) for name in "ABCDEF"]
    places = [*[one.territory_id for one in made], None]

    results = await asyncio.gather(
        *[crm.run(MoveTerritory(territory_id=made[low].territory_id, parent_id=places[high])) for low, high in moves],
        *[crm.run(CreateTerritory(name="new", parent_id=made[high % 6].territory_id)) for _, high in moves[:3]],
        return_exceptions=True,
    )

    assert {type(one).__name__ for one in results} <= {"TerritoryMoved", "TerritoryCreated", "OwnAncestor"}
    found = {one.id: one for one in await crm.list(Territory)}
    for one in found.values():
        assert one.lineage == f"{found[one.parent_id].lineage if one.parent_id else ''}{one.id}/"
