"""`make check` on declarations that break a promise: it names the line, and nothing is written until somebody gives the promise up."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nexus.core.service import installed
from nexus.surfaces.grpc.asked import shared
from nexus.surfaces.lock import Lock, promised
from nexus.surfaces.lock.model import Member, Message, Operation
from tests.process.conftest import PATIENCE, ROOT
from tools.surfaces import clash

CRM = Path("nexus/services/crm")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What the tool reads of the checkout."""
    place = tmp_path_factory.mktemp("copy")
    for name in ("nexus", "proto", "tools"):
        shutil.copytree(ROOT / name, place / name)
    yield place
    shutil.rmtree(place)


def surfaces(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NEXUS_")}
    command = [sys.executable, "-B", "-m", "tools.surfaces", *arguments]
    return subprocess.run(
        command, cwd=place, env=kept | {"PYTHONPATH": str(place)}, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


class Edited:
    """A file of the copy with some text in another's place."""

    def __init__(self, file: Path, old: str, new: str) -> None:
        self.file, self.was = file, file.read_text()
        assert self.was.count(old) == 1, f"{old!r} is in {file} once"
        self.line = self.was[: self.was.index(old)].count("\n") + 1
        file.write_text(self.was.replace(old, new))

    def undo(self) -> None:
        self.file.write_text(self.was)


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        (
            "api/leads.py",
            "    make_deal: bool = True\n",
            "    make_deal: bool\n",
            "crm.ConvertLead.make_deal must be given: callers may leave it out",
        ),
        (
            "api/leads.py",
            "    make_deal: bool = True\n",
            "    make_deal: str = 'yes'\n",
            "crm.ConvertLead.make_deal is text, where bool is promised: callers send it",
        ),
        (
            "api/leads.py",
            "    make_deal: bool = True\n",
            "    why: Line\n    make_deal: bool = True\n",
            "crm.ConvertLead.why is new and must be given: callers do not know it; give it a default",
        ),
        (
            "api/deals.py",
            '    topic = "crm.deal.reopened"\n    deal_id: UUID\n    stage_id: UUID\n',
            '    topic = "crm.deal.reopened"\n    stage_id: UUID\n    deal_id: int\n',
            "crm.DealReopened.deal_id is int, where uuid is promised: callers read it",
        ),
    ],
    ids=["needed", "retyped", "new and needed", "event"],
)
def test_a_broken_promise_is_refused_at_its_line(copy: Path, file: str, old: str, new: str, said: str) -> None:
    edited, lock = Edited(copy / CRM / file, old, new), copy / CRM / "surfaces.lock"
    before = lock.read_bytes()
    try:
        checked, written = surfaces(copy, "--check"), surfaces(copy)
    finally:
        edited.undo()

    assert (checked.returncode, written.returncode) == (1, 1), checked.stderr
    field = said.split()[0].rpartition(".")[2]
    line = next(
        n
        for n, text in enumerate(edited.was.replace(old, new).splitlines(), 1)
        if n >= edited.line and text.strip().startswith(f"{field}:")
    )
    assert checked.stdout.splitlines()[0] == f"{CRM}/{file}:{line}: {said}"
    assert written.stdout == checked.stdout
    assert lock.read_bytes() == before


def test_a_field_more_is_written_and_its_number_is_the_next(copy: Path) -> None:
    edited = Edited(
        copy / CRM / "api/leads.py", "    make_deal: bool = True\n", "    why: Line | None = None\n    make_deal: bool = True\n"
    )
    lock, proto = copy / CRM / "surfaces.lock", copy / "proto/nexus/crm/v1/crm.proto"
    before = {file: file.read_text() for file in (lock, proto)}
    try:
        stale, written, clean = surfaces(copy, "--check"), surfaces(copy), surfaces(copy, "--check")
        text = proto.read_text()
    finally:
        edited.undo()
        for file, content in before.items():
            file.write_text(content)

    assert stale.returncode == 1
    assert stale.stdout.splitlines() == [
        f"{CRM}/surfaces.lock is stale: run make surfaces",
        "proto/nexus/crm/v1/crm.proto is stale: run make surfaces",
    ]
    assert (written.returncode, clean.returncode) == (0, 0)
    convert = re.search(r"message ConvertLead \{(.*?)\n\}", text, re.DOTALL)
    assert convert is not None
    assert "  optional string why = 10;\n" in convert[1]
    assert "  optional bool make_deal = 8;\n" in convert[1]


def test_a_promise_can_be_given_up_on_purpose(copy: Path) -> None:
    edited = Edited(copy / CRM / "entities/parties.py", "    price_list_id: ", "    tariff_id: ")
    lock, proto = copy / CRM / "surfaces.lock", copy / "proto/nexus/crm/v1/crm.proto"
    before = {file: file.read_text() for file in (lock, proto)}
    names = ("Account", "AccountCreate", "AccountPatch")
    try:
        refused = surfaces(copy)
        done = surfaces(copy, *(part for name in names for part in ("--accept", f"crm.{name}.price_list_id")))
        text = proto.read_text()
    finally:
        edited.undo()
        for file, content in before.items():
            file.write_text(content)

    assert refused.returncode == 1
    assert f"{CRM}/entities/parties.py:" in refused.stdout
    assert done.returncode == 0, done.stdout
    assert text.count('reserved "price_list_id";') == len(names)
    assert len(re.findall(r"reserved \d+;\n  reserved \"price_list_id\";", text)) == len(names)


def test_two_of_one_name_are_no_schema() -> None:
    """A message and the service of another entity: protobuf knows them by one name."""
    message = Message(kind="record", source="nexus.services.shop.entities.Orders", fields={"id": Member(number=1, type="uuid")})
    asked = Operation(rest="GET /api/v1/shop/orders/{id}", grpc="Orders/Get", needs="shop.order:read", takes="nexus.Get", gives="Orders")

    assert clash([shared(), *(promised(service) for service in installed().values())]) is None
    assert "nexus.shop.v1.Orders" in str(
        clash([shared(), Lock(service="shop", messages={"Orders": message}, operations={"shop.order:read": asked})])
    )
