"""The same journeys in one process and apart, in a copy of the checkout to which a service has been added that CRM calls.

The second service is written by `nexus new service` and by nobody else; CRM gets one command that asks it, through its `api`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.process.conftest import PATIENCE, ROOT, Nexus, place, until

ASKS = '''"""Thanks for a deal: a gift of another service is handed over."""

from __future__ import annotations

from uuid import UUID

from nexus.core import Command, Line, Tx, handles
from nexus.services.crm.entities import Deal
from nexus.services.loyalty.api import CloseItem, ItemClosed


class ThankForDeal(Command[ItemClosed], frozen=True, kw_only=True):
    """Hand a gift over for a deal."""

    deal_id: UUID
    item_id: UUID
    reason: Line


@handles(ThankForDeal, needs="crm.deal:thank")
async def thank_for_deal(cmd: ThankForDeal, tx: Tx) -> ItemClosed:
    deal = await tx.get(Deal, cmd.deal_id)
    return await tx.call(CloseItem(item_id=cmd.item_id, reason=f"{cmd.reason}: {deal.name}"))
'''


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy with the second service; it is thrown away."""
    here = tmp_path_factory.mktemp("checkout")
    for name in ("nexus", "tools", "conftest.py", "pyproject.toml"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, here / name, ignore=shutil.ignore_patterns("node_modules"))
        else:
            shutil.copy(ROOT / name, here / name)
    if (ROOT / "proto").is_dir():
        shutil.copytree(ROOT / "proto", here / "proto")
    subprocess.run(["git", "init", "--quiet", str(here)], check=True)
    for one in (here, *here.parents):
        if one.stat().st_uid == os.geteuid() and one.stat().st_mode & 0o005 != 0o005:
            one.chmod(one.stat().st_mode | 0o055)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NEXUS_")} | {"PYTHONPATH": str(here)}
    made = subprocess.run(
        [sys.executable, "-m", "nexus", "new", "service", "loyalty"], cwd=here, env=kept, capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stdout + made.stderr
    (here / "nexus" / "services" / "crm" / "commands" / "thanks.py").write_text(ASKS)
    yield here
    shutil.rmtree(here)


class Business(Nexus):
    """A running NEXUS with one business, and its owner's key."""

    apart: bool = False
    since: str = ""
    """Where the log stood when the tests began."""

    def api(self, method: str, path: str, body: Any = None, expect: int | None = None) -> Any:
        """An answer of the API as the owner; any success unless a status is expected."""
        status, answer = self.ask(method, f"/api/v1/{path}", body, token=self.token)
        assert status == expect if expect else status < 300, (status, answer)
        return answer

    def follow(self, topics: str, after: str = "") -> Iterator[tuple[str, str]]:
        """The fields of a stream of events as they come: name and value."""
        asked = f"{self.url}/api/v1/stream?topics={quote(topics)}" + (f"&after={quote(after)}" if after else "")
        request = urllib.request.Request(asked, headers={"authorization": f"Bearer {self.token}", "accept": "text/event-stream"})
        with urllib.request.urlopen(request, timeout=PATIENCE) as stream:
            for line in stream:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                yield name, value

    def told(self, type_: str, subject: str) -> dict[str, Any]:
        """The first event of this type about a record since the tests began: it is waited for."""
        service, _, rest = type_.partition(".")
        for name, value in self.follow(f"nexus.{service}.*.{rest}", self.since):
            if name == "data" and json.loads(value).get("subject") == subject:
                event: dict[str, Any] = json.loads(value)
                return event
        raise AssertionError("the stream has ended")


@pytest.fixture(scope="package", params=["in one process", "apart"])
def nexus(request: pytest.FixtureRequest, checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Business]:
    """The same tests for both."""
    with place(tmp_path_factory.mktemp("journeys"), Business) as business:
        business.cwd, business.apart = checkout, request.param == "apart"
        business.start("up", *(["--apart"] if business.apart else []), PYTHONPATH=str(checkout))
        until(lambda: "Ctrl-C stops it" in business.said, "it says so")
        business.token = business.activate(name="Ade Bakery")
        business.since = next(value for name, value in business.follow("nexus.crm.*.lead.created") if name == "id")
        yield business
        assert business.stop() == 0
        assert "Traceback" not in business.said
