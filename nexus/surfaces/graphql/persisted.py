"""Persisted documents: those that a client has sent once and now names by their hash, and those that an installation lists."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from nexus.core.problem import Malformed
from nexus.surfaces.graphql.given import several
from nexus.surfaces.graphql.refusals import Refused

_KEPT_SIZE: Final = 4 * 1024 * 1024
"""Characters of all documents that clients have sent."""


class BadList(Exception):
    """The file of listed documents cannot be read; the message says why."""


class Persisted:
    """Finds the document of a request. `listed`: by hash or name; `only`: no other document is answered."""

    def __init__(self, listed: Mapping[str, str], *, only: bool) -> None:
        self._listed = dict(listed)
        self._texts = frozenset(listed.values())
        self._only = only
        self._sent: OrderedDict[str, str] = OrderedDict()
        self._size = 0

    def text(self, query: str | None, id: str | None, extensions: Mapping[str, Any]) -> str:
        """The text of the document that is meant. Malformed (400) where none is named, Refused where it is not known or not listed."""
        if id is not None:
            found = self._listed.get(id.removeprefix("sha256:"))
            if found is None:
                raise _refused("There is no document with this id in the list", "DOCUMENT_NOT_FOUND", 404)
            return found
        asked = extensions.get("persistedQuery")
        if asked is not None:
            query = self._automatic(query, asked)
        if query is None:
            raise Malformed(reason="query: send the document, its documentId, or the extension persistedQuery.")
        if self._only and query not in self._texts:
            raise _refused("Only listed documents are answered here, and this is none of them", "DOCUMENT_NOT_LISTED", 403)
        return query

    def _automatic(self, query: str | None, asked: Any) -> str:
        members = cast(dict[str, Any], asked) if isinstance(asked, dict) else {}
        if members.get("version") != 1:
            raise _refused("PersistedQueryNotSupported", "PERSISTED_QUERY_NOT_SUPPORTED", 400)
        hash = members.get("sha256Hash")
        if not isinstance(hash, str):
            raise Malformed(reason="extensions.persistedQuery.sha256Hash: is the SHA-256 of the document, in hexadecimal digits.")
        if query is None:
            found = self._listed.get(hash) or self._sent.get(hash)
            if found is None:
                raise _refused("PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND", 400)
            if hash in self._sent:
                self._sent.move_to_end(hash)
            return found
        if hashlib.sha256(query.encode("utf-8", "surrogatepass")).hexdigest() != hash:
            raise Malformed(reason="extensions.persistedQuery.sha256Hash: is not the SHA-256 of the document.")
        return query

    def keep(self, query: str, extensions: Mapping[str, Any]) -> None:
        """Remember a document that was sent with its hash and turned out to be one."""
        if "persistedQuery" not in extensions or self._only:
            return
        hash = hashlib.sha256(query.encode("utf-8", "surrogatepass")).hexdigest()
        if hash not in self._sent:
            self._sent[hash] = query
            self._size += len(query)
            while self._size > _KEPT_SIZE:
                _, gone = self._sent.popitem(last=False)
                self._size -= len(gone)


def _refused(message: str, code: str, status: int) -> Refused:
    return Refused([{"message": message, "extensions": {"code": code}}], status)


def read_list(file: Path) -> dict[str, str]:
    """The documents of a file by their hash and, where they have one, their id: an Apollo manifest, or an object of hashes and texts. BadList."""
    try:
        read = msgspec.json.decode(file.read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise BadList(f"{file} cannot be read as JSON: {error}") from None
    members = cast(dict[str, Any], read) if isinstance(read, dict) else {}
    operations = members.get("operations")
    texts = {str(one.get("id")): one.get("body") for one in several(cast(Any, operations))} if isinstance(operations, list) else members
    if not texts or not all(isinstance(one, str) for one in texts.values()):
        raise BadList(f"{file} is neither a persisted query manifest nor an object of hashes and documents")
    return texts | {hashlib.sha256(one.encode()).hexdigest(): one for one in texts.values()}
