"""What one tenant may ask: limits of its own in place of the installation's."""

from __future__ import annotations

from typing import Annotated, Any, Final
from uuid import UUID

import msgspec

from nexus.activation.platform import Platform
from nexus.core.values import Line
from nexus.engines.oltp import Statement
from nexus.surfaces.sql import encode

Rate = Annotated[float, msgspec.Meta(ge=0, le=1_000_000)]
Quota = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000_000)]

COLUMNS: Final = (
    "(SELECT row_to_json(l) FROM (SELECT per_second, key_per_second, per_day, key_per_day FROM nexus_control.tenant_limit"
    " WHERE tenant_id = t.id) l) AS limits, coalesce((SELECT requests FROM nexus_control.usage WHERE day = (now() AT TIME ZONE 'UTC')::date"
    " AND tenant_id = t.id AND key_id = '00000000-0000-0000-0000-000000000000'), 0) AS requests_today"
)
"""Of a tenant `t`."""


class Limits(msgspec.Struct, forbid_unknown_fields=True):
    """The limits that shall hold from now on. What is left out is as the settings have it; 0 is without a limit."""

    reason: Line
    per_second: Rate | None = None
    """Requests a second of the tenant, ten seconds' worth of them at once."""
    key_per_second: Rate | None = None
    """The same of each of its keys."""
    per_day: Quota | None = None
    """Requests of the tenant in a day (UTC)."""
    key_per_day: Quota | None = None
    """The same of each of its keys."""


def set_statement(audited: str) -> Statement:
    """Put limits in force, written down with what they were; `audited` tells the platform's own audit of it. Counts the tenants changed: 0 or 1."""
    return Statement(
        "WITH known AS (SELECT id FROM nexus_control.tenant WHERE id = $1 AND state NOT IN ('purging', 'purged') FOR UPDATE),"
        " was AS (SELECT known.id, row_to_json(l) AS limits FROM known LEFT JOIN nexus_control.tenant_limit l ON l.tenant_id = known.id),"
        " made AS (INSERT INTO nexus_control.tenant_limit AS l (tenant_id, per_second, key_per_second, per_day, key_per_day)"
        " SELECT id, $2, $3, $4, $5 FROM known ON CONFLICT ON CONSTRAINT pk_tenant_limit DO UPDATE SET per_second = excluded.per_second,"
        " key_per_second = excluded.key_per_second, per_day = excluded.per_day, key_per_day = excluded.key_per_day RETURNING l.*),"
        " noted AS (INSERT INTO nexus_control.tenant_change (tenant_id, command, was, became, reason) SELECT was.id, 'limits',"
        " json_build_object('limits', was.limits), json_build_object('limits', row_to_json(made)), $6 FROM was, made RETURNING *),"
        f" {audited} SELECT count(*) FROM made"
    )


async def set_limits(platform: Platform, statement: Statement, id: UUID, limits: Limits) -> bool:
    """Put limits in force; False where the tenant is gone."""
    given: list[Any] = [id, limits.per_second, limits.key_per_second, limits.per_day, limits.key_per_day, limits.reason]
    (result,) = await platform.control.run(None, (statement, [encode(one) for one in given]))
    return result.rows[0][0] == b"1"
