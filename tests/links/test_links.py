"""Links: what joins is read, what cannot join is refused with its file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from nexus.core.entity import Entity
from nexus.core.service import Service
from nexus.links import BadLink, Exposure, checked, exposures, links, read

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
        ({"by": "nick"}, "auth.user has no field nick; it has "),
        ({"by": "name", "key": "name"}, "name of auth.user is not unique, so that it names no one record"),
        ({"by": "email"}, "owner_id is ref, and email of auth.user is email"),
        ({"by": "version"}, "version is int, and no text by which a record can be found"),
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


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"of": "crm.deel.amount"}, "there is no entity crm.deel"),
        ({"of": "crm.deal.amuont"}, "crm.deal has no field amuont; it has "),
        ({"of": "crm.deal.id", "internal": True}, "by its id a record is known to all"),
        ({"of": "crm.deal.amount", "copies": {"name": "name"}}, "amount is no reference to a record of another service"),
        ({"of": "crm.deal.account_id", "copies": {"name": "name"}}, "account_id is no reference to a record of another service"),
        ({"of": "crm.deal.owner_id", "copies": {"nick": "name"}}, "auth.user has no field nick"),
        ({"of": "crm.deal.owner_id", "copies": {"name": "nick"}}, "crm.deal has no field nick"),
    ],
)
def test_what_cannot_be_said_of_a_field_is_refused(entities: dict[str, type[Entity]], given: dict[str, Any], why: str) -> None:
    exposure = msgspec.convert(given, Exposure)

    assert why in next(exposure.wrong(entities))


def test_nothing_wrong_is_said_of_the_services(services: dict[str, Service]) -> None:
    exposures()
