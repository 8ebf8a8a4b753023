"""Record ids: UUIDv7 (RFC 9562), made by us, so that keys sort by time and no sequence is shared."""

from __future__ import annotations

import os
import threading
import time
from uuid import UUID

_lock = threading.Lock()
_last = 0


def uuid7() -> UUID:
    """A new id. Ids of one process are strictly increasing, also within one millisecond."""
    return UUID(int=_next())


def uuid7_text() -> str:
    """A new id as text, for half of what `str(uuid7())` costs."""
    digits = f"{_next():032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _next() -> int:
    global _last
    now = time.time_ns()
    # 48 bits of milliseconds and 12 bits of the fraction below, as RFC 9562 method 3 allows
    ticks = (now // 1_000_000 << 12) | (now % 1_000_000 * 4096 // 1_000_000)
    with _lock:
        _last = ticks = max(ticks, _last + 1)
    random = int.from_bytes(os.urandom(8), "big") & 0x3FFF_FFFF_FFFF_FFFF
    return (ticks >> 12) << 80 | 0x7 << 76 | (ticks & 0xFFF) << 64 | 0b10 << 62 | random
