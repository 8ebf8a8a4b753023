"""Where nothing runs, every command does its work by itself, and leaves nothing running."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from nexus.engines.oltp.embedded import EmbeddedPostgres
from tests.activation.conftest import new_database
from tests.cli.conftest import OWNER, Cli, ended, reachable
from tests.process.conftest import Nexus, free_port


@pytest.fixture
def own(tmp_path: Path) -> Cli:
    """A data folder that nothing has touched."""
    return Cli(Nexus(reachable(tmp_path), free_port()))


def stopped(cli: Cli) -> bool:
    return not (cli.data / "postgres" / "data" / "postmaster.pid").exists()


def test_from_nothing_to_a_business_and_then_served(own: Cli) -> None:
    said = own.process("activate", "--name", "alone", "--country", "NG", *OWNER, "--json")
    assert (said.code, said.err) == (0, "")
    view = said.json()

    assert view["state"] == "active"
    assert view["credentials"]["api_key"].startswith("nx_")
    assert stopped(own)
    again = own("activate", "--name", "Alone", "--slug", "alone", "--country", "NG", *OWNER)
    assert (again.code, again.err) == (1, "Refused: The slug alone is taken; alone-2 may be free.\n")
    assert own("tenants", "suspend", "alone", "--reason", "No server needed").code == 0
    assert own("audit", "verify", "alone", "--json").json()["entries"] >= 5  # nothing waits in the journal
    assert own("migrate", "status", "--json").json()["behind"] == 0
    assert [one["topic"].split(".")[1] for one in own("events", "list", "alone", "--after", "0", "--json").json()["items"]][:1] == ["auth"]
    assert own("doctor").code == 0
    assert stopped(own)

    own.nexus.start()
    try:
        assert own.state("alone") == "suspended"
        assert own("tenants", "resume", "alone").code == 0  # the same key, now through the process that serves
        assert own.nexus.ask("GET", "/api/v1/auth/reports/me", token=view["credentials"]["api_key"])[0] == 200
    finally:
        ended(own.nexus)


def test_interrupted_it_ends_what_it_started(own: Cli) -> None:
    with own.terminal("activate", "--name", "Asked", "--industry", "retail", "--country", "NG", "--owner-name", "Ade") as terminal:
        terminal.answer("What does it do", "")
        terminal.answer("e-mail address of Ade?", "ade@example.com")
        terminal.interrupt("Activate it?")  # its database runs by now
        assert terminal.end() == 1

    assert stopped(own)


def test_a_given_database_is_prepared_once_and_then_left_as_it_is(own: Cli, postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    asyncio.run(new_database(postgres, "cli_given"))
    given = conninfo_to_dict(postgres.superuser_url) | {"dbname": "cli_given"}
    url = "postgresql://{user}:{password}@{host}:{port}/{dbname}".format_map(given)
    known = {"NEXUS_DATABASE_URL": url, "NEXUS_OWNER_PASSWORD": "owner's", "NEXUS_APP_PASSWORD": "app's"}

    said = own("activate", "--name", "Given", "--country", "NG", *OWNER, "--json", **known)

    assert said.code == 0, said
    assert not (own.data / "postgres").exists()
    assert [one["slug"] for one in own("tenants", "list", "--json", **known).json()["items"]] == ["given"]
    # from another data folder neither the passwords nor the key are changed under whoever serves from that database
    elsewhere = Cli(Nexus(tmp_path / "elsewhere", free_port()))
    elsewhere.nexus.folder.mkdir()
    refused = elsewhere("tenants", "list", **known)
    assert (refused.code, refused.out) == (2, "")
    assert "Name the file with --key-file" in refused.err
    assert elsewhere("tenants", "list", "--key-file", str(own.data / "operator.key"), **known).code == 0
    unknown = elsewhere("migrate", "status", NEXUS_DATABASE_URL=url)
    assert (unknown.code, unknown.out) == (1, "")
    assert unknown.err.startswith("The database cannot be reached: ")
    assert own("tenants", "list", **known).code == 0
