"""What is answered instead of data: errors as GraphQL has them, with the problem behind each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import graphql as lib

from nexus.core.problem import Invalid, Problem
from nexus.surfaces.graphql import names
from nexus.surfaces.graphql.limits import Limits

__all__ = ["Limit", "Refused", "beyond", "error_of"]


class Limit(Problem, status=400):
    """{what}: the limit is {limit}."""

    what: str
    limit: str
    name: str
    """The setting that holds it."""


_BEYOND: Final = {
    "document": "The document is too long",
    "depth": "Fields nest too deeply",
    "aliases": "There are too many aliases",
    "fields": "There are too many fields",
    "rows": "This may answer too many records (pages of records within pages of records multiply); ask for smaller pages",
}


def beyond(name: str, limits: Limits) -> Limit:
    """What is said where a request passes a limit."""
    most = f"{getattr(limits, name):,}"
    return Limit(what=_BEYOND[name], limit=f"{most} bytes" if name == "document" else most, name=f"graphql_{name}")


class Refused(Exception):
    """A request that is not executed at all; `status` is that of HTTP."""

    def __init__(self, errors: Sequence[dict[str, Any]], status: int = 400) -> None:
        super().__init__(errors)
        self.errors = list(errors)
        self.status = status

    @classmethod
    def by(cls, error: Problem) -> Refused:
        """The refusal that a problem is."""
        return cls([error_of(error)], 400 if error.status == 422 else error.status)

    @classmethod
    def of(cls, errors: Sequence[lib.GraphQLError], code: str) -> Refused:
        """What the library found wrong with a document or its variables."""
        return cls([{**dict(one.formatted), "extensions": {"code": code}} for one in errors])


def error_of(error: Problem, path: Sequence[str | int] | None = None) -> dict[str, Any]:
    """A refusal as an error; field paths are in GraphQL's spelling."""
    body = error.body()
    if isinstance(error, Invalid):
        body["errors"] = [{"field": names.of_path(one.field), "message": one.message} for one in error.errors]
        first = body["errors"][0]
        body["detail"] = f"{first['field']}: {first['message']}" if first["field"] else first["message"]
    said: dict[str, Any] = {"message": body["detail"]}
    if path is not None:
        said["path"] = list(path)
    said["extensions"] = {"code": error.code().replace("-", "_").upper(), "problem": body}
    return said
