"""Tables: the DDL of a service, for one tenant's schema, from its entities.

The text is what `nexus/services/<name>/migrations/0001_initial.sql` was made from; later versions are written as differences and a test
holds the two together (the tables that the migrations make are the tables that the entities declare).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from importlib import resources
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlalchemy.util import set_creation_order

from nexus.core.entity import AnyTable, Entity, facts, table_of
from nexus.core.service import Service
from nexus.surfaces.kept import kept
from nexus.surfaces.sql import DIALECT, qualified

PLATFORM_TABLES = ("nexus_idempotency", "nexus_inbox", "nexus_import", "nexus_import_row", "nexus_import_key")
"""What every tenant's schema holds beside its services' tables."""

PLATFORM_SCRIPT = """
CREATE TABLE {s}.nexus_idempotency (
    key text NOT NULL,
    actor uuid NOT NULL,
    request_hash bytea NOT NULL,
    status smallint,
    headers text,
    body text,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_nexus_idempotency PRIMARY KEY (key, actor)
);
CREATE TABLE {s}.nexus_inbox (
    event_id uuid NOT NULL,
    reaction text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_nexus_inbox PRIMARY KEY (event_id, reaction)
);
CREATE TABLE {s}.nexus_import (
    id uuid CONSTRAINT pk_nexus_import PRIMARY KEY,
    entity text NOT NULL,
    asked text NOT NULL,
    dry_run boolean NOT NULL,
    state text NOT NULL,
    runner uuid NOT NULL,
    key text,
    by uuid,
    done_bytes bigint NOT NULL DEFAULT 0,
    done_digest text NOT NULL DEFAULT '',
    done_records bigint NOT NULL DEFAULT 0,
    done_rows bigint NOT NULL DEFAULT 0,
    created bigint NOT NULL DEFAULT 0,
    updated bigint NOT NULL DEFAULT 0,
    unchanged bigint NOT NULL DEFAULT 0,
    duplicate bigint NOT NULL DEFAULT 0,
    failed bigint NOT NULL DEFAULT 0,
    alike bigint NOT NULL DEFAULT 0,
    undone bigint NOT NULL DEFAULT 0,
    kept bigint NOT NULL DEFAULT 0,
    ignored text NOT NULL DEFAULT '[]',
    stopped_by text,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    progress_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz
);
CREATE UNIQUE INDEX uq_nexus_import_key ON {s}.nexus_import (key, by) WHERE key IS NOT NULL;
CREATE TABLE {s}.nexus_import_row (
    import_id uuid NOT NULL,
    row_no bigint NOT NULL,
    record_id uuid,
    outcome text NOT NULL,
    version int,
    same_key text,
    same_as uuid,
    same_row bigint,
    before jsonb,
    errors json,
    undone text,
    CONSTRAINT pk_nexus_import_row PRIMARY KEY (import_id, row_no)
);
CREATE INDEX ix_nexus_import_row_record_id ON {s}.nexus_import_row (record_id) WHERE record_id IS NOT NULL;
CREATE TABLE {s}.nexus_import_key (
    import_id uuid NOT NULL,
    key uuid NOT NULL,
    row_no bigint NOT NULL,
    CONSTRAINT pk_nexus_import_key PRIMARY KEY (import_id, key)
);
"""


def columns(entity: type[Entity]) -> list[sa.Column[Any]]:
    """The declared columns of an entity's table."""
    return list(table_of(entity).columns)


def _same_service(entity: type[Entity], column: sa.Column[Any]) -> AnyTable | None:
    target = facts(column).refers_to
    if (
        target is None
        or facts(column).of == "NOTHING"
        or target.split(".")[0] != entity.service()
        or column.name in ("created_by", "updated_by")
    ):
        return None
    return Entity.metadata.tables.get(f"{Entity.metadata.schema}.{target.replace('.', '_')}")


