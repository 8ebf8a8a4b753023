"""What schemathesis does not know to write by itself: lines of JSON."""

from __future__ import annotations

from typing import Any

import msgspec
import schemathesis


@schemathesis.serializer("application/x-ndjson")
def lines(context: Any, value: Any) -> bytes:
    """Each item of a list on a line; what is text is sent as it is."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    return b"\n".join(msgspec.json.encode(one) for one in (value if isinstance(value, list) else [value]))
