"""Links: what joins is read, what cannot join is refused with its file."""

from __future__ import annotations

from pathlib import Path

import pytest

from nexus.core.entity import Entity
from nexus.core.service import Service
from nexus.links import BadLink, checked, links, read

GOOD = {"from": "crm.deal", "key": "owner_id", "to": "auth.user", "back": "deals"}


@pytest.fixture(scope="module")
def entities(services: dict[str, Service]) -> dict[str, type[Entity]]:
    return {entity.entity_name(): entity for service in services.values() for entity in service.entities()}


def written(folder: Path, *given: dict[str, str]) -> Path:
    parts = ["[[link]]\n" + "".join(f'{name} = "{value}"\n' for name, value in one.items()) for one in given]
    (folder / "a_b.toml").write_text("\n".join(parts), encoding="utf-8")
    return folder


def test_the_links_of_the_services_join(services: dict[str, Service]) -> None:
    found = {str(link): link for link in links()}

    deal = found["crm.deal.owner_id → auth.user"]
    assert (deal.forward, deal.back, deal.cardinality) == ("owner", "deals", "many")
    assert {"crm.lead.owner_id → auth.user", "crm.account.owner_id → auth.user"} < set(found)


def test_one_link_in_a_file(tmp_path: Path, entities: dict[str, type[Entity]]) -> None:
    (link,) = checked(read(written(tmp_path, GOOD)), entities)

    assert (link.holder, link.key, link.to, link.back) == tuple(GOOD.values())


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"from": "crm.deel"}, "there is no entity crm.deel; there are auth.api_key, "),
        ({"to": "auth.person"}, "there is no entity auth.person"),
        ({"key": "boss_id"}, "crm.deal has no field boss_id; it has "),
        ({"key": "name"}, "name is text, not an id"),
        ({"to": "auth.team"}, "owner_id refers to auth.user, not to auth.team"),
        ({"to": "crm.lead"}, "both are of one service: declare a reference there"),
        ({"one": "chief"}, "owner_id is a declared reference and has its name: leave out one"),
        ({"key": "id"}, "say with one what crm.deal calls it"),
        ({"key": "id", "one": "name"}, "crm.deal has a field name of its own"),
        ({"back": "email"}, "auth.user has a field email of its own"),
        ({"cardinality": "one"}, "owner_id is not unique, so that many may hold one id"),
    ],
)
def test_what_cannot_join_is_refused(tmp_path: Path, entities: dict[str, type[Entity]], change: dict[str, str], why: str) -> None:
    with pytest.raises(BadLink) as caught:
        checked(read(written(tmp_path, GOOD | change)), entities)

    assert str(caught.value).startswith("nexus/links/a_b.toml: ")
    assert why in str(caught.value)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"cardinality": "some"}, "Invalid enum value 'some' - at `$.link[0].cardinality`"),
        ({"via": "x"}, "Object contains unknown field `via` - at `$.link[0]`"),
        ({"from": "deal"}, "at `$.link[0].from`"),
    ],
)
def test_what_says_something_else_is_refused(tmp_path: Path, change: dict[str, str], why: str) -> None:
    with pytest.raises(BadLink) as caught:
        list(read(written(tmp_path, GOOD | change)))

    assert "a_b.toml" in str(caught.value)
    assert why in str(caught.value)


def test_what_is_no_toml_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text("[[link]", encoding="ascii")

    with pytest.raises(BadLink, match=r"nexus/links/x\.toml: Expected"):
        list(read(tmp_path))


def test_a_name_is_given_once(tmp_path: Path, entities: dict[str, type[Entity]]) -> None:
    with pytest.raises(BadLink, match=r"auth\.user has the name deals from crm\.deal\.owner_id → auth\.user already"):
        checked(read(written(tmp_path, GOOD, GOOD | {"from": "crm.lead"})), entities)
