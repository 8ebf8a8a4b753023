"""Backup, restore and clone: what comes back is what was, and what must not come back does not."""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from nexus.core.problem import Conflict, Problem
from nexus.core.service import Service
from nexus.engines.oltp.embedded import EmbeddedPostgres
from nexus.runtime import backup as backup_module
from nexus.runtime import migrations, schemas
from nexus.runtime.backup import TenantExists
from nexus.runtime.tenant_copy.archive import ArchiveDamaged
from nexus.runtime.tenant_copy.parts import CELL_PARTS
from tests.activation.conftest import Installation, opened
from tests.runtime.copies import (
    Business,
    Urls,
    ask,
    backups,
    business,
    chain_holds,
    contents,
    moves,
    record_of,
    relayed,
    rewritten,
    two_cells,
)


@pytest.fixture(scope="module")
async def urls(postgres: EmbeddedPostgres) -> list[Urls]:
    return await two_cells(postgres, "backup_tests")


@pytest.fixture
async def nexus(urls: list[Urls], services: dict[str, Service]) -> AsyncIterator[Installation]:
    async with opened(urls, services) as installation:
        yield installation


@pytest.fixture(scope="module")
async def kept(urls: list[Urls], services: dict[str, Service], tmp_path_factory: pytest.TempPathFactory) -> tuple[Business, Path]:
    """A business and its archive, for tests that change neither."""
    path = tmp_path_factory.mktemp("kept") / "kept.zip"
    async with opened(urls, services) as nexus:
        one = await business(nexus, "kept")
        await backups(nexus).backup(await record_of(nexus, one.id), path)
    return one, path


async def test_a_purged_tenant_comes_back_as_it_was(nexus: Installation, tmp_path: Path) -> None:
    one = await business(nexus, "comes-back")
    await relayed(nexus)
    before = await contents(nexus, one.id)
    manifest = await backups(nexus).backup(await record_of(nexus, one.id), tmp_path / "one.zip")
    assert await chain_holds(nexus, one.id)
    for move, body in (("archive", {"reason": "gone"}), ("purge", {"reason": "gone", "force": True})):
        assert (await nexus.ask("POST", f"/api/v1/tenants/{one.slug}/{move}", body))[0] == 200

    restored = await backups(nexus).restore(tmp_path / "one.zip")

    assert (restored.record.id, restored.record.slug, restored.same) == (one.id, one.slug, True)
    assert restored.rows == manifest.rows == sum(member.rows for member in manifest.members)
    after = await contents(nexus, one.id)
    assert after.pop("cell.audit").startswith(before.pop("cell.audit"))
    assert after.pop("nexus_inbox").startswith(before.pop("nexus_inbox"))
    assert after == before
    assert await chain_holds(nexus, one.id)
    assert (await ask(nexus, one, "GET", f"crm/contacts/{one.contacts[0]}"))["name"] == "Adé Ọlá"
    await ask(nexus, one, "POST", "crm/contacts", {"name": "After"})
    assert await chain_holds(nexus, one.id)


async def test_every_table_of_a_cell_that_has_rows_of_tenants_is_copied_and_dropped(nexus: Installation) -> None:
    found = await nexus.rows(
        "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant'"
        " WHERE c.relnamespace = 'nexus_cell'::regnamespace AND c.relkind = 'r' ORDER BY 1"
    )

    names = {name for (name,) in found}
    made_by_the_copy = {"audit_head", "tenant_service"}
    assert names - made_by_the_copy == {part.name.removeprefix("cell.") for part in CELL_PARTS}
    assert all(f"DELETE FROM nexus_cell.{name} " in schemas._ROWS + schemas._SERVICES for name in names)


