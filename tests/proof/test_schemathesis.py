"""Schemathesis over every operation of a real server, with right and with hostile data: no 5xx, no status that the document does not name, no answer
that it does not describe, and nothing without a key.

`NEXUS_FUZZ=50` goes deeper than every run does.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process.conftest import ROOT, Nexus, place

EXAMPLES = os.environ.get("NEXUS_FUZZ", "5")
"""Requests to each operation, in each of the ways of drawing them."""
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,ignored_auth"
OWN_KEY = "/auth/(api_keys/.*/(revoke|renew)|users/.*/(suspend|deactivate|assign))"
"""What would take the key away under which everything is asked, were its id drawn."""
CONTROL = "^/api/v1/(?!auth|crm|finance)"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nexus]:
    """A server with a business; nobody is told to slow down."""
    with place(tmp_path_factory.mktemp("schemathesis")) as made:
        made.start("up", NEXUS_TENANT_RATE="0", NEXUS_KEY_RATE="0", NEXUS_STANDBY="0")
        made.token = made.activate()
        yield made


def fuzz(nexus: Nexus, folder: Path, key: str, *chosen: str, phases: str = "fuzzing", examples: str = EXAMPLES) -> str:
    """What schemathesis says; it must have found nothing."""
    command = [str(Path(sys.executable).parent / "schemathesis"), "run", f"{nexus.url}/openapi.json", "-H", f"Authorization: Bearer {key}"]
    command += ["--checks", CHECKS, "--phases", phases, "--max-examples", examples, "--seed", "20", "--continue-on-failure"]
    command += ["--suppress-health-check", "all", "--warnings", "off", *chosen]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.proof.serializers", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    assert "Traceback" not in nexus.said
    return done.stdout


def test_every_operation_of_the_services(served: Nexus, tmp_path: Path) -> None:
    said = fuzz(served, tmp_path, served.token, "--include-path-regex", "^/api/v1/(auth|crm|finance)/", "--exclude-path-regex", OWN_KEY)

    assert "errored" not in said
    assert served.ask("GET", "/api/v1/auth/reports/me", token=served.token)[0] == 200


def test_every_operation_of_the_control_plane(served: Nexus, tmp_path: Path) -> None:
    fuzz(served, tmp_path, served.key, "--include-path-regex", CONTROL)

    assert served.ready()
