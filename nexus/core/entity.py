"""Entities: one declaration, from which table, REST, events, search, forms and permissions are made."""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, TypeAlias, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, declared_attr, mapped_column
from sqlalchemy.orm.decl_api import DCTransformDeclarative
from typing_extensions import dataclass_transform

from nexus.core import fields as f
from nexus.core.fields import Facts
from nexus.core.ids import uuid7

TENANT = "tenant"
"""The schema name that stands for the tenant's own in compiled SQL; the engine puts the real one in its place."""

_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@functools.cache
def snake(name: str) -> str:
    """`LostReason` is "lost_reason"."""
    return _WORD.sub("_", name).lower()


def _known(kind: str, **more: Any) -> dict[str, Facts]:
    return {"nexus": Facts(kind=kind, read_only=True, **more)}


@dataclass_transform(
    kw_only_default=True,
    field_specifiers=(
        mapped_column,
        f.text,
        f.long_text,
        f.email,
        f.phone,
        f.url,
        f.currency,
        f.money,
        f.decimal,
        f.quantity,
        f.int_,
        f.bool_,
        f.date,
        f.instant,
        f.enum_,
        f.state,
        f.uuid,
        f.ref,
        f.json,
        f.tags,
    ),
)
class EntityMeta(DCTransformDeclarative):
    """Tells type checkers that f.text(), f.money() ... declare constructor arguments."""


class Entity(MappedAsDataclass, DeclarativeBase, metaclass=EntityMeta, kw_only=True, eq=False, repr=False):
    """What a service keeps. The columns below are in every record (conventions: record base)."""

    metadata = sa.MetaData(
        schema=TENANT,
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        },
    )

    removal: ClassVar[Literal["archive", "delete"] | None] = "archive"
    """What DELETE does: keep the row out of sight, remove it, or refuse."""
    creatable: ClassVar[bool] = True
    """Whether the derived create exists; False where a command makes the record."""
    editable: ClassVar[bool] = True
    """Whether the derived patch exists."""
    merges: ClassVar[bool] = False
    """Whether records are merged: then the id of one that is gone leads to its survivor (the service's `redirect` entity says where)."""
    alike: ClassVar[Mapping[str, str]] = {}
    """What two records of one thing have in common, strongest first: a name, and an SQL expression over the columns that is empty or equal.
    An import looks for who is known already by it."""
    plural: ClassVar[str] = ""
    """The path segment; by default the name with an s."""

    id: Mapped[UUID] = mapped_column(sa.Uuid(), primary_key=True, default_factory=uuid7, init=False, info=_known("uuid"))
    created_at: Mapped[dt.datetime] = mapped_column(
        sa.DateTime(timezone=True), server_default=sa.func.now(), init=False, info=_known("instant")
    )
    created_by: Mapped[UUID | None] = mapped_column(sa.Uuid(), default=None, init=False, info=_known("ref", refers_to="auth.user"))
    updated_at: Mapped[dt.datetime] = mapped_column(
        sa.DateTime(timezone=True), server_default=sa.func.now(), init=False, info=_known("instant")
    )
    updated_by: Mapped[UUID | None] = mapped_column(sa.Uuid(), default=None, init=False, info=_known("ref", refers_to="auth.user"))
    version: Mapped[int] = mapped_column(sa.Integer(), default=1, server_default="1", init=False, info=_known("int"))
    archived_at: Mapped[dt.datetime | None] = mapped_column(sa.DateTime(timezone=True), default=None, init=False, info=_known("instant"))
    tags: Mapped[list[str]] = f.tags(default_factory=list)
    external_refs: Mapped[dict[str, str]] = f.json(
        dict[str, str], default_factory=dict, help="The record's id in other systems, by system; what makes an import repeatable."
    )
    custom: Mapped[dict[str, Any]] = mapped_column(
        pg.JSONB(), default_factory=dict, info={"nexus": Facts(kind="json", of=dict[str, Any], help="The tenant's own fields.")}
    )

    @declared_attr.directive
    def __tablename__(cls) -> str:
        return f"{cls.service()}_{snake(cls.__name__)}"

    @classmethod
    def service(cls) -> str:
        """The service a declaration belongs to: the folder under `nexus/services/` it lies in."""
        parts = cls.__module__.split(".")
        return parts[2] if parts[:2] == ["nexus", "services"] else parts[0]

    @classmethod
    def entity_name(cls) -> str:
        """`service.entity`, as permissions, topics and references spell it."""
        return f"{cls.service()}.{snake(cls.__name__)}"

    @classmethod
    def path(cls) -> str:
        """The plural that REST paths use."""
        name = snake(cls.__name__)
        return cls.plural or (name[:-1] + "ies" if name.endswith("y") and name[-2] not in "aeiou" else name + "s")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}>"


AnyTable: TypeAlias = "sa.Table[Any]"


def table_of(entity: type[Entity]) -> AnyTable:
    """The declared table of an entity."""
    return cast(AnyTable, entity.__table__)


def facts(column: sa.Column[Any]) -> Facts:
    """The facts of a column; every column of an entity has them."""
    found: Facts = column.info["nexus"]
    return found
