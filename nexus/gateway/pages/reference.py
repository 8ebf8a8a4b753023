"""`/docs`: the reference of the API, written by the server from the document; the script adds search and trying out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from html import escape
from typing import Any

import msgspec

from nexus.core.problem import NotFound
from nexus.gateway.pages.answers import json, kept, only
from nexus.gateway.pages.documents import Asked, Documents
from nexus.gateway.pages.frame import page
from nexus.gateway.pages.reference_operation import render
from nexus.gateway.pages.reference_schema import Schema, Schemas, prose
from nexus.surfaces.rest.message import Response

HTML = b"text/html; charset=utf-8"
INDEX = "index.json"


def operations(document: Schema) -> Iterator[tuple[str, str, Schema]]:
    """Path, method and operation, in the order of the document."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


class Reference:
    """The pages below `/docs`, each written when it is first asked for, and kept."""

    def __init__(self, documents: Documents, url: str) -> None:
        self._documents = documents
        self._url = url
        self._written: dict[str, bytes] = {}

    async def __call__(self, raw: Asked) -> Response:
        """`/docs`, `/docs/{tag}` and `/docs/index.json`, which the search reads."""
        only(raw.method, "GET", "HEAD")
        name = raw.path.removeprefix("/docs").strip("/")
        if name not in self._written:
            document: Schema = msgspec.json.decode(await self._documents.encoded(None))
            self._written[name] = await asyncio.to_thread(write, document, name, self._url)
        return json(self._written[name], raw.headers) if name == INDEX else kept(self._written[name], HTML, raw.headers)


def write(document: Schema, name: str, url: str) -> bytes:
    """A page of the reference of the installation at `url`: the first one, one of a tag, or the index of the search. NotFound (404)."""
    if name == INDEX:
        return msgspec.json.encode(_index(document))
    tags = {tag["name"]: str(tag["description"]) for tag in document["tags"]}
    if name and name not in tags:
        raise NotFound(kind="page", id=f"/docs/{name}")
    body = _tag(document, name, tags[name]) if name else _overview(document, url)
    title = f"{name} · NEXUS API" if name else "NEXUS API"
    whole = f'<div class="docs">{_sidebar(document, name)}<main id="main" class="text">{body}</main></div>'
    return page(title, whole, styles=("page.css", "docs.css"), scripts=("docs.js",)).encode()


def _index(document: Schema) -> list[dict[str, str]]:
    return [
        {"method": method.upper(), "path": path, "summary": one["summary"], "href": f"/docs/{one['tags'][0]}#{one['operationId']}"}
        for path, method, one in operations(document)
    ]


def _sidebar(document: Schema, current: str) -> str:
    groups: dict[str, list[str]] = {}
    for tag in document["tags"]:
        service, dot, _ = tag["name"].partition(".")
        groups.setdefault(service.partition(" ")[0] if dot or " " in service else "control plane", []).append(tag["name"])
    listed = "".join(
        f"<h2>{escape(service)}</h2><ul>{''.join(_link(name, service, current) for name in names)}</ul>"
        for service, names in groups.items()
    )
    return (
        '<a class="skip" href="#main">To the text</a><nav class="side" aria-label="Reference"><a class="brand" href="/docs"><img src="/assets/mark.svg" alt="">'
        'NEXUS API</a><div id="find" hidden><label for="search" class="visually-hidden">Search</label>'
        '<input id="search" type="search" placeholder="Search  /" autocomplete="off"><ul id="found" aria-live="polite"></ul>'
        '<label for="credential">Key for trying out</label><input id="credential" type="password" autocomplete="off" placeholder="nx_…" spellcheck="false">'
        f'<p class="hint">Kept in the memory of this page only.</p></div><details class="all" open><summary>All of it</summary>{listed}</details></nav>'
    )


