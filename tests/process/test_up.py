"""`nexus up`: it says where to go, stops on a signal without leaving a process, and loses nothing however it ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
from pathlib import Path

import pytest

from tests.process.conftest import Nexus, alive, below, free_port, until

CONTACT = {"name": "Ngozi", "email": "ngozi@example.com"}


def names(nexus: Nexus, key: str) -> set[str]:
    status, page = nexus.ask("GET", "/api/v1/crm/contacts?limit=500", token=key)
    assert status == 200
    return {one["name"] for one in page["items"]}


def database(nexus: Nexus) -> int:
    """The process id of the PostgreSQL it has started."""
    return int((nexus.folder / "data" / "postgres" / "data" / "postmaster.pid").read_text().split()[0])


def test_the_first_start_says_where_to_go_and_shows_the_key_once(nexus: Nexus) -> None:
    nexus.start()

    key_file = nexus.folder / "data" / "operator.key"
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    for what in (f"{nexus.url}/", f"{nexus.url}/api/v1", f"{nexus.url}/docs", f"{nexus.url}/readyz", nexus.key):
        assert what in nexus.said.replace("\n", "")
    assert nexus.ask("GET", "/healthz") == (200, {"status": "ok"})
    first = nexus.key
    nexus.stop()
    nexus.start()

    assert nexus.key == first
    assert first not in nexus.said


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_all_it_started(nexus: Nexus, sign: signal.Signals) -> None:
    nexus.start()
    started = below(nexus.pid)
    assert started

    assert nexus.stop(sign) == 0

    assert [pid for pid in started if alive(pid)] == []
    assert "Traceback" not in nexus.said


def test_killed_it_loses_nothing_and_starts_again(nexus: Nexus) -> None:
    key = nexus.start().activate()
    status, _ = nexus.ask("POST", "/api/v1/crm/contacts", CONTACT, token=key)
    assert status == 201
    server = database(nexus)

    nexus.stop(signal.SIGKILL)
    until(lambda: not alive(server), "the database has followed its parent")
    nexus.start()

    assert names(nexus, key) == {"Ngozi"}


def test_the_database_killed_is_started_again_and_has_what_was_acknowledged(nexus: Nexus) -> None:
    key = nexus.start().activate()
    status, _ = nexus.ask("POST", "/api/v1/crm/contacts", CONTACT, token=key)
    assert status == 201
    server = database(nexus)

    os.kill(server, signal.SIGKILL)

    until(lambda: nexus.ask("GET", "/readyz")[0] == 503 or database(nexus) != server, "the loss is noticed")
    until(nexus.ready, "it is ready again")
    assert database(nexus) != server
    until(lambda: nexus.ask("GET", "/api/v1/crm/contacts", token=key)[0] == 200, "every connection has been renewed")
    assert names(nexus, key) == {"Ngozi"}
    assert nexus.stop() == 0


def test_a_second_one_says_that_one_is_running(nexus: Nexus) -> None:
    nexus.start()
    second = Nexus(nexus.folder, nexus.port)
    second.log = nexus.folder / "second.txt"

    assert second.launch().wait(60) == 1

    said = second.said.replace("\n", " ")
    assert f"NEXUS is running already: {nexus.url} (process {nexus.pid})." in said
    assert nexus.ready()


def test_two_copies_run_beside_each_other(nexus: Nexus, tmp_path: Path) -> None:
    nexus.start()
    other = Nexus(tmp_path / "other", free_port())
    other.folder.mkdir(mode=0o755)
    try:
        other.start()
        assert other.key != nexus.key
        assert nexus.ready()
    finally:
        assert other.stop() == 0


def test_a_port_in_use_is_named(nexus: Nexus, tmp_path: Path) -> None:
    nexus.start()
    other = Nexus(tmp_path / "other", nexus.port)
    other.folder.mkdir(mode=0o755)

    assert other.launch().wait(60) == 1

    assert f"Port {nexus.port} of 127.0.0.1 cannot be used" in other.said.replace("\n", " ")
    assert not (other.folder / "data" / "postgres").exists()


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("NEXUS_PORT", "eighty", "NEXUS_PORT: is a whole number, not text"),
        ("NEXUS_PROT", "8080", "NEXUS_PROT is not a setting; did you mean NEXUS_PORT?"),
        ("NEXUS_CELLS", "two", "NEXUS_CELLS takes name=url"),
    ],
)
def test_a_bad_setting_is_named(nexus: Nexus, name: str, value: str, says: str) -> None:
    assert nexus.launch("up", **{name: value}).wait(60) == 2

    assert says in nexus.said.replace("\n", " ")
    assert "Traceback" not in nexus.said


def test_an_ordinary_user_runs_it(nexus: Nexus) -> None:
    """Where this runs as root, the user is nobody, who may read (the interpreter may lie where only root can go) but is not root."""
    if os.geteuid() == 0:
        setpriv = shutil.which("setpriv")
        assert setpriv is not None, "setpriv is a part of util-linux, which every Debian has"
        nexus.prefix = (
            setpriv,
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "--inh-caps=+dac_read_search",
            "--ambient-caps=+dac_read_search",
        )
        os.chown(nexus.folder, 65534, 65534)
    key = nexus.start().activate()

    assert names(nexus, key) == set()
    assert nexus.stop() == 0


def test_it_serves_a_database_given_by_url(nexus: Nexus, tmp_path: Path) -> None:
    """The same code against a PostgreSQL that somebody else runs: here another copy's."""
    nexus.start()
    password = (nexus.folder / "data" / "postgres" / "password").read_text().strip()
    port = (nexus.folder / "data" / "postgres" / "port").read_text().strip()
    roles = json.loads((nexus.folder / "data" / "roles.json").read_text())
    other = Nexus(tmp_path / "other", free_port())
    other.folder.mkdir(mode=0o755)
    try:
        other.start(
            "serve",
            "--target=all",
            NEXUS_DATABASE_URL=f"postgresql://nexus:{password}@127.0.0.1:{port}/postgres",
            NEXUS_OWNER_PASSWORD=roles["owner"],
            NEXUS_APP_PASSWORD=roles["app"],
        )
        key = other.activate()
        assert names(other, key) == set()
        assert not (other.folder / "data" / "postgres").exists()
    finally:
        assert other.stop() == 0


