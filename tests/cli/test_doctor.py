"""`nexus doctor`: each thing that can be amiss is made so, found, and told with what to do."""

from __future__ import annotations

import asyncio
import fcntl
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nexus.cli.doctor import cells, examined, here
from nexus.cli.doctor.findings import Finding
from nexus.config import Settings
from nexus.core.tokens import new_operator_key
from tests.cli.conftest import Cli
from tests.process.conftest import Nexus, until


def found(cli: Cli, **settings: Any) -> list[Finding]:
    given: dict[str, Any] = {"data": str(cli.data), "port": cli.nexus.port, "standby": 0} | settings
    return asyncio.run(examined(Settings(**given)))


def told(cli: Cli, about: str, **settings: Any) -> Finding:
    """The one finding about this that is not ok; everything else must be."""
    amiss = {one.about: one for one in found(cli, **settings) if one.state != "ok"}
    assert set(amiss) == {about}
    assert amiss[about].do
    return amiss[about]


@contextmanager
def changed(cli: Cli, sql: str, back: str) -> Iterator[None]:
    with cli.superuser() as superuser:
        superuser.execute(sql.encode())
        try:
            yield
        finally:
            superuser.execute(back.encode())


@contextmanager
def mode(file: Path, value: int) -> Iterator[None]:
    before = stat.S_IMODE(file.stat().st_mode)
    file.chmod(value)
    try:
        yield
    finally:
        file.chmod(before)


@pytest.fixture(autouse=True)
def room(monkeypatch: pytest.MonkeyPatch) -> None:
    """How full the disk of the machine is that runs the tests is no matter of theirs."""
    monkeypatch.setattr(here.shutil, "disk_usage", lambda place: SimpleNamespace(free=50 << 30, total=100 << 30))


@pytest.fixture(scope="module")
def patient(cli: Cli) -> Cli:
    """With a tenant, and so with an audit chain and events."""
    cli.activate("patient")
    return cli


def test_all_is_well(patient: Cli) -> None:
    said = patient.process("doctor", "--json")

    assert said.code == 0, said
    report = said.json()
    assert report["well"]
    assert {one["state"] for one in report["findings"] if one["about"] != "disk"} == {"ok"}  # a process sees the real disk
    assert found(patient) and all(one.state == "ok" for one in found(patient))
    assert {one["name"]: (one["value"], one["from"]) for one in report["settings"]}["port"] == (patient.nexus.port, "NEXUS_PORT")
    text = patient("doctor")
    assert (text.code, text.err) == (0, "")
    assert "Settings in force" in text.out


def test_something_wrong_is_1(patient: Cli) -> None:
    with mode(patient.data / "operator.key", 0o644):
        said, text = patient("doctor", "--json"), patient("doctor")

    assert (said.code, said.json()["well"], said.err) == (1, False, "One thing is wrong.\n")
    assert "can be read by others (mode 644)" in text.out
    assert f"→ chmod 600 {patient.data / 'operator.key'}" in text.out


@pytest.mark.parametrize(
    ("file", "about"), [("operator.key", "operator key file"), ("roles.json", "role passwords"), ("postgres/password", "database password")]
)
def test_a_secret_that_others_can_read(patient: Cli, file: str, about: str) -> None:
    with mode(patient.data / file, 0o640):
        assert told(patient, about).state == "wrong"


def test_a_data_folder_that_others_can_write(patient: Cli) -> None:
    with mode(patient.data, 0o777):
        assert told(patient, "data folder").state == "wrong"


@pytest.mark.parametrize(
    ("content", "about"), [(new_operator_key(), "operator key"), ("secret", "operator key file")], ids=["another one", "none"]
)
def test_a_key_that_is_not_in_force(patient: Cli, content: str, about: str) -> None:
    file = patient.data / "operator.key"
    before = file.read_text()
    file.write_text(content)
    try:
        assert told(patient, about).state == "wrong"
    finally:
        file.write_text(before)


