"""`nexus backup`, `restore`, `clone` and `tenants move`: from the command line, beside a running server."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Cli


def contacts(cli: Cli, key: str) -> list[str]:
    status, answer = cli.nexus.ask("GET", "/api/v1/crm/contacts", token=key)
    assert status == 200, answer
    return [one["name"] for one in answer["items"]]


def test_back_up_and_restore_beside_it(cli: Cli, tmp_path: Path) -> None:
    key = cli.activate("backed-up")["credentials"]["api_key"]
    assert cli.nexus.ask("POST", "/api/v1/crm/contacts", {"name": "Bola"}, token=key)[0] == 201
    file = tmp_path / "one.nexus.zip"

    made = cli("backup", "backed-up", "--to", str(file), "--json").json()
    again = cli("backup", "backed-up", "--to", str(file))
    refused = cli("restore", str(file))
    restored = cli("restore", str(file), "--as", "restored-copy", "--json").json()

    assert (made["tenant"], made["masked"], made["bytes"]) == ("backed-up", False, file.stat().st_size)
    assert (again.code, "is there already" in again.err) == (1, True)
    assert (refused.code, "give the restored tenant another slug with --as" in " ".join(refused.err.split())) == (1, True)
    assert restored["tenant"]["slug"] == "restored-copy"
    assert contacts(cli, restored["credentials"]["api_key"]) == contacts(cli, key)


def test_a_file_that_is_no_archive_is_refused(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "no.zip"
    file.write_text("not an archive")

    unfit = cli("restore", str(tmp_path / "nowhere.zip"), "--as", "Bad Slug!")
    assert (unfit.code, unfit.err.startswith("Refused: 'Bad Slug!' is no slug")) == (2, True)
    bad = cli("restore", str(file), "--as", "never-made")
    missing = cli("restore", str(tmp_path / "nowhere.zip"))

    assert (bad.code, "not a whole zip file" in " ".join(bad.err.split())) == (1, True)
    assert missing.code == 1
    assert "never-made" not in cli.slugs()


def test_clone_with_a_mask(cli: Cli) -> None:
    key = cli.activate("to-clone")["credentials"]["api_key"]
    assert cli.nexus.ask("POST", "/api/v1/crm/contacts", {"name": "Chidi Secret"}, token=key)[0] == 201

    said = cli("clone", "to-clone", "the-clone", "--masked")

    assert said.code == 0, said
    token = said.out.splitlines()[1]
    names = contacts(cli, token)
    assert len(names) == len(contacts(cli, key))
    assert "Chidi Secret" not in names


def test_move_to_where_there_is_nothing_is_refused(cli: Cli) -> None:
    cli.activate("stays-here")

    same = cli("tenants", "move", "stays-here", "main", "--json").json()
    said = cli("tenants", "move", "stays-here", "nowhere")

    assert same["cell"] == "main"
    assert (said.code, "there is no nowhere; there are main" in said.err) == (1, True)
    assert cli.state("stays-here") == "active"
