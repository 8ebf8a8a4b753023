"""`/graphql` in a browser: GraphiQL, from files of this installation alone; where they are not installed, a plain form that does the same."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from html import escape
from pathlib import Path
from typing import Final, Protocol

from nexus.core.problem import NotFound
from nexus.gateway.federation.toolbox import FOLDER
from nexus.gateway.pages.answers import NO_STORE, POLICY, html, kept, wants_html
from nexus.gateway.pages.frame import page
from nexus.surfaces.rest.message import Response

PARTS: Final[Mapping[str, str]] = {
    "react.js": "react/umd/react.production.min.js",
    "react-dom.js": "react-dom/umd/react-dom.production.min.js",
    "graphiql.js": "graphiql/graphiql.min.js",
    "graphiql.css": "graphiql/graphiql.min.css",
}
"""What the page takes of the packages that `tools/node` pins, by the names under which it asks for them."""
ASSETS: Final = "/assets/graphiql/"
_POLICY: Final = POLICY + b"; font-src data:"
"""That of all pages, and the fonts that GraphiQL's style sheet holds."""
_QUERY: Final = "{\n  crmLeads(first: 5) {\n    totalCount\n    nodes {\n      id\n      name\n      status\n    }\n  }\n}\n"
_HEADERS: Final = '{\n  "Authorization": "Bearer "\n}\n'
_SCRIPT: Final = b"text/javascript; charset=utf-8"
_COMMAND: Final = ".venv/bin/python -m tools.node_parts"


class Asked(Protocol):
    """What is looked at of a request."""

    method: str
    path: str
    query: bytes
    headers: dict[bytes, bytes]


def opens(raw: Asked) -> bool:
    """Whether a person opens the page: a browser asks, and not for the answer to a query."""
    plain = raw.path == "/graphql" and raw.method in ("GET", "HEAD")
    return plain and wants_html(raw.headers) and not any(part.startswith((b"query=", b"documentId=")) for part in raw.query.split(b"&"))


class Explorer:
    """The page and its files. `folder` is where the packages for Node are."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._modules = folder / "node_modules"

    def page(self) -> Response:
        """GraphiQL, or the plain form with what it takes to have GraphiQL."""
        text = _graphiql() if all((self._modules / one).is_file() for one in PARTS.values()) else _plain()
        response = html(text, 200, NO_STORE, (b"vary", b"accept"))
        response.headers = [(name, _POLICY if name == b"content-security-policy" else value) for name, value in response.headers]
        return response

    def part(self, name: str, headers: dict[bytes, bytes]) -> Response:
        """A file that the page asks for. NotFound (404)."""
        file = self._modules / PARTS.get(name, "")
        if name not in PARTS or not file.is_file():
            raise NotFound(kind="asset", id=name)
        return kept(_read(file, file.stat().st_mtime_ns), b"text/css; charset=utf-8" if name.endswith(".css") else _SCRIPT, headers)


@cache
def _read(file: Path, version: int) -> bytes:
    return file.read_bytes()


def _graphiql() -> str:
    body = f'<div id="graphiql" data-query="{_attribute(_QUERY)}" data-headers="{_attribute(_HEADERS)}"><p class="loading">GraphiQL is loading …</p></div>'
    scripts = ("graphiql/react.js", "graphiql/react-dom.js", "graphiql/graphiql.js", "explorer.js")
    return page(
        "GraphQL · NEXUS",
        _NO_SCRIPT + body,
        styles=("page.css", "graphiql/graphiql.css", "explorer.css"),
        scripts=scripts,
        classes="explorer",
    )


def _plain() -> str:
    def box(name: str, label: str, rows: int, text: str) -> str:
        area = f'<textarea id="{name}" rows="{rows}" spellcheck="false" autocomplete="off">{_attribute(text)}</textarea>'
        return f'<label for="{name}">{label}</label>{area}'

    boxes = box("query", "Query", 14, _QUERY) + box("variables", "Variables", 3, "{}") + box("headers", "Headers", 4, _HEADERS)
    body = (
        '<main class="plain"><h1>GraphQL</h1><p id="missing" role="status">GraphiQL is not installed here: it comes with the packages for Node. '
        f"Install Node 20 or later, run <code>{_COMMAND}</code>, and load this page again. Until then this form sends what you write.</p>"
        f'<form id="plain">{boxes}<p><button class="button main" id="run">Run</button></p></form>'
        '<h2>Response</h2><pre id="response" aria-live="polite"></pre></main>'
    )
    return page("GraphQL · NEXUS", _NO_SCRIPT + body, styles=("page.css", "explorer.css"), scripts=("explorer-plain.js",))


_NO_SCRIPT: Final = '<noscript><p class="loading">This page needs JavaScript. Programs send queries by POST: <a href="/docs">the reference</a>.</p></noscript>'


def _attribute(text: str) -> str:
    return escape(text).replace("\n", "&#10;")
