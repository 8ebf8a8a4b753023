"""Arguments: from what a model sends to what the operation takes, each fault told by the field's name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, cast

import msgspec

from nexus.core.problem import FieldError, Invalid
from nexus.surfaces.effects import Effects
from nexus.surfaces.mcp.catalogue import Tool
from nexus.surfaces.mcp.schemas import PAGE
from nexus.surfaces.operations import Ask
from nexus.surfaces.wire import field_error

META_KEY: Final = "nexus/idempotencyKey"
"""Where a client may say an idempotency key, a dry run or a confirmation beside the arguments."""
META_DRY_RUN: Final = "nexus/dryRun"
META_CONFIRM: Final = "nexus/confirmToken"

Names = Annotated[list[str], msgspec.Meta(min_length=1, max_length=200)]


class _Get(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    id: str
    fields: Names | None = None
    expand: list[str] | None = None


class _List(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    where: dict[str, Any] | None = None
    q: str | None = None
    sort: Names | None = None
    limit: int = PAGE
    cursor: str | None = None
    fields: Names | None = None
    expand: list[str] | None = None
    count: Literal["none", "exact", "estimated"] | None = None
    archived: Literal["false", "true", "any"] | None = None


class _Controls(msgspec.Struct, kw_only=True):
    dry_run: bool = False
    idempotency_key: str | None = None
    confirm_token: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """One call, read."""

    ask: Ask
    own: dict[str, Any]
    """The arguments without what says how the call is to be made."""
    confirm_token: str | None = None


def read(tool: Tool, arguments: Mapping[str, Any], meta: Mapping[str, Any], correlation: str) -> Asked:
    """What is asked of a tool. Invalid (422) names the argument that does not fit."""
    match tool.operation.kind:
        case "get":
            one = _read(arguments, _Get)
            return Asked(Ask(id=one.id, query=_pairs(one, "fields", "expand"), correlation=correlation), dict(arguments))
        case "list":
            return Asked(Ask(query=_listing(_read(arguments, _List)), correlation=correlation), dict(arguments))
        case "report":
            return Asked(Ask(query=_plain(arguments), correlation=correlation), dict(arguments))
        case _:
            return _write(tool, arguments, meta, correlation)


def _read(arguments: Mapping[str, Any], into: type[Any]) -> Any:
    try:
        return msgspec.convert(dict(arguments), into)
    except msgspec.ValidationError as error:
        raise Invalid.of(field_error(error, into)) from None


def _pairs(asked: Any, *names: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name in names:
        value = getattr(asked, name)
        if value is None or value == []:
            continue
        found.append((name, ",".join(cast(list[str], value)) if isinstance(value, list) else str(value)))
    return found


def _listing(asked: _List) -> list[tuple[str, str]]:
    pairs = _pairs(asked, "q", "sort", "limit", "cursor", "fields", "expand", "count", "archived")
    return pairs if asked.where is None else [("where", msgspec.json.encode(asked.where).decode()), *pairs]


def _plain(arguments: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The parameters of a report, which are texts; what is null is not given."""
    pairs: list[tuple[str, str]] = []
    for name, value in arguments.items():
        if value is None:
            continue
        if isinstance(value, (list, dict)):
            raise Invalid.of(FieldError(name, "takes one value"))
        pairs.append((name, ("true" if value else "false") if isinstance(value, bool) else str(value)))
    return pairs


def _write(tool: Tool, arguments: Mapping[str, Any], meta: Mapping[str, Any], correlation: str) -> Asked:
    controls = _controls(arguments, meta, tool.controls)
    own = {name: value for name, value in arguments.items() if name not in tool.controls}
    body, id, version = dict(own), None, None
    if tool.operation.on_one:
        id = _id(body)
    if tool.operation.kind in ("update", "archive", "delete"):
        version = _version(body)
    if tool.operation.kind in ("archive", "restore", "delete") and body:
        raise Invalid.of(*[FieldError(name, "there is no such field") for name in body])
    ask = Ask(
        id=id,
        body=msgspec.json.encode(body),
        key=controls.idempotency_key,
        version=version,
        dry_run=controls.dry_run,
        effects=Effects() if controls.dry_run else None,
        correlation=correlation,
    )
    return Asked(ask, own, controls.confirm_token)


def _controls(arguments: Mapping[str, Any], meta: Mapping[str, Any], known: Iterable[str]) -> _Controls:
    beside = {"idempotency_key": META_KEY, "dry_run": META_DRY_RUN, "confirm_token": META_CONFIRM}
    given = {name: meta[where] for name, where in beside.items() if where in meta}
    given |= {name: arguments[name] for name in known if arguments.get(name) is not None}
    found: _Controls = _read(given, _Controls)
    key = found.idempotency_key
    if key is not None and not (1 <= len(key) <= 255 and key.isascii() and key.isprintable() and " " not in key):
        raise Invalid.of(FieldError("idempotency_key", "is 1 to 255 printable ASCII characters without spaces"))
    return found


def _id(body: dict[str, Any]) -> str:
    id = body.pop("id", None)
    if not isinstance(id, str):
        raise Invalid.of(FieldError("id", "is required" if id is None else "is the id of a record, a text"))
    return id


def _version(body: dict[str, Any]) -> int | Literal["*"]:
    version = body.pop("version", None)
    if version is None:
        raise Invalid.of(
            FieldError("version", "is required: the version of the record as it was read, or * to overwrite whatever is there")
        )
    if version == "*":
        return "*"
    if isinstance(version, bool) or not isinstance(version, int) or not 1 <= version < 10**9:
        raise Invalid.of(FieldError("version", "is the version of the record as it was read, or *"))
    return version
