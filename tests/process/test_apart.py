"""`nexus up --apart`: each service in a process of its own behind a gateway, as one program from the outside."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import grpc
import pytest

from tests.process.conftest import PATIENCE, Nexus, alive, below, until

PARTS = {"gateway", "control", "relay", "auth", "crm", "finance", "graphql"}


def parts(nexus: Nexus) -> dict[str, int]:
    """The process ids by the targets they run."""
    found: dict[str, int] = {}
    for pid in below(nexus.pid):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().decode()
        except FileNotFoundError:
            continue
        if (target := re.search(r"--target=(\w+)", command)) is not None:
            found[target[1]] = pid
    return found


def test_one_address_answers_what_each_process_does(apart: Nexus) -> None:
    key = apart.token

    assert set(parts(apart)) == PARTS
    for what in (f"{apart.url}/", f"{apart.url}/api/v1", f"{apart.url}/docs", f"{apart.url}/readyz", apart.key):
        assert what in apart.said.replace("\n", "")
    status, made = apart.ask("POST", "/api/v1/crm/leads", {"name": "Ngozi"}, token=key)
    assert status == 201
    until(lambda: apart.ask("GET", f"/api/v1/crm/leads/{made['id']}", token=key)[1]["score"] is not None, "the lead has a score")
    assert apart.ask("GET", "/api/v1/auth/reports/me", token=key)[1]["items"][0]["name"] == "Ade"
    assert apart.ask("GET", "/openapi.json")[1]["openapi"].startswith("3.")
    assert apart.ask("GET", "/api/v1/nothing/here", token=key)[0] == 404
    assert apart.ask("GET", "/api/v1/crm/leads")[0] == 401
    assert (apart.folder / "data" / "apart" / "crm").stat().st_mode & 0o077 == 0


def test_grpc_goes_through_the_gateway_too(apart: Nexus) -> None:
    where = json.loads((apart.folder / "data" / "running.json").read_text())["grpc"]
    owner = [("authorization", f"Bearer {apart.token}")]

    with grpc.insecure_channel(where) as channel:
        pages = [
            channel.unary_unary(f"/nexus.{method}/List")(b"", metadata=owner, timeout=PATIENCE)
            for method in ("crm.v1.Leads", "auth.v1.Users")
        ]
        with pytest.raises(grpc.RpcError) as nobody:
            channel.unary_unary("/nexus.crm.v1.Leads/List")(b"", timeout=PATIENCE)
        events = channel.unary_stream("/nexus.v1.Events/Subscribe")(b"\x0a\x0bnexus.crm.>", metadata=owner, timeout=PATIENCE)
        assert next(events), "where it begins"
        events.cancel()

    assert where in apart.said.replace("\n", "")
    assert b"Ade" in pages[1]
    assert nobody.value.code() is grpc.StatusCode.UNAUTHENTICATED  # type: ignore[attr-defined]


def test_a_second_one_says_that_one_is_running(apart: Nexus) -> None:
    for arguments in (("up", "--apart"), ("up",)):
        second = Nexus(apart.folder, apart.port)
        second.log = apart.folder / "second.txt"

        assert second.launch(*arguments).wait(PATIENCE) == 1

        assert f"NEXUS is running already: {apart.url} (process {apart.pid})." in second.said.replace("\n", " ")
    assert apart.ready()


def test_a_port_in_use_is_named_and_nothing_is_started(apart: Nexus, tmp_path: Path) -> None:
    other = Nexus(tmp_path, apart.port)

    assert other.launch("up", "--apart").wait(PATIENCE) == 1

    assert f"Port {apart.port} of 127.0.0.1 cannot be used" in other.said.replace("\n", " ")
    assert not (other.folder / "data" / "postgres").exists()


def test_no_password_is_on_a_command_line(apart: Nexus) -> None:
    secrets = [(apart.folder / "data" / "postgres" / "password").read_text().strip(), apart.key]

    for pid in below(apart.pid):
        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        assert not any(secret in command for secret in secrets)


def test_killed_it_leaves_no_process_and_ended_by_a_key_neither(nexus: Nexus) -> None:
    key = nexus.start("up", "--apart").activate()
    started = below(nexus.pid)

    nexus.stop(signal.SIGKILL)
    until(lambda: not any(alive(pid) for pid in started), "all have followed")
    nexus.start("up", "--apart")

    assert nexus.ask("GET", "/api/v1/crm/leads", token=key)[0] == 200
    started = below(nexus.pid)
    assert nexus.stop(signal.SIGINT) == 0
    assert [pid for pid in started if alive(pid)] == []


def test_a_target_that_is_none_is_refused(nexus: Nexus) -> None:
    assert nexus.launch("serve", "--target=crn").wait(PATIENCE) == 2

    assert "there is no target 'crn'" in nexus.said
