"""The .proto files that are checked in: protoc reads them as what the server tells by reflection."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from nexus.core.service import Service
from nexus.surfaces.grpc.asked import shared
from nexus.surfaces.grpc.descriptors import file_name, file_of
from nexus.surfaces.grpc.proto import text_of
from nexus.surfaces.lock import Lock, Member, Message, Operation, Words, merged, promised
from nexus.surfaces.lock.file import fresh

PROTO = Path(__file__).parents[3] / "proto"


def compiled(folder: Path, *names: str) -> dict[str, FileDescriptorProto]:
    """What protoc makes of some files."""
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{folder}", f"-I{PROTO}", "--descriptor_set_out=/dev/stdout", *names]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr == b""  # nor does it warn
    return {file.name: file for file in FileDescriptorSet.FromString(done.stdout).file}


def test_protoc_reads_the_files_as_the_server_makes_them(services: dict[str, Service]) -> None:
    locks = [shared(), *(promised(service) for service in services.values())]

    read = compiled(PROTO, *(file_name(lock) for lock in locks))

    assert {file_name(lock): file_of(lock) for lock in locks} == read


SOURCE = "shop.Thing"
TYPES = [
    *("text", "uuid", "decimal", "int", "float", "bool", "instant", "date", "bytes", "json", "mask", "any", "Color", "Line", "words(a b)"),
    *(f"[{one}]" for one in ("text", "int", "instant", "Color", "Line", "json")),
    *(f"{{{one}}}" for one in ("text", "int", "Color", "Line", "json")),
    *("{{Line}}", "[[int]]", "[text?]", "[text] | text"),
]


def message(fields: dict[str, Member]) -> Message:
    return Message(kind="value", source=SOURCE, fields=fields)


def everything() -> Lock:
    """A service with every type, null and not."""
    several = [(one, null) for one in TYPES for null in (False, True)]
    fields = {f"field_{place}": Member(type=one, null=null) for place, (one, null) in enumerate(several)}
    lines = {"lines": Member(type="[Line]", null=True), "others": Member(type="Lines", null=True)}
    buy = Operation(rest="POST /x", grpc="Things/Buy", needs="shop.thing:buy", takes="Buy", gives="Thing")
    return Lock(
        service="shop",
        operations={"shop.thing.buy": buy},
        messages={
            "Empty": message({}),
            "Line": message({"line": Member(type="Line", null=True)}),
            "Lines": message(lines),
            "Thing": message(fields),
            "Buy": message({"id": Member(type="uuid")}),
        },
        enums={"Color": Words(source=SOURCE, numbers={"red": 0, "light-blue": 0})},
    )


def test_everything_a_lock_can_say_is_read_by_protoc(tmp_path: Path) -> None:
    now = everything()
    less = {name: member for name, member in now.messages["Thing"].fields.items() if name not in ("field_0", "field_3")}
    fewer = Words(source=SOURCE, numbers={"light-blue": 0})
    after = msgspec.structs.replace(now, messages=now.messages | {"Thing": message(less)}, enums={"Color": fewer})

    for lock in (fresh(now), merged(fresh(now), after)):
        name = file_name(lock)
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        docs = {"Thing": "What is sold.\n\nIn two paragraphs.", "Thing.field_1": "A */ mark. " * 30}
        (tmp_path / name).write_text(text_of(file_of(lock), docs))
        assert compiled(tmp_path, name)[name] == file_of(lock)
