"""A part of the document: the paths, schemas and tags that one service or the control plane adds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Part:
    """Paths, component schemas and examples by name, and tags in their order."""

    paths: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    schemas: dict[str, Any] = field(default_factory=dict[str, Any])
    examples: dict[str, Any] = field(default_factory=dict[str, Any])
    tags: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def on(self, path: str, method: str, operation: dict[str, Any]) -> None:
        """Put an operation at its place."""
        self.paths.setdefault(path, {})[method] = operation


def ref(name: str) -> dict[str, Any]:
    """A reference to a component schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def parameter(name: str) -> dict[str, Any]:
    """A reference to a component parameter."""
    return {"$ref": f"#/components/parameters/{name}"}


def body(schema: dict[str, Any], example: Any, *, required: bool = True) -> dict[str, Any]:
    """A JSON body with its example."""
    return {"required": required, "content": {"application/json": {"schema": schema, "example": example}}}


def answer(description: str, schema: dict[str, Any], example: Any = ..., headers: dict[str, Any] | None = None) -> dict[str, Any]:
    """A JSON response; an example that is a text names a component."""
    media: dict[str, Any] = {"schema": schema}
    if isinstance(example, str):
        media["examples"] = {"one": {"$ref": f"#/components/examples/{example}"}}
    elif example is not ...:
        media["example"] = example
    said: dict[str, Any] = {"description": description, "content": {"application/json": media}}
    return said | ({"headers": headers} if headers else {})