async def test_another_tenant_beside_the_living_one(nexus: Installation, kept: tuple[Business, Path]) -> None:
    one, path = kept

    other = (await backups(nexus).restore(path, slug="beside")).record

    assert (other.slug, other.state, other.id == one.id) == ("beside", "active", False)
    ours, theirs = await contents(nexus, one.id), await contents(nexus, other.id)
    for name in ours:
        if name.startswith("crm_"):
            assert theirs[name] == ours[name], name
    assert theirs["cell.event"].count(b"\n") == 1
    assert await chain_holds(nexus, other.id)
    assert await chain_holds(nexus, one.id)
    assert len((await ask(nexus, one, "GET", "crm/contacts"))["items"]) == 5


async def test_no_credential_of_the_first_opens_the_second(nexus: Installation, kept: tuple[Business, Path]) -> None:
    one, path = kept
    other = (await backups(nexus).restore(path, slug="no-keys")).record
    forged = one.token.replace(one.id.hex, other.id.hex)

    assert (await nexus.ask("GET", "/api/v1/crm/contacts", token=forged))[0] == 401
    assert (await nexus.ask("GET", "/api/v1/crm/contacts", token=one.token))[0] == 200
    status, given = await nexus.ask("POST", "/api/v1/tenants/no-keys/owner-key", {"reason": "restored"})
    assert status == 200
    assert len((await ask(nexus, one, "GET", "crm/contacts", token=given["credentials"]["api_key"]))["items"]) == 5


async def test_a_restored_chain_that_is_tampered_with_is_found(nexus: Installation, kept: tuple[Business, Path]) -> None:
    other = (await backups(nexus).restore(kept[1], slug="tampered")).record
    await nexus.rows(
        "UPDATE nexus_cell.audit SET entry = replace(entry, 'restored_from', 'restored_fram') WHERE tenant = %s AND entry ~ 'restored_from'"
        " RETURNING 1",
        other.schema,
        cell=other.cell,
    )

    assert not await chain_holds(nexus, other.id)


def _truncated(path: Path, to: Path) -> Path:
    to.write_bytes(path.read_bytes()[:-2000])
    return to


def _flipped(path: Path, to: Path) -> Path:
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as file:
        info = max(file.infolist(), key=lambda one: one.compress_size)
    content[info.header_offset + 200] ^= 0xFF
    to.write_bytes(content)
    return to


def _manifest(path: Path, **change: Any) -> bytes:
    with zipfile.ZipFile(path) as file:
        return msgspec.json.encode({**msgspec.json.decode(file.read("manifest.json")), **change})


def _altered(path: Path, to: Path) -> Path:
    with zipfile.ZipFile(path) as file:
        content = file.read("crm_contact.csv")
    return rewritten(path, to, {"crm_contact.csv": content.replace(b"Plain", b"Blain")})


DAMAGES: dict[str, Callable[[Path, Path], Path]] = {
    "is not a whole zip file": _truncated,
    "cannot be read|is not what the manifest says": _flipped,
    "crm_contact is not what the manifest says": _altered,
    "it has no manifest": lambda path, to: rewritten(path, to, {"manifest.json": None}),
    "crm_lead cannot be read": lambda path, to: rewritten(path, to, {"crm_lead.csv": None}),
    "newer NEXUS": lambda path, to: rewritten(path, to, {"manifest.json": _manifest(path, services={"auth": 1, "crm": 99})}),
    "needs the service loyalty": lambda path, to: rewritten(path, to, {"manifest.json": _manifest(path, services={"loyalty": 1})}),
    "format 9": lambda path, to: rewritten(path, to, {"manifest.json": _manifest(path, format=9)}),
    "it lacks auth_api_key": lambda path, to: rewritten(path, to, {"manifest.json": _manifest(path, members=[])}),
}


@pytest.mark.parametrize("says", DAMAGES)
async def test_a_damaged_archive_makes_nothing(nexus: Installation, kept: tuple[Business, Path], tmp_path: Path, says: str) -> None:
    damaged = DAMAGES[says](kept[1], tmp_path / "damaged.zip")
    before = await nexus.traces()

    with pytest.raises(ArchiveDamaged, match=says):
        await backups(nexus).restore(damaged, slug="damaged")

    assert await nexus.traces() == before


