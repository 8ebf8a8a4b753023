"""Routes: the template of a path, of which there are as many as there are declarations, whatever is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from nexus.surfaces.rest import Rest

OTHER: Final = "other"
"""The route of every path that leads nowhere."""
_API: Final = "/api/v1/"
_ID: Final = 36
"""Characters of a record's id."""
_ALWAYS: Final = ("bulk", "export", "import", "imports", "restore")
_FURTHER: Final = ("rows", "resume", "undo")


class Routes:
    """Finds the template of a path: `/api/v1/crm/leads/{id}/convert` for each lead that is converted."""

    def __init__(self, rest: Rest | None = None, pages: Iterable[str] = ()) -> None:
        self._exact: dict[str, str] = {}
        self._records: dict[str, str] = {}
        self._verbs: dict[str, frozenset[str]] = {}
        self._prefixes: list[str] = []
        if rest is not None:
            self._derived(rest)
        for page in pages:
            self._add(page) if not page.endswith("/*") else self._prefixes.append(page)
        self._prefixes.sort(key=len, reverse=True)

    def _derived(self, rest: Rest) -> None:
        for (service, path), collection in rest.collections.items():
            whole = f"{_API}{service}/{path}"
            self._records[f"{whole}/"] = f"{whole}/{{id}}"
            self._verbs[f"{whole}/"] = frozenset((*collection.on_one, *_ALWAYS))
            self._add(whole, *(f"{whole}/{name}" for name in (*collection.on_all, *_ALWAYS)))
        self._add(*(f"{_API}{service}/reports/{name}" for service, name in rest.reports))

    def _add(self, *paths: str) -> None:
        self._exact.update({path: path for path in paths})

    def of(self, path: str) -> str:
        """The template of a path."""
        return self._exact.get(path) or self._records.get(path[:-_ID]) or self._rare(path)

    def _rare(self, path: str) -> str:
        if path.startswith(_API):
            parts = path[len(_API) :].split("/")
            verbs = self._verbs.get(_API + "/".join(parts[:2]) + "/")
            if verbs is not None and len(parts) >= 3:
                return self._below(_API + "/".join(parts[:2]), parts[2:], verbs)
        return next((page for page in self._prefixes if path.startswith(page[:-1])), OTHER)

    def _below(self, whole: str, rest: list[str], verbs: frozenset[str]) -> str:
        if len(rest) == 1:
            return f"{whole}/{{id}}"
        if rest[0] == "imports":
            return f"{whole}/imports/{{id}}" + (f"/{rest[2]}" if len(rest) == 3 and rest[2] in _FURTHER else "")
        return f"{whole}/{{id}}/{rest[1]}" if len(rest) == 2 and rest[1] in verbs else OTHER
