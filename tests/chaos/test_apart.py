"""Any one process of an installation apart is killed: only what needs it is refused, with a problem that names it, and it recovers."""

from __future__ import annotations

import os
import signal

import pytest

from tests.process.conftest import LEAST, Nexus, alive, until
from tests.process.test_apart import parts


def stopped(nexus: Nexus, name: str) -> int:
    """Stop a process without ending it, so that nobody starts another; its id."""
    pid = parts(nexus)[name]
    os.kill(pid, signal.SIGSTOP)
    return pid


def killed(nexus: Nexus, name: str) -> None:
    pid = parts(nexus)[name]
    os.kill(pid, signal.SIGKILL)
    until(lambda: not alive(pid), f"{name} has ended")


@pytest.mark.parametrize(
    ("victim", "needs", "other"),
    [("crm", "/api/v1/crm/leads", "/api/v1/auth/reports/me"), ("auth", "/api/v1/auth/users", "/api/v1/crm/leads")],
)
def test_a_service_that_is_killed_is_named_and_the_others_go_on(apart: Nexus, victim: str, needs: str, other: str) -> None:
    key = apart.token
    refusals: list[dict[str, object]] = []

    for _ in range(3):
        killed(apart, victim)
        while True:
            status, said = apart.ask("GET", needs, token=key)
            if status == 200:
                break
            assert (status, said["type"], said["service"]) == (503, "/problems/service-unavailable", victim)
            refusals.append(said)
            assert apart.ask("GET", other, token=key)[0] == 200
    assert refusals
    until(apart.ready, "all is well again")


def test_without_the_control_plane_nothing_is_activated_and_the_rest_goes_on(apart: Nexus) -> None:
    key = apart.token
    killed(apart, "control")

    status, said = apart.ask("POST", "/api/v1/activate", LEAST | {"name": "Other"}, token=apart.key)
    if status != 201:  # it may have come back meanwhile
        assert (status, said["service"]) == (503, "control")
    assert apart.ask("POST", "/api/v1/crm/leads", {"name": "Ngozi"}, token=key)[0] == 201
    until(apart.ready, "it is back")
    until(lambda: apart.ask("POST", "/api/v1/activate", LEAST | {"name": "Third"}, token=apart.key)[0] == 201, "businesses are activated")


def test_without_the_relay_writes_go_on_and_are_told_of_later(apart: Nexus) -> None:
    key = apart.token
    relay = stopped(apart, "relay")

    made = [apart.ask("POST", "/api/v1/crm/leads", {"name": f"Lead {at}"}, token=key) for at in range(5)]
    assert [status for status, _ in made] == [201] * 5
    os.kill(relay, signal.SIGKILL)

    for _, lead in made:
        until(lambda: apart.ask("GET", f"/api/v1/crm/leads/{lead['id']}", token=key)[1]["score"] is not None, "the lead has a score")  # noqa: B023


def test_a_gateway_that_is_killed_comes_back_with_its_port(apart: Nexus) -> None:
    key = apart.token
    killed(apart, "gateway")

    until(apart.ready, "it is back")

    assert apart.ask("GET", "/api/v1/crm/leads", token=key)[0] == 200


def test_each_end_is_told_with_the_name(apart: Nexus) -> None:
    killed(apart, "crm")

    until(lambda: "crm     | ended with -9; it is started again in" in apart.said, "its end is told")
    until(apart.ready, "it is ready again")
