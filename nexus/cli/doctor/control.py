"""What the control plane says: room in the cells, tenants made in advance, migrations behind, activations that need somebody, the key."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import psycopg

from nexus.activation.platform import SERVICES
from nexus.cli.doctor.findings import Tell, odd, ok, wrong
from nexus.config import Settings
from nexus.core.tokens import is_operator_key, operator_hash
from nexus.runtime.migrations import versions_key, with_needs
from nexus.runtime.node import Node

Owner = psycopg.AsyncConnection[Any]

_CELLS: Final = (
    "SELECT c.name, c.capacity, c.open, (SELECT count(*) FROM nexus_control.tenant t WHERE t.cell = c.name AND t.state <> 'purged')::int,"
    " (SELECT count(*) FROM nexus_control.standby s WHERE s.cell = c.name AND s.state = 'ready' AND s.versions = %s)::int"
    " FROM nexus_control.cell c ORDER BY c.name"
)
_ACTIVATIONS: Final = (
    "SELECT id::text, slug, state, coalesce(failed_step, '?'), coalesce(reason, '?') FROM nexus_control.activation"
    " WHERE state = 'stuck' OR state IN ('running', 'undoing') AND lease_until < clock_timestamp() ORDER BY started_at"
)
_KEYS: Final = "SELECT count(*)::int, coalesce(bool_or(key_hash = %s), false) FROM nexus_control.operator"


async def look(node: Node, settings: Settings, tell: Tell, serves: bool) -> None:
    """Everything of this file."""
    try:
        async with await node.cells.control.owner() as owner:
            await _key(owner, _kept(settings.folder / "operator.key"), tell)
            await _cells(owner, node, settings, tell, serves)
            await _activations(owner, tell)
        await _migrations(node, tell)
    except psycopg.Error as error:
        tell(wrong("control plane", f"could not be looked at: {str(error).strip().splitlines()[0]}", "nexus up prepares the database"))


def _kept(file: Path) -> str | None:
    key = file.read_text(encoding="utf-8", errors="replace").strip() if file.exists() else ""
    return key if is_operator_key(key) else None


async def _key(owner: Owner, key: str | None, tell: Tell) -> None:
    if key is None:
        return
    known, in_force = (await (await owner.execute(_KEYS, (operator_hash(key),))).fetchone()) or (0, False)
    if in_force:
        tell(ok("operator key", "the one in the file is in force"))
    elif known:
        tell(wrong("operator key", "another than the one in the file is in force", "use the data folder of the process that serves"))
    else:
        tell(odd("operator key", "none is in force yet", "nexus up puts the one in the file in force"))


async def _cells(owner: Owner, node: Node, settings: Settings, tell: Tell, serves: bool) -> None:
    prepared = versions_key(with_needs(SERVICES, node.services))
    room = 0
    for name, capacity, open_, tenants, ready in await (await owner.execute(_CELLS, (prepared,))).fetchall():
        about, says = f"cell {name}", f"{tenants} of {capacity} tenants, {ready} made in advance"
        room += max(0, capacity - tenants) if open_ else 0
        if name in settings.extra_cells() and name not in node.cells:
            continue  # that its database cannot be reached has been said
        if name not in node.cells:
            do = f"name it in NEXUS_CELLS again ({name}=postgresql://…) and start NEXUS: only then can its tenants work, or be moved from there"
            tell(wrong(about, f"{says}, and the settings do not name it", do))
        elif tenants >= capacity * 0.9:
            tell(odd(about, says, "add a cell: NEXUS_CELLS=name=postgresql://…"))
        elif serves and ready < settings.standby:
            tell(odd(about, f"{says}, {settings.standby} are wanted", "they are made within a minute; until then activations take longer"))
        else:
            tell(ok(about, says))
    if not room:
        tell(wrong("cells", "no open cell has room: activations are refused", "add a cell: NEXUS_CELLS=name=postgresql://…"))


async def _activations(owner: Owner, tell: Tell) -> None:
    for id, slug, state, step, reason in await (await owner.execute(_ACTIVATIONS)).fetchall():
        if state == "stuck":
            do = f"mend that, then POST /api/v1/activations/{id}/retry"
            tell(wrong(f"activation of {slug}", f"could not be undone after it failed in step {step}: {reason}", do))
        else:
            tell(odd(f"activation of {slug}", f"is {state} and nobody is at it", "the next nexus up goes on with it"))


async def _migrations(node: Node, tell: Tell) -> None:
    groups = await node.migrator.status()
    behind = sum(len(group.behind) for group in groups)
    for group in groups:
        if group.error and group.behind:
            about = f"migration of {group.service} in {group.cell}"
            tell(wrong(about, f"{group.tenants} stay at version {group.version}: {group.error}", "mend it, then nexus migrate"))
    if behind:
        tell(odd("migrations", f"{behind} schemas are behind", "nexus migrate brings them on; each is brought on its first use as well"))
    else:
        tell(ok("migrations", "all schemas are at the versions of this code"))