def _checks(entity: type[Entity], table: AnyTable) -> Iterator[sa.CheckConstraint]:
    for column in columns(entity):
        known = facts(column)
        if known.kind == "enum":
            words = ", ".join(f"'{member.value}'" for member in known.of)
            yield sa.CheckConstraint(f"{column.name} IN ({words})", name=f"{column.name}_known")
        if known.kind == "currency":
            yield sa.CheckConstraint(
                f"num_nulls({column.name}, nexus_cell.currency_scale({column.name})) <> 1", name=f"{column.name}_iso4217"
            )
        if known.currency is not None:
            yield sa.CheckConstraint(
                f"{column.name} = round({column.name}, nexus_cell.currency_scale({known.currency}))", name=f"{column.name}_scale"
            )
            yield sa.CheckConstraint(f"abs({column.name}) < 1e20", name=f"{column.name}_size")
        if known.digits is not None:
            precision, decimals = known.digits
            yield sa.CheckConstraint(f"{column.name} = round({column.name}, {decimals})", name=f"{column.name}_scale")
            yield sa.CheckConstraint(f"abs({column.name}) < 1e{precision - decimals}", name=f"{column.name}_size")
        if known.ge is not None and known.kind in ("money", "decimal", "quantity"):
            yield sa.CheckConstraint(f"{column.name} >= {known.ge:g}", name=f"{column.name}_least")
        if known.le is not None and known.kind in ("money", "decimal", "quantity"):
            yield sa.CheckConstraint(f"{column.name} <= {known.le:g}", name=f"{column.name}_most")


_JOINTS = "@./_-+:&~<>"
"""What joins words into one (addresses, domains, versions): text search cuts there, as `filters.prefix_query` does, or no part would be found."""


def search_vector(entity: type[Entity], without: frozenset[str] = frozenset()) -> str | None:
    """The expression of the generated column that text search reads, or None where nothing is searchable. Of JSON it reads the strings."""
    found = [column for column in columns(entity) if facts(column).search and column.name not in without]
    if not found:
        return None
    texts = ", ".join(column.name for column in found if facts(column).kind not in ("json", "tags"))
    jsons = ", ".join(column.name for column in found if facts(column).kind in ("json", "tags"))
    return f"nexus_cell.words(ARRAY[{texts}]::text[], ARRAY[{jsons}]::jsonb[])"


@kept  # a copy of a table is never let go: its columns stay registered with the originals of their types
def full_table(entity: type[Entity]) -> AnyTable:
    """The table with everything the declaration implies: checks, foreign keys within the service, unique rules, the search column."""
    declared = table_of(entity)
    full: AnyTable = declared.to_metadata(sa.MetaData(schema=declared.schema, naming_convention=Entity.metadata.naming_convention))
    for check in list(_checks(entity, full)):
        full.append_constraint(check)
    for column in columns(entity):
        known = facts(column)
        if (target := _same_service(entity, column)) is not None:
            sa.Table(target.name, full.metadata, sa.Column("id", sa.Uuid(), primary_key=True), schema=target.schema, keep_existing=True)
            full.append_constraint(sa.ForeignKeyConstraint([column.name], [f"{target.schema}.{target.name}.id"], ondelete=_rule(known.of)))
        if known.unique:
            live = sa.text("archived_at IS NULL")
            sa.Index(f"uq_{full.name}_{column.name}", full.c[column.name], unique=True, postgresql_where=live)
    if entity.alike:
        there = sa.text("external_refs <> '{}'")
        operators = {"external_refs": "jsonb_path_ops"}
        name = f"ix_{full.name}_external_refs"
        sa.Index(name, full.c.external_refs, postgresql_using="gin", postgresql_ops=operators, postgresql_where=there)
    if (vector := search_vector(entity)) is not None:
        full.append_column(sa.Column("search", postgresql.TSVECTOR(), sa.Computed(vector, persisted=True)))
        sa.Index(f"ix_{full.name}_search", full.c.search, postgresql_using="gin")
    # copied from a set: without an order of its own the same declaration would give another text in every process
    for constraint in sorted(full.constraints - {full.primary_key}, key=lambda one: str(one.name)):
        set_creation_order(constraint)
    return full


