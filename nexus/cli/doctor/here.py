"""What can be seen without a database: versions, settings, the data folder, the disk, and whether a process serves."""

from __future__ import annotations

import os
import platform
import shutil
import stat
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final

import msgspec
from psycopg.conninfo import conninfo_to_dict

from nexus import __version__
from nexus.cli.doctor.findings import Tell, odd, ok, wrong
from nexus.config import Settings, sources
from nexus.core.tokens import is_operator_key
from nexus.process import running

_SECRETS: Final = {"owner_password", "app_password", "otlp_headers"}
_GIGABYTE: Final = 1 << 30


def look(settings: Settings, tell: Tell) -> None:
    """Everything of this file."""
    tell(ok("versions", f"nexus {__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}"))
    _process(settings, tell)
    if settings.folder.is_dir():
        _folder(settings.folder, tell)
        _disk(settings.folder, tell)
    else:
        tell(odd("data folder", f"{settings.folder} is not there yet", "nexus up makes it; or set NEXUS_DATA to where it is"))


def in_force(settings: Settings) -> list[dict[str, Any]]:
    """Every setting with its value and where that comes from; secrets are masked."""
    origin = sources()
    values: dict[str, Any] = msgspec.structs.asdict(settings)
    return [{"name": name, "value": _masked(name, value), "from": origin[name]} for name, value in values.items()]


def _masked(name: str, value: Any) -> Any:
    if not value or name not in {*_SECRETS, "database_url", "cells"}:
        return value
    if name == "database_url":
        return _without_password(value)
    if name == "cells":
        parts = [one.strip().partition("=") for one in value.split(",") if one.strip()]
        return ",".join(f"{cell}={_without_password(url)}" for cell, _, url in parts)
    return "***"


def _without_password(url: str) -> str:
    """Host, port, database and user of a URL: nothing else of it is sure to be no secret."""
    known = conninfo_to_dict(url)
    return "postgresql://{user}@{host}:{port}/{dbname}".format_map({"user": "?", "host": "?", "port": 5432, "dbname": "?"} | known)


def _process(settings: Settings, tell: Tell) -> None:
    serves = running(settings)
    if serves is None:
        tell(ok("process", "none serves from this data folder"))
        return
    try:
        with urllib.request.urlopen(f"{serves.url}/readyz", timeout=10) as answer:  # noqa: S310 - our own process
            answer.read()
        grpc = f", gRPC at {serves.grpc}" if serves.grpc else ""
        tell(ok("process", f"serves at {serves.url}{grpc} (process {serves.pid}) and is ready"))
    except urllib.error.HTTPError as error:
        tell(wrong("process", f"{serves.url} is not ready: {error.read(500).decode(errors='replace')}", "see what it logs; start it again"))
    except OSError as error:
        tell(
            wrong("process", f"process {serves.pid} has the folder and {serves.url} does not answer: {error}", "end it and start it again")
        )


def _folder(folder: Path, tell: Tell) -> None:
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & 0o022:
        tell(wrong("data folder", f"{folder} can be written by others (mode {mode:o})", f"chmod go-w {folder}"))
    elif not os.access(folder, os.W_OK):
        tell(wrong("data folder", f"{folder} cannot be written by you", "run as the user that started it, or set NEXUS_DATA"))
    else:
        tell(ok("data folder", f"{folder} (mode {mode:o})"))
    _private(folder / "operator.key", "operator key file", tell, needed=True)
    _private(folder / "roles.json", "role passwords", tell)
    _private(folder / "postgres" / "password", "database password", tell)


def _private(file: Path, about: str, tell: Tell, *, needed: bool = False) -> None:
    """A file that only its owner may read."""
    try:
        found = file.stat()
    except FileNotFoundError:
        if needed:
            tell(odd(about, f"{file} is not there", "the next nexus up makes a new key; the old one stops working then"))
        return
    except PermissionError as error:
        tell(wrong(about, f"{file}: {error.strerror}", "run as the user that started it"))
        return
    mode = stat.S_IMODE(found.st_mode)
    if mode & 0o077:
        again = "; if somebody may have read it, delete it and start NEXUS again: that makes a new key" if needed else ""
        tell(wrong(about, f"{file} can be read by others (mode {mode:o})", f"chmod 600 {file}{again}"))
    elif needed and not is_operator_key(file.read_text(encoding="utf-8", errors="replace").strip()):
        tell(wrong(about, f"{file} holds no operator key (nxo_…)", "delete it and start NEXUS again: it makes a new one"))
    else:
        tell(ok(about, f"{file} (mode {mode:o})"))


def _disk(folder: Path, tell: Tell) -> None:
    usage = shutil.disk_usage(folder)
    says = f"{usage.free / _GIGABYTE:.1f} GB of {usage.total / _GIGABYTE:.0f} GB are free where {folder} is"
    if usage.free < _GIGABYTE // 2:
        tell(wrong("disk", says, "make room: a database without any stops"))
    elif usage.free < 2 * _GIGABYTE or usage.free < usage.total * 0.05:
        tell(odd("disk", says, "make room before it is used up"))
    else:
        tell(ok("disk", says))
