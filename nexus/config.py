"""Settings: one typed tree, from `NEXUS_*` variables or one TOML file. Every default works on a bare laptop."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec


class BadSettings(Exception):
    """A setting is unknown or has a value that it cannot have; the message names it."""


def _places(setting: str, said: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in filter(None, (one.strip() for one in said.split(","))):
        name, _, address = part.partition("=")
        if not name.isidentifier() or not address.rpartition(":")[2].isdigit() or "/" in address:
            raise BadSettings(f"{setting} takes name=host:port, separated by commas; {part!r} is not that")
        found[name] = address
    return found


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set. The variable of `body_limit` is `NEXUS_BODY_LIMIT`."""

    host: str = "127.0.0.1"
    """The address to serve on."""
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8080
    """The port to serve on; 0 takes a free one."""
    grpc_port: Annotated[int, msgspec.Meta(ge=-1, le=65535)] = -1
    """The port of gRPC; 0 takes a free one, -1 the one after `port` or, where that is taken, a free one."""
    data: str = ".nexus"
    """The folder that keeps the embedded engines' data and the operator's key."""
    database_url: str = ""
    """A PostgreSQL to use instead of the embedded one: a URL of a user that may create roles and a database it owns."""
    cells: str = ""
    """More databases for tenants, as name=url, separated by commas."""
    owner_password: str = ""
    """The password of the role that owns the tables; made and kept in the data folder where it is not given."""
    app_password: str = ""
    """The password of the role that requests run under; made and kept in the data folder where it is not given."""
    domain: str = ""
    """Tenants are named `<slug>.<domain>` where it is given."""
    public_url: str = ""
    """Where callers reach this installation, as answers name it; by default the address it serves on."""
    services: str = ""
    """Where services run in processes of their own, as name=url, separated by commas; `control` is the control plane."""
    grpc_services: str = ""
    """Where services answer gRPC, for a gateway that hands calls on to them, as name=host:port, separated by commas."""
    calls: str = ""
    """Where services answer calls of other services, as name=host:port, separated by commas."""
    call_port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    """The port on which the services of this process answer calls of others; 0 for none."""
    tls: str = ""
    """A folder with pair.pem (key and certificate) and ca.pem: processes speak to each other under mutual TLS. With --apart, `local` makes them."""
    operator_key: str = ""
    """The file that keeps the operator's key; by default operator.key in the data folder."""
    prepare: bool = True
    """Make roles and the platform's own tables at the start; no where another process has done so."""
    call_seconds: Annotated[float, msgspec.Meta(gt=0, le=600)] = 10.0
    """Seconds in which a service that another one calls must have answered."""
    standby: Annotated[int, msgspec.Meta(ge=0, le=100)] = 2
    """Prepared tenants kept ready in each cell."""
    body_limit: Annotated[int, msgspec.Meta(ge=1024)] = 32 * 1024 * 1024
    """Bytes of the largest request body; imports stream and have no limit."""
    connections: Annotated[int, msgspec.Meta(ge=1, le=64)] = 2
    """Connections for short requests per database and process; as many as the database has cores is best."""
    event_days: Annotated[int, msgspec.Meta(ge=1, le=3650)] = 30
    """Days for which the event log can be replayed."""
    idempotency_hours: Annotated[int, msgspec.Meta(ge=24, le=8760)] = 24
    """Hours for which the answer to an Idempotency-Key is kept."""
    import_days: Annotated[int, msgspec.Meta(ge=1, le=3650)] = 30
    """Days for which an import can be resumed, undone and asked about after its last progress."""
    node: str = ""
    """The Node executable that runs the federation gateway; by default the environment's own, else the PATH's."""
    heartbeat: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 20.0
    """Seconds after which a sign of life goes over a stream on which nothing happens; a WebSocket that answers none within them, or within 10, is ended."""
    tenant_rate: Annotated[float, msgspec.Meta(ge=0)] = 2000.0
    """Requests a second that one tenant may send, ten seconds' worth of them at once; 0 for no limit. A tenant can have limits of its own."""
    key_rate: Annotated[float, msgspec.Meta(ge=0)] = 1000.0
    """The same of one API key."""
    tenant_day: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Requests that one tenant may send in a day (UTC); 0 for no limit."""
    key_day: Annotated[int, msgspec.Meta(ge=0)] = 0
    """The same of one API key."""
    request_seconds: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 120.0
    """Seconds in which a request must be answered, or a stream begun; 0 for no limit. Activations and imports take their time."""
    drain_seconds: Annotated[float, msgspec.Meta(ge=0, le=600)] = 0.0
    """Seconds for which a process that is told to end still takes requests while `/readyz` says 503, so that a load balancer notices."""
    cors_origins: str = ""
    """Origins whose pages may call the API from a browser, separated by commas; `*` for every one."""
    cors_credentials: bool = False
    """Whether those pages may send credentials that the browser keeps; not with `*`."""
    otlp_endpoint: str = ""
    """Where traces and logs go, by OTLP over HTTP: the address of a collector, such as http://127.0.0.1:4318."""
    otlp_headers: str = ""
    """Headers for it, as name=value, separated by commas: what it takes to be let in."""
    otlp_sample: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    """The part of the traces that begin here and are sent; one that began elsewhere is sent where that was."""
    access_log: str = ""
    """A file that gets a line of JSON for each request; `-` for standard output."""
    graphql_introspection: bool = True
    """Whether GraphQL tells its schema."""
    graphql_explorer: bool = True
    """Whether a browser that opens `/graphql` gets a page to write queries on."""
    graphql_depth: Annotated[int, msgspec.Meta(ge=1, le=100)] = 15
    """How deep the fields of a GraphQL document may nest."""
    graphql_aliases: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 100
    """Aliases that a GraphQL document may use."""
    graphql_fields: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1_000
    """Fields that a GraphQL document may name."""
    graphql_rows: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)] = 50_000
    """Records that a GraphQL query may answer: pages of records within pages of records multiply."""
    graphql_page: Annotated[int, msgspec.Meta(ge=1, le=500)] = 500
    """Records of the largest page in GraphQL."""
    graphql_document: Annotated[int, msgspec.Meta(ge=256, le=1024 * 1024)] = 64 * 1024
    """Bytes of the longest GraphQL document."""
    graphql_listed: str = ""
    """A file of GraphQL documents that clients may name by their hash: a manifest of persisted queries."""
    graphql_only_listed: bool = False
    """Whether no other GraphQL document is answered."""
    log_level: str = "warning"
    """debug, info, warning or error."""

    @property
    def folder(self) -> Path:
        """The data folder, absolute."""
        return Path(self.data).absolute()

    @property
    def key_file(self) -> Path:
        """The file that keeps the operator's key."""
        return Path(self.operator_key).absolute() if self.operator_key else self.folder / "operator.key"

    def addresses(self) -> dict[str, str]:
        """Where services run apart, by their names. BadSettings where the setting cannot be read."""
        found: dict[str, str] = {}
        for part in filter(None, (one.strip() for one in self.services.split(","))):
            name, _, url = part.partition("=")
            if not name.isidentifier() or not url.startswith(("http://", "https://")):
                raise BadSettings(f"NEXUS_SERVICES takes name=url, separated by commas; {part!r} is not that")
            found[name] = url.rstrip("/")
        return found

    @property
    def graphql_listed_file(self) -> Path | None:
        """The file of listed GraphQL documents."""
        return Path(self.graphql_listed) if self.graphql_listed else None

    def callees(self) -> dict[str, str]:
        """Where services answer calls, as host:port by their names. BadSettings where the setting cannot be read."""
        return _places("NEXUS_CALLS", self.calls)

    def grpc_addresses(self) -> dict[str, str]:
        """Where services answer gRPC, as host:port by their names. BadSettings where the setting cannot be read."""
        return _places("NEXUS_GRPC_SERVICES", self.grpc_services)

    def extra_cells(self) -> dict[str, str]:
        """The further cells' URLs by their names. BadSettings where the setting cannot be read."""
        found: dict[str, str] = {}
        for part in filter(None, (one.strip() for one in self.cells.split(","))):
            name, _, url = part.partition("=")
            if not name.isidentifier() or not url or name == "main":
                raise BadSettings(f"NEXUS_CELLS takes name=url, separated by commas; {part!r} is not that (and main is the first cell)")
            found[name] = url
        return found

    def otlp_header(self) -> dict[str, str]:
        """The headers of `otlp_headers`. BadSettings where the setting cannot be read; it may hold a secret and is not shown."""
        found: dict[str, str] = {}
        for part in filter(None, (one.strip() for one in self.otlp_headers.split(","))):
            name, _, value = part.partition("=")
            if not name.strip() or not value:
                raise BadSettings("NEXUS_OTLP_HEADERS takes name=value, separated by commas")
            found[name.strip().lower()] = value.strip()
        return found

    def origins(self) -> frozenset[str]:
        """The origins of `cors_origins`. BadSettings where one is none, or all of them would come with credentials."""
        found = frozenset(filter(None, (one.strip().rstrip("/") for one in self.cors_origins.split(","))))
        for one in found:
            parts = urlsplit(one)
            if one != "*" and (parts.scheme not in ("http", "https") or not parts.netloc or one != f"{parts.scheme}://{parts.netloc}"):
                raise BadSettings(
                    f"NEXUS_CORS_ORIGINS takes origins such as https://shop.example.com, separated by commas; {one!r} is none"
                )
        if "*" in found and self.cors_credentials:
            raise BadSettings("NEXUS_CORS_CREDENTIALS cannot be with NEXUS_CORS_ORIGINS=*: name the origins that may send credentials")
        return found


