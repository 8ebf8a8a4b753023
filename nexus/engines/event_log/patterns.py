"""Topics, and the patterns that pick them."""

import re
from collections.abc import Sequence
from uuid import UUID

__all__ = ["Patterns", "check_type", "topic_of"]

_TYPE = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+){2,}")
_SEGMENT = re.compile(r"[A-Za-z0-9_-]+")
_REST = ("**", ">")


def check_type(type_: str) -> None:
    """Raise ValueError unless it is `service.entity.event`."""
    if not _TYPE.fullmatch(type_):
        raise ValueError(f"{type_[:80]!r} is not service.entity.event")


def topic_of(type_: str, tenant: UUID) -> str:
    """`nexus.crm.{tenant}.lead.converted` for `crm.lead.converted`."""
    service, rest = type_.split(".", 1)
    return f"nexus.{service}.{tenant}.{rest}"


class Patterns:
    """A set of patterns as one regular expression that Python and PostgreSQL read alike.

    Raises ValueError for an empty set, an empty segment, a character no topic has, or a `>` that is not last.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        if not patterns:
            raise ValueError("no pattern: nothing would ever match")
        parts = [_regex(pattern) for pattern in patterns]
        self.regex = f"^(?:{'|'.join(parts)})$"
        self.everything = any(pattern in _REST for pattern in patterns)
        self.tenant = _one_tenant(patterns)
        """The schema of the only tenant these can match, if they name one: the log has an index for that."""
        self._compiled = re.compile(self.regex)

    def matches(self, topic: str) -> bool:
        """Whether one of the patterns picks this topic."""
        return self.everything or self._compiled.fullmatch(topic) is not None


def _regex(pattern: str) -> str:
    segments = pattern.split(".")
    parts: list[str] = []
    for at, segment in enumerate(segments):
        if segment in _REST:
            if at != len(segments) - 1:
                raise ValueError(f"{pattern!r}: {segment} can only be the last segment")
            parts.append(r"[^.]+(?:\.[^.]+)*")
        elif segment == "*":
            parts.append(r"[^.]+")
        elif _SEGMENT.fullmatch(segment):
            parts.append(segment)
        else:
            raise ValueError(f"{pattern!r}: {segment!r} is no segment of a topic")
    return r"\.".join(parts)


def _one_tenant(patterns: Sequence[str]) -> str | None:
    found: set[str] = set()
    for pattern in patterns:
        segments = pattern.split(".")
        if len(segments) < 4:
            return None
        try:
            found.add(f"t_{UUID(segments[2]).hex}")
        except ValueError:
            return None
    return found.pop() if len(found) == 1 else None
