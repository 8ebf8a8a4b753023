"""What may be sent under a tenant's role: queries, never commands to the session.

A tenant's role is switched by the driver on a connection it shares with other tenants. A whole statement `SET ROLE …` would be
obeyed by the database (the login role may switch), so such a statement is refused here, by its first word. Inside a query nothing
can switch: `set_config` is revoked from every tenant's role (roles.py).
"""

import re
from collections.abc import Sequence

from nexus.engines.oltp import Arg, InvalidText, NotAQuery, Statement

__all__ = ["check_arguments", "check_query", "check_schema", "quoted"]

_QUERY = re.compile(r"(?:select|insert|update|delete|with|values)(?![A-Za-z0-9_$\x80-\U0010ffff])", re.IGNORECASE)
_SCHEMA = re.compile(r"t_[a-z0-9_]{1,60}")
_BLANK = " \t\n\r\f\v"
MAX_ARGUMENTS = 65_535


def check_query(statement: Statement) -> None:
    """Raise NotAQuery unless the first word is SELECT, INSERT, UPDATE, DELETE, WITH or VALUES."""
    if not _QUERY.match(statement.text, _skip_blank(statement.text)):
        raise NotAQuery("42501", f"only queries run under a tenant's role, not {statement.text[:40]!r}")


def check_schema(schema: str) -> None:
    """Raise NotAQuery unless this can be the name of a tenant's schema; `none` would mean the login role."""
    if not _SCHEMA.fullmatch(schema):
        raise NotAQuery("22023", f"{schema!r} is not the name of a tenant's schema")


def check_arguments(args: Sequence[Arg]) -> None:
    """Raise InvalidText for a zero byte (no text has one, and libpq would cut the value there) or for too many arguments."""
    for arg in args:
        if arg is not None and b"\0" in arg:
            raise InvalidText("22021", "a value contains a zero byte, which text cannot hold")
    if len(args) > MAX_ARGUMENTS:
        raise InvalidText("22023", f"{len(args)} arguments; a statement takes at most {MAX_ARGUMENTS}")


def quoted(name: str) -> str:
    """The name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _skip_blank(text: str) -> int:
    """The position of the first character that is neither blank nor comment; comments nest as in PostgreSQL."""
    at, end = 0, len(text)
    while at < end:
        if text[at] in _BLANK:
            at += 1
        elif text.startswith("--", at):
            line = re.compile(r"[\r\n]").search(text, at)
            at = line.end() if line else end
        elif text.startswith("/*", at):
            at = _skip_comment(text, at)
        else:
            break
    return at


def _skip_comment(text: str, start: int) -> int:
    depth, at = 0, start
    for mark in re.compile(r"/\*|\*/").finditer(text, start):
        depth += 1 if mark.group() == "/*" else -1
        at = mark.end()
        if depth == 0:
            return at
    return len(text)