@pytest.mark.parametrize(
    ("wall", "sql"),
    [
        ("set_config", "{} execute on function pg_catalog.set_config(text, text, boolean) {} public"),
        ("catalogue", "{} select on table pg_catalog.pg_class {} public"),
        ("languages", "{} usage on language plpgsql {} public"),
        ("public schema", "{} usage on schema public {} public"),
    ],
)
def test_a_wall_that_is_missing(patient: Cli, wall: str, sql: str) -> None:
    with changed(patient, sql.format("grant", "to"), sql.format("revoke", "from")):
        amiss = {one.about: one.state for one in found(patient) if one.state != "ok"}

    assert amiss[f"wall {wall} of main"] == "wrong"


def test_an_event_that_could_not_be_taken(patient: Cli) -> None:
    dead = (
        "insert into nexus_cell.dead_letter (id, consumer_group, reaction, tenant, topic, reason, attempts, envelope)"
        " values (gen_random_uuid(), 'crm', 'crm.never', 't_0', 'nexus.crm', 'it rained', 5, '{}')"
    )
    with changed(patient, dead, "delete from nexus_cell.dead_letter where reaction = 'crm.never'"):
        finding = told(patient, "dead events of main")

    assert (finding.state, finding.says) == ("wrong", "1 of crm could not be taken")
    assert "nexus events redrive --group crm" in str(finding.do)


def test_an_audit_that_was_changed(patient: Cli) -> None:
    change = (
        "update nexus_cell.audit set entry = {} where seq = 1 and tenant = (select min(tenant) from nexus_cell.audit where tenant ^@ 't_')"
    )

    with changed(patient, change.format("entry || '!'"), change.format("left(entry, -1)")):
        finding = told(patient, "audit of main")

    assert finding.state == "wrong"
    assert "seq 1: changed" in finding.says


def test_a_relay_that_does_not_move(patient: Cli) -> None:
    with patient.superuser() as superuser, superuser.transaction():
        superuser.execute("select 1 from nexus_cell.log_head for update")
        with patient.superuser() as other:
            other.execute("insert into nexus_cell.journal (tenant, at, audit) values ('nexus_app', now() - interval '5 minutes', '{}')")
        amiss = {one.about: one for one in found(patient) if one.state != "ok"}

    until(lambda: not {"relay of main"} & {one.about for one in found(patient) if one.state != "ok"}, "what waited has been moved")
    assert amiss["relay of main"].state == "wrong"
    assert amiss["relay of main"].says.startswith("1 commands wait to enter the log, the oldest for 30")


def test_a_group_that_nobody_follows(patient: Cli) -> None:
    made = "insert into nexus_cell.consumer (consumer_group, position) values ('ghost', 1)"
    with changed(patient, made, "delete from nexus_cell.consumer where consumer_group = 'ghost'"):
        finding = told(patient, "consumer ghost of main")

    assert finding.state == "odd"
    assert "no installed service has this name" in finding.says


def test_tenants_made_in_advance_are_missing(patient: Cli) -> None:
    finding = told(patient, "cell main", standby=50)

    assert finding.state == "odd"
    assert finding.says.endswith("50 are wanted")


def test_no_room(patient: Cli) -> None:
    with changed(patient, "update nexus_control.cell set capacity = 1", "update nexus_control.cell set capacity = 500"):
        amiss = {one.about: one.state for one in found(patient) if one.state != "ok"}

    assert amiss == {"cell main": "odd", "cells": "wrong"}


def test_a_cell_that_the_settings_do_not_name(patient: Cli) -> None:
    made = "insert into nexus_control.cell (name, capacity) values ('gone', 500)"
    with changed(patient, made, "delete from nexus_control.cell where name = 'gone'"):
        finding = told(patient, "cell gone")
        assert (finding.state, "name it in NEXUS_CELLS again (gone=postgresql://…)" in str(finding.do)) == ("wrong", True)
        assert told(patient, "database of gone", cells="gone=postgresql://nobody@127.0.0.1:1/none").state == "wrong"


