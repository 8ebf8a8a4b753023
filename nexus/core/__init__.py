"""The words a service is written in. Everything a service may use is named here."""

from sqlalchemy import ColumnElement, Select, and_, case, cast, exists, func, literal, not_, or_, select, update
from sqlalchemy.orm import Mapped

from nexus.core import fields as f
from nexus.core.entity import Entity
from nexus.core.flow import Flow, IllegalMove, Move
from nexus.core.ids import uuid7
from nexus.core.message import Command, Event, Query, answers, handles, on
from nexus.core.policy import Me, Sight, role
from nexus.core.problem import Conflict, FieldError, Forbidden, Invalid, NotFound, Problem
from nexus.core.service import Service
from nexus.core.tx import Actor, Tenant, Tx

__all__ = [
    "Actor",
    "ColumnElement",
    "Command",
    "Conflict",
    "Entity",
    "Event",
    "FieldError",
    "Flow",
    "Forbidden",
    "IllegalMove",
    "Invalid",
    "Mapped",
    "Me",
    "Move",
    "NotFound",
    "Problem",
    "Query",
    "Select",
    "Service",
    "Sight",
    "Tenant",
    "Tx",
    "and_",
    "answers",
    "case",
    "cast",
    "exists",
    "f",
    "func",
    "handles",
    "literal",
    "not_",
    "on",
    "or_",
    "role",
    "select",
    "update",
    "uuid7",
]
