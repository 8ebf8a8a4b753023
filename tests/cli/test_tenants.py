"""`nexus tenants`: the life of a tenant from the command line."""

from __future__ import annotations

from uuid import UUID

from tests.cli.conftest import Cli


def works(cli: Cli, key: str) -> int:
    return cli.nexus.ask("GET", "/api/v1/auth/reports/me", token=key)[0]


def test_list_and_show(cli: Cli) -> None:
    made = cli.activate("seen-b")
    cli.activate("seen-a")

    listed = cli("tenants", "list", "--json").json()["items"]
    shown = cli("tenants", "show", made["tenant"]["id"], "--json").json()

    slugs = [one["slug"] for one in listed]
    assert slugs == sorted(slugs)
    assert {"seen-a", "seen-b"} <= set(slugs)
    assert set(listed[0]) == {
        "id", "slug", "name", "state", "reason", "since", "hold_until", "cell", "country", "currency", "created_at", "can",
    }  # fmt: skip
    assert (shown["slug"], shown["services"]["crm"], shown["can"]) == ("seen-b", 1, ["suspend", "archive", "rename"])
    text = cli("tenants", "show", "seen-b")
    assert text.out.startswith("seen b is active since ")
    table = cli("tenants", "list", "--state", "active").out.splitlines()
    assert table[0].split() == ["slug", "state", "name", "country", "cell", "since"]
    assert len([line for line in table if line.startswith("seen-")]) == 2


def test_suspend_and_resume(cli: Cli) -> None:
    key = cli.activate("to-suspend")["credentials"]["api_key"]

    said = cli.process("tenants", "suspend", "to-suspend", "--reason", "The invoice is open")

    assert (said.code, said.out) == (0, "to suspend (to-suspend) is suspended.\n")
    assert works(cli, key) == 403
    again = cli("tenants", "suspend", "to-suspend", "--reason", "Again")
    assert (again.code, again.err) == (1, "Refused: to suspend is suspended: it cannot suspend.\n")
    resumed = cli("tenants", "resume", "to-suspend", "--json")
    assert (resumed.code, resumed.json()["state"]) == (0, "active")
    assert works(cli, key) == 200


def test_archive_then_purge(cli: Cli) -> None:
    cli.activate("to-purge")
    assert cli("tenants", "purge", "to-purge", "--reason", "Too early", "--yes").code == 1
    assert cli.state("to-purge") == "active"

    archived = cli("tenants", "archive", "to-purge", "--reason", "It closed", "--hold-days", "30")

    assert archived.code == 0
    assert "kept at least until 20" in archived.out
    held = cli("tenants", "purge", "to-purge", "--reason", "Now", "--yes")
    assert held.code == 1
    assert "is kept until" in held.err
    asked = cli("tenants", "purge", "to-purge", "--reason", "Now", "--force")
    assert (asked.code, cli.state("to-purge")) == (2, "archived")
    purged = cli("tenants", "purge", "to-purge", "--reason", "Now", "--force", "--yes", "--json")
    assert (purged.code, purged.json()["state"]) == (0, "purged")
    assert "to-purge" not in cli.slugs()


def test_a_person_types_the_name_to_purge(cli: Cli) -> None:
    cli.activate("typed")
    cli("tenants", "archive", "typed", "--reason", "It closed", "--hold-days", "0")

    with cli.terminal("tenants", "purge", "typed", "--reason", "Now") as terminal:
        terminal.answer("Type its name to go on", "typos")
        assert terminal.end() == 1
    assert cli.state("typed") == "archived"

    with cli.terminal("tenants", "purge", "typed", "--reason", "Now") as terminal:
        terminal.answer("Type its name to go on", "typed")
        assert terminal.end() == 0
    assert "typed" not in cli.slugs()


def test_rename(cli: Cli) -> None:
    cli.activate("old-name")
    cli.activate("other-name")

    taken = cli("tenants", "rename", "old-name", "--slug", "other-name")
    assert (taken.code, taken.err) == (1, "Refused: The slug other-name is taken; other-name-2 may be free.\n")
    renamed = cli("tenants", "rename", "old-name", "--slug", "new-name", "--name", "New Name", "--json").json()

    assert (renamed["slug"], renamed["name"]) == ("new-name", "New Name")
    assert "old-name" not in cli.slugs()


def test_another_key_for_the_owner(cli: Cli) -> None:
    first = cli.activate("lost-key")["credentials"]["api_key"]

    given = cli("tenants", "owner-key", "lost-key", "--reason", "It was lost", "--json").json()["credentials"]
    shown = cli("tenants", "owner-key", "lost-key", "--reason", "It was lost again")

    assert UUID(given["key_id"])
    assert [works(cli, key) for key in (first, given["api_key"], shown.out.strip())] == [200, 200, 200]


def test_nobody_has_that_name(cli: Cli) -> None:
    for verb in (["show"], ["suspend", "--reason", "x"], ["purge", "--reason", "x", "--yes"]):
        said = cli("tenants", verb[0], "nobody", *verb[1:])
        assert (said.code, said.out, said.err) == (1, "", "Refused: There is no tenant nobody here.\n")
