"""How commands speak: results on stdout, everything else on stderr, JSON where a program asks, one line where something goes wrong."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Coroutine, Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import psycopg
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from nexus.cli.up import fail, settings_or_exit
from nexus.config import Settings
from nexus.core.problem import Problem
from nexus.engines.oltp import DatabaseError, Timeout, Unavailable
from nexus.engines.oltp.embedded import AlreadyRunning, NoPostgres
from nexus.engines.oltp.roles import RolesTaken
from nexus.runtime.operator import BadOperatorKey

T = TypeVar("T")

Json = Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs.")]
WIDE = 160
"""Columns of a table that no terminal shows: so that a pipe gets whole words."""
LONG = 10_000
"""Columns of a message that no terminal shows: it stays one line."""


def quiet_settings() -> Settings:
    """The settings of a command that says itself what goes wrong: warnings of what it uses are not shown unless they are asked for."""
    settings = settings_or_exit()
    if settings.log_level == "warning":
        logging.getLogger("nexus").setLevel(logging.ERROR)
    return settings


class Refused(Exception):
    """NEXUS refused, with the problem it answered (RFC 9457)."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(problem.get("detail") or problem.get("title") or "refused")
        self.problem = problem


class Unreachable(Exception):
    """There is no NEXUS where one was expected, or it went away."""


def out() -> Console:
    """Where results go."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else WIDE)


def err() -> Console:
    """Where messages and progress go."""
    return Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else LONG)


def say_json(value: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(as_text(value))


def say_document(text: str, output: Path | None, what: str) -> None:
    """A document on stdout or, with a word of what it is, in a file. Exit code 2 where the file cannot be written."""
    if output is None:
        sys.stdout.write(text)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        fail(f"{output} cannot be written: {error.strerror}", 2)
    err().print(f"{output}: {what}", style="dim")


def as_text(document: Any) -> str:
    """A JSON document as it is kept and read."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def say_line(value: Any) -> None:
    """One line of NDJSON on stdout."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")


def table(*columns: str) -> Table:
    """A plain table with these headings, which are left out where all are empty."""
    made = Table(box=None, show_header=any(columns), header_style="bold", pad_edge=False, padding=(0, 3, 0, 0))
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


def say_table(columns: Iterable[str], rows: Iterable[Iterable[Any]], nothing: str) -> None:
    """A table on stdout, or on stderr that there is nothing to show."""
    made = table(*columns)
    for row in rows:
        made.add_row(*("" if cell is None else str(cell) for cell in row))
    if made.row_count:
        out().print(made)
    else:
        err().print(nothing, style="dim")


@contextmanager
def progress(what: str, quiet: bool = False) -> Generator[Progress]:
    """A bar on a terminal's stderr; silent otherwise."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = err()
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        bar.add_task(what, total=None)
        yield bar


@contextmanager
def plainly(json: bool = False) -> Generator[None]:
    """Turn what can go wrong into one clear line and an exit code; with `json` a refusal is also a document on stdout."""
    try:
        yield
    except Refused as refused:
        _refusal(refused.problem, json)
    except Problem as problem:
        _refusal(msgspec.to_builtins(problem.body()), json)
    except (Unreachable, NoPostgres, AlreadyRunning, BadOperatorKey, RolesTaken) as error:
        fail(str(error))
    except (Unavailable, Timeout, psycopg.OperationalError) as error:
        fail(f"The database cannot be reached: {_first_line(error)}")
    except (DatabaseError, psycopg.Error) as error:
        fail(f"The database refused: {_first_line(error)}")
    except KeyboardInterrupt:
        err().print("Stopped.", style="dim")
        raise typer.Exit(130) from None


def _refusal(problem: dict[str, Any], json: bool) -> None:
    if json:
        say_json(problem)
    errors: list[dict[str, str]] = problem.get("errors") or []
    if errors:
        lines = [f"{one['field']}: {one['message']}" if one.get("field") else one["message"] for one in errors]
        fail("Refused:\n" + "\n".join(f"  {line}" for line in lines) if len(lines) > 1 else f"Refused: {lines[0]}")
    fail(f"Refused: {problem.get('detail') or problem.get('title')}")


def run(work: Coroutine[Any, Any, T], json: bool = False) -> T:
    """Run a command's work to its end, plainly."""
    with plainly(json):
        return asyncio.run(work)
    raise AssertionError("plainly ends the process where it does not pass")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
