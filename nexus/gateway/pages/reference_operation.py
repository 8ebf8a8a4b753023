"""One operation as a person reads it: what it does, what it takes, a call that works, what it answers and refuses."""

from __future__ import annotations

import json
from html import escape
from typing import Any, cast

from nexus.gateway.pages.reference_schema import Schema, Schemas, beyond, name_of, prose, resolve


def curl(document: Schema, path: str, method: str, operation: Schema) -> str:
    """A call that can be pasted into a shell; $KEY holds the credential."""
    parameters = [resolve(document, one) for one in operation.get("parameters", [])]
    for one in parameters:
        if one["in"] == "path":
            path = path.replace(f"{{{one['name']}}}", str(one.get("example", one["name"])))
    query = "&".join(f"{one['name']}={one['example']}" for one in parameters if one["in"] == "query" and one.get("required"))
    lines = [f'curl {"" if method == "get" else f"-X {method.upper()} "}"$NEXUS{path}{"?" + query if query else ""}"']
    lines.append('-H "Authorization: Bearer $KEY"')
    lines += [f"-H '{one['name']}: {one['example']}'" for one in parameters if one["in"] == "header" and one.get("required")]
    if (sent := example_of(operation)) is not None:
        lines += ["-H 'Content-Type: application/json'", "-d '" + json.dumps(sent, ensure_ascii=False).replace("'", "'\\''") + "'"]
    elif "text/csv" in operation.get("requestBody", {}).get("content", {}):
        lines += ["-H 'Content-Type: text/csv'", "--data-binary @file.csv"]
    return " \\\n  ".join(lines)


def example_of(operation: Schema) -> Any:
    """The example of an operation's body, None where it takes none."""
    media: dict[str, Any] = operation.get("requestBody", {}).get("content", {})
    return media["application/json"].get("example") if "application/json" in media else None


def render(document: Schema, schemas: Schemas, path: str, method: str, operation: Schema) -> str:
    """The section of one operation."""
    identity = escape(operation["operationId"])
    permission = f'<span class="note">needs <code>{escape(operation["x-permission"])}</code></span>' if "x-permission" in operation else ""
    operator = '<span class="note">operator key</span>' if operation.get("security") == [{"operatorKey": []}] else ""
    about = prose(beyond(str(operation.get("description", "")), operation["summary"]))
    return (
        f'<section class="operation" id="{identity}"><h3><a class="anchor" href="#{identity}">{prose(operation["summary"], block=False)}</a></h3>'
        f'<p class="route"><b class="method {method}">{method.upper()}</b> <code>{escape(path)}</code> {permission}{operator}</p>{about}'
        f"{_parameters(document, schemas, operation)}{_body(document, schemas, operation)}"
        f'<div class="call"><pre tabindex="0">{escape(curl(document, path, method, operation))}</pre></div>'
        f"{_responses(document, schemas, operation)}{_try(document, path, method, operation)}</section>"
    )


def _parameters(document: Schema, schemas: Schemas, operation: Schema) -> str:
    known = [resolve(document, one) for one in operation.get("parameters", [])]
    filters = [one for one in known if "x-operators" in one]
    others = [one for one in known if "x-operators" not in one]
    rows = "".join(
        f"<tr><td><code>{escape(one['name'])}</code></td><td>{schemas.words(one.get('schema', {}))}</td><td>{prose(str(one.get('description', '')), block=False)} "
        f'<span class="note">{one["in"]}{", required" if one.get("required") else ""}</span></td></tr>'
        for one in others
    )
    table = (
        f'<details class="part"><summary>Parameters ({len(others)})</summary><div class="wide"><table><tbody>{rows}</tbody></table></div></details>'
        if rows
        else ""
    )
    names = ", ".join(f"<code>{escape(one['name'])}</code>" for one in filters)
    words = "Each of these filters by its value, or with another operator in brackets"
    more = (
        f'<details class="part"><summary>Filters ({len(filters)})</summary><p>{words}: <code>field[gte]=…</code>. {names}</p></details>'
        if filters
        else ""
    )
    return table + more


def _body(document: Schema, schemas: Schemas, operation: Schema) -> str:
    media: dict[str, Any] = operation.get("requestBody", {}).get("content", {})
    if "application/json" not in media:
        return ""
    fields = schemas.fields(media["application/json"]["schema"])
    return f'<details class="part"><summary>Body</summary>{fields}</details>' if fields else ""


def _responses(document: Schema, schemas: Schemas, operation: Schema) -> str:
    good: list[str] = []
    bad: list[str] = []
    for status, one in operation["responses"].items():
        response = resolve(document, one)
        content: dict[str, Any] = response.get("content", {})
        if status < "400":
            shown = "".join(_shown(document, schemas, media) for kind, media in content.items() if kind == "application/json")
            good.append(f"<dt>{status}</dt><dd><div>{prose(response['description'], block=False)}{shown}</div></dd>")
        else:
            codes: list[str] = [code for media in content.values() for code in media.get("examples", {})]
            links = ", ".join(f'<a href="/problems/{escape(code)}">{escape(code)}</a>' for code in codes)
            bad.append(
                f'<dt>{status}</dt><dd><div>{prose(response["description"], block=False)} <span class="soft">{links}</span></div></dd>'
            )
    return (
        f'<dl class="answers">{"".join(good)}</dl><details class="part"><summary>Refusals ({len(bad)})</summary>'
        f'<dl class="answers">{"".join(bad)}</dl></details>'
    )


def _shown(document: Schema, schemas: Schemas, media: dict[str, Any]) -> str:
    examples = [resolve(document, one).get("value") for one in cast(dict[str, Schema], media.get("examples", {})).values()]
    example: Any = media.get("example", examples[0] if examples else None)
    named = f" {schemas.words(media['schema'])}" if name_of(media["schema"]) else ""
    if example is None:
        return named
    text = escape(json.dumps(example, indent=2, ensure_ascii=False))
    return f'{named}<details class="part"><summary>Example</summary><pre tabindex="0">{text}</pre></details>'


def _try(document: Schema, path: str, method: str, operation: Schema) -> str:
    """A form that the script brings to life; without it there is nothing to try with."""
    inputs: list[str] = []
    for one in (resolve(document, one) for one in operation.get("parameters", [])):
        if one["in"] == "path" or one.get("required"):
            name, value = escape(one["name"]), "" if one["in"] == "path" else escape(str(one.get("example", "")))
            inputs.append(f'<label>{name} <input name="{one["in"]}:{name}" value="{value}" spellcheck="false"></label>')
    if method == "get":
        inputs.append('<label>query <input name="rest" placeholder="limit=5" spellcheck="false"></label>')
    sent = example_of(operation)
    if sent is not None:
        inputs.append(
            f'<label>body <textarea name="body" rows="6" spellcheck="false">{escape(json.dumps(sent, indent=2, ensure_ascii=False))}</textarea></label>'
        )
    return (
        f'<details class="part try" hidden><summary>Try it</summary><form data-method="{method.upper()}" data-path="{escape(path)}">{"".join(inputs)}'
        '<div class="row"><button class="button">Send</button></div><output></output></form></details>'
    )
