"""`nexus migrate`, `nexus audit` and `nexus events`, beside the process that serves."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nexus.cli.events import _redrive
from nexus.config import Settings
from nexus.core.message import REACTIONS, Reaction
from nexus.core.tx import Tx
from nexus.services.crm.api import LeadCreated
from nexus.services.crm.entities import Competitor
from tests.cli.conftest import Cli


def schema(view: Any) -> str:
    return "t_" + str(view["tenant"]["id"]).replace("-", "")


@pytest.fixture(scope="module")
def shop(cli: Cli) -> Any:
    """The activation of a tenant that these tests look at."""
    return cli.activate("looked-at")


def test_migrations_are_where_they_should_be(cli: Cli, shop: Any) -> None:
    status, run = cli("migrate", "status", "--tenant", "looked-at", "--json"), cli("migrate", "--tenant", "looked-at", "--json")

    assert (status.code, status.json()["behind"]) == (0, 0)
    assert [(one["service"], one["version"], one["tenants"]) for one in status.json()["groups"]] == [
        ("auth", 1, 1),
        ("crm", 1, 1),
        ("finance", 1, 1),
    ]
    assert (run.code, run.json()) == (0, {"brought": 0, "current": 3, "failures": [], "left_out": []})
    assert cli.process("migrate").out.endswith(" were there, 0 failed.\n")
    nobody = cli("migrate", "--tenant", "nobody")
    assert (nobody.code, nobody.err) == (1, "Refused: There is no tenant nobody here.\n")


def test_a_migration_that_fails_is_1_and_goes_on_when_mended(cli: Cli, shop: Any) -> None:
    place = f"where tenant = '{schema(shop)}' and service = 'crm'"
    with cli.superuser() as superuser:
        superuser.execute(f"update nexus_cell.tenant_service set version = 0 {place}".encode())  # its tables are there: making them fails
        failed = cli("migrate", "--tenant", "looked-at", "--json")
        text = cli("migrate", "--tenant", "looked-at")
        status = cli("migrate", "status", "--tenant", "looked-at", "--json").json()
        superuser.execute(f"update nexus_cell.tenant_service set version = 1, error = null {place}".encode())

    (failure,) = failed.json()["failures"]
    assert (failed.code, failure["tenant"], failure["service"]) == (1, schema(shop), "crm")
    assert failure["error"].startswith("42P07: ")
    assert (text.code, text.out) == (1, "0 brought to the latest version, 2 were there, 1 failed.\n")
    assert schema(shop) in text.err
    assert (status["behind"], [one["error"] for one in status["groups"]]) == (1, [None, failure["error"], None])
    assert cli("migrate", "--tenant", "looked-at").code == 0


@pytest.fixture(scope="module")
def far(cli: Cli) -> str:
    cli.activate("far-away")
    return "far-away"


@pytest.fixture
def away(cli: Cli, far: str) -> Iterator[str]:
    """A tenant, while the cell that it is in is not among the settings."""
    with cli.superuser() as superuser:
        superuser.execute("insert into nexus_control.cell (name, capacity) values ('second', 500)")
        superuser.execute("update nexus_control.tenant set cell = 'second' where slug = %s", (far,))
        yield far
        superuser.execute("update nexus_control.tenant set cell = 'main' where slug = %s", (far,))
        superuser.execute("delete from nexus_control.cell where name = 'second'")


UNNAMED = "The cell second is not among the settings (NEXUS_CELLS)"


def test_commands_say_that_a_cell_is_not_named(cli: Cli, away: str, tmp_path: Path) -> None:
    commands = (
        ("tenants", "move", away, "main"),
        ("backup", away, "--to", str(tmp_path / "no.zip")),
        ("clone", away, "far-clone"),
        ("migrate", "--tenant", away),
        ("audit", "verify", away),
        ("audit", "export", away),
    )
    for command in commands:
        said = cli(*command)
        assert (said.code, said.out) == (1, ""), command
        assert said.err.startswith(f"Refused: {UNNAMED}: name it there"), command
    assert not (tmp_path / "no.zip").exists()


def test_nothing_is_called_well_that_was_not_looked_at(cli: Cli, shop: Any, away: str) -> None:
    chains, audit = f"{UNNAMED}: its chains were not looked at.\n", cli("audit", "verify", "--json")
    schemas, status = f"{UNNAMED}: its schemas were not looked at.\n", cli("migrate", "status", "--json")

    assert (audit.code, audit.json()["ok"], audit.json()["left_out"], audit.err) == (1, False, ["second"], chains)
    assert (cli("audit", "verify").out, cli("audit", "verify").err) == ("", chains)
    assert cli("audit", "verify", "platform").code == 1
    assert cli("audit", "verify", "looked-at").code == 0
    assert (status.code, status.json()["left_out"], status.err) == (1, ["second"], schemas)
    assert (cli("migrate").code, cli("migrate").err) == (1, schemas)
    assert cli("migrate", "status", "--tenant", "looked-at").code == 0


def test_the_audit_holds(cli: Cli, shop: Any) -> None:
    all_, one = cli("audit", "verify"), cli("audit", "verify", "looked-at", "--json")

    assert all_.code == 0
    assert all_.out.endswith(" chains: every link holds.\n")
    report = one.json()
    assert (one.code, report["ok"], report["chains"], report["broken"]) == (0, True, 1, None)
    assert report["entries"] >= 5
    assert cli("audit", "verify", "looked-at", "--newest", "2", "--json").json()["entries"] == 2
    assert cli("audit", "verify", "platform").code == 0


def test_an_audit_that_was_changed_is_1_and_named(cli: Cli, shop: Any) -> None:
    place = f"where tenant = '{schema(shop)}' and seq = 3"
    with cli.superuser() as superuser:
        entry = superuser.execute(f"select entry from nexus_cell.audit {place}".encode()).fetchall()[0][0]
        superuser.execute(f"update nexus_cell.audit set entry = entry || ' ' {place}".encode())
        try:
            text, said = cli.process("audit", "verify"), cli("audit", "verify", "looked-at", "--json")
            exported = cli("audit", "export", "looked-at")
        finally:
            superuser.execute(f"update nexus_cell.audit set entry = %s {place}".encode(), (entry,))

    assert (text.code, text.out) == (1, "")
    assert text.err.startswith(f"Broken: looked-at: {schema(shop)} seq 3: changed: ")
    assert (said.code, said.json()["ok"]) == (1, False)
    assert {name: said.json()["broken"][name] for name in ("tenant", "seq", "fault")} == {
        "tenant": schema(shop),
        "seq": 3,
        "fault": "changed",
    }
    assert [(one["slug"], one["seq"]) for one in said.json()["all_broken"]] == [("looked-at", 3)]
    assert proven(exported.out) == "seq 3 was changed"


def proven(exported: str) -> str:
    """What somebody who has only the file, and Python, can say of it: the last hash, or what is wrong."""
    previous = "0" * 64
    for number, line in enumerate(exported.splitlines(), 1):
        one = json.loads(line)
        if one["seq"] != number or one["prev_hash"] != previous:
            return f"seq {number} is missing"
        previous = hashlib.sha256(bytes.fromhex(previous) + one["entry"].encode()).hexdigest()
        says = json.loads(one["entry"])
        if previous != one["hash"] or (says["tenant"], says["seq"], says["at"]) != (one["tenant"], one["seq"], one["at"]):
            return f"seq {number} was changed"
    return previous


def test_an_export_is_proven_without_nexus(cli: Cli, shop: Any, tmp_path: Path) -> None:
    said = cli.process("audit", "export", "looked-at")
    file = tmp_path / "audit.ndjson"

    assert cli("audit", "export", "looked-at", "-o", str(file)).code == 0

    assert file.read_text() == said.out
    last = proven(said.out)
    assert last == json.loads(said.out.splitlines()[-1])["hash"]
    assert f"the last hash is {last}." in said.err
    cut = "".join(line for line in said.out.splitlines(keepends=True) if json.loads(line)["seq"] != 2)
    assert proven(cut) == "seq 2 is missing"
    assert cli("audit", "export", "nobody").code == 1
    assert cli("audit", "export", "looked-at", "-o", str(tmp_path / "no" / "file")).code == 2


def test_events_by_tenant_topic_position_and_time(cli: Cli, shop: Any) -> None:
    every = cli.process("events", "list", "looked-at", "--after", "0", "--limit", "1000", "--json").json()["items"]
    leads = cli("events", "list", "looked-at", "--topic", "nexus.crm.*.lead.>", "--json").json()
    rest = cli("events", "list", "looked-at", "--after", str(every[1]["position"]), "--limit", "1", "--json").json()
    since = cli("events", "list", "looked-at", "--since", every[-1]["at"], "--json").json()["items"]

    newest = cli("events", "list", "looked-at", "--limit", "2", "--json").json()["items"]
    oldest = cli("events", "list", "looked-at", "--after", "0", "--limit", "2", "--json").json()["items"]
    assert ([one["position"] for one in newest], [one["position"] for one in oldest]) == (
        [one["position"] for one in every[-2:]],
        [one["position"] for one in every[:2]],
    )
    assert {one["topic"].split(".")[2] for one in every} == {shop["tenant"]["id"]}
    assert [one["position"] for one in every] == sorted(one["position"] for one in every)
    assert every[0]["envelope"]["specversion"] == "1.0"
    assert {one["topic"].split(".")[3] for one in leads["items"]} == {"lead"}
    assert ([one["position"] for one in rest["items"]], rest["next_after"]) == ([every[2]["position"]], every[2]["position"])
    assert since[-1] == every[-1]
    assert all(one["at"] >= every[-1]["at"] for one in since)
    bad = cli("events", "list", "--topic", "nexus..x")
    assert bad.code == 1
    assert bad.err.startswith("Refused: --topic: ")
    assert cli("events", "list", "--since", "yesterday").code == 2


def test_replay_sets_a_group_back(cli: Cli, shop: Any) -> None:
    with cli.superuser() as superuser:
        superuser.execute("insert into nexus_cell.consumer (consumer_group, position) values ('test', 3)")
        try:
            back, text = cli("events", "replay", "test", "--to", "1", "--json"), cli("events", "replay", "test", "--since", "2020-01-01")
            far = cli("events", "replay", "test", "--to", "999999999")
            groups = {one["group"]: one for one in cli("events", "groups", "--json").json()["items"]}
            position = superuser.execute("select position from nexus_cell.consumer where consumer_group = 'test'").fetchall()[0][0]
        finally:
            superuser.execute("delete from nexus_cell.consumer where consumer_group = 'test'")

    assert (back.code, back.json()) == (0, {"group": "test", "was": 3, "position": 1})
    assert (text.code, text.out) == (0, "test goes on after position 0; it was at 1.\n")
    assert far.code == 1
    assert far.err.startswith("Refused: --to: the log ends at ")
    assert (position, groups["test"]["position"], groups["test"]["owner"]) == (0, 0, None)
    assert groups["test"]["lag"] > 0
    nobody = cli("events", "replay", "nobody", "--to", "0")
    assert nobody.code == 1
    assert nobody.err.startswith("Refused: There is no group nobody: there are ")


DEAD = (
    "insert into nexus_cell.dead_letter (id, consumer_group, reaction, position, tenant, topic, reason, attempts, envelope)"
    " select gen_random_uuid(), 'crm', %s, position, tenant, topic, 'it rained', 5, envelope from nexus_cell.event"
    " where tenant = %s and topic like %s order by position limit 1 returning id::text"
)


def test_what_is_dead_stays_so_while_nothing_is_mended(cli: Cli, shop: Any) -> None:
    with cli.superuser() as superuser:
        id = superuser.execute(DEAD.encode(), ("crm.gone", schema(shop), "%")).fetchall()[0][0]
        try:
            dead, text = cli("events", "dead", "--json").json()["items"], cli("events", "dead", "--group", "crm")
            again, one = cli("events", "redrive", "--group", "crm", "--json"), cli("events", "redrive", "--id", id)
            other = cli("events", "redrive", "--id", "00000000-0000-0000-0000-000000000000")
        finally:
            superuser.execute("delete from nexus_cell.dead_letter")

    assert [(letter["id"], letter["reaction"], letter["reason"], letter["attempts"]) for letter in dead] == [
        (id, "crm.gone", "it rained", 5)
    ]
    assert dead[0]["envelope"]["tenant"] == shop["tenant"]["id"]
    assert "it rained" in text.out
    assert (again.code, again.json()["done"]) == (1, 0)
    assert [(letter["id"], letter["reason"], letter["attempts"]) for letter in again.json()["failed"]] == [
        (id, "no such reaction is installed", 6)
    ]
    assert (one.code, one.out) == (1, "0 taken, 1 still dead.\n")
    assert other.code == 1
    assert other.err.startswith("Refused: There is no dead event ")


def test_what_is_mended_is_taken_once(cli: Cli, shop: Any) -> None:
    async def note_the_lead(event: LeadCreated, tx: Tx) -> None:
        tx.add(Competitor(name=f"Noted {event.id}"))

    note_the_lead.__module__ = "nexus.services.crm.reactions"
    reaction = Reaction(LeadCreated, note_the_lead)
    REACTIONS.setdefault(LeadCreated.topic, []).append(reaction)
    try:
        with cli.superuser() as superuser:
            id = superuser.execute(DEAD.encode(), (reaction.name, schema(shop), "%.lead.created")).fetchall()[0][0]
            settings = Settings(data=str(cli.data), port=cli.nexus.port)
            assert asyncio.run(_redrive(settings, "crm", None)) == (1, [])
            superuser.execute("update nexus_cell.dead_letter set redriven_at = null")
            assert asyncio.run(_redrive(settings, "crm", None)) == (1, [])  # the inbox knows it
            redriven = cli("events", "dead", "--redriven", "--json").json()["items"]
            superuser.execute("delete from nexus_cell.dead_letter")
    finally:
        REACTIONS[LeadCreated.topic].remove(reaction)

    _, page = cli.nexus.ask("GET", "/api/v1/crm/competitors?limit=100", token=shop["credentials"]["api_key"])
    assert len([one for one in page["items"] if one["name"].startswith("Noted ")]) == 1
    assert [one["id"] for one in redriven] == [id]
    assert redriven[0]["redriven_at"] is not None
