"""JSON Schema as a person reads it: tables of fields with their types in words."""

from __future__ import annotations

import re
from html import escape
from typing import Any, cast

Schema = dict[str, Any]
_CODE = re.compile(r"`([^`]+)`")
_BOLD = re.compile(r"\*\*([^*]+)\*\*")


def prose(text: str, *, block: bool = True) -> str:
    """Docstring prose as HTML: paragraphs, `code` and **bold**, everything else as it stands."""
    marked = _BOLD.sub(r"<strong>\1</strong>", _CODE.sub(r"<code>\1</code>", escape(text, quote=False)))
    return "".join(f"<p>{part}</p>" for part in marked.split("\n\n") if part.strip()) if block else marked


def beyond(description: str, summary: str) -> str:
    """What a description says beyond its first sentence, which stands above it already."""
    return description.removeprefix(summary).removeprefix(".").strip() if description.startswith(summary) else description


def resolve(document: Schema, schema: Schema) -> Schema:
    """What a reference stands for."""
    found: Any = schema
    while "$ref" in found:
        pointer, found = found["$ref"], document
        for part in pointer.removeprefix("#/").split("/"):
            found = found[part]
    return cast(Schema, found)


def name_of(schema: Schema) -> str:
    """The component that a reference names, or nothing."""
    return str(schema.get("$ref", "")).rpartition("/")[2]


class Schemas:
    """The schemas of a document, and those that the page being written has to explain."""

    def __init__(self, document: Schema, explained: dict[str, str]) -> None:
        self._document = document
        self._explained = explained
        """Component → the address that explains it."""
        self.needed: list[str] = []
        """Components that were named here and are explained nowhere else."""

    def words(self, schema: Schema) -> str:
        """A type in words: "list of DealLine", "text, a date", "one of new, won"."""
        if "$ref" in schema:
            return self._link(name_of(schema))
        if "anyOf" in schema:
            return " or ".join(self.words(one) for one in cast(list[Schema], schema["anyOf"]))
        kinds: Any = schema.get("type", "anything")
        listed: list[str] = cast(list[str], kinds) if isinstance(kinds, list) else [kinds]
        shown = [self._one(kind, schema) for kind in listed if kind != "null"]
        return " or ".join([*shown, *(["null"] if "null" in listed else [])])

    def _one(self, kind: str, schema: Schema) -> str:
        if kind == "array":
            return f"list of {self.words(schema.get('items', {}))}"
        if "enum" in schema:
            return "one of " + ", ".join(f"<code>{escape(str(word))}</code>" for word in schema["enum"] if word is not None)
        if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
            return f"object of {self.words(schema['additionalProperties'])}"
        named = {"string": "text", "boolean": "yes or no", "integer": "whole number", "number": "number", "object": "object"}
        formats = {
            "uuid": "id",
            "date": "day",
            "date-time": "moment",
            "decimal": "exact number",
            "email": "e-mail",
            "uri": "address",
            "phone": "telephone",
        }
        if "x-refers-to" in schema:
            return f"id{self._target(schema['x-refers-to'])}"
        text = formats.get(schema.get("format", ""), named.get(kind, kind))
        limits = [f"at most {schema['maxLength']} characters"] if "maxLength" in schema and "format" not in schema else []
        limits += [f"{schema['minimum']} to {schema['maximum']}"] if "minimum" in schema and "maximum" in schema else []
        return ", ".join([text, *limits])

    def _link(self, name: str) -> str:
        short = escape(name.rpartition(".")[2])
        if name in self._explained:
            return f'<a href="{self._explained[name]}">{short}</a>'
        if name not in self.needed:
            self.needed.append(name)
        return f'<a href="#{escape(name)}">{short}</a>'

    def fields(self, schema: Schema, required: list[str] | None = None) -> str:
        """The fields of an object, one per row; nothing where it has none. `required`: those that a create must give."""
        known = resolve(self._document, schema)
        properties: dict[str, Schema] = known.get("properties", {})
        needed = set(cast(list[str], known.get("required", [])) if required is None else required)
        if not properties:
            return ""
        rows = "".join(self._row(name, inner, name in needed and not inner.get("readOnly")) for name, inner in properties.items())
        return f'<div class="wide"><table class="fields"><thead><tr><th>Field</th><th>Type</th><th></th></tr></thead><tbody>{rows}</tbody></table></div>'

    def _row(self, name: str, schema: Schema, required: bool) -> str:
        notes = ["read only"] if schema.get("readOnly") else ["required"] if required else []
        notes += (
            [f"default <code>{escape(str(schema['default']))}</code>"] if "default" in schema and schema["default"] not in ([], {}) else []
        )
        notes += ["unique"] if schema.get("x-unique") else []
        marks = "".join(f'<span class="note">{note}</span>' for note in notes)
        text = prose(str(schema.get("description", "")), block=False)
        return f"<tr><td><code>{escape(name)}</code></td><td>{self.words(schema)}</td><td>{text} {marks}</td></tr>"

    def _target(self, name: str) -> str:
        """Whose id a field holds."""
        page = f"/docs/{name}"
        known = any(address.partition("#")[0] == page for address in self._explained.values())
        shown = escape(name)
        return f' of <a href="{page}">{shown}</a>' if known else f" of {shown}"

    def values(self) -> str:
        """Everything that was named and not explained elsewhere, and what that names in turn."""
        parts: list[str] = []
        at = 0
        while at < len(self.needed):
            name = self.needed[at]
            schema = resolve(self._document, {"$ref": f"#/components/schemas/{name}"})
            about = prose(str(schema.get("description", "")))
            shown = self.fields(schema) or f"<p>{self.words(schema)}</p>"
            parts.append(f'<section class="value" id="{escape(name)}"><h3>{escape(name.rpartition(".")[2])}</h3>{about}{shown}</section>')
            at += 1
        return f"<h2>Values</h2>{''.join(parts)}" if parts else ""