def test_a_cell_that_is_away(patient: Cli) -> None:
    assert told(patient, "database of far", cells="far=postgresql://nobody@127.0.0.1:1/none").state == "wrong"


def test_a_migration_that_failed(patient: Cli) -> None:
    behind = (
        "update nexus_cell.tenant_service set version = 0, error = 'no room' where ctid = (select min(ctid) from nexus_cell.tenant_service)"
    )
    with changed(patient, behind, "update nexus_cell.tenant_service set version = 1, error = null where version = 0"):
        amiss = {one.about: one.state for one in found(patient) if one.state != "ok"}

    assert amiss == {"migration of auth in main": "wrong", "migrations": "odd"}


def test_an_activation_that_is_stuck(patient: Cli) -> None:
    stuck = (
        "insert into nexus_control.activation (id, request_hash, slug, request, state, tenant_id, failed_step, reason, owner, lease_until)"
        " values (gen_random_uuid(), '', 'stuck-one', '{}', 'stuck', gen_random_uuid(), 'dns', 'the disk is full', 'x', now())"
    )
    with changed(patient, stuck, "delete from nexus_control.activation where slug = 'stuck-one'"):
        finding = told(patient, "activation of stuck-one")

    assert (finding.state, finding.says) == ("wrong", "could not be undone after it failed in step dns: the disk is full")


def test_where_nothing_is_yet(alone: Cli) -> None:
    said = alone("doctor", "--json")

    assert said.code == 0
    assert [one["about"] for one in said.json()["findings"] if one["state"] == "odd"] == ["data folder", "databases"]
    assert not alone.data.exists()  # a look makes nothing


def test_secrets_are_not_shown(alone: Cli) -> None:
    secrets = {
        "NEXUS_DATABASE_URL": "postgresql://ade:hush1@127.0.0.1:1/shop?sslpassword=hush2",
        "NEXUS_CELLS": "far=postgresql://ade:hush3@127.0.0.1:1/far",
        "NEXUS_OWNER_PASSWORD": "hush4",
        "NEXUS_APP_PASSWORD": "hush5",
    }

    text, said = alone("doctor", **secrets), alone("doctor", "--json", **secrets)

    assert (text.code, said.code) == (1, 1)
    assert "hush" not in text.out + text.err + said.out + said.err
    shown = {one["name"]: one["value"] for one in said.json()["settings"]}
    assert shown["database_url"] == "postgresql://ade@127.0.0.1:1/shop"
    assert (shown["cells"], shown["owner_password"]) == ("far=postgresql://ade@127.0.0.1:1/far", "***")


def test_a_process_that_does_not_answer(tmp_path: Path) -> None:
    cli = Cli(Nexus(tmp_path, 1))
    cli.data.mkdir()
    with (cli.data / "running.json").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        held.write('{"pid":1,"url":"http://127.0.0.1:1"}')
        held.flush()
        amiss = {one.about: one for one in found(cli) if one.state == "wrong"}

    assert set(amiss) == {"process"}
    assert "http://127.0.0.1:1 does not answer" in amiss["process"].says


def test_a_disk_that_fills(patient: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(here.shutil, "disk_usage", lambda place: SimpleNamespace(free=100 << 20, total=100 << 30))
    assert told(patient, "disk").state == "wrong"

    monkeypatch.setattr(here.shutil, "disk_usage", lambda place: SimpleNamespace(free=4 << 30, total=100 << 30))
    assert told(patient, "disk").state == "odd"


def test_clocks_that_differ(patient: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    real = time.time
    monkeypatch.setattr(cells, "time", SimpleNamespace(time=lambda: real() - 60))

    assert told(patient, "clock of main").says.startswith("differs from this machine's by +")


def test_connections_that_run_out(patient: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "_SERVER", cells._SERVER.replace("current_setting('max_connections')", "'2'"))

    assert told(patient, "connections of main").state == "odd"
