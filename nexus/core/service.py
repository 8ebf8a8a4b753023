"""The manifest of a service, and the list of those a process knows."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, cast

from sqlalchemy import Table

from nexus.core.document import DOCUMENTS, Document
from nexus.core.entity import Entity
from nexus.core.fields import Facts
from nexus.core.flow import FLOWS, Flow
from nexus.core.message import ANSWERS, HANDLERS, REACTIONS, Answer, Handler, Reaction
from nexus.core.policy import ROLES, Role

_PARTS = ("entities", "flows", "api", "policies", "commands", "reactions", "queries", "documents", "console", "seeds")


@dataclass(frozen=True, slots=True)
class Service:
    """One folder under `nexus/services/`: its name there is its name everywhere."""

    name: str
    title: str
    group: str
    """The part of the business it belongs to: customers, money, people, goods, platform …"""
    needs: tuple[str, ...] = field(default=())
    """Services whose tables must be there before its own (never imports: those go through `api`)."""

    @property
    def package(self) -> str:
        return f"nexus.services.{self.name}"

    def load(self) -> None:
        """Import every part of the service, so that its declarations are registered."""
        for part in _PARTS:
            name = f"{self.package}.{part}"
            if importlib.util.find_spec(name) is None:
                continue
            module = importlib.import_module(name)
            if hasattr(module, "__path__"):
                for child in pkgutil.iter_modules(module.__path__, f"{name}."):
                    importlib.import_module(child.name)

    def part(self, name: str) -> ModuleType | None:
        """A part of the service by its name, `seeds` for instance, or None where the service has none."""
        full = f"{self.package}.{name}"
        return importlib.import_module(full) if importlib.util.find_spec(full) else None

    def entities(self) -> list[type[Entity]]:
        """What it keeps, in the order in which tables can be made."""
        mine = {mapper.local_table: mapper.class_ for mapper in Entity.registry.mappers if mapper.class_.service() == self.name}
        return [mine[table] for table in Entity.metadata.sorted_tables if table in mine]

    def flows(self) -> list[Flow[Any]]:
        return [flow for flow in FLOWS if flow.column.class_.service() == self.name]

    def handlers(self) -> list[Handler]:
        """In an order that does not depend on which module was imported first."""
        mine = [handler for handler in HANDLERS.values() if handler.entity.split(".")[0] == self.name]
        return sorted(mine, key=lambda handler: handler.needs)

    def reactions(self) -> list[Reaction]:
        return [reaction for some in REACTIONS.values() for reaction in some if reaction.service == self.name]

    def answers(self) -> list[Answer]:
        return sorted((answer for answer in ANSWERS.values() if answer.needs.split(".")[0] == self.name), key=lambda answer: answer.name)

    def documents(self) -> list[Document]:
        mine = [one for one in DOCUMENTS if one.entity.service() == self.name]
        return sorted(mine, key=lambda one: (one.entity.entity_name(), one.name))

    def roles(self) -> list[Role]:
        return [one for one in ROLES.values() if one.name.split(".")[0] == self.name]


def service_names() -> list[str]:
    """The names of the service folders there are, nothing of them loaded."""
    import nexus.services

    return sorted(module.name for module in pkgutil.iter_modules(nexus.services.__path__))


def installed() -> dict[str, Service]:
    """Every service folder that has a manifest named `service`, loaded, by name and in the order of their needs."""
    import nexus.services

    found: dict[str, Service] = {}
    for module in pkgutil.iter_modules(nexus.services.__path__):
        manifest = getattr(importlib.import_module(f"nexus.services.{module.name}"), "service", None)
        if isinstance(manifest, Service):
            found[manifest.name] = manifest
    ordered: dict[str, Service] = {}

    def place(name: str) -> None:
        for need in found[name].needs:
            if need not in ordered:
                place(need)
        ordered.setdefault(name, found[name])

    for name in sorted(found):
        place(name)
    for service in ordered.values():
        service.load()
    _load_flows()
    Entity.registry.configure()
    _order_tables()
    return ordered


def _load_flows() -> None:
    """Import what spans services: it reacts for one of them to what another tells."""
    import nexus.flows

    for module in pkgutil.iter_modules(nexus.flows.__path__, "nexus.flows."):
        importlib.import_module(module.name)


def _order_tables() -> None:
    """Tell the metadata which table refers to which, so that tables are made, and rows inserted, after what they refer to."""
    tables = {mapper.class_.entity_name(): cast("Table[Any]", mapper.class_.__table__) for mapper in Entity.registry.mappers}
    for name, table in tables.items():
        for column in table.c:
            known: Facts = column.info["nexus"]
            refers_to = known.refers_to or ""
            target = tables.get(refers_to) if known.of != "NOTHING" else None
            if target is not None and target is not table and refers_to.split(".")[0] == name.split(".")[0]:
                table.add_is_dependent_on(target)
