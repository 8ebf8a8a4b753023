"""What the server answered, as values and errors of the promise."""

import re

from psycopg.pq import DiagnosticField
from psycopg.pq.abc import PGresult

from nexus.engines.oltp import (
    Cancelled,
    CheckViolation,
    DatabaseError,
    ForeignKeyViolation,
    InvalidText,
    NotNullViolation,
    PermissionDenied,
    Result,
    SerializationFailure,
    Unavailable,
    UniqueViolation,
)

__all__ = ["LOST", "error_of", "field", "result_of"]

LOST = "the connection to the database was lost; whether a write in flight happened is unknown"

_PARAMETER = re.compile(r"\bportal (?:\S+ )?parameter \$(\d+)")
_KINDS: dict[str, type[DatabaseError]] = {
    "23505": UniqueViolation,
    "23503": ForeignKeyViolation,
    "23514": CheckViolation,
    "23502": NotNullViolation,
    "40001": SerializationFailure,
    "40P01": SerializationFailure,
    "57014": Cancelled,
    "42501": PermissionDenied,
}


def result_of(answer: PGresult) -> Result:
    """Rows and affected count of a successful answer; the values are copied, the answer can go."""
    value = answer.get_value
    count = answer.ntuples
    width = answer.nfields
    if width == 1:
        rows: list[tuple[bytes | None, ...]] = [(value(row, 0),) for row in range(count)]
    else:
        columns = range(width)
        rows = [tuple([value(row, column) for column in columns]) for row in range(count)]
    return Result(rows, answer.command_tuples or 0)


def field(answer: PGresult, name: DiagnosticField) -> str | None:
    """One field of an error report; bytes that are no UTF-8 (they can quote bad input) are replaced."""
    raw = answer.error_field(name)
    return None if raw is None else raw.decode("utf-8", "replace")


def error_of(answer: PGresult) -> DatabaseError | Unavailable:
    """The error an answer reports. After a fatal one, or one of libpq's own (it has no sqlstate), the connection is gone."""
    sqlstate = field(answer, DiagnosticField.SQLSTATE)
    message = field(answer, DiagnosticField.MESSAGE_PRIMARY) or answer.error_message.decode("utf-8", "replace").strip()
    if sqlstate is None or field(answer, DiagnosticField.SEVERITY_NONLOCALIZED) in ("FATAL", "PANIC"):
        return Unavailable(f"{LOST} ({message})")
    kind = _KINDS.get(sqlstate) or (InvalidText if sqlstate.startswith("22") else DatabaseError)
    return kind(
        sqlstate,
        message,
        field(answer, DiagnosticField.MESSAGE_DETAIL),
        field(answer, DiagnosticField.CONSTRAINT_NAME),
        field(answer, DiagnosticField.TABLE_NAME),
        field(answer, DiagnosticField.COLUMN_NAME),
        int(said[1]) if (said := _PARAMETER.search(field(answer, DiagnosticField.CONTEXT) or "")) else None,
    )