def _link(name: str, service: str, current: str) -> str:
    here = ' aria-current="page"' if name == current else ""
    shown = name.removeprefix(f"{service}.").removeprefix(f"{service} ").replace("_", " ")
    return f'<li><a href="/docs/{escape(name)}"{here}>{escape(shown)}</a></li>'


def _overview(document: Schema, url: str) -> str:
    counted = sum(1 for _ in operations(document))
    rows = "".join(
        f'<tr><td><a href="/docs/{escape(tag["name"])}">{escape(tag["name"])}</a></td><td>{prose(str(tag["description"]).split(chr(10) * 2)[0], block=False)}</td></tr>'
        for tag in document["tags"]
    )
    first = _FIRST.replace("{url}", url)
    return (
        f"<h1>The API</h1>{prose(document['info']['description'])}"
        f'<p class="soft">{counted} operations. The same as one document: <a href="/openapi.json">openapi.json</a>, or one service of it: '
        '<a href="/openapi.json?service=crm">openapi.json?service=crm</a>. Every refusal: <a href="/problems">problems</a>.</p>'
        '<p class="soft">What happens, live: <code>/api/v1/stream</code> (server-sent events) and <code>/ws</code> (WebSocket). '
        'Every topic and what its events say: <a href="/asyncapi.json">asyncapi.json</a>.</p>'
        "<h2>First calls</h2><p>In the examples <code>$NEXUS</code> is where this installation is, <code>$KEY</code> a key.</p>"
        f'<pre tabindex="0">{escape(first)}</pre><h2>What there is</h2><table><tbody>{rows}</tbody></table>'
    )


_FIRST = """export NEXUS={url} KEY=the-operators-key

curl "$NEXUS/api/v1/activate" -H "Authorization: Bearer $KEY" -H 'Content-Type: application/json' \\
  -d '{"name": "Ade Bakery", "industry": "restaurant", "country": "NG", "owner": {"name": "Ade", "email": "ade@example.com"}}'

export KEY=the-owners-key
curl "$NEXUS/api/v1/crm/leads?status=new&limit=5" -H "Authorization: Bearer $KEY\""""


def _tag(document: Schema, name: str, description: str) -> str:
    named = document["components"]["schemas"]
    pages = {tag["name"]: f"/docs/{tag['name']}" for tag in document["tags"]}
    entities = {key: pages[tag] for key, tag in _entities(document).items() if tag in pages}
    explained: dict[str, str] = {key: f"{address}#fields" for key, address in entities.items()}
    schemas = Schemas(document, explained)
    own = next((key for key, tag in _entities(document).items() if tag == name), None)
    needed: list[str] = named.get(f"{own}Create", {}).get("required", [])
    fields = f'<h2 id="fields">Fields</h2>{schemas.fields(named[own], needed)}' if own else ""
    mine = [(path, method, one) for path, method, one in operations(document) if name in one["tags"]]
    listed = "".join(
        f'<li><a href="#{escape(one["operationId"])}"><b class="method {method}">{method.upper()}</b> '
        f"<span>{prose(one['summary'], block=False)}</span></a></li>"
        for _, method, one in mine
    )
    sections = "".join(render(document, schemas, path, method, one) for path, method, one in mine)
    heading = name.partition(".")[2].replace("_", " ").capitalize() or name.capitalize()
    head = f'<p class="soft">{escape(name)}</p><h1>{escape(heading)}</h1>{prose(description)}<ul class="contents">{listed}</ul>'
    return f"{head}{fields}<h2>Operations</h2>{sections}{schemas.values()}"


def _entities(document: Schema) -> dict[str, Any]:
    """Component of each entity → its tag: what a get of it answers."""
    found: dict[str, Any] = {}
    for _, _, one in operations(document):
        if one["operationId"].endswith(".list") and (schema := one["responses"]["200"]["content"]["application/json"]["schema"]).get(
            "$ref", ""
        ).endswith("Page"):
            found[str(schema["$ref"]).rpartition("/")[2].removesuffix("Page")] = one["tags"][0]
    return found