def _rule(of: object) -> str | None:
    return None if of in (None, "RESTRICT") else str(of)


@kept
def statements(entity: type[Entity]) -> tuple[str, ...]:
    """The DDL of one entity: its table, then its indexes."""
    table = full_table(entity)
    made: list[sa.ExecutableDDLElement] = [
        CreateTable(table),
        *(CreateIndex(index) for index in sorted(table.indexes, key=lambda one: str(one.name))),
    ]
    return tuple(qualified(str(one.compile(dialect=copy.copy(DIALECT)))).strip() for one in made)


def script(service: Service) -> str:
    """All tables of a service as one multi-statement text, with `{s}` for the tenant's schema, and what its `invariants/*.sql` add to them, by name."""
    made = "".join(f"{statement};\n" for entity in service.entities() for statement in statements(entity))
    folder = resources.files(service.package).joinpath("invariants")
    written = sorted(folder.iterdir(), key=lambda one: one.name) if folder.is_dir() else []
    return made + "\n".join(one.read_text(encoding="utf-8") for one in written)


def table_names(service: Service) -> list[str]:
    """The tables a tenant's role is granted, one by one."""
    return [entity.__tablename__ for entity in service.entities()]


def grants(names: list[str]) -> str:
    """What a tenant's role may do with tables: rows, never structure. `{s}` is schema and role alike."""
    listed = ", ".join(f"{{s}}.{name}" for name in names)
    return f"GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE {listed} TO {{s}};\n"


# Both are in a language whose functions are prepared once per connection. In SQL they would be written out in every check of every amount, and the
# checks of a table are prepared anew by every statement that writes it: ten times what a posting costs besides.
MONEY_FUNCTIONS = """
CREATE OR REPLACE FUNCTION nexus_cell.currency_scale(code text) RETURNS int
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN CASE WHEN code IN ({two}) THEN 2 WHEN code IN ({none}) THEN 0 WHEN code IN ({three}) THEN 3 WHEN code IN ({four}) THEN 4 END;
END $$;
-- The amount with its currency's decimals: 5 EUR is 5.00. One that has more is left alone, for the check to refuse.
CREATE OR REPLACE FUNCTION nexus_cell.money(amount numeric, code text) RETURNS numeric
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    decimals int := nexus_cell.currency_scale(code);
BEGIN
    RETURN CASE WHEN amount = round(amount, decimals) THEN round(amount, decimals) ELSE amount END;
END $$;
"""

# An expression of a generated column is read, simplified and prepared anew by every statement that writes the table: a third of a contact's
# insert, if this stood there as it is. The body of a function of this language is prepared once per connection.
WORDS_FUNCTION = f"""
CREATE OR REPLACE FUNCTION nexus_cell.words(texts text[], jsons jsonb[]) RETURNS tsvector
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF NOT '[]'::pg_catalog.jsonb OPERATOR(pg_catalog.=) ALL (jsons) THEN  -- most are empty, and then there is nothing to look for
        texts := texts OPERATOR(pg_catalog.||)
            pg_catalog.jsonb_path_query_array(pg_catalog.to_jsonb(jsons), 'strict $.** ? (@.type() == "string")')::pg_catalog.text;
    END IF;
    RETURN pg_catalog.to_tsvector('pg_catalog.simple'::pg_catalog.regconfig,
        pg_catalog.translate(pg_catalog.array_to_string(texts, ' '), '{_JOINTS}', '{" " * len(_JOINTS)}'));
END $$;
"""


def cell_functions() -> str:
    """What tables of tenants need of their database: its own knowledge of ISO 4217, made from the table in `core.money`, and of words."""
    from nexus.core.money import SCALES

    def codes(wanted: int) -> str:
        return ", ".join(f"'{code}'" for code, decimals in SCALES.items() if decimals == wanted)

    return MONEY_FUNCTIONS.format(none=codes(0), two=codes(2), three=codes(3), four=codes(4)) + WORDS_FUNCTION
