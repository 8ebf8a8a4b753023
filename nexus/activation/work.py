"""One activation under way: what its steps share."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast
from uuid import UUID

import msgspec

from nexus.activation.business import read
from nexus.activation.formats import formats_of
from nexus.activation.platform import SERVICES, Platform
from nexus.activation.presets import Preset
from nexus.activation.resolve import ResolvedBusiness, preset_of, resolve
from nexus.countries import country
from nexus.runtime.directory import TenantRecord, schema_of
from nexus.runtime.migrations import with_needs

T = TypeVar("T")


@dataclass(slots=True)
class Work:
    """What the steps of one activation know. `outputs` are recorded and come back after a crash; `token` is not and does not."""

    platform: Platform
    id: UUID
    tenant_id: UUID
    request: dict[str, Any]
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    token: str | None = None
    """The owner's one-time credential, while this process has it."""
    _business: ResolvedBusiness | None = None
    _preset: Preset | None = None

    @property
    def business(self) -> ResolvedBusiness:
        """The business with every value filled in. Raises InvalidBusiness."""
        if self._business is None:
            self._business = resolve(read(self.request))
        return self._business

    @property
    def preset(self) -> Preset:
        """What the business starts with. Raises UnknownPreset."""
        if self._preset is None:
            self._preset = preset_of(self.business)
        return self._preset

    @property
    def schema(self) -> str:
        return schema_of(self.tenant_id)

    async def record(self) -> TenantRecord:
        """The tenant as the control plane has it."""
        found = await self.platform.directory.get(self.tenant_id)
        if found is None:
            raise LookupError(f"there is no tenant {self.tenant_id}")
        return found

    def service_names(self) -> list[str]:
        """The services that the tenant gets now: those of the preset that are installed, and those every tenant has."""
        platform = self.platform
        return [service.name for service in with_needs([*SERVICES, *self.preset.services], platform.services)]

    def waiting(self) -> list[str]:
        """The services of the preset that are not installed here."""
        return [name for name in self.preset.services if name not in self.platform.services]

    def kept(self) -> dict[str, Any]:
        """What the control plane keeps of the preset, so that anyone can see what the tenant was made of."""
        preset, business = self.preset, self.business
        return {
            "industry": preset.industry,
            "modules": preset.modules,
            "size": preset.size,
            "languages": preset.languages,
            "version": preset.version,
            "layers": msgspec.to_builtins(preset.layers),
            "services": preset.services,
            "terms": preset.terms,
            "branding": msgspec.to_builtins(business.branding),
            "locale": locale_of(business),
            "plan": business.plan,
            "region": business.region,
        }


def locale_of(business: ResolvedBusiness) -> dict[str, Any]:
    """How business is done and written where it is: formats of its main language, taxes in force today, tax number, fiscal year, week, paper."""
    home = country(business.country)
    today = dt.datetime.now(dt.UTC).date()
    taxes = [
        {"key": tax.key, "name": tax.name, "full_name": tax.full_name, "rates": msgspec.to_builtins(tax.on(today))} for tax in home.taxes
    ]
    return {
        "formats": msgspec.to_builtins(formats_of(business.languages[0], home.country)),
        "taxes": taxes,
        "tax_id": home.tax_id.name if home.tax_id else None,
        "fiscal_year": {"month": home.fiscal_year.month, "day": home.fiscal_year.day},
        "week": {"start": home.week.start, "weekend": list(home.week.weekend)},
        "paper": home.paper,
        "coverage": home.coverage,
        "as_of": home.as_of,
    }


async def together(*parts: Awaitable[T]) -> list[T]:
    """What some parts answer that run at the same time. Where one fails the others are awaited first: what undoes them finds them ended."""
    ended = await asyncio.gather(*parts, return_exceptions=True)
    for one in ended:
        if isinstance(one, BaseException):
            raise one
    return cast(list[T], ended)