_NAMES = {f"NEXUS_{field.name.upper()}": field.name for field in msgspec.structs.fields(Settings)}
_OTHERS = {"NEXUS_CONFIG", "NEXUS_PYTHON"}


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings: the TOML file (`NEXUS_CONFIG`, else `nexus.toml` in the data folder) first, then variables over it.

    Raises BadSettings naming the variable or key, with the nearest name there is.
    """
    given = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name in _NAMES:
            values[_NAMES[name]] = value
        elif name.startswith("NEXUS_") and name not in _OTHERS:
            near = difflib.get_close_matches(name, [*_NAMES, *_OTHERS], 1)
            raise BadSettings(f"{name} is not a setting{f'; did you mean {near[0]}?' if near else ''}")
    try:
        settings = msgspec.convert(_file(given, values) | values, Settings, strict=False)
        settings.extra_cells()
        settings.origins()
        settings.otlp_header()
        settings.addresses()
        settings.callees()
        return settings
    except msgspec.ValidationError as error:
        raise BadSettings(_message(error)) from None


def sources(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Where each setting comes from: its variable, the file, or "default". Raises BadSettings."""
    given = os.environ if environment is None else environment
    values = {_NAMES[name]: value for name, value in given.items() if name in _NAMES}
    written = _file(given, values)
    return {name: variable if name in values else "file" if name in written else "default" for variable, name in _NAMES.items()}


def _file(given: Mapping[str, str], values: Mapping[str, Any]) -> dict[str, Any]:
    named = given.get("NEXUS_CONFIG")
    file = Path(named) if named else Path(values.get("data", Settings().data)) / "nexus.toml"
    if not file.exists():
        if named:
            raise BadSettings(f"NEXUS_CONFIG names {named}, which is not there")
        return {}
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSettings(f"{file} is not valid TOML: {error}") from None
    known = set(_NAMES.values())
    for name in found:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            raise BadSettings(f"{name} in {file} is not a setting{f'; did you mean {near[0]}?' if near else ''}")
    return found


def _message(error: msgspec.ValidationError) -> str:
    what, _, path = str(error).partition(" - at `$.")
    from nexus.surfaces.wording import sentence  # it knows of every entity, and only a wrong setting needs it

    name = path.rstrip("`")
    return f"NEXUS_{name.upper()}: {sentence(what, f'$.{name}', Settings)}"
