"""The trace that a piece of work belongs to, as W3C Trace Context writes it: kept beside the work, so that all it causes can say it."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextvars import ContextVar
from typing import Final

TRACE: Final[ContextVar[str | None]] = ContextVar("nexus_trace", default=None)
"""The `traceparent` to hand on from here: in a call to another service, in the envelope of an event. None where nobody follows."""

telling: Callable[[str], str | None] | None = None
"""Makes the `traceparent` of an event by its topic, where a process makes spans of its own."""

_TRACEPARENT: Final = re.compile(rb"^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?$")
_LENGTH: Final = 55


def traceparent(given: bytes) -> str | None:
    """A `traceparent` header as this version of the standard writes it; None for what is none, which is as if it had not come."""
    found = given.strip()
    if not _TRACEPARENT.match(found) or (found[:2] == b"00" and len(found) != _LENGTH):
        return None
    return "00" + found[2:_LENGTH].decode()
