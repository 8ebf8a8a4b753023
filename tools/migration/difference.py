"""The way from the tables that are there to those that are declared, in the three parts of a migration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from tools.migration.catalogue import Column, Table, Tables

T = TypeVar("T")


@dataclass
class Difference:
    """The statements of each part; `leaves` are columns and tables that the code before still uses, for a later version to drop."""

    expand: list[str] = field(default_factory=list)
    backfill: list[str] = field(default_factory=list)
    enforce: list[str] = field(default_factory=list)
    leaves: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.expand or self.backfill or self.enforce or self.leaves)

    def text(self) -> str:
        """As the body of a migration's file."""
        said = [f"-- leaves {name}\n" for name in self.leaves]
        for name in ("expand", "backfill", "enforce"):
            statements: list[str] = getattr(self, name)
            if statements:
                said.append(f"-- {name}\n" + "".join(f"{one}\n" for one in statements))
        return "\n".join(said)


def difference(there: Tables, declared: Tables, created: Mapping[str, str], left: Iterable[str] = ()) -> Difference:
    """What takes `there` to `declared`. `created` has the DDL of each declared table; `left` what an earlier version left to be dropped."""
    made, left = Difference(), frozenset(left)
    for name in (name for name in created if name not in there):
        made.expand.append(created[name].rstrip())
    for name in there:
        if name in declared:
            _alter(made, name, there[name], declared[name], left)
        elif name in left:
            made.enforce.append(f"DROP TABLE {{s}}.{name};")
        else:
            made.leaves.append(name)
    return made


def _changes(old: Mapping[str, T], new: Mapping[str, T]) -> Iterator[tuple[str, T | None, T | None]]:
    for name in [*old, *(name for name in new if name not in old)]:
        if old.get(name) != new.get(name):
            yield name, old.get(name), new.get(name)


def _alter(made: Difference, name: str, old: Table, new: Table, left: frozenset[str]) -> None:
    table = f"{{s}}.{name}"
    # Before the columns they are about: one of a rule that changed would stand in the way of the code on one of the two sides
    for constraint, was, _ in _changes(old.constraints, new.constraints):
        if was is not None:
            made.expand.append(f"ALTER TABLE {table} DROP CONSTRAINT {constraint};")
    for index, was, becomes in _changes(old.indexes, new.indexes):
        if was is not None:
            (made.expand if becomes else made.enforce).append(f"DROP INDEX IF EXISTS {{s}}.{index};")
    for column, before, after in _changes(old.columns, new.columns):
        if after is None:
            _drop_column(made, table, column, before, f"{name}.{column}" in left)
        elif before is None:
            _add_column(made, table, column, after)
        else:
            _change_column(made, table, column, before, after)
    for _, _, becomes in _changes(old.indexes, new.indexes):
        if becomes is not None:
            (made.enforce if becomes.startswith("CREATE UNIQUE") else made.expand).append(f"{becomes};")
    for constraint, _, definition in _changes(old.constraints, new.constraints):
        if definition is not None:
            made.enforce.append(f"ALTER TABLE {table} ADD CONSTRAINT {constraint} {definition};")


def _drop_column(made: Difference, table: str, column: str, before: Column | None, left: bool) -> None:
    if left or (before is not None and before.generated):
        made.enforce.append(f"ALTER TABLE {table} DROP COLUMN {column};")
        return
    made.leaves.append(f"{table.removeprefix('{s}.')}.{column}")
    if before is not None and before.required and before.default is None:
        made.expand.append(f"ALTER TABLE {table} ALTER COLUMN {column} DROP NOT NULL;")


def _add_column(made: Difference, table: str, column: str, after: Column) -> None:
    settled = after.generated or after.default is not None or not after.required
    made.expand.append(f"ALTER TABLE {table} ADD COLUMN {column} {after.definition()}{' NOT NULL' if after.required and settled else ''};")
    if not settled:
        _fill(made, table, column)


def _fill(made: Difference, table: str, column: str) -> None:
    made.backfill.append(
        f"-- Say what records that are there get, some thousands at a time; without it this version is refused:\n"
        f"-- UPDATE {table} SET {column} = … WHERE id IN (SELECT id FROM {table} WHERE {column} IS NULL LIMIT 5000);"
    )
    made.enforce.append(f"ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL;")


def _change_column(made: Difference, table: str, column: str, before: Column, after: Column) -> None:
    alter = f"ALTER TABLE {table} ALTER COLUMN {column}"
    if before.generated or after.generated:
        made.expand.append(f"ALTER TABLE {table} DROP COLUMN {column};")
        made.expand.append(f"ALTER TABLE {table} ADD COLUMN {column} {after.definition()};")
        return
    if before.type != after.type:
        made.expand.append(f"{alter} TYPE {after.type} USING {column}::{after.type};")
    if before.default != after.default:
        made.expand.append(f"{alter} DROP DEFAULT;" if after.default is None else f"{alter} SET DEFAULT {after.default};")
    if before.required and not after.required:
        made.expand.append(f"{alter} DROP NOT NULL;")
    if after.required and not before.required:
        _fill(made, table, column)


def unequal(there: Tables, declared: Tables, left: Iterable[str] = ()) -> list[str]:
    """Where two sets of tables differ, one line each; columns and tables that were left for the code before count as gone."""
    left, said = frozenset(left), list[str]()
    for name, table, wanted in _changes(there, declared):
        if table is None or wanted is None:
            if wanted is not None or name not in left:
                said.append(f"{name}: {'is missing' if table is None else 'is not declared'}")
            continue
        for part in ("columns", "constraints", "indexes", "triggers"):
            for one, is_, should in _changes(getattr(table, part), getattr(wanted, part)):
                if should is not None or f"{name}.{one}" not in left:
                    said.append(f"{name}.{one}: is {is_}, should be {should}")
        if (table.comment, table.granted) != (wanted.comment, wanted.granted):
            said.append(f"{name}: comment and rights are {table.comment, table.granted}, should be {wanted.comment, wanted.granted}")
    return said