async def test_a_part_that_does_not_fit_its_table_is_undone(nexus: Installation, kept: tuple[Business, Path], tmp_path: Path) -> None:
    with zipfile.ZipFile(kept[1]) as file:
        manifest = msgspec.json.decode(file.read("manifest.json"))
        contacts = file.read("crm_contact.csv")
    bad = contacts.replace(b"name", b"nome", 1)
    for member in manifest["members"]:
        if member["name"] == "crm_contact":
            member["sha256"] = hashlib.sha256(bad).hexdigest()
    changed = {"crm_contact.csv": bad, "manifest.json": msgspec.json.encode(manifest)}
    before = await nexus.traces()

    with pytest.raises(ArchiveDamaged, match="crm_contact does not fit its table"):
        await backups(nexus).restore(rewritten(kept[1], tmp_path / "bad.zip", changed), slug="does-not-fit")

    assert await nexus.traces() == before
    assert await nexus.rows("SELECT count(*) FROM nexus_control.relocation") == [(0,)]


async def test_what_exists_is_never_overwritten(nexus: Installation, kept: tuple[Business, Path], tmp_path: Path) -> None:
    one, path = kept
    before = await nexus.traces()

    with pytest.raises(TenantExists, match="The tenant kept exists already"):
        await backups(nexus).restore(path)
    with pytest.raises(TenantExists, match="the slug kept exists already"):
        await backups(nexus).restore(path, slug="kept")
    with pytest.raises(FileExistsError):
        await backups(nexus).backup(await record_of(nexus, one.id), path)

    assert await nexus.traces() == before


async def test_an_older_archive_is_migrated(
    nexus: Installation, kept: tuple[Business, Path], monkeypatch: pytest.MonkeyPatch, urls: list[Urls], services: dict[str, Service]
) -> None:
    files = migrations._files
    added = "-- expand\nALTER TABLE {s}.crm_contact ADD COLUMN shoe_size int;\n-- backfill\n" + (
        "UPDATE {s}.crm_contact SET shoe_size = 42 WHERE id IN (SELECT id FROM {s}.crm_contact WHERE shoe_size IS NULL LIMIT 2);"
    )
    monkeypatch.setattr(migrations, "_files", lambda service: files(service) | ({2: added} if service.name == "crm" else {}))
    for function in (migrations.parts, migrations.from_nothing):
        function.cache_clear()
    try:
        async with opened(urls, services) as newer:
            other = (await backups(newer).restore(kept[1], slug="older")).record

            assert other.versions["crm"] == 2
            assert await newer.rows(f"SELECT DISTINCT shoe_size FROM {other.schema}.crm_contact", cell=other.cell) == [(42,)]
    finally:
        monkeypatch.undo()
        for function in (migrations.parts, migrations.from_nothing):
            function.cache_clear()


async def test_an_archive_is_readable_by_its_owner_only_and_says_what_it_is(kept: tuple[Business, Path]) -> None:
    one, path = kept

    assert path.stat().st_mode & 0o777 == 0o600
    with zipfile.ZipFile(path) as file:
        manifest = msgspec.json.decode(file.read("manifest.json"))
        rows = file.read("crm_contact.csv").decode()
    assert (manifest["slug"], manifest["services"], manifest["masked"]) == (one.slug, {"auth": 1, "crm": 1, "finance": 1}, False)
    assert {member["name"]: member["rows"] for member in manifest["members"]}["crm_contact"] == 5
    assert one.token.rsplit("_", 1)[1] not in path.read_bytes().decode("latin-1")
    assert "Adé Ọlá" in rows


def _personal(nexus: Installation) -> dict[str, list[str]]:
    from nexus.surfaces.shapes import shape_of

    found: dict[str, list[str]] = {}
    for service in nexus.node.services.values():
        for entity in service.entities():
            fields = shape_of(entity).fields.values()
            names = [one.name for one in fields if one.facts.pii or one.facts.sensitive or one.facts.free or one.facts.kind == "long_text"]
            if names:
                found[entity.__tablename__] = names
    return found


