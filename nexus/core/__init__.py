"""The words a service is written in. Everything a service may use is named here."""

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    Index,
    Select,
    UniqueConstraint,
    and_,
    case,
    cast,
    delete,
    exists,
    func,
    literal,
    not_,
    null,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.orm import Mapped, aliased

from nexus.core import fields as f
from nexus.core.entity import Entity
from nexus.core.flow import Flow, IllegalMove, Move
from nexus.core.ids import uuid7
from nexus.core.message import Command, Event, Query, Rows, answers, handles, on
from nexus.core.policy import Me, Sight, role
from nexus.core.problem import Conflict, FieldError, Forbidden, Invalid, NotFound, Problem
from nexus.core.service import Service
from nexus.core.tx import Actor, Tenant, Tx
from nexus.core.values import CurrencyCode, EmailText, Instant, Line, Percent, PhoneText, Prose, Value, among, amount, sql

__all__ = [
    "Actor",
    "CheckConstraint",
    "ColumnElement",
    "Command",
    "Conflict",
    "CurrencyCode",
    "EmailText",
    "Entity",
    "Event",
    "FieldError",
    "Flow",
    "Forbidden",
    "IllegalMove",
    "Index",
    "Instant",
    "Invalid",
    "Line",
    "Mapped",
    "Me",
    "Move",
    "NotFound",
    "Percent",
    "PhoneText",
    "Problem",
    "Prose",
    "Query",
    "Rows",
    "Select",
    "Service",
    "Sight",
    "Tenant",
    "Tx",
    "UniqueConstraint",
    "Value",
    "aliased",
    "among",
    "amount",
    "and_",
    "answers",
    "case",
    "cast",
    "delete",
    "exists",
    "f",
    "func",
    "handles",
    "literal",
    "not_",
    "null",
    "on",
    "or_",
    "role",
    "select",
    "sql",
    "union_all",
    "update",
    "uuid7",
]
