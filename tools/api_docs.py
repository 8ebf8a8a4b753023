"""Write `docs/api/`: the API in Markdown, from the declarations. `python -m tools.api_docs` writes, `--check` only compares."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nexus.core.service import Service, installed
from nexus.gateway.pages.documents import api_document
from nexus.gateway.pages.reference_operation import curl
from nexus.gateway.pages.reference_schema import beyond, resolve
from nexus.surfaces.live.schemas import path_of
from nexus.surfaces.live.topics import topics_of

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "api"
Schema = dict[str, Any]


def type_words(schema: Schema) -> str:
    """A type in words."""
    if "$ref" in schema:
        return f"`{schema['$ref'].rpartition('/')[2]}`"
    if "anyOf" in schema:
        return " or ".join(type_words(one) for one in schema["anyOf"])
    kinds = schema.get("type", "anything")
    kind = "/".join(kinds) if isinstance(kinds, list) else kinds
    if "enum" in schema:
        return ", ".join(f"`{word}`" for word in schema["enum"] if word is not None) + (" or null" if "null" in kind else "")
    if "array" in kind:
        return f"list of {type_words(schema.get('items', {}))}"
    return f"{kind} ({schema['format']})" if "format" in schema else kind


def field_rows(document: Schema, schema: Schema) -> Iterator[str]:
    """A table of an object's fields; nothing where it has none."""
    known = resolve(document, schema)
    properties = known.get("properties", {})
    if not properties:
        return
    yield "| Field | Type | |"
    yield "|---|---|---|"
    for name, inner in properties.items():
        marks = [*(["read only"] if inner.get("readOnly") else []), *(["unique"] if inner.get("x-unique") else [])]
        target = f"of a `{inner['x-refers-to']}`" if "x-refers-to" in inner else ""
        text = " ".join([str(inner.get("description", "")), *(f"*{mark}*" for mark in marks)]).strip().replace("|", "\\|")
        yield f"| `{name}` | {' '.join(filter(None, [type_words(inner), target]))} | {text} |"
    yield ""


def operation_lines(document: Schema, path: str, method: str, one: Schema) -> Iterator[str]:
    """One operation."""
    yield f"### {one['summary']}\n"
    needs = f" — needs `{one['x-permission']}`" if "x-permission" in one else ""
    yield f"`{method.upper()} {path}`{needs}\n"
    if about := beyond(str(one.get("description", "")), one["summary"]):
        yield f"{about}\n"
    if "requestBody" in one or method != "get":
        yield "```sh\n" + curl(document, path, method, one) + "\n```\n"
    shared = {
        code
        for response in document["components"]["responses"].values()
        for code in response["content"]["application/problem+json"]["examples"]
    }
    own = {
        code: example["summary"]
        for status, response in one["responses"].items()
        if status >= "400" and "$ref" not in response
        for code, example in response["content"]["application/problem+json"]["examples"].items()
        if code not in shared
    }
    if own:
        yield "Refuses: " + " ".join(f"`{code}` ({text})" for code, text in own.items()) + "\n"


def tag_lines(document: Schema, tag: Schema) -> Iterator[str]:
    """One entity, or one part of the control plane."""
    name = tag["name"]
    yield f"## {name}\n"
    yield f"{tag['description']}\n"
    mine = [(path, method, one) for path, item in document["paths"].items() for method, one in item.items() if name in one["tags"]]
    read = next((one for _, _, one in mine if one["operationId"] == f"{name}.get"), None)
    if read is not None:
        schema = read["responses"]["200"]["content"]["application/json"]["schema"]
        if "$ref" in schema:
            yield from field_rows(document, schema)
    for path, method, one in mine:
        yield from operation_lines(document, path, method, one)


def event_lines(services: list[Service]) -> Iterator[str]:
    """Every topic of some services."""
    yield "# Events\n"
    yield "What can be heard over [the live surface](../surfaces/live.md). In a pattern `*` is the business; the schema is served at the path in the last column.\n"
    for service in services:
        yield f"## {service.title}\n"
        yield "| Topic | What it says | Needs | Schema |"
        yield "|---|---|---|---|"
        for topic in topics_of([service]).values():
            schemas = ", ".join(f"`{path_of(topic, version)}`" for version in topic.versions)
            yield f"| `{topic.pattern}` | {topic.summary} | `{topic.needs}` | {schemas} |"
        yield ""


def pages() -> dict[str, str]:
    """Every page by its file name."""
    services = installed()
    found: dict[str, str] = {}
    listed: list[str] = []
    for name in ["control", *services]:
        document: Schema = json.loads(json.dumps(api_document(services, name), default=str))
        title = "The control plane" if name == "control" else services[name].title
        count = sum(len(item) for item in document["paths"].values())
        listed.append(f"* [{title}]({name}.md): {count} operations")
        body = [f"# {title}\n", *(line for tag in document["tags"] for line in tag_lines(document, tag))]
        found[f"{name}.md"] = "\n".join(body).rstrip() + "\n"
    found["events.md"] = "\n".join(event_lines(list(services.values()))).rstrip() + "\n"
    listed.append("* [Events](events.md): what can be heard")
    introduction = api_document({}, "control")["info"]["description"]
    text = "These pages are written by `python -m tools.api_docs` from the declarations; the same, to search and to try, is at `/docs` of a running installation."
    found["README.md"] = "\n".join(["# The API\n", f"{text}\n", f"{introduction}\n", *listed]) + "\n"
    return found


def stale(folder: Path = FOLDER) -> list[str]:
    """The files that are not as the declarations say."""
    wanted = pages()
    there = {path.name for path in folder.glob("*.md")}
    old = [name for name, text in wanted.items() if name not in there or (folder / name).read_text(encoding="utf-8") != text]
    return sorted([*old, *(there - set(wanted))])


def main() -> int:
    """Write what is stale; with `--check` only say so."""
    if "--check" in sys.argv[1:]:
        for name in (old := stale()):
            print(f"docs/api/{name} is stale: run python -m tools.api_docs")
        return 1 if old else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    wanted = pages()
    for path in FOLDER.glob("*.md"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    print(f"{len(wanted)} pages in docs/api")
    return 0


if __name__ == "__main__":
    sys.exit(main())