async def test_a_masked_clone_has_nothing_personal_in_it(nexus: Installation) -> None:
    one = await business(nexus, "masked-origin")
    await ask(nexus, one, "POST", "crm/leads", {"name": "Zebulon Quartermain", "email": "person0@example.com", "phone": "+2348012345678"})
    account = await ask(nexus, one, "POST", "crm/accounts", {"name": "Ngozi Nwosu Tailoring", "legal_name": "Ngozi Nwosu and Sons"})
    said = {"name": "Chimamanda Person", "next_step": "Ask Emeka", "account_id": account["id"]}
    deal = (await ask(nexus, one, "POST", "crm/deals", said))["deal_id"]
    said = {"kind": "call", "subject": "Call Tunde", "outcome": "Tunde was away", "location": "At Tunde's", "deal_id": deal}
    await ask(nexus, one, "POST", "crm/activities", said)
    free = {"Ngozi Nwosu Tailoring", "Ngozi Nwosu and Sons", "Chimamanda Person", "Ask Emeka", "Call Tunde", "Tunde was away", "At Tunde's"}
    originals: set[str] = set()
    for table, names in _personal(nexus).items():
        record = await record_of(nexus, one.id)
        for row in await nexus.rows(
            f"SELECT {', '.join(f'{name}::text' for name in names)} FROM {record.schema}.{table}", cell=record.cell
        ):
            originals |= {value for value in row if value and len(value) > 4}
    assert {"Zebulon Quartermain", "+2348012345678", "Adé Ọlá", "ade@example.com"} | free <= originals

    clone = (await backups(nexus).clone(await record_of(nexus, one.id), "masked-clone", masked=True)).record

    everything = b"\n".join((await contents(nexus, clone.id)).values()).decode()
    assert [value for value in originals if value in everything] == []
    assert [word for word in ("Tunde", "Chimamanda", "Emeka", "Ngozi") if word in everything] == []
    (name,) = (await nexus.rows(f"SELECT name FROM {clone.schema}.crm_deal", cell=clone.cell))[0]
    assert re.fullmatch(r"Text [0-9a-f]{12}", name)
    emails = await nexus.rows(f"SELECT email FROM {clone.schema}.crm_contact WHERE email IS NOT NULL ORDER BY id", cell=clone.cell)
    leads = await nexus.rows(f"SELECT email, name FROM {clone.schema}.crm_lead ORDER BY id DESC LIMIT 1", cell=clone.cell)
    assert emails[0][0] == leads[0][0]  # equal stays equal
    assert re.fullmatch(r"person-[0-9a-f]{16}@example\.invalid", emails[0][0])
    assert len(emails) == 5
    assert await chain_holds(nexus, clone.id)
    _, given = await nexus.ask("POST", "/api/v1/tenants/masked-clone/owner-key", {"reason": "cloned"})
    token = given["credentials"]["api_key"]
    assert (await nexus.ask("GET", "/api/v1/crm/contacts", token=token))[0] == 200
    assert (await nexus.ask("POST", "/api/v1/crm/contacts", {"name": "New"}, token=token))[0] == 201


async def test_a_masked_archive_never_becomes_the_tenant_itself(nexus: Installation, kept: tuple[Business, Path], tmp_path: Path) -> None:
    await backups(nexus).backup(await record_of(nexus, kept[0].id), tmp_path / "masked.zip", masked=True)

    with pytest.raises(ArchiveDamaged, match="it can only become another tenant"):
        await backups(nexus).restore(tmp_path / "masked.zip")


