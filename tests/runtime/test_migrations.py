"""Migrations: the files make what the entities declare, and the tool writes what lies between."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import psycopg
import pytest

from nexus.core.service import Service, installed
from nexus.runtime.migrations import MigrationError, parse
from tests.runtime.conftest import Scratch
from tools.migration import writing
from tools.migration.catalogue import Connection, Tables, compared, made_by
from tools.migration.difference import difference, unequal

OLD = """
CREATE TABLE {s}.shop_item (id uuid CONSTRAINT pk_shop_item PRIMARY KEY, name text NOT NULL, nickname text NOT NULL, size int,
    price numeric CONSTRAINT ck_shop_item_price CHECK (price > 0), kind text DEFAULT 'thing' CONSTRAINT ck_shop_item_kind CHECK (kind IN ('thing')),
    search tsvector GENERATED ALWAYS AS (to_tsvector('simple', name)) STORED);
CREATE INDEX ix_shop_item_size ON {s}.shop_item (size);
CREATE TABLE {s}.shop_old (id uuid CONSTRAINT pk_shop_old PRIMARY KEY);
"""
SHELF = """CREATE TABLE {s}.shop_shelf (id uuid CONSTRAINT pk_shop_shelf PRIMARY KEY);
CREATE UNIQUE INDEX uq_shop_shelf ON {s}.shop_shelf (id);
"""
ITEM = """
CREATE TABLE {s}.shop_item (id uuid CONSTRAINT pk_shop_item PRIMARY KEY, name text, size bigint NOT NULL, weight numeric DEFAULT 1 NOT NULL,
    colour text NOT NULL, price numeric, kind text DEFAULT 'thing' CONSTRAINT ck_shop_item_kind CHECK (kind IN ('thing', 'service')), shelf_id uuid,
    search tsvector GENERATED ALWAYS AS (to_tsvector('simple', coalesce(name, ''))) STORED,
    CONSTRAINT fk_shop_item_shelf FOREIGN KEY (shelf_id) REFERENCES {s}.shop_shelf (id));
CREATE UNIQUE INDEX uq_shop_item_name ON {s}.shop_item (name);
"""
CREATED = {"shop_shelf": SHELF, "shop_item": ITEM}


@pytest.fixture
async def scratch(scratch_database: Scratch) -> AsyncIterator[Connection]:
    async with await psycopg.AsyncConnection.connect(scratch_database.superuser, autocommit=True) as connection:
        yield connection


@pytest.mark.parametrize("service", installed().values(), ids=lambda one: one.name)
async def test_the_migrations_make_the_tables_that_the_entities_declare(scratch: Connection, service: Service) -> None:
    assert writing.stale([service]) == []

    by_migrations, by_declarations = await compared(scratch, service)

    wrong = unequal(by_migrations, by_declarations, writing.left_by(service))
    assert wrong == [], f"write what is missing: {writing.command(service, 'what_changes')}"
    assert len(by_declarations) == len(service.entities())


def test_a_changed_entity_names_the_command_that_writes_it_down(monkeypatch: pytest.MonkeyPatch) -> None:
    crm = installed()["crm"]
    monkeypatch.setattr(writing.migrations, "initial", lambda service: "CREATE TABLE {s}.crm_new ();\n")

    assert writing.stale([crm]) == [
        "the entities of crm changed and 0001_initial.sql did not: run `make migration SERVICE=crm` and commit the file"
    ]


async def made(connection: Connection, scripts: Sequence[str]) -> Tables:
    return await made_by(connection, scripts, "t_made")


async def test_the_difference_makes_one_into_the_other(scratch: Connection) -> None:
    old, new = await made(scratch, [OLD]), await made(scratch, [SHELF, ITEM])

    found = difference(old, new, CREATED)

    assert found.leaves == ["shop_item.nickname", "shop_old"]
    after = await made(scratch, [OLD, *found.expand, *found.enforce])
    assert unequal(after, new, found.leaves) == []
    assert unequal(after, new) != []
    with pytest.raises(MigrationError, match="version 2: its backfill is not written yet"):
        parse(2, found.text())


async def test_what_was_left_for_the_code_before_goes_with_the_version_after(scratch: Connection) -> None:
    new = await made(scratch, [SHELF, ITEM])
    first = difference(await made(scratch, [OLD]), new, CREATED)
    between = await made(scratch, [OLD, *first.expand, *first.enforce])

    second = difference(between, new, CREATED, left=first.leaves)

    assert second.enforce == ["ALTER TABLE {s}.shop_item DROP COLUMN nickname;", "DROP TABLE {s}.shop_old;"]
    assert (second.expand, second.backfill, second.leaves) == ([], [], [])
    assert unequal(await made(scratch, [OLD, *first.expand, *first.enforce, *second.enforce]), new) == []


async def test_after_the_expansion_the_code_before_still_writes(scratch: Connection) -> None:
    found = difference(await made(scratch, [OLD]), await made(scratch, [SHELF, ITEM]), CREATED)
    as_before = "INSERT INTO {s}.shop_item (id, name, nickname, size, price) VALUES (gen_random_uuid(), 'a', 'b', 1, 2)"
    as_now = "INSERT INTO {s}.shop_item (id, size, colour, price, kind) VALUES (gen_random_uuid(), 1, 'red', 0, 'service')"

    await made(scratch, [OLD, *found.expand, as_before, as_now])


async def test_equal_tables_have_no_difference(scratch: Connection) -> None:
    tables = await made(scratch, [SHELF, ITEM])

    assert not difference(tables, tables, CREATED)
    assert unequal(tables, tables) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("SELECT 1;\n-- expand\nSELECT 2;", "there is SQL before the first heading"),
        ("-- enforce\nSELECT 1;\n-- expand\nSELECT 2;", "each once and in this order"),
        ("-- expand\nSELECT 1;\n-- expand\nSELECT 2;", "each once and in this order"),
        ("-- expand\nSELECT 1;\n-- backfill\n-- later\n", "its backfill is not written yet"),
    ],
)
def test_a_file_that_breaks_the_rules_is_refused(text: str, says: str) -> None:
    with pytest.raises(MigrationError, match=f"version 7: .*{says}"):
        parse(7, text)


def test_a_service_with_later_versions_keeps_its_first(monkeypatch: pytest.MonkeyPatch) -> None:
    crm = installed()["crm"]
    monkeypatch.setattr(writing, "files", lambda service: [writing.folder(service) / name for name in ("0001_initial.sql", "0002_x.sql")])

    with pytest.raises(writing.Refused, match="make migration SERVICE=crm NAME=what_changes"):
        writing.write_initial(crm)
