"""The door to the API: the running process's, another's by its address, or one opened in this process where nothing runs."""

from __future__ import annotations

import asyncio
import http.client
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any, Final, Protocol
from urllib.parse import urlsplit

import msgspec
import typer

from nexus.activation.control import Control
from nexus.activation.platform import Site
from nexus.cli.databases import opened
from nexus.cli.output import Refused, Unreachable
from nexus.cli.up import fail
from nexus.config import Settings
from nexus.core.tokens import is_operator_key
from nexus.process import running
from nexus.runtime.app import App
from nexus.runtime.node import Node
from nexus.runtime.operator import keep_operator_key

PATIENCE: Final = 150.0
"""Seconds to wait for an answer: longer than the API itself waits for an activation."""

Url = Annotated[str | None, typer.Option("--url", help="A NEXUS elsewhere, such as https://nexus.example.com.")]
KeyFile = Annotated[Path | None, typer.Option("--key-file", help="A file with the operator's key; by default that of the data folder.")]


class Door(Protocol):
    """The API under the operator's key. Both methods raise Refused with the problem that was answered, Unreachable where nobody answers."""

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        """The decoded answer."""
        ...

    def stream(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Iterator[tuple[str, Any]]:
        """The server-sent events of an answer as they come: name and decoded data."""
        ...


@contextmanager
def door(settings: Settings, url: str | None = None, key_file: Path | None = None) -> Generator[Door]:
    """The door for one command."""
    serves = running(settings)
    if url is not None or serves is not None:
        address = url or (serves.url if serves is not None else "")
        yield Remote(address, _key(key_file or settings.folder / "operator.key"))
        return
    with asyncio.Runner() as runner, _inside(runner, settings, key_file or settings.folder / "operator.key") as inside:
        yield inside


def _key(file: Path) -> str:
    try:
        key = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        fail(f"The operator's key cannot be read from {file}: {reason}. Name the file with --key-file.", 2)
    if not is_operator_key(key):
        fail(f"{file} does not hold an operator key (nxo_…).", 2)
    return key


class Remote:
    """A NEXUS reached over HTTP."""

    def __init__(self, url: str, key: str) -> None:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            fail(f"{url!r} is no address: write it like https://nexus.example.com", 2)
        self._url = f"{parts.scheme}://{parts.netloc}"
        self._prefix = parts.path.rstrip("/")
        self._netloc = parts.netloc
        self._kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._key = key

    @contextmanager
    def _answer(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Generator[http.client.HTTPResponse]:
        connection = self._kind(self._netloc, timeout=PATIENCE)
        sent = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json", "Accept": "application/json", **headers}
        try:
            connection.request(method, self._prefix + path, None if body is None else msgspec.json.encode(body), sent)
            answer = connection.getresponse()
            if answer.status >= 400:
                raise Refused(_problem(answer.status, answer.read()))
            yield answer
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"NEXUS at {self._url} does not answer: {error or type(error).__name__}") from None
        finally:
            connection.close()

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        with self._answer(method, path, body, headers or {}) as answer:
            return msgspec.json.decode(answer.read())

    def stream(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Iterator[tuple[str, Any]]:
        with self._answer(method, path, body, {"Accept": "text/event-stream", **(headers or {})}) as answer:
            event = b""
            for line in answer:
                event += line
                if event.endswith(b"\n\n"):
                    yield _event(event)
                    event = b""


@contextmanager
def _inside(runner: asyncio.Runner, settings: Settings, key_file: Path) -> Generator[Inside]:
    """The whole API in this process, on databases opened for one command."""
    stack = AsyncExitStack()
    try:
        yield runner.run(_open(stack, runner, settings, key_file))
    finally:
        runner.run(stack.aclose())


async def _open(stack: AsyncExitStack, runner: asyncio.Runner, settings: Settings, key_file: Path) -> Inside:
    node = await stack.enter_async_context(opened(settings))
    # A given database may be another process's, whose key must stay in force.
    kept = await asyncio.to_thread(key_file.exists)
    if not settings.database_url or not (kept or await _has_operator(node)):
        await keep_operator_key(node.cells, key_file)
    url = settings.public_url.rstrip("/") or f"http://{settings.host}:{settings.port}"
    control = Control(node, Site(url=url, domain=settings.domain or None))
    app = App(node.rest, node.authenticate, control.pages(), body_limit=settings.body_limit)
    control.serve(app)
    stack.push_async_callback(_close, node, control)
    return Inside(runner, app, _key(key_file))


async def _has_operator(node: Node) -> bool:
    async with await node.cells.control.owner() as owner:
        return await (await owner.execute("SELECT 1 FROM nexus_control.operator LIMIT 1")).fetchone() is not None


async def _close(node: Node, control: Control) -> None:
    """What the command did is in the log when it ends; who reacts to it does so at the next start."""
    await control.stop()
    for relay in node.relays.values():
        await relay.drain()


class Inside:
    """The API of this very process: real requests, no socket. Its background work goes on while an answer is waited for."""

    def __init__(self, runner: asyncio.Runner, app: App, key: str) -> None:
        self._runner = runner
        self._app = app
        self._key = key

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        return self._runner.run(self._ask(method, path, body, headers or {}))

    async def _ask(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
        parts = [part async for part in self._parts(method, path, body, headers)]
        return msgspec.json.decode(b"".join(parts))

    def stream(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Iterator[tuple[str, Any]]:
        parts = self._parts(method, path, body, {"Accept": "text/event-stream", **(headers or {})})
        try:
            while (part := self._runner.run(_next(parts))) is not None:
                if part:
                    yield _event(part)
        finally:
            self._runner.run(parts.aclose())

    async def _parts(self, method: str, path: str, body: Any, headers: dict[str, str]) -> AsyncGenerator[bytes]:
        """The body of the answer, part by part; Refused where it is a problem."""
        path, _, query = path.partition("?")
        given = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json", "Accept": "application/json", **headers}
        named = [(name.lower().encode(), value.encode()) for name, value in given.items()]
        scope = {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": named}
        told: asyncio.Queue[Any] = asyncio.Queue()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"" if body is None else msgspec.json.encode(body), "more_body": False}

        asked = asyncio.create_task(self._app(scope, receive, told.put))
        asked.add_done_callback(lambda _: told.put_nowait({"status": 500}))
        try:
            status = (await told.get())["status"]
            more, refused = True, b""
            while more:
                message = await told.get()
                more, part = message.get("more_body", False), message.get("body", b"")
                if status >= 400:
                    refused += part
                else:
                    yield part
            if status >= 400:
                raise Refused(_problem(status, refused))
        finally:
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)


async def _next(parts: AsyncGenerator[bytes]) -> bytes | None:
    return await anext(parts, None)


def _event(text: bytes) -> tuple[str, Any]:
    name, data = "message", b""
    for line in text.splitlines():
        field, _, value = line.partition(b": ")
        if field == b"event":
            name = value.decode()
        elif field == b"data":
            data += value
    return name, msgspec.json.decode(data)


def _problem(status: int, body: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, msgspec.ValidationError):
        found = {"detail": body[:200].decode("utf-8", "replace") or f"it answered {status}"}
    return {"type": "about:blank", "status": status, **found}