async def test_a_backup_sees_one_moment(nexus: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = await business(nexus, "one-moment")
    parts_of = backup_module.parts_of

    async def written_meanwhile(connection: Any, schema: str, services: Any) -> Any:
        found = await parts_of(connection, schema, services)
        await ask(nexus, one, "POST", "crm/contacts", {"name": "Too late"})
        return found

    monkeypatch.setattr(backup_module, "parts_of", written_meanwhile)
    await backups(nexus).backup(await record_of(nexus, one.id), tmp_path / "one.zip")

    with zipfile.ZipFile(tmp_path / "one.zip") as file:
        assert all(b"Too late" not in file.read(name) for name in file.namelist())
    assert len((await ask(nexus, one, "GET", "crm/contacts"))["items"]) == 6


async def test_what_was_told_and_not_moved_yet_is_told_after_the_restore(nexus: Installation, tmp_path: Path) -> None:
    one = await business(nexus, "untold")
    await relayed(nexus)
    await ask(nexus, one, "POST", "crm/contacts", {"name": "Untold"})  # no relay runs here: it is in the journal alone
    await backups(nexus).backup(await record_of(nexus, one.id), tmp_path / "one.zip")
    assert await chain_holds(nexus, one.id)
    for move, body in (("archive", {"reason": "gone"}), ("purge", {"reason": "gone", "force": True})):
        assert (await nexus.ask("POST", f"/api/v1/tenants/{one.slug}/{move}", body))[0] == 200

    restored = await backups(nexus).restore(tmp_path / "one.zip")

    events = "SELECT count(*) FROM nexus_cell.event WHERE tenant = %s AND envelope ~ 'Untold'"
    assert await nexus.rows(events, one.schema, cell=restored.record.cell) == [(0,)]
    assert await chain_holds(nexus, one.id)
    assert await nexus.rows(events, one.schema, cell=restored.record.cell) == [(1,)]


@pytest.mark.parametrize("slug", ["crashed-restore"])
async def test_a_restore_that_dies_leaves_nothing_after_recovery(
    nexus: Installation, kept: tuple[Business, Path], monkeypatch: pytest.MonkeyPatch, slug: str
) -> None:
    before = await nexus.traces()

    async def nothing(*_: Any) -> None:
        """A dead process undoes nothing."""

    async def died(*_: Any) -> None:
        raise psycopg.OperationalError("the process is gone")

    with monkeypatch.context() as dead:
        dead.setattr(backup_module.relocations, "undo_restore", nothing)
        dead.setattr(nexus.node.migrator, "ensure_service", died)
        with pytest.raises(psycopg.OperationalError):
            await backups(nexus).restore(kept[1], slug=slug, cell="c0")
    assert (await nexus.traces())["schemas"] == before["schemas"] + 1

    assert await moves(nexus).recover() == 1

    assert await nexus.traces() == before
    assert await moves(nexus).recover() == 0


async def test_a_tenant_that_is_not_whole_is_not_copied(nexus: Installation, kept: tuple[Business, Path], tmp_path: Path) -> None:
    one = kept[0]
    record = await record_of(nexus, one.id)
    await nexus.rows("UPDATE nexus_control.tenant SET state = 'moving' WHERE id = %s RETURNING 1", one.id)
    try:
        with pytest.raises(Conflict, match="kept is moving"):
            await backups(nexus).backup(record, tmp_path / "one.zip")
    finally:
        await nexus.rows("UPDATE nexus_control.tenant SET state = 'active' WHERE id = %s RETURNING 1", one.id)
    assert list(tmp_path.iterdir()) == []


async def test_the_archive_cannot_name_other_tables(nexus: Installation, kept: tuple[Business, Path], tmp_path: Path) -> None:
    with zipfile.ZipFile(kept[1]) as file:
        manifest = msgspec.json.decode(file.read("manifest.json"))
    manifest["members"].append({"name": "crm_lead; DROP SCHEMA x", "rows": 0, "bytes": 0, "sha256": hashlib.sha256(b"").hexdigest()})
    changed: dict[str, bytes | None] = {"manifest.json": msgspec.json.encode(manifest)}
    path = rewritten(kept[1], tmp_path / "evil.zip", changed)
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("crm_lead; DROP SCHEMA x.csv", b"")
    before = await nexus.traces()

    with pytest.raises(Problem, match="does not fit its table"):
        await backups(nexus).restore(path, slug="evil")

    assert await nexus.traces() == before
