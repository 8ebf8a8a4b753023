"""What holds for every command: help, versions, exit codes, and messages in one line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from nexus import __version__
from nexus.cli import app
from tests.cli.conftest import Cli


def commands(command: Any, path: str = "nexus") -> Iterator[tuple[str, Any]]:
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from commands(child, f"{path} {name}")


ALL = dict(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("path", ALL)
def test_says_what_it_is_for_and_what_each_option_does(path: str) -> None:
    command = ALL[path]

    assert command.help
    assert command.help.strip().endswith(".")
    for parameter in command.params:
        if parameter.param_type_name == "option" and parameter.name != "help":
            assert parameter.help, f"{path} {parameter.name}"


def test_what_a_script_reads_has_json() -> None:
    documents = {"nexus openapi", "nexus asyncapi", "nexus graphql sdl", "nexus graphql compose", "nexus audit export"}  # made for programs
    silent = {"nexus", "nexus up", "nexus serve", "nexus new service", *documents}
    groups = {path for path in ALL if hasattr(ALL[path], "commands")} - {"nexus migrate"}

    without = {path for path in ALL if "json" not in {one.name for one in ALL[path].params}}

    assert without <= silent | groups


def test_says_its_version(alone: Cli) -> None:
    assert alone.process("--version").out == f"nexus {__version__}\n"


@pytest.mark.parametrize(
    "arguments", [["activates"], ["tenants", "show"], ["events", "replay", "crm"], ["events", "redrive"], ["tenants", "rename", "ade"]]
)
def test_wrong_usage_is_2(alone: Cli, arguments: list[str]) -> None:
    said = alone(*arguments)

    assert (said.code, said.out) == (2, "")
    assert "Usage: " in said.err


def test_a_setting_that_is_none_is_2_and_named(alone: Cli) -> None:
    said = alone("tenants", "list", NEXUS_PROT="1")

    assert (said.code, said.out) == (2, "")
    assert said.err == "NEXUS_PROT is not a setting; did you mean NEXUS_PORT?\n"


def test_a_database_that_is_away_is_one_line(alone: Cli) -> None:
    said = alone.process("migrate", "status", NEXUS_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")

    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("The database cannot be reached: ")
    assert said.err.count("\n") == 1


def test_an_address_where_nobody_is(alone: Cli) -> None:
    said = alone("tenants", "list", "--url", "http://127.0.0.1:1", "--key-file", str(alone.nexus.folder / "none"))
    assert said.code == 2
    assert "cannot be read" in said.err

    key = alone.nexus.folder / "some.key"
    key.write_text("nxo_" + "a" * 43)
    said = alone("tenants", "list", "--url", "http://127.0.0.1:1", "--key-file", str(key))
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("NEXUS at http://127.0.0.1:1 does not answer: ")


def test_the_document_needs_no_server(alone: Cli, tmp_path: Path) -> None:
    whole, part = alone.process("openapi"), alone("openapi", "--service", "crm", "-o", str(tmp_path / "crm.json"))

    document = whole.json()
    assert (whole.code, document["openapi"]) == (0, "3.1.0")
    assert {"/api/v1/activate", "/api/v1/crm/leads/{id}/convert"} <= set(document["paths"])
    paths = json.loads((tmp_path / "crm.json").read_text())["paths"]
    assert part.code == 0
    assert paths
    assert all(path.startswith("/api/v1/crm/") for path in paths)
    unknown = alone("openapi", "--service", "crn")
    assert (unknown.code, unknown.out) == (2, "")
    assert unknown.err.startswith("There is no service 'crn'; there are auth, crm")
    assert not alone.data.exists()
