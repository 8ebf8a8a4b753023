"""`nexus activate`: from a file, from options and from answers; live, planned and refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.conftest import OWNER, Cli

BAKERY = """
name: Ade Bakery
industry: bakery
country: NG
slug: {slug}
owner: {{name: Ade, email: ade@example.com}}
"""
STEPS = ["validate", "preset", "allocate", "roles", "events", "seed", "copilots", "dns", "verify", "active"]


def written(folder: Path, text: str) -> str:
    file = folder / "business.yaml"
    file.write_text(text)
    return str(file)


def test_from_a_file_with_the_owners_key_shown_once(cli: Cli, tmp_path: Path) -> None:
    said = cli("activate", "--file", written(tmp_path, BAKERY.format(slug="from-file")))

    assert said.code == 0, said
    (key,) = [word for word in said.out.split() if word.startswith("nx_")]
    status, me = cli.nexus.ask("GET", "/api/v1/auth/reports/me", token=key)
    assert (status, me["items"][0]["email"]) == (200, "ade@example.com")
    assert said.err == ""  # no progress where nobody looks
    assert key not in cli("tenants", "show", "from-file").out


def test_from_stdin_and_options_over_it_as_json(cli: Cli) -> None:
    said = cli(
        "activate", "--file", "-", "--slug", "over-it", "--owner-email", "bola@example.com", "--json", stdin=BAKERY.format(slug="no")
    )

    view = said.json()
    assert (said.code, view["state"], view["tenant"]["slug"], view["tenant"]["country"]) == (0, "active", "over-it", "NG")
    assert [(step["name"], step["state"]) for step in view["steps"]] == [(name, "done") for name in STEPS]
    assert view["endpoints"]["api"] == f"{cli.nexus.url}/api/v1"
    status, me = cli.nexus.ask("GET", "/api/v1/auth/reports/me", token=view["credentials"]["api_key"])
    assert (status, me["items"][0]["email"]) == (200, "bola@example.com")


def test_a_plan_does_nothing(cli: Cli) -> None:
    given = ("activate", "--name", "Planned", "--country", "DE", *OWNER, "--dry-run")

    text, plan = cli(*given), cli(*given, "--json").json()

    assert text.code == 0
    assert "Planned would become planned" in text.out
    assert (plan["dry_run"], plan["tenant"]["currency"], [step["name"] for step in plan["steps"]]) == (True, "EUR", STEPS)
    assert "planned" not in cli.slugs()


def test_a_plan_tells_the_chart_of_accounts(cli: Cli) -> None:
    given = ("activate", "--name", "Planned", "--country", "DE", *OWNER, "--dry-run")

    usual, other = cli(*given), cli(*given, "--chart", "de_skr04", "--json").json()

    assert re.search(r"chart +de_skr03 +usual in Germany", usual.out)
    assert any("the chart of accounts de_skr04" in step["what"] for step in other["steps"])


def test_names_every_field_that_is_wrong_and_does_nothing(cli: Cli) -> None:
    said = cli.process("activate", "--name", "Wrong", "--industry", "restaurnt", "--country", "Nigeria", "--owner-name", "Ade")

    assert (said.code, said.out) == (1, "")
    assert said.err.splitlines()[0] == "Refused:"
    assert "  owner.email: is required" in said.err.splitlines()
    assert "did you mean 'restaurant'?" in said.err
    assert "did you mean 'NG' (Nigeria)?" in said.err
    assert "wrong" not in cli.slugs()


def test_a_refusal_is_a_problem_for_a_program(cli: Cli) -> None:
    cli.activate("taken")

    said = cli("activate", "--name", "Taken", "--slug", "taken", "--country", "NG", *OWNER, "--json")

    assert said.code == 1
    assert (said.json()["status"], said.json()["type"]) == (409, "/problems/slug-taken")
    assert said.err == "Refused: The slug taken is taken; taken-2 may be free.\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [("name: [", "is no business"), ("- a list", "is no business: a document must be a mapping"), (None, "cannot be read")],
)
def test_a_file_that_is_none(cli: Cli, tmp_path: Path, text: str | None, message: str) -> None:
    file = written(tmp_path, text) if text else str(tmp_path / "none.yaml")

    said = cli("activate", "--file", file)

    assert (said.code, said.out) == (2, "")
    assert message in said.err
    assert said.err.count("\n") == 1


def test_the_same_key_gives_the_same_tenant_and_its_credential_once(cli: Cli) -> None:
    first = cli.activate("once", "--idempotency-key", "k-once")
    again = cli.activate("once", "--idempotency-key", "k-once")

    assert again["tenant"]["id"] == first["tenant"]["id"]
    assert first["credentials"]["api_key"].startswith("nx_")
    assert again["credentials"]["api_key"] is None
    assert "nexus tenants owner-key once" in again["credentials"]["credentials_note"]


def test_in_a_terminal_it_asks(cli: Cli) -> None:
    with cli.terminal("activate", "--slug", "asked-for") as terminal:
        terminal.answer("What is it called?", "Ade Bakery")
        terminal.answer("in a sentence?", "")
        terminal.answer("closest to?", "resturant")
        terminal.until("did you mean 'restaurant'?")
        terminal.answer("closest to?", "restaurant")
        terminal.answer("In which country?", "ng")
        terminal.until("Nigeria")
        terminal.answer("Who owns it?", "Ade")
        terminal.answer("e-mail address of Ade?", "ade")
        terminal.until("is no e-mail address")
        terminal.answer("e-mail address of Ade?", "ade@example.com")
        terminal.until("would become asked-for")
        terminal.answer("Activate it?", "y")
        terminal.until("✓ allocate")
        terminal.until("✓ active")
        terminal.until("nx_")
        assert terminal.end() == 0

    shown = cli("tenants", "show", "asked-for", "--json").json()
    assert (shown["state"], shown["country"], shown["name"]) == ("active", "NG", "Ade Bakery")


@pytest.mark.parametrize("how", ["n", "\x03"], ids=["no", "Ctrl-C"])
def test_in_a_terminal_no_is_no(cli: Cli, how: str) -> None:
    with cli.terminal("activate", "--name", "Not this", "--industry", "retail", "--country", "NG", "--owner-name", "Ade") as terminal:
        terminal.answer("What does it do", "")
        terminal.answer("e-mail address of Ade?", "ade@example.com")
        terminal.answer("Activate it?", how)
        assert terminal.end() == (0 if how == "n" else 1)

    assert "not-this" not in cli.slugs()


def test_a_nexus_elsewhere_with_its_key(cli: Cli, alone: Cli, tmp_path: Path) -> None:
    where = ("--url", cli.nexus.url, "--key-file", str(cli.data / "operator.key"))

    view = alone.activate("from-afar", *where)

    assert view["state"] == "active"
    assert "from-afar" in cli.slugs()
    assert not alone.data.exists()  # nothing was started here
    wrong = tmp_path / "wrong.key"
    wrong.write_text("nxo_" + "a" * 43)
    said = alone("tenants", "list", *where[:3], str(wrong))
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("Refused: This takes the operator's key")