def test_a_key_file_with_something_else_in_it_is_refused(nexus: Nexus) -> None:
    nexus.start().stop()
    (nexus.folder / "data" / "operator.key").write_text("secret\n")

    assert nexus.launch().wait(60) == 1

    assert "does not hold an operator key" in nexus.said
    assert "Traceback" not in nexus.said


def test_a_database_that_is_not_there_is_named(nexus: Nexus) -> None:
    assert nexus.launch("serve", NEXUS_DATABASE_URL="postgresql://nexus:secret@127.0.0.1:1/postgres").wait(60) == 1

    assert "The database cannot be reached" in nexus.said
    assert "secret" not in nexus.said
    assert "Traceback" not in nexus.said


def test_two_processes_share_a_database_and_have_a_key_each(nexus: Nexus, tmp_path: Path) -> None:
    key = nexus.start().activate()
    postgres, roles = nexus.folder / "data" / "postgres", json.loads((nexus.folder / "data" / "roles.json").read_text())
    password, port = (postgres / "password").read_text().strip(), (postgres / "port").read_text().strip()
    other = Nexus(tmp_path / "other", free_port())
    other.folder.mkdir(mode=0o755)
    try:
        other.start(
            "serve",
            "--target=api",
            NEXUS_DATABASE_URL=f"postgresql://nexus:{password}@127.0.0.1:{port}/nexus",
            NEXUS_OWNER_PASSWORD=roles["owner"],
            NEXUS_APP_PASSWORD=roles["app"],
        )
        for one in (nexus, other):
            assert nexus.ask("GET", "/api/v1/tenants", token=one.key)[0] == 200
            assert other.ask("GET", "/api/v1/tenants", token=one.key)[0] == 200
        assert other.ask("POST", "/api/v1/crm/contacts", CONTACT, token=key)[0] == 201
        assert names(nexus, key) == {"Ngozi"}
    finally:
        assert other.stop() == 0


def test_another_data_folder_does_not_lock_out_who_works_on_the_server(nexus: Nexus, tmp_path: Path) -> None:
    key = nexus.start().activate()
    postgres = nexus.folder / "data" / "postgres"
    password, port = (postgres / "password").read_text().strip(), (postgres / "port").read_text().strip()
    other = Nexus(tmp_path / "other", free_port())
    other.folder.mkdir(mode=0o755)

    for database in ("postgres", "nexus"):
        assert other.launch("serve", NEXUS_DATABASE_URL=f"postgresql://nexus:{password}@127.0.0.1:{port}/{database}").wait(60) == 1
        assert "Give them as NEXUS_OWNER_PASSWORD and NEXUS_APP_PASSWORD" in other.said
        assert "Traceback" not in other.said

    assert nexus.stop() == 0
    (nexus.folder / "data" / "roles.json").unlink()  # of a server of our own they are made anew
    nexus.start()
    assert nexus.ask("GET", "/api/v1/crm/contacts", token=key)[0] == 200


def test_a_tenant_moves_to_a_second_database_from_the_command_line(nexus: Nexus, tmp_path: Path) -> None:
    """The second cell is another copy's PostgreSQL, given by its address in the settings."""
    other = Nexus(tmp_path / "other", free_port())
    other.folder.mkdir(mode=0o755)
    try:
        other.start()
        postgres = other.folder / "data" / "postgres"
        password, port = (postgres / "password").read_text().strip(), (postgres / "port").read_text().strip()
        cells = f"second=postgresql://nexus:{password}@127.0.0.1:{port}/postgres"
        assert nexus.launch("up", NEXUS_CELLS=cells).wait(60) == 1
        assert "Give them as NEXUS_OWNER_PASSWORD and NEXUS_APP_PASSWORD" in nexus.said
        roles = json.loads((other.folder / "data" / "roles.json").read_text())
        theirs = {"NEXUS_OWNER_PASSWORD": roles["owner"], "NEXUS_APP_PASSWORD": roles["app"]}
        nexus.start("up", NEXUS_CELLS=cells, **theirs)
        key = nexus.activate()
        assert nexus.ask("POST", "/api/v1/crm/contacts", CONTACT, token=key)[0] == 201
        there = Nexus(nexus.folder, nexus.port)
        there.log = nexus.folder / "move.txt"
        home = nexus.ask("GET", "/api/v1/tenants/ade-bakery", token=nexus.key)[1]["cell"]
        away = "second" if home == "main" else "main"

        assert there.launch("tenants", "move", "ade-bakery", away, NEXUS_CELLS=cells, **theirs).wait(60) == 0, there.said

        assert nexus.ask("GET", "/api/v1/tenants/ade-bakery", token=nexus.key)[1]["cell"] == away
        assert names(nexus, key) == {"Ngozi"}
        assert nexus.ask("POST", "/api/v1/crm/contacts", {"name": "Bola"}, token=key)[0] == 201
        assert names(nexus, key) == {"Ngozi", "Bola"}
    finally:
        assert nexus.stop() == 0
        assert other.stop() == 0
